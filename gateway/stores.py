"""What the gateway keeps: answers, and records of calls; made once a process.

Part of the composition root, beside `edge.py`. Rules:
1. What nobody asks for is not made, and what it needs is not loaded: a gateway without a cache
   loads no cache, and one without a keyed call no database.
2. The durable store is opened when the process starts where the configuration says anything of
   it or of what needs it; else by the first call with a key.
3. A store that is away stops no start.
"""

import asyncio
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from gateway.config.state import StateOptions
from gateway.core.clock import Clock, Rng
from gateway.core.events import Events
from gateway.state.answers import AnswerStore
from gateway.state.operations import (
    Acceptance,
    Accepted,
    Claimed,
    Deferral,
    Kept,
    OperationQuery,
    OperationStore,
    Renewal,
    State,
)
from gateway.state.records import Record, RecordStore, StoreUnavailable

if TYPE_CHECKING:
    from gateway.state.cache.guarded import GuardedAnswers
    from gateway.state.durable.operations import DurableOperations
    from gateway.state.durable.records import DurableRecords
    from gateway.state.durable.store import Durable
    from gateway.state.durable.sweeping import Sweeper

_ENTRY_BYTES = 700
"""What an entry takes in memory beside its answer, about."""


class Stores:
    """The stores of one process.

    Args:
        options: where they are.
        clock: for all of them.
        rng: spreads what they do now and then.
        events: are told of what changes.
        keeps_answers: whether any method keeps answers, or makes kept ones old.
        keeps_records: whether the configuration speaks of the durable store, or of what needs
            it.
    """

    def __init__(
        self,
        options: StateOptions,
        clock: Clock,
        rng: Rng,
        events: Events,
        *,
        keeps_answers: bool,
        keeps_records: bool,
    ) -> None:
        self._guarded: GuardedAnswers | None = None
        self._keeps_records = keeps_records
        self.answers: AnswerStore | None = None
        if keeps_answers:
            self.answers = self._answers(options, clock, events)
        self.records = LazyRecords(options, clock, rng, events)
        self.operations = LazyOperations(self.records, clock, rng)

    def _answers(self, options: StateOptions, clock: Clock, events: Events) -> AnswerStore:
        from gateway.state.cache.answers import CachedAnswers

        if options.shared is None:
            from gateway.state.cache.memory import BoundedMemoryCache

            return CachedAnswers(BoundedMemoryCache(clock, options.cache_max_bytes, _size))
        from gateway.state.cache.guarded import GuardedAnswers
        from gateway.state.cache.redis import RedisAnswersCache

        self._guarded = GuardedAnswers(
            CachedAnswers(RedisAnswersCache(options.shared)),
            clock,
            events,
            options.cache_timeout_s,
            options.breaker,
        )
        return self._guarded

    async def start(self) -> None:
        """Reach for what is sure to be used; a dead one stops nothing."""
        if self._guarded is not None:
            await self._guarded.start()
        if self._keeps_records:
            await self.records.open()
            self.operations.start()

    async def stop(self) -> None:
        """Give back what they hold."""
        await self.operations.close()
        await self.records.close()
        if self.answers is not None:
            await self.answers.close()


def _size(key: str, value: object) -> int:
    landing = getattr(value, "landing", None)
    return len(key) + _ENTRY_BYTES + (0 if landing is None else len(landing.answer))


class LazyRecords(RecordStore):
    """Records of the durable store, which is loaded and opened when it is first needed.

    Args:
        options: where it is.
        clock: for its time.
        rng: spreads its sweeps.
        events: are told of changes.
    """

    def __init__(self, options: StateOptions, clock: Clock, rng: Rng, events: Events) -> None:
        self._options = options
        self._clock = clock
        self._rng = rng
        self._events = events
        self._making: asyncio.Task[DurableRecords] | None = None
        self._durable: Durable | None = None
        self._sweeper: Sweeper | None = None

    async def open(self) -> None:
        """Load and open it; one that is away is opened by a later question."""
        await self._made()
        assert self._durable is not None
        with suppress(StoreUnavailable):  # StoreChanged told it, and every call that needs it is
            await self._durable.open()

    async def durable(self) -> "Durable":
        """Return the store, loaded."""
        await self._made()
        assert self._durable is not None
        return self._durable

    async def _made(self) -> "DurableRecords":
        if self._making is None:
            self._making = asyncio.get_running_loop().create_task(self._make(), name="durable")
        return await asyncio.shield(self._making)

    async def _make(self) -> "DurableRecords":
        # It takes a tenth of a second, which no other call should wait for.
        await asyncio.to_thread(_load)
        from gateway.state.durable.records import DurableRecords
        from gateway.state.durable.store import Durable, DurableOptions
        from gateway.state.durable.sweeping import Sweeper
        from gateway.state.durable.url import default_url

        options = self._options
        url = options.durable if options.durable is not None else default_url(os.environ)
        self._durable = Durable(
            url,
            self._clock,
            self._events,
            DurableOptions(timeout_s=options.durable_timeout_s, breaker=options.breaker),
        )
        records = DurableRecords(self._durable, self._clock)
        self._sweeper = Sweeper(records.sweep, self._clock, self._rng)
        self._sweeper.start()
        return records

    async def close(self) -> None:
        """Give back what it holds."""
        if self._making is None:
            return
        records = await self._making
        if self._sweeper is not None:
            await self._sweeper.close()
        await records.close()
        if self._durable is not None:
            await self._durable.close()

    async def claim(
        self,
        key: bytes,
        token: int,
        method: str,
        fingerprint: bytes,
        *,
        lease_s: float,
        retention_s: float,
    ) -> Record:
        """See RecordStore."""
        records = await self._made()
        return await records.claim(
            key, token, method, fingerprint, lease_s=lease_s, retention_s=retention_s
        )

    async def look(self, key: bytes) -> Record | None:
        """See RecordStore."""
        return await (await self._made()).look(key)

    async def renew(self, key: bytes, token: int, *, lease_s: float) -> bool:
        """See RecordStore."""
        return await (await self._made()).renew(key, token, lease_s=lease_s)

    async def complete(self, key: bytes, token: int, answer: bytes) -> bool:
        """See RecordStore."""
        return await (await self._made()).complete(key, token, answer)

    async def forget(self, key: bytes, token: int) -> bool:
        """See RecordStore."""
        return await (await self._made()).forget(key, token)

    async def give_up(self, key: bytes, token: int) -> bool:
        """See RecordStore."""
        return await (await self._made()).give_up(key, token)

    async def reclaim(self, key: bytes, token: int, another: int, *, lease_s: float) -> bool:
        """See RecordStore."""
        return await (await self._made()).reclaim(key, token, another, lease_s=lease_s)


class LazyOperations(OperationStore):
    """Operations of the durable store, which is loaded when it is first needed.

    Args:
        records: whose store it is.
        clock: for counts and sweeps.
        rng: spreads its sweeps.
    """

    def __init__(self, records: LazyRecords, clock: Clock, rng: Rng) -> None:
        self._records = records
        self._clock = clock
        self._rng = rng
        self._store: DurableOperations | None = None
        self._sweeper: Sweeper | None = None

    def start(self) -> None:
        """Begin to sweep what has expired; the store is loaded."""
        from gateway.state.durable.sweeping import Sweeper

        self._sweeper = Sweeper(self.sweep, self._clock, self._rng)
        self._sweeper.start()

    async def close(self) -> None:
        """Stop sweeping."""
        if self._sweeper is not None:
            await self._sweeper.close()

    async def _made(self) -> "DurableOperations":
        if self._store is None:
            durable = await self._records.durable()
            from gateway.state.durable.operations import DurableOperations

            self._store = self._store or DurableOperations(durable, self._clock)
        return self._store

    async def accept(self, accepted: Accepted) -> tuple[Acceptance, Kept | None]:
        """See OperationStore."""
        return await (await self._made()).accept(accepted)

    async def waits(self, method: str, order_key: bytes) -> bool:
        """See OperationStore."""
        return await (await self._made()).waits(method, order_key)

    async def claim(
        self, methods: Sequence[str], tokens: Sequence[int], *, lease_s: float
    ) -> list[Claimed]:
        """See OperationStore."""
        return await (await self._made()).claim(methods, tokens, lease_s=lease_s)

    async def renew(self, operation: str, token: int, *, lease_s: float) -> Renewal:
        """See OperationStore."""
        return await (await self._made()).renew(operation, token, lease_s=lease_s)

    async def note(self, operation: str, token: int, progress: bytes) -> bool:
        """See OperationStore."""
        return await (await self._made()).note(operation, token, progress)

    async def defer(self, operation: str, token: int, deferral: Deferral) -> bool:
        """See OperationStore."""
        return await (await self._made()).defer(operation, token, deferral)

    async def end(
        self, operation: str, token: int, state: State, answer: bytes, *, retention_s: float
    ) -> bool:
        """See OperationStore."""
        store = await self._made()
        return await store.end(operation, token, state, answer, retention_s=retention_s)

    async def get(self, operation: str, owner: bytes | None) -> Kept | None:
        """See OperationStore."""
        return await (await self._made()).get(operation, owner)

    async def find(self, query: OperationQuery) -> list[Kept]:
        """See OperationStore."""
        return await (await self._made()).find(query)

    async def cancel(self, operation: str, owner: bytes | None, answer: bytes) -> Kept | None:
        """See OperationStore."""
        return await (await self._made()).cancel(operation, owner, answer)

    async def delete(self, operation: str, owner: bytes | None) -> Kept | None:
        """See OperationStore."""
        return await (await self._made()).delete(operation, owner)

    async def retry(self, operation: str) -> bool:
        """See OperationStore."""
        return await (await self._made()).retry(operation)

    async def sweep(self, limit: int = 500) -> int:
        """See OperationStore."""
        return await (await self._made()).sweep(limit)


def _load() -> None:
    import gateway.state.durable.records
    import gateway.state.durable.store  # noqa: F401
