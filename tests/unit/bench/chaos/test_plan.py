"""The same seed is the same schedule, for whoever comes and in whatever order."""

import pytest

from bench.chaos.calls import arrivals
from bench.chaos.cases import CASES
from bench.chaos.plan import Capacity, Fault, Plan

CAPACITY = Capacity(workers=8, service_s=0.1, max_queued=80)
CALLS = [f"C{number:06d}" for number in range(2000)]


def plan(*faults: Fault, seed: int = 1) -> Plan:
    return Plan(seed=seed, capacity=CAPACITY, faults=faults)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.letter)
def test_equal_seeds_give_equal_arrivals_and_fates(case):
    assert arrivals(case, 7) == arrivals(case, 7)
    assert arrivals(case, 7) != arrivals(case, 8)
    one, other = case.plan(7), case.plan(7)
    fates = [one.fate(0, call, 1, 4.5) for call in CALLS[:200]]
    assert fates == [other.fate(0, call, 1, 4.5) for call in reversed(CALLS[:200])][::-1]
    assert fates != [case.plan(8).fate(0, call, 1, 4.5) for call in CALLS[:200]]


def test_the_share_of_errors_is_what_was_asked_for():
    errors = plan(Fault(kind="errors", share=0.1))
    failed = sum(errors.fate(0, call, 1, 0.0).failed for call in CALLS)
    assert 160 <= failed <= 240


def test_each_attempt_of_a_call_has_a_fate_of_its_own():
    errors = plan(Fault(kind="errors", share=0.5))
    assert len({errors.fate(0, "C000001", nth, 0.0) for nth in range(1, 30)}) == 29


def test_the_end_of_one_fault_shifts_no_draw_of_another():
    both = plan(Fault(kind="errors", share=0.5, until_s=5), Fault(kind="resets", share=0.5))
    before = [both.fate(0, call, 1, 4.0) for call in CALLS]
    after = [both.fate(0, call, 1, 6.0) for call in CALLS]
    assert all(late.cut for early, late in zip(before, after, strict=True) if early.cut)


def test_service_times_stay_within_a_fifth_of_the_mean():
    times = [plan().fate(0, call, 1, 0.0).service_s for call in CALLS]
    assert 0.08 <= min(times) < 0.082
    assert 0.118 < max(times) <= 0.12


@pytest.mark.parametrize(
    ("fault", "at_s", "factor"),
    [
        (Fault(kind="slow", least=20), 0.0, 20.0),
        (Fault(kind="ramp", from_s=10, until_s=14, share=0.25), 10.0, 4.0),
        (Fault(kind="ramp", from_s=10, until_s=14, share=0.25), 12.0, 1.6),
        (Fault(kind="ramp", from_s=10, until_s=14, share=0.25), 14.0, 1.0),
        (Fault(kind="spikes", share=1.0, least=20, most=20), 0.0, 20.0),
    ],
)
def test_what_is_slower_takes_as_many_times_as_long(fault, at_s, factor):
    usual, slower = plan(Fault(kind="errors")), plan(fault)
    found = slower.fate(0, "C1", 1, at_s).service_s / usual.fate(0, "C1", 1, at_s).service_s
    assert found == pytest.approx(factor)


def test_a_fault_holds_from_its_beginning_until_its_end_for_its_endpoints():
    fault = Fault(kind="away", from_s=2, until_s=3, endpoints=(1,))
    held = [plan(fault).away(1, at_s) for at_s in (1.99, 2.0, 2.99, 3.0)]
    assert held == [False, True, True, False]
    assert not plan(fault).away(0, 2.5)
    assert plan(fault).edges() == [2, 3]


def test_before_the_start_only_faults_without_a_beginning_hold():
    before = float("-inf")
    assert plan(Fault(kind="away")).away(0, before)
    assert not plan(Fault(kind="away", from_s=0)).away(0, before)


def test_fewer_workers_are_a_share_of_them_and_never_none():
    assert plan(Fault(kind="fewer_workers", share=0.5)).workers(0, 0.0) == 4
    assert plan(Fault(kind="fewer_workers", share=0.01)).workers(0, 0.0) == 1
    assert plan().workers(0, 0.0) == 8


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.letter)
def test_a_plan_survives_json(case):
    assert Plan.from_json(case.plan(3).as_json()) == case.plan(3)
