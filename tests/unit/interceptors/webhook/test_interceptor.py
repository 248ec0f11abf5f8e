"""A signed request on its way, with time and upstream in the test's hand."""

import asyncio
import hashlib
import hmac

import pytest
from fakes.clock import FakeClock
from support.calls import Recorder, Script, answered, new_call

from gateway.core.call import Call
from gateway.core.errors import Reason
from gateway.core.events import CallRefused, Events
from gateway.core.outcome import SUCCESS, Outcome
from gateway.core.status import Code
from gateway.interceptors.webhook import (
    Scheme,
    WebhookInterceptor,
    WebhookOptions,
    WebhookReaders,
)

SECRET = b"whsec_0123456789abcdef"
OPTIONS = WebhookOptions(secrets=(SECRET,), scheme=Scheme.STRIPE)


def interceptor(
    clock: FakeClock, events: Events | None = None, options: WebhookOptions = OPTIONS
) -> WebhookInterceptor:
    readers = WebhookReaders(
        lambda call: call.message, lambda call: str(call.metadata[0][1]), lambda _call: ""
    )
    return WebhookInterceptor(options, readers, clock, events or Events())


def signed(clock: FakeClock, body: bytes = b"{}", *, forged: bool = False) -> Call:
    at = f"{clock.wall():.0f}"
    key = b"another-secret-of-nobody" if forged else SECRET
    mac = hmac.new(key, f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    call = new_call(clock, metadata=[("stripe-signature", f"t={at},v1={mac}")])
    call.message = body
    return call


def refusal(outcome: Outcome) -> tuple[Code, Reason]:
    assert outcome.error is not None
    return outcome.error.code, outcome.error.reason


async def test_a_forged_request_reaches_nothing_and_is_an_event() -> None:
    clock, script, recorder = FakeClock(), Script(None), Recorder()
    webhook = interceptor(clock, Events([recorder]))
    outcome = await webhook(signed(clock, forged=True), script)
    assert refusal(outcome) == (Code.UNAUTHENTICATED, Reason.SIGNATURE_INVALID)
    assert script.attempts == 0
    (event,) = recorder
    assert isinstance(event, CallRefused)
    assert event.mechanism == "webhook"


async def test_a_request_that_was_answered_is_not_answered_again() -> None:
    clock, script = FakeClock(), Script(None, None)
    webhook = interceptor(clock)
    call = signed(clock)
    assert await webhook(call, script) == SUCCESS
    outcome = await webhook(call, script)
    assert refusal(outcome) == (Code.ALREADY_EXISTS, Reason.REPLAYED)
    assert outcome.error is not None
    assert not outcome.error.transient
    assert script.attempts == 1


async def test_one_that_failed_may_be_sent_again() -> None:
    clock, script = FakeClock(), Script(answered(503), None)
    webhook = interceptor(clock)
    call = signed(clock)
    assert (await webhook(call, script)).error is not None
    assert await webhook(call, script) == SUCCESS


async def test_one_under_way_is_told_to_come_back() -> None:
    clock = FakeClock()
    webhook = interceptor(clock)
    release = asyncio.Event()

    async def slow(_call: Call) -> Outcome:
        await release.wait()
        return SUCCESS

    call = signed(clock)
    first = asyncio.create_task(webhook(call, slow))
    await asyncio.sleep(0)
    outcome = await webhook(call, slow)
    assert refusal(outcome) == (Code.ABORTED, Reason.REPLAYED)
    assert outcome.error is not None
    assert outcome.error.retry_after_s == pytest.approx(1.0)
    release.set()
    assert await first == SUCCESS


async def test_a_caller_who_goes_away_leaves_nothing_behind() -> None:
    clock, script = FakeClock(), Script(None)
    webhook = interceptor(clock)

    async def for_ever(_call: Call) -> Outcome:
        await asyncio.Event().wait()
        return SUCCESS

    call = signed(clock)
    task = asyncio.create_task(webhook(call, for_ever))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await webhook(call, script) == SUCCESS


async def test_without_a_timestamp_it_is_remembered_for_the_tolerance() -> None:
    clock, script = FakeClock(), Script(None, None)
    options = WebhookOptions(secrets=(SECRET,), tolerance_s=60)
    webhook = interceptor(clock, options=options)
    call = new_call(clock, metadata=[("x", hmac.new(SECRET, b"{}", hashlib.sha256).hexdigest())])
    call.message = b"{}"
    assert await webhook(call, script) == SUCCESS
    clock.advance(59)
    assert refusal(await webhook(call, script))[1] is Reason.REPLAYED
    clock.advance(2)
    assert await webhook(call, script) == SUCCESS


async def test_what_is_young_enough_to_pass_is_not_too_old_to_be_known() -> None:
    clock, script = FakeClock(), Script(None, None)
    webhook = interceptor(clock)
    call = signed(clock)
    assert await webhook(call, script) == SUCCESS
    edge = clock.wall() + OPTIONS.tolerance_s
    looks = iter([edge, edge + 1e-6])  # the clock goes on between one look and the next
    clock.wall = lambda: next(looks, edge + 1e-6)  # type: ignore[method-assign]
    assert refusal(await webhook(call, script))[1] is Reason.REPLAYED
    assert script.attempts == 1


async def test_a_replay_and_a_duplicate_are_events_too() -> None:
    clock, script, recorder = FakeClock(), Script(None), Recorder()
    webhook = interceptor(clock, Events([recorder]))
    call = signed(clock)

    async def twice(again: Call) -> Outcome:
        assert refusal(await webhook(again, script))[0] is Code.ABORTED
        return SUCCESS

    assert await webhook(call, twice) == SUCCESS
    assert refusal(await webhook(call, script))[0] is Code.ALREADY_EXISTS
    assert [type(event) for event in recorder] == [CallRefused, CallRefused]


async def test_the_same_body_signed_anew_is_another_request() -> None:
    clock, script = FakeClock(), Script(None)
    webhook = interceptor(clock)
    assert await webhook(signed(clock), script) == SUCCESS
    clock.advance(5)
    assert await webhook(signed(clock), script) == SUCCESS
