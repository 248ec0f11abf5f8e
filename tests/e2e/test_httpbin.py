"""httpbin behind the gateway, by grpc.aio stubs: what it echoes is what was sent."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import grpc
import pytest
from e2e.details import Failure, failure
from e2e.thirdparty import PROTOS
from google.protobuf import json_format
from google.protobuf.empty_pb2 import Empty
from google.rpc import error_details_pb2
from seawall.error.v1.error_pb2 import UserMessage
from support.gateways import gateway_for
from thirdparty.httpbin.v1 import httpbin_pb2 as pb
from thirdparty.httpbin.v1.httpbin_pb2_grpc import HttpbinServiceStub

from gateway.core.events import RetryScheduled

Code = grpc.StatusCode

STATUSES = {
    400: Code.INVALID_ARGUMENT,
    401: Code.UNAUTHENTICATED,
    403: Code.PERMISSION_DENIED,
    404: Code.NOT_FOUND,
    405: Code.UNIMPLEMENTED,
    408: Code.UNAVAILABLE,
    409: Code.ABORTED,
    410: Code.NOT_FOUND,
    412: Code.FAILED_PRECONDITION,
    416: Code.OUT_OF_RANGE,
    422: Code.INVALID_ARGUMENT,
    429: Code.RESOURCE_EXHAUSTED,
    499: Code.CANCELLED,
    500: Code.INTERNAL,
    501: Code.UNIMPLEMENTED,
    502: Code.UNAVAILABLE,
    503: Code.UNAVAILABLE,
    504: Code.DEADLINE_EXCEEDED,
    **dict.fromkeys((300, 301, 302, 303, 304, 305, 307, 308, 399), Code.INTERNAL),
    **dict.fromkeys(
        (402, 406, 407, 411, 413, 414, 415, 417, 418, 421, 423, 424, 425, 426, 428, 431, 451, 498),
        Code.FAILED_PRECONDITION,
    ),
    **dict.fromkeys((505, 507, 508, 511, 520, 529, 599), Code.INTERNAL),
}
"""The comments of google/rpc/code.proto, and the rule for what they leave out."""


@pytest.fixture
def stub(channel: grpc.aio.Channel) -> HttpbinServiceStub:
    return HttpbinServiceStub(channel)


async def failed(call: Awaitable[object]) -> Failure:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return failure(caught.value)


def plain(message: object) -> object:
    return json_format.MessageToDict(message)


# Requests


async def test_every_kind_of_field_becomes_a_query_parameter(stub) -> None:
    request = pb.GetRequest(
        text="a b&c=d/é?#%",
        tags=["x", "", "y z"],
        big=-(2**63),
        huge=2**64 - 1,
        flag=True,
        maybe=False,
        colour=pb.COLOUR_SEA_GREEN,
        more_colours=[pb.COLOUR_RED, pb.COLOUR_SEA_GREEN],
        filter=pb.Filter(at_least=pb.Price(currency_code="EUR", units=7), sold_by=["ann", "bob"]),
        ratio=0.1,
        raw=b"\xff\xfe+/",
    )
    request.since.FromJsonString("2026-11-22T01:02:03.500Z")
    request.within.FromJsonString("1.500s")
    echo = await stub.Get(request)
    assert plain(echo.args) == {
        "text": "a b&c=d/é?#%",
        "tags": ["x", "", "y z"],
        "big": "-9223372036854775808",
        "huge": "18446744073709551615",
        "flag": "true",
        "maybe": "false",
        "colour": "COLOUR_SEA_GREEN",
        "moreColours": ["COLOUR_RED", "COLOUR_SEA_GREEN"],
        "filter.atLeast.currencyCode": "EUR",
        "filter.atLeast.units": "7",
        "filter.soldBy": ["ann", "bob"],
        "ratio": "0.1",
        "since": "2026-11-22T01:02:03.500Z",
        "within": "1.500s",
        "raw": "//4rLw==",
    }


async def test_an_empty_request_sends_no_query(stub) -> None:
    echo = await stub.Get(pb.GetRequest())
    assert plain(echo.args) == {}
    assert echo.url.endswith("/get")


ITEM = pb.Item(
    display_name="Lamp “☀”",
    stock=2**53 + 1,
    colour=pb.COLOUR_RED,
    prices=[pb.Price(currency_code="EUR", units=3), pb.Price(currency_code="USD")],
    labels={"b": "2", "a b": ""},
)
ITEM.made_at.FromJsonString("2026-11-22T00:00:00Z")
ITEM_JSON = {
    "displayName": "Lamp “☀”",
    "stock": "9007199254740993",
    "colour": "COLOUR_RED",
    "prices": [{"currencyCode": "EUR", "units": "3"}, {"currencyCode": "USD"}],
    "labels": {"b": "2", "a b": ""},
    "madeAt": "2026-11-22T00:00:00Z",
}


async def test_a_post_sends_the_whole_request_as_json(stub) -> None:
    echo = await stub.Post(ITEM)
    assert plain(echo.json) == ITEM_JSON
    assert plain(echo.args) == {}
    assert echo.headers["Content-Type"] == "application/json"


async def test_a_put_sends_one_field_as_json_and_the_others_as_query(stub) -> None:
    echo = await stub.Put(pb.PutRequest(item=ITEM, dry_run=True))
    assert plain(echo.json) == ITEM_JSON
    assert plain(echo.args) == {"dryRun": "true"}


async def test_an_empty_body_field_is_an_empty_object(stub) -> None:
    echo = await stub.Put(pb.PutRequest())
    assert echo.data == "{}"


async def test_a_patch_sends_json(stub) -> None:
    echo = await stub.Patch(pb.Item(stock=1))
    assert plain(echo.json) == {"stock": "1"}


async def test_a_delete_sends_its_fields_as_query_and_no_body(stub) -> None:
    echo = await stub.Delete(pb.DeleteRequest(ids=[3, 1, 2]))
    assert plain(echo.args) == {"ids": ["3", "1", "2"]}
    assert echo.data == ""
    assert "Content-Type" not in echo.headers


@pytest.mark.parametrize("path", ["a", "a/b/c", "a b/ü/c:d", "x/50%/?q=1#f", "…", "a;b=c,d"])
async def test_a_path_keeps_its_slashes_and_nothing_else_of_the_value_is_special(
    stub, path: str
) -> None:
    echo = await stub.Anything(pb.AnythingRequest(path=path))
    sent = urlsplit(echo.url)
    assert unquote(sent.path) == f"/anything/{path}"
    assert (sent.query, sent.fragment) == ("", "")
    assert plain(echo.args) == {}


async def test_an_additional_binding_is_used_where_the_first_has_no_value(stub) -> None:
    echo = await stub.Anything(pb.AnythingRequest())
    assert urlsplit(echo.url).path == "/anything"


async def test_a_custom_verb_reaches_the_service(stub) -> None:
    assert (await stub.Trace(Empty())).method == "TRACE"


@pytest.mark.parametrize("value", ["", ".", ".."])
async def test_a_value_that_would_leave_the_path_is_an_invalid_argument(stub, value: str) -> None:
    error = await failed(stub.Status(pb.StatusRequest(codes=value)))
    assert (error.code, error.reason) == (Code.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert error.metadata["origin"] == "caller"
    assert error.metadata["attempts"] == "0"
    violations = error.detail(error_details_pb2.BadRequest).field_violations
    assert [violation.field for violation in violations] == ["codes"]


# Headers


async def test_credentials_request_id_and_trace_context_are_forwarded_and_nothing_else(
    stub,
) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answer = await stub.Headers(
        pb.HeadersRequest(show_env=True),
        metadata=(
            ("authorization", "Bearer abc"),
            ("x-request-id", "r-1"),
            ("traceparent", trace),
            ("tracestate", "a=1"),
            ("x-tenant", "secret"),
            ("cookie", "session=1"),
            ("x-forwarded-for", "10.0.0.1"),
            ("token-bin", b"\x00\x01"),
        ),
        timeout=20,
    )
    headers = dict(answer.headers)
    assert 0 < float(headers.pop("X-Server-Timeout")) < 21  # grpc rounds what travels up
    assert headers.pop("User-Agent").startswith("seawall/")
    assert headers.pop("Host").startswith("127.0.0.1:")
    assert headers == {
        "Authorization": "Bearer abc",
        "X-Request-Id": "r-1",
        "Traceparent": trace,
        "Tracestate": "a=1",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
    }


async def test_declared_response_headers_come_back_as_trailing_metadata(stub) -> None:
    call = stub.ResponseHeaders(
        pb.ResponseHeadersRequest(etag='"v1"', quota_left="41", secret="hidden")
    )
    answer = await call
    trailers = dict(await call.trailing_metadata())
    assert trailers == {"etag": '"v1"', "x-quota-left": "41"}
    assert (answer.etag, answer.quota_left) == ('"v1"', "41")


# Answers


async def test_a_document_with_a_type_for_every_field_is_read(stub) -> None:
    show = (await stub.Slides(Empty())).slideshow
    assert (show.author, show.title) == ("Yours Truly", "Sample Slide Show")
    assert [slide.title for slide in show.slides] == ["Wake up to WonderWidgets!", "Overview"]
    assert len(show.slides[1].items) == 2


async def test_gzip_deflate_and_brotli_are_undone(stub) -> None:
    assert (await stub.Gzip(Empty())).gzipped
    assert (await stub.Deflate(Empty())).deflated
    assert (await stub.Brotli(Empty())).brotli


async def test_a_stream_of_lines_is_a_server_stream(stub) -> None:
    answers = [answer async for answer in stub.Stream(pb.StreamRequest(count=100))]
    assert [answer.id for answer in answers] == list(range(100))


async def test_an_empty_stream_is_ok_without_messages(stub) -> None:
    assert [answer async for answer in stub.Stream(pb.StreamRequest(count=0))] == []


async def test_a_status_without_a_body_is_the_empty_message(stub) -> None:
    for status in ("200", "201", "202", "204"):
        assert await stub.Status(pb.StatusRequest(codes=status)) == Empty()


@pytest.mark.parametrize(
    ("method", "request_", "named"),
    [
        ("Html", Empty(), "text/html"),
        ("Bytes", pb.BytesRequest(count=64), "application/octet-stream"),
        ("Base64", pb.Base64Request(value="c2VjcmV0"), "text/html"),
    ],
)
async def test_a_200_that_is_not_what_the_method_declares_is_an_error(
    stub, method: str, request_, named: str
) -> None:
    error = await failed(getattr(stub, method)(request_))
    assert (error.code, error.reason) == (Code.INTERNAL, "UPSTREAM_INVALID_ANSWER")
    assert error.metadata == {
        "origin": "upstream",
        "attempts": "1",
        "upstream": "httpbin",
        "http_status": "200",
    }
    assert named in error.message
    assert "<" not in error.message
    assert "secret" not in error.message


# Errors


async def test_every_http_status_becomes_the_grpc_status_of_the_table(stub) -> None:
    async def told(status: int) -> tuple[int, Failure]:
        return status, await failed(stub.Status(pb.StatusRequest(codes=str(status))))

    found = dict(await asyncio.gather(*map(told, STATUSES)))
    assert {status: error.code for status, error in found.items()} == STATUSES
    for status, error in found.items():
        assert error.reason == "UPSTREAM_STATUS"
        assert error.metadata == {
            "origin": "upstream",
            "attempts": "1",
            "upstream": "httpbin",
            "http_status": str(status),
        }
        assert error.detail(UserMessage).title
        words = "" if status != 406 else ": Client did not request a supported media type."
        if 300 <= status < 400:
            words = ": a redirect that is not followed (redirects.max_redirects)"
        assert error.message == f"upstream 'httpbin' answered {status}{words}"


async def test_a_redirect_is_not_followed(stub) -> None:
    error = await failed(stub.Redirect(pb.RedirectRequest(times=1)))
    assert error.code is Code.INTERNAL
    assert error.metadata["http_status"] == "302"


async def test_the_deadline_ends_a_slow_call_with_details(stub) -> None:
    error = await failed(stub.Delay(pb.DelayRequest(seconds=10), timeout=1.0))
    assert (error.code, error.reason) == (Code.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
    assert error.metadata["attempts"] == "1"


async def test_a_slow_answer_within_the_deadline_is_an_answer(stub) -> None:
    echo = await stub.Delay(pb.DelayRequest(seconds=0.25), timeout=30)
    assert echo.url.endswith("/delay/0.25")


# Retries


async def test_an_upstream_that_fails_half_of_the_time_succeeds_by_retries(
    httpbin_url: str, tmp_path: Path
) -> None:
    urls = {"httpbin": httpbin_url}
    services = ["thirdparty.httpbin.v1.HttpbinService"]
    async with gateway_for(urls, proto=PROTOS, services=services) as running:
        stub = HttpbinServiceStub(running.channel)
        flaky = pb.StatusRequest(codes="503:1,200:1")
        await asyncio.gather(*(stub.Flaky(flaky) for _ in range(30)))
        assert running.of(RetryScheduled)


async def test_a_get_is_tried_again_and_a_post_is_not(stub) -> None:
    down = pb.StatusRequest(codes="503")
    got = await failed(stub.Flaky(down))
    assert got.metadata["attempts"] == "20"
    assert got.message == "upstream 'httpbin' answered 503; all 20 attempts are spent"
    posted = await failed(stub.FlakyPost(down))
    assert posted.metadata["attempts"] == "1"
    assert posted.message.endswith("the method is not idempotent and the upstream may have acted")
