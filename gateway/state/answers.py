"""Answers that are kept: what the cache asks of a store, whatever keeps them.

Rules that every store keeps:
1. Everything is bounded: entries go when their life is over, or when there is no room.
2. An entry says of each of its tags which mark it had when the entry's fetch began. It holds
   as long as the tags have those marks. A tag without a mark makes no entry hold: who fetches
   writes one first. So whatever a store forgets makes entries go, and none come back.
3. To invalidate a tag is to give it another mark, one that was never there before.
4. A store that does not answer has nothing: reading finds nothing, writing keeps nothing.
   An invalidation that could not be written is written before anything is read again.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from gateway.core.flight import Landing

ALL: Final = "*"
"""The tag of every entry."""
MARK_LIFE_S: Final = 60 * 86_400
"""Seconds that a mark is kept; entries live no longer."""
Marks = tuple[str, ...]
"""Of tags, in their order."""


class Entry(NamedTuple):
    """An answer and how long it holds.

    Args:
        landing: the answer, or the NOT_FOUND that was told.
        given_at: wall seconds: when the upstream gave it.
        fresh_s: so long it is served without asking.
        revalidate_s: from then on it is served while it is asked for anew.
        error_s: from the end of `fresh_s`, how long it is served where asking fails.
        ask_s: likewise, how long it is kept to be asked for by its etag or date.
        etag: of the upstream, "" for none.
        last_modified: likewise.
        marks: of its tags, when its fetch began.
    """

    landing: Landing
    given_at: float
    fresh_s: float
    revalidate_s: float = 0.0
    error_s: float = 0.0
    ask_s: float = 0.0
    etag: str = ""
    last_modified: str = ""
    marks: Marks = ()

    @property
    def life_s(self) -> float:
        """How long it is of any use."""
        return self.fresh_s + max(self.revalidate_s, self.error_s, self.ask_s)


class Found(NamedTuple):
    """What a store has.

    Args:
        entry: None where there is none that holds.
        marks: of the tags that were asked for, for the entry that is fetched now.
    """

    entry: Entry | None
    marks: Marks = ()


class AnswerStore(Protocol):
    """Keeps answers by key."""

    async def read(self, key: bytes, tags: Sequence[str]) -> Found:
        """Return the entry of `key`, which has these tags. Never fails."""

    async def write(self, key: bytes, tags: Sequence[str], entry: Entry) -> None:
        """Keep an entry, which has these tags, for its life. Never fails."""

    async def marks(self, tags: Sequence[str]) -> Marks:
        """Return the marks that tags have now. Never fails."""

    async def invalidate(self, tags: Sequence[str]) -> None:
        """Let no entry of these tags hold any more. Never fails."""

    async def forget(self, key: bytes) -> None:
        """Let no entry of `key` hold any more. Never fails."""

    async def close(self) -> None:
        """Give back what the store holds."""
