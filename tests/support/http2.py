"""An HTTP/2 client of bytes, for what no gRPC library would do: it reads or acknowledges
only what a test lets it.
"""

import asyncio
import struct
from collections import Counter
from dataclasses import dataclass
from typing import Self

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
ACK = END_STREAM = 1
END_HEADERS = 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
ENHANCE_YOUR_CALM = 11


@dataclass
class Frame:
    """One frame as it came."""

    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def error(self) -> int:
        """Return the error code of a GOAWAY."""
        code: int = struct.unpack(">I", self.payload[4:8])[0]
        return code


class Http2Client:
    """One connection.

    Attributes:
        got: frames so far, by kind.
        goaway: the last GOAWAY.
        closed: set when the other side has closed.
        answers_pings: whether the server's are acknowledged.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._next = 1
        self._task: asyncio.Task[None] | None = None
        self.got: Counter[int] = Counter()
        self.goaway: Frame | None = None
        self.closed = asyncio.Event()
        self.answers_pings = True

    @classmethod
    async def connect(cls, address: str, *, greet: bool = True) -> Self:
        """Connect and, with `greet`, send the preface."""
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=64 * 1024)
        client = cls(reader, writer)
        if greet:
            writer.write(PREFACE)
            client.send(SETTINGS, 0, 0, b"")
        return client

    def read(self) -> None:
        """Take in what comes from now on, without ever giving back window."""
        self._task = asyncio.create_task(self._read())

    async def close(self) -> None:
        """Close the connection."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._writer.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    def write(self, raw: bytes) -> None:
        """Send bytes."""
        self._writer.write(raw)

    def send(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        """Send a frame."""
        head = struct.pack(">I", len(payload))[1:] + bytes((kind, flags))
        self._writer.write(head + struct.pack(">I", stream) + payload)

    def ping(self) -> None:
        """Send a PING."""
        self.send(PING, 0, 0, bytes(8))

    def call(self, path: str, message: bytes = b"", timeout: str = "") -> int:
        """Begin a call with one message; return its stream."""
        stream, self._next = self._next, self._next + 2
        headers = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", "localhost"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            *([("grpc-timeout", timeout)] if timeout else []),
        ]
        self.send(HEADERS, END_HEADERS, stream, b"".join(map(_literal, headers)))
        self.send(DATA, END_STREAM, stream, struct.pack(">BI", 0, len(message)) + message)
        return stream

    def reset(self, stream: int) -> None:
        """Reset a call (CANCEL)."""
        self.send(RST_STREAM, 0, stream, bytes((0, 0, 0, 8)))

    async def _read(self) -> None:
        try:
            while True:
                head = await self._reader.readexactly(9)
                size = int.from_bytes(head[:3], "big")
                stream = int.from_bytes(head[5:], "big")
                self._take(Frame(head[3], head[4], stream, await self._reader.readexactly(size)))
        except (asyncio.IncompleteReadError, ConnectionError):
            self.closed.set()

    def _take(self, frame: Frame) -> None:
        self.got[frame.kind] += 1
        if frame.kind == SETTINGS and not frame.flags & ACK:
            self.send(SETTINGS, ACK, 0, b"")
        elif frame.kind == PING and not frame.flags & ACK and self.answers_pings:
            self.send(PING, ACK, 0, frame.payload)
        elif frame.kind == GOAWAY:
            self.goaway = frame


def _literal(header: tuple[str, str]) -> bytes:
    """Return one header, not indexed, not packed (RFC 7541, 6.2.2)."""
    name, value = (part.encode() for part in header)
    return b"\x00" + bytes((len(name),)) + name + bytes((len(value),)) + value
