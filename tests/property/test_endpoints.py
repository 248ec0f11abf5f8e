"""Laws of endpoints: who is left out stays within bounds, and nothing under way is lost."""

import asyncio
import random

from fakes.clock import FakeClock
from hypothesis import given, settings
from hypothesis import strategies as st
from support.calls import Recorder, answered, new_call, refused, reset

from gateway.core.call import Call
from gateway.core.events import EndpointChanged, Events
from gateway.core.outcome import SUCCESS, Outcome, failed
from gateway.downstream.endpoints import (
    Balancing,
    EndpointOptions,
    EndpointSet,
    OutlierOptions,
)
from gateway.downstream.endpoints.balance import Balancer, Load
from gateway.downstream.endpoints.outliers import OutlierDetector
from gateway.downstream.options import ClientOptions
from gateway.interceptors.endpoint import EndpointInterceptor

OUTCOMES = [SUCCESS, failed(answered(500)), failed(answered(404)), failed(reset())]
_STEP = st.one_of(
    st.tuples(st.just("fail"), st.integers(0, 30)),
    st.tuples(st.just("fail much"), st.integers(0, 30)),
    st.tuples(st.just("succeed"), st.integers(0, 30)),
    st.tuples(st.just("wait"), st.floats(0.01, 3.0)),
    st.tuples(st.just("add"), st.just(0)),
    st.tuples(st.just("remove"), st.integers(0, 30)),
)


@given(
    count=st.integers(1, 12),
    share=st.floats(0.0, 1.0),
    minimum=st.integers(1, 5),
    steps=st.lists(_STEP, max_size=80),
)
@settings(max_examples=300, deadline=None)
def test_the_ejected_share_never_exceeds_its_maximum(count, share, minimum, steps):
    options = OutlierOptions(
        max_ejected_share=share, minimum_endpoints=minimum, consecutive_failures=3, minimum_calls=3
    )
    detector = OutlierDetector(options)
    records = [detector.add() for _ in range(count)]
    now = 0.0
    for what, amount in steps:
        if what == "wait":
            now += amount
            if now >= detector.due_at:
                detector.advance(now)
        elif what == "add":
            records.append(detector.add())
        elif records:
            record = records[int(amount) % len(records)]
            if what == "succeed":
                detector.succeeded(record, now)
            elif what == "remove":
                records.remove(record)
                detector.remove(record)
            else:
                for _ in range(4 if what == "fail much" else 1):
                    detector.failed(record, now)
        ejected = [record for record in records if record.ejected_until is not None]
        assert len(ejected) == detector._ejected
        assert len(ejected) <= share * len(records) + 1e-6
        assert not ejected or len(records) >= minimum
        assert all(record.ejected_until <= now + options.max_ejection_s for record in ejected)


@given(
    balancing=st.sampled_from(Balancing),
    in_flight=st.lists(st.integers(0, 50), min_size=1, max_size=10),
    tried=st.sets(st.integers(0, 9)),
    seed=st.integers(0, 1000),
)
def test_a_retry_prefers_an_endpoint_that_was_not_tried(balancing, in_flight, tried, seed):
    usable = []
    for count in in_flight:
        load = Load(0.0)
        load.in_flight = count
        usable.append(load)
    before = [usable[at] for at in tried if at < len(usable)]
    chosen = Balancer(balancing).pick(usable, before, 1.0, random.Random(seed))
    assert chosen in usable
    assert chosen not in before or len(before) == len(usable)


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(0.0, 100.0)), max_size=60))
def test_no_history_makes_a_cost_that_cannot_be_compared(history):
    balancer, (one, other) = Balancer(Balancing.PEAK_EWMA), (Load(0.0), Load(0.0))
    now = 0.0
    for what, amount in history:
        if what == 0:
            balancer.succeeded(one, amount, now)
        elif what == 1:
            balancer.failed(one, amount, now)
        elif what == 2:
            balancer.lasted(one, amount, now)
        elif what == 3:
            one.chosen_at = now
        else:
            now += amount * 1_000
        cost = balancer._cost(one, now)
        assert 0.0 <= cost < float("inf")
        assert one.latency_s >= 0.0
    assert balancer.pick([one, other], (), now, random.Random(1)) in (one, other)


async def _calls(seed: int, count: int) -> set[str]:
    """Make attempts that end in every way, and are cancelled at any moment.

    Returns the states that were seen.
    """
    clock, rng, told = FakeClock(), random.Random(seed), Recorder()
    options = EndpointOptions(
        client=ClientOptions(name="shop", url="http://shop"),
        addresses=tuple(("127.0.0.1", port) for port in range(1, 6)),
        outlier=OutlierOptions(consecutive_failures=3, minimum_calls=3),
    )
    endpoints = EndpointSet(options, clock, rng, Events([told]))
    interceptor = EndpointInterceptor(endpoints, "shop", clock, Events())
    under_way = 0

    async def attempt(call: Call) -> Outcome:
        nonlocal under_way
        under_way += 1
        try:
            for _ in range(rng.randrange(4)):
                await asyncio.sleep(0)
            if call.endpoint is not None and call.endpoint.address.endswith(":1"):
                return failed(answered(500))  # an outlier
            return failed(refused()) if rng.random() < 0.02 else rng.choice(OUTCOMES)
        finally:
            under_way -= 1

    async def call() -> None:
        one = new_call(clock)
        for _ in range(3):
            await interceptor(one, attempt)

    tasks: list[asyncio.Task[None]] = []
    for _ in range(count):
        tasks.append(asyncio.create_task(call()))
        if rng.random() < 0.3:
            rng.choice(tasks).cancel()
        clock.advance(rng.random() * 0.1)
        await asyncio.sleep(0)
        assert sum(status.in_flight for status in endpoints.states()) == under_way
        assert all(status.in_flight >= 0 for status in endpoints.states())
        ejected = sum(status.state == "ejected" for status in endpoints.states())
        assert ejected <= 2
    await asyncio.gather(*tasks, return_exceptions=True)
    assert [status.in_flight for status in endpoints.states()] == [0] * 5
    await endpoints.close()
    assert clock.pending == 0
    return {event.state for event in told if isinstance(event, EndpointChanged)}


async def test_what_is_under_way_is_conserved_under_cancels():
    seen: set[str] = set()
    for seed in range(10):
        seen |= await _calls(seed, 200)
    assert seen >= {"ejected", "healthy"}
