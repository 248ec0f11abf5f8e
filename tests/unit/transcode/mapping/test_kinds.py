"""What fields are to the mapping, and how deep their messages nest."""

import math

import pytest
from transcode.v1 import kinds_pb2 as kinds
from transcode.v1 import old_shapes_pb2 as old
from transcode.v1 import shapes_pb2 as pb

from gateway.transcode.mapping.kinds import (
    Heights,
    Kind,
    Shape,
    checks_strings,
    key_of,
    kind_of,
    shape_of,
    value_of,
)


@pytest.mark.parametrize(
    ("message", "name", "shape", "kind"),
    [
        (pb.Shapes, "single_int32", Shape.ONE, Kind.INT),
        (pb.Shapes, "repeated_fixed64", Shape.LIST, Kind.LONG),
        (pb.Shapes, "single_bytes", Shape.ONE, Kind.BYTES),
        (pb.Maps, "string_enum", Shape.MAP, Kind.ENUM),
        (pb.Maps, "string_null", Shape.MAP, Kind.NULL),
        (pb.Maps, "int64_wrapper", Shape.MAP, Kind.WRAPPER),
        (pb.Known, "times", Shape.LIST, Kind.TIMESTAMP),
        (pb.Known, "empty", Shape.ONE, Kind.MESSAGE),
        (old.OldShapes, "many", Shape.LIST, Kind.MESSAGE),
    ],
)
def test_shape_and_kind_of_a_field(message, name, shape, kind):
    field = message.DESCRIPTOR.fields_by_name[name]
    assert shape_of(field) is shape
    assert kind_of(value_of(field)) is kind


def test_key_of_a_map():
    assert kind_of(key_of(pb.Maps.DESCRIPTOR.fields_by_name["bool_enum"])) is Kind.BOOL


@pytest.mark.parametrize(
    ("message", "height"),
    [
        (kinds.Scalars, 1),
        (kinds.Repeated, 2),
        (kinds.Batch, 2),
        (kinds.Document, math.inf),
        (kinds.Loop, math.inf),
        (kinds.Ring, math.inf),
        (pb.Known, math.inf),
        (old.OldShapes.Part, 1),
    ],
)
def test_height_is_endless_where_a_type_comes_back_to_itself(message, height):
    heights = Heights()
    assert heights.of(message.DESCRIPTOR) == height
    assert heights.of(message.DESCRIPTOR) == height


def test_strings_of_proto2_are_not_checked():
    assert checks_strings(pb.DESCRIPTOR)
    assert not checks_strings(old.DESCRIPTOR)
