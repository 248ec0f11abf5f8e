import pytest
from unit.transcode.framing.parts import messages_of

from gateway.core.errors import CallError, Reason
from gateway.core.status import Code
from gateway.transcode.framing.lines import Lines


def cut(*parts: bytes, max_bytes: int = 100) -> list[bytes]:
    return messages_of(Lines(max_bytes), parts)


@pytest.mark.parametrize(
    ("chunks", "found"),
    [
        ([], []),
        ([b""], []),
        ([b"\n\r\n  \n\t\n"], []),
        ([b"a\nb\n"], [b"a", b"b"]),
        ([b"a\nb"], [b"a", b"b"]),
        ([b"a\r\nb\r\n"], [b"a", b"b"]),
        ([b"a\r", b"\nb"], [b"a", b"b"]),
        ([b"a", b"", b"b", b"\n", b"c"], [b"ab", b"c"]),
        ([b" a \n\n\n b"], [b"a", b"b"]),
        ([b"a\n", b"\n", b"b\n"], [b"a", b"b"]),
        ([b'{"x":"a\\nb"}\n'], [b'{"x":"a\\nb"}']),
        ([b"\xe2\x80", b"\xa8\n"], [b"\xe2\x80\xa8"]),
        ([b"a\rb\n"], [b"a\rb"]),
    ],
)
def test_body_is_cut_at_line_ends(chunks, found):
    assert cut(*chunks) == found


@pytest.mark.parametrize(
    "chunks",
    [
        [b"x" * 11],
        [b"x" * 11 + b"\n"],
        [b"x" * 6, b"x" * 6],
        [b"x" * 6, b"x" * 5 + b"\n"],
        [b"ok\n" + b"x" * 11 + b"\nok\n"],
    ],
)
def test_line_over_the_cap_is_an_error(chunks):
    with pytest.raises(CallError) as raised:
        cut(*chunks, max_bytes=10)
    assert raised.value.code is Code.RESOURCE_EXHAUSTED
    assert raised.value.reason is Reason.UPSTREAM_ANSWER_TOO_LARGE
    assert not raised.value.transient


def test_line_of_the_cap_is_accepted():
    assert cut(b"x" * 10 + b"\n" + b"y" * 10, max_bytes=10) == [b"x" * 10, b"y" * 10]


def test_cap_is_of_a_line_and_not_of_the_stream():
    found = cut(*[b"x" * 10 + b"\n"] * 1_000, max_bytes=10)
    assert len(found) == 1_000


def test_lines_before_a_line_that_is_too_long_are_delivered():
    found = []
    lines = Lines(10)
    with pytest.raises(CallError):
        found.extend(lines.feed(b"a\nb\n"))
        found.extend(lines.feed(b"x" * 11))
    assert found == [b"a", b"b"]


def test_endless_line_is_given_up_at_the_cap():
    lines = Lines(10_000)
    for _ in range(100):
        assert not list(lines.feed(b"x" * 100))
    with pytest.raises(CallError):
        list(lines.feed(b"x"))


def test_byte_order_mark_is_dropped_in_front_only():
    mark = "\ufeff".encode()
    assert cut(mark[:1], mark[1:] + b"1\n2") == [b"1", b"2"]
    assert cut(mark + b"1") == [b"1"]
    assert cut(b"1\n" + mark + b"2") == [b"1", mark + b"2"]
