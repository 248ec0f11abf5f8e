"""Makes operations: claims what is due, and works on it.

Rules:
1. At most `concurrency` attempts at one time. Whoever accepts in this process wakes the workers;
   what others accepted is found within `poll_s`, a quarter more or less at random. What a question
   has claimed whose answer did not come is found by the next, which has the same tokens. What is
   made here is not claimed here, although its lease ran out while the store was away.
2. A claim has a lease of `lease_s`, renewed each third of it, also after the store did not answer
   once. Who finds that the claim is another's ends its attempt and keeps nothing.
3. Who is asked to cancel ends the attempt under way. What it did already stays done.
4. The end of an attempt is kept; where the store does not answer, it is tried `TRIES` times with
   growing pauses, then never: the lease runs out, and the attempt is made again. Nobody cancels
   what is over; the end of the process lets it be kept once more.
5. One that was claimed more often than it may be tried, because workers died with it, is given
   up without another attempt.
6. At the end of the process nothing more is claimed. What runs has until the gateway's grace is
   over; then it is ended, and due at once for whoever comes.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple

from gateway.core.clock import Clock, Rng
from gateway.core.deadline import Expired, Expiry
from gateway.core.errors import CallError, Reason, Sent
from gateway.core.events import Events, OperationAttempted, OperationEnded
from gateway.core.flight import Landing
from gateway.core.outcome import SUCCESS, failed
from gateway.core.status import Code
from gateway.core.stored import UnreadableError, pack, unpack
from gateway.operations.effects import cancelled_error, was_begun
from gateway.operations.schedule import Next, after, spent
from gateway.operations.work import Attempted, LostError, Work
from gateway.state.operations import Claimed, Deferral, OperationStore, Renewal, State
from gateway.state.records import StoreUnavailable

TRIES: Final = 8
_PAUSE_S: Final = 0.25
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerOptions:
    """Of the workers of one process. Seconds.

    Args:
        concurrency: attempts at one time.
        poll_s: between looks at the store where nothing is known to be due.
        lease_s: of a claim.
    """

    concurrency: int = 16
    poll_s: float = 1.0
    lease_s: float = 10.0


class _Running(NamedTuple):
    """An attempt under way."""

    task: "asyncio.Task[None]"
    claimed: Claimed
    claimed_at: float


class Workers:
    """See the rules of the module.

    Args:
        store: of operations.
        works: how each method's are made, by full name.
        clock: for leases, pauses, schedules.
        rng: spreads pauses and delays.
        events: told how attempts and operations end.
        options: see above.
    """

    def __init__(
        self,
        store: OperationStore,
        works: Mapping[str, Work],
        clock: Clock,
        rng: Rng,
        events: Events,
        options: WorkerOptions | None = None,
    ) -> None:
        self._store = store
        self._works = works
        self._clock = clock
        self._rng = rng
        self._events = events
        self._options = options or WorkerOptions()
        self._running: dict[str, _Running] = {}
        self._progress: dict[str, bytes] = {}
        self._cancelling: set[str] = set()
        self._concluding: set[str] = set()
        """Whose attempts are over, and their ends being kept."""
        self._woken = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None
        self._next_due_at = float("inf")
        self._tokens: list[int] = []
        """Of a question that got no answer."""

    @property
    def running(self) -> int:
        """Attempts under way."""
        return len(self._running)

    def start(self) -> None:
        """Work from now on."""
        if self._loop is None and self._works and self._options.concurrency:
            self._loop = asyncio.get_running_loop().create_task(self._claim_all(), name="workers")

    def wake(self) -> None:
        """Look now: something is due."""
        self._woken.set()

    async def drain(self) -> None:
        """Claim nothing more; return at once."""
        loop, self._loop = self._loop, None
        if loop is not None:
            loop.cancel()
            await asyncio.wait((loop,))

    async def end(self) -> None:
        """End what runs, and let others have it."""
        await self.drain()
        tasks = [running.task for running in self._running.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def settled(self, until: float) -> None:
        """Return when nothing runs, or at `until` in monotonic seconds."""
        with suppress(Expired), Expiry(self._clock, until):
            while self._running:
                await asyncio.wait([running.task for running in self._running.values()])

    # Claiming

    async def _claim_all(self) -> None:
        while True:
            self._woken.clear()
            wait_s = self._options.poll_s * (0.75 + self._rng.random() / 2)
            free = self._options.concurrency - len(self._running)
            if free > 0:
                try:
                    if await self._claim(free) == free:
                        continue
                except StoreUnavailable as error:
                    wait_s = max(wait_s, error.retry_after_s)
                except Exception:
                    _log.exception("operations could not be claimed")
            await self._pause(wait_s)

    async def _claim(self, free: int) -> int:
        # Not of the injected randomness: no two claims may ever have one token, of any process.
        self._tokens += [1 + secrets.randbits(62) for _ in range(free - len(self._tokens))]
        asking = asyncio.ensure_future(
            self._store.claim(
                tuple(self._works),
                self._tokens,
                lease_s=self._options.lease_s,
                running=tuple(self._running),
            )
        )
        try:
            found = await asyncio.shield(asking)
        except asyncio.CancelledError:
            # What is being claimed for nobody is given back, so that it waits for no lease.
            with suppress(Exception):
                for claimed in await asking:
                    await self._give_back(claimed)
            raise
        self._tokens = []
        for claimed in found:
            task = asyncio.get_running_loop().create_task(
                self._work(claimed), name=f"operation {claimed.kept.id}"
            )
            self._running[claimed.kept.id] = _Running(task, claimed, self._clock.now())
            task.add_done_callback(partial(self._over, claimed.kept.id))
        return len(found)

    def _over(self, operation: str, _task: object) -> None:
        running = self._running.pop(operation)
        self._cancelling.discard(operation)
        self._progress.pop(operation, None)
        self._woken.set()
        if not running.task.cancelled() and running.task.exception() is not None:
            _log.error("the work on an operation broke", exc_info=running.task.exception())

    async def _pause(self, wait_s: float) -> None:
        now = self._clock.now()
        until = min(now + wait_s, max(now, self._next_due_at))
        self._next_due_at = float("inf")
        with suppress(Expired), Expiry(self._clock, until):
            await self._woken.wait()

    # One attempt

    async def _work(self, claimed: Claimed) -> None:
        work, operation = self._works[claimed.kept.method], claimed.kept.id
        task = asyncio.current_task()
        assert task is not None
        beat = asyncio.get_running_loop().create_task(self._renew(claimed, task), name="lease")
        try:
            if claimed.kept.cancelling:
                begun = was_begun(claimed.kept, claimed.kept.attempts - 1)
                return await self._cancelled(claimed, begun=begun)
            if claimed.kept.attempts > work.options.schedule.max_attempts:
                return await self._give_up(claimed)
            await self._attempt(claimed, work)
        except LostError:
            _log.info("operation %s is another worker's now", operation)
        except asyncio.CancelledError:
            task.uncancel()
            if operation in self._cancelling:
                await self._cancelled(claimed, begun=True)
            else:
                await self._give_back(claimed)
        finally:
            beat.cancel()
        return None

    async def _attempt(self, claimed: Claimed, work: Work) -> None:
        async def keep(progress: bytes) -> None:
            async def note() -> bool:
                return await self._store.note(claimed.kept.id, claimed.token, progress)

            if not await self._insist(note):
                raise LostError
            self._progress[claimed.kept.id] = progress

        attempted = await work.attempt(claimed, keep, self._clock)
        await self._settle(claimed, work, attempted)

    async def _settle(self, claimed: Claimed, work: Work, attempted: Attempted) -> None:
        """Keep what came of an attempt."""
        kept, landing = claimed.kept, attempted.landing
        if attempted.again_in_s is not None:
            coming = self._asked_again(claimed, work, attempted)
        else:
            coming = after(
                landing.outcome.error,
                work.options.schedule,
                attempts=kept.attempts,
                sent=landing.attempts > 0,
                age_s=self._age_s(claimed),
                rng=self._rng,
            )
        next_in_s = coming.due_in_s if coming.state is State.WAITING else None
        self._events.emit(
            OperationAttempted(work.method, kept.id, kept.attempts, landing.outcome, next_in_s)
        )
        if coming.state is State.WAITING:
            error = coming.error
            failure = b"" if error is None else pack(Landing(failed(error)))
            await self._defer(
                claimed,
                Deferral(coming.due_in_s, attempted.progress, failure, coming.uncounted),
            )
        elif coming.error is None:
            await self._end(claimed, State.SUCCEEDED, Landing(SUCCESS, landing.answer))
        else:
            await self._end(claimed, coming.state, Landing(failed(coming.error)))

    def _age_s(self, claimed: Claimed) -> float:
        """Return for how long it is accepted: what the store said, and the time since.

        The wall clocks of this machine and of the store may differ.
        """
        return claimed.age_s + self._clock.now() - self._running[claimed.kept.id].claimed_at

    def _asked_again(self, claimed: Claimed, work: Work, attempted: Attempted) -> Next:
        """Return what comes where the upstream has not come to an end."""
        total_s = work.options.schedule.total_timeout_s
        age_s = self._age_s(claimed)
        due_in_s = attempted.again_in_s or 0.0
        error = attempted.landing.outcome.error
        if age_s + due_in_s <= total_s:
            return Next(State.WAITING, error, due_in_s, uncounted=True)
        error = error or CallError(
            Code.DEADLINE_EXCEEDED,
            Reason.ATTEMPT_TIMEOUT,
            "the upstream accepted it and has not come to an end",
            sent=Sent.ANSWERED,
            transient=True,
        )
        return Next(State.DEAD, spent(error, claimed.kept.attempts, total_s))

    async def _defer(self, claimed: Claimed, deferral: Deferral) -> None:
        async def defer() -> bool:
            return await self._store.defer(claimed.kept.id, claimed.token, deferral)

        if await self._conclude(claimed, defer):
            self._next_due_at = min(self._next_due_at, self._clock.now() + deferral.due_in_s)

    async def _end(self, claimed: Claimed, state: State, landing: Landing) -> None:
        kept = claimed.kept
        schedule = self._works[kept.method].options.schedule

        async def end() -> bool:
            return await self._store.end(
                kept.id, claimed.token, state, pack(landing), retention_s=schedule.retention_s
            )

        if await self._conclude(claimed, end):
            error = landing.outcome.error
            self._events.emit(
                OperationEnded(
                    self._works[kept.method].method,
                    kept.id,
                    state.value,
                    kept.attempts,
                    self._age_s(claimed),
                    "" if error is None else error.message,
                )
            )

    async def _give_up(self, claimed: Claimed) -> None:
        """End what workers have died of."""
        try:
            error = unpack(claimed.kept.last_error).outcome.error
        except UnreadableError:
            error = None
        error = error or CallError(
            Code.ABORTED,
            Reason.OUTCOME_UNKNOWN,
            "whoever worked on it did not come to an end",
            sent=Sent.UNKNOWN,
        )
        dead = spent(error, claimed.kept.attempts - 1, None)
        await self._end(claimed, State.DEAD, Landing(failed(dead)))

    async def _cancelled(self, claimed: Claimed, *, begun: bool) -> None:
        await self._end(claimed, State.CANCELLED, Landing(failed(cancelled_error(begun=begun))))

    async def _give_back(self, claimed: Claimed) -> None:
        """Let others have it at once; nobody knows what the attempt did."""
        kept = claimed.kept
        progress = self._progress.get(kept.id, kept.progress)
        with suppress(StoreUnavailable):
            await self._store.defer(
                kept.id, claimed.token, Deferral(0.0, progress, kept.last_error)
            )

    async def _renew(self, claimed: Claimed, task: "asyncio.Task[None]") -> None:
        operation, lease_s = claimed.kept.id, self._options.lease_s
        while True:
            await self._clock.sleep(lease_s / 3)
            try:
                standing = await self._store.renew(operation, claimed.token, lease_s=lease_s)
            except StoreUnavailable:
                continue
            if standing is Renewal.MINE:
                continue
            if standing is Renewal.CANCEL:
                if operation in self._concluding:
                    continue
                self._cancelling.add(operation)
            task.cancel()
            return

    async def _conclude(self, claimed: Claimed, ask: Callable[[], Awaitable[bool]]) -> bool:
        """Keep how an attempt ended: what is known is not lost with who was to keep it."""
        operation, task = claimed.kept.id, asyncio.current_task()
        assert task is not None
        self._concluding.add(operation)
        try:
            return await self._insist(ask)
        except asyncio.CancelledError:
            task.uncancel()
            with suppress(StoreUnavailable):
                return await ask()
            raise
        finally:
            self._concluding.discard(operation)

    async def _insist(self, ask: Callable[[], Awaitable[bool]]) -> bool:
        """Return what the store says, once it says anything; False where it never does."""
        for number in range(TRIES):
            try:
                return await ask()
            except StoreUnavailable as error:
                await self._clock.sleep(max(error.retry_after_s, _PAUSE_S * 2.0**number))
        return False
