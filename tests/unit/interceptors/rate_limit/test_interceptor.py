import asyncio
import math
from dataclasses import replace

import pytest
from fakes.clock import FakeClock
from support.calls import Recorder, Script, new_call

from gateway.core.call import Preparation
from gateway.core.errors import Origin, Reason, Violation
from gateway.core.events import CallRefused, Events, LimitExceeded
from gateway.core.identity import Identity
from gateway.core.outcome import SUCCESS, Kind
from gateway.core.peer import PeerAddress
from gateway.core.status import Code
from gateway.interceptors.rate_limit import (
    LocalRateLimitInterceptor,
    Part,
    RateLimitInterceptor,
    Source,
    key_of,
)
from gateway.state.limits import Algorithm, Decision, Limit, Verdict
from gateway.state.memory_limits import MemoryLimits

LOGINS = Limit(name="panel.v1.AuthService/Login:logins", requests=5, per_s=900)
TOTAL = Limit(name="defaults:total", requests=6, per_s=60)
BY_CALLER = key_of([Part(Source.CALLER)], PeerAddress())
BY_NOTHING = key_of([], PeerAddress())
CALLER = Identity("ann@example.org", "keys")


class Scene:
    """One method's limits, in front of an upstream that answers."""

    def __init__(self, kind, *limits, store=None):
        self.clock = FakeClock()
        self.store = store or MemoryLimits(self.clock)
        self.events = Recorder()
        self.answers = Script(None)
        pairs = limits or ((LOGINS, BY_CALLER),)
        self.interceptor = kind(pairs, self.store, Events([self.events]))

    async def call(self, identity=CALLER, peer="ipv4:1.2.3.4:5"):
        call = new_call(self.clock, peer=peer)
        call.identity = identity
        outcome = await self.interceptor(call, self.answers)
        return outcome, call

    async def spend(self, count):
        for _ in range(count):
            outcome, _ = await self.call()
            assert outcome is SUCCESS


@pytest.fixture(params=[LocalRateLimitInterceptor, RateLimitInterceptor])
def kind(request):
    return request.param


async def test_calls_within_the_limit_pass_and_the_next_is_refused(kind):
    scene = Scene(kind)
    await scene.spend(5)
    outcome, _ = await scene.call()
    assert scene.answers.attempts == 5
    assert outcome.kind is Kind.IGNORED
    error = outcome.error
    assert error.code is Code.RESOURCE_EXHAUSTED
    assert error.reason is Reason.RATE_LIMITED
    assert error.origin is Origin.GATEWAY
    assert error.transient


async def test_a_refusal_says_which_limit_and_when_to_come_back(kind):
    scene = Scene(kind)
    await scene.spend(5)
    scene.clock.advance(488.25)
    outcome, _ = await scene.call()
    assert outcome.error.retry_after_s == 411.75
    assert outcome.error.message == (
        "rate limit 'logins' (5 calls in 900 s) is used up; come back in 412 s"
    )
    assert outcome.error.exhausted == (Violation("logins", "5 calls in 900 s"),)
    scene.clock.advance(outcome.error.retry_after_s)
    await scene.spend(1)


async def test_callers_do_not_spend_each_others_calls(kind):
    scene = Scene(kind)
    await scene.spend(5)
    assert (await scene.call(Identity("bob", "keys")))[0] is SUCCESS
    assert (await scene.call(None))[0] is SUCCESS


async def test_callers_without_a_credential_are_counted_by_address(kind):
    scene = Scene(kind)
    for port in range(5):
        assert (await scene.call(None, f"ipv4:1.2.3.4:{port}"))[0] is SUCCESS
    assert (await scene.call(None, "ipv4:1.2.3.4:99"))[0].error is not None
    assert (await scene.call(None, "ipv4:1.2.3.5:5"))[0] is SUCCESS


async def test_every_answer_has_the_fields_of_the_ietf_draft(kind):
    scene = Scene(kind)
    _, allowed = await scene.call()
    assert allowed.trailing_metadata == [
        ("ratelimit-policy", '"logins";q=5;w=900'),
        ("ratelimit", '"logins";r=4;t=900'),
    ]
    await scene.spend(4)
    scene.clock.advance(10.5)
    _, refused = await scene.call()
    assert refused.trailing_metadata == [
        ("ratelimit-policy", '"logins";q=5;w=900'),
        ("ratelimit", '"logins";r=0;t=890'),  # 889.5 s
    ]


async def test_several_limits_are_told_together_and_shadows_not_at_all(kind):
    shadow = replace(LOGINS, name="x:quiet", shadow=True)
    pairs = ((LOGINS, BY_CALLER), (shadow, BY_NOTHING), (TOTAL, BY_NOTHING))
    _, call = await Scene(kind, *pairs).call()
    assert call.trailing_metadata == [
        ("ratelimit-policy", '"logins";q=5;w=900, "total";q=6;w=60'),
        ("ratelimit", '"logins";r=4;t=900, "total";r=5;t=60'),
    ]
    _, call = await Scene(kind, (shadow, BY_NOTHING)).call()
    assert call.trailing_metadata == []


async def test_names_are_quoted_and_parts_of_a_second_are_rounded_up(kind):
    odd = Limit(name='x:a"b\\c', requests=1, per_s=0.25)
    _, call = await Scene(kind, (odd, BY_NOTHING)).call()
    assert call.trailing_metadata == [
        ("ratelimit-policy", r'"a\"b\\c";q=1;w=1'),
        ("ratelimit", r'"a\"b\\c";r=0;t=1'),
    ]


async def test_a_call_that_one_limit_refuses_is_counted_by_none(kind):
    scene = Scene(kind, (LOGINS, BY_CALLER), (TOTAL, BY_NOTHING))
    await scene.spend(5)
    for _ in range(3):
        assert (await scene.call())[0].error is not None
    assert (await scene.call(Identity("bob", "keys")))[0] is SUCCESS  # the sixth of `total`
    outcome, _ = await scene.call(Identity("bob", "keys"))
    assert outcome.error.exhausted == (Violation("total", "6 calls in 60 s"),)


async def test_a_call_is_told_of_every_limit_that_refuses_it_and_of_the_longest_wait(kind):
    pairs = ((replace(LOGINS, requests=1), BY_CALLER), (replace(TOTAL, requests=1), BY_NOTHING))
    scene = Scene(kind, *pairs)
    await scene.spend(1)
    error = (await scene.call())[0].error
    assert [one.field for one in error.exhausted] == ["logins", "total"]
    assert error.retry_after_s == 900
    assert "limits 'logins' (1 call in 900 s) and 'total' (1 call in 60 s) are used up" in str(
        error
    )
    exceeded = [event.limit for event in scene.events if isinstance(event, LimitExceeded)]
    assert exceeded == [pairs[0][0].name, pairs[1][0].name]


async def test_a_refusal_is_an_event_of_the_limit_and_of_the_call(kind):
    scene = Scene(kind)
    await scene.spend(5)
    assert scene.events == []
    outcome, call = await scene.call()
    assert scene.events == [
        LimitExceeded(call, LOGINS.name, shadow=False),
        CallRefused(call, "rate_limit", outcome.error),
    ]


async def test_beyond_a_shadow_the_call_goes_on_and_an_event_says_so(kind):
    shadow = replace(LOGINS, requests=1, shadow=True)
    scene = Scene(kind, (shadow, BY_CALLER), (TOTAL, BY_NOTHING))
    await scene.spend(1)
    outcome, call = await scene.call()
    assert outcome is SUCCESS
    assert scene.events == [LimitExceeded(call, LOGINS.name, shadow=True)]
    await scene.spend(4)
    scene.events.clear()
    assert (await scene.call())[0].error.exhausted == (Violation("total", "6 calls in 60 s"),)
    # It did not go on: nothing is to be said of what the shadow would have done.
    assert [event.limit for event in scene.events if isinstance(event, LimitExceeded)] == [
        "defaults:total"
    ]


async def test_keys_are_in_nothing_that_anybody_is_told(kind):
    scene = Scene(kind)
    await scene.spend(5)
    outcome, call = await scene.call()
    told = f"{outcome.error!r} {call.trailing_metadata} {[e[1:] for e in scene.events]}"
    assert "ann" not in told
    assert "1.2.3.4" not in told


@pytest.mark.parametrize(
    ("limit", "described"),
    [
        (Limit(name="x", requests=1, per_s=0.5), "1 call in 0.5 s"),
        (Limit(name="x", requests=2, per_s=2_678_400), "2 calls in 2678400 s"),
        (
            Limit(name="x", requests=2, per_s=1, burst=9, algorithm=Algorithm.GCRA),
            "2 calls in 1 s, 9 at once",
        ),
        (Limit(name="x", requests=2, per_s=1, burst=2, algorithm=Algorithm.GCRA), "2 calls in 1 s"),
    ],
)
async def test_a_limit_is_described_by_its_numbers(limit, described):
    scene = Scene(LocalRateLimitInterceptor, (limit, BY_NOTHING))
    await scene.spend(limit.burst or limit.requests)
    assert (await scene.call())[0].error.exhausted == (Violation("x", described),)


class Answer:
    """A store that answers as told."""

    def __init__(self, decision):
        self.decision = decision
        self.asked = []

    def take_now(self, hits):
        self.asked.append(list(hits))
        return self.decision

    async def take(self, hits):
        return self.take_now(hits)

    async def close(self):
        pass


@pytest.mark.parametrize(
    ("wait_s", "told"),
    [(0.000_4, "0.1"), (0.3, "0.3"), (3.01, "3.1"), (9.99, "10"), (10.5, "11"), (2e6, "2000000")],
)
async def test_the_time_in_the_sentence_is_never_too_short(wait_s, told):
    store = Answer(Decision(False, [Verdict(False, 0, wait_s, wait_s)]))
    outcome, _ = await Scene(RateLimitInterceptor, store=store).call()
    assert outcome.error.message.endswith(f"come back in {told} s")
    assert outcome.error.retry_after_s == wait_s


async def test_a_call_that_never_has_room_is_not_told_to_come_back(kind):
    store = Answer(Decision(False, [Verdict(False, 5, 0, math.inf)]))
    outcome, _ = await Scene(kind, store=store).call()
    assert outcome.error.code is Code.RESOURCE_EXHAUSTED
    assert outcome.error.retry_after_s is None
    assert not outcome.error.transient
    assert "never" in outcome.error.message


async def test_a_store_that_does_not_answer_refuses_as_unavailable_where_the_limit_is_closed(kind):
    scene = Scene(kind, store=Answer(Decision(False, (), "closed")))
    outcome, call = await scene.call()
    assert scene.answers.attempts == 0
    assert outcome.error.code is Code.UNAVAILABLE
    assert outcome.error.reason is Reason.STORE_UNAVAILABLE
    assert outcome.error.transient
    assert scene.events == [CallRefused(call, "rate_limit", outcome.error)]
    assert call.trailing_metadata == [("ratelimit-policy", '"logins";q=5;w=900')]


@pytest.mark.parametrize(
    ("decision", "told"),
    [
        (Decision(True, (), "open"), [("seawall-limit-mode", "open")]),
        (
            Decision(True, [Verdict(True, 2, 900, 0)], "local_share"),
            [("ratelimit", '"logins";r=2;t=900'), ("seawall-limit-mode", "local_share")],
        ),
    ],
)
async def test_what_holds_without_the_store_is_visible(kind, decision, told):
    scene = Scene(kind, store=Answer(decision))
    outcome, call = await scene.call()
    assert outcome is SUCCESS
    assert call.trailing_metadata == [("ratelimit-policy", '"logins";q=5;w=900'), *told]
    assert scene.events == []


async def test_a_local_share_refuses_like_the_limit(kind):
    decision = Decision(False, [Verdict(False, 0, 900, 7)], "local_share")
    outcome, call = await Scene(kind, store=Answer(decision)).call()
    assert outcome.error.reason is Reason.RATE_LIMITED
    assert ("seawall-limit-mode", "local_share") in call.trailing_metadata


async def test_all_limits_are_one_question(kind):
    store = Answer(Decision(True, [Verdict(True, 1, 1, 0)] * 2))
    await Scene(kind, (LOGINS, BY_CALLER), (TOTAL, BY_NOTHING), store=store).call()
    assert store.asked == [[(LOGINS, "keys:ann@example.org", 1), (TOTAL, "", 1)]]


def test_the_local_one_does_not_wait():
    scene = Scene(LocalRateLimitInterceptor)
    assert isinstance(scene.interceptor, Preparation)
    call = new_call(scene.clock)
    assert scene.interceptor.prepare(call) is None


async def test_a_cancelled_call_goes_on_as_cancelled_and_reaches_nobody():
    class Silent(Answer):
        async def take(self, hits):
            self.asked.append(hits)
            await asyncio.get_running_loop().create_future()

    store = Silent(None)
    scene = Scene(RateLimitInterceptor, store=store)
    task = asyncio.create_task(scene.call())
    while not store.asked:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert scene.answers.attempts == 0
    assert scene.events == []
