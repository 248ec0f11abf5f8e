"""What the gateway keeps: answers, and records of calls; made once a process.

Part of the composition root, beside `edge.py`. Rules:
1. What nobody asks for is not made, and what it needs is not loaded: a gateway without a cache
   loads no cache, and one without a keyed call no database.
2. The durable store is opened when the process starts where the configuration says anything of
   it or of what needs it; else by the first call with a key.
3. A store that is away stops no start.
"""

from typing import TYPE_CHECKING

from gateway.config.state import StateOptions
from gateway.core.clock import Clock, Rng
from gateway.core.events import Events
from gateway.lazy_stores import LazyOperations, LazyRecords, LazyTickets
from gateway.state.answers import AnswerStore

if TYPE_CHECKING:
    from gateway.state.cache.guarded import GuardedAnswers

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
        self.tickets = LazyTickets(self.records, clock, rng)

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
            self.tickets.start()

    async def stop(self) -> None:
        """Give back what they hold."""
        await self.operations.close()
        await self.tickets.close()
        await self.records.close()
        if self.answers is not None:
            await self.answers.close()


def _size(key: str, value: object) -> int:
    landing = getattr(value, "landing", None)
    return len(key) + _ENTRY_BYTES + (0 if landing is None else len(landing.answer))
