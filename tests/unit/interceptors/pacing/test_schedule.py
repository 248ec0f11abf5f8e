import pytest

from gateway.interceptors.pacing.schedule import Schedule


def send(schedule: Schedule, at: float, rate_per_s: float, burst: int = 1) -> bool:
    due_at = schedule.due_at(0, rate_per_s, burst, at)
    if due_at > at:
        return False
    schedule.go(at, due_at, rate_per_s)
    return True


def test_requests_are_spread_evenly():
    schedule = Schedule()
    went = [tick / 64 for tick in range(257) if send(schedule, tick / 64, 8)]
    assert went == [n / 8 for n in range(33)]


def test_a_burst_may_go_at_once_and_is_earned_again():
    schedule = Schedule()
    assert [send(schedule, 0.0, 10, 3) for _ in range(4)] == [True, True, True, False]
    assert [send(schedule, 0.2, 10, 3) for _ in range(3)] == [True, True, False]
    assert [send(schedule, 60.0, 10, 3) for _ in range(4)] == [True, True, True, False]


@pytest.mark.parametrize("burst", [1, 2, 5])
@pytest.mark.parametrize("ahead", [0, 1, 3, 10])
def test_the_delay_counts_everybody_ahead(ahead, burst):
    schedule = Schedule()
    send(schedule, 0.0, 4, burst)
    told = schedule.due_at(ahead, 4, burst, 0.01)
    for _ in range(ahead):
        due_at = schedule.due_at(0, 4, burst, 0.01)
        schedule.go(due_at, due_at, 4)
    assert schedule.due_at(0, 4, burst, 0.01) == pytest.approx(told)


@pytest.mark.parametrize(("late_s", "next_at"), [(0.0, 0.02), (0.003, 0.02), (0.05, 0.055)])
def test_a_late_wake_up_is_made_up_for_up_to_five_milliseconds(late_s, next_at):
    schedule = Schedule()
    send(schedule, 0.0, 100)
    schedule.go(0.01 + late_s, 0.01, 100)
    assert schedule.due_at(0, 100, 1, 0.0) == pytest.approx(
        next_at + (0.01 if late_s > 0.005 else 0)
    )


def test_another_rate_counts_from_the_next_request_on():
    schedule = Schedule()
    send(schedule, 0.0, 1)
    assert send(schedule, 1.0, 100)
    assert schedule.due_at(0, 1, 1, 1.0) == pytest.approx(1.01)


def test_taking_back_the_last_leaves_no_trace():
    schedule = Schedule()
    send(schedule, 0.0, 1)
    send(schedule, 1.0, 1)
    schedule.take_back(schedule.went)
    assert schedule.due_at(0, 1, 1, 0.0) == 1.0
    schedule.take_back(schedule.went)  # the one before it was sent
    assert schedule.due_at(0, 1, 1, 0.0) == 1.0


def test_what_another_request_built_on_is_not_taken_back():
    schedule = Schedule()
    send(schedule, 0.0, 1)
    first = schedule.went
    send(schedule, 1.0, 1)
    schedule.take_back(first)
    assert schedule.due_at(0, 1, 1, 0.0) == 2.0
