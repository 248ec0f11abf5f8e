import pytest

from gateway.demo.faults import (
    Draws,
    Fault,
    FaultError,
    Mishap,
    Switchboard,
    fault_to_json,
    parse_fault,
)

ORDERS = "/orders"


def statuses(board: Switchboard, number: int, *, path: str = ORDERS) -> list[int | None]:
    return [board.meet("GET", path, 0.0).status for _ in range(number)]


def board(*faults: Fault, seed: int = 1, lasting: tuple[Fault, ...] = ()) -> Switchboard:
    made = Switchboard(seed, lasting, now=0.0)
    made.replace(faults, 0.0)
    return made


def test_without_faults_nothing_happens() -> None:
    assert board().meet("GET", ORDERS, 0.0) == Mishap()


@pytest.mark.parametrize(
    ("fault", "verb", "path", "concerned"),
    [
        (Fault(status=500), "GET", "/any/thing", True),
        (Fault(status=500, verb="GET"), "POST", "/orders", False),
        (Fault(status=500, path="/orders"), "GET", "/orders", True),
        (Fault(status=500, path="/orders"), "GET", "/orders/1", True),
        (Fault(status=500, path="/orders"), "GET", "/ordersX", False),
        (Fault(status=500, path="/orders/1"), "GET", "/orders", False),
        (Fault(status=500, path="/"), "GET", "/orders", True),
    ],
)
def test_a_fault_concerns_its_verb_and_what_lies_below_its_path(
    fault: Fault, verb: str, path: str, concerned: bool
) -> None:
    assert fault.concerns(verb, path) is concerned


def test_count_strikes_the_first() -> None:
    assert statuses(board(Fault(status=503, count=2)), 4) == [503, 503, None, None]


def test_of_begins_anew() -> None:
    faults = board(Fault(status=503, count=2, of=3))
    assert statuses(faults, 7) == [503, 503, None, 503, 503, None, 503]


def test_only_requests_it_concerns_are_counted() -> None:
    faults = board(Fault(status=503, count=1, path="/orders"))
    assert statuses(faults, 2, path="/other") == [None, None]
    assert statuses(faults, 2) == [503, None]


def test_a_share_is_about_that_share() -> None:
    struck = statuses(board(Fault(status=503, share=0.3)), 1000).count(503)
    assert 250 < struck < 350


def test_no_share_and_every_share() -> None:
    assert statuses(board(Fault(status=503, share=0)), 50) == [None] * 50
    assert statuses(board(Fault(status=503, share=1)), 50) == [503] * 50


def test_equal_seeds_strike_the_same_requests_and_others_do_not() -> None:
    fault = Fault(status=503, share=0.5)
    first, same, other = (statuses(board(fault, seed=s), 64) for s in (1, 1, 2))
    assert first == same
    assert first != other


def test_other_paths_do_not_shift_the_draws() -> None:
    fault = Fault(status=503, share=0.5, path=ORDERS)
    undisturbed = statuses(board(fault), 32)
    disturbed = board(fault, Fault(status=500, share=0.5, path="/other"))
    found = []
    for _ in range(32):
        disturbed.meet("GET", "/other", 0.0)
        found += statuses(disturbed, 1)
    assert found == undisturbed


def test_flapping_is_down_first_and_then_up() -> None:
    faults = Switchboard(1, now=100.0)
    faults.replace([parse_fault({"status": 503, "flap": {"down_s": 2, "up_s": 3}})], 100.0)
    at = (100.0, 101.9, 102.0, 104.9, 105.0, 107.0)
    found = [faults.meet("GET", ORDERS, now).status for now in at]
    assert found == [503, 503, None, None, 503, None]


def test_latencies_add_up_and_the_first_answer_decides() -> None:
    faults = board(
        Fault(latency_s=1.0),
        Fault(status=429, retry_after_s=3, latency_s=0.5),
        Fault(drop=True),
    )
    assert faults.meet("GET", ORDERS, 0.0) == Mishap(1.5, 429, 3, drop=False, acts=False)


def test_latency_alone_lets_the_request_take_effect() -> None:
    assert board(Fault(latency_s=1.0)).meet("GET", ORDERS, 0.0) == Mishap(1.0)


def test_a_dropped_request_may_take_effect() -> None:
    assert board(Fault(drop=True, acts=True)).meet("POST", ORDERS, 0.0).acts
    assert not board(Fault(drop=True)).meet("POST", ORDERS, 0.0).acts


def test_lasting_faults_survive_replacement_and_begin_anew_on_reset() -> None:
    faults = board(Fault(status=500, path="/x"), lasting=(Fault(status=503, count=1),))
    assert statuses(faults, 2) == [503, None]
    faults.replace([], 0.0)
    assert faults.faults == ()
    assert statuses(faults, 1, path="/x") == [None]
    faults.reset(0.0)
    assert statuses(faults, 1) == [503]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ([], "must be an object"),
        ({}, "does nothing; give it a status, drop or latency_s"),
        ({"stauts": 503}, "stauts: is not known; known: verb, path, status"),
        ({"status": "503"}, "status: must be a whole number"),
        ({"status": True}, "status: must be a whole number"),
        ({"status": 200}, "status: must be 400 to 599"),
        ({"status": 0}, "status: must be 400 to 599"),
        ({"status": 503, "drop": True}, "drop: a dropped request has no status"),
        ({"retry_after_s": 3, "drop": True}, "retry_after_s: needs a status"),
        ({"status": 429, "retry_after_s": -1}, "retry_after_s: must not be negative"),
        ({"path": "orders", "drop": True}, "path: must begin with /"),
        ({"latency_s": -1}, "latency_s: must be 0 to 3600"),
        ({"drop": 1}, "drop: must be true or false"),
        ({"drop": True, "count": 0}, "count: must be at least 1"),
        ({"drop": True, "of": 3}, "of: must be greater than count"),
        ({"drop": True, "of": 3, "count": 3}, "of: must be greater than count"),
        ({"drop": True, "share": 1.5}, "share: must be 0 to 1"),
        ({"drop": True, "flap": {"down_s": 1}}, "flap: up_s: is needed"),
        ({"drop": True, "flap": {"down_s": 1, "up_s": 0}}, "flap: down_s and up_s must be"),
        ({"drop": True, "flap": {"down_s": 1, "up_s": "2"}}, "up_s: must be a number"),
    ],
)
def test_a_fault_that_cannot_be_is_refused_by_field(body: object, text: str) -> None:
    with pytest.raises(FaultError) as caught:
        parse_fault(body)
    assert str(caught.value).startswith(text)


def test_a_fault_is_parsed_with_its_verb_in_upper_case() -> None:
    assert parse_fault({"verb": "post", "status": 503}) == Fault(verb="POST", status=503)


def test_draws_lie_between_0_and_1_and_are_spread() -> None:
    rng = Draws(1, "x")
    drawn = [rng.random() for _ in range(2000)]
    assert all(0 <= number < 1 for number in drawn)
    assert 0.45 < sum(drawn) / len(drawn) < 0.55


@pytest.mark.parametrize(
    "body",
    [
        {"drop": True},
        {"verb": "GET", "path": "/x", "status": 429, "retry_after_s": 0, "count": 1, "of": 2},
        {"latency_s": 0.5, "share": 0.0, "flap": {"down_s": 1.5, "up_s": 2}},
        {"status": 500, "acts": True},
    ],
)
def test_what_is_shown_can_be_set_again(body: dict) -> None:
    assert fault_to_json(parse_fault(body)) == body
