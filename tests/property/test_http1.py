"""Laws of the HTTP client: where an answer is cut does not matter, and nothing hangs or leaks."""

import asyncio
import gzip
import random

import pytest
from support.upstream import RawUpstream
from unit.downstream.sockets import Reader, Writer, head, request

from gateway.core.clock import SystemClock, system_rng
from gateway.core.errors import CallError, Origin, Reason
from gateway.core.http import HttpAnswer
from gateway.downstream.http1 import Http1Client
from gateway.downstream.options import ClientOptions

SEED = 20261122
BODY = bytes(range(256)) * 20
COUNTS = pytest.mark.parametrize("count", [400, pytest.param(10_000, marks=pytest.mark.full)])


def chunked(body: bytes, rng: random.Random) -> bytes:
    out = b""
    while body:
        size = rng.randint(1, len(body))
        extension = rng.choice([b"", b";x=y", b';q="a b"'])
        out += b"%x%b\r\n%b\r\n" % (size, extension, body[:size])
        body = body[size:]
    return out + b"0\r\n" + rng.choice([b"", b"Trailer: x\r\n"]) + b"\r\n"


def valid_answer(rng: random.Random) -> tuple[bytes, int, bytes, bool]:
    """Return an answer, its status, its body, and whether it ends with the connection."""
    before = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * rng.choice([0, 0, 1, 3])
    status = rng.choice([200, 200, 201, 204, 304, 404, 503])
    lines = b"HTTP/1.1 %d Some Reason\r\nX-A: 1\r\nx-a: 2\r\nEmpty:\r\n" % status
    if status in (204, 304):
        return before + lines + b"\r\n", status, b"", False
    body = BODY[: rng.randint(0, len(BODY))]
    sent = body
    if rng.random() < 0.3:
        lines += b"Content-Encoding: gzip\r\n"
        sent = gzip.compress(body)
    form = rng.choice(["length", "chunked", "close"])
    if form == "length":
        answer = lines + b"Content-Length: %d\r\n\r\n" % len(sent) + sent
    elif form == "chunked":
        answer = lines + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(sent, rng)
    else:
        answer = lines + b"\r\n" + sent
    return before + answer, status, body, form == "close"


def damaged(answer: bytes, rng: random.Random) -> bytes:
    made = bytearray(answer)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(made) + 1)
        match rng.randrange(4):
            case 0:
                made[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                del made[at : at + rng.randint(1, 30)]
            case 2:
                made[at:at] = rng.choice([b"\r\n", b"\0", b"Content-Length: 3\r\n", b"\xff" * 9])
            case _:
                made += answer[: rng.randrange(len(answer))]
    return bytes(made)


class Told:
    """Answers each request with what `answer` is then, in pieces."""

    def __init__(self, rng: random.Random) -> None:
        self.answer, self.closes = b"", False
        self._rng = rng

    async def __call__(self, reader: Reader, writer: Writer) -> None:
        while await head(reader):
            left = self.answer
            while left:
                size = self._rng.choice([1, 2, 10, 100, 10_000])
                writer.write(left[:size])
                left = left[size:]
                for _ in range(self._rng.choice([0, 0, 3])):
                    await asyncio.sleep(0)
            if self.closes:
                return


async def fetched(client: Http1Client, streamed: bool) -> HttpAnswer:
    if not streamed:
        return await client.fetch(request(), max_body_bytes=100_000, max_error_bytes=100_000)
    async with client.open(request()) as answer:
        body = b"".join([part async for part in answer.chunks()])
        return HttpAnswer(answer.status, answer.headers, body)


@COUNTS
async def test_an_answer_is_the_same_wherever_it_is_cut(count: int):
    rng = random.Random(SEED)
    told = Told(rng)
    async with RawUpstream(told) as upstream:
        client = Http1Client(
            ClientOptions(name="shop", url=upstream.url), SystemClock(), system_rng()
        )
        for i in range(count):
            told.answer, status, body, told.closes = valid_answer(rng)
            got = await fetched(client, streamed=i % 2 == 0)
            assert (got.status, got.body) == (status, body)
            assert got.headers["x-a"] == "1, 2"
        assert len(client._pool._all) == client._pool._open <= 1
        await client.close()


@COUNTS
async def test_a_damaged_answer_never_hangs_and_never_leaks(count: int):
    rng = random.Random(SEED + 1)
    told = Told(rng)
    ends = set()
    async with RawUpstream(told) as upstream:
        client = Http1Client(
            ClientOptions(name="shop", url=upstream.url), SystemClock(), system_rng()
        )
        idle_tasks = len(asyncio.all_tasks())
        for i in range(count):
            told.answer, told.closes = damaged(valid_answer(rng)[0], rng), True
            try:
                async with asyncio.timeout(5):
                    await fetched(client, streamed=i % 2 == 0)
                ends.add("answer")
            except CallError as error:
                ends.add((error.origin, error.reason))
        assert ends == {
            "answer",
            (Origin.UPSTREAM, Reason.UPSTREAM_INVALID_ANSWER),
            (Origin.UPSTREAM, Reason.UPSTREAM_RESET),
        }
        async with asyncio.timeout(10):
            while client._pool._all or len(asyncio.all_tasks()) > idle_tasks:
                await asyncio.sleep(0.001)
        assert client._pool._open == 0
        await client.close()
