"""One piece of work that several calls wait for.

What is shared between calls (an answer that many ask for, a call that must not be made
twice) cannot be part of any of them: whoever began it may leave first. A flight is the
context of such work.

Rules:
1. A flight runs in a task of its own, on a call of its own, which has metadata, identity and
   message of the call that began it. Unary only: its answer is kept.
2. Whoever joins waits within its own call and gets what the flight ends with, an error
   included.
3. A waiter whose call is cancelled, or whose deadline passes, leaves; the others notice
   nothing. When the last has left, the flight ends: as at a deadline where that is why the
   last one left, else as cancelled.
4. But a flight that `runs_on` goes on without waiters, until `completes_by`. Until then it
   may still be joined.
5. A flight that ends, or is being ended, is joined by nobody: `joinable`.
6. The deadline of a flight's call is the longest of its waiters', or `completes_by` where that
   is later; it moves later when somebody with more time joins. Its criticality is the highest
   of its waiters'.
7. What raises in a flight is a fault of the gateway, and raised to every waiter. A flight that
   somebody cancels from outside (the end of the process) is CANCELLED for them.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from gateway.core.call import Call, CallNext
from gateway.core.clock import Clock
from gateway.core.deadline import Expired, Expiry
from gateway.core.errors import CallError, Reason, Sent
from gateway.core.outcome import Outcome, failed
from gateway.core.status import Code

Trailing = tuple[tuple[str, str | bytes], ...]


class FlightCall(Call):
    """The call of a flight, for the interceptors behind it.

    Args:
        first: the call that began it.
        now: monotonic seconds.
        completes_by: monotonic seconds; the flight has that long at least.
    """

    __slots__ = ("_root", "answer")

    def __init__(self, first: Call, now: float, completes_by: float = float("-inf")) -> None:
        super().__init__(
            first.method, _no_sink, arrived_at=now, metadata=first.metadata, peer=first.peer
        )
        self.answer = b""
        """The serialized answer, once there is one."""
        self._root = first.root
        self.deadline_at = max(first.deadline_at, completes_by)
        self.message = first.message
        self.identity = first.identity
        self.key_path = first.key_path
        self.listener = first.listener
        self.certificate = first.certificate
        self.criticality = first.criticality
        self.trace = first.trace
        self.previous_attempts = first.previous_attempts

    @property
    def root(self) -> Call:
        """The call of a caller that began it."""
        return self._root

    async def send(self, payload: bytes) -> None:
        """Keep the answer."""
        self.sent += 1
        self.answer = payload


async def _no_sink(_payload: bytes) -> None:
    """Take what is sent nowhere."""


class Landing(NamedTuple):
    """How a flight ended.

    Args:
        outcome: of its call.
        answer: serialized; b"" without a success.
        trailing: metadata behind the answer.
        attempts: that were begun for it.
    """

    outcome: Outcome
    answer: bytes = b""
    trailing: Trailing = ()
    attempts: int = 0


async def deliver(landing: Landing, call: Call) -> Outcome:
    """Give `call` what a flight ended with; return its outcome."""
    call.trailing_metadata += landing.trailing
    if landing.outcome.error is None:
        await call.send(landing.answer)
    return landing.outcome


def _never(_call: FlightCall) -> bool:
    return False


class Flight:
    """Begins at once. See the rules of the module.

    Args:
        run: does the work, on the flight's call.
        first: the call that begins it; it has to `join` like every other.
        clock: whose time counts.
        completes_by: monotonic seconds: what `runs_on` has until then.
        runs_on: whether a flight nobody waits for goes on; asked when the last waiter leaves.
        ended: called once, when nobody can join any more, with the flight.
    """

    __slots__ = (
        "_clock",
        "_completes_by",
        "_ended",
        "_expiry",
        "_run",
        "_runs_on",
        "_task",
        "_told",
        "_waiting",
        "call",
    )

    def __init__(
        self,
        run: CallNext,
        first: Call,
        clock: Clock,
        *,
        completes_by: float | None = None,
        runs_on: Callable[[FlightCall], bool] = _never,
        ended: "Callable[[Flight], None] | None" = None,
    ) -> None:
        self._clock = clock
        self._run = run
        self._runs_on = runs_on
        self._ended = ended
        self._waiting = 0
        self._told = False
        self._completes_by = float("inf") if completes_by is None else completes_by
        self._expiry: Expiry | None = None
        self.call = FlightCall(
            first, clock.now(), float("-inf") if completes_by is None else completes_by
        )
        self._task = asyncio.get_running_loop().create_task(
            self._fly(), name=f"flight {first.method.full_name}"
        )
        self._task.add_done_callback(self._landed)

    @property
    def joinable(self) -> bool:
        """Whether a call may still wait for it."""
        return not self._told

    @property
    def landing(self) -> Landing | None:
        """How it ended; None while it has not, and where it broke."""
        task = self._task
        if not task.done() or task.cancelled() or task.exception() is not None:
            return None
        return task.result()

    @property
    def goes_on(self) -> bool:
        """Whether it is under way and would go on without anybody who waits."""
        return not self._task.done() and self._runs_on(self.call)

    @property
    def waiting(self) -> int:
        """Calls that wait for it."""
        return self._waiting

    async def join(self, call: Call) -> Landing:
        """Wait for its end within `call`.

        Raises:
            CancelledError: `call` is over; the flight may go on.
        """
        mine = self.call
        mine.deadline_at = max(mine.deadline_at, call.deadline_at)
        mine.criticality = max(mine.criticality, call.criticality)
        self._waiting += 1
        try:
            await asyncio.wait((self._task,))
        except asyncio.CancelledError:
            call.attempts = max(call.attempts, mine.attempts)
            self._waiting -= 1
            if not self._waiting:
                self._leave(late=self._clock.now() >= call.deadline_at)
            raise
        self._waiting -= 1
        return self._task.result()

    async def end(self) -> None:
        """Cancel it, whoever waits, and return when it is over."""
        self._close()
        self._task.cancel()
        await asyncio.wait((self._task,))

    def landed(self) -> Awaitable[object]:
        """Return what is over when the flight is; to be waited for, never cancelled."""
        return asyncio.wait((self._task,))

    def _leave(self, *, late: bool) -> None:
        """End what nobody waits for, unless it runs on."""
        if self._task.done() or self.goes_on:
            return
        self._close()
        if late and self._expiry is not None:
            self._expiry.end()
        else:
            self._task.cancel()

    async def _fly(self) -> Landing:
        call = self.call
        try:
            with Expiry(self._clock, self._completes_by) as self._expiry:
                call.expiry = self._expiry
                outcome = await self._run(call)
        except Expired:
            outcome = failed(_over(call, Code.DEADLINE_EXCEEDED, Reason.DEADLINE_EXCEEDED))
        except asyncio.CancelledError:
            # Nobody waits for it any more, or the process ends: it has an end all the same.
            outcome = failed(_over(call, Code.CANCELLED, Reason.CANCELLED))
        except CallError as error:
            outcome = failed(error)
        return Landing(outcome, call.answer, tuple(call.trailing_metadata), call.attempts)

    def _landed(self, task: "asyncio.Task[Landing]") -> None:
        self._close()
        if not task.cancelled():
            task.exception()  # told to those who wait; nobody else misses it

    def _close(self) -> None:
        if not self._told:
            self._told = True
            if self._ended is not None:
                self._ended(self)


def _over(call: Call, code: Code, reason: Reason) -> CallError:
    why = "ran out of time" if code is Code.DEADLINE_EXCEEDED else "was cancelled"
    return CallError(
        code,
        reason,
        f"a call of {call.method.full_name} that others wait for {why}",
        sent=Sent.UNKNOWN if call.attempts else Sent.NOT_SENT,
        transient=True,
    )
