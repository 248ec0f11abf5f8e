"""Server reflection over a real socket, both versions."""

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha import reflection_pb2 as pb
from support.gateways import gateway_for
from support.upstream import Upstream, json_answer

from gateway.ingress.reflection import _spelled, own_pool

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


def test_every_field_has_its_json_name() -> None:
    file = own_pool().FindFileByName("google/rpc/error_details.proto")
    proto = FileDescriptorProto.FromString(_spelled(file))
    names = {
        field.name: field.json_name for message in proto.message_type for field in message.field
    }
    assert names["retry_delay"] == "retryDelay"
    assert names["field_violations"] == "fieldViolations"
    nested = next(m for m in proto.message_type if m.name == "Help").nested_type[0]
    assert [field.json_name for field in nested.field] == ["description", "url"]
