import json

import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2
from unit.transcode.schema import POOL

from gateway.core.errors import CallError, Origin, Reason, Sent
from gateway.core.http import HttpAnswer
from gateway.core.status import Code
from gateway.transcode.failure import retry_after, stream_failure, upstream_failure

WALL = 784_111_777.0
"""Sun, 06 Nov 1994 08:49:37 GMT, RFC 9110's own example."""
ERROR_INFO = {
    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
    "reason": "OUT_OF_STOCK",
    "domain": "shop.example",
}


def failure(
    body: object = b"",
    content_type: str = "application/json",
    *,
    status: int = 404,
    overrides=None,
    **headers: str,
) -> CallError:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = HttpAnswer(status, {"content-type": content_type} | headers, text)
    return upstream_failure(answer, "shop", overrides or {}, POOL, WALL)


def said(body: object, content_type: str = "application/json") -> str:
    """What of the body is told."""
    text = failure(body, content_type).message
    assert text.startswith("upstream 'shop' answered 404")
    return text.removeprefix("upstream 'shop' answered 404").removeprefix(": ")


def unpacked(error: CallError) -> list[error_details_pb2.ErrorInfo]:
    found = []
    for serialized in error.details:
        info = error_details_pb2.ErrorInfo()
        assert any_pb2.Any.FromString(serialized).Unpack(info)
        found.append(info)
    return found


def test_google_shape_is_understood():
    error = failure(
        {
            "error": {
                "code": 404,
                "message": "no order 7",
                "status": "NOT_FOUND",
                "details": [ERROR_INFO],
            }
        }
    )
    assert error.message == "upstream 'shop' answered 404: no order 7"
    assert [info.reason for info in unpacked(error)] == ["OUT_OF_STOCK"]


def test_grpc_gateway_shape_is_understood():
    error = failure({"code": 5, "message": "no order 7", "details": [ERROR_INFO]})
    assert error.message == "upstream 'shop' answered 404: no order 7"
    assert [info.domain for info in unpacked(error)] == ["shop.example"]


def test_problem_details_are_understood():
    body = {"type": "about:blank", "title": "Not Found", "detail": "no order 7", "status": 404}
    assert said(body, "application/problem+json; charset=utf-8") == "no order 7"
    del body["detail"]
    assert said(body, "application/problem+json") == "Not Found"


def test_oauth_shape_is_understood():
    assert said({"error": "invalid_token", "error_description": "it expired"}) == "it expired"
    assert said({"error": "invalid_token"}) == "invalid_token"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"<html><h1>secret</h1></html>", "text/html"),
        (b"<html><h1>secret</h1></html>", "application/json"),
        (b'{"message": "secret"}', "text/html"),
        (b'{"message": "secret"}', "text/plain"),
        (b'{"message": "secret"}', ""),
        (b"secret", "text/plain"),
        (b'{"message": "secre', "application/json"),
        (b'{"message": "\xffsecret"}', "application/json"),
        (b'"secret"', "application/json"),
        (b'["secret"]', "application/json"),
        (b'{"message": {"text": "secret"}}', "application/json"),
        (b'{"message": "<!doctype html><p>secret</p>"}', "application/json"),
        (b'{"error": {"message": ["secret"]}}', "application/json"),
        (b'{"x": ' * 5_000, "application/json"),
        (b"", "application/json"),
    ],
)
def test_nothing_is_told_of_a_body_that_is_not_understood(body, content_type):
    assert said(body, content_type) == ""


def test_markup_behind_a_sentence_is_dropped():
    assert said({"message": "no order: <html>secret</html>"}) == "no order:"


def test_control_characters_are_cleaned():
    assert said({"message": "no\r\n\torder\x00\x1b[31m \u202e7"}) == "no order [31m 7"


def test_message_is_bounded():
    assert len(said({"message": "x" * 100_000})) == 1024


def test_details_are_bounded():
    assert len(failure({"details": [ERROR_INFO] * 100}).details) == 16


@pytest.mark.parametrize(
    "details",
    [
        {},
        "x",
        None,
        [],
        [None, 5, "x", [], {}],
        [{"@type": 5}],
        [{"@type": ""}],
        [{"@type": "type.googleapis.com/nope.v1.Nope"}],
        [{"@type": "type.googleapis.com/google.protobuf.Duration"}],
        [{"@type": "type.googleapis.com/google.protobuf.Duration", "value": {}}],
        [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": 5}],
        [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "metadata": []}],
        [{"@type": "type.googleapis.com/transcode.v1.Legacy"}],
    ],
)
def test_details_that_are_not_understood_are_left_out(details):
    error = failure({"message": "no order", "details": details})
    assert error.message == "upstream 'shop' answered 404: no order"
    assert list(error.details) == []


def test_understood_details_are_kept_beside_others():
    error = failure({"details": [{"@type": "x/nope.Nope"}, ERROR_INFO, 5]})
    assert [info.reason for info in unpacked(error)] == ["OUT_OF_STOCK"]


CODES = {
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
}


@pytest.mark.parametrize("status", [*range(300, 309), *range(400, 600), 101, 600, 999])
def test_every_status_has_its_code(status):
    other = Code.FAILED_PRECONDITION if 400 <= status < 500 else Code.INTERNAL
    error = failure(status=status)
    assert error.code is CODES.get(status, other)
    assert error.http_status == status
    assert error.reason is Reason.UPSTREAM_STATUS
    assert error.origin is Origin.UPSTREAM
    assert error.upstream == "shop"
    assert error.transient is (status in (408, 429, 502, 503, 504))
    assert error.sent is (Sent.REFUSED if status == 429 else Sent.ANSWERED)


@pytest.mark.parametrize("status", [409, 418, 500, 302])
def test_override_wins(status):
    overrides = {status: Code.ALREADY_EXISTS}
    assert failure(status=status, overrides=overrides).code is Code.ALREADY_EXISTS
    assert failure(status=404, overrides=overrides).code is Code.NOT_FOUND


def test_retry_after_is_read_from_the_answer():
    assert failure(status=503, **{"retry-after": "7"}).retry_after_s == 7
    assert failure(status=503).retry_after_s is None


@pytest.mark.parametrize("status", [400, 409, 413, 429, 500, 501, 503, 599])
def test_who_says_when_to_come_back_says_that_it_helps(status):
    error = failure(status=status, **{"retry-after": "7"})
    assert (error.transient, error.retry_after_s) == (True, 7)
    unread = failure(status=status, **{"retry-after": "soon"})
    assert (unread.transient, unread.retry_after_s) == (status in (429, 503), None)


@pytest.mark.parametrize("status", [301, 307])
def test_the_delay_of_a_redirect_is_not_about_the_same_call(status):
    error = failure(status=status, **{"retry-after": "7"})
    assert (error.transient, error.retry_after_s) == (False, None)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("7", 7),
        (" 120 ", 120),
        ("00000000000000000007", 7),
        ("9" * 400, 1e10),
        ("99999999999", 1e10),
        ("Sun, 06 Nov 1994 08:49:40 GMT", 3),
        ("Sunday, 06-Nov-94 08:49:40 GMT", 3),
        ("Sun Nov  6 08:49:40 1994", 3),
        ("Sun, 06 Nov 1994 08:49:40 -0000", 3),
        ("Sun, 06 Nov 1994 09:49:40 +0100", 3),
        ("Sun, 06 Nov 1994 08:49:30 GMT", 0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
    ],
)
def test_retry_after_is_seconds_or_a_date(value, seconds):
    assert retry_after(value, WALL) == seconds


@pytest.mark.parametrize(
    "value",
    [
        *(None, "", " ", "-5", "+5", "1.5", "1e3", "soon", "5s", "\u0665", "²", "0x10", "5, 6"),
        *("Sun, 99 Nov 1994 08:49:40 GMT", "Sun, 06 Nov 99999 08:49:40 GMT", "NaN", "inf"),
    ],
)
def test_retry_after_of_another_form_says_nothing(value):
    assert retry_after(value, WALL) is None


def test_retry_after_far_in_the_future_is_still_a_number():
    assert 0 < retry_after("Fri, 31 Dec 9999 23:59:59 GMT", WALL) < 1e12


# Told in a stream


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"code": 5}, Code.NOT_FOUND),
        ({"grpc_code": 7, "http_code": 404, "code": 3}, Code.PERMISSION_DENIED),
        ({"grpcCode": 7}, Code.PERMISSION_DENIED),
        ({"http_code": 404}, Code.NOT_FOUND),
        ({"httpCode": 503, "httpStatus": "Service Unavailable"}, Code.UNAVAILABLE),
        ({"code": 404, "status": "NOT_FOUND"}, Code.NOT_FOUND),
        ({"code": 400, "status": "FAILED_PRECONDITION"}, Code.FAILED_PRECONDITION),
        ({"code": 400, "status": "OK"}, Code.INVALID_ARGUMENT),
        ({"status": 418}, Code.FAILED_PRECONDITION),
        ({"code": 409}, Code.ALREADY_EXISTS),
        *(({"code": number}, Code.UNKNOWN) for number in (0, -1, 17, 200, 1000, True, "5", None)),
        ({}, Code.UNKNOWN),
        ("broken", Code.UNKNOWN),
        (["broken"], Code.UNKNOWN),
        (7, Code.UNKNOWN),
    ],
)
def test_an_error_in_a_stream_has_the_code_that_it_names(error, code):
    found = stream_failure(error, "shop", {409: Code.ALREADY_EXISTS}, POOL)
    assert found.code is code
    assert (found.origin, found.sent) == (Origin.UPSTREAM, Sent.ANSWERED)
    assert (found.reason, found.http_status) == (Reason.UPSTREAM_STATUS, None)
    assert found.transient == (code is Code.UNAVAILABLE)


def test_an_error_in_a_stream_keeps_its_words_and_details():
    error = {"code": 5, "message": "no such <b>order</b>", "details": [ERROR_INFO]}
    found = stream_failure(error, "shop", {}, POOL)
    assert found.message == "upstream 'shop' ended its stream with NOT_FOUND: no such"
    (detail,) = (any_pb2.Any.FromString(packed) for packed in found.details)
    assert detail.TypeName() == "google.rpc.ErrorInfo"
    assert stream_failure("busy", "shop", {}, POOL).message.endswith("UNKNOWN: busy")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            {"detail": [{"loc": ["body", "title"], "msg": "field required", "type": "x"}]},
            "body.title: field required",
        ),
        (
            {"errors": [{"title": "Bad", "detail": "no such book"}, {"title": "Two"}]},
            "no such book; Two",
        ),
        ({"errors": ["one", "two", 3, {}]}, "one; two"),
        ({"errors": [{"detail": str(n)} for n in range(9)]}, "0; 1; 2; 3; 4"),
    ],
)
def test_lists_of_errors_are_understood(body, words):
    assert said(body) == words


def test_a_redirect_says_what_would_follow_it():
    error = failure(b"", "text/html", status=301, location="/elsewhere")
    assert error.message == (
        "upstream 'shop' answered 301: a redirect that is not followed (redirects.max_redirects)"
    )


def test_details_that_lack_a_required_field_are_left_out():
    # Serializing such a message can end the process; see the mapping's `required`.
    detail = {"@type": "type.googleapis.com/transcode.v1.OldShapes", "byName": {"a": 1}}
    assert unpacked(failure({"error": {"message": "m", "details": [detail, ERROR_INFO]}})) != []


# What rules of the error catalog read


@pytest.mark.parametrize(
    ("body", "content_type", "kept"),
    [
        (b'{"error": {"code": 7}}', "application/json", {"error": {"code": 7}}),
        (b'[{"code": "x"}]', "application/problem+json", [{"code": "x"}]),
        (b'{"code": 7}', "text/html", None),
        (b'{"code": ', "application/json", None),
    ],
)
def test_the_body_is_kept_only_for_rules_that_read_it(body, content_type, kept):
    answer = HttpAnswer(402, {"content-type": content_type}, body)
    assert upstream_failure(answer, "shop", {}, POOL, WALL, keep_body=True).body == kept
    assert upstream_failure(answer, "shop", {}, POOL, WALL).body is None


@pytest.mark.parametrize("error", [{"code": 7, "message": "x"}, "a sentence"])
def test_the_error_of_a_stream_is_kept_under_its_key(error):
    assert stream_failure(error, "shop", {}, POOL, keep_body=True).body == {"error": error}
    assert stream_failure(error, "shop", {}, POOL).body is None
