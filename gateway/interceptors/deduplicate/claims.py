"""The claims of running calls: their leases are renewed, and their ends recorded.

Rules:
1. A claim that may have been made and is of no use (its question was cancelled, or got no
   answer) is taken back beside the call. Nothing was sent for it.
2. A lease is renewed each third of it, also after the store did not answer once. A claim that
   is somebody else's by now is left alone.
3. An end is recorded within the call. Where the store does not answer, or the call is cancelled
   meanwhile, it is recorded beside: `TRIES` times, with growing pauses, then never. Its record
   becomes UNKNOWN by itself.
"""

import asyncio
import secrets
from contextlib import suppress
from typing import Final

from gateway.core.clock import Clock
from gateway.core.deadline import Expired, Expiry
from gateway.interceptors.deduplicate.ending import Ending
from gateway.state.records import NotAsked, Record, RecordStore, StoreUnavailable

TRIES: Final = 8
_PAUSE_S: Final = 0.25


class Claims:
    """Of one method.

    Args:
        store: keeps records.
        clock: for leases and pauses.
        lease_s: of a claim.
    """

    def __init__(self, store: RecordStore, clock: Clock, lease_s: float) -> None:
        self._store = store
        self._clock = clock
        self._lease_s = lease_s
        self._ending: set[asyncio.Task[None]] = set()

    async def claim(
        self, key: bytes, method: str, fingerprint: bytes, retention_s: float
    ) -> Record:
        """Claim a key, or return how it stands.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        token = self._new_token()
        try:
            return await self._store.claim(
                key, token, method, fingerprint, lease_s=self._lease_s, retention_s=retention_s
            )
        except NotAsked:  # nothing was claimed
            raise
        except BaseException:
            self.end_beside(key, token, Ending.FORGET)
            raise

    async def reclaim(self, key: bytes, token: int) -> int | None:
        """Claim what is unknown; return its new token, None where it is not unknown any more.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        another = self._new_token()
        try:
            mine = await self._store.reclaim(key, token, another, lease_s=self._lease_s)
        except NotAsked:
            raise
        except BaseException:
            self.end_beside(key, another, Ending.UNKNOWN)
            raise
        return another if mine else None

    def _new_token(self) -> int:
        # Not of the injected randomness: no two claims may ever have one token, of any process.
        return 1 + secrets.randbits(62)

    def keep(self, key: bytes, token: int) -> "asyncio.Task[None]":
        """Begin to renew the lease of a claim; cancel what is returned to stop."""
        return asyncio.get_running_loop().create_task(self._renew(key, token), name="lease")

    async def _renew(self, key: bytes, token: int) -> None:
        while True:
            await self._clock.sleep(self._lease_s / 3)
            try:
                if not await self._store.renew(key, token, lease_s=self._lease_s):
                    return
            except StoreUnavailable:
                continue

    async def end(self, key: bytes, token: int, ending: Ending, answer: bytes) -> None:
        """Record an end; what cannot be recorded now is tried again beside the call."""
        try:
            await self._record(key, token, ending, answer)
        except StoreUnavailable:
            self.end_beside(key, token, ending, answer)
        except asyncio.CancelledError:
            self.end_beside(key, token, ending, answer)
            raise

    def end_beside(self, key: bytes, token: int, ending: Ending, answer: bytes = b"") -> None:
        """Record an end in a task of its own."""
        task = asyncio.get_running_loop().create_task(
            self._insist(key, token, ending, answer), name="record"
        )
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def settled(self, until: float) -> None:
        """Return when every end is recorded, or given up; at the latest at `until`.

        What is not recorded by then is left to its lease.
        """
        with suppress(Expired), Expiry(self._clock, until):
            while self._ending:
                await asyncio.wait(tuple(self._ending))
        left = tuple(self._ending)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)

    async def _insist(self, key: bytes, token: int, ending: Ending, answer: bytes) -> None:
        for number in range(TRIES):
            try:
                await self._record(key, token, ending, answer)
            except StoreUnavailable as error:
                await self._clock.sleep(max(error.retry_after_s, _PAUSE_S * 2.0**number))
            else:
                return

    async def _record(self, key: bytes, token: int, ending: Ending, answer: bytes) -> None:
        match ending:
            case Ending.KEEP:
                await self._store.complete(key, token, answer)
            case Ending.FORGET:
                await self._store.forget(key, token)
            case Ending.UNKNOWN:
                await self._store.give_up(key, token)
