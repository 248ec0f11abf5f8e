"""One circuit: the machine with a clock, behind the surface of the circuitbreaker library.

What is written for `circuitbreaker.CircuitBreaker` (decorated functions, `with`, its monitor)
works with a `Circuit`, and so do the gateway's adapters, by `acquire` and `Permit.release`.

Rules:
1. Every way in takes a permit: `with`, `call`, `call_async`, both generators, and functions
   that were decorated. Without one it is the fallback, or CircuitBreakerError; for `with`
   always the error.
2. An exception that `is_failure` knows is a failure. Any other is an answer that is ignored;
   the library takes it for a success. What is no Exception (a cancellation, a generator
   that was left) is ignored and never asked about.
3. The library knows three states: a forced open one is "open", a monitoring one "closed".
4. Only what is public in the library is used: its constructor, and everything that reads or
   moves its own state is overridden.
5. One event loop, one thread.
"""

import math
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import aclosing
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal, NamedTuple

from circuitbreaker import (  # type: ignore[import-untyped]  # ships none
    STATE_CLOSED,
    STATE_HALF_OPEN,
    STATE_OPEN,
    CircuitBreaker,
    CircuitBreakerError,
)

from gateway.core.clock import Clock, Rng
from gateway.interceptors.breaker.machine import Machine, Permit
from gateway.interceptors.breaker.options import BreakerOptions, Mode
from gateway.interceptors.breaker.results import Result
from gateway.interceptors.breaker.states import State

_PUBLIC_STATES: dict[State, str] = {
    State.CLOSED: STATE_CLOSED,
    State.OPEN: STATE_OPEN,
    State.HALF_OPEN: STATE_HALF_OPEN,
    State.FORCED_OPEN: STATE_OPEN,
    State.MONITOR_ONLY: STATE_CLOSED,
}


class Snapshot(NamedTuple):
    """A circuit at one moment.

    Args:
        state: an open one whose time is over is half-open.
        calls: in its window.
        failures: among them.
        slow: among them.
        consecutive_failures: up to now.
        open_remaining_s: until it lets a probe through; None unless it is open.
    """

    state: State
    calls: int
    failures: int
    slow: int
    consecutive_failures: int
    open_remaining_s: float | None


class _Attempt:
    """A call of a function that was let through: a block that releases its permit."""

    __slots__ = ("_at", "_permit", "circuit")

    def __init__(self, circuit: "Circuit", permit: Permit, at: float) -> None:
        self.circuit = circuit
        self._permit = permit
        self._at = at

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.circuit.end(self._permit, self._at, exc_value)


_entered: ContextVar[tuple[_Attempt, ...]] = ContextVar("circuits_entered", default=())
"""The `with` blocks under way, innermost last."""


class Circuit(CircuitBreaker):  # type: ignore[misc]  # its module has no types
    """A circuit breaker.

    Args:
        options: as declared.
        name: for people; None takes that of the first function it decorates.
        clock: measures and dates.
        rng: draws open times.
        on_change: told each change of state: before, after, and a short phrase of why.
        expected_exception: as in the library: a type, several, or a predicate of type and
            exception. Default: Exception.
        fallback_function: as in the library: called in place of what is not let through.
    """

    def __init__(
        self,
        options: BreakerOptions,
        name: str | None,
        clock: Clock,
        rng: Rng,
        on_change: Callable[[State, State, str], None] = lambda before, after, why: None,
        *,
        expected_exception: Any = None,
        fallback_function: Callable[..., Any] | None = None,
    ) -> None:
        super().__init__(
            expected_exception=expected_exception, name=name, fallback_function=fallback_function
        )
        self._machine = Machine(options, rng, on_change)
        self._clock = clock
        self._failure: BaseException | None = None

    # For the adapters.

    def allows(self, now: float) -> bool:
        """Tell whether an attempt would pass, and take nothing."""
        return self._machine.allows(now)

    def acquire(self, now: float) -> Permit | None:
        """Return a permit for one attempt, to be released when it has ended, or None."""
        return self._machine.acquire(now)

    def refusal_s(self, now: float) -> float | None:
        """Return after how many seconds an attempt may pass; None where nobody knows."""
        wait_s = self._machine.free_at() - now
        return None if wait_s == math.inf else max(0.0, wait_s)

    def force(self, mode: Mode) -> None:
        """Do as an operator says."""
        self._machine.force(mode, self._clock.now())

    @property
    def why(self) -> str:
        """Why it was last opened; empty where it never was."""
        return self._machine.why

    def snapshot(self, now: float) -> Snapshot:
        """Return how it stands; nothing changes by it."""
        machine = self._machine
        if machine.state not in (State.OPEN, State.FORCED_OPEN):
            machine.window.age(now)  # an open one keeps what opened it
        state = machine.state_at(now)
        return Snapshot(
            state,
            machine.window.calls,
            machine.window.failures,
            machine.window.slow,
            machine.consecutive_failures,
            machine.open_until - now if state is State.OPEN else None,
        )

    def end(self, permit: Permit, at: float, error: BaseException | None) -> None:
        """Release the permit of a function that was called `at` and raised `error`, or did not."""
        result = Result.SUCCESS
        if error is None:
            self._failure = None
        elif not isinstance(error, Exception):
            result = Result.IGNORED
        elif self.is_failure(type(error), error):
            result = Result.FAILURE
            self._failure = error
        else:
            result = Result.IGNORED_ANSWER
        now = self._clock.now()
        permit.release(result, now - at, now)

    # The library's public surface.

    @property
    def state(self) -> str:
        """One of "closed", "open" and "half_open"."""
        return _PUBLIC_STATES[self._machine.state_at(self._clock.now())]

    @property
    def open_remaining(self) -> int:
        """Whole seconds until it lets a probe through, rounded up; 0 where no end is set."""
        return math.ceil(self._remaining_s())

    @property
    def open_until(self) -> datetime:
        """When it lets a probe through, in UTC; now where no end is set."""
        return datetime.fromtimestamp(self._clock.wall() + self._remaining_s(), UTC)

    def _remaining_s(self) -> float:
        return self.snapshot(self._clock.now()).open_remaining_s or 0.0

    @property
    def failure_count(self) -> int:
        """Failures in a row."""
        return self._machine.consecutive_failures

    @property
    def last_failure(self) -> BaseException | None:
        """The last exception that was a failure, since the last success."""
        return self._failure

    def reset(self) -> None:
        """Close it and forget what was counted; what an operator forced stays."""
        self._failure = None
        self._machine.reset(self._clock.now())

    def __enter__(self) -> None:
        attempt = self._attempt()
        if attempt is None:
            raise CircuitBreakerError(self)
        _entered.set((*_entered.get(), attempt))

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> Literal[False]:
        # A block that is left in another context than it was entered in is not found: its
        # result is lost, and its permit expires.
        entered = _entered.get()
        for i in reversed(range(len(entered))):
            attempt = entered[i]
            if attempt.circuit is self:
                _entered.set(entered[:i] + entered[i + 1 :])
                attempt.__exit__(exc_type, exc_value, traceback)
                break
        return False

    def call(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call `func`, or the fallback."""
        attempt = self._attempt()
        if attempt is None:
            return self._fallback()(*args, **kwargs)
        with attempt:
            return func(*args, **kwargs)

    def call_generator(
        self, func: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Generator[Any, Any, Any]:
        """Yield from the generator function `func`, or the fallback."""
        attempt = self._attempt()
        if attempt is None:
            return (yield from self._fallback()(*args, **kwargs))
        with attempt:
            return (yield from func(*args, **kwargs))

    async def call_async(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Await `func`, or the fallback."""
        attempt = self._attempt()
        if attempt is None:
            return await self._fallback()(*args, **kwargs)
        with attempt:
            return await func(*args, **kwargs)

    async def call_async_generator(
        self, func: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> AsyncIterator[Any]:
        """Yield from the asynchronous generator function `func`, or the fallback."""
        attempt = self._attempt()
        if attempt is None:
            async for item in self._fallback()(*args, **kwargs):
                yield item
            return
        with attempt:
            async with aclosing(func(*args, **kwargs)) as items:
                async for item in items:
                    yield item

    def _attempt(self) -> _Attempt | None:
        now = self._clock.now()
        permit = self.acquire(now)
        return None if permit is None else _Attempt(self, permit, now)

    def _fallback(self) -> Callable[..., Any]:
        fallback: Callable[..., Any] | None = self.fallback_function
        if fallback is None:
            raise CircuitBreakerError(self)
        return fallback
