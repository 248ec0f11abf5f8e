"""A bounded memory backend for aiocache, whose own keeps everything for ever.

Rules:
1. What all entries take together, as `size_of` tells it, stays under `max_bytes`: entries that
   were used longest ago go first. An entry larger than an eighth of it is not kept at all.
2. An entry is gone when its time is over, whether or not anybody looked; it is thrown away
   when somebody does, or when room is needed. There are no timers.
3. A key that is written again has the time of the last write.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from aiocache.base import BaseCache
from aiocache.serializers import NullSerializer

from gateway.core.clock import Clock

_LARGEST_SHARE: Final = 8
_LOOKED_AT: Final = 4
"""Entries behind the oldest that are looked at for ones whose time is over, a write."""


class _Slot(NamedTuple):
    value: Any
    size: int
    until: float


class BoundedMemoryCache(BaseCache):  # type: ignore[misc]  # aiocache has no types
    """Keeps values in this process.

    Args:
        clock: whose time counts.
        max_bytes: of all entries together.
        size_of: returns what a value takes, in bytes, its key included.
    """

    NAME = "bounded-memory"

    def __init__(self, clock: Clock, max_bytes: int, size_of: Callable[[str, Any], int]) -> None:
        super().__init__(serializer=NullSerializer(), timeout=None)
        self._clock = clock
        self._max_bytes = max_bytes
        self._size_of = size_of
        self._slots: OrderedDict[str, _Slot] = OrderedDict()
        self.size = 0
        """What all entries take now, in bytes."""
        self.evicted = 0
        """Entries that went before their time was over."""

    def __len__(self) -> int:
        return len(self._slots)

    def _look(self, key: str) -> _Slot | None:
        slot = self._slots.get(key)
        if slot is None:
            return None
        if self._clock.now() >= slot.until:
            self._drop(key, slot)
            return None
        self._slots.move_to_end(key)
        return slot

    def _drop(self, key: str, slot: _Slot) -> None:
        del self._slots[key]
        self.size -= slot.size

    def _put(self, key: str, value: Any, ttl: float | None) -> bool:
        before = self._slots.get(key)
        if before is not None:
            self._drop(key, before)
        size = self._size_of(key, value)
        if size * _LARGEST_SHARE > self._max_bytes:
            return False
        now = self._clock.now()
        self._slots[key] = _Slot(value, size, float("inf") if ttl is None else now + ttl)
        self.size += size
        self._make_room(now)
        return True

    def _make_room(self, now: float) -> None:
        for _ in range(_LOOKED_AT):
            key, slot = next(iter(self._slots.items()))
            if now < slot.until:
                break
            self._drop(key, slot)
            if not self._slots:
                return
        while self.size > self._max_bytes:
            key, slot = next(iter(self._slots.items()))
            self._drop(key, slot)
            self.evicted += now < slot.until

    async def _get(self, key: str, encoding: Any = None, _conn: Any = None) -> Any:
        slot = self._look(key)
        return None if slot is None else slot.value

    async def _gets(self, key: str, encoding: Any = None, _conn: Any = None) -> Any:
        return await self._get(key)

    async def _multi_get(
        self, keys: Sequence[str], encoding: Any = None, _conn: Any = None
    ) -> list[Any]:
        slots = [self._look(key) for key in keys]
        return [None if slot is None else slot.value for slot in slots]

    async def _set(
        self, key: str, value: Any, ttl: float | None = None, _cas_token: Any = None,
        _conn: Any = None,
    ) -> Any:  # fmt: skip
        if _cas_token is not None:
            slot = self._look(key)
            if slot is None or slot.value != _cas_token:
                return 0
        return self._put(key, value, ttl)

    async def _multi_set(
        self, pairs: Sequence[tuple[str, Any]], ttl: float | None = None, _conn: Any = None
    ) -> bool:
        for key, value in pairs:
            self._put(key, value, ttl)
        return True

    async def _add(self, key: str, value: Any, ttl: float | None = None, _conn: Any = None) -> bool:
        if self._look(key) is not None:
            raise ValueError(f"the key {key} exists")
        return self._put(key, value, ttl)

    async def _exists(self, key: str, _conn: Any = None) -> bool:
        return self._look(key) is not None

    async def _increment(self, key: str, delta: int, _conn: Any = None) -> int:
        slot = self._look(key)
        if slot is not None and not isinstance(slot.value, int):
            raise TypeError("the value is not an integer")
        value: int = delta + (0 if slot is None else slot.value)
        left = None if slot is None else slot.until - self._clock.now()
        self._put(key, value, None if left == float("inf") else left)
        return value

    async def _expire(self, key: str, ttl: float, _conn: Any = None) -> bool:
        slot = self._look(key)
        return slot is not None and self._put(key, slot.value, ttl or None)

    async def _delete(self, key: str, _conn: Any = None) -> int:
        slot = self._look(key)
        if slot is None:
            return 0
        self._drop(key, slot)
        return 1

    async def _clear(self, namespace: str | None = None, _conn: Any = None) -> bool:
        for key in [k for k in self._slots if namespace is None or k.startswith(namespace)]:
            self._drop(key, self._slots[key])
        return True

    async def _raw(self, command: str, *args: Any, _conn: Any = None, **more: Any) -> Any:
        return await getattr(self, f"_{command}")(*args, **more)

    async def _redlock_release(self, key: str, value: Any) -> int:
        slot = self._look(key)
        return await self._delete(key) if slot is not None and slot.value == value else 0
