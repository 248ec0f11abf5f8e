import pytest
from unit.transcode.framing.parts import messages_of

from gateway.core.errors import CallError, Reason
from gateway.transcode.framing.events import ServerSentEvents


def events(*parts: bytes, max_bytes: int = 100, names=(), end: str = "") -> list[bytes]:
    return messages_of(ServerSentEvents(max_bytes, names, end), parts)


@pytest.mark.parametrize("line_end", [b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ([], []),
        (["", ""], []),
        (["data: a", ""], [b"a"]),
        (["data:a", ""], [b"a"]),
        (["data:  a ", ""], [b" a "]),
        (["data: a", "data: b", "", "data: c", ""], [b"a\nb", b"c"]),
        (["data: a", "data", "data:", "data: b", ""], [b"a\n\n\nb"]),
        (["data", "", "data:", ""], []),
        ([": comment", ":", "data: a", ":x", ""], [b"a"]),
        (["id: 7", "retry: 10", "event: x", "unknown: y", "data: a", ""], [b"a"]),
        (["event: x", "", "data: a", ""], [b"a"]),
        (["data: a:b", ""], [b"a:b"]),
        (["DATA: a", " data: b", "data : c", ""], []),
        (["data: é", ""], ["é".encode()]),
    ],
)
def test_the_data_of_each_event_is_a_message(lines, found, line_end):
    body = b"".join(line.encode() + line_end for line in lines)
    assert events(body) == found
    assert events(*(body[i : i + 1] for i in range(len(body)))) == found


def test_line_ends_may_be_mixed():
    assert events(b"data: a\r\ndata: b\rdata: c\n\r\n\rdata: d\n\n") == [b"a\nb\nc", b"d"]


def test_an_event_is_there_with_the_first_byte_of_its_empty_line():
    framing = ServerSentEvents(100)
    assert list(framing.feed(b"data: a\r\n\r")) == [b"a"]
    assert list(framing.feed(b"\ndata: b\r\n")) == []
    assert list(framing.feed(b"\r")) == [b"b"]


def test_a_byte_order_mark_is_dropped_in_front_only():
    mark = "\ufeff".encode()
    assert events(mark + b"data: a\n\n") == [b"a"]
    assert events(mark[:2], mark[2:] + b"data: a\n\n") == [b"a"]
    assert events(b"\n" + mark + b"data: a\n\n") == []


def test_events_of_other_names_are_skipped():
    body = b"event: x\ndata: 1\n\ndata: 2\n\nevent: message\ndata: 3\n\nevent: y\ndata: 4\n\n"
    assert events(body, names=["x"]) == [b"1"]
    assert events(body, names=["x", "message"]) == [b"1", b"2", b"3"]
    assert events(b"event: y\nevent: x\ndata: 1\n\n", names=["x"]) == [b"1"]
    assert events(b"event: y\nevent\ndata: 1\n\n", names=["message"]) == [b"1"]


def test_the_end_of_the_stream_is_said_by_any_event_and_nothing_behind_it_is_read():
    body = b"event: x\ndata: 1\n\nevent: end\ndata: bye\n\n\xff\xff" + b"x" * 1_000
    assert events(body, names=["x"], end="bye") == [b"1"]
    assert events(b"data: bye\n\n") == [b"bye"]
    framing = ServerSentEvents(100, (), "bye")
    assert list(framing.feed(b"data: bye now\n\n")) == [b"bye now"]
    assert not framing.finished
    assert list(framing.feed(b"data: bye\n\ndata: more\n\n")) == []
    assert framing.finished


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"data: a\n", [b"a"]),
        (b"data: a\nid: 3", [b"a"]),
        (b"data: a\n: comm", [b"a"]),
        (b"event: x", []),
        (b"event: x\n", []),
        (b": comment", []),
        (b"data: a\n\ndata: [DONE]", [b"a"]),
        (b"data:[DONE]\n", []),
    ],
)
def test_what_the_end_leaves_open_counts_where_its_lines_are_whole(body, found):
    assert events(body, end="[DONE]") == found


@pytest.mark.parametrize(
    "body", [b"data: a", b"data", b"da", b"data: b\ndata: c", b"\xef\xbb\xbfd"]
)
def test_data_whose_line_does_not_end_was_cut_short(body):
    with pytest.raises(CallError) as raised:
        events(body)
    assert raised.value.reason is Reason.UPSTREAM_RESET
    assert "in the middle of an event" in raised.value.message


@pytest.mark.parametrize(
    "parts",
    [
        [b"data: 12345678901"],
        [b"data: 1234567", b"8901\n"],
        [b": 12345678901234567"],
        [b"data: 123456\n", b"data: 12345\n"],
        [b"data:\n" * 13],
    ],
)
def test_a_line_and_an_event_over_the_cap_are_errors(parts):
    with pytest.raises(CallError) as raised:
        events(*parts, max_bytes=11)
    assert raised.value.reason is Reason.UPSTREAM_ANSWER_TOO_LARGE


def test_the_cap_is_of_an_event_and_not_of_the_stream():
    assert events(*[b"data: 12345\n\n"] * 1_000, max_bytes=11) == [b"12345"] * 1_000
    assert events(b"data: 12345\ndata: 12345\n\n", max_bytes=11) == [b"12345\n12345"]
