"""The keys of an issuer behind a URL, kept fresh beside the calls.

Rules:
1. The URL is asked by one question at a time, which many calls may wait for. A call that goes
   away leaves the question; at most `MAX_WAITING` calls wait, others are sent away at once.
2. A question ends after `timeout`, whatever it is made of.
3. No key that is not known is remembered: there is nothing to fill.
When it is asked, `freshness.py` says.
"""

import asyncio
from collections.abc import Awaitable, Callable

from gateway.core.clock import Clock, Rng
from gateway.core.deadline import Expired, Expiry
from gateway.core.errors import CallError
from gateway.core.events import Events
from gateway.interceptors.auth.freshness import Freshness
from gateway.interceptors.auth.jwks import KeepOnly, KeptKeys
from gateway.interceptors.auth.keyset import KeySet
from gateway.interceptors.auth.options import JwtOptions

Fetch = Callable[[], Awaitable[bytes]]
"""Returns the body of an answer, of at most `keyset.MAX_SET_BYTES` bytes. Raises CallError,
OSError or ValueError where there is none; whatever else it raises is a failure too."""

MAX_WAITING = 1000


class JwksUrl:
    """A set behind a URL.

    Args:
        options: with the intervals and the timeout.
        fetch: asks the URL once.
        clock: for all of them.
        rng: for jitter.
        events: are told of changes.
        keep_only: told which keys hold, after they have changed.
    """

    def __init__(
        self,
        options: JwtOptions,
        fetch: Fetch,
        clock: Clock,
        rng: Rng,
        events: Events,
        keep_only: KeepOnly,
    ) -> None:
        self._timeout_s = options.timeout_s
        self._fetch = fetch
        self._clock = clock
        self._rng = rng
        self._kept = KeptKeys(options, events, keep_only)
        self._freshness = Freshness(options, clock.now())
        self._question: asyncio.Task[None] | None = None
        self._over: asyncio.Future[None] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._waiting = 0
        self._stopped = False

    @property
    def keys(self) -> KeySet | None:
        """The keys that are known."""
        return self._kept.keys

    @property
    def asking(self) -> bool:
        """Whether a question is under way."""
        return self._over is not None

    @property
    def failing(self) -> bool:
        """Whether the last question had no answer that can be used."""
        return self._freshness.failing

    def start(self) -> None:
        """Ask for the first time, and begin to ask again."""
        if self._keeper is None:
            self._keeper = asyncio.get_running_loop().create_task(self._keep_fresh())

    async def stop(self) -> None:
        """Ask no more; calls that wait go on without an answer."""
        tasks = [task for task in (self._keeper, self._question) if task is not None]
        self._keeper, self._stopped = None, True
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._over is not None:  # the question was cancelled before it began
            self._end(self._over)

    def may_wait(self) -> bool:
        """Tell whether a question is under way, with room beside it, or may begin."""
        if self._over is not None:
            return self._waiting < MAX_WAITING
        return not self._stopped and self._freshness.may_ask(self._clock.now())

    async def renewed(self) -> None:
        """Return when the question is over that is under way, or begins now."""
        over = self._over or self._begin()
        self._waiting += 1
        try:
            await asyncio.shield(over)
        finally:
            self._waiting -= 1

    def retry_after_s(self) -> float:
        """Return the seconds until another question may begin, or this one must be over."""
        wait_s = self._freshness.wait_s(self._clock.now())
        return min(wait_s, self._timeout_s) if self._over is not None else wait_s

    async def _keep_fresh(self) -> None:
        while True:
            wait_s = self._freshness.due_at - self._clock.now()
            if wait_s > 0:
                await self._clock.sleep(wait_s)
            else:
                await asyncio.shield(self._over or self._begin())

    def _begin(self) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        self._freshness.asked(self._clock.now())
        self._over = loop.create_future()
        self._question = loop.create_task(self._ask(self._over))
        return self._over

    async def _ask(self, over: asyncio.Future[None]) -> None:
        good = False
        try:
            with Expiry(self._clock, self._clock.now() + self._timeout_s):
                data = await self._fetch()
            good = self._kept.take(data)
        except Expired:
            self._kept.refuse(f"there was no answer in {self._timeout_s:g} s")
        except CallError as error:
            self._kept.refuse(error.message)
        except Exception as error:
            # What it says may be anything, parts of the URL too; what it is is enough.
            self._kept.refuse(f"could not be asked for: {type(error).__name__}")
        finally:
            now = self._clock.now()
            if good:
                self._freshness.answered(now, self._rng)
            else:
                self._freshness.failed(now, self._rng)
                if self._freshness.is_stale(now):
                    self._kept.drop()
            self._end(over)

    def _end(self, over: asyncio.Future[None]) -> None:
        self._over = self._question = None
        over.set_result(None)
