import asyncio

import pytest
from fakes.clock import FakeClock, FakeRng
from support.calls import METHOD, Recorder, Script, answered, new_call, refused, reset

from gateway.core.call import Call, MethodInfo
from gateway.core.errors import CallError, Origin, Reason
from gateway.core.errors import refused as turned_away
from gateway.core.events import BreakerChanged, CallRefused, Events
from gateway.core.outcome import SUCCESS, Kind, failed
from gateway.core.status import Code
from gateway.interceptors.breaker import (
    BreakerCheckInterceptor,
    BreakerOptions,
    BreakerPermitInterceptor,
    Breakers,
    Mode,
)

WATCH = MethodInfo("shop.v1.OrderService", "Watch", server_streaming=True)
ONE = {"consecutive_failures": 1}
_BOTH = pytest.mark.parametrize("asks", ["check", "permit"])

EARLY = {"consecutive_failures": 10, "failure_rate": 0.5}
"""Opens sooner than what is built in."""


class Way:
    """A breaker on the way of calls."""

    def __init__(self, **options):
        self.clock = FakeClock()
        self.heard = Recorder()
        events = Events([self.heard])
        self.breakers = Breakers(
            BreakerOptions(**(EARLY | options)), "shop", "shop", self.clock, FakeRng(), events
        )
        self.check = BreakerCheckInterceptor(self.breakers, self.clock, events)
        self.permit = BreakerPermitInterceptor(self.breakers, self.clock, events)

    def new_call(self, method=METHOD):
        call = new_call(self.clock)
        call.method = method
        return call

    @property
    def circuit(self):
        return self.breakers.of(self.new_call())

    @property
    def seen(self):
        return self.circuit.snapshot(self.clock.now())

    async def attempt(self, *ends, method=METHOD):
        return await self.permit(self.new_call(method), Script(*(ends or (None,))))

    async def open(self):
        await self.attempt(answered(503))
        assert self.circuit.opened

    async def half_open(self):
        await self.open()
        self.clock.advance(0.2)
        assert self.circuit.allows(self.clock.now())


class Upstream:
    """A target that answers when it is told."""

    def __init__(self):
        self.gate = asyncio.Event()
        self.outcome = SUCCESS
        self.reached = 0

    async def __call__(self, call: Call):
        self.reached += 1
        await self.gate.wait()
        return self.outcome


async def _settle():
    for _ in range(3):
        await asyncio.sleep(0)


# What an attempt says


@pytest.mark.parametrize("error", [answered(502), answered(503), answered(504), refused(), reset()])
async def test_failures_of_the_upstream_open_it(error):
    way = Way()
    for _ in range(10):
        outcome = await way.attempt(error)
        assert outcome.error is error
    assert way.circuit.opened


@pytest.mark.parametrize(
    "error",
    [
        *map(answered, (400, 404, 409, 429, 500)),
        turned_away(Code.RESOURCE_EXHAUSTED, Reason.CONCURRENCY_LIMIT, "x", retry_after_s=1),
        CallError(Code.INVALID_ARGUMENT, Reason.INVALID_REQUEST, "x", origin=Origin.CALLER),
    ],
)
async def test_4xx_and_refusals_are_neither_success_nor_failure(error):
    way = Way(consecutive_failures=2)
    await way.attempt(answered(503))
    for _ in range(50):
        await way.attempt(error)
    assert (way.seen.calls, way.seen.consecutive_failures) == (1, 1)
    await way.attempt(answered(503))
    assert way.circuit.opened


async def test_a_client_cancellation_is_neither_success_nor_failure():
    way = Way(**ONE)
    upstream = Upstream()
    task = asyncio.create_task(way.permit(way.new_call(), upstream))
    await _settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (way.seen.calls, way.seen.consecutive_failures) == (0, 0)


async def test_a_cancelled_probe_gives_its_permit_back():
    way = Way(probes=1, **ONE)
    await way.half_open()
    upstream = Upstream()
    for reached in range(1, 11):
        task = asyncio.create_task(way.permit(way.new_call(), upstream))
        await _settle()
        assert upstream.reached == reached
        assert not way.circuit.allows(way.clock.now())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert way.circuit.allows(way.clock.now())
    assert way.circuit.state == "half_open"
    assert way.clock.pending == 0


async def test_a_fault_of_the_gateway_gives_the_permit_back():
    way = Way(probes=1, **ONE)
    await way.half_open()

    async def faulty(_call):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await way.permit(way.new_call(), faulty)
    assert way.circuit.allows(way.clock.now())
    assert way.circuit.state == "half_open"


@pytest.mark.parametrize("end", [None, answered(503)])
async def test_how_long_the_attempt_took_makes_it_slow(end):
    way = Way(failure_rate=0, slow_call_rate=1.0, minimum_calls=2)
    for duration_s in (4.9, 5.0, 5.1):

        async def takes(_call, duration_s=duration_s):
            way.clock.advance(duration_s)
            return SUCCESS if end is None else failed(end)

        await way.attempt(takes)
    assert way.seen.slow == 2


@pytest.mark.parametrize(
    "method",
    [WATCH, MethodInfo("shop.v1.OrderService", "Upload", client_streaming=True)],
)
async def test_a_stream_is_never_slow(method):
    way = Way()

    async def lasts(_call):
        way.clock.advance(3600)
        return SUCCESS

    await way.attempt(lasts, method=method)
    assert (way.seen.calls, way.seen.slow) == (1, 0)


async def test_declared_statuses_are_what_fails():
    way = Way(failure_http_statuses=frozenset((500,)), **ONE)
    await way.attempt(answered(503))
    assert way.circuit.closed
    await way.attempt(answered(500))
    assert way.circuit.opened


# What is refused


async def _ask(way, asks, script):
    return await getattr(way, asks)(way.new_call(), script)


@_BOTH
async def test_closed_everything_passes(asks):
    way = Way()
    script = Script(None)
    assert await _ask(way, asks, script) is SUCCESS
    assert script.attempts == 1
    assert way.heard == []


@_BOTH
async def test_open_nothing_reaches_the_upstream(asks):
    way = Way(**ONE)
    await way.open()
    script = Script(None)
    outcome = await _ask(way, asks, script)
    assert script.attempts == 0
    assert outcome.kind is Kind.IGNORED
    error = outcome.error
    assert error is not None
    assert (error.code, error.reason) == (Code.UNAVAILABLE, Reason.BREAKER_OPEN)
    assert error.origin is Origin.GATEWAY
    assert error.transient
    assert error.upstream == "shop"
    assert error.message == ("upstream 'shop' is not called: breaker 'shop' is open (a failure)")
    assert error.retry_after_s == pytest.approx(0.2)


@_BOTH
async def test_a_refusal_is_an_event(asks):
    way = Way(**ONE)
    await way.open()
    way.heard.clear()
    call = way.new_call()
    outcome = await getattr(way, asks)(call, Script(None))
    assert way.heard == [CallRefused(call, "breaker", outcome.error)]


@_BOTH
async def test_the_delay_is_the_time_until_a_probe_may_pass(asks):
    way = Way(**ONE)
    await way.open()
    way.clock.advance(0.15)
    outcome = await _ask(way, asks, Script(None))
    assert outcome.error is not None
    assert outcome.error.retry_after_s == pytest.approx(0.05)


@_BOTH
async def test_half_open_without_a_permit_the_delay_is_until_one_expires(asks):
    way = Way(probes=1, **ONE)
    await way.half_open()
    assert way.circuit.acquire(way.clock.now()) is not None
    way.clock.advance(0.1)
    outcome = await _ask(way, asks, Script(None))
    assert outcome.error is not None
    assert "breaker 'shop' tries it with other calls first" in outcome.error.message
    assert outcome.error.retry_after_s == pytest.approx(0.15)


@_BOTH
async def test_forced_open_no_delay_is_known(asks):
    way = Way(mode=Mode.FORCED_OPEN)
    outcome = await _ask(way, asks, Script(None))
    assert outcome.error is not None
    assert outcome.error.retry_after_s is None
    assert "an operator said so" in outcome.error.message


@_BOTH
async def test_monitor_only_everything_passes(asks):
    way = Way(mode=Mode.MONITOR_ONLY, **ONE)
    for _ in range(20):
        await way.attempt(answered(503))
    assert await _ask(way, asks, Script(None)) is SUCCESS


@_BOTH
async def test_the_key_is_not_told_to_callers(asks):
    way = Way(**ONE)
    events = Events()
    breakers = Breakers(
        BreakerOptions(**ONE), "shop", "shop", way.clock, FakeRng(), events, lambda _call: "hush"
    )
    interceptor = {"check": BreakerCheckInterceptor, "permit": BreakerPermitInterceptor}[asks]
    call = way.new_call()
    await BreakerPermitInterceptor(breakers, way.clock, events)(call, Script(answered(503)))
    outcome = await interceptor(breakers, way.clock, events)(call, Script(None))
    assert outcome.error is not None
    assert "'shop'" in outcome.error.message
    assert "hush" not in outcome.error.message


def test_the_check_takes_nothing_and_does_not_wait():
    way = Way()
    for _ in range(100):
        assert way.check.prepare(way.new_call()) is None
    assert way.seen.calls == 0


async def test_what_opened_while_the_call_waited_is_refused_at_the_attempt():
    way = Way(**ONE)
    call, script = way.new_call(), Script(None)
    assert way.check.prepare(call) is None
    await way.open()
    outcome = await way.permit(call, script)
    assert script.attempts == 0
    assert outcome.error is not None
    assert outcome.error.reason is Reason.BREAKER_OPEN


# Half-open


async def test_half_open_admits_its_probes_of_a_hundred_callers():
    way = Way(**ONE)
    await way.half_open()
    upstream = Upstream()
    tasks = [asyncio.create_task(way.permit(way.new_call(), upstream)) for _ in range(100)]
    await _settle()
    assert upstream.reached == 2
    upstream.gate.set()
    outcomes = await asyncio.gather(*tasks)
    assert sum(outcome is SUCCESS for outcome in outcomes) == 2
    assert way.circuit.closed


async def test_a_probe_that_hangs_keeps_no_other_from_trying_for_longer_than_an_open_time():
    way = Way(probes=1, successes_to_close=1, **ONE)
    await way.half_open()
    hanging = Upstream()
    task = asyncio.create_task(way.permit(way.new_call(), hanging))
    await _settle()
    assert (await way.attempt()).kind is Kind.IGNORED
    way.clock.advance(0.25)
    assert (await way.attempt()).kind is Kind.IGNORED
    way.clock.advance(0.05)
    assert await way.attempt() is SUCCESS
    assert way.circuit.closed
    hanging.outcome = failed(answered(503))  # of an earlier generation by now
    hanging.gate.set()
    await task
    assert way.circuit.closed
    assert way.seen.calls == 0


async def test_the_probes_own_timeout_does_not_end_its_attempt():
    way = Way(probes=1, successes_to_close=1, **ONE)
    await way.half_open()
    slow = Upstream()
    task = asyncio.create_task(way.permit(way.new_call(), slow))
    await _settle()
    way.clock.advance(2)
    await _settle()
    assert not task.done()
    slow.gate.set()
    assert await task is SUCCESS
    assert way.circuit.closed


async def test_an_upstream_that_answers_404_alone_is_in_use_again():
    way = Way(**ONE)
    await way.half_open()
    for _ in range(20):
        await way.attempt(answered(404))
    assert way.circuit.closed


async def test_a_streams_first_message_in_time_is_a_probes_success():
    way = Way(successes_to_close=1, **ONE)
    await way.half_open()
    upstream, call = Upstream(), way.new_call(WATCH)
    task = asyncio.create_task(way.permit(call, upstream))
    await _settle()
    await call.send(b"first")
    assert way.circuit.state == "half_open"
    way.clock.advance(0.25)
    assert way.circuit.closed
    upstream.gate.set()
    assert await task is SUCCESS
    assert way.clock.pending == 0
    assert way.seen.calls == 0  # it was counted as a probe, and once


async def test_a_stream_without_a_message_in_time_says_nothing_yet():
    way = Way(probes=1, successes_to_close=1, **ONE)
    await way.half_open()
    upstream = Upstream()
    task = asyncio.create_task(way.permit(way.new_call(WATCH), upstream))
    await _settle()
    way.clock.advance(0.25)
    assert way.circuit.state == "half_open"
    assert not way.circuit.allows(way.clock.now())  # it was not answered in time
    upstream.gate.set()
    assert await task is SUCCESS
    assert way.circuit.closed


@pytest.mark.parametrize("half_open", [False, True])
async def test_only_a_streamed_probe_is_timed(half_open):
    way = Way(**ONE)
    await (way.half_open() if half_open else way.attempt())
    upstream = Upstream()
    unary = asyncio.create_task(way.permit(way.new_call(), upstream))
    await _settle()
    assert way.clock.pending == 0
    streamed = asyncio.create_task(way.permit(way.new_call(WATCH), upstream))
    await _settle()
    assert way.clock.pending == half_open
    upstream.gate.set()
    await asyncio.gather(unary, streamed)
    assert way.clock.pending == 0


async def test_two_breakers_on_the_way_give_the_outer_permit_back():
    outer, inner = Way(probes=1, **ONE), Way(mode=Mode.FORCED_OPEN)
    await outer.half_open()

    async def through_inner(call):
        return await inner.permit(call, Script(None))

    for _ in range(3):
        outcome = await outer.permit(outer.new_call(), through_inner)
        assert outcome.error is not None
        assert "an operator said so" in outcome.error.message
    assert outer.circuit.state == "half_open"


async def test_its_whole_way_is_told():
    way = Way(**ONE)
    await way.open()
    way.clock.advance(0.2)
    await way.attempt()
    await way.attempt()
    assert [event.after for event in way.heard if isinstance(event, BreakerChanged)] == [
        "open",
        "half_open",
        "closed",
    ]
