"""What is kept in the durable store, which is loaded and opened when it is first needed.

Part of the composition root, beside `stores.py`, which says when.
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from gateway.config.state import StateOptions
from gateway.core.clock import Clock, Rng
from gateway.core.events import Events
from gateway.state.operations import (
    Acceptance,
    Accepted,
    Cancellation,
    Claimed,
    Deferral,
    Kept,
    OperationQuery,
    OperationStore,
    Renewal,
    State,
)
from gateway.state.records import Page, Record, RecordAdmin, RecordStore, StoreUnavailable
from gateway.state.turns import TicketStore

if TYPE_CHECKING:
    from gateway.state.durable.operations import DurableOperations
    from gateway.state.durable.records import DurableRecords
    from gateway.state.durable.store import Durable
    from gateway.state.durable.sweeping import Sweeper
    from gateway.state.durable.tickets import DurableTickets


class LazyRecords(RecordStore, RecordAdmin):
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

    @property
    def where(self) -> str:
        """Where it is, without secrets; "" while it is not loaded."""
        return "" if self._durable is None else self._durable.shown

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

    async def find(
        self, *, method: str = "", claimed: bool = False, after: str = "", limit: int = 100
    ) -> Page:
        """See RecordAdmin."""
        records = await self._made()
        return await records.find(method=method, claimed=claimed, after=after, limit=limit)

    async def method_of(self, key: bytes) -> str | None:
        """See RecordAdmin."""
        return await (await self._made()).method_of(key)

    async def resolve(self, key: bytes, answer: bytes | None) -> bool:
        """See RecordAdmin."""
        return await (await self._made()).resolve(key, answer)

    async def sweep(self, limit: int = 500) -> int:
        """See RecordAdmin."""
        return await (await self._made()).sweep(limit)


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
        self,
        methods: Sequence[str],
        tokens: Sequence[int],
        *,
        lease_s: float,
        running: Sequence[str] = (),
    ) -> list[Claimed]:
        """See OperationStore."""
        store = await self._made()
        return await store.claim(methods, tokens, lease_s=lease_s, running=running)

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

    async def cancel(
        self, operation: str, owner: bytes | None, answer_of: Callable[[Kept], bytes]
    ) -> Cancellation | None:
        """See OperationStore."""
        return await (await self._made()).cancel(operation, owner, answer_of)

    async def delete(self, operation: str, owner: bytes | None) -> Kept | None:
        """See OperationStore."""
        return await (await self._made()).delete(operation, owner)

    async def retry(self, operation: str) -> bool:
        """See OperationStore."""
        return await (await self._made()).retry(operation)

    async def sweep(self, limit: int = 500) -> int:
        """See OperationStore."""
        return await (await self._made()).sweep(limit)


class LazyTickets(TicketStore):
    """Tickets of the durable store, which is loaded when it is first needed.

    Args:
        records: whose store it is.
        clock: for sweeps.
        rng: spreads them.
    """

    def __init__(self, records: LazyRecords, clock: Clock, rng: Rng) -> None:
        self._records = records
        self._clock = clock
        self._rng = rng
        self._store: DurableTickets | None = None
        self._sweeper: Sweeper | None = None

    def start(self) -> None:
        """Begin to sweep what has run out; the store is loaded."""
        from gateway.state.durable.sweeping import Sweeper

        self._sweeper = Sweeper(self.sweep, self._clock, self._rng)
        self._sweeper.start()

    async def close(self) -> None:
        """Stop sweeping."""
        if self._sweeper is not None:
            await self._sweeper.close()

    async def _made(self) -> "DurableTickets":
        if self._store is None:
            durable = await self._records.durable()
            from gateway.state.durable.tickets import DurableTickets

            self._store = self._store or DurableTickets(durable)
        return self._store

    async def draw(self, key: bytes, token: int, *, limit: int, lease_s: float) -> int | None:
        """See TicketStore."""
        return await (await self._made()).draw(key, token, limit=limit, lease_s=lease_s)

    async def first(self, key: bytes) -> int | None:
        """See TicketStore."""
        return await (await self._made()).first(key)

    async def renew(self, tokens: list[int], *, lease_s: float) -> None:
        """See TicketStore."""
        await (await self._made()).renew(tokens, lease_s=lease_s)

    async def leave(self, token: int) -> None:
        """See TicketStore."""
        await (await self._made()).leave(token)

    async def sweep(self, limit: int = 500) -> int:
        """Delete what ran out a while ago."""
        return await (await self._made()).sweep(limit)


def _load() -> None:
    import gateway.state.durable.records
    import gateway.state.durable.store  # noqa: F401
