import asyncio

import pytest
from compose.v1.compose_pb2 import BatchRequest, BatchResponse, GetRequest, Order
from fakes.clock import FakeClock
from google.protobuf import any_pb2
from google.rpc import error_details_pb2
from support.calls import Recorder
from unit.compose.calls import Caller, Method, entries, failing

from gateway.compose.mapping import compile_mapping
from gateway.compose.scatter import ScatterOptions, ScatterTarget
from gateway.core.errors import Reason
from gateway.core.events import Events, PartMissing
from gateway.core.outcome import SUCCESS
from gateway.core.status import Code

REQUEST, GET = BatchRequest.DESCRIPTOR, GetRequest.DESCRIPTOR
OPTIONS = {
    "method": "compose.v1.Back/Get",
    "items": "ids",
    "results": "results",
    "new_answer": BatchResponse,
    "of_item": compile_mapping(REQUEST.fields_by_name["ids"], GET, {"id": ""}),
    "answer": compile_mapping(Order.DESCRIPTOR, BatchResponse.Result.DESCRIPTOR, {"result": ""}),
}


class Given:
    """A scatter over one method, and a call of it."""

    def __init__(self, clock, method, ids, *, timeout_s=2.0, request=None, **more):
        self.clock = clock
        self.events = Recorder()
        options = ScatterOptions(**{**OPTIONS, **more})
        self.target = ScatterTarget(options, entries(method), clock, Events([self.events]))
        self.caller = Caller(clock, request or BatchRequest(ids=ids, locale="de"), timeout_s)

    async def results(self):
        assert await self.target(self.caller.call) is SUCCESS
        assert self.clock.pending == 0
        return list(self.caller.answer(BatchResponse).results)

    async def error(self):
        outcome = await self.target(self.caller.call)
        assert self.clock.pending == 0
        assert self.caller.answers == []
        assert outcome.error is not None
        return outcome.error


def echo(request):
    return Order(id=request.id)


def wait(request):
    return float(request.id)


async def test_each_item_is_a_call_and_a_result():
    clock = FakeClock()
    method = Method(clock, "Get", echo)
    given = Given(clock, method, ["1", "2"])
    assert [result.result.id for result in await given.results()] == ["1", "2"]
    assert method.requests == [GetRequest(id="1"), GetRequest(id="2")]
    assert given.caller.call.attempts == 2


async def test_results_are_in_the_order_of_the_items_whichever_ends_first():
    clock = FakeClock(auto_jump=True)
    ids = ["0.3", "0.1", "0.2"]
    given = Given(clock, Method(clock, "Get", echo, after_s=wait), ids)
    assert [result.result.id for result in await given.results()] == ids
    assert clock.now() == pytest.approx(1000.3)


async def test_so_many_at_once_and_no_more():
    clock = FakeClock(auto_jump=True)
    method = Method(clock, "Get", echo, after_s=0.1)
    given = Given(clock, method, [str(i) for i in range(10)], max_parallel=3)
    assert len(await given.results()) == 10
    assert method.most == 3
    assert clock.now() == pytest.approx(1000.4)


async def test_one_slow_item_does_not_hold_the_rest():
    clock = FakeClock(auto_jump=True)
    method = Method(clock, "Get", echo, after_s=wait)
    ids = ["60", *["0.1"] * 10]
    results = await Given(clock, method, ids, max_parallel=2).results()
    assert clock.now() == pytest.approx(1001.9)  # the end of the slow one
    assert results[0].status.code == Code.DEADLINE_EXCEEDED
    assert not results[0].HasField("result")
    assert [result.result.id for result in results[1:]] == ids[1:]


async def test_an_item_has_a_timeout_of_its_own():
    clock = FakeClock(auto_jump=True)
    method = Method(clock, "Get", echo, after_s=wait)
    ids = ["60", "0.1"]
    results = await Given(clock, method, ids, max_parallel=1, item_timeout_s=0.5).results()
    assert clock.now() == pytest.approx(1000.6)
    assert [result.HasField("status") for result in results] == [True, False]


async def test_what_was_not_begun_in_time_says_so():
    clock = FakeClock(auto_jump=True)
    method = Method(clock, "Get", echo, after_s=0.7)
    given = Given(clock, method, ["1", "2", "3", "4"], max_parallel=1)
    results = await given.results()
    assert clock.now() == pytest.approx(1001.9)  # before the deadline
    assert [result.status.code for result in results] == [
        0,
        0,
        Code.DEADLINE_EXCEEDED,
        Code.DEADLINE_EXCEEDED,
    ]
    assert "did not answer" in results[2].status.message
    assert "ran out before this one was begun" in results[3].status.message
    assert len(method.asked) == 3


async def test_a_declared_reserve_is_kept():
    clock = FakeClock(auto_jump=True)
    given = Given(clock, Method(clock, "Get", echo, after_s=60), ["1"], reserve_s=0.5)
    await given.results()
    assert clock.now() == pytest.approx(1001.5)


async def test_a_failed_item_has_a_status_with_details_and_is_told():
    clock = FakeClock()
    detail = any_pb2.Any()
    detail.Pack(error_details_pb2.ErrorInfo(reason="GONE", domain="shop"))
    error = failing(
        Code.RESOURCE_EXHAUSTED,
        "upstream 'shop' answered 429",
        http_status=429,
        retry_after_s=1.5,
        details=[detail.SerializeToString()],
    )
    answer = {"1": Order(id="1"), "2": error}
    given = Given(clock, Method(clock, "Get", lambda r: answer[r.id]), ["1", "2"])
    one, two = await given.results()
    assert one.result.id == "1"
    assert not one.HasField("status")
    assert not two.HasField("result")
    assert two.status.code == Code.RESOURCE_EXHAUSTED
    assert two.status.message == "upstream 'shop' answered 429"
    theirs, info, retry = two.status.details
    assert theirs == detail
    found = error_details_pb2.ErrorInfo()
    assert info.Unpack(found)
    assert (found.reason, found.domain) == ("UPSTREAM_STATUS", "seawall")
    assert dict(found.metadata) == {"origin": "upstream", "upstream": "shop", "http_status": "429"}
    delay = error_details_pb2.RetryInfo()
    assert retry.Unpack(delay)
    assert delay.retry_delay.ToMilliseconds() == 1500
    (event,) = given.events
    assert isinstance(event, PartMissing)
    assert event.part == "results[1]"


async def test_a_status_is_not_longer_than_it_may_be():
    clock = FakeClock()
    error = failing(message="x" * 10_000, details=[b"\x0a\x01a" * 2000, b"\x0a\x01b"])
    (result,) = await Given(clock, Method(clock, "Get", error), ["1"]).results()
    assert len(result.status.message) == 512
    assert result.status.ByteSize() < 1024


async def test_too_many_items_call_nothing():
    clock = FakeClock()
    method = Method(clock, "Get", echo)
    error = await Given(clock, method, ["1", "2", "3"], max_items=2).error()
    assert (error.code, error.reason) == (Code.INVALID_ARGUMENT, Reason.INVALID_REQUEST)
    assert error.message == "the field 'ids' has 3 items; at most 2 are accepted"
    assert error.violations[0].field == "ids"
    assert method.asked == []


async def test_no_items_are_no_results():
    clock = FakeClock()
    assert await Given(clock, Method(clock, "Get", echo), []).results() == []


async def test_a_request_is_made_of_the_item_and_of_what_all_share():
    clock = FakeClock()
    method = Method(clock, "Get", echo)
    rest = compile_mapping(REQUEST, GET, {"locale": "locale"})
    await Given(clock, method, ["1", "2"], of_request=rest).results()
    assert method.requests == [GetRequest(id="1", locale="de"), GetRequest(id="2", locale="de")]


async def test_an_item_that_is_the_request_is_sent_as_it_is():
    clock = FakeClock()
    method = Method(clock, "Get", echo)
    of_item = compile_mapping(REQUEST.fields_by_name["gets"], GET, {})
    request = BatchRequest(gets=[GetRequest(id="1"), GetRequest(id="2", locale="fr")])
    given = Given(clock, method, [], request=request, items="gets", of_item=of_item)
    await given.results()
    assert method.requests == list(request.gets)


async def test_answers_that_are_too_large_together_are_refused():
    clock = FakeClock(auto_jump=True)
    method = Method(clock, "Get", echo, after_s=wait)
    given = Given(clock, method, ["0.1", "0.2", "1.5"], max_response_bytes=9)
    error = await given.error()
    assert error.reason is Reason.UPSTREAM_ANSWER_TOO_LARGE
    assert method.cancelled == 1
    assert clock.now() == pytest.approx(1000.2)


async def test_a_cancel_ends_all_calls_and_begins_none():
    clock = FakeClock()
    method = Method(clock, "Get", echo, after_s=60)
    given = Given(clock, method, ["1", "2", "3"], max_parallel=2)
    task = asyncio.create_task(given.results())
    for _ in range(3):
        await asyncio.sleep(0)
    assert method.running == 2
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (method.running, method.cancelled, len(method.asked)) == (0, 2, 2)
    assert clock.pending == 0
    assert given.caller.answers == []


async def test_a_fault_ends_the_other_items_and_is_not_hidden():
    clock = FakeClock(auto_jump=True)
    answers = {"0.1": ZeroDivisionError(), "1": Order()}
    method = Method(clock, "Get", lambda r: answers[r.id], after_s=wait)
    with pytest.raises(ZeroDivisionError):
        await Given(clock, method, ["0.1", "1"]).results()
    assert method.cancelled == 1
