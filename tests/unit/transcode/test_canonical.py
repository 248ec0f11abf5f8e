"""Each rule of transcode/canonical.py by an example."""

from google.protobuf import struct_pb2, wrappers_pb2
from google.protobuf.any_pb2 import Any as AnyMessage
from transcode.v1 import shapes_pb2 as pb

from gateway.transcode.canonical import Canonical

CANONICAL = Canonical()
fingerprint = CANONICAL.fingerprint


def test_a_map_counts_in_the_order_of_its_keys() -> None:
    one, other = struct_pb2.Struct(), struct_pb2.Struct()
    one.update({"a": 1, "b": [1, {"c": None}]})
    other.update({"b": [1, {"c": None}]})
    other.update({"a": 1})
    assert fingerprint(one) == fingerprint(other)
    other.update({"a": 2})
    assert fingerprint(one) != fingerprint(other)


def test_the_order_of_a_repeated_field_counts() -> None:
    one = struct_pb2.ListValue(values=[struct_pb2.Value(number_value=n) for n in (1, 2)])
    other = struct_pb2.ListValue(values=[struct_pb2.Value(number_value=n) for n in (2, 1)])
    assert fingerprint(one) != fingerprint(other)


def test_zeros_and_nans_are_one_each() -> None:
    value = wrappers_pb2.DoubleValue
    assert fingerprint(value(value=0.0)) == fingerprint(value(value=-0.0))
    assert fingerprint(value(value=float("nan"))) == fingerprint(value(value=-float("nan")))
    assert fingerprint(value(value=float("inf"))) != fingerprint(value(value=-float("inf")))
    assert fingerprint(value(value=float("inf"))) != fingerprint(value(value=float("nan")))


def test_presence_counts_where_it_can_be_told() -> None:
    absent, present = pb.Shapes(), pb.Shapes()
    optional = next(f for f in pb.Shapes.DESCRIPTOR.fields if f.has_presence and not f.message_type)
    setattr(present, optional.name, getattr(absent, optional.name))
    assert fingerprint(absent) != fingerprint(present)
    plain = next(
        f
        for f in pb.Shapes.DESCRIPTOR.fields
        if not f.has_presence and not f.is_repeated and f.cpp_type == f.CPPTYPE_STRING
    )
    other = pb.Shapes()
    setattr(other, plain.name, "")
    assert fingerprint(absent) == fingerprint(other)


def test_an_any_counts_by_what_it_holds_where_its_type_is_known() -> None:
    held = struct_pb2.Struct()
    held.update({"a": 1, "b": 2})
    entries = [
        struct_pb2.Struct(fields={key: struct_pb2.Value(number_value=number)})
        for key, number in (("a", 1), ("b", 2))
    ]
    first, second = (entry.SerializeToString() for entry in entries)
    url = "type.googleapis.com/google.protobuf.Struct"
    one, other = (
        AnyMessage(type_url=url, value=first + second),
        AnyMessage(type_url=url, value=second + first),
    )
    knowing = Canonical(lambda _url, value: struct_pb2.Struct.FromString(value))
    assert knowing.fingerprint(one) == knowing.fingerprint(other)
    assert fingerprint(one) != fingerprint(other), "of an unknown type the bytes count"
    assert knowing.fingerprint(AnyMessage(type_url=url, value=b"\xff")) != knowing.fingerprint(one)


def test_some_fields_count_by_their_paths() -> None:
    fields = CANONICAL.of_fields(["number_value", "struct_value.fields"])
    one = struct_pb2.Value(number_value=2)
    other = struct_pb2.Value(string_value="x")
    assert fields(one) != fields(other)
    assert fields(struct_pb2.Value(string_value="y")) == fields(other), "others do not count"
    assert fields(one) == CANONICAL.of_fields(["struct_value.fields", "number_value"])(one)
