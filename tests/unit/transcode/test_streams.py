from collections.abc import AsyncIterator, Sequence

import pytest

from gateway.core.errors import CallError, Reason
from gateway.core.status import Code
from gateway.transcode.streams import lines


async def source(chunks: Sequence[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def cut(*chunks: bytes, max_bytes: int = 100) -> list[bytes]:
    return [line async for line in lines(source(chunks), max_bytes)]


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
async def test_body_is_cut_at_line_ends(chunks, found):
    assert await cut(*chunks) == found


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
async def test_line_over_the_cap_is_an_error(chunks):
    with pytest.raises(CallError) as raised:
        await cut(*chunks, max_bytes=10)
    assert raised.value.code is Code.RESOURCE_EXHAUSTED
    assert raised.value.reason is Reason.UPSTREAM_ANSWER_TOO_LARGE
    assert not raised.value.transient


async def test_line_of_the_cap_is_accepted():
    assert await cut(b"x" * 10 + b"\n" + b"y" * 10, max_bytes=10) == [b"x" * 10, b"y" * 10]


async def test_cap_is_of_a_line_and_not_of_the_stream():
    found = await cut(*[b"x" * 10 + b"\n"] * 1_000, max_bytes=10)
    assert len(found) == 1_000


async def test_lines_before_a_line_that_is_too_long_are_delivered():
    found = []
    with pytest.raises(CallError):
        async for line in lines(source([b"a\nb\n", b"x" * 11]), 10):
            found.append(line)  # noqa: PERF401
    assert found == [b"a", b"b"]


async def test_no_more_is_read_than_is_asked_for():
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield b"a\nb\n"

    stream = lines(endless(), 100)
    for _ in range(4):
        await anext(stream)
    assert read == 2
    await stream.aclose()


async def test_endless_line_is_given_up_at_the_cap():
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield b"x" * 100

    with pytest.raises(CallError):
        await anext(lines(endless(), 10_000))
    assert read == 101


async def test_error_of_the_source_comes_through():
    async def breaks() -> AsyncIterator[bytes]:
        yield b"a\nhal"
        raise ConnectionResetError

    stream = lines(breaks(), 100)
    assert await anext(stream) == b"a"
    with pytest.raises(ConnectionResetError):
        await anext(stream)
