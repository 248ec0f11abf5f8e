"""What an attempt is sent with, who waits for it, and what happens without it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from fakes.clock import FakeClock
from support.calls import Recorder, Script, answered, new_call

from gateway.core.call import Call
from gateway.core.errors import CallError, Reason, refused
from gateway.core.events import CallRefused, Events
from gateway.core.outcome import SUCCESS, Kind, Outcome
from gateway.core.status import Code
from gateway.interceptors.credentials import CredentialInterceptor
from gateway.interceptors.deadline import DeadlineInterceptor, DeadlineOptions

TOKEN = {"authorization": "Bearer one"}
CALLER = [("authorization", "Bearer alice")]


@dataclass(frozen=True)
class Prepared:
    headers: Mapping[str, str] = field(default_factory=dict)
    target: str = "/v1"


class Source:
    """Gives what it is told to, after a wait where it has one."""

    def __init__(self, given: Mapping[str, str] | CallError, *, waits: bool = False) -> None:
        self.given = given
        self.ready = asyncio.Event()
        self.waits = waits
        self.waiting = 0
        self.refused: list[Mapping[str, str]] = []
        self.seen: list[object] = []

    def at_hand(self, metadata):
        self.seen.append(metadata)
        return None if self.waits else self.given

    async def obtain(self, metadata):
        self.waiting += 1
        try:
            await self.ready.wait()
        finally:
            self.waiting -= 1
        return self.given

    def rejected(self, headers, metadata):
        self.refused.append(headers)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def call_of(clock: FakeClock, **headers: str) -> Call:
    call = new_call(clock, metadata=CALLER)
    call.prepared = Prepared(headers)
    return call


def no_token() -> CallError:
    return refused(Code.UNAVAILABLE, Reason.CREDENTIAL_UNAVAILABLE, "no token", retry_after_s=1.0)


class Kept:
    """A `call_next` that keeps what each attempt was sent with."""

    def __init__(self, *ends: CallError | None) -> None:
        self.script = Script(*ends)
        self.headers: list[Mapping[str, str]] = []

    async def __call__(self, call: Call) -> Outcome:
        self.headers.append(call.prepared.headers)
        return await self.script(call)


async def test_an_attempt_is_sent_with_what_is_at_hand(clock: FakeClock):
    source, upstream = Source(TOKEN), Kept(None)
    call = call_of(clock, **{"x-fixed": "1"})
    assert await CredentialInterceptor(source, Events())(call, upstream) is SUCCESS
    assert upstream.headers == [{"x-fixed": "1", **TOKEN}]
    assert source.seen == [CALLER]
    assert call.prepared.target == "/v1"


async def test_it_goes_before_what_the_policy_says(clock: FakeClock):
    upstream = Kept(None)
    call = call_of(clock, authorization="Bearer fixed")
    await CredentialInterceptor(Source(TOKEN), Events())(call, upstream)
    assert upstream.headers == [TOKEN]


async def test_what_every_attempt_sends_is_not_changed_for_the_others(clock: FakeClock):
    call = call_of(clock)
    before = call.prepared
    await CredentialInterceptor(Source(TOKEN), Events())(call, Kept(None))
    assert before.headers == {}


async def test_each_attempt_has_the_credential_of_its_time(clock: FakeClock):
    source, upstream = Source(TOKEN), Kept(None)
    interceptor, call = CredentialInterceptor(source, Events()), call_of(clock)
    await interceptor(call, upstream)
    source.given = {"authorization": "Bearer two"}
    await interceptor(call, upstream)
    assert [sent["authorization"] for sent in upstream.headers] == ["Bearer one", "Bearer two"]


async def test_one_that_is_not_at_hand_is_waited_for(clock: FakeClock):
    source, upstream = Source(TOKEN, waits=True), Kept(None)
    interceptor = CredentialInterceptor(source, Events())
    task = asyncio.create_task(interceptor(call_of(clock), upstream))
    await asyncio.sleep(0)
    assert source.waiting == 1
    assert upstream.headers == []
    source.ready.set()
    assert await task is SUCCESS
    assert upstream.headers == [TOKEN]


async def test_a_call_that_is_cancelled_waits_no_more_and_sends_nothing(clock: FakeClock):
    source, upstream = Source(TOKEN, waits=True), Kept(None)
    interceptor = CredentialInterceptor(source, Events())
    task = asyncio.create_task(interceptor(call_of(clock), upstream))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert source.waiting == 0
    assert upstream.headers == []


async def test_the_wait_counts_against_the_deadline(clock: FakeClock):
    source, upstream = Source(TOKEN, waits=True), Kept(None)
    interceptor = CredentialInterceptor(source, Events())

    async def behind(call: Call) -> Outcome:
        return await interceptor(call, upstream)

    deadline = DeadlineInterceptor(DeadlineOptions(default_s=1.0), clock)
    task = asyncio.create_task(deadline(call_of(clock), behind))
    await asyncio.sleep(0)
    clock.advance(1.0)
    outcome = await task
    assert outcome.kind is Kind.IGNORED
    assert outcome.error.code is Code.DEADLINE_EXCEEDED
    assert outcome.error.message.endswith("before an attempt was made")
    assert upstream.headers == []
    assert source.waiting == 0


@pytest.mark.parametrize("waits", [False, True])
async def test_without_one_the_attempt_is_refused_and_says_nothing_of_the_upstream(
    clock: FakeClock, waits: bool
):
    heard, error = Recorder(), no_token()
    source, upstream = Source(error, waits=waits), Kept(None)
    source.ready.set()
    call = call_of(clock)
    outcome = await CredentialInterceptor(source, Events([heard]))(call, upstream)
    assert outcome == Outcome(Kind.IGNORED, error)
    assert heard == [CallRefused(call, "credentials", error)]
    assert upstream.headers == []
    assert call.attempts == 0


@pytest.mark.parametrize(("status", "told"), [(401, [TOKEN]), (403, []), (500, [])])
async def test_a_credential_that_the_upstream_answers_401_to_is_told_of(
    clock: FakeClock, status: int, told: list[Mapping[str, str]]
):
    source, upstream = Source(TOKEN), Kept(answered(status))
    outcome = await CredentialInterceptor(source, Events())(call_of(clock), upstream)
    assert outcome.error.http_status == status
    assert source.refused == told
    assert len(upstream.headers) == 1
