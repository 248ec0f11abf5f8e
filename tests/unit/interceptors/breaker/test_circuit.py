"""The library's surface on our rules, and the flaws of its own that are not there."""

import asyncio
from datetime import UTC, datetime

import pytest
from circuitbreaker import CircuitBreaker, CircuitBreakerError, CircuitBreakerMonitor, circuit
from fakes.clock import FakeClock, FakeRng

from gateway.interceptors.breaker import BreakerOptions, Circuit, Mode, Result, State

ONE = BreakerOptions(consecutive_failures=1, failure_rate=0)


class Boom(Exception):
    pass


def _boom(*_args):
    raise Boom


def new_circuit(options=ONE, name="shop", **more):
    clock = FakeClock()
    return Circuit(options, name, clock, FakeRng(), **more), clock


def opened(options=ONE, **more):
    breaker, clock = new_circuit(options, **more)
    with pytest.raises(Boom):
        breaker.call(_boom)
    assert breaker.opened
    return breaker, clock


def half_open(options=ONE, **more):
    breaker, clock = opened(options, **more)
    clock.advance(0.2)
    assert breaker.state == "half_open"
    return breaker, clock


def _ways_in(breaker):
    """Return every way to run a function through `breaker`, as awaitable functions."""

    async def by_call(function):
        return breaker.call(function)

    async def by_call_async(function):
        async def run():
            return function()

        return await breaker.call_async(run)

    async def by_call_generator(function):
        def run():
            yield function()

        (item,) = breaker.call_generator(run)
        return item

    async def by_call_async_generator(function):
        async def run():
            yield function()

        (item,) = [item async for item in breaker.call_async_generator(run)]
        return item

    async def by_with(function):
        with breaker:
            return function()

    async def by_decorated(function):
        return breaker(lambda: function())()

    async def by_decorated_async(function):
        @breaker
        async def run():
            return function()

        return await run()

    async def by_decorated_generator(function):
        @breaker.decorate
        def run():
            yield function()

        (item,) = run()
        return item

    async def by_decorated_async_generator(function):
        @breaker
        async def run():
            yield function()

        (item,) = [item async for item in run()]
        return item

    return {
        way.__name__: way
        for way in (
            by_call,
            by_call_async,
            by_call_generator,
            by_call_async_generator,
            by_with,
            by_decorated,
            by_decorated_async,
            by_decorated_generator,
            by_decorated_async_generator,
        )
    }


WAYS = list(_ways_in(Circuit(ONE, "x", FakeClock(), FakeRng())))


# Every way in


@pytest.mark.parametrize("way", WAYS)
async def test_what_succeeds_returns(way):
    breaker, _ = new_circuit()
    assert await _ways_in(breaker)[way](lambda: 7) == 7
    assert breaker.snapshot(1000.0).calls == 1
    assert breaker.closed


@pytest.mark.parametrize("way", WAYS)
async def test_what_raises_raises_and_counts(way):
    breaker, _ = new_circuit()
    with pytest.raises(Boom):
        await _ways_in(breaker)[way](_boom)
    assert breaker.opened
    assert breaker.failure_count == 1
    assert isinstance(breaker.last_failure, Boom)


@pytest.mark.parametrize("way", WAYS)
async def test_open_nothing_is_called(way):
    breaker, _ = opened()
    called = []
    with pytest.raises(CircuitBreakerError) as caught:
        await _ways_in(breaker)[way](lambda: called.append(1))
    assert called == []
    assert 'Circuit "shop" OPEN until' in str(caught.value)
    assert "(1 failures, 1 sec remaining)" in str(caught.value)


@pytest.mark.parametrize("way", WAYS)
async def test_half_open_without_a_permit_nothing_is_called(way):
    breaker, clock = half_open()
    assert breaker.acquire(clock.now()) is not None
    assert breaker.acquire(clock.now()) is not None
    called = []
    with pytest.raises(CircuitBreakerError):
        await _ways_in(breaker)[way](lambda: called.append(1))
    assert called == []


@pytest.mark.parametrize("way", WAYS)
async def test_a_cancellation_is_ignored_and_gives_its_permit_back(way):
    breaker, clock = half_open(BreakerOptions(consecutive_failures=1, probes=1))

    def cancelled():
        raise asyncio.CancelledError

    for _ in range(5):  # a permit that was kept would refuse the second
        with pytest.raises(asyncio.CancelledError):
            await _ways_in(breaker)[way](cancelled)
    assert breaker.state == "half_open"
    assert breaker.allows(clock.now())


@pytest.mark.parametrize("way", WAYS)
async def test_an_exception_that_is_not_expected_is_neither_success_nor_failure(way):
    breaker, _ = new_circuit(
        BreakerOptions(consecutive_failures=2), expected_exception=(Boom, OSError)
    )
    run = _ways_in(breaker)[way]
    with pytest.raises(Boom):
        await run(_boom)
    with pytest.raises(ZeroDivisionError):
        await run(lambda: 1 / 0)
    assert breaker.failure_count == 1
    with pytest.raises(Boom):
        await run(_boom)
    assert breaker.opened


# The flaws


async def test_of_a_hundred_calls_at_once_half_open_lets_its_probes_through():
    breaker, _ = half_open()
    gate = asyncio.Event()
    reached = []

    @breaker
    async def call(number):
        reached.append(number)
        await gate.wait()

    tasks = [asyncio.create_task(call(number)) for number in range(100)]
    await asyncio.sleep(0)
    gate.set()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert len(reached) == 2
    assert sum(isinstance(end, CircuitBreakerError) for end in ends) == 98
    assert breaker.closed


@pytest.mark.parametrize("way", ["call_async", "with", "decorated"])
async def test_a_cancellation_closes_nothing(way):
    breaker, _ = new_circuit(BreakerOptions(consecutive_failures=1, open_time_s=0.4))

    async def hang():
        await asyncio.Event().wait()

    async def enter():
        with breaker:
            await hang()

    run = {
        "call_async": lambda: breaker.call_async(hang),
        "with": enter,
        "decorated": breaker.decorate(hang),
    }[way]
    task = asyncio.create_task(run())
    await asyncio.sleep(0)
    with pytest.raises(Boom):
        breaker.call(_boom)
    assert breaker.opened
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert breaker.opened
    assert breaker.failure_count == 1


async def test_call_async_and_with_look_at_whether_it_is_open():
    breaker, _ = opened()

    async def call():
        return 1

    with pytest.raises(CircuitBreakerError):
        await breaker.call_async(call)
    with pytest.raises(CircuitBreakerError), breaker:
        pytest.fail("was let through")


def test_a_success_does_not_close_what_opened_meanwhile():
    breaker, _ = new_circuit()
    with breaker:
        with pytest.raises(Boom):
            breaker.call(_boom)
    assert breaker.opened


# The surface


def test_it_is_a_circuit_breaker_of_the_library():
    breaker, _ = new_circuit()
    assert isinstance(breaker, CircuitBreaker)
    public = {name for name in dir(CircuitBreaker) if not name.startswith("_")}
    assert public <= set(dir(breaker))
    assert str(breaker) == breaker.name == "shop"


def test_what_the_library_keeps_for_itself_is_not_touched():
    breaker, clock = new_circuit()
    theirs = {
        name
        for name in vars(CircuitBreaker(name="shop"))
        if name.startswith("_") and name not in ("_name", "_fallback_function")
    }
    before = {name: vars(breaker)[name] for name in theirs}
    with pytest.raises(Boom):
        breaker.call(_boom)
    clock.advance(1)
    breaker.call(int)
    breaker.call(int)
    breaker.force(Mode.FORCED_OPEN)
    breaker.reset()
    assert {name: vars(breaker)[name] for name in theirs} == before
    assert not theirs & set(vars(Circuit))


@pytest.mark.parametrize(
    ("prepare", "state", "shown"),
    [
        (new_circuit, State.CLOSED, "closed"),
        (opened, State.OPEN, "open"),
        (half_open, State.HALF_OPEN, "half_open"),
        (lambda: new_circuit(BreakerOptions(mode=Mode.FORCED_OPEN)), State.FORCED_OPEN, "open"),
        (
            lambda: new_circuit(BreakerOptions(mode=Mode.MONITOR_ONLY)),
            State.MONITOR_ONLY,
            "closed",
        ),
    ],
)
def test_the_librarys_three_states(prepare, state, shown):
    breaker, clock = prepare()
    assert breaker.state == shown
    assert breaker.opened is (shown == "open")
    assert breaker.closed is (shown == "closed")
    assert breaker.snapshot(clock.now()).state is state


def test_how_long_it_stays_open():
    breaker, clock = opened(
        BreakerOptions(consecutive_failures=1, open_time_s=9, max_open_time_s=9)
    )
    exactly = breaker.snapshot(clock.now()).open_remaining_s
    assert exactly == pytest.approx(8.55)  # drawn up to the maximum
    assert breaker.open_remaining == 9
    assert breaker.open_until == datetime.fromtimestamp(clock.wall() + exactly, UTC)
    assert breaker.refusal_s(clock.now()) == exactly
    clock.advance(10)
    assert breaker.open_remaining == 0
    assert breaker.refusal_s(clock.now()) == 0


def test_nobody_knows_when_a_forced_open_ends():
    breaker, clock = new_circuit()
    breaker.force(Mode.FORCED_OPEN)
    assert breaker.refusal_s(clock.now()) is None
    assert breaker.open_remaining == 0
    assert breaker.snapshot(clock.now()).open_remaining_s is None
    with pytest.raises(CircuitBreakerError, match="0 sec remaining"):
        breaker.call(int)


def test_half_open_the_refusal_says_when_a_permit_expires():
    breaker, clock = half_open(BreakerOptions(consecutive_failures=1, probes=1))
    assert breaker.refusal_s(clock.now()) == 0
    assert breaker.acquire(clock.now()) is not None
    clock.advance(0.1)
    assert breaker.refusal_s(clock.now()) == pytest.approx(0.15)


def test_a_reset_closes_it():
    breaker, _ = opened()
    breaker.reset()
    assert breaker.closed
    assert (breaker.failure_count, breaker.last_failure) == (0, None)


def test_a_success_forgets_the_last_failure():
    breaker, _ = new_circuit(BreakerOptions())
    with pytest.raises(Boom):
        breaker.call(_boom)
    assert isinstance(breaker.last_failure, Boom)
    breaker.call(int)
    assert breaker.last_failure is None


def test_the_window_is_seen_as_it_is_now():
    breaker, clock = new_circuit(BreakerOptions())
    with pytest.raises(Boom):
        breaker.call(_boom)
    seen = breaker.snapshot(clock.now())
    assert (seen.calls, seen.failures, seen.slow, seen.consecutive_failures) == (1, 1, 0, 1)
    clock.advance(11)
    seen = breaker.snapshot(clock.now())
    assert (seen.calls, seen.failures, seen.consecutive_failures) == (0, 0, 1)


def test_an_open_one_shows_what_opened_it_for_as_long_as_it_is_open():
    breaker, clock = opened(
        BreakerOptions(consecutive_failures=1, open_time_s=60, max_open_time_s=60)
    )
    clock.advance(30)
    assert breaker.snapshot(clock.now()).failures == 1


async def test_the_fallback_answers_for_what_is_not_let_through():
    breaker, _ = opened(fallback_function=lambda *_: "instead")
    assert breaker.fallback_function() == "instead"
    assert breaker.call(_boom) == "instead"
    assert breaker(_boom)() == "instead"


async def test_the_fallback_answers_half_open_too():
    async def instead():
        return "instead"

    breaker, clock = half_open(fallback_function=instead)
    assert breaker.acquire(clock.now()) is not None
    assert breaker.acquire(clock.now()) is not None

    @breaker
    async def call():
        return "itself"

    assert await call() == "instead"


async def test_generators_have_fallbacks_that_are_generators():
    def instead():
        yield from (1, 2)

    async def instead_async():
        yield 1
        yield 2

    breaker, _ = opened(fallback_function=instead)
    assert list(breaker.call_generator(_boom)) == [1, 2]
    breaker, _ = opened(fallback_function=instead_async)
    assert [item async for item in breaker.call_async_generator(_boom)] == [1, 2]


def test_a_generator_that_is_left_says_nothing():
    breaker, _ = half_open(BreakerOptions(consecutive_failures=1, probes=1))

    @breaker
    def numbers():
        yield from range(10)

    for _ in range(5):
        generator = numbers()
        assert next(generator) == 0
        generator.close()
    assert breaker.state == "half_open"


async def test_an_asynchronous_generator_that_is_left_closes_what_it_reads():
    breaker, _ = new_circuit()
    ended = []

    async def numbers():
        try:
            yield 1
            yield 2
        finally:
            ended.append(1)

    generator = breaker.call_async_generator(numbers)
    assert await anext(generator) == 1
    await generator.aclose()
    assert ended == [1]
    assert breaker.snapshot(1000.0).calls == 0


def test_how_long_a_function_took_makes_it_slow():
    breaker, clock = new_circuit(BreakerOptions())
    breaker.call(clock.advance, 5.0)
    assert breaker.snapshot(clock.now()).slow == 1


def test_blocks_can_stand_in_each_other_and_end_in_any_order():
    first, _ = new_circuit(BreakerOptions(), "first")
    second, _ = new_circuit(BreakerOptions(), "second")

    def block():
        with first:
            yield

    generator = block()
    next(generator)
    with second:
        with pytest.raises(StopIteration):
            next(generator)
    assert first.snapshot(1000.0).calls == 1
    assert second.snapshot(1000.0).calls == 1


async def test_tasks_that_were_begun_in_a_block_have_blocks_of_their_own():
    breaker, _ = new_circuit(BreakerOptions())

    async def child():
        with breaker:
            await asyncio.sleep(0)
            raise Boom

    with breaker:
        children = [asyncio.create_task(child()) for _ in range(3)]
        await asyncio.gather(*children, return_exceptions=True)
    seen = breaker.snapshot(1000.0)
    assert (seen.calls, seen.failures) == (4, 3)


def test_a_function_gives_its_name_where_there_is_none():
    breaker, _ = new_circuit(name=None)

    @breaker
    def fetch():
        return 1

    assert fetch() == 1
    assert fetch.__name__ == "fetch"
    assert breaker.name is not None
    assert breaker.name.endswith("fetch")


def test_the_monitor_lists_what_decorates():
    breaker, clock = new_circuit(name="monitored")
    breaker(int)
    assert CircuitBreakerMonitor.get("monitored") is breaker
    assert breaker in CircuitBreakerMonitor.get_closed()
    with pytest.raises(Boom):
        breaker.call(_boom)
    assert breaker in CircuitBreakerMonitor.get_open()
    assert not CircuitBreakerMonitor.all_closed()
    clock.advance(1)
    assert breaker not in CircuitBreakerMonitor.get_open()


def test_the_librarys_decorator_makes_circuits_of_ours():
    class Shop(Circuit):
        def __init__(self, **said):
            super().__init__(
                BreakerOptions(consecutive_failures=said["failure_threshold"]),
                said["name"],
                FakeClock(),
                FakeRng(),
                expected_exception=said["expected_exception"],
                fallback_function=said["fallback_function"],
            )

    @circuit(failure_threshold=2, name="ours", expected_exception=Boom, cls=Shop)
    def fails():
        raise Boom

    for _ in range(2):
        with pytest.raises(Boom):
            fails()
    with pytest.raises(CircuitBreakerError):
        fails()


def test_each_change_is_told():
    changes = []
    breaker, clock = new_circuit(on_change=lambda *change: changes.append(change))
    permit = breaker.acquire(clock.now())
    assert permit is not None
    permit.release(Result.FAILURE, 0.0, clock.now())
    assert changes == [(State.CLOSED, State.OPEN, "a failure")]
    assert breaker.why == "a failure"
