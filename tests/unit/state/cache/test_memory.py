"""The bounded memory backend: each rule of state/cache/memory.py, and aiocache's interface."""

import pytest
from fakes.clock import FakeClock

from gateway.state.cache.memory import BoundedMemoryCache


def new_cache(max_bytes: int = 1000, size: int = 100) -> tuple[BoundedMemoryCache, FakeClock]:
    clock = FakeClock()
    return BoundedMemoryCache(clock, max_bytes, lambda _key, _value: size), clock


async def test_what_was_used_longest_ago_goes_first() -> None:
    cache, _ = new_cache()
    for number in range(10):
        await cache.set(f"k{number}", number, ttl=10)
    assert await cache.get("k0") == 0
    await cache.set("k10", 10, ttl=10)
    assert await cache.get("k1") is None
    assert await cache.get("k0") == 0
    assert (cache.size, len(cache), cache.evicted) == (1000, 10, 1)


async def test_what_is_too_large_is_not_kept() -> None:
    cache = BoundedMemoryCache(FakeClock(), 800, lambda _key, value: value)
    await cache.set("k", 100, ttl=1)
    assert await cache.get("k") == 100
    await cache.set("k", 101, ttl=1)
    assert await cache.get("k") is None, "what was there before is old"
    assert cache.size == 0


async def test_time_that_is_over_is_over() -> None:
    cache, clock = new_cache()
    await cache.set("k", "v", ttl=5)
    clock.advance(4.999)
    assert await cache.exists("k")
    clock.advance(0.001)
    assert await cache.get("k") is None
    assert (len(cache), cache.size, cache.evicted) == (0, 0, 0)


async def test_what_is_over_makes_room_first_and_is_not_counted_as_evicted() -> None:
    cache, clock = new_cache()
    for number in range(10):
        await cache.set(f"k{number}", number, ttl=1)
    clock.advance(1)
    for number in range(10):
        await cache.set(f"n{number}", number, ttl=1)
    assert (len(cache), cache.evicted) == (10, 0)


async def test_a_key_written_again_has_the_time_of_the_last_write() -> None:
    cache, clock = new_cache()
    await cache.set("k", 1, ttl=5)
    clock.advance(4)
    await cache.set("k", 2, ttl=5)
    clock.advance(4)
    assert await cache.get("k") == 2
    assert cache.size == 100


async def test_the_rest_of_the_interface() -> None:
    cache, clock = new_cache()
    assert await cache.add("a", 1, ttl=5)
    with pytest.raises(ValueError, match="exists"):
        await cache.add("a", 2)
    await cache.multi_set([("b", 2), ("c", 3)], ttl=5)
    assert await cache.multi_get(["a", "b", "x"]) == [1, 2, None]
    assert await cache.increment("b", 5) == 7
    assert await cache.increment("n") == 1
    await cache.set("text", "x")
    with pytest.raises(TypeError):
        await cache.increment("text")
    assert await cache.expire("a", 60)
    clock.advance(10)
    assert await cache.multi_get(["a", "b", "n"]) == [1, None, 1]
    assert await cache.delete("a") == 1
    assert await cache.delete("a") == 0
    assert not await cache.expire("a", 1)
    await cache.clear()
    assert (len(cache), cache.size) == (0, 0)


async def test_a_million_keys_stay_under_the_bound() -> None:
    clock = FakeClock()
    cache = BoundedMemoryCache(clock, 4 << 20, lambda key, value: len(key) + len(value) + 300)
    largest = 0
    value = b"x" * 100
    put = cache._put  # the same as `set`, without a million coroutines
    for number in range(1_000_000):
        put(f"seawall:answer:{number:032x}", value, 60.0)
        if not number % 1000:
            largest = max(largest, cache.size)
    assert 3 << 20 < largest <= 4 << 20
    assert len(cache) == pytest.approx((4 << 20) / 447, rel=0.05)
    assert cache.evicted == 1_000_000 - len(cache)
