"""An upstream that does what no upstream should, one misbehaviour a path.

    async with Misbehaving() as upstream:
        … GET /v1/orders/reset-mid-body, then look at upstream.seen

Each behaviour writes to the socket and says whether the connection may go on; what
it may not is closed.
"""

import asyncio
import gzip
import re
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import brotli
from backports import zstd

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
Behaviour = Callable[[Reader, Writer], Awaitable[bool]]

MEBIBYTE = 1024 * 1024
BOMB_MEBIBYTES = 256
CERTIFICATE = Path(__file__).parents[1] / "unit" / "downstream" / "localhost.pem"
"""Self-signed: nobody vouches for it."""
ORDER = b'{"orderId": "1"}'


def head(*lines: str, status: str = "200 OK", media_type: str = "application/json") -> bytes:
    return "\r\n".join(
        (f"HTTP/1.1 {status}", f"Content-Type: {media_type}", *lines, "", "")
    ).encode()


def whole(body: bytes, *lines: str, media_type: str = "application/json") -> Behaviour:
    """Answer with `body` and its true length, and keep the connection."""
    return written(
        head(f"Content-Length: {len(body)}", *lines, media_type=media_type) + body, goes_on=True
    )


def written(answer: bytes, *, goes_on: bool = False) -> Behaviour:
    async def behave(_reader: Reader, writer: Writer) -> bool:
        writer.write(answer)
        await writer.drain()
        return goes_on

    return behave


def then_silent(answer: bytes) -> Behaviour:
    async def behave(reader: Reader, writer: Writer) -> bool:
        writer.write(answer)
        await reader.read()
        return False

    return behave


async def reset_mid_body(_reader: Reader, writer: Writer) -> bool:
    writer.write(head("Content-Length: 1000") + ORDER)
    await writer.drain()
    linger = b"\x01\0\0\0\0\0\0\0"
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()
    return False


def repeated(answer: bytes, part: bytes, *, times: int | None = None) -> Behaviour:
    """Write `part` over and over, for ever if `times` is None."""

    async def behave(_reader: Reader, writer: Writer) -> bool:
        writer.write(answer)
        left = times
        while left is None or left:
            writer.write(part)
            await writer.drain()
            left = None if left is None else left - 1
        return True

    return behave


async def a_byte_a_second(_reader: Reader, writer: Writer) -> bool:
    writer.write(head("Content-Length: 1000"))
    while True:
        writer.write(b" ")
        await writer.drain()
        # The misbehaviour itself: nobody waits for it, the deadline of the call ends it.
        await asyncio.sleep(1)


def bomb(coding: str) -> Behaviour:
    zeros = b" " * MEBIBYTE
    if coding == "gzip":
        # Members may follow each other; each stands for a mebibyte.
        coded = gzip.compress(zeros) * BOMB_MEBIBYTES
    elif coding == "zstd":
        coded = zstd.compress(zeros) * BOMB_MEBIBYTES
    else:
        compressor = brotli.Compressor(quality=1)
        coded = b"".join(compressor.process(zeros) for _ in range(BOMB_MEBIBYTES))
        coded += compressor.finish()
    return whole(coded, f"Content-Encoding: {coding}")


def redirected(reader_path: str) -> Behaviour:
    return written(
        head("Content-Length: 0", f"Location: {reader_path}", status="302 Found"), goes_on=True
    )


BEHAVIOURS: dict[str, Callable[[], Behaviour]] = {
    "good": lambda: whole(ORDER),
    "reset-mid-body": lambda: reset_mid_body,
    "length-too-long": lambda: written(head("Content-Length: 1000") + ORDER),
    "length-too-long-silent": lambda: then_silent(head("Content-Length: 1000") + ORDER),
    "length-too-short": lambda: written(head("Content-Length: 8") + ORDER, goes_on=True),
    "bytes-behind": lambda: written(head("Content-Length: 16") + ORDER * 2, goes_on=True),
    "two-lengths": lambda: written(head("Content-Length: 16", "Content-Length: 8") + ORDER),
    "length-and-chunked": lambda: written(
        head("Content-Length: 16", "Transfer-Encoding: chunked") + b"0\r\n\r\n"
    ),
    "truncated-json": lambda: whole(ORDER[:-4]),
    "html": lambda: whole(b"<html>It works!</html>", media_type="text/html"),
    "html-as-json": lambda: whole(b"<html>It works!</html>"),
    "100-mb-length": lambda: repeated(
        head(f"Content-Length: {100 * MEBIBYTE}"), b" " * MEBIBYTE, times=100
    ),
    "100-mb-chunked": lambda: repeated(
        head("Transfer-Encoding: chunked"), b"100000\r\n" + b" " * MEBIBYTE + b"\r\n", times=100
    ),
    "deep-json": lambda: whole(b'{"lines": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "deep-unknown-json": lambda: whole(b'{"other": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "byte-a-second": lambda: a_byte_a_second,
    "endless-body": lambda: repeated(head("Connection: close"), b" " * 65_536),
    "endless-header": lambda: repeated(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 65_536),
    "endless-headers": lambda: repeated(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 10_000),
    "endless-trailer": lambda: repeated(
        head("Transfer-Encoding: chunked") + b"0\r\nX: ", b"x" * 65_536
    ),
    "endless-continue": lambda: repeated(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000),
    "gzip-bomb": lambda: bomb("gzip"),
    "br-bomb": lambda: bomb("br"),
    "zstd-bomb": lambda: bomb("zstd"),
    "unknown-coding": lambda: whole(ORDER, "Content-Encoding: compress"),
    "damaged-gzip": lambda: whole(gzip.compress(ORDER)[:-4], "Content-Encoding: gzip"),
    "invalid-utf-8": lambda: whole(b'{"orderId": "\xff\xfe"}'),
    "100-continue": lambda: written(
        b"HTTP/1.1 100 Continue\r\n\r\n" + head(f"Content-Length: {len(ORDER)}") + ORDER,
        goes_on=True,
    ),
    "": lambda: redirected("/v1/orders"),
    "redirect-loop": lambda: redirected("/v1/orders/redirect-loop"),
    "no-answer": lambda: written(b""),
    "silent": lambda: then_silent(b""),
}


@dataclass(frozen=True)
class Seen:
    """A request. Attributes: behaviour. connection: its number, from 1."""

    behaviour: str
    connection: int


class Misbehaving:
    """A server on 127.0.0.1; attributes: url, tls_url, seen, open_connections.

    A request for "stale" is answered only on a connection of its own: one that was used
    before is closed without an answer.
    """

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.open_connections = 0
        self._connections = 0
        self._ready: dict[str, Behaviour] = {}

    async def __aenter__(self) -> "Misbehaving":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(CERTIFICATE)
        self._tls_server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        self.tls_url = f"https://localhost:{self._tls_server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        self._tls_server.close()

    def prepare(self, name: str) -> None:
        """Make what a behaviour sends before time is taken."""
        if name in BEHAVIOURS and name not in self._ready:
            self._ready[name] = BEHAVIOURS[name]()

    async def _serve(self, reader: Reader, writer: Writer) -> None:
        self._connections += 1
        self.open_connections += 1
        number, served = self._connections, 0
        try:
            while True:
                asked = await reader.readuntil(b"\r\n\r\n")
                match = re.match(rb"\w+ /v1/orders/?([\w-]*)", asked)
                name = match[1].decode() if match else ""
                self.seen.append(Seen(name, number))
                if name == "stale":
                    if served:
                        return
                    name = "good"
                self.prepare(name)
                served += 1
                if not await self._ready[name](reader, writer):
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open_connections -= 1
            writer.close()
