import re

import pytest

from gateway.interceptors.breaker import State, Transition, Trigger, states, transitions

_ROW = re.compile(r"^    (\w+) +(\w+) +(\w+)$", re.MULTILINE)


def test_the_documented_table_is_the_one_that_runs():
    documented = [
        Transition(State(before), Trigger(trigger), State(after))
        for before, trigger, after in _ROW.findall(states.__doc__ or "")
    ]
    assert documented == list(transitions())


def test_every_trigger_leads_somewhere():
    assert {row.trigger for row in transitions()} == set(Trigger)


@pytest.mark.parametrize("state", State)
def test_every_state_can_be_reached_and_left(state):
    assert any(row.after is state is not row.before for row in transitions())
    assert any(row.before is state is not row.after for row in transitions())


def test_only_a_closed_breaker_trips_and_only_a_half_open_one_closes_by_itself():
    operator = {Trigger.FORCE_OPEN, Trigger.MONITOR, Trigger.AUTOMATIC, Trigger.RESET}
    by_itself = [row for row in transitions() if row.trigger not in operator]
    assert {row.before for row in by_itself if row.after is State.CLOSED} == {State.HALF_OPEN}
    assert {row.before for row in by_itself if row.after is State.OPEN} == {
        State.CLOSED,
        State.HALF_OPEN,
    }
    assert {row.before for row in by_itself if row.after is State.HALF_OPEN} == {State.OPEN}


@pytest.mark.parametrize("state", [State.FORCED_OPEN, State.MONITOR_ONLY])
def test_only_the_operator_leaves_a_forced_state(state):
    leaving = {row.trigger for row in transitions() if row.before is state is not row.after}
    assert leaving <= {Trigger.FORCE_OPEN, Trigger.MONITOR, Trigger.AUTOMATIC}
