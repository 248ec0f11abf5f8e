"""What waits beside calls: tries to connect, questions about health, ends of ejections.

The first two are loops that tell a machine what they saw. Neither ends for a fault of
one round: an endpoint would never come back.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from gateway.core.clock import Clock, Rng, Timer
from gateway.core.deadline import Expired, Expiry
from gateway.core.errors import CallError
from gateway.core.http import HttpRequest
from gateway.downstream import errors
from gateway.downstream.endpoints.discovery import jittered
from gateway.downstream.endpoints.member import Member
from gateway.downstream.endpoints.options import HealthOptions, OutlierOptions, ReachabilityOptions
from gateway.downstream.endpoints.outliers import Change, OutlierDetector, Record

_log = logging.getLogger(__name__)
_NEVER = float("inf")
_MAX_BODY_BYTES = 64 * 1024
_UNAUTHORIZED = 401
_NO_HEADERS: Mapping[str, str] = {}


class Prober:
    """Connects to endpoints that could not be connected to.

    A connection that comes about is the next call's.

    Args:
        options: how often, and for how long.
        clock: for intervals and the time limit.
        rng: for jitter.
        told: takes the reason why it failed, None where it did not.
    """

    def __init__(
        self,
        options: ReachabilityOptions,
        clock: Clock,
        rng: Rng,
        told: Callable[[Member, CallError | None], None],
    ) -> None:
        self._options = options
        self._clock = clock
        self._rng = rng
        self._told = told

    async def run(self, member: Member) -> None:
        """Try until it succeeds."""
        while True:
            wait_s = jittered(self._options.probe_interval_s, self._rng)
            member.probe_at = self._clock.now() + wait_s
            await self._clock.sleep(wait_s)
            failure = await self._connect(member)
            self._told(member, failure)
            if failure is None:
                return

    async def verify(self, member: Member) -> None:
        """Try while one more failure would make it unreachable; its pool tells of each."""
        reachability = member.reachability
        while reachability.failures and reachability.reachable:
            await self._clock.sleep(jittered(self._options.probe_interval_s, self._rng))
            if reachability.failures and reachability.reachable:
                await self._connect(member)

    async def _connect(self, member: Member) -> CallError | None:
        pool = member.connections
        try:
            with Expiry(self._clock, self._clock.now() + self._options.probe_timeout_s):
                await pool.warm()
        except CallError as error:
            return error
        except Expired:
            return errors.slow_to_connect(pool.name)
        except Exception as error:
            _log.exception("a probe of %s, upstream %s, failed", member.address, pool.name)
            return errors.lost(pool.name, error)
        return None


class HealthChecker:
    """Asks endpoints whether they are well.

    Args:
        options: what, how often, and for how long.
        clock: for intervals and the time limit.
        rng: for jitter.
        told: takes whether it was a good answer, and why not.
    """

    def __init__(
        self,
        options: HealthOptions,
        clock: Clock,
        rng: Rng,
        told: Callable[[Member, bool, str], None],
    ) -> None:
        self._options = options
        self._clock = clock
        self._rng = rng
        self._told = told

    async def run(self, member: Member) -> None:
        """Ask at once, and over and over."""
        while True:
            if not member.connections.full and (given := await self._credential()) is not None:
                why = await self._ask(member, given)
                self._told(member, not why, why)
            await self._clock.sleep(jittered(self._options.interval_s, self._rng))

    async def _credential(self) -> Mapping[str, str] | None:
        """Return the headers of the upstream's own credential, None where they cannot be had."""
        credential = self._options.credential
        if credential is None:
            return _NO_HEADERS
        given = await credential.obtain()
        return None if isinstance(given, CallError) else given

    async def _ask(self, member: Member, given: Mapping[str, str]) -> str:
        """Return why the answer was a bad one, "" for a good one.

        Args:
            member: who is asked.
            given: the headers of the upstream's own credential.
        """
        timeout_s = self._options.timeout_s
        headers = {"user-agent": "seawall", **given}
        question = HttpRequest("GET", self._options.path, headers)
        try:
            with Expiry(self._clock, self._clock.now() + timeout_s):
                async with member.origin.open(question) as answer:
                    await answer.read_up_to(_MAX_BODY_BYTES)  # and the connection is kept
        except CallError as error:
            return error.message.removeprefix(f"upstream {error.upstream!r} ")
        except Expired:
            return f"did not answer within {timeout_s:.3g} s"
        except Exception as error:
            _log.exception("a health check of %s failed", member.address)
            return type(error).__name__
        if answer.status == _UNAUTHORIZED and self._options.credential is not None:
            self._options.credential.rejected(given)
        return "" if 200 <= answer.status < 300 else f"answered {answer.status}"


class Ejector:
    """The outlier detector with a timer, armed only while the detector has something due.

    Args:
        options: thresholds and times.
        clock: for the timer.
        told: takes who was ejected and who came back.
    """

    def __init__(
        self, options: OutlierOptions, clock: Clock, told: Callable[[Sequence[Change]], None]
    ) -> None:
        self._detector = OutlierDetector(options)
        self._clock = clock
        self._told = told
        self._timer: Timer | None = None
        self._timer_at = _NEVER

    def add(self) -> Record:
        """Return the record of an endpoint that is watched from now on."""
        return self._detector.add()

    def remove(self, record: Record) -> None:
        """Forget an endpoint."""
        self._told(self._detector.remove(record))

    @property
    def due_at(self) -> float:
        """When the next may come back, in monotonic seconds."""
        return self._detector.due_at

    def succeeded(self, record: Record, now: float) -> None:
        """Count an attempt that succeeded."""
        self._detector.succeeded(record, now)
        if self._timer is None:
            self._arm()

    def failed(self, record: Record, now: float) -> None:
        """Count an attempt that failed."""
        if (ejection := self._detector.failed(record, now)) is not None:
            self._told([ejection])
        self._arm()

    def stop(self) -> None:
        """Disarm the timer."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_at = None, _NEVER

    def _arm(self) -> None:
        due_at = self._detector.due_at
        if due_at < self._timer_at:
            self.stop()
            self._timer, self._timer_at = self._clock.call_at(due_at, self._advance), due_at

    def _advance(self) -> None:
        self._timer, self._timer_at = None, _NEVER
        self._told(self._detector.advance(self._clock.now()))
        self._arm()


class Tasks:
    """What runs beside calls for one upstream; what breaks is logged."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` in a task."""
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a task beside calls failed", exc_info=error)

    async def cancel(self) -> None:
        """Cancel all of it, and wait until it has ended."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
