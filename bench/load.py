"""A lean closed-loop gRPC load client: HTTP/2 over plain sockets, nothing else.

It keeps N unary calls in flight over a few connections and starts the next one as
soon as an answer is complete. It must not know what it calls: a path, the request's
bytes and the length that a good answer has are all it is given.

Rules:
1. Frames are prebuilt. The header block of a connection's first request fills the
   server's header table, every later one is a few indexed bytes, as with any client.
2. SETTINGS_HEADER_TABLE_SIZE is 0, so that the server's header blocks depend on
   nothing before them: equal blocks mean equal headers and are decoded once.
3. A call succeeds by grpc-status 0 and an answer of the expected length. Everything
   else is counted by what went wrong, and its latency is not recorded.
4. Every call that was started is waited for and counted; `elapsed_s` ends with the
   last answer. Silence longer than `stall_s` raises `LoadError`.

Formats: RFC 9113 (HTTP/2), `hpack.py` for header blocks, the gRPC protocol over HTTP/2.
"""

import selectors
import socket
import struct
import time
from array import array
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType

from bench.hpack import HeaderError, literals, request_blocks
from bench.order import METADATA

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _ACK, _END_HEADERS, _PADDED, _PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
_HEADER = struct.Struct(">HBBBI")  # length (16 + 8 bits), type, flags, stream
_LARGEST_WINDOW = 2**31 - 1
_FIRST_WINDOW = 65_535
_REFILL = 2**24
_LARGEST_REQUEST = 16_384 - 5
_READ = 256 * 1024
_CALL_TIMEOUT = "30S"


class LoadError(Exception):
    """The connection, not a call, failed: nothing that was measured can be used."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadOptions:
    """What is called and how hard.

    Args:
        path: "/package.Service/Method".
        request: the serialized request message.
        answer_bytes: length of the serialized answer; None accepts any.
        concurrency: calls in flight, all connections together.
        connections: at most `concurrency` are opened.
        stall_s: longest silence while calls are in flight.
    """

    path: str
    request: bytes
    answer_bytes: int | None = None
    concurrency: int = 64
    connections: int = 4
    stall_s: float = 10.0


@dataclass(slots=True)
class LoadResult:
    """What came of a run.

    Attributes:
        calls: completed, failed ones included.
        failures: how often each thing went wrong.
        latencies_s: of the successful calls, from sending to the last byte.
        elapsed_s: from the first request to the last answer.
    """

    calls: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    latencies_s: "array[float]" = field(default_factory=lambda: array("d"))
    elapsed_s: float = 0.0

    @property
    def failed(self) -> int:
        """How many calls failed."""
        return self.failures.total()

    def quantile_s(self, share: float) -> float:
        """Return the latency that `share` of the successful calls did not exceed."""
        ordered = sorted(self.latencies_s)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class LoadClient:
    """Open connections to one server; a context manager.

    Args:
        address: "HOST:PORT".
        options: what is called.
    """

    def __init__(self, address: str, options: LoadOptions) -> None:
        if len(options.request) > _LARGEST_REQUEST:
            raise ValueError(f"a request has at most {_LARGEST_REQUEST} bytes here: one frame")
        self.options = options
        self.result = LoadResult()
        self._left = 0.0
        self._ends_at = 0.0
        count = min(options.connections, options.concurrency)
        shares = [options.concurrency // count] * count
        for index in range(options.concurrency % count):
            shares[index] += 1
        self._connections: list[_Connection] = []
        try:
            for share in shares:
                self._connections.append(_Connection(self, address, share))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "LoadClient":
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        for connection in self._connections:
            connection.socket.close()

    def run(self, *, seconds: float = float("inf"), calls: float = float("inf")) -> LoadResult:
        """Start calls for `seconds` or until there were `calls`; return when all have ended.

        Raises:
            LoadError: a connection failed, or the server fell silent.
        """
        if seconds == calls == float("inf"):
            raise ValueError("a run needs an end: seconds or calls")
        self.result = LoadResult()
        self._left = calls
        began_at = time.perf_counter()
        self._ends_at = began_at + seconds
        with selectors.DefaultSelector() as selector:
            for connection in self._connections:
                selector.register(connection.socket, selectors.EVENT_READ, connection)
                connection.fill(began_at)
            while in_flight := sum(len(c.started) for c in self._connections):
                ready = selector.select(self.options.stall_s)
                if not ready:
                    raise LoadError(
                        f"silence for {self.options.stall_s:g} s with {in_flight} calls in flight"
                    )
                for key, _ in ready:
                    key.data.receive()
        self.result.elapsed_s = time.perf_counter() - began_at
        return self.result

    def take(self, now: float) -> bool:
        """Tell whether one more call may be started, and count it."""
        if self._left < 1 or now >= self._ends_at:
            return False
        self._left -= 1
        return True


class _Connection:
    """One HTTP/2 connection; `started` holds the instant of each call in flight."""

    def __init__(self, client: LoadClient, address: str, share: int) -> None:
        options = client.options
        self._client = client
        self._share = share
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host.strip("[]"), int(port)), options.stall_s)
        # Blocking without a timer of its own: it is read only when there is something to read.
        self.socket.settimeout(None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.started: dict[int, float] = {}
        self._received: dict[int, int] = {}
        self._verdicts: dict[bytes, str] = {}
        self._next_stream = 1
        self._window = _FIRST_WINDOW
        self._unacknowledged = 0
        self._rest = b""
        message = b"\0" + struct.pack(">I", len(options.request)) + options.request
        self._message = message
        self._data_start = _frame_start(_DATA, _END_STREAM, len(message))
        first, self._block = request_blocks(address, options.path, _CALL_TIMEOUT, METADATA)
        self._headers_start = _frame_start(_HEADERS, _END_HEADERS, len(self._block))
        self._first: tuple[bytes, bytes] | None = (
            _frame_start(_HEADERS, _END_HEADERS, len(first)),
            first,
        )
        expected = options.answer_bytes
        self._expected = None if expected is None else expected + 5
        settings = struct.pack(">HIHIHI", 0x1, 0, 0x2, 0, 0x4, _LARGEST_WINDOW)
        self.socket.sendall(
            _PREFACE
            + _frame(_SETTINGS, 0, 0, settings)
            + _window_update(_LARGEST_WINDOW - _FIRST_WINDOW)
        )

    def fill(self, now: float) -> None:
        """Start calls until this connection's share is in flight."""
        out: list[bytes] = []
        while (
            len(self.started) < self._share
            and self._window >= len(self._message)
            and self._client.take(now)
        ):
            self._start(now, out)
        if out:
            self.socket.sendall(b"".join(out))

    def _start(self, now: float, out: list[bytes]) -> None:
        stream = self._next_stream.to_bytes(4, "big")
        self.started[self._next_stream] = now
        self._received[self._next_stream] = 0
        self._next_stream += 2
        self._window -= len(self._message)
        start, block = self._first or (self._headers_start, self._block)
        self._first = None
        out += (start, stream, block, self._data_start, stream, self._message)

    def receive(self) -> None:
        """Read once, take in every whole frame, start what may be started."""
        data = self.socket.recv(_READ)
        now = time.perf_counter()
        if not data:
            raise LoadError("the server closed the connection")
        if self._rest:
            data = self._rest + data
        at, size = 0, len(data)
        while size - at >= 9:
            high, low, kind, flags, stream = _HEADER.unpack_from(data, at)
            begin = at + 9
            end = begin + (high << 8 | low)
            if end > size:
                break
            if kind == _DATA:
                self._received[stream] += end - begin
                self._unacknowledged += end - begin
                if flags & (_PADDED | _END_STREAM):
                    raise LoadError("a DATA frame that is padded, or ends the stream")
            elif kind == _HEADERS:
                if flags & _END_STREAM:
                    if flags & (_PADDED | _PRIORITY) or not flags & _END_HEADERS:
                        raise LoadError("a header block that is padded or in several frames")
                    self._ended(stream, data[begin:end], now)
            else:
                self._control(kind, flags, stream, data[begin:end])
            at = end
        self._rest = data[at:]
        if self._unacknowledged > _REFILL:
            self.socket.sendall(_window_update(self._unacknowledged))
            self._unacknowledged = 0
        self.fill(now)

    def _ended(self, stream: int, block: bytes, now: float) -> None:
        verdict = self._verdicts.get(block)
        if verdict is None:
            verdict = self._verdicts[block] = _verdict(block)
        latency_s = now - self.started.pop(stream)
        size = self._received.pop(stream)
        result = self._client.result
        result.calls += 1
        if verdict:
            result.failures[verdict] += 1
        elif self._expected is not None and size != self._expected:
            result.failures[f"an answer of {size - 5} bytes, not {self._expected - 5}"] += 1
        else:
            result.latencies_s.append(latency_s)

    def _control(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == _WINDOW_UPDATE:
            if stream == 0:
                self._window += int.from_bytes(payload, "big")
        elif kind == _SETTINGS:
            if not flags & _ACK:
                self.socket.sendall(_frame(_SETTINGS, _ACK, 0, b""))
        elif kind == _PING:
            if not flags & _ACK:
                self.socket.sendall(_frame(_PING, _ACK, 0, payload))
        elif kind == _RST_STREAM:
            if self.started.pop(stream, None) is not None:
                del self._received[stream]
                self._client.result.calls += 1
                code = int.from_bytes(payload, "big")
                self._client.result.failures[f"the stream was reset with code {code}"] += 1
        elif kind == _GOAWAY:
            raise LoadError(f"the server sent GOAWAY: {payload[8:].decode(errors='replace')!r}")


def _frame_start(kind: int, flags: int, length: int) -> bytes:
    return length.to_bytes(3, "big") + bytes((kind, flags))


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return _frame_start(kind, flags, len(payload)) + stream.to_bytes(4, "big") + payload


def _window_update(increment: int) -> bytes:
    return _frame(_WINDOW_UPDATE, 0, 0, increment.to_bytes(4, "big"))


def _verdict(block: bytes) -> str:
    """Return what the trailers say went wrong, "" for grpc-status 0."""
    try:
        headers = dict(literals(block))
    except HeaderError as error:
        raise LoadError(str(error)) from None
    status = headers.get(b"grpc-status")
    if status == b"0":
        return ""
    message = headers.get(b"grpc-message", b"").decode(errors="replace")
    return f"grpc-status {status.decode() if status is not None else 'missing'}: {message}"
