import pytest

from gateway.downstream.endpoints.options import OutlierOptions
from gateway.downstream.endpoints.outliers import OutlierDetector, Record


class Watched:
    """A detector over so many endpoints, at a time of its own."""

    def __init__(self, count: int, **options) -> None:
        self.detector = OutlierDetector(OutlierOptions(**options))
        self.records = [self.detector.add() for _ in range(count)]
        self.now = 100.0

    def succeed(self, at: int, times: int = 1) -> None:
        for _ in range(times):
            self.detector.succeeded(self.records[at], self.now)

    def fail(self, at: int, times: int = 1) -> list[str]:
        """Return why it was ejected, once for each time that it was."""
        ends = [self.detector.failed(self.records[at], self.now) for _ in range(times)]
        return [end.why for end in ends if end is not None]

    def wait(self, duration_s: float) -> list[tuple[int, str]]:
        """Let time pass; return what happened meanwhile."""
        until, changes = self.now + duration_s, []
        while self.detector.due_at <= until:
            self.now = max(self.now, self.detector.due_at)
            changes += self.detector.advance(self.now)
        self.now = until
        return [(self.records.index(change.record), change.why) for change in changes]

    @property
    def ejected(self) -> list[int]:
        return [at for at, record in enumerate(self.records) if record.ejected_until is not None]

    def eject(self, at: int) -> float:
        """Have it ejected by a row; return for how long."""
        other = (at + 1) % len(self.records)
        self.fail(at)
        self.succeed(other)
        for _ in range(20):
            if self.fail(at):
                return (self.records[at].ejected_until or 0) - self.now
        raise AssertionError("not ejected")


def test_a_row_of_failures_ejects():
    watched = Watched(3)
    assert watched.fail(0, 4) == []
    watched.succeed(1)
    assert watched.fail(0) == ["5 failures in a row"]
    assert watched.ejected == [0]


def test_a_success_ends_the_row():
    watched = Watched(3)
    watched.fail(0, 4)
    watched.succeed(0)
    watched.succeed(1)
    assert watched.fail(0, 4) == []


def test_a_row_that_all_have_is_no_outlier():
    watched = Watched(4)
    assert [watched.fail(at % 4) for at in range(200)] == [[]] * 200
    assert watched.wait(10) == []


def test_a_row_counts_once_others_do_better():
    watched = Watched(2)
    for at in range(20):
        watched.fail(at % 2)
    watched.succeed(1, 9)
    assert watched.fail(0) == []  # since its row began the other failed in nine, ten of nineteen
    watched.succeed(1, 2)
    assert watched.fail(0) == ["12 failures in a row"]


@pytest.mark.parametrize(
    ("own", "others", "ejected"),
    [
        ((10, 10), (0, 10), True),
        ((5, 10), (0, 10), True),  # the rate itself
        ((4, 10), (0, 10), False),  # below it
        ((9, 9), (0, 10), False),  # too few of its own
        ((10, 10), (0, 9), False),  # too few of the others
        ((10, 10), (5, 10), True),  # the others fail half as much
        ((10, 10), (6, 10), False),
        ((6, 10), (6, 10), False),  # all alike
        ((5, 10), (3, 10), False),
    ],
)
def test_a_rate_ejects_where_the_others_do_better(own, others, ejected):
    watched = Watched(2, consecutive_failures=0)
    for at, (failures, calls) in enumerate((own, others)):
        watched.fail(at, failures)
        watched.succeed(at, calls - failures)
    assert watched.ejected == []  # not before the interval ends
    changes = watched.wait(1.0)
    assert changes == ([(0, f"{own[0] / own[1]:.0%} of its attempts failed")] if ejected else [])


def test_what_an_interval_counted_is_forgotten_with_it():
    watched = Watched(2, consecutive_failures=0)
    watched.fail(0, 6)
    watched.succeed(1, 10)
    assert watched.wait(1.0) == []
    watched.fail(0, 6)
    watched.succeed(1, 10)
    assert watched.wait(1.0) == []


def test_the_worst_are_ejected_first_and_no_more_than_may_be():
    watched = Watched(5, consecutive_failures=0)
    for at, failures in enumerate((6, 10, 8, 0, 0)):
        watched.fail(at, failures)
        watched.succeed(at, 10 - failures)
    assert [at for at, _ in watched.wait(1.0)] == [1, 2]
    assert watched.ejected == [1, 2]


@pytest.mark.parametrize(
    ("count", "share", "most"),
    [(2, 0.5, 1), (3, 0.5, 1), (4, 0.5, 2), (3, 0.3, 0), (10, 0.1, 1), (100, 0.29, 29), (2, 1, 1)],
)
def test_the_share_is_looked_at_before_each_ejection(count, share, most):
    watched = Watched(count, max_ejected_share=share)
    for at in range(count):
        watched.fail(at)
    watched.succeed(count - 1, 10_000)  # all others fail, and it does not
    for at in range(count - 1):
        watched.fail(at, 9)
    assert len(watched.ejected) == most


@pytest.mark.parametrize(("count", "minimum"), [(1, 1), (1, 2), (2, 3), (4, 5)])
def test_too_few_endpoints_are_never_ejected(count, minimum):
    watched = Watched(count, minimum_endpoints=minimum)
    watched.fail(0)
    watched.succeed(count - 1, 0 if count == 1 else 100)
    assert watched.fail(0, 100) == []
    assert watched.wait(10) == []


def test_an_ejection_ends_and_leaves_nothing_behind():
    watched = Watched(2)
    assert watched.eject(0) == 1.0
    assert watched.wait(0.999) == []
    assert watched.wait(0.001) == [(0, "its ejection is over")]
    watched.succeed(1)
    assert watched.fail(0, 4) == []


def test_the_nth_ejection_lasts_n_times_as_long_up_to_a_bound():
    watched = Watched(2, max_ejection_s=4.0)
    lasted = []
    for _ in range(6):
        lasted.append(watched.eject(0))
        watched.wait(lasted[-1])
    assert lasted == [1, 2, 3, 4, 4, 4]


def test_n_falls_by_one_an_interval_without_an_ejection():
    watched = Watched(2, max_ejection_s=4.0)
    for _ in range(6):
        watched.wait(watched.eject(0))
    watched.wait(2.0)
    assert watched.eject(0) == 3.0  # it would have been the fourth again, or longer
    watched.wait(3.0)
    watched.wait(30.0)
    assert watched.eject(0) == 1.0


def test_what_an_ejected_endpoint_still_ends_counts_for_nothing():
    watched = Watched(2)
    watched.eject(0)
    watched.succeed(0, 10)
    assert watched.fail(0, 10) == []
    assert watched.records[0].calls == 0
    watched.wait(1.0)
    watched.succeed(1)
    assert watched.fail(0, 4) == []


def test_rows_and_rates_of_zero_never_eject():
    watched = Watched(2, consecutive_failures=0, failure_rate=0)
    watched.fail(0, 100)
    watched.succeed(1, 100)
    assert watched.fail(0, 100) == []
    assert watched.wait(5) == []


def test_where_endpoints_go_those_nearest_their_end_come_back():
    watched = Watched(4)
    watched.eject(0)
    watched.now += 0.1
    watched.eject(1)
    assert watched.detector.remove(watched.records[2]) == [
        (watched.records[0], "too few endpoints are left")
    ]
    assert watched.ejected == [1]
    assert [change.record for change in watched.detector.remove(watched.records[3])] == []
    assert [change.record for change in watched.detector.remove(watched.records[0])] == [
        watched.records[1]
    ]


def test_an_ejected_endpoint_that_goes_makes_room():
    watched = Watched(4)
    watched.eject(0)
    watched.eject(1)
    watched.detector.remove(watched.records[0])
    watched.records[0] = Record()
    watched.detector.remove(watched.records[2])
    assert watched.ejected == [1]  # one of two
    watched.detector.remove(watched.records[3])
    assert watched.ejected == []  # the only one


def test_nothing_is_due_where_nothing_is_counted():
    watched = Watched(2)
    assert watched.detector.due_at == float("inf")
    watched.succeed(0)
    assert watched.detector.due_at == 101.0
    watched.wait(1.0)
    assert watched.detector.due_at == 102.0
    watched.wait(1.0)
    assert watched.detector.due_at == float("inf")
