import asyncio

import pytest
from fakes.clock import FakeClock
from support.calls import METHOD, Recorder, Script, answered, new_call, refused

from gateway.core.call import Call, MethodInfo
from gateway.core.errors import Origin, Reason, Sent
from gateway.core.events import CallRefused, Events
from gateway.core.outcome import SUCCESS, Kind, Outcome
from gateway.core.status import Code
from gateway.interceptors.endpoint import EndpointInterceptor


class Place:
    def __init__(self, address: str) -> None:
        self.address = address


class Places:
    """Endpoints as told: each attempt gets the next; None where there is none."""

    last_failure = ""

    def __init__(self, *addresses: str, refusal_s: float | None = 0.2) -> None:
        self.left = [Place(address) for address in addresses]
        self.tried: list[list[str]] = []
        self.ends: list[tuple[str, Outcome | None, float, float]] = []
        self._refusal_s = refusal_s

    def choose(self, tried, now, *, timed=True):
        self.tried.append([place.address for place in tried])
        return self.left.pop(0) if self.left else None

    def refusal_s(self, now):
        return self._refusal_s

    def ended(self, endpoint, outcome, duration_s, now):
        self.ends.append((endpoint.address, outcome, duration_s, now))


def interceptor(places: Places, clock: FakeClock, events: Recorder | None = None):
    return EndpointInterceptor(places, "shop", clock, Events([] if events is None else [events]))


async def test_an_attempt_has_an_endpoint_while_it_runs_and_its_end_is_told():
    clock, places = FakeClock(), Places("a:1")
    call = new_call(clock)

    async def attempt(seen: Call) -> Outcome:
        assert seen.endpoint is not None
        assert seen.endpoint.address == "a:1"
        clock.advance(0.25)
        return SUCCESS

    assert await interceptor(places, clock)(call, attempt) is SUCCESS
    assert places.ends == [("a:1", SUCCESS, 0.25, 1000.25)]
    assert call.tried == ()


async def test_what_failed_is_tried_and_told_to_the_next_choice():
    clock, places = FakeClock(), Places("a:1", "b:1", "c:1")
    call, choose = new_call(clock), interceptor(places, clock)
    script = Script(answered(503), refused(), None)
    outcomes = [await choose(call, script) for _ in range(3)]
    assert [outcome.kind for outcome in outcomes] == [Kind.FAILURE, Kind.FAILURE, Kind.SUCCESS]
    assert places.tried == [[], ["a:1"], ["a:1", "b:1"]]
    assert [address for address, *_ in places.ends] == ["a:1", "b:1", "c:1"]
    assert call.endpoint is not None
    assert call.endpoint.address == "c:1"


@pytest.mark.parametrize(
    ("last", "words"),
    [
        ("", "no endpoint of upstream 'shop' can be connected to"),
        (
            "is not reachable at a:1: connection refused",
            "no endpoint of upstream 'shop' can be connected to"
            " (it is not reachable at a:1: connection refused)",
        ),
    ],
)
@pytest.mark.parametrize("delay_s", [0.2, None])
async def test_without_an_endpoint_it_is_refused_at_once_and_told_when_to_come_back(
    last, words, delay_s
):
    clock, places, events = FakeClock(), Places(refusal_s=delay_s), Recorder()
    places.last_failure = last
    call, script = new_call(clock), Script(None)
    outcome = await interceptor(places, clock, events)(call, script)
    error = outcome.error
    assert outcome.kind is Kind.IGNORED
    assert error is not None
    assert (error.code, error.reason) == (Code.UNAVAILABLE, Reason.NO_ENDPOINT)
    assert (error.origin, error.sent) == (Origin.GATEWAY, Sent.NOT_SENT)
    assert (error.message, error.upstream, error.retry_after_s) == (words, "shop", delay_s)
    assert error.transient
    assert script.attempts == 0
    assert events == [CallRefused(call, "endpoint", error)]
    assert places.ends == []
    assert call.endpoint is None


async def test_a_cancelled_attempt_is_given_back():
    clock, places = FakeClock(), Places("a:1")
    call = new_call(clock)

    async def waits(_call: Call) -> Outcome:
        await clock.sleep(100)
        raise AssertionError("never reached")

    task = asyncio.ensure_future(interceptor(places, clock)(call, waits))
    await asyncio.sleep(0)
    clock.advance(3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert places.ends == [("a:1", None, 3.0, 1003.0)]
    assert call.tried == ()
    assert clock.pending == 0


async def test_a_fault_of_the_gateway_gives_it_back_too():
    clock, places = FakeClock(), Places("a:1")

    async def breaks(_call: Call) -> Outcome:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await interceptor(places, clock)(new_call(clock), breaks)
    assert places.ends == [("a:1", None, 0.0, 1000.0)]


@pytest.mark.parametrize(
    ("client_streaming", "server_streaming", "duration_s"),
    [(False, False, 5.0), (True, False, None), (False, True, None), (True, True, None)],
)
async def test_how_long_a_stream_lasts_is_no_latency(
    client_streaming, server_streaming, duration_s
):
    clock, places = FakeClock(), Places("a:1")
    call = new_call(clock)
    call.method = MethodInfo(METHOD.service, METHOD.name, client_streaming, server_streaming)

    async def lasts(_call: Call) -> Outcome:
        clock.advance(5)
        return SUCCESS

    await interceptor(places, clock)(call, lasts)
    assert places.ends == [("a:1", SUCCESS, duration_s, 1005.0)]
