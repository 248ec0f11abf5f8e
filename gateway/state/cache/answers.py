"""An `AnswerStore` over a cache of aiocache's interface; see the rules of state/answers.py.

1. An entry and the marks of its tags are read by one question. Every entry has one more tag
   than its method says, `ALL`: to throw everything away is to invalidate it.
2. A tag without a mark gets one when an entry of it is about to be fetched; two that do so at
   once agree on one (`add`).
3. A mark lives `MARK_LIFE_S` from when it was made or an entry of it was kept, and no entry
   lives longer. What a cache throws away early makes entries go.
4. Keys are digests; nothing in a cache's keys can be read.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final
from uuid import uuid4

from aiocache.base import BaseCache

from gateway.state.answers import ALL, MARK_LIFE_S, AnswerStore, Entry, Found, Marks

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
        self._of_all = _mark_key(ALL)

    async def read(self, key: bytes, tags: Sequence[str]) -> Found:
        """Return the entry of `key`, where its tags still have the marks that it had."""
        names = self._names(tags)
        entry, *marks = await self._cache.multi_get([_ENTRY + key.hex(), *names])
        if None in marks:
            return Found(None, await self._with_marks(names, marks))
        seen: Marks = tuple(marks)
        return Found(entry if isinstance(entry, Entry) and entry.marks == seen else None, seen)

    async def write(self, key: bytes, tags: Sequence[str], entry: Entry) -> None:
        """Keep an entry for its life."""
        life_s = min(entry.life_s, MARK_LIFE_S)
        if life_s < _SHORTEST_S:
            return
        await self._cache.set(_ENTRY + key.hex(), entry, ttl=float(life_s))
        for name in self._names(tags):
            await self._cache.expire(name, MARK_LIFE_S)

    async def marks(self, tags: Sequence[str]) -> Marks:
        """Return the marks that tags have now."""
        names = self._names(tags)
        marks = await self._cache.multi_get(names)
        return await self._with_marks(names, marks) if None in marks else tuple(marks)

    async def invalidate(self, tags: Sequence[str]) -> None:
        """Give each tag another mark."""
        if tags:
            pairs = [(_mark_key(tag), uuid4().hex) for tag in tags]
            await self._cache.multi_set(pairs, ttl=MARK_LIFE_S)

    async def forget(self, key: bytes) -> None:
        """Throw the entry of `key` away."""
        await self._cache.delete(_ENTRY + key.hex())

    async def close(self) -> None:
        """Close the cache."""
        await self._cache.close()

    def _names(self, tags: Sequence[str]) -> list[str]:
        return [self._of_all, *map(_mark_key, tags)]

    async def _with_marks(self, names: Sequence[str], marks: Sequence[Any]) -> Marks:
        """Return `marks` with one for each that has none."""
        return tuple(
            [mark or await self._made(name) for name, mark in zip(names, marks, strict=True)]
        )

    async def _made(self, name: str) -> str:
        """Give a tag its first mark, or take the one that somebody else has just given it."""
        made = uuid4().hex
        try:
            kept = await self._cache.add(name, made, ttl=MARK_LIFE_S)
        except ValueError:
            mark = await self._cache.get(name)
            return str(mark) if mark else made  # gone again: what is kept with it never holds
        return made if kept else uuid4().hex


def _mark_key(tag: str) -> str:
    return _MARK + blake2b(tag.encode(), digest_size=16).hexdigest()
