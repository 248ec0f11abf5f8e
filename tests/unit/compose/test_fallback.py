import asyncio

import pytest
from compose.v1.compose_pb2 import GetRequest, Order, OverviewRequest, Owner
from fakes.clock import FakeClock
from support.calls import Recorder
from unit.compose.calls import Caller, Method, entries, failing

from gateway.compose.chain import FallbackOptions, FixedStep, MethodStep, UpstreamStep
from gateway.compose.fallback import FallbackInterceptor
from gateway.compose.mapping import compile_mapping
from gateway.core.errors import Reason, Sent
from gateway.core.events import Events, FallbackUsed
from gateway.core.outcome import SUCCESS
from gateway.core.status import Code

SAME_REQUEST = compile_mapping(GetRequest.DESCRIPTOR, GetRequest.DESCRIPTOR, {})
SAME_ANSWER = compile_mapping(Order.DESCRIPTOR, Order.DESCRIPTOR, {})
FIXED = FixedStep(name="fixed", answer=Order(id="fixed").SerializeToString())


def step(name, *, idempotent=True, request=SAME_REQUEST, response=SAME_ANSWER):
    return MethodStep(
        name=name,
        method=f"compose.v1.Back/{name}",
        request=request,
        response=response,
        idempotent=idempotent,
    )


class Given:
    """A chain of a method and its steps, and a call of it."""

    def __init__(self, primary, steps, methods=(), *, timeout_s=2.0, idempotent=True, **more):
        self.clock = clock = primary._clock
        self.primary = primary
        self.events = Recorder()
        options = FallbackOptions(steps=steps, idempotent=idempotent, **more)
        find = entries(*methods)
        self.interceptor = FallbackInterceptor(
            options,
            find,
            lambda name: find(f"compose.v1.Back/{name}"),
            clock,
            Events([self.events]),
        )
        self.caller = Caller(clock, GetRequest(id="7"), timeout_s)

    async def outcome(self):
        outcome = await self.interceptor(self.caller.call, self.primary.entry.run)
        assert self.clock.pending == 0
        return outcome

    async def answer(self):
        assert await self.outcome() is SUCCESS
        return self.caller.answer(Order)

    async def error(self):
        outcome = await self.outcome()
        assert self.caller.answers == []
        assert outcome.error is not None
        return outcome.error

    @property
    def answered_by(self):
        return [v for k, v in self.caller.call.trailing_metadata if k == "seawall-answered-by"]

    @property
    def steps_told(self):
        return [e.step for e in self.events if isinstance(e, FallbackUsed)]


async def test_a_method_that_answers_needs_no_step_and_names_none():
    clock = FakeClock()
    other = Method(clock, "Other", Order(id="other"))
    primary = Method(clock, "Get", Order(id="7"), trailing=[("etag", "x")])
    given = Given(primary, [step("Other")], [other])
    assert await given.answer() == Order(id="7")
    assert given.caller.call.trailing_metadata == [("etag", "x")]
    assert given.caller.call.attempts == 1
    assert other.asked == []
    assert given.events == []


async def test_the_next_step_answers_what_the_method_does_not():
    clock = FakeClock(auto_jump=True)
    other = Method(clock, "Other", Order(id="other"), trailing=[("age", "3")])
    given = Given(Method(clock, "Get", failing()), [step("Other")], [other])
    assert await given.answer() == Order(id="other")
    assert given.answered_by == ["Other"]
    assert ("age", "3") in given.caller.call.trailing_metadata
    assert other.requests == [GetRequest(id="7")]
    (event,) = given.events
    assert isinstance(event, FallbackUsed)
    assert (event.call, event.step, event.outcome) == (given.caller.call, "Other", SUCCESS)
    assert event.after.error is not None
    assert event.after.error.code is Code.UNAVAILABLE


async def test_steps_are_tried_in_order_until_one_answers():
    clock = FakeClock()
    methods = [
        Method(clock, "A", failing(Code.INTERNAL)),
        Method(clock, "B", Order(id="b")),
        Method(clock, "C", Order(id="c")),
    ]
    given = Given(Method(clock, "Get", failing()), [step("A"), step("B"), step("C")], methods)
    assert (await given.answer()).id == "b"
    assert given.answered_by == ["B"]
    assert given.steps_told == ["A", "B"]
    assert [event.after.error.code for event in given.events] == [Code.UNAVAILABLE, Code.INTERNAL]
    assert methods[2].asked == []


async def test_a_fixed_answer_answers_always():
    clock = FakeClock()
    given = Given(Method(clock, "Get", failing()), [FIXED])
    assert await given.answer() == Order(id="fixed")
    assert given.answered_by == ["fixed"]
    assert given.steps_told == ["fixed"]


async def test_another_upstream_is_sent_the_same_request():
    clock = FakeClock()
    spare = Method(clock, "spare", Order(id="spare"))
    given = Given(
        Method(clock, "Get", failing()), [UpstreamStep(name="eu", upstream="spare")], [spare]
    )
    assert (await given.answer()).id == "spare"
    assert given.answered_by == ["eu"]
    (call,) = spare.asked
    assert call.message is given.caller.call.message


async def test_requests_and_answers_are_made_of_each_other():
    clock = FakeClock()
    other = Method(
        clock,
        "Other",
        Owner(name="Ann"),
        request_type=OverviewRequest,
        response_type=Owner,
    )
    request = compile_mapping(GetRequest.DESCRIPTOR, OverviewRequest.DESCRIPTOR, {})
    response = compile_mapping(Owner.DESCRIPTOR, Order.DESCRIPTOR, {"owner": ""})
    given = Given(
        Method(clock, "Get", failing()),
        [step("Other", request=request, response=response)],
        [other],
    )
    assert await given.answer() == Order(owner=Owner(name="Ann"))
    assert other.requests == [OverviewRequest(id="7")]


async def test_a_failure_that_is_not_declared_ends_the_chain():
    clock = FakeClock()
    error = failing(Code.NOT_FOUND)
    given = Given(Method(clock, "Get", error), [FIXED])
    assert await given.error() is error
    assert given.events == []


async def test_a_step_that_fails_otherwise_ends_the_chain_too():
    clock = FakeClock()
    other = Method(clock, "A", failing(Code.NOT_FOUND, "no such order"))
    given = Given(Method(clock, "Get", failing()), [step("A"), FIXED], [other])
    error = await given.error()
    assert error.code is Code.UNAVAILABLE
    assert error.message == ("upstream 'shop' answered 503; fallback 'A': NOT_FOUND: no such order")
    assert given.answered_by == []
    assert given.steps_told == ["A"]


async def test_a_chain_that_fails_ends_with_the_methods_own_error():
    clock = FakeClock()
    own = failing(retry_after_s=3.0, transient=True)
    methods = [
        Method(clock, "A", failing(Code.INTERNAL, "x" * 1000)),
        Method(clock, "B", failing(Code.RESOURCE_EXHAUSTED, "busy")),
    ]
    primary = Method(clock, "Get", own)
    given = Given(primary, [step("A"), step("B")], methods)
    error = await given.error()
    assert (error.code, error.retry_after_s, error.upstream) == (Code.UNAVAILABLE, 3.0, "shop")
    assert error.message.startswith("upstream 'shop' answered 503; fallback 'A': INTERNAL: xxx")
    assert error.message.endswith("x…; fallback 'B': RESOURCE_EXHAUSTED: busy")
    assert len(error.message) < 300
    assert given.answered_by == []


async def test_a_slow_method_leaves_half_of_the_time_to_the_steps():
    clock = FakeClock(auto_jump=True)
    primary = Method(clock, "Get", Order(), after_s=60)
    other = Method(clock, "Other", Order(id="other"), after_s=0.5)
    given = Given(primary, [step("Other")], [other])
    assert (await given.answer()).id == "other"
    assert clock.now() == pytest.approx(1001.5)
    assert primary.cancelled == 1
    assert given.events[0].after.error.code is Code.DEADLINE_EXCEEDED


@pytest.mark.parametrize(
    ("steps", "more"),
    [
        ([step("Other")], {"idempotent": False}),
        ([step("Other"), FIXED], {"idempotent": False}),
        ([FIXED], {}),
        ([step("Other")], {"codes": frozenset((Code.UNAVAILABLE,))}),
    ],
)
async def test_a_method_after_which_nothing_is_called_keeps_its_time(steps, more):
    clock = FakeClock(auto_jump=True)
    primary = Method(clock, "Get", Order(id="7"), after_s=1.5)
    given = Given(primary, steps, [Method(clock, "Other", Order(id="other"))], **more)
    assert (await given.answer()).id == "7"
    assert given.events == []


async def test_a_fixed_answer_still_arrives_after_a_method_that_had_all_of_the_time():
    clock = FakeClock(auto_jump=True)
    primary = Method(clock, "Pay", Order(), after_s=60)
    given = Given(primary, [step("Other"), FIXED], idempotent=False)
    assert (await given.answer()).id == "fixed"
    assert clock.now() == pytest.approx(1001.9)
    assert given.steps_told == ["fixed"]


async def test_a_step_that_is_not_done_again_keeps_its_time():
    clock = FakeClock(auto_jump=True)
    methods = [Method(clock, "A", Order(id="a"), after_s=1.5), Method(clock, "B", Order(id="b"))]
    steps = [step("A", idempotent=False), step("B")]
    given = Given(Method(clock, "Get", failing()), steps, methods)
    assert (await given.answer()).id == "a"


async def test_an_upstream_over_which_the_method_is_not_idempotent_ends_the_calling():
    clock = FakeClock()
    methods = [Method(clock, "A", failing(sent=Sent.UNKNOWN)), Method(clock, "B", Order(id="b"))]
    steps = [UpstreamStep(name=name, upstream=name) for name in "AB"]
    given = Given(Method(clock, "Get", failing()), steps, methods)
    assert "no fallback was called" in (await given.error()).message
    assert methods[1].asked == []


async def test_a_declared_timeout_is_the_methods():
    clock = FakeClock(auto_jump=True)
    primary = Method(clock, "Get", Order(), after_s=60)
    given = Given(primary, [FIXED], primary_timeout_s=0.2)
    assert (await given.answer()).id == "fixed"
    assert clock.now() == pytest.approx(1000.2)


async def test_slow_steps_share_what_remains_and_the_fixed_answer_still_arrives():
    clock = FakeClock(auto_jump=True)
    methods = [Method(clock, name, Order(), after_s=60) for name in "AB"]
    primary = Method(clock, "Get", failing())
    given = Given(primary, [step("A"), step("B"), FIXED], methods)
    assert (await given.answer()).id == "fixed"
    assert clock.now() < given.caller.call.deadline_at
    first, second = (method.asked[0].deadline_at for method in methods)
    assert first == pytest.approx(1000.95)
    assert second == pytest.approx(1000.95 + 1.05 * 0.95)
    assert given.answered_by == ["fixed"]


async def test_a_step_without_time_is_not_called():
    clock = FakeClock(auto_jump=True)
    other = Method(clock, "A", Order())

    def late(_request):
        clock._now += 5
        return failing()

    given = Given(Method(clock, "Get", late), [step("A")], [other])
    assert "no time is left" in (await given.error()).message
    assert other.asked == []


@pytest.mark.parametrize(
    ("sent", "allowed"),
    [(Sent.NOT_SENT, True), (Sent.REFUSED, True), (Sent.UNKNOWN, False), (Sent.ANSWERED, False)],
)
@pytest.mark.parametrize("kind", ["method", "upstream"])
async def test_what_may_have_had_an_effect_is_not_done_elsewhere(sent, allowed, kind):
    clock = FakeClock()
    other = Method(clock, "Other", Order(id="other"))
    steps = [step("Other") if kind == "method" else UpstreamStep(name="Other", upstream="Other")]
    given = Given(Method(clock, "Pay", failing(sent=sent)), steps, [other], idempotent=False)
    if allowed:
        assert (await given.answer()).id == "other"
    else:
        error = await given.error()
        assert "no fallback was called, since the request may have had its effect" in error.message
        assert error.message.count("no fallback") == 1
        assert other.asked == []
        assert given.events == []


async def test_an_idempotent_method_falls_back_whatever_was_sent():
    clock = FakeClock()
    other = Method(clock, "Other", Order(id="other"))
    given = Given(Method(clock, "Get", failing(sent=Sent.UNKNOWN)), [step("Other")], [other])
    assert (await given.answer()).id == "other"


async def test_a_fixed_answer_is_always_allowed():
    clock = FakeClock()
    other = Method(clock, "Other", Order(id="other"))
    primary = Method(clock, "Pay", failing(sent=Sent.UNKNOWN))
    given = Given(primary, [step("Other"), FIXED], [other], idempotent=False)
    assert (await given.answer()).id == "fixed"
    assert other.asked == []


async def test_a_step_that_may_have_acted_is_the_last_one_that_is_called():
    clock = FakeClock()
    methods = [
        Method(clock, "A", failing(sent=Sent.UNKNOWN)),
        Method(clock, "B", Order(id="b")),
    ]
    primary = Method(clock, "Get", failing(sent=Sent.NOT_SENT))
    given = Given(primary, [step("A", idempotent=False), step("B")], methods)
    error = await given.error()
    assert methods[1].asked == []
    assert error.sent is Sent.UNKNOWN
    assert "fallback 'A': UNAVAILABLE" in error.message
    assert "no fallback was called" in error.message


async def test_a_method_that_ran_out_of_time_before_it_was_sent_is_safe():
    clock = FakeClock(auto_jump=True)
    other = Method(clock, "Other", Order(id="other"))
    waiting = Method(clock, "Pay", Order(), after_s=60, attempts=0)  # in a queue, say
    given = Given(waiting, [step("Other")], [other], idempotent=False)
    assert (await given.answer()).id == "other"
    sent = Method(clock, "Pay", Order(), after_s=60, attempts=1)
    given = Given(sent, [step("Other")], [other], idempotent=False)
    assert (await given.error()).sent is Sent.UNKNOWN


async def test_nothing_is_tried_once_the_answer_went_to_the_caller():
    clock = FakeClock()

    async def broken(_payload):
        raise ConnectionError

    given = Given(Method(clock, "Get", Order(id="7")), [FIXED])
    given.caller.call._sink = broken
    with pytest.raises(ConnectionError):
        await given.outcome()
    assert given.events == []


@pytest.mark.parametrize("stage", ["primary", "step"])
async def test_a_cancel_ends_the_chain(stage):
    clock = FakeClock()
    slow = Method(clock, "Slow", Order(), after_s=60)
    if stage == "primary":
        given = Given(slow, [FIXED])
    else:
        given = Given(Method(clock, "Get", failing()), [step("Slow"), FIXED], [slow])
    task = asyncio.create_task(given.outcome())
    for _ in range(5):
        await asyncio.sleep(0)
    assert slow.running == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert slow.cancelled == 1
    assert clock.pending == 0
    assert given.caller.answers == []
    assert given.events == []


async def test_a_failed_method_keeps_what_it_had_to_tell():
    clock = FakeClock()

    async def run(call):
        call.trailing_metadata.append(("x-quota", "0"))
        return await Method(clock, "Get", failing(reason=Reason.PACED)).entry.run(call)

    given = Given(Method(clock, "Get"), [])
    given.caller.call.trailing_metadata.append(("x-outer", "1"))
    await given.interceptor(given.caller.call, run)
    assert given.caller.call.trailing_metadata == [("x-outer", "1"), ("x-quota", "0")]
