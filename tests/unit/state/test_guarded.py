"""What holds while the shared store does not answer, and how it comes back."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from fakes.clock import FakeClock, FakeRng

from gateway.core.events import Events, StoreChanged
from gateway.state.fallback import Fallback
from gateway.state.guarded import (
    TRANSITIONS,
    Breaker,
    Change,
    GuardedLimits,
    GuardOptions,
    State,
    StoreState,
)
from gateway.state.limits import Algorithm, Decision, Hit, Limit, StoreFailure, Verdict
from gateway.state.shared import Unavailable

OPEN, CLOSED, LOCAL = StoreFailure.OPEN, StoreFailure.CLOSED, StoreFailure.LOCAL_SHARE
EXACT = Decision(True, (Verdict(True, 4, 1.0, 0.0),))
DOWN = StoreState(False, "on_store_failure", "it refuses connections")


def a_limit(failure: StoreFailure = LOCAL, requests: int = 4, **said: object) -> Limit:
    name = said.pop("name", "a:b")
    return Limit(name=name, requests=requests, on_store_failure=failure, **said)  # type: ignore[arg-type]


class Store:
    """A shared store that does what the test says.

    Attributes:
        why: it does not open; "" where it does; None where it takes for ever.
        answers: whether questions have an answer in time.
    """

    def __init__(self) -> None:
        self.why: str | None = ""
        self.answers = True
        self.opened = 0
        self.opening = 0
        self.questions = 0
        self.closed = 0
        self.end: Callable[[str], None] = lambda why: None
        self.hold: asyncio.Future[None] | None = None

    async def open(self, on_end: Callable[[str], None]) -> None:
        self.opened += 1
        self.opening += 1
        assert self.opening == 1, "one attempt at a time"
        try:
            if self.why is None:
                await asyncio.get_running_loop().create_future()
            if self.why:
                raise Unavailable(self.why)
        finally:
            self.opening -= 1
        self.end = on_end

    async def take(self, hits: Sequence[Hit]) -> Decision | None:
        self.questions += 1
        if self.hold is not None:
            await self.hold
        return EXACT if self.answers else None

    async def close(self) -> None:
        self.closed += 1


class Case:
    def __init__(self) -> None:
        self.store = Store()
        self.clock = FakeClock()
        self.events: list[StoreChanged] = []
        self.guarded = GuardedLimits(
            self.store,
            self.clock,
            FakeRng([0.999999]),
            Events([self.events.append]),  # type: ignore[list-item]
        )

    async def take(self, *limits: Limit) -> Decision:
        return await self.guarded.take([Hit(limit, "") for limit in limits or (a_limit(),)])

    async def pass_s(self, duration_s: float) -> None:
        self.clock.advance(duration_s)
        await turns()


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@asynccontextmanager
async def guarded(why: str | None = "") -> AsyncIterator[Case]:
    case = Case()
    case.store.why = why
    try:
        if why is not None:
            await case.guarded.start()
        yield case
    finally:
        await case.guarded.close()


# The store answers, or does not


async def test_the_store_decides_while_it_answers() -> None:
    async with guarded() as case:
        assert await case.take() is EXACT
        assert case.guarded.state == StoreState(True, "exact", "")


async def test_a_question_without_an_answer_is_decided_by_the_limit() -> None:
    async with guarded() as case:
        case.store.answers = False
        assert (await case.take()).mode == "local_share"
        case.store.answers = True
        assert (await case.take()).mode == "exact"


async def test_a_store_that_ended_is_asked_nothing() -> None:
    async with guarded() as case:
        case.store.end("it closed the connection")
        for _ in range(10):
            assert (await case.take()).mode == "local_share"
        assert case.store.questions == 0
        assert case.guarded.state.why == "it closed the connection"


async def test_a_gateway_starts_without_its_store_and_the_first_call_is_answered() -> None:
    async with guarded("it refuses connections") as case:
        assert (await case.take()).mode == "local_share"
        assert case.guarded.state == DOWN


async def test_starting_takes_no_longer_than_one_attempt() -> None:
    async with guarded(None) as case:
        starting = asyncio.create_task(case.guarded.start())
        await turns()
        assert not starting.done()
        await case.pass_s(1.0)
        await starting
        assert case.guarded.state.why == "it cannot be reached in time"


async def test_calls_that_come_before_the_start_begin_it_and_do_not_wait() -> None:
    case = Case()
    assert (await case.take()).mode == "local_share"
    await turns()
    assert (await case.take()) is EXACT
    assert case.store.opened == 1
    await case.guarded.close()


async def test_a_fault_of_the_store_is_no_end_of_the_attempts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    case = Case()

    async def broken(on_end: Callable[[str], None]) -> None:
        raise RuntimeError("a fault")

    fine, case.store.open = case.store.open, broken  # type: ignore[method-assign]
    await case.guarded.start()
    assert case.guarded.state.why == "it cannot be opened"
    assert "a fault" in caplog.text
    case.store.open = fine  # type: ignore[method-assign]
    await case.pass_s(0.05)
    assert await case.take() is EXACT
    await case.guarded.close()


async def test_a_cancelled_caller_is_cancelled_and_nothing_else() -> None:
    async with guarded() as case:
        case.store.hold = asyncio.get_running_loop().create_future()
        asking = asyncio.create_task(case.take())
        await turns()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        case.store.hold = None
        assert await case.take() is EXACT
        assert case.events == [StoreChanged("limits", True, "it answers")]


async def test_a_closed_guard_still_answers_and_opens_nothing() -> None:
    async with guarded() as case:
        await case.guarded.close()
        assert (await case.take()).mode == "local_share"
        await case.pass_s(60.0)
        assert case.store.opened == 1
        assert case.store.closed == 1
        assert case.guarded.state.why == "it is closed"
        assert case.clock.pending == 0


# Attempts to open it


async def test_no_call_waits_for_an_attempt() -> None:
    async with guarded() as case:
        case.store.why = None
        case.store.end("it closed the connection")
        await turns()
        await case.pass_s(0.05)
        assert case.store.opening == 1
        assert (await case.take()).mode == "local_share"


async def test_pauses_grow_to_a_bound_and_one_attempt_is_made_at_a_time() -> None:
    async with guarded("it refuses connections") as case:
        for pause_s in (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0):
            opened = case.store.opened
            await case.pass_s(pause_s * 0.98)
            assert case.store.opened == opened
            await case.pass_s(pause_s * 0.02)
            assert case.store.opened == opened + 1


async def test_exact_counts_return_by_themselves() -> None:
    async with guarded("it refuses connections") as case:
        case.store.why = ""
        await case.pass_s(0.05)
        assert await case.take() is EXACT
        assert case.guarded.state == StoreState(True, "exact", "")


async def test_each_change_is_told_once() -> None:
    async with guarded("it refuses connections") as case:
        for _ in range(5):
            await case.pass_s(2.0)
        case.store.why = ""
        await case.pass_s(2.0)
        case.store.end("it does not answer in time")
        case.store.end("it does not answer in time")
        await turns()
        assert case.events == [
            StoreChanged("limits", False, "it refuses connections"),
            StoreChanged("limits", True, "it answers"),
            StoreChanged("limits", False, "it does not answer in time"),
        ]


# The machine


def test_a_breaker_knows_these_transitions_and_no_others() -> None:
    for state in State:
        for change in Change:
            breaker = Breaker(GuardOptions())
            if state is State.ASKED:
                breaker.on(Change.OPENED, 0.0)
            if (state, change) in TRANSITIONS:
                after = TRANSITIONS[state, change]
                assert breaker.on(change, 1.0) is (after is not state)
                assert breaker.state is after
            else:
                with pytest.raises(KeyError):
                    breaker.on(change, 1.0)


@pytest.mark.parametrize(("drawn", "share"), [(0.0, 0.5), (0.5, 0.75), (0.999, 0.9995)])
def test_processes_do_not_come_back_together(drawn: float, share: float) -> None:
    breaker = Breaker(GuardOptions())
    assert breaker.pause_s(FakeRng([drawn])) == 0
    breaker.on(Change.OPENED, 0.0)
    breaker.on(Change.ENDED, 100.0)
    assert breaker.pause_s(FakeRng([drawn])) == pytest.approx(0.05 * share)


def test_a_store_that_opens_well_and_answers_badly_is_asked_less_and_less() -> None:
    breaker = Breaker(GuardOptions())
    pauses = []
    for i in range(8):
        breaker.on(Change.OPENED, i * 3.0)
        breaker.on(Change.ENDED, i * 3.0 + 0.1)
        pauses.append(breaker.pause_s(FakeRng([1.0])))
    assert pauses == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
    breaker.on(Change.OPENED, 100.0)
    breaker.on(Change.ENDED, 110.0)
    assert breaker.pause_s(FakeRng([1.0])) == 0.05


# Without the store


@pytest.mark.parametrize(
    ("failures", "mode", "allowed"),
    [
        ((OPEN,), "open", True),
        ((CLOSED,), "closed", False),
        ((LOCAL,), "local_share", True),
        ((OPEN, CLOSED), "closed", False),
        ((LOCAL, CLOSED), "closed", False),
        ((OPEN, LOCAL), "local_share", True),
        ((OPEN, LOCAL, CLOSED), "closed", False),
    ],
)
def test_closed_wins_then_local_share_counts(
    failures: tuple[StoreFailure, ...], mode: str, allowed: bool
) -> None:
    hits = [Hit(a_limit(failure, name=f"a:{i}"), "") for i, failure in enumerate(failures)]
    decision = Fallback(FakeClock()).take_now(hits)
    assert decision.mode == mode
    assert decision.allowed is allowed
    assert len(decision.verdicts) == (len(hits) if mode == "local_share" else 0)


def test_a_call_that_is_stopped_is_not_counted() -> None:
    fallback = Fallback(FakeClock())
    local, closed = a_limit(LOCAL, 1), a_limit(CLOSED, name="a:closed")
    for _ in range(3):
        assert not fallback.take_now([Hit(local, ""), Hit(closed, "")]).allowed
    assert fallback.take_now([Hit(local, "")]).allowed


@pytest.mark.parametrize(("share", "places"), [(1.0, 8), (0.5, 4), (0.25, 2), (0.01, 1)])
@pytest.mark.parametrize("algorithm", Algorithm)
def test_each_process_has_its_share(algorithm: Algorithm, share: float, places: int) -> None:
    fallback = Fallback(FakeClock())
    limit = a_limit(LOCAL, 8, local_share=share, algorithm=algorithm)
    said = [fallback.take_now([Hit(limit, "")]).allowed for _ in range(10)]
    assert sum(said) == places
    assert said[:places] == [True] * places


def test_a_verdict_stands_where_its_hit_does() -> None:
    fallback = Fallback(FakeClock())
    gcra = a_limit(OPEN, 9, name="a:gcra", algorithm=Algorithm.GCRA, burst=5)
    hits = [Hit(a_limit(OPEN, 7, name="a:open"), ""), Hit(a_limit(LOCAL, 2), ""), Hit(gcra, "")]
    fallback.take_now(hits)
    fallback.take_now(hits)
    third = fallback.take_now(hits)
    assert not third.allowed
    assert [verdict.allowed for verdict in third.verdicts] == [True, False, True]
    assert [verdict.remaining for verdict in third.verdicts] == [7, 0, 5]


def test_a_shadow_stops_nothing_without_the_store_either() -> None:
    fallback = Fallback(FakeClock())
    closed = a_limit(CLOSED, shadow=True)
    local = a_limit(LOCAL, 1, name="a:local", shadow=True)
    assert fallback.take_now([Hit(closed, "")]) == Decision(True, (), "open")
    said = [fallback.take_now([Hit(closed, ""), Hit(local, "")]) for _ in range(2)]
    assert [decision.allowed for decision in said] == [True, True]
    assert [decision.verdicts[1].allowed for decision in said] == [True, False]


def test_what_is_remembered_of_limits_is_bounded() -> None:
    fallback = Fallback(FakeClock())
    for i in range(3000):
        fallback.take_now([Hit(a_limit(LOCAL, name=f"a:{i}"), "")])
    assert len(fallback._shares) <= 1024
