import pytest

from gateway.core.errors import CallError
from gateway.core.status import Code
from gateway.transcode.headers import HeaderForwarding, check_header_name


@pytest.mark.parametrize(
    "name", ["authorization", "X-Request-Id", "traceparent", "x_y.z-9", "cookie", "retry-after"]
)
def test_name_that_may_travel_is_accepted(name):
    assert check_header_name(name) is None


@pytest.mark.parametrize("name", ["", "a b", "a:b", ":path", "ä", "a\nb", "a/b", "a\x00"])
def test_name_that_is_none_is_refused(name):
    assert check_header_name(name) == f"{name!r} is not a header name"


@pytest.mark.parametrize(
    "name",
    [
        *("accept", "Accept-Encoding", "connection", "content-length", "Content-Type"),
        *("content-encoding", "expect", "Host", "keep-alive", "proxy-authenticate"),
        *("proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding"),
        *("upgrade", "user-agent", "x-server-timeout", "grpc-timeout", "GRPC-Encoding"),
    ],
)
def test_name_that_the_gateway_computes_is_refused(name):
    assert check_header_name(name) == (
        f"{name!r} is computed by the gateway and cannot be forwarded"
    )


def test_binary_metadata_is_refused():
    assert check_header_name("x-token-bin") == (
        "'x-token-bin' is binary metadata, which has no form as an HTTP header"
    )


def test_only_allowed_metadata_goes_out():
    forwarding = HeaderForwarding(["Authorization", "x-request-id"], [])
    metadata = [
        ("authorization", "Bearer x"),
        ("x-request-id", "1"),
        ("cookie", "secret"),
        ("x-request-id-2", "no"),
    ]
    assert forwarding.outgoing(metadata) == {"authorization": "Bearer x", "x-request-id": "1"}


def test_repeated_metadata_is_joined_in_order():
    forwarding = HeaderForwarding(["x-a"], [])
    metadata = [("x-a", "1"), ("x-b", "no"), ("x-a", "2"), ("x-a", "3")]
    assert forwarding.outgoing(metadata) == {"x-a": "1, 2, 3"}


def test_binary_value_does_not_go_out():
    assert HeaderForwarding(["x-a"], []).outgoing([("x-a", b"\x00")]) == {}


def test_each_call_gets_headers_of_its_own():
    forwarding = HeaderForwarding(["x-a"], [])
    forwarding.outgoing([("x-a", "1")])["x-b"] = "2"
    assert forwarding.outgoing([]) == {}


def test_only_allowed_headers_come_back():
    forwarding = HeaderForwarding([], ["X-Request-Id", "x-absent"])
    headers = {"x-request-id": "1", "set-cookie": "secret"}
    assert forwarding.incoming(headers) == [("x-request-id", "1")]


@pytest.mark.parametrize("value", ["ä", "a\tb", "a\x7f", "a\nb", "\udcff"])
def test_header_that_no_metadata_can_hold_does_not_come_back(value):
    assert HeaderForwarding([], ["x-a"]).incoming({"x-a": value}) == []


def test_empty_header_comes_back():
    assert HeaderForwarding([], ["x-a"]).incoming({"x-a": ""}) == [("x-a", "")]


@pytest.mark.parametrize("value", ["\x7f", "a\r\nx: y", "a\nb", "\x00", "ä", "tab\there"])
def test_a_value_that_no_header_may_have_is_the_callers_mistake_and_is_not_repeated(value):
    forwarding = HeaderForwarding(["authorization"], [])
    with pytest.raises(CallError) as caught:
        forwarding.outgoing([("authorization", value)])
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert "'authorization'" in caught.value.message
    assert value not in caught.value.message


def test_what_is_withheld_is_not_sent_whatever_forwards_it():
    forwarding = HeaderForwarding(
        ["Authorization", "x-api-key", "x-request-id"], [], ["authorization", "X-API-Key"]
    )
    metadata = [("authorization", "Bearer x"), ("x-api-key", "k"), ("x-request-id", "1")]
    assert forwarding.outgoing(metadata) == {"x-request-id": "1"}
