"""Header values from and to fields."""

from typing import Any

import pytest
from transcode.v1 import kinds_pb2 as pb
from unit.transcode.schema import POOL

from gateway.core.errors import CallError
from gateway.transcode.codec import CodecError, JsonCodec
from gateway.transcode.fields import FieldPathError, FieldReader
from gateway.transcode.habits import STANDARD
from gateway.transcode.header_fields import ResponseHeaderFields, headers_of


def sent(message: Any, **fields: str) -> dict[str, str]:
    readers = [(n, FieldReader(message.DESCRIPTOR, path)) for n, path in fields.items()]
    return headers_of(message, readers)


def filled(headers: dict[str, str], **fields: str) -> pb.Document:
    made = ResponseHeaderFields(
        pb.Document.DESCRIPTOR, fields, STANDARD, JsonCodec(POOL), pb.Document
    )
    return pb.Document.FromString(made.fill(pb.Document(id="body").SerializeToString(), headers))


def test_a_field_becomes_a_header() -> None:
    message = pb.Request(name="v7", scalars=pb.Scalars(an_int64=5, a_bool=True))
    assert sent(message, etag="name", count="scalars.an_int64", flag="scalars.a_bool") == {
        "etag": "v7",
        "count": "5",
        "flag": "true",
    }


def test_an_unset_field_is_no_header() -> None:
    assert sent(pb.Request(), a="name", b="scalars.an_int64", c="optionals.an_int32") == {}


def test_an_optional_field_that_holds_its_default_is_a_header() -> None:
    message = pb.Request(optionals=pb.Optionals(an_int32=0))
    assert sent(message, count="optionals.an_int32") == {"count": "0"}


@pytest.mark.parametrize("value", ["a\r\nx: y", "ü", " a", "a\0"])
def test_a_value_that_no_header_can_carry_is_refused(value: str) -> None:
    with pytest.raises(CallError, match="'name' travels as the header 'etag'") as raised:
        sent(pb.Request(name=value), etag="name")
    assert raised.value.code.name == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    ("path", "text", "read"),
    [
        ("id", "v7", lambda m: m.id == "v7"),
        ("scalars.an_int64", "-5", lambda m: m.scalars.an_int64 == -5 and m.id == "body"),
        ("scalars.a_bool", "TRUE", lambda m: m.scalars.a_bool),
        ("scalars.a_color", "BLUE", lambda m: m.scalars.a_color == pb.BLUE),
        ("known.time", "2026-01-31T09:30:00Z", lambda m: m.known.time.seconds == 1769851800),
    ],
)
def test_a_header_fills_a_field(path: str, text: str, read: Any) -> None:
    assert read(filled({"x": text}, x=path))


def test_a_header_that_is_not_there_fills_nothing() -> None:
    assert filled({}, x="scalars.an_int64") == pb.Document(id="body")


def test_a_header_goes_before_what_the_body_says() -> None:
    body = pb.Document(id="body", scalars=pb.Scalars(an_int64=5, a_bool=True, a_string="kept"))
    body.known.time.FromJsonString("2026-01-01T00:00:00.5Z")
    paths = {"n": "scalars.an_int64", "flag": "scalars.a_bool", "at": "known.time"}
    made = ResponseHeaderFields(
        pb.Document.DESCRIPTOR, paths, STANDARD, JsonCodec(POOL), pb.Document
    )
    headers = {"n": "0", "flag": "false", "at": "2026-01-02T00:00:00Z"}
    read = pb.Document.FromString(made.fill(body.SerializeToString(), headers))
    expected = pb.Document(id="body", scalars=pb.Scalars(a_string="kept"))
    expected.known.time.FromJsonString("2026-01-02T00:00:00Z")
    assert read == expected


def test_a_header_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(CodecError, match="a header does not fit its field"):
        filled({"x": "five"}, x="scalars.an_int64")


def test_a_path_that_leads_to_no_scalar_is_a_mistake() -> None:
    with pytest.raises(FieldPathError, match=r"headers\.response_fields\.x: .*scalars"):
        filled({}, x="scalars")
