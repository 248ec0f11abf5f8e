"""Required fields are found without asking protobuf for their names."""

import pytest
from transcode.v1 import kinds_pb2 as kinds
from transcode.v1 import old_shapes_pb2 as old

from gateway.transcode.mapping.required import has_required, missing


@pytest.mark.parametrize(
    ("kind", "has"),
    [
        (old.OldShapes, True),
        (old.Brittle, True),
        (old.OldMaps, False),
        (kinds.Document, False),
    ],
)
def test_a_type_has_required_fields_where_one_can_be_reached(kind, has):
    assert has_required(kind.DESCRIPTOR) is has


@pytest.mark.parametrize(
    ("message", "path"),
    [
        (old.Brittle(), "needed"),
        (old.Brittle(needed=0), None),
        (old.Brittle(needed=0, counts={"a": 1}, again={}), "again.needed"),
        (old.OldShapes(needed=1, parts=[{"id": 1}, {}]), "parts.id"),
        (old.OldShapes(needed=1, by_number={5: {}}), "by_number.id"),
        (old.OldShapes(needed=1, right={}), "right.id"),
    ],
)
def test_path_of_a_missing_field(message, path):
    assert missing(message) == path


def test_missing_field_of_an_extension_is_found():
    message = old.OldShapes(needed=1)
    message.Extensions[old.added_part].note = "x"
    assert missing(message) == "added_part.id"
