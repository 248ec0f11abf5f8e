import pytest

from gateway.interceptors.pacing.lesson import Lesson

INFINITE = float("inf")


class Upstream:
    """Answers a lesson is drawn from."""

    def __init__(self, declared_per_s: float = INFINITE) -> None:
        self.lesson = Lesson()
        self.now = 1000.0
        self.declared = declared_per_s
        self.taught: list[str] = []

    def answers(
        self, per_s: float, seconds: float, refused_every: int = 0, retry_after_s: float = 0.0
    ) -> None:
        """Answer `per_s` requests a second; every so many of them with 429."""
        for n in range(1, round(per_s * seconds) + 1):
            self.now += 1 / per_s
            if refused_every and n % refused_every == 0:
                self.refuse(retry_after_s)
            else:
                self.lesson.through(self.lesson.round, self.now)

    def refuse(self, retry_after_s: float = 0.0, let_go_in: int | None = None) -> str | None:
        let_go_in = self.lesson.round if let_go_in is None else let_go_in
        why = self.lesson.refused(let_go_in, retry_after_s, self.declared, self.now)
        if why is not None:
            self.taught.append(why)
        return why

    @property
    def rate(self) -> float | None:
        return self.lesson.rate_per_s(self.now)

    def answer_until_taught(self, per_s: float, refused_every: int) -> None:
        """Answer until there is one more lesson."""
        lessons = self.lesson.round
        while self.lesson.round == lessons:
            self.answers(per_s, refused_every / per_s, refused_every)

    def teach(self, per_s: float = 100.0) -> None:
        """Answer a second and a half, every other with 429, until that is a lesson."""
        self.answers(per_s, 1.5)
        self.answer_until_taught(per_s, refused_every=2)


def test_a_single_429_is_its_own_requests_affair():
    upstream = Upstream()
    upstream.answers(10, 5)
    upstream.refuse(retry_after_s=30)
    upstream.answers(10, 20)
    upstream.refuse(retry_after_s=30)
    assert upstream.rate is None
    assert upstream.lesson.paused_until < upstream.now


def test_three_429s_among_many_answers_are_no_lesson():
    upstream = Upstream()
    upstream.answers(100, 10, refused_every=11)
    assert upstream.taught == []


@pytest.mark.parametrize("refused", [2, 3])
def test_a_lesson_takes_three_429s(refused):
    upstream = Upstream()
    upstream.answers(2, 5)
    for _ in range(refused):
        upstream.now += 0.5
        upstream.refuse()
    assert bool(upstream.taught) == (refused == 3)


def test_a_lesson_takes_a_second_of_answers():
    upstream = Upstream()
    for _ in range(50):
        upstream.now += 0.01
        upstream.refuse()
    assert upstream.rate is None
    upstream.now += 0.8
    assert upstream.refuse() == "51 of 51 answers were 429"


def test_429s_that_are_ten_seconds_apart_are_no_lesson():
    upstream = Upstream()
    for _ in range(10):
        upstream.now += 5.1
        upstream.refuse()
    assert upstream.taught == []


def test_a_lesson_is_two_thirds_of_what_got_through():
    upstream = Upstream()
    upstream.answers(100, 10)
    upstream.answer_until_taught(200, refused_every=2)  # 100 of 200 a second get through
    assert upstream.rate == pytest.approx(100 * 2 / 3, rel=0.15)


def test_it_falls_by_a_third_where_nearly_everything_gets_through():
    upstream = Upstream()
    upstream.teach(100)
    for _ in range(16):
        upstream.answers(upstream.rate or 0, 0.25)
    before = upstream.rate
    assert before is not None
    upstream.answer_until_taught(before, refused_every=20)
    assert upstream.rate == pytest.approx(before * 2 / 3, rel=0.2)


def test_few_answers_lower_it_to_a_sixth_of_what_was_sent_at_most():
    upstream = Upstream()
    upstream.answers(60, 1.1, refused_every=1)
    assert upstream.rate == pytest.approx(10, rel=0.2)


def test_the_rate_never_falls_below_one_a_second_if_so_much_is_sent():
    upstream = Upstream()
    for _ in range(1000):
        upstream.now += 1 / (upstream.rate or 8)
        upstream.refuse()
        assert upstream.rate is None or upstream.rate >= 1
    assert upstream.lesson.round > 3
    assert upstream.rate is not None
    assert upstream.rate < 1.1


def test_it_is_never_above_the_declared_rate():
    upstream = Upstream(declared_per_s=20)
    upstream.answers(100, 3, refused_every=5)
    assert upstream.rate is not None
    assert upstream.rate <= 20 * 2 / 3


def test_what_was_let_go_before_a_lesson_teaches_nothing_more():
    upstream = Upstream()
    upstream.teach()
    rate = upstream.rate
    assert rate is not None
    for _ in range(500):
        upstream.now += 0.01
        assert upstream.refuse(let_go_in=0) is None
    assert upstream.lesson.round == 1
    assert upstream.rate > rate * 1.4  # and does not stop the growth


def test_while_a_rate_is_known_a_smaller_share_is_a_lesson():
    upstream = Upstream()
    upstream.teach(100)
    upstream.answers(60, 2, refused_every=25)
    assert upstream.lesson.round == 2


def test_the_rate_grows_from_a_lesson_on_once_two_requests_had_time_to_be_answered():
    upstream = Upstream()
    upstream.teach(100)
    taught = upstream.rate
    assert taught is not None
    upstream.now += 2 / taught
    rates = [taught]
    assert upstream.rate == pytest.approx(taught)
    for _ in range(3):
        upstream.now += 1
        rates.append(upstream.rate or 0)
    assert rates == sorted(set(rates))
    assert rates[3] - rates[2] == pytest.approx(100 * 2 / 3 / 10, rel=0.1)


def test_a_429_that_is_no_lesson_stops_the_growth_for_a_second():
    upstream = Upstream()
    upstream.teach(100)
    upstream.now += 2
    upstream.refuse()
    held = upstream.rate
    assert held is not None
    upstream.now += 1
    assert upstream.rate == held
    upstream.now += 1
    assert upstream.rate > held


@pytest.mark.parametrize(("told_s", "pause_s"), [(5.0, 5.0), (60.0, 60.0), (3600.0, 60.0)])
def test_the_longest_retry_after_pauses_everything_up_to_a_minute(told_s, pause_s):
    upstream = Upstream()
    told_at = upstream.now
    upstream.refuse(told_s)
    while not upstream.lesson.known:
        upstream.now += 0.05
        upstream.refuse(1.0)
    assert upstream.lesson.paused_until == pytest.approx(told_at + pause_s)
    rate = upstream.rate
    upstream.now = upstream.lesson.paused_until
    assert upstream.rate == rate  # it grows from the end of the pause on


@pytest.mark.parametrize(("refused_every", "paused"), [(2, True), (3, False), (8, False)])
def test_only_an_upstream_that_refuses_half_of_the_answers_is_left_alone(refused_every, paused):
    upstream = Upstream()
    upstream.answers(25, 3, refused_every, retry_after_s=60)
    assert upstream.taught
    assert (upstream.lesson.paused_until > upstream.now) == paused


def test_all_of_the_last_second_is_a_pause_and_lowers_no_rate_twice():
    upstream = Upstream()
    upstream.answers(50, 10)
    began_at = upstream.now
    while not upstream.taught:
        upstream.answers(50, 0.02, 1, retry_after_s=30)
    assert upstream.now < began_at + 0.9
    assert upstream.lesson.paused_until < upstream.now
    while upstream.lesson.round < 2:
        upstream.answers(30, 1 / 30, 1, retry_after_s=30)
    assert upstream.now == pytest.approx(began_at + 1, abs=0.1)
    assert upstream.lesson.paused_until == pytest.approx(upstream.now + 30)
    assert upstream.rate == pytest.approx(50 * 2 / 3, rel=0.15)


def test_an_old_retry_after_does_not_make_a_pause_long():
    upstream = Upstream()
    upstream.refuse(60)
    upstream.answers(100, 4)
    upstream.answers(6, 1.5, refused_every=1, retry_after_s=2)
    assert 0 < upstream.lesson.paused_until - upstream.now < 2.1


def test_late_429s_neither_begin_a_pause_nor_make_it_longer():
    upstream = Upstream()
    upstream.teach(100)
    upstream.refuse(20.0, let_go_in=0)
    assert upstream.lesson.paused_until < upstream.now
    upstream.answers(20, 2, refused_every=1, retry_after_s=5)
    until = upstream.lesson.paused_until
    assert until > upstream.now
    for _ in range(50):
        upstream.refuse(60.0, let_go_in=upstream.lesson.round - 1)
    assert upstream.lesson.paused_until == until


@pytest.mark.parametrize("every", [3, 5, 8])
def test_429s_that_a_lower_rate_does_not_make_fewer_are_not_its_affair(every):
    upstream = Upstream()
    upstream.answers(50, 5)
    limited_s = 0.0
    while upstream.now < 1060:
        rate = min(50, upstream.rate or 50)
        upstream.answers(rate, every / rate, every)
        limited_s += every / rate if rate < 50 else 0
    assert limited_s < 6
    assert upstream.rate is None or upstream.rate > 50
    assert upstream.lesson.paused_until < 0


def test_the_rate_is_kept_above_a_quarter_while_most_is_answered():
    upstream = Upstream()
    upstream.answers(40, 5)
    lowest = 40.0
    for n in range(3000):
        rate = min(40, upstream.rate or 40)
        lowest = min(lowest, rate)
        upstream.answers(rate, 1 / rate, 1 if n % 4 == 0 else 0)
    assert upstream.taught
    assert lowest >= 40 / 4 * 0.8


def test_a_single_429_of_the_next_round_pauses_nothing():
    upstream = Upstream()
    upstream.teach(100)
    upstream.answers(50, 1)
    upstream.refuse(20.0)
    assert upstream.lesson.paused_until < upstream.now


def forgotten_after(upstream: Upstream, demand_per_s: float, *, held: bool) -> float:
    began_at = upstream.now
    while upstream.lesson.forget(upstream.declared, upstream.now) is None:
        upstream.now += 1 / demand_per_s
        upstream.lesson.asked(upstream.now)
        if held:
            upstream.lesson.held(upstream.now)
        assert upstream.now < began_at + 500
    return upstream.now - began_at


def test_a_rate_that_holds_nothing_back_is_forgotten_after_half_a_minute():
    upstream = Upstream()
    upstream.teach(10)
    rate = upstream.rate
    assert rate is not None
    assert forgotten_after(upstream, rate * 3, held=False) == pytest.approx(30, abs=1)
    assert upstream.rate is None


def test_a_rate_that_is_twice_what_is_asked_for_is_forgotten():
    upstream = Upstream()
    upstream.teach(100)
    rate = upstream.rate
    assert rate is not None
    assert forgotten_after(upstream, rate / 4, held=True) == pytest.approx(10, abs=1)


def test_a_rate_that_is_asked_for_is_kept():
    upstream = Upstream()
    upstream.teach(100)
    for _ in range(60):
        rate = upstream.rate
        assert rate is not None
        for n in range(round(rate)):
            upstream.lesson.asked(upstream.now + n / rate)
        upstream.now += 1
        upstream.lesson.held(upstream.now)
        assert upstream.lesson.forget(upstream.declared, upstream.now) is None


def test_a_rate_that_reaches_the_declared_one_is_forgotten():
    upstream = Upstream(declared_per_s=100)
    upstream.teach(100)
    rate = upstream.rate
    assert rate is not None
    assert 3 < forgotten_after(upstream, 100, held=True) < 7
    assert upstream.rate is None


def test_nothing_is_forgotten_during_a_pause():
    upstream = Upstream()
    upstream.answers(100, 1.2, refused_every=1, retry_after_s=60)
    assert upstream.lesson.paused_until > upstream.now + 58
    upstream.now += 58
    assert upstream.lesson.forget(upstream.declared, upstream.now) is None
