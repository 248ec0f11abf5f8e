import pytest
from unit.transcode.framing.parts import messages_of

from gateway.core.errors import CallError, Reason
from gateway.transcode.framing.choice import ACCEPT, Format, StreamOptions, choose_framing
from gateway.transcode.framing.events import ServerSentEvents
from gateway.transcode.framing.lines import Lines
from gateway.transcode.framing.values import JsonArray, JsonValues

NDJSON, SSE, ARRAY, DETECT = Format


def chosen(format_: Format, content_type: str, body: bytes = b"1", **more: bool) -> str:
    framing = choose_framing(StreamOptions(format=format_), content_type, 100, **more)
    messages_of(framing, [b" ", body])
    return type(getattr(framing, "_chosen", framing)).__name__


@pytest.mark.parametrize(
    ("content_type", "body", "framing"),
    [
        ("application/x-ndjson; charset=utf-8", b"1", Lines),
        ("Application/JSONL", b"1", Lines),
        ("application/stream+json", b"1", Lines),
        ("text/event-stream;charset=UTF-8", b"\n", ServerSentEvents),
        ("application/json-seq", b"1", JsonValues),
        ("application/json", b"1", JsonValues),
        ("application/json", b"[]", JsonArray),
        ("application/json", b"\xef\xbb\xbf[]", JsonArray),
        ("application/vnd.api+json", b"\n[]", JsonArray),
        ("", b"[]", JsonArray),
        ("", b"{}", JsonValues),
    ],
)
def test_detection_goes_by_content_type_and_first_byte(content_type, body, framing):
    assert chosen(DETECT, content_type, body) == framing.__name__


def test_an_array_is_a_message_where_messages_are_arrays():
    assert chosen(DETECT, "application/json", b"[]", of_arrays=True) == "JsonValues"
    assert chosen(ARRAY, "application/json", b"[]", of_arrays=True) == "JsonArray"


@pytest.mark.parametrize(
    ("format_", "content_type", "body", "framing"),
    [
        (NDJSON, "text/plain", b"1", Lines),
        (NDJSON, "application/json", b"[]", Lines),
        (NDJSON, "", b"1", Lines),
        (SSE, "text/event-stream", b"\n", ServerSentEvents),
        (SSE, "", b"\n", ServerSentEvents),
        (ARRAY, "application/json", b"[]", JsonArray),
        (ARRAY, "", b"[]", JsonArray),
    ],
)
def test_a_declared_format_is_taken_at_its_word(format_, content_type, body, framing):
    assert chosen(format_, content_type, body) == framing.__name__


@pytest.mark.parametrize(
    ("format_", "content_type"),
    [
        (DETECT, "text/plain"),
        (DETECT, "text/html"),
        (NDJSON, "text/event-stream"),
        (NDJSON, "text/html"),
        (SSE, "application/json"),
        (ARRAY, "application/x-ndjson"),
    ],
)
def test_a_content_type_that_contradicts_the_format_is_an_error(format_, content_type):
    with pytest.raises(CallError) as raised:
        chosen(format_, content_type)
    assert raised.value.reason is Reason.UPSTREAM_INVALID_ANSWER
    assert repr(content_type) in raised.value.message


def test_an_answer_that_may_be_single_is_also_one_value():
    single = {"may_be_single": True}
    assert chosen(SSE, "application/json", b"{}", **single) == "JsonValues"
    assert chosen(ARRAY, "application/json", b"{}", **single) == "JsonValues"
    assert chosen(ARRAY, "application/json", b"[]", **single) == "JsonArray"
    with pytest.raises(CallError):
        chosen(SSE, "text/html", **single)


def test_nothing_but_white_space_is_no_message():
    framing = choose_framing(StreamOptions(), "application/json", 100)
    assert messages_of(framing, [b"", b" ", b"\r\n"]) == []


@pytest.mark.parametrize("format_", Format)
def test_json_is_always_accepted_because_errors_are_json(format_):
    assert "application/json" in ACCEPT[format_]
