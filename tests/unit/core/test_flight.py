"""Work that several calls wait for: each rule of core/flight.py."""

import asyncio

import pytest
from fakes.clock import FakeClock
from support.calls import answered, new_call

from gateway.core.call import Call
from gateway.core.criticality import Criticality
from gateway.core.deadline import Expired, Expiry
from gateway.core.flight import Flight, FlightCall, Landing
from gateway.core.identity import Identity
from gateway.core.outcome import SUCCESS, Outcome, failed
from gateway.core.status import Code


class Work:
    """What a flight does: waits until it is told to end."""

    def __init__(self) -> None:
        self.begun = 0
        self.cancelled = 0
        self.claimed = 0
        self.call: FlightCall | None = None
        self.gate = asyncio.Event()
        self.outcome: Outcome = SUCCESS

    async def __call__(self, call: Call) -> Outcome:
        assert isinstance(call, FlightCall)
        self.begun += 1
        self.call = call
        call.attempts += 1
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            if call.expiry is not None and call.expiry.claim():
                self.claimed += 1
                return failed(answered(504))
            self.cancelled += 1
            raise
        if self.outcome is SUCCESS:
            await call.send(b"answer")
            call.trailing_metadata.append(("x-shard", "7"))
        return self.outcome


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def within(clock: FakeClock, call: Call, flight: Flight) -> "asyncio.Task[Landing | None]":
    """Return a task that waits for the flight as a call would: until its own deadline."""

    async def waiter() -> Landing | None:
        try:
            with Expiry(clock, call.deadline_at):
                return await flight.join(call)
        except Expired:
            return None

    return asyncio.get_running_loop().create_task(waiter())


async def test_every_waiter_gets_the_answer_of_one_run(clock: FakeClock) -> None:
    work = Work()
    first = new_call(clock, timeout_s=5)
    flight = Flight(work, first, clock)
    waiters = [within(clock, new_call(clock, timeout_s=5), flight) for _ in range(20)]
    await turns()
    work.gate.set()
    landings = await asyncio.gather(*waiters)
    assert work.begun == 1
    assert set(landings) == {Landing(SUCCESS, b"answer", (("x-shard", "7"),), 1)}


async def test_waiters_get_the_real_error(clock: FakeClock) -> None:
    work = Work()
    work.outcome = failed(answered(503))
    call = new_call(clock, timeout_s=5)
    flight = Flight(work, call, clock)
    waiters = [within(clock, call, flight), within(clock, new_call(clock, timeout_s=5), flight)]
    work.gate.set()
    for landing in await asyncio.gather(*waiters):
        assert landing is not None
        assert landing.outcome is work.outcome
        assert landing.answer == b""


async def test_one_waiters_cancel_detaches_that_waiter_only(clock: FakeClock) -> None:
    work = Work()
    call = new_call(clock, timeout_s=5)
    flight = Flight(work, call, clock)
    gone, stays = within(clock, call, flight), within(clock, new_call(clock, timeout_s=5), flight)
    await turns()
    gone.cancel()
    await turns()
    assert flight.waiting == 1
    assert flight.joinable
    work.gate.set()
    landing = await stays
    assert landing is not None
    assert landing.answer == b"answer"
    assert work.cancelled == 0


async def test_the_last_one_out_cancels(clock: FakeClock) -> None:
    work = Work()
    ends: list[Flight] = []
    calls = [new_call(clock, timeout_s=5) for _ in range(3)]
    flight = Flight(work, calls[0], clock, ended=ends.append)
    waiters = [within(clock, call, flight) for call in calls]
    await turns()
    for waiter in waiters:
        waiter.cancel()
    await asyncio.wait(waiters)
    assert not flight.joinable, "nobody joins what is being cancelled"
    assert ends == [flight]
    await flight.landed()
    assert work.cancelled == 1
    assert calls[2].attempts == 1, "whoever left knows that an attempt was made"


async def test_the_longest_waiters_deadline_is_the_flights(clock: FakeClock) -> None:
    work = Work()
    short, long = new_call(clock, timeout_s=1), new_call(clock, timeout_s=9)
    flight = Flight(work, short, clock)
    one = within(clock, short, flight)
    await turns()
    assert flight.call.deadline_at == short.deadline_at
    two = within(clock, long, flight)
    await turns()
    assert flight.call.deadline_at == long.deadline_at
    clock.advance(1.0)
    assert await one is None
    assert flight.joinable
    clock.advance(8.0)
    assert await two is None
    await flight.landed()
    assert (work.claimed, work.cancelled) == (1, 0), "it ended as at a deadline"


async def test_a_flight_that_runs_on_is_not_cancelled_and_may_be_joined(clock: FakeClock) -> None:
    work = Work()
    call = new_call(clock, timeout_s=1)
    flight = Flight(
        work, call, clock, completes_by=clock.now() + 60, runs_on=lambda one: one.attempts > 0
    )
    waiter = within(clock, call, flight)
    await turns()
    assert flight.call.deadline_at == clock.now() + 60
    waiter.cancel()
    await turns()
    assert flight.joinable
    again = within(clock, new_call(clock, timeout_s=1), flight)
    await turns()
    work.gate.set()
    landing = await again
    assert landing is not None
    assert landing.answer == b"answer"


async def test_a_flight_that_runs_on_ends_in_time(clock: FakeClock) -> None:
    work = Work()
    call = new_call(clock, timeout_s=1)
    flight = Flight(work, call, clock, completes_by=clock.now() + 60, runs_on=lambda _: True)
    waiter = within(clock, call, flight)
    await turns()
    waiter.cancel()
    await turns()
    clock.advance(59.9)
    await turns()
    assert flight.joinable
    clock.advance(0.1)
    await flight.landed()
    assert work.claimed == 1
    assert not flight.joinable


async def test_a_flight_not_sent_yet_does_not_run_on(clock: FakeClock) -> None:
    begun = asyncio.Event()

    async def queued(call: Call) -> Outcome:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError(call)

    call = new_call(clock, timeout_s=1)
    flight = Flight(
        queued, call, clock, completes_by=clock.now() + 60, runs_on=lambda one: one.attempts > 0
    )
    waiter = within(clock, call, flight)
    await begun.wait()
    waiter.cancel()
    await flight.landed()
    assert not flight.joinable


async def test_the_end_of_the_process_cancels_it_for_all(clock: FakeClock) -> None:
    work = Work()
    call = new_call(clock, timeout_s=5)
    flight = Flight(work, call, clock, completes_by=clock.now() + 60, runs_on=lambda _: True)
    waiter = within(clock, call, flight)
    await turns()
    await flight.end()
    landing = await waiter
    assert landing is not None
    assert landing.outcome.error is not None
    assert landing.outcome.error.code is Code.CANCELLED


async def test_what_raises_is_raised_to_every_waiter(clock: FakeClock) -> None:
    async def broken(_call: Call) -> Outcome:
        raise RuntimeError("a fault")

    call = new_call(clock, timeout_s=5)
    flight = Flight(broken, call, clock)
    waiters = [within(clock, call, flight), within(clock, new_call(clock), flight)]
    ends = await asyncio.gather(*waiters, return_exceptions=True)
    assert [str(end) for end in ends] == ["a fault", "a fault"]


async def test_it_has_what_the_first_call_has_and_its_answers_go_nowhere(
    clock: FakeClock,
) -> None:
    sent: list[bytes] = []

    async def sink(payload: bytes) -> None:
        sent.append(payload)

    first = new_call(clock, timeout_s=5, metadata=(("authorization", "Bearer a"),), peer="ipv4:x")
    first._sink = sink
    first.identity = Identity("anna", "keys")
    first.message = object()
    work = Work()
    flight = Flight(work, first, clock)
    waiter = within(clock, first, flight)
    work.gate.set()
    await waiter
    call = flight.call
    assert (call.metadata, call.peer, call.identity, call.message) == (
        first.metadata,
        first.peer,
        first.identity,
        first.message,
    )
    assert sent == [], "who joined decides what is sent"


async def test_its_criticality_is_the_highest_of_its_waiters(clock: FakeClock) -> None:
    work = Work()
    low, high = new_call(clock, timeout_s=5), new_call(clock, timeout_s=5)
    low.criticality, high.criticality = Criticality.SHEDDABLE, Criticality.CRITICAL_PLUS
    flight = Flight(work, low, clock)
    waiters = [within(clock, low, flight), within(clock, high, flight)]
    await turns()
    assert flight.call.criticality is Criticality.CRITICAL_PLUS
    work.gate.set()
    await asyncio.gather(*waiters)
