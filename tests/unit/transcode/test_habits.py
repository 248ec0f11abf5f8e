"""Names of enum values as other people write them."""

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool

from gateway.transcode.habits import EnumCase, ValueHabits, enum_names


def enum(name: str, *values: str) -> object:
    file = descriptor_pb2.FileDescriptorProto(name="e.proto", package="e", syntax="proto3")
    kind = file.enum_type.add(name=name)
    for number, value in enumerate(values):
        kind.value.add(name=value, number=number)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindEnumTypeByName(f"e.{name}")


@pytest.mark.parametrize(
    ("case", "written"),
    [
        (EnumCase.AS_DECLARED, "IN_TRANSIT"),
        (EnumCase.LOWER_SNAKE, "in_transit"),
        (EnumCase.LOWER_KEBAB, "in-transit"),
        (EnumCase.LOWER_CAMEL, "inTransit"),
        (EnumCase.PASCAL, "InTransit"),
    ],
)
def test_a_value_is_written_in_the_declared_case(case: EnumCase, written: str) -> None:
    kind = enum("OrderState", "ORDER_STATE_UNSPECIFIED", "ORDER_STATE_IN_TRANSIT")
    habits = ValueHabits(strip_enum_prefix=True, enum_case=case)
    assert enum_names(kind, habits)[1] == written  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"),
    [("OrderState", "ORDER_STATE_PAID"), ("HTTPMethod", "HTTP_METHOD_PAID"), ("V2", "V2_PAID")],
)
def test_the_prefix_is_the_enums_own_name(name: str, value: str) -> None:
    kind = enum(name, f"{value}_NOT", value)
    assert enum_names(kind, ValueHabits(strip_enum_prefix=True))[1] == "PAID"  # type: ignore[arg-type]


def test_a_value_without_the_prefix_keeps_its_name() -> None:
    kind = enum("State", "UNKNOWN", "STATE_A", "STATE_")
    names = enum_names(kind, ValueHabits(strip_enum_prefix=True))  # type: ignore[arg-type]
    assert names == {0: "UNKNOWN", 1: "A", 2: "STATE_"}


@pytest.mark.parametrize("case", list(EnumCase))
def test_a_name_without_words_stays_as_it_is(case: EnumCase) -> None:
    assert enum_names(enum("State", "STATE_A", "__"), ValueHabits(enum_case=case))[1] == "__"  # type: ignore[arg-type]
