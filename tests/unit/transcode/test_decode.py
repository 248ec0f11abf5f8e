import pytest
from transcode.v1 import kinds_pb2 as pb
from transcode.v1 import legacy_pb2
from unit.transcode.schema import POOL, bindings

from gateway.core.errors import CallError, Origin, Reason, Sent
from gateway.core.http import HttpAnswer
from gateway.core.status import Code
from gateway.transcode.codec import JsonCodec
from gateway.transcode.decode import AnswerDecoder, is_json, split_media_type

JSON = "application/json"


def decode(
    body: bytes | str,
    content_type: str | None = JSON,
    *,
    status: int = 200,
    response=pb.Document,
    **rule,
):
    [binding] = bindings(pb.Request, response, **({"get": "/v1"} | rule))
    decoder = AnswerDecoder(response, JsonCodec(POOL))
    headers = {} if content_type is None else {"content-type": content_type}
    text = body.encode() if isinstance(body, str) else body
    return response.FromString(decoder.decode(HttpAnswer(status, headers, text), binding))


def refusal(*arguments, **more) -> CallError:
    with pytest.raises(CallError) as raised:
        decode(*arguments, **more)
    error = raised.value
    assert error.code is Code.INTERNAL
    assert error.reason is Reason.UPSTREAM_INVALID_ANSWER
    assert error.origin is Origin.UPSTREAM
    assert error.sent is Sent.ANSWERED
    assert not error.transient
    return error


@pytest.mark.parametrize(
    "content_type",
    [
        JSON,
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        'application/json ; foo=bar; Charset="utf8"',
        "Application/JSON",
        "application/problem+json",
        "application/vnd.api+json; version=1",
        None,
        "",
    ],
)
def test_json_is_accepted_by_any_of_its_media_types(content_type):
    assert decode('{"id": "ä"}', content_type) == pb.Document(id="ä")


@pytest.mark.parametrize(
    "content_type",
    [
        "text/html",
        "text/html; charset=utf-8",
        "text/json",
        "text/plain",
        "application/octet-stream",
        "application/json-seq",
        "image/vnd.x+json",
        "application/xml",
        "application/jsonp",
    ],
)
def test_other_media_types_are_refused_even_if_the_body_is_json(content_type):
    error = refusal('{"id": "a"}', content_type)
    media_type = content_type.partition(";")[0]
    assert error.message == f"the upstream answered 200, but with '{media_type}' instead of JSON"
    assert error.http_status == 200


def test_status_is_told():
    assert refusal("<html>", "text/html", status=203).http_status == 203


def test_long_media_type_is_cut():
    assert len(refusal("{}", "x/" + "y" * 5_000).message) < 200


@pytest.mark.parametrize(
    ("charset", "body"),
    [
        ("iso-8859-1", '{"id": "ä"}'.encode("latin-1")),
        ("latin-1", '{"id": "ä"}'.encode("latin-1")),
        ("windows-1252", '{"id": "ä"}'.encode("cp1252")),
        ("utf-16", '{"id": "ä"}'.encode("utf-16")),
        ("us-ascii", b'{"id": "\\u00e4"}'),
        ("utf-8-sig", '\ufeff{"id": "ä"}'.encode()),
    ],
)
def test_charset_is_honoured(charset, body):
    assert decode(body, f"application/json; charset={charset}") == pb.Document(id="ä")


@pytest.mark.parametrize(
    ("charset", "body"),
    [
        ("nope", b"{}"),
        ("rot13", b"{}"),
        ("base64", b"e30="),
        ("undefined", b"{}"),
        ("idna", b"xn--\xff"),
        ("utf-16", b"\xff"),
        ("shift_jis", b'{"id": "\xff"}'),
        ("utf-7", b"+2AA-"),
        ("x" * 5_000, b"{}"),
    ],
)
def test_charset_that_does_not_fit_is_an_error(charset, body):
    error = refusal(body, f"application/json; charset={charset}")
    assert error.message.startswith("the upstream answered 200, but its body ")
    assert len(error.message) < 200


def test_byte_order_mark_is_ignored():
    assert decode(b'\xef\xbb\xbf{"id": "a"}') == pb.Document(id="a")
    assert decode(b'\xef\xbb\xbf{"id": "a"}', None) == pb.Document(id="a")


def test_byte_order_mark_alone_is_no_json():
    refusal(b"\xef\xbb\xbf")


@pytest.mark.parametrize("content_type", [JSON, None, "text/html", "text/plain"])
@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_empty_body_is_the_empty_message(content_type, status):
    assert decode(b"", content_type, status=status) == pb.Document()


def test_204_is_the_empty_message_whatever_its_headers_say():
    assert decode(b"ignored", "text/html", status=204) == pb.Document()


@pytest.mark.parametrize(
    "body",
    [
        " ",
        "{",
        '{"id": "a"',
        '{"id": "a"}}',
        "<html></html>",
        b'{"id": "\xff"}',
        b"\x1f\x8b\x08\x00",
        "[]",
        '[{"id": "a"}]',
        "null",
        '"a"',
        "5",
        '{"id": 5}',
        '{"scalars": ["aBool"]}',
        '{"scalars": "aBool"}',
    ],
)
def test_body_that_is_not_the_message_is_an_error(body):
    error = refusal(body)
    start = "the upstream answered 200, but its body does not fit the method: "
    assert error.message.startswith(start)


def test_nothing_of_an_html_body_is_told():
    error = refusal("<html><title>secret</title></html>")
    assert "secret" not in error.message
    assert "<" not in error.message


def test_large_wrong_value_is_told_briefly():
    assert len(refusal('{"scalars": {"anInt64": "%s"}}' % ("9" * 100_000)).message) < 500


def test_missing_required_field_is_an_error():
    assert "id" in refusal("{}", response=legacy_pb2.Legacy).message
    assert decode('{"id": "a"}', response=legacy_pb2.Legacy).id == "a"


def test_response_body_is_one_field():
    assert decode('{"anInt32": 5}', responseBody="scalars").scalars.an_int32 == 5
    assert decode('"a"', responseBody="id") == pb.Document(id="a")


def test_response_body_may_be_an_array():
    message = decode('[{"id": "a"}, {"id": "b"}]', responseBody="children")
    assert [child.id for child in message.children] == ["a", "b"]
    assert decode("[]", responseBody="children") == pb.Document()


def test_response_body_of_another_shape_is_an_error():
    refusal("{}", responseBody="children")
    refusal("[]", responseBody="scalars")


def test_empty_body_with_response_body_is_the_empty_message():
    assert decode(b"", responseBody="children") == pb.Document()


@pytest.mark.parametrize(
    ("content_type", "parts"),
    [
        ("", ("", "")),
        ("a/b", ("a/b", "")),
        (" A/B ; q=1", ("a/b", "")),
        ("a/b;charset", ("a/b", "")),
        ("a/b;charset=X", ("a/b", "x")),
        ('a/b; x=y; charset = "X"', ("a/b", "x")),
        ("a/b;;charset=x;", ("a/b", "x")),
    ],
)
def test_content_type_is_split(content_type, parts):
    assert split_media_type(content_type) == parts


def test_json_media_types():
    assert is_json("application/json")
    assert is_json("application/geo+json")
    assert not is_json("")
    assert not is_json("application/+jsonx")
    assert not is_json("text/x+json")
