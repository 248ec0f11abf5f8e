"""Requests and messages of streams that break a constraint."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from fakes.clock import FakeClock
from support.calls import Recorder, new_call

from gateway.core.call import Call, MethodInfo
from gateway.core.errors import CallError, Origin, Reason, Violation
from gateway.core.events import CallRefused, Events
from gateway.core.status import Code
from gateway.interceptors.validate import ValidateInterceptor, violated


def check(message: Any) -> Sequence[Violation]:
    return [Violation("id", "must be there")] if message == "bad" else ()


def broken(_message: Any) -> Sequence[Violation]:
    raise CallError(Code.INTERNAL, Reason.INTERNAL, "the rule fails")


def call_of(message: Any) -> Call:
    call = new_call(FakeClock())
    call.message = message
    return call


def test_what_holds_goes_on() -> None:
    assert ValidateInterceptor(check, Events()).prepare(call_of("good")) is None


def test_what_does_not_is_the_callers_and_an_event() -> None:
    recorder = Recorder()
    outcome = ValidateInterceptor(check, Events([recorder])).prepare(call_of("bad"))
    assert outcome is not None
    error = outcome.error
    assert error is not None
    assert (error.code, error.reason) == (Code.INVALID_ARGUMENT, Reason.INVALID_REQUEST)
    assert error.origin is Origin.CALLER
    assert error.violations == (Violation("id", "must be there"),)
    (event,) = recorder
    assert isinstance(event, CallRefused)
    assert event.mechanism == "validate"


def test_a_rule_that_fails_is_told_as_it_is() -> None:
    recorder = Recorder()
    outcome = ValidateInterceptor(broken, Events([recorder])).prepare(call_of("good"))
    assert [type(event) for event in recorder] == [CallRefused]
    assert outcome is not None
    assert outcome.error is not None
    assert outcome.error.code is Code.INTERNAL


def test_the_sentence_names_the_first_and_counts_the_rest() -> None:
    found = [Violation(name, "is needed") for name in "abcde"]
    assert violated(found).message == "a: is needed; b: is needed; c: is needed; and 2 more"
    assert violated([Violation("", "one of them")]).message == "one of them"
    assert len(violated([Violation("a", "x" * 900)] * 3).message) == 300


async def stream(*messages: str) -> AsyncIterator[str]:
    for message in messages:
        yield message


async def test_every_message_of_a_stream_is_held_to_them() -> None:
    call = call_of("good")
    call.method = MethodInfo("shop.v1.OrderService", "Upload", client_streaming=True)
    call.requests = stream("good", "bad")
    recorder = Recorder()
    assert ValidateInterceptor(check, Events([recorder])).prepare(call) is None
    assert await anext(call.requests) == "good"
    with pytest.raises(CallError, match="message 3 of the stream: id: must be there") as raised:
        await anext(call.requests)
    assert raised.value.violations == (Violation("id", "must be there"),)
    (event,) = recorder
    assert isinstance(event, CallRefused)
    assert event.error is raised.value


async def test_a_rule_that_fails_ends_a_stream() -> None:
    def first_only(message: Any) -> Sequence[Violation]:
        return () if message == "good" else broken(message)

    call = call_of("good")
    call.method = MethodInfo("shop.v1.OrderService", "Upload", client_streaming=True)
    call.requests = stream("other")
    assert ValidateInterceptor(first_only, Events()).prepare(call) is None
    with pytest.raises(CallError, match="the rule fails"):
        await anext(call.requests)


async def test_a_stream_ends_where_the_callers_does() -> None:
    call = call_of("good")
    call.method = MethodInfo("shop.v1.OrderService", "Upload", client_streaming=True)
    call.requests = stream("good")
    assert ValidateInterceptor(check, Events()).prepare(call) is None
    assert [message async for message in call.requests] == ["good"]


def test_a_stream_without_messages_breaks_nothing() -> None:
    call = call_of(None)
    call.method = MethodInfo("shop.v1.OrderService", "Upload", client_streaming=True)
    assert ValidateInterceptor(broken, Events()).prepare(call) is None
