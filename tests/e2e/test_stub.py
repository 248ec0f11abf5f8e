"""pytest-grpc's blocking stub and channel against a gateway in this process.

The fixtures that its own server would need (`grpc_servicer`, `grpc_add_to_server`)
have no place here: conftest.py puts the gateway behind `grpc_addr`.
"""

import threading

import grpc
import pytest
from e2e.details import failure
from e2e.thirdparty import ORDERS
from google.protobuf.empty_pb2 import Empty
from grpc_health.v1 import health_pb2, health_pb2_grpc
from thirdparty.datasette.v1 import datasette_pb2
from thirdparty.datasette.v1.datasette_pb2_grpc import ShopServiceStub
from thirdparty.httpbin.v1 import httpbin_pb2 as pb
from thirdparty.httpbin.v1.httpbin_pb2_grpc import HttpbinServiceStub


@pytest.fixture(scope="module")
def grpc_stub_cls() -> type[HttpbinServiceStub]:
    return HttpbinServiceStub


def test_a_unary_call_returns_the_message(grpc_stub) -> None:
    assert grpc_stub.Get(pb.GetRequest(text="hi")).args["text"] == "hi"


def test_a_server_stream_is_an_iterator(grpc_stub) -> None:
    answers = grpc_stub.Stream(pb.StreamRequest(count=5))
    assert [answer.id for answer in answers] == [0, 1, 2, 3, 4]


def test_a_failed_call_raises_with_details(grpc_stub) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        grpc_stub.Status(pb.StatusRequest(codes="404"))
    error = failure(caught.value)
    assert (error.code, error.reason) == (grpc.StatusCode.NOT_FOUND, "UPSTREAM_STATUS")


def test_a_failed_stream_raises_with_details(grpc_channel: grpc.Channel) -> None:
    wrong = grpc_channel.unary_stream(
        "/thirdparty.httpbin.v1.HttpbinService/Stream",
        request_serializer=bytes,
        response_deserializer=bytes,
    )
    with pytest.raises(grpc.RpcError) as caught:
        list(wrong(b"\xff\xff"))
    error = failure(caught.value)
    assert error.code is grpc.StatusCode.INVALID_ARGUMENT
    assert "thirdparty.httpbin.v1.StreamRequest" in error.message


def test_a_deadline_of_the_stub_ends_the_call(grpc_stub) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        grpc_stub.Delay(pb.DelayRequest(seconds=10), timeout=0.5)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_metadata_and_trailing_metadata_travel(grpc_stub) -> None:
    asked = pb.ResponseHeadersRequest(quota_left="3")
    answer, call = grpc_stub.ResponseHeaders.with_call(asked)
    assert answer.quota_left == "3"
    assert dict(call.trailing_metadata()) == {"x-quota-left": "3"}
    bearer = grpc_stub.Headers(pb.HeadersRequest(), metadata=(("authorization", "Bearer z"),))
    assert bearer.headers["Authorization"] == "Bearer z"


def test_a_future_can_be_cancelled(grpc_stub) -> None:
    future = grpc_stub.Delay.future(pb.DelayRequest(seconds=10))
    done = threading.Event()
    future.add_done_callback(lambda _: done.set())
    assert future.cancel()
    assert done.wait(10)
    assert future.code() is grpc.StatusCode.CANCELLED


def test_two_services_with_an_upstream_each_share_the_channel(grpc_channel: grpc.Channel) -> None:
    assert HttpbinServiceStub(grpc_channel).Slides(Empty()).slideshow.author == "Yours Truly"
    page = ShopServiceStub(grpc_channel).ListOrders(
        datasette_pb2.ListOrdersRequest(shape=datasette_pb2.objects)
    )
    assert len(page.rows) == len(ORDERS)


def test_an_unknown_method_is_unimplemented_and_says_what_there_is(
    grpc_channel: grpc.Channel,
) -> None:
    nope = grpc_channel.unary_unary("/thirdparty.httpbin.v1.HttpbinService/Nope")
    with pytest.raises(grpc.RpcError) as caught:
        nope(b"")
    error = failure(caught.value)
    assert error.code is grpc.StatusCode.UNIMPLEMENTED
    assert "'Nope'" in error.message


def test_health_answers_for_each_service(grpc_channel: grpc.Channel) -> None:
    stub = health_pb2_grpc.HealthStub(grpc_channel)
    for service in (
        "",
        "thirdparty.httpbin.v1.HttpbinService",
        "thirdparty.datasette.v1.ShopService",
    ):
        answer = stub.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
