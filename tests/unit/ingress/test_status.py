import grpc
import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from seawall.error.v1.error_pb2 import UserMessage

from gateway.core.errors import CallError, Origin, Reason, Violation, invalid_request
from gateway.core.status import Code
from gateway.ingress.status import CODES, MAX_DETAILS, _action, _sentence, to_trailers


def status_of(error: CallError, attempts: int = 1) -> status_pb2.Status:
    code, message, trailers = to_trailers(error, attempts)
    ((key, value),) = trailers
    assert key == "grpc-status-details-bin"
    status = status_pb2.Status.FromString(value)
    assert CODES[Code(status.code)] is code
    assert status.message == message
    return status


def detail(status: status_pb2.Status, kind: type) -> object:
    for packed in status.details:
        message = kind()
        if packed.Unpack(message):
            return message
    return None


def test_every_code_has_grpcs_own():
    assert {code: CODES[code].name for code in Code} == {code: code.name for code in Code}


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_words_for_people(reason):
    said = detail(status_of(CallError(Code.UNAVAILABLE, reason, "what happened")), UserMessage)
    assert isinstance(said, UserMessage)
    assert said.title
    assert said.text == "What happened."
    assert said.action


def test_the_machine_is_told_who_failed_and_how_often():
    error = CallError(
        Code.UNAVAILABLE,
        Reason.UPSTREAM_STATUS,
        "x",
        origin=Origin.UPSTREAM,
        http_status=503,
        upstream="shop",
    )
    info = detail(status_of(error, attempts=3), error_details_pb2.ErrorInfo)
    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert info.domain == "seawall"
    assert dict(info.metadata) == {
        "origin": "upstream",
        "attempts": "3",
        "upstream": "shop",
        "http_status": "503",
    }


def test_a_known_delay_is_told_exactly():
    error = CallError(Code.UNAVAILABLE, Reason.UPSTREAM_STATUS, "x", retry_after_s=1.25)
    retry = detail(status_of(error), error_details_pb2.RetryInfo)
    assert isinstance(retry, error_details_pb2.RetryInfo)
    assert (retry.retry_delay.seconds, retry.retry_delay.nanos) == (1, 250_000_000)


def test_fields_at_fault_are_named():
    bad = detail(status_of(invalid_request("is empty", "order_id")), error_details_pb2.BadRequest)
    assert isinstance(bad, error_details_pb2.BadRequest)
    assert [(v.field, v.description) for v in bad.field_violations] == [("order_id", "is empty")]


def test_what_the_upstream_sent_comes_first():
    theirs = any_pb2.Any()
    theirs.Pack(error_details_pb2.ErrorInfo(reason="STOCK", domain="shop"))
    error = CallError(
        Code.ABORTED, Reason.UPSTREAM_STATUS, "x", details=[theirs.SerializeToString()]
    )
    assert status_of(error).details[0] == theirs


def test_trailers_stay_under_the_limit_of_clients():
    theirs = any_pb2.Any(type_url="t/x", value=b"x" * 3000)
    error = CallError(
        Code.ABORTED,
        Reason.UPSTREAM_STATUS,
        "é" * 5000,
        violations=[Violation("f", "d")],
        details=[theirs.SerializeToString()] * 10,
    )
    _, message, trailers = to_trailers(error, 1)
    assert len(message) <= 1024
    value = trailers[0][1]
    assert isinstance(value, bytes)
    # As headers go: the message percent-encoded, the details in base64, under 8 KiB and some.
    assert len(value) <= MAX_DETAILS + 1024
    assert detail(status_pb2.Status.FromString(value), UserMessage) is not None


async def test_what_travels_is_ascii_or_bytes():
    status, _, _ = to_trailers(CallError(Code.INTERNAL, Reason.INTERNAL, "ü\n"), 0)
    assert status is grpc.StatusCode.INTERNAL


@pytest.mark.parametrize(
    ("delay_s", "said"),
    [
        (0.013, "Try again in 1 second."),
        (1.0, "Try again in 1 second."),
        (1.2, "Try again in 2 seconds."),
    ],
)
def test_people_are_told_whole_seconds(delay_s, said):
    error = CallError(Code.UNAVAILABLE, Reason.UPSTREAM_STATUS, "full", retry_after_s=delay_s)
    assert _action(error) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("the order is gone", "The order is gone."),
        ("acme.v1.Books has no method GetBok", "acme.v1.Books has no method GetBok."),
        ("what now?", "What now?"),
    ],
)
def test_a_sentence_begins_with_a_capital_but_an_identifier_is_kept(text, said):
    assert _sentence(text) == said
