"""A streamed answer: its body in parts, the content coding undone."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from gateway.core.errors import CallError
from gateway.core.http import HttpStream
from gateway.downstream import errors
from gateway.downstream.coding import NO_CODING, DamagedError, Undone
from gateway.downstream.connection import Connection


class StreamedAnswer(HttpStream):
    """`core.http.HttpStream` over one connection's exchange.

    Args:
        connection: with the answer's headers.
        upstream: its name, for errors.
    """

    def __init__(self, connection: Connection, upstream: str) -> None:
        self.status = connection.status
        self.headers: Mapping[str, str] = connection.headers
        self._upstream = upstream
        self._connection: Connection | None = connection
        self._next_part: Callable[[], Awaitable[bytes]] = self._received
        coding = self.headers.get("content-encoding", "")
        if coding.strip().lower() not in NO_CODING:
            self._undone: Undone | DamagedError
            try:
                self._undone = Undone(self._received, coding)
            except DamagedError as error:
                self._undone = error
            self._next_part = self._next_undone

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives."""
        return _Chunks(self._next_part)

    async def read(self, max_bytes: int) -> bytes:
        """Return the whole body; a CallError if it is longer than `max_bytes`."""
        parts = []
        size = 0
        while part := await self._next_part():
            size += len(part)
            if size > max_bytes:
                raise errors.too_large(self._upstream, max_bytes)
            parts.append(part)
        return b"".join(parts)

    async def read_up_to(self, max_bytes: int) -> bytes:
        """Return the body's first `max_bytes`, or as many as can be read."""
        parts = []
        size = 0
        try:
            while size < max_bytes and (part := await self._next_part()):
                size += len(part)
                parts.append(part)
        except CallError:
            pass  # the status says more than a damaged error body could
        return b"".join(parts)[:max_bytes]

    def close(self) -> None:
        """Give the connection back if all of the answer has arrived, else close it."""
        if self._connection is not None:
            self._connection.finish()
            self._connection = None

    async def _received(self) -> bytes:
        if self._connection is None:
            raise RuntimeError("the answer has been closed")
        return await self._connection.next_part()

    async def _next_undone(self) -> bytes:
        try:
            if isinstance(self._undone, DamagedError):
                raise self._undone
            return await self._undone.next_part()
        except DamagedError as error:
            raise errors.not_readable(self._upstream, self.status, str(error)) from error


class _Chunks:
    # Not a generator: one that is left early would be closed by the event loop, some time later.
    def __init__(self, next_part: Callable[[], Awaitable[bytes]]) -> None:
        self._next_part = next_part

    def __aiter__(self) -> "_Chunks":
        return self

    async def __anext__(self) -> bytes:
        part = await self._next_part()
        if not part:
            raise StopAsyncIteration
        return part
