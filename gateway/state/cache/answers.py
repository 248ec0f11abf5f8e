"""An `AnswerStore` over a cache of aiocache's interface; see the rules of state/answers.py.

1. An entry and the marks of its tags are read by one question.
2. A tag without a mark gets one when an entry of it is about to be fetched; two that do so at
   once agree on one (`add`).
3. A mark lives `MARK_LIFE_S`, and no entry of a tag longer. What a cache throws away early
   makes entries go.
4. Keys are digests; nothing in a cache's keys can be read.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final
from uuid import uuid4

from aiocache.base import BaseCache

from gateway.state.answers import AnswerStore, Entry, Found, Marks

MARK_LIFE_S: Final = 7 * 86_400.0
"""Seconds; entries of tags live no longer."""
_ENTRY: Final = "seawall:answer:"
_MARK: Final = "seawall:tag:"
_SHORTEST_S: Final = 0.001


class CachedAnswers(AnswerStore):
    """Keeps answers in `cache`.

    Args:
        cache: values are `Entry` and text.
    """

    def __init__(self, cache: BaseCache) -> None:
        self._cache = cache

    async def read(self, key: bytes, tags: Sequence[str]) -> Found:
        """Return the entry of `key`, where its tags still have the marks that it had."""
        if not tags:
            entry = await self._cache.get(_ENTRY + key.hex())
            return Found(entry if isinstance(entry, Entry) and not entry.marks else None)
        names = [_mark_key(tag) for tag in tags]
        entry, *marks = await self._cache.multi_get([_ENTRY + key.hex(), *names])
        if None not in marks:
            seen: Marks = tuple(marks)
            holds = isinstance(entry, Entry) and entry.marks == seen
            return Found(entry if holds else None, seen)
        return Found(None, await self._with_marks(names, marks))

    async def write(self, key: bytes, entry: Entry) -> None:
        """Keep an entry for its life."""
        life_s = min(entry.life_s, MARK_LIFE_S) if entry.marks else entry.life_s
        if life_s >= _SHORTEST_S:
            await self._cache.set(_ENTRY + key.hex(), entry, ttl=float(life_s))

    async def marks(self, tags: Sequence[str]) -> Marks:
        """Return the marks that tags have now."""
        names = [_mark_key(tag) for tag in tags]
        marks = await self._cache.multi_get(names) if names else []
        return tuple(marks) if None not in marks else await self._with_marks(names, marks)

    async def invalidate(self, tags: Sequence[str]) -> None:
        """Give each tag another mark."""
        pairs = [(_mark_key(tag), uuid4().hex) for tag in tags]
        if pairs:
            await self._cache.multi_set(pairs, ttl=MARK_LIFE_S)

    async def forget(self, key: bytes) -> None:
        """Throw the entry of `key` away."""
        await self._cache.delete(_ENTRY + key.hex())

    async def close(self) -> None:
        """Close the cache."""
        await self._cache.close()

    async def _with_marks(self, names: Sequence[str], marks: Sequence[Any]) -> Marks:
        """Return `marks` with one for each that has none."""
        found: list[str] = []
        for name, mark in zip(names, marks, strict=True):
            while mark is None:
                made = uuid4().hex
                try:
                    kept = await self._cache.add(name, made, ttl=MARK_LIFE_S)
                    mark = made if kept else ""  # no room for a mark: its entries never hold
                except ValueError:
                    mark = await self._cache.get(name)
            found.append(mark or uuid4().hex)
        return tuple(found)


def _mark_key(tag: str) -> str:
    return _MARK + blake2b(tag.encode(), digest_size=16).hexdigest()
