"""Scalars in unusual clothes against json_format's own conversions."""

import pytest
from google.protobuf import json_format
from property.shapes import EDGES
from transcode.v1 import kinds_pb2 as kinds

from gateway.transcode.mapping import scalars

READERS = {
    "anInt64": scalars.to_int,
    "aDouble": scalars.to_double,
    "aFloat": scalars.to_float,
    "aString": scalars.to_text,
    "aBool": scalars.to_bool,
    "someBytes": scalars.to_bytes,
    "aColor": scalars.odd_enum(closed=False),
}


@pytest.mark.parametrize("name", list(READERS))
def test_whatever_a_reader_takes_it_takes_as_json_format_does(name):
    field = next(f for f in kinds.Scalars.DESCRIPTOR.fields if f.json_name == name)
    taken = 0
    for value in EDGES:
        if value is None or (name == "aColor" and value == "RED"):
            continue  # the generated code sees to them
        try:
            found = kinds.Scalars(**{field.name: READERS[name](value)})
        except Exception:  # the reference decides, so it need not be an error
            continue
        expected = json_format.ParseDict({name: value}, kinds.Scalars(), ignore_unknown_fields=True)
        assert found.SerializeToString() == expected.SerializeToString(), value
        taken += 1
    assert taken >= 2


def test_numbers_that_are_not_finite_have_names():
    named = [scalars.odd_number(float(name)) for name in ("nan", "inf", "-inf")]
    assert named == ["NaN", "Infinity", "-Infinity"]
    assert [scalars.shortest(float(name)) for name in ("nan", "inf", "-inf")] == named


def test_a_closed_enum_without_a_name_is_refused():
    with pytest.raises(ValueError, match="no value 3"):
        scalars.named({1: "ONE"})(3)
