"""Answers that are kept and given again: each rule of interceptors/cache/interceptor.py."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import pytest
from fakes.clock import FakeClock
from support.calls import Recorder, answered, new_call, refused

from gateway.core.call import Call
from gateway.core.deadline import Expired, Expiry
from gateway.core.errors import CallError, Origin, Reason, Sent
from gateway.core.events import CacheAnswered, CacheRefreshed, Events
from gateway.core.outcome import SUCCESS, Outcome, failed
from gateway.core.status import Code
from gateway.interceptors.cache import CacheInterceptor, CacheOptions, InvalidateInterceptor
from gateway.state.cache.answers import CachedAnswers
from gateway.state.cache.memory import BoundedMemoryCache

NOT_FOUND = CallError(
    Code.NOT_FOUND,
    Reason.UPSTREAM_STATUS,
    "upstream 'shop' answered 404",
    origin=Origin.UPSTREAM,
    sent=Sent.ANSWERED,
    http_status=404,
)


class NoJitter:
    def random(self) -> float:
        return 0.0


class Upstream:
    """Answers "1", "2", …, held while `gate` is closed."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.cancelled = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: CallError | None = None
        self.headers: Mapping[str, str] = {}
        self.trailing: list[tuple[str, str | bytes]] = []
        self.not_modified = False

    async def __call__(self, call: Call) -> Outcome:
        self.calls.append(call)
        number = len(self.calls)
        call.attempts += 1
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        call.answer_headers = self.headers
        if self.error is not None:
            return failed(replace(self.error))
        call.trailing_metadata += self.trailing
        if self.not_modified and call.added_headers:
            call.not_modified = True
            return SUCCESS
        await call.send(b"%d" % number)
        return SUCCESS


class World:
    def __init__(self, *, ttl_s: float = 10, max_bytes: int = 1 << 20, **options: object) -> None:
        self.clock = FakeClock()
        self.events = Recorder()
        self.upstream = Upstream()
        self.store = CachedAnswers(
            BoundedMemoryCache(self.clock, max_bytes, lambda _key, _value: 100)
        )
        self.tags: tuple[str, ...] = ("orders",)
        self.ttl_s = ttl_s
        self.cache = CacheInterceptor(
            CacheOptions(**{"jitter": 0.0, **options}),  # type: ignore[arg-type]
            self.store,
            lambda call: call.request,
            lambda _call: self.ttl_s,
            lambda _call: self.tags,
            self.clock,
            NoJitter(),
            Events([self.events]),
        )

    def ask(self, request: bytes = b"a", timeout_s: float = 5) -> "Asked":
        return Asked(self, request, timeout_s)

    async def said(self, request: bytes = b"a", timeout_s: float = 5) -> tuple[str, str, str]:
        """Ask; return the answer or the status, the state and the age."""
        asked = self.ask(request, timeout_s)
        outcome = await asked.task
        told = dict(asked.call.trailing_metadata)
        await turns()
        if outcome is None:
            return "DEADLINE", "", ""
        answer = asked.answers[0].decode() if outcome.error is None else outcome.error.code.name
        return answer, str(told.get("seawall-cache", "")), str(told.get("age", ""))

    async def write(self) -> None:
        async def done(call: Call) -> Outcome:
            call.attempts += 1
            return SUCCESS

        await InvalidateInterceptor(self.store, lambda _call: self.tags)(
            new_call(self.clock, timeout_s=5), done
        )


class Asked:
    def __init__(self, world: World, request: bytes, timeout_s: float) -> None:
        self.answers: list[bytes] = []

        async def sink(payload: bytes) -> None:
            self.answers.append(payload)

        self.call = new_call(world.clock, timeout_s=timeout_s, request=request)
        self.call._sink = sink
        self.task = asyncio.get_running_loop().create_task(self._run(world))

    async def _run(self, world: World) -> Outcome | None:
        try:
            with Expiry(world.clock, self.call.deadline_at):
                return await world.cache(self.call, world.upstream)
        except Expired:
            return None


async def turns(count: int = 10) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_fresh_then_cached_then_asked_for_anew() -> None:
    world = World(ttl_s=10)
    assert await world.said() == ("1", "fresh", "0")
    world.clock.advance(9.9)
    assert await world.said() == ("1", "cached", "9")
    world.clock.advance(0.1)
    assert await world.said() == ("2", "fresh", "0")
    states = [e.state for e in world.events if isinstance(e, CacheAnswered)]
    assert states == ["fresh", "cached", "fresh"]


async def test_stale_is_served_at_once_and_asked_for_anew_exactly_once() -> None:
    world = World(ttl_s=10, stale_while_revalidate_s=20)
    await world.said()
    world.clock.advance(15)
    world.upstream.gate.clear()
    asked = [world.ask() for _ in range(20)]
    await asyncio.gather(*(one.task for one in asked))
    assert [one.answers for one in asked] == [[b"1"]] * 20
    assert {dict(one.call.trailing_metadata)["seawall-cache"] for one in asked} == {"stale"}
    assert len(world.upstream.calls) == 2
    world.upstream.gate.set()
    await turns()
    assert await world.said() == ("2", "cached", "0")
    refreshed = [e for e in world.events if isinstance(e, CacheRefreshed)]
    assert [e.outcome for e in refreshed] == [SUCCESS]


async def test_a_refresh_that_hangs_ends_and_another_is_made() -> None:
    world = World(ttl_s=10, stale_while_revalidate_s=100, refresh_timeout_s=3)
    await world.said()
    world.clock.advance(15)
    world.upstream.gate.clear()
    await world.said()
    assert world.cache.fetches == 1
    world.clock.advance(3)
    await turns()
    assert (world.cache.fetches, world.upstream.cancelled) == (0, 1)
    assert (await world.said())[1] == "stale"
    assert world.cache.fetches == 1


async def test_equal_calls_that_miss_are_one() -> None:
    world = World()
    world.upstream.gate.clear()
    asked = [world.ask() for _ in range(1000)]
    await turns()
    world.upstream.gate.set()
    await asyncio.gather(*(one.task for one in asked))
    assert len(world.upstream.calls) == 1
    assert all(one.answers == [b"1"] for one in asked)


async def test_where_asking_fails_what_is_stale_is_served() -> None:
    world = World(ttl_s=10, stale_if_error_s=60)
    await world.said()
    world.clock.advance(30)
    world.upstream.error = refused()
    assert await world.said() == ("1", "stale", "30")
    world.upstream.error = replace(refused(), origin=Origin.GATEWAY, reason=Reason.BREAKER_OPEN)
    assert await world.said() == ("1", "stale", "30")
    world.clock.advance(40)
    assert await world.said() == ("UNAVAILABLE", "", ""), "its time is over"


@pytest.mark.parametrize("code", [Code.INVALID_ARGUMENT, Code.PERMISSION_DENIED, Code.NOT_FOUND])
async def test_what_the_upstream_decided_is_not_papered_over(code: Code) -> None:
    world = World(ttl_s=10, stale_if_error_s=60)
    await world.said()
    world.clock.advance(30)
    world.upstream.error = replace(NOT_FOUND, code=code)
    assert (await world.said())[0] == code.name


async def test_what_is_gone_is_not_served_once_that_is_known() -> None:
    world = World(ttl_s=10, stale_if_error_s=60)
    await world.said()
    world.clock.advance(30)
    world.upstream.error = NOT_FOUND
    await world.said()
    world.upstream.error = refused()
    assert (await world.said())[0] == "UNAVAILABLE"


async def test_where_asking_takes_too_long_stale_is_served_before_the_deadline() -> None:
    world = World(ttl_s=10, stale_if_error_s=60)
    await world.said()
    world.clock.advance(30)
    world.upstream.gate.clear()
    asked = world.ask(timeout_s=2)
    await turns()
    world.clock.advance(1.89)
    await turns()
    assert not asked.task.done()
    world.clock.advance(0.02)
    assert await asked.task is SUCCESS
    assert asked.answers == [b"1"]
    world.upstream.gate.set()
    await turns()
    assert await world.said() == ("2", "cached", "0"), "the flight went on"


async def test_without_anything_kept_the_last_one_out_cancels() -> None:
    world = World()
    world.upstream.gate.clear()
    one, two = world.ask(timeout_s=1), world.ask(timeout_s=2)
    await turns()
    world.clock.advance(1)
    assert await one.task is None
    assert world.upstream.cancelled == 0
    two.task.cancel()
    await turns()
    assert world.upstream.cancelled == 1
    world.upstream.gate.set()
    assert (await world.said())[:2] == ("2", "fresh"), "newcomers do not join what was cancelled"


async def test_an_etag_is_asked_with_and_304_renews_it() -> None:
    world = World(ttl_s=10, stale_if_error_s=5)
    world.upstream.headers = {"etag": '"v1"'}
    world.upstream.trailing = [("x-total", "3")]
    await world.said()
    world.clock.advance(12)
    world.upstream.not_modified, world.upstream.headers = True, {}
    assert await world.said() == ("1", "fresh", "0")
    assert world.upstream.calls[1].added_headers == {"if-none-match": '"v1"'}
    world.clock.advance(9)
    assert await world.said() == ("1", "cached", "9")
    world.clock.advance(9)
    await world.said()
    assert world.upstream.calls[2].added_headers == {"if-none-match": '"v1"'}, "its name is kept"


async def test_a_date_is_asked_with_where_there_is_no_etag() -> None:
    world = World(ttl_s=10)
    world.upstream.headers = {"last-modified": "Wed, 25 Nov 2026 05:00:00 GMT"}
    await world.said()
    world.clock.advance(15)
    await world.said()
    assert world.upstream.calls[1].added_headers == {
        "if-modified-since": "Wed, 25 Nov 2026 05:00:00 GMT"
    }


async def test_a_new_answer_to_a_conditional_question_takes_the_old_ones_place() -> None:
    world = World(ttl_s=10)
    world.upstream.headers = {"etag": '"v1"'}
    await world.said()
    world.clock.advance(15)
    world.upstream.headers = {"etag": '"v2"'}
    assert await world.said() == ("2", "fresh", "0")
    assert await world.said() == ("2", "cached", "0")


async def test_no_store_is_not_kept_and_throws_away_what_was() -> None:
    world = World(ttl_s=10, stale_if_error_s=60, respect_headers=False)
    await world.said()
    world.clock.advance(15)
    world.upstream.headers = {"cache-control": "no-store"}
    assert await world.said() == ("2", "fresh", "0")
    world.upstream.error = refused()
    assert (await world.said())[0] == "UNAVAILABLE"


async def test_the_upstream_may_shorten_and_not_lengthen() -> None:
    world = World(ttl_s=10)
    world.upstream.headers = {"cache-control": "max-age=3600"}
    await world.said()
    world.clock.advance(10)
    world.upstream.headers = {"cache-control": "max-age=5", "age": "2"}
    assert await world.said() == ("2", "fresh", "0")
    world.clock.advance(2.9)
    assert (await world.said())[1:] == ("cached", "4"), "its age on arrival counts"
    world.clock.advance(0.1)
    assert (await world.said())[1] == "fresh"


async def test_private_answers_are_kept_for_their_caller_only() -> None:
    mine, all_of_us = World(), World(shared=True)
    for world in (mine, all_of_us):
        world.upstream.headers = {"cache-control": "private"}
        await world.said()
    assert (await mine.said())[1] == "cached"
    assert (await all_of_us.said())[1] == "fresh"


async def test_not_found_is_kept_where_the_method_says_so() -> None:
    world = World(negative_ttl_s=3)
    world.upstream.error = NOT_FOUND
    assert await world.said() == ("NOT_FOUND", "", "")
    assert await world.said() == ("NOT_FOUND", "cached", "0")
    assert len(world.upstream.calls) == 1
    assert [e.state for e in world.events if isinstance(e, CacheAnswered)] == ["missed", "negative"]
    world.clock.advance(3)
    world.upstream.error = None
    assert await world.said() == ("2", "fresh", "0")


@pytest.mark.parametrize("key", ["seawall-answered-by", "seawall-missing"])
async def test_what_is_not_the_methods_own_whole_answer_is_not_kept(key: str) -> None:
    world = World()
    world.upstream.trailing = [(key, "other")]
    await world.said()
    assert (await world.said())[:2] == ("2", "fresh")


async def test_failures_are_not_kept() -> None:
    world = World()
    world.upstream.error = answered(503)
    assert (await world.said())[0] == "UNAVAILABLE"
    world.upstream.error = None
    assert (await world.said())[:2] == ("2", "fresh")


async def test_large_answers_are_served_and_not_kept() -> None:
    world = World(max_answer_bytes=0)
    await world.said()
    assert (await world.said())[:2] == ("2", "fresh")


async def test_a_ttl_of_zero_keeps_nothing() -> None:
    world = World(ttl_s=0, stale_if_error_s=60)
    await world.said()
    assert (await world.said())[:2] == ("2", "fresh")


async def test_a_write_makes_it_old_and_a_fetch_from_before_it_too() -> None:
    world = World()
    await world.said()
    await world.write()
    assert (await world.said())[:2] == ("2", "fresh")
    await world.write()
    world.upstream.gate.clear()
    before = world.ask()
    await turns()
    await world.write()
    after = world.ask()
    await turns()
    world.upstream.gate.set()
    await asyncio.gather(before.task, after.task)
    assert (before.answers, after.answers) == ([b"3"], [b"4"])
    assert await world.said() == ("4", "cached", "0")


async def test_other_tags_are_not_touched() -> None:
    world = World()
    await world.said()
    world.tags = ("others",)
    await world.write()
    world.tags = ("orders",)
    assert (await world.said())[1] == "cached"


async def test_who_began_the_call_has_its_attempts_and_others_have_none() -> None:
    world = World()
    world.upstream.gate.clear()
    one, two = world.ask(), world.ask()
    await turns()
    world.upstream.gate.set()
    await asyncio.gather(one.task, two.task)
    assert (one.call.attempts, two.call.attempts) == (1, 0)
