"""Entries and the marks of their tags: the rules of state/answers.py over the memory backend."""

import pytest
from fakes.clock import FakeClock

from gateway.core.flight import Landing
from gateway.core.outcome import SUCCESS
from gateway.state.answers import ALL, MARK_LIFE_S, Entry
from gateway.state.cache.answers import CachedAnswers
from gateway.state.cache.memory import BoundedMemoryCache


def new_store(max_bytes: int = 10_000) -> tuple[CachedAnswers, BoundedMemoryCache, FakeClock]:
    clock = FakeClock()
    cache = BoundedMemoryCache(clock, max_bytes, lambda _key, _value: 100)
    return CachedAnswers(cache), cache, clock


def entry(marks: tuple[str, ...] = (), life_s: float = 10.0) -> Entry:
    return Entry(Landing(SUCCESS, b"answer"), 0.0, life_s, marks=marks)


async def test_what_is_written_is_read_for_its_life() -> None:
    store, _, clock = new_store()
    kept = entry((await store.read(b"k", ())).marks)
    await store.write(b"k", (), kept)
    assert (await store.read(b"k", ())).entry == kept
    assert (await store.read(b"other", ())).entry is None
    clock.advance(10)
    assert (await store.read(b"k", ())).entry is None


async def test_an_entry_holds_while_its_tags_have_the_marks_it_began_with() -> None:
    store, _, _ = new_store()
    began = await store.read(b"k", ("a", "b"))
    assert len(set(began.marks)) == 3
    await store.write(b"k", ("a", "b"), entry(began.marks))
    assert (await store.read(b"k", ("a", "b"))).entry is not None
    await store.invalidate(("b",))
    after = await store.read(b"k", ("a", "b"))
    assert after.entry is None
    assert after.marks[:2] == began.marks[:2]
    assert after.marks[2] != began.marks[2]


async def test_a_fetch_that_began_before_an_invalidation_is_never_served_after_it() -> None:
    store, _, _ = new_store()
    began = await store.read(b"k", ("a",))
    await store.invalidate(("a",))
    await store.write(b"k", ("a",), entry(began.marks))
    assert (await store.read(b"k", ("a",))).entry is None


async def test_marks_that_were_forgotten_make_entries_go_and_none_come_back() -> None:
    store, cache, _ = new_store()
    began = await store.read(b"k", ("a",))
    await store.write(b"k", ("a",), entry(began.marks))
    for key in [key for key in cache._slots if "tag" in key]:
        await cache.delete(key)
    assert (await store.read(b"k", ("a",))).entry is None
    assert (await store.marks(("a",))) != began.marks


async def test_without_room_for_marks_nothing_holds() -> None:
    store, _, _ = new_store(max_bytes=500)
    began = await store.read(b"k", ("a",))
    await store.write(b"k", ("a",), entry(began.marks))
    assert (await store.read(b"k", ("a",))).entry is None


async def test_marks_live_on_while_entries_of_theirs_are_kept() -> None:
    store, _, clock = new_store()
    for _ in range(3):
        began = await store.read(b"k", ("a",))
        await store.write(b"k", ("a",), entry(began.marks, life_s=50 * 86_400.0))
        clock.advance(40 * 86_400.0)
        assert (await store.read(b"k", ("a",))).entry is not None


async def test_entries_live_no_longer_than_marks() -> None:
    store, cache, clock = new_store()
    began = await store.read(b"k", ("a",))
    await store.write(b"k", ("a",), entry(began.marks, life_s=90 * 86_400.0))
    slot = next(slot for key, slot in cache._slots.items() if "answer" in key)
    assert slot.until - clock.now() == pytest.approx(MARK_LIFE_S)


async def test_what_was_kept_without_tags_is_not_read_with_them() -> None:
    store, _, _ = new_store()
    await store.write(b"k", (), entry((await store.read(b"k", ())).marks))
    assert (await store.read(b"k", ("a",))).entry is None
    assert (await store.read(b"k", ())).entry is not None


async def test_everything_has_the_tag_of_all() -> None:
    store, _, _ = new_store()
    for key, tags in ((b"k", ()), (b"l", ("a",))):
        await store.write(key, tags, entry((await store.read(key, tags)).marks))
    await store.invalidate((ALL,))
    assert (await store.read(b"k", ())).entry is None
    assert (await store.read(b"l", ("a",))).entry is None


async def test_forgotten_is_gone() -> None:
    store, _, _ = new_store()
    await store.write(b"k", (), entry((await store.read(b"k", ())).marks))
    await store.forget(b"k")
    assert (await store.read(b"k", ())).entry is None


async def test_keys_say_nothing() -> None:
    store, cache, _ = new_store()
    await store.marks(("secret-tag",))
    assert not any("secret" in key for key in cache._slots)
