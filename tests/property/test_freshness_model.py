"""The cache against a written-out model of freshness, over random lives of one key.

The model keeps what the rules of interceptors/cache say in the plainest words: a list of what
the upstream answered, when, and for how long which use of it is allowed. Time, the upstream's
headers and failures, writes and reads are drawn.
"""

import asyncio
from dataclasses import dataclass, field

from fakes.clock import FakeClock
from hypothesis import given, settings
from hypothesis import strategies as st
from support.calls import Recorder, answered, new_call

from gateway.core.call import Call
from gateway.core.events import Events
from gateway.core.outcome import SUCCESS, Outcome, failed
from gateway.interceptors.cache import CacheInterceptor, CacheOptions, InvalidateInterceptor
from gateway.state.cache.answers import CachedAnswers
from gateway.state.cache.memory import BoundedMemoryCache


class NoJitter:
    def random(self) -> float:
        return 0.0


@dataclass
class Kept:
    value: int
    at: float
    fresh_until: float
    revalidate_until: float
    error_until: float
    version: int


@dataclass
class Model:
    """What callers must see. `ask` says what the upstream would answer now."""

    options: CacheOptions
    ttl: float
    kept: Kept | None = None
    version: int = 0
    refreshing: bool = False
    asked: int = 0

    def read(self, now: float, up: "Up") -> tuple[str, int | None]:
        kept = self.kept
        if kept is not None and kept.version != self.version:
            kept = None
        if kept is not None and now < kept.fresh_until:
            return "cached", kept.value
        if kept is not None and now < kept.revalidate_until:
            self.fetch(now, up)
            return "stale", kept.value
        value = self.fetch(now, up)
        if value is not None:
            return "fresh", value
        if kept is not None and now < kept.error_until:
            return "stale", kept.value
        return "failed", None

    def fetch(self, now: float, up: "Up") -> int | None:
        self.asked += 1
        if up.fails:
            return None
        value = up.value
        said, options = up.said, self.options
        fresh, revalidate, error = (
            self.ttl,
            options.stale_while_revalidate_s,
            options.stale_if_error_s,
        )
        if "no-store" in said:
            self.kept = None
            return value
        if (max_age := said.get("max-age")) is not None:
            fresh = min(fresh, max_age)
        if "must-revalidate" in said:
            revalidate = error = 0
        if "no-cache" in said:
            fresh = revalidate = error = 0
        self.kept = Kept(
            value, now, now + fresh, now + fresh + revalidate, now + fresh + error, self.version
        )
        if fresh <= 0 and revalidate <= 0 and error <= 0:
            self.kept = None
        return value

    def write(self) -> None:
        self.version += 1


@dataclass
class Up:
    """The upstream."""

    value: int = 0
    fails: bool = False
    said: dict[str, int | None] = field(default_factory=dict)
    asked: int = 0

    async def __call__(self, call: Call) -> Outcome:
        call.attempts += 1
        self.asked += 1
        if self.fails:
            return failed(answered(503))
        text = ", ".join(k if v is None else f"{k}={v}" for k, v in self.said.items())
        call.answer_headers = {"cache-control": text} if text else {}
        await call.send(b"%d" % self.value)
        return SUCCESS


SAID = st.fixed_dictionaries(
    {},
    optional={
        "no-store": st.none(),
        "no-cache": st.none(),
        "must-revalidate": st.none(),
        "max-age": st.integers(0, 20),
    },
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("pass"), st.integers(1, 12)),
        st.tuples(st.just("read"), st.just(0)),
        st.tuples(st.just("write"), st.just(0)),
        st.tuples(st.just("fail"), st.booleans()),
        st.tuples(st.just("say"), SAID),
    ),
    min_size=5,
    max_size=60,
)


@settings(max_examples=300, deadline=None)
@given(
    STEPS,
    st.integers(1, 15),
    st.sampled_from((0, 5)),
    st.sampled_from((0, 20)),
)
def test_the_cache_does_what_the_model_says(
    steps: list[tuple[str, object]], ttl: int, revalidate: int, error: int
) -> None:
    asyncio.run(live(steps, ttl, revalidate, error))


async def live(steps: list[tuple[str, object]], ttl: int, revalidate: int, error: int) -> None:
    clock, up = FakeClock(), Up()
    options = CacheOptions(stale_while_revalidate_s=revalidate, stale_if_error_s=error, jitter=0.1)
    store = CachedAnswers(BoundedMemoryCache(clock, 1 << 20, lambda _key, _value: 100))
    cache = CacheInterceptor(
        options,
        store,
        lambda _call: b"key",
        lambda _call: float(ttl),
        lambda _call: ("things",),
        clock,
        NoJitter(),
        Events([Recorder()]),
    )
    invalidate = InvalidateInterceptor(store, lambda _call: ("things",))
    model = Model(options, ttl)
    for what, how in steps:
        match what:
            case "pass":
                assert isinstance(how, int)
                clock.advance(how)
            case "fail":
                up.fails = bool(how)
            case "say":
                assert isinstance(how, dict)
                up.said = how
            case "write":
                up.value += 1
                model.write()
                call = new_call(clock, timeout_s=5)
                assert await invalidate(call, written) is SUCCESS
            case _:
                expected = model.read(clock.now(), up)
                assert await read(cache, clock, up) == expected
                for _ in range(10):  # a refresh in the background ends
                    await asyncio.sleep(0)
                assert up.asked == model.asked
                up.value += 1  # every answer is another one


async def written(_call: Call) -> Outcome:
    return SUCCESS


async def read(cache: CacheInterceptor, clock: FakeClock, up: Up) -> tuple[str, int | None]:
    answers: list[bytes] = []

    async def sink(payload: bytes) -> None:
        answers.append(payload)

    call = new_call(clock, timeout_s=5)
    call._sink = sink
    outcome = await cache(call, up)
    told = dict(call.trailing_metadata)
    if outcome.error is not None:
        assert "seawall-cache" not in told
        return "failed", None
    return str(told["seawall-cache"]), int(answers[0])
