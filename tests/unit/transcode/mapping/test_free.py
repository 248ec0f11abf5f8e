"""Struct, Value and ListValue as wire bytes."""

import pytest
from google.protobuf import json_format
from google.protobuf.struct_pb2 import ListValue, Struct, Value

from gateway.transcode.mapping.free import plain_value, readers
from gateway.transcode.mapping.scalars import UnusualError

FIELDS, VALUE, VALUES = readers(100)


@pytest.mark.parametrize(
    "plain",
    [
        None,
        True,
        False,
        0,
        -0.0,
        1.5,
        2**64 - 1,
        "",
        "ä€😀",
        "x" * 127,
        "x" * 128,
        "x" * 20_000,
        [],
        {},
        [[], {}, None],
        {"": "", "k" * 300: {"a": [1, "b" * 130]}},
        list(range(3_000)),
    ],
)
def test_wire_bytes_are_those_of_the_message(plain):
    expected = json_format.ParseDict(plain, Value())
    found = Value.FromString(VALUE(plain, 1))
    assert found == expected
    assert found.SerializeToString(deterministic=True) == expected.SerializeToString(
        deterministic=True
    )
    assert plain_value(found) == json_format.MessageToDict(expected)


def test_struct_and_list_by_themselves():
    assert Struct.FromString(FIELDS({"a": 1}, 1)) == json_format.ParseDict({"a": 1}, Struct())
    assert ListValue.FromString(VALUES(["a"], 1)) == json_format.ParseDict(["a"], ListValue())


@pytest.mark.parametrize(
    ("read", "plain"), [(FIELDS, []), (FIELDS, "a"), (VALUES, {}), (VALUES, 1)]
)
def test_what_is_no_object_or_array_is_left_to_the_reference(read, plain):
    with pytest.raises(UnusualError):
        read(plain, 1)


def test_nesting_counts_a_value_and_its_container():
    _, value, _ = readers(5)
    value([[1]], 1)
    value([[[]]], 0)
    with pytest.raises(UnusualError):
        value([[[1]]], 1)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_value_that_is_no_json_number_is_refused(number):
    with pytest.raises(ValueError, match="cannot be"):
        plain_value(Value(number_value=number))


def test_a_value_of_no_kind_is_null():
    assert plain_value(Value()) is None
