import json

from support.upstream import Upstream, in_turn, json_answer
from transcode.v1 import kinds_pb2 as pb
from unit.transcode.bench import POST, bench_for, told

from gateway.core.errors import Reason
from gateway.core.outcome import SUCCESS, Kind
from gateway.core.status import Code

# One answer


async def test_unary_call_is_one_request_and_one_message():
    async with Upstream(json_answer({"id": "x"})) as upstream, bench_for(upstream.url) as bench:
        call = bench.call()
        assert await bench.target(call) is SUCCESS
        assert bench.received == [pb.Document(id="x")]
        assert call.sent == 1
    assert upstream.requests == ["GET /v1/documents/a?left=l"]
    assert upstream.headers[0]["accept"] == "application/json"
    assert upstream.headers[0]["user-agent"] == "seawall/test"
    assert "content-type" not in upstream.headers[0]


async def test_body_travels_as_json():
    async with Upstream(json_answer({})) as upstream, bench_for(upstream.url) as bench:
        assert await bench.target(bench.call(**POST)) is SUCCESS
    assert upstream.requests == ["POST /v1/documents/a"]
    assert upstream.headers[0]["content-type"] == "application/json"
    assert json.loads(upstream.bodies[0]) == {"left": "l"}


async def test_metadata_and_headers_travel_by_allow_list():
    answer = json_answer({}, **{"X-Request-Id": "7", "X-Secret": "s"})
    lists = {"request": ("authorization", "accept"), "response": ("x-request-id", "x-absent")}
    async with Upstream(answer) as upstream, bench_for(upstream.url, **lists) as bench:
        call = bench.call(metadata=[("authorization", "Bearer t"), ("x-secret", "s")])
        await bench.target(call)
    assert upstream.headers[0]["authorization"] == "Bearer t"
    assert "x-secret" not in upstream.headers[0]
    assert call.trailing_metadata == [("x-request-id", "7")]


async def test_remaining_time_is_told_anew_on_each_attempt():
    async with Upstream(json_answer({})) as upstream, bench_for(upstream.url) as bench:
        call = bench.call(timeout_s=2.5)
        await bench.target(call)
        bench.clock.advance(1.25)
        await bench.target(call)
        bench.clock.advance(10.0)
        await bench.target(call)
    told_times = [headers["x-server-timeout"] for headers in upstream.headers]
    assert told_times == ["2.500", "1.250", "0.001"]


async def test_call_without_a_deadline_tells_no_time():
    async with Upstream(json_answer({})) as upstream, bench_for(upstream.url) as bench:
        await bench.target(bench.call())
    assert "x-server-timeout" not in upstream.headers[0]


async def test_error_status_is_a_failure_with_its_code():
    answer = json_answer({"message": "busy"}, 503, **{"Retry-After": "3"})
    async with Upstream(answer) as upstream, bench_for(upstream.url) as bench:
        outcome = await bench.target(bench.call())
        assert bench.received == []
    assert outcome.kind is Kind.FAILURE
    assert outcome.error.code is Code.UNAVAILABLE
    assert outcome.error.message == "upstream 'documents' answered 503: busy"
    assert outcome.error.retry_after_s == 3
    assert outcome.error.upstream == "documents"


async def test_client_error_says_nothing_about_the_upstream():
    async with Upstream(json_answer({}, 404)) as upstream, bench_for(upstream.url) as bench:
        outcome = await bench.target(bench.call())
    assert outcome.kind is Kind.IGNORED
    assert outcome.error.code is Code.NOT_FOUND


async def test_status_codes_are_overridden_by_the_method():
    overrides = {"status_codes": {409: Code.ALREADY_EXISTS}}
    async with (
        Upstream(json_answer({}, 409)) as upstream,
        bench_for(upstream.url, **overrides) as b,
    ):
        assert (await b.failure(b.call())).code is Code.ALREADY_EXISTS
        assert (await b.failure(b.call(stream=True))).code is Code.ALREADY_EXISTS


async def test_redirect_is_an_error():
    answer = json_answer({}, 302, Location="/elsewhere")
    async with Upstream(answer) as upstream, bench_for(upstream.url) as bench:
        error = await bench.failure(bench.call())
    assert (error.code, error.http_status) == (Code.INTERNAL, 302)


async def test_answer_that_is_not_the_message_names_the_upstream():
    async with Upstream(told(b"<html>", "text/html")) as upstream, bench_for(upstream.url) as bench:
        error = await bench.failure(bench.call())
    assert error.reason is Reason.UPSTREAM_INVALID_ANSWER
    assert error.upstream == "documents"


async def test_answer_over_the_cap_is_refused_and_an_error_body_is_cut():
    large = json_answer({"id": "x" * 10_000})
    busy = told(b'{"message": "%s"}' % (b"x" * 10_000), status=500)
    limits = {"max_response_bytes": 1_000, "max_error_bytes": 1_000}
    async with Upstream(in_turn(large, busy)) as upstream, bench_for(upstream.url, **limits) as b:
        assert (await b.failure(b.call())).reason is Reason.UPSTREAM_ANSWER_TOO_LARGE
        error = await b.failure(b.call())
        assert error.message == "upstream 'documents' answered 500"
        assert b.received == []


async def test_headers_of_a_failed_answer_do_not_come_back():
    answers = in_turn(
        json_answer({}, 503, **{"X-Id": "1"}),
        told(b"{", "application/json"),
        json_answer({}, **{"X-Id": "3"}),
    )
    async with Upstream(answers) as upstream, bench_for(upstream.url, response=("x-id",)) as bench:
        call = bench.call()
        for _ in range(3):
            await bench.target(call)
    assert call.trailing_metadata == [("x-id", "3")]
