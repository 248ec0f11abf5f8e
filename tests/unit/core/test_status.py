import pytest
from google.rpc import code_pb2
from seawall.error.v1 import error_pb2

from gateway.core.errors import CallError, Origin, Reason
from gateway.core.outcome import SUCCESS, Kind, failed
from gateway.core.status import Code, code_for_http


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, Code.INVALID_ARGUMENT),
        (401, Code.UNAUTHENTICATED),
        (403, Code.PERMISSION_DENIED),
        (404, Code.NOT_FOUND),
        (405, Code.UNIMPLEMENTED),
        (408, Code.UNAVAILABLE),
        (409, Code.ABORTED),
        (410, Code.NOT_FOUND),
        (412, Code.FAILED_PRECONDITION),
        (416, Code.OUT_OF_RANGE),
        (422, Code.INVALID_ARGUMENT),
        (429, Code.RESOURCE_EXHAUSTED),
        (499, Code.CANCELLED),
        (500, Code.INTERNAL),
        (501, Code.UNIMPLEMENTED),
        (502, Code.UNAVAILABLE),
        (503, Code.UNAVAILABLE),
        (504, Code.DEADLINE_EXCEEDED),
        (402, Code.FAILED_PRECONDITION),
        (418, Code.FAILED_PRECONDITION),
        (505, Code.INTERNAL),
        (599, Code.INTERNAL),
        (302, Code.INTERNAL),
        (101, Code.INTERNAL),
    ],
)
def test_http_statuses_follow_code_proto(status: int, code: Code):
    assert code_for_http(status) is code


def test_a_method_may_map_otherwise():
    assert code_for_http(409, {409: Code.ALREADY_EXISTS}) is Code.ALREADY_EXISTS
    assert code_for_http(404, {409: Code.ALREADY_EXISTS}) is Code.NOT_FOUND


def test_codes_have_the_numbers_of_google_rpc():
    assert {code.name: code.value for code in Code} == dict(code_pb2.Code.items())


def test_reasons_are_those_of_the_proto():
    documented = {
        name.removeprefix("REASON_") for name in error_pb2.Reason.DESCRIPTOR.values_by_name
    }
    assert {reason.value for reason in Reason} == documented - {"UNSPECIFIED"}


def test_success_blames_nobody():
    assert SUCCESS.kind is Kind.SUCCESS
    assert SUCCESS.error is None


@pytest.mark.parametrize(
    ("origin", "status", "kind"),
    [
        (Origin.UPSTREAM, 500, Kind.FAILURE),
        (Origin.UPSTREAM, 503, Kind.FAILURE),
        (Origin.UPSTREAM, 429, Kind.FAILURE),
        (Origin.UPSTREAM, 408, Kind.FAILURE),
        (Origin.UPSTREAM, None, Kind.FAILURE),
        (Origin.UPSTREAM, 404, Kind.IGNORED),
        (Origin.UPSTREAM, 400, Kind.IGNORED),
        (Origin.CALLER, None, Kind.IGNORED),
        (Origin.GATEWAY, None, Kind.IGNORED),
    ],
)
def test_only_what_the_upstream_is_to_blame_for_is_a_failure(origin, status, kind):
    error = CallError(Code.INTERNAL, Reason.UPSTREAM_STATUS, "x", origin=origin, http_status=status)
    assert failed(error).kind is kind
