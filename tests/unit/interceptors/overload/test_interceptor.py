import pytest
from fakes.clock import FakeClock
from support.calls import Recorder, new_call

from gateway.core.criticality import Criticality
from gateway.core.errors import Reason
from gateway.core.events import CallRefused, Events
from gateway.core.outcome import Kind
from gateway.core.status import Code
from gateway.interceptors.overload.guard import OverloadGuard, OverloadOptions
from gateway.interceptors.overload.interceptor import OverloadInterceptor


@pytest.mark.parametrize("criticality", list(Criticality))
@pytest.mark.parametrize("least", list(Criticality))
def test_what_is_less_critical_than_is_served_is_refused(criticality, least):
    guard = OverloadGuard(OverloadOptions())
    guard.least = least
    heard = Recorder()
    call = new_call(FakeClock())
    call.criticality = criticality
    outcome = OverloadInterceptor(guard, Events([heard])).prepare(call)
    assert (outcome is None) == (criticality >= least)
    assert len(heard) == (criticality < least)


def test_a_refusal_is_unavailable_and_told():
    guard = OverloadGuard(OverloadOptions())
    for n in range(5):
        guard.observe(1.0, None, float(n))
    heard = Recorder()
    call = new_call(FakeClock())
    outcome = OverloadInterceptor(guard, Events([heard])).prepare(call)
    assert outcome is not None
    assert outcome.kind is Kind.IGNORED
    assert outcome.error is not None
    assert outcome.error.code is Code.UNAVAILABLE
    assert outcome.error.reason is Reason.OVERLOADED
    assert outcome.error.pushback_s == -1
    assert heard == [CallRefused(call, "overload", outcome.error)]
