"""google.api.HttpBody in bindings, requests and answers."""

import pytest
from feed.v1 import feed_pb2 as pb
from google.api.httpbody_pb2 import HttpBody
from transcode.v1 import kinds_pb2
from unit.transcode.schema import POOL, bindings

from gateway.core.errors import CallError
from gateway.core.http import HttpAnswer
from gateway.core.status import Code
from gateway.transcode.codec import JsonCodec
from gateway.transcode.decode import AnswerDecoder
from gateway.transcode.encode import RequestEncoder

CODEC = JsonCodec(POOL)
POST = {"post": "/v1/files", "body": "*"}
FIELD = {"put": "/v1/files/{name}", "body": "body", "responseBody": "body"}


def test_a_binding_knows_which_of_its_bodies_are_raw():
    (all_of_it,) = bindings(HttpBody, HttpBody, **POST)
    assert (all_of_it.body_is_raw, all_of_it.answer_is_raw) == (True, True)
    (field,) = bindings(pb.File, pb.File, **FIELD)
    assert (field.body_is_raw, field.answer_is_raw) == (True, True)
    (inside,) = bindings(pb.File, pb.File, **POST)
    assert (inside.body_is_raw, inside.answer_is_raw) == (False, False)
    (plain,) = bindings(kinds_pb2.Request, kinds_pb2.Document, get="/v1/x")
    assert (plain.body_is_raw, plain.answer_is_raw) == (False, False)


@pytest.mark.parametrize(
    ("file", "body", "content_type"),
    [
        (pb.File(name="n", body=HttpBody(content_type="a/b", data=b"\xff")), b"\xff", "a/b"),
        (pb.File(name="n", body=HttpBody(data=b"x")), b"x", "application/octet-stream"),
        (pb.File(name="n", body=HttpBody(content_type="a/b")), b"", "a/b"),
        (pb.File(name="n"), None, ""),
    ],
)
def test_a_request_is_sent_as_it_is(file, body, content_type):
    encoder = RequestEncoder(bindings(pb.File, pb.File, **FIELD), CODEC)
    prepared = encoder.encode(file)
    assert (prepared.body, prepared.content_type) == (body, content_type)
    assert prepared.target == "/v1/files/n"
    assert encoder.encode_part(file, prepared.binding) == (body or b"")


@pytest.mark.parametrize("content_type", ["a\n", "a\r\nb: c", "\u00fc", "\x7f"])
def test_a_content_type_that_is_no_header_names_its_field(content_type):
    file = pb.File(name="n", body=HttpBody(content_type=content_type))
    with pytest.raises(CallError) as raised:
        RequestEncoder(bindings(pb.File, pb.File, **FIELD), CODEC).encode(file)
    assert raised.value.code is Code.INVALID_ARGUMENT
    assert raised.value.violations[0].field == "body.content_type"


@pytest.mark.parametrize("content_type", ["text/html", "", "application/json"])
def test_an_answer_of_any_type_is_taken_as_it_is(content_type):
    answer = HttpAnswer(200, {"content-type": content_type}, b"\xff<html>")
    expected = HttpBody(content_type=content_type, data=b"\xff<html>")
    (whole,) = bindings(pb.File, HttpBody, **POST)
    assert HttpBody.FromString(AnswerDecoder(HttpBody, CODEC).decode(answer, whole)) == expected
    (field,) = bindings(pb.File, pb.File, **FIELD)
    decoded = AnswerDecoder(pb.File, CODEC).decode(answer, field)
    assert pb.File.FromString(decoded) == pb.File(body=expected)


def test_a_content_type_that_is_not_ascii_is_left_out():
    (whole,) = bindings(pb.File, HttpBody, **POST)
    decoded = AnswerDecoder(HttpBody, CODEC).decode_raw(b"x", "t\udcff", whole)
    assert HttpBody.FromString(decoded) == HttpBody(data=b"x")
