"""One HTTP/1.1 connection: a request goes out, its answer comes in, over and over.

Parsing happens where the bytes arrive (`data_received`), and a call awaits a single
future. The pool decides which call gets the connection; this file must not know how
many there are, nor what an answer means.

Rules:
1. One exchange at a time. `begin` writes the head; the exchange ends with a complete
   answer, a failure, or `abort`.
2. Of a streamed answer, reading is paused while more than 128 KiB wait for the reader.
3. The connection is used again if both sides are done, neither said `close`, and not a
   byte followed the answer. Bytes or an end of file while it waits unused close it.
4. An answer before the request has been written is the answer; the connection is
   closed behind it.
5. An answer that the connection ends under is broken off, unless it has no length. Of
   one that is read whole and is no 2xx, the status then stands with what there is.
6. What is neither head nor body (extensions of chunks, trailers) is bounded like a head.
"""

import asyncio
import select
from collections.abc import Coroutine
from typing import Protocol, cast

from gateway.core.http import HttpAnswer
from gateway.downstream import errors
from gateway.downstream.parse import STOPPED, AnswerParser
from gateway.downstream.tls import late_refusal

_HIGH_WATER_BYTES = 128 * 1024


class Keeper(Protocol):
    """Who owns connections."""

    name: str
    heard: int
    """Counts what arrived on any connection."""

    def connected(self, connection: "Connection") -> None:
        """Own a connection whose socket is open."""

    def released(self, connection: "Connection") -> None:
        """Take back a connection that can be used again."""

    def closing(self, connection: "Connection") -> None:
        """Forget a connection that cannot; its socket may still be open."""

    def lost(self, connection: "Connection") -> None:
        """Count a connection out: its socket is closed."""


class Connection(AnswerParser, asyncio.Protocol):
    """One connection to an upstream.

    Args:
        keeper: owns it.
        loop: the running event loop.
        max_header_bytes: of an answer's head, informational ones before it included.
    """

    __slots__ = (
        "_drained",
        "_keeper",
        "_loop",
        "_paused_reading",
        "_paused_writing",
        "_poll",
        "_quiet_bytes",
        "_transport",
        "_uploading",
        "busy",
        "connected",
        "exchanges",
        "expires_at",
        "idle_since",
        "over",
        "waiter",
    )

    def __init__(
        self, keeper: Keeper, loop: asyncio.AbstractEventLoop, max_header_bytes: int
    ) -> None:
        super().__init__(keeper.name, max_header_bytes)
        self._keeper = keeper
        self._loop = loop
        self._drained: asyncio.Future[None] | None = None
        self._paused_reading = self._paused_writing = False
        self.waiter: asyncio.Future[HttpAnswer | None] | None = None
        """What the call awaits: the whole answer, or None for "there is news"."""
        self.connected = False
        self.busy = False
        """Between `begin` and the end of the exchange."""
        self._uploading: asyncio.Task[None] | None = None
        self.over = False
        """Closed, or about to be."""
        self._poll: select.poll | None = None
        self.exchanges = 0
        self.expires_at = self.idle_since = 0.0

    # What a call does

    def begin(
        self, head: bytes, *, expects_no_body: bool, max_body: int | None, max_error: int
    ) -> "asyncio.Future[HttpAnswer | None]":
        """Write a request's head, or all of a small request, and begin to wait.

        Args:
            head: its bytes.
            expects_no_body: the verb is HEAD.
            max_body: bytes of a 2xx body collected whole; None streams the body.
            max_error: bytes kept of another body collected whole.

        Returns:
            A future of the whole answer, or of None once there are headers of an answer
            to be streamed.
        """
        self.exchanges += 1
        self.busy = True
        self._quiet_bytes = 0
        self._expect(no_body=expects_no_body, max_body=max_body, max_error=max_error)
        self._transport.write(head)
        self.waiter = waiter = self._loop.create_future()
        return waiter

    @property
    def untouched(self) -> bool:
        """Whether it had been used before and not one byte of this answer arrived."""
        return self.exchanges > 1 and not self._begun_bytes

    @property
    def stirred(self) -> bool:
        """Whether there is something to read already, or an end: asked of the kernel."""
        self._poll = self._poll or _poll_of(self._transport)
        return bool(self._poll.poll(0))

    def upload(self, body: Coroutine[None, None, None]) -> None:
        """Run what writes the request's body beside the exchange, until one of them ends."""
        self._uploading = self._loop.create_task(body)
        self._uploading.add_done_callback(self._upload_ended)

    def uploaded(self, last: bytes | memoryview) -> None:
        """Write the body's last part; nothing more of it will come."""
        if not (self.over or self.done):
            self._uploading = None
            self._transport.write(last)

    def _upload_ended(self, upload: "asyncio.Task[None]") -> None:
        error = None if upload.cancelled() else upload.exception()
        if self._uploading is not upload:
            return
        if isinstance(error, Exception):
            self.abort(error)
        elif error is not None or upload.cancelled():
            self.abort(errors.lost(self._upstream, asyncio.CancelledError("no more to send")))

    async def write(self, part: bytes | memoryview) -> bool:
        """Write a part of the request's body; False where no more is wanted."""
        if self.over or self.done:
            return False
        self._transport.write(part)
        if self._paused_writing:
            self._drained = self._loop.create_future()
            await self._drained
        return not (self.over or self.done)

    async def next_part(self) -> bytes:
        """Return what has arrived of a streamed body, b"" at its end."""
        while True:
            if parts := self._parts:
                self._parts, self._size = [], 0
                if self._paused_reading:
                    self._paused_reading = False
                    self._transport.resume_reading()
                return parts[0] if len(parts) == 1 else b"".join(parts)
            if self.failure is not None:
                raise self.failure
            if self.done:
                return b""
            self.waiter = self._loop.create_future()
            await self.waiter

    def finish(self) -> None:
        """End a streamed exchange: give the connection back, or close it."""
        if self.busy:
            if self.done:
                self._end()
            else:
                self.abort()

    def abort(self, why: Exception | None = None) -> None:
        """Close the socket at once; a call that waits is told `why`."""
        if not self.over:
            self.over = True
            self._keeper.closing(self)
            self._transport.abort()
        if why is not None:
            self._fail(why)
        self._end_upload()
        self._wake_writer()

    # What the transport does

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)
        self.connected = True
        self._keeper.connected(self)

    def data_received(self, data: bytes) -> None:
        """Parse what arrived, and tell the call where that changes anything for it."""
        if not self.busy or self.done:
            self._keep = False  # nobody asked for it
            if not self.busy:
                self.abort()
            return
        size_before = self._size
        self._begun_bytes += len(data)
        self._keeper.heard += 1
        try:
            self._parser.feed_data(data)
        except STOPPED:
            self._keep = False
            if not self.done:
                self._broken(self.failure or errors.not_http(self._upstream))
                return
        if self.done:
            self._completed()
        elif not self._head_done:
            if self._begun_bytes > self._max_header_bytes:
                self._broken(errors.not_http(self._upstream))
        elif self._size == size_before:
            # Chunk extensions and trailers, which nobody needs.
            self._quiet_bytes += len(data)
            if self._quiet_bytes > self._max_header_bytes and not self._until_close:
                self._broken(errors.not_http(self._upstream))
            else:
                self._tell()
        else:
            self._quiet_bytes = 0
            if self._size > _HIGH_WATER_BYTES and not self.whole and not self._paused_reading:
                self._paused_reading = True
                self._transport.pause_reading()
            self._tell()

    def eof_received(self) -> bool:
        """End a body that ends with the connection."""
        if self.busy and self._until_close and not self.done:
            self.done = True
            self._completed()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it out, and tell the call that waits."""
        if not self.over:
            self.over = True
            self._keeper.closing(self)
        name = self._upstream
        if self.busy and (self.whole or not self.done):
            self.done = False
            if exc is not None and not (_is_end(exc) and self._head_done):
                refusal = None if self._head_done else late_refusal(name, exc)
                self._broken(refusal or errors.lost(name, exc))
            elif self._head_done:
                self._broken(errors.broken_off(name))
            else:
                self._broken(errors.unanswered(name))
        self._end_upload()
        self._wake_writer()
        del self._parser  # it holds this protocol, and this protocol it
        self._keeper.lost(self)

    def pause_writing(self) -> None:
        """Hold an upload back."""
        self._paused_writing = True

    def resume_writing(self) -> None:
        """Let an upload go on."""
        self._paused_writing = False
        self._wake_writer()

    # What follows from it

    def _completed(self) -> None:
        if not self.whole:
            self._tell()
            self._wake_writer()  # which then sees that no more is wanted
            return
        parts = self._parts
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        if len(body) > self._limit:
            body = body[: self._limit]  # of an error
        waiter, self.waiter = self.waiter, None
        answer = HttpAnswer(self.status, self.headers, body)
        self._end()
        if waiter is not None and not waiter.done():
            waiter.set_result(answer)

    def _end(self) -> None:
        self.busy = False
        if self._uploading is not None or not self._keep or self.over:
            self.abort()
            return
        self._renew()
        if self._paused_reading:
            self._paused_reading = False
            self._transport.resume_reading()
        self._keeper.released(self)

    def _tell(self) -> None:
        if not self.whole and (waiter := self.waiter) is not None and not waiter.done():
            waiter.set_result(None)

    def _broken(self, why: Exception) -> None:
        """End the exchange, whose answer will not arrive whole."""
        if self.whole and self._head_done and not 200 <= self.status < 300:
            self._keep, self.done = False, True  # the status says more than the rest of its body
            self._completed()
        else:
            self.abort(why)

    def _fail(self, why: Exception) -> None:
        if self.busy and not self.done:
            self.failure = why
            if (waiter := self.waiter) is not None and not waiter.done():
                waiter.set_exception(why)

    def _end_upload(self) -> None:
        if (upload := self._uploading) is not None:
            self._uploading = None
            upload.cancel()

    def _wake_writer(self) -> None:
        if (drained := self._drained) is not None:
            self._drained = None
            if not drained.done():
                drained.set_result(None)


def _is_end(error: BaseException) -> bool:
    """Whether a failure of the connection is no more than its end."""
    return isinstance(error, ConnectionResetError | BrokenPipeError)


def _poll_of(transport: asyncio.Transport) -> "select.poll":
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return poll
