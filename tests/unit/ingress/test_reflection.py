"""Server reflection over a real socket, both versions."""

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha import reflection_pb2 as pb
from support.gateways import gateway_for
from support.listeners import listening
from support.upstream import Upstream, json_answer

from gateway.ingress.health import SERVICE as HEALTH
from gateway.ingress.reflection import own_pool
from gateway.ingress.shown import Shown, spelled

VERSIONS = ("grpc.reflection.v1", "grpc.reflection.v1alpha")


async def ask(version: str, *requests: pb.ServerReflectionRequest):
    async with Upstream(json_answer({})) as upstream, gateway_for(upstream.url) as running:
        call = running.channel.stream_stream(
            f"/{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=pb.ServerReflectionRequest.SerializeToString,
            response_deserializer=pb.ServerReflectionResponse.FromString,
        )(iter(requests))
        return [answer async for answer in call]


def names(answer: pb.ServerReflectionResponse) -> list[str]:
    files = answer.file_descriptor_response.file_descriptor_proto
    return [FileDescriptorProto.FromString(data).name for data in files]


@pytest.mark.parametrize("version", VERSIONS)
async def test_it_lists_what_is_served(version):
    (answer,) = await ask(version, pb.ServerReflectionRequest(list_services="*"))
    assert [service.name for service in answer.list_services_response.service] == [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        "shop.v1.OrderService",
    ]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "symbol",
    [
        "shop.v1.OrderService",
        "shop.v1.OrderService.GetOrder",
        "shop.v1.Order",
        "shop.v1.Order.order_id",
        "shop.v1.ListOrdersRequest.State",
    ],
)
async def test_a_symbol_brings_its_file_with_all_it_imports(version, symbol):
    (answer,) = await ask(version, pb.ServerReflectionRequest(file_containing_symbol=symbol))
    found = names(answer)
    assert found[0] == "shop/v1/orders.proto"
    assert set(found[1:]) == {
        "google/api/annotations.proto",
        "google/api/http.proto",
        "google/protobuf/descriptor.proto",
        "google/protobuf/field_mask.proto",
        "google/protobuf/timestamp.proto",
    }


@pytest.mark.parametrize(
    ("symbol", "file"),
    [
        ("grpc.health.v1.Health", "grpc_health/v1/health.proto"),
        ("grpc.reflection.v1.ServerReflection", "grpc/reflection/v1/reflection.proto"),
        ("grpc.reflection.v1.ServerReflectionRequest", "grpc/reflection/v1/reflection.proto"),
        ("seawall.error.v1.UserMessage", "seawall/error/v1/error.proto"),
        ("google.rpc.ErrorInfo", "google/rpc/error_details.proto"),
        ("seawall.admin.v1.AdminService", "seawall/admin/v1/admin.proto"),
    ],
)
async def test_the_gateways_own_protos_are_known_too(symbol, file):
    (answer,) = await ask(VERSIONS[0], pb.ServerReflectionRequest(file_containing_symbol=symbol))
    assert names(answer)[0] == file


async def test_what_is_not_there_is_an_answer_and_not_the_end():
    missing = [
        pb.ServerReflectionRequest(file_containing_symbol="nobody.Knows"),
        pb.ServerReflectionRequest(file_containing_symbol="shop.v1.OrderService.Nothing"),
        pb.ServerReflectionRequest(file_containing_symbol="x"),
        pb.ServerReflectionRequest(file_by_filename="no.proto"),
        pb.ServerReflectionRequest(
            file_containing_extension=pb.ExtensionRequest(
                containing_type="google.protobuf.MethodOptions", extension_number=1
            )
        ),
        pb.ServerReflectionRequest(all_extension_numbers_of_type="no.Type"),
    ]
    answers = await ask(
        VERSIONS[0],
        *missing,
        pb.ServerReflectionRequest(),
        pb.ServerReflectionRequest(file_by_filename="shop/v1/orders.proto"),
    )
    assert [a.error_response.error_code for a in answers] == [5, 5, 5, 5, 5, 5, 3, 0]
    assert all(a.error_response.error_message for a in answers[:-1])
    assert names(answers[-1])[0] == "shop/v1/orders.proto"


async def test_extensions_are_found_by_number():
    number = 72295728  # google.api.http
    answers = await ask(
        VERSIONS[0],
        pb.ServerReflectionRequest(all_extension_numbers_of_type="google.protobuf.MethodOptions"),
        pb.ServerReflectionRequest(
            file_containing_extension=pb.ExtensionRequest(
                containing_type="google.protobuf.MethodOptions", extension_number=number
            )
        ),
    )
    assert number in answers[0].all_extension_numbers_response.extension_number
    assert names(answers[1])[0] == "google/api/annotations.proto"


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_request_that_is_none_is_told_by_its_own_name(version):
    async with Upstream(json_answer({})) as upstream, gateway_for(upstream.url) as running:
        call = running.channel.stream_stream(f"/{version}.ServerReflection/ServerReflectionInfo")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async for _ in call(iter([b"\xff"])):
                pass
    told = f"the request is not a valid {version}.ServerReflectionRequest message"
    assert caught.value.details() == told


# A listener that does not serve everything.


def two_pool() -> DescriptorPool:
    pool = DescriptorPool()
    for name, messages in (("own", ("Own",)), ("both", ("Both",))):
        file = FileDescriptorProto(name=f"two/v1/{name}.proto", package="two.v1", syntax="proto3")
        for message in messages:
            file.message_type.add(name=message)
        pool.AddSerializedFile(file.SerializeToString())
    two = FileDescriptorProto(
        name="two/v1/two.proto",
        package="two.v1",
        syntax="proto3",
        dependency=["two/v1/own.proto", "two/v1/both.proto"],
    )
    for service in ("First", "Second"):
        two.service.add(name=service).method.add(
            name="Get", input_type=".two.v1.Own", output_type=".two.v1.Both"
        )
    third = FileDescriptorProto(
        name="two/v1/third.proto", package="two.v1", syntax="proto3", dependency=[two.name]
    )
    third.message_type.add(name="Secret")
    third.service.add(name="Third").method.add(
        name="Get", input_type=".two.v1.Secret", output_type=".two.v1.Secret"
    )
    for file in (two, third):
        pool.AddSerializedFile(file.SerializeToString())
    return pool


FIRST = "two.v1.First"
RESTRICTED = Shown((two_pool(), own_pool()), frozenset((FIRST, HEALTH)), of_all=False)


def files_of(found: list[bytes]) -> list[FileDescriptorProto]:
    return [FileDescriptorProto.FromString(data) for data in found]


def test_a_listener_shows_the_files_of_its_services_and_no_other_service_in_them():
    for symbol in (FIRST, f"{FIRST}.Get"):
        first, *imports = files_of(RESTRICTED.symbol(symbol))
        assert [service.name for service in first.service] == ["First"]
        assert {file.name for file in imports} == {"two/v1/own.proto", "two/v1/both.proto"}
    assert [file.name for file in files_of(RESTRICTED.symbol("two.v1.Own"))] == ["two/v1/own.proto"]


@pytest.mark.parametrize(
    "symbol",
    [
        *("two.v1.Second", "two.v1.Second.Get", "two.v1.Third", "two.v1.Secret"),
        *("two.v1.Secret.name", "seawall.admin.v1.AdminService"),
        "grpc.reflection.v1.ServerReflection",
    ],
)
def test_what_is_served_elsewhere_is_not_found_there(symbol):
    with pytest.raises(KeyError):
        RESTRICTED.symbol(symbol)
    everything = Shown((two_pool(), own_pool()), frozenset((FIRST,)))
    if symbol != "two.v1.Secret.name":
        assert everything.symbol(symbol)


def test_files_are_found_there_by_the_same_rule():
    assert RESTRICTED.file("two/v1/two.proto")
    assert RESTRICTED.file("google/rpc/error_details.proto")
    for name in ("two/v1/third.proto", "seawall/admin/v1/admin.proto"):
        with pytest.raises(KeyError):
            RESTRICTED.file(name)


@pytest.mark.parametrize("symbol", ["google.rpc.ErrorInfo", "seawall.error.v1.UserMessage"])
def test_what_errors_are_made_of_is_known_everywhere(symbol):
    assert RESTRICTED.symbol(symbol)


async def test_each_listener_lists_what_it_serves(tmp_path):
    config = """
listeners:
  - {listen: "127.0.0.1:0"}
  - listen: "localhost:0"
    services: [grpc.reflection.v1.ServerReflection, grpc.health.v1.Health]
"""
    found = []
    async with (
        Upstream(json_answer({})) as upstream,
        listening(config, tmp_path, upstream.url) as running,
    ):
        for address in running.gateway.addresses:
            async with grpc.aio.insecure_channel(address) as over:
                call = over.stream_stream(
                    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                    request_serializer=pb.ServerReflectionRequest.SerializeToString,
                    response_deserializer=pb.ServerReflectionResponse.FromString,
                )(iter([pb.ServerReflectionRequest(list_services="*")]))
                found.append(
                    [one.name async for a in call for one in a.list_services_response.service]
                )
    assert "shop.v1.OrderService" in found[0]
    assert found[1] == ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"]


def test_every_field_has_its_json_name() -> None:
    file = own_pool().FindFileByName("google/rpc/error_details.proto")
    proto = FileDescriptorProto.FromString(spelled(file))
    names = {
        field.name: field.json_name for message in proto.message_type for field in message.field
    }
    assert names["retry_delay"] == "retryDelay"
    assert names["field_violations"] == "fieldViolations"
    nested = next(m for m in proto.message_type if m.name == "Help").nested_type[0]
    assert [field.json_name for field in nested.field] == ["description", "url"]
