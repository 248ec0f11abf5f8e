"""The HTTP/1.1 client of one endpoint of an upstream.

Where it stands: `transcode/target.py` → here → `pool.py` (which connection) →
`connection.py` (one exchange). Made for the least work a call: the head is joined
from prepared text and goes out in one write, the answer is parsed where it arrives,
and the call awaits one future. It must not know grpc, protobuf or policies of calls.

Rules:
1. A request waits for a place among `max_connections` within its call's deadline,
   in the order of arrival (`pool.py`).
2. A cancelled request closes its connection at once. So does an answer that was not
   read to its end, a failure, and an answer that came before the whole request was
   sent.
3. What failed before a byte of the request was handed to a socket is NOT_SENT,
   everything later UNKNOWN, until there is an answer.
4. A stale connection costs a safe request nothing: where a connection that had been
   used before closes without a byte of an answer, a request of a safe verb (RFC 9110,
   section 9.2.1) is sent again, once, on a connection that is made for it. Nothing
   else is ever repeated here, nor is a request of a method that is declared
   NOT_IDEMPOTENT. PUT, DELETE, POST and PATCH look before they leap: a kept
   connection is used only if the kernel has no end of it.
5. Bodies are read in bounded parts; what counts is the size after decompression, and
   reading stops where the limit is passed, or a length says that it will be.
6. A request body that is an iterator is sent in chunks as fast as the socket takes
   them. What it raises is what the call raises; the connection is then closed.
7. What a request waited for its connection (a place, a name, TCP, TLS) is taken off the
   time that it tells the upstream; so is what an earlier sending of it took, here or on the
   way to where it was redirected.
8. Redirects are not followed here (`redirects.py`), cookies not kept, proxies of the
   environment not used, and no compression is asked for.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.core.clock import Clock, Rng
from gateway.core.errors import CallError, Reason
from gateway.core.http import HttpAnswer, HttpRequest
from gateway.downstream.answer import StreamedAnswer
from gateway.downstream.connection import Connection
from gateway.downstream.options import ClientOptions
from gateway.downstream.pool import Pool
from gateway.downstream.wire import LAST_CHUNK, RequestHead, chunk

_ONE_WRITE_BYTES = 64 * 1024
_SAFE_VERBS = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
_TIME_LEFT = "x-server-timeout"
"""Says how long the upstream has, in seconds."""
_LEAST_S = 0.001


class Http1Client:
    """`core.http.HttpClient` of one upstream. Must be made on the running event loop.

    Args:
        options: the upstream's.
        clock: for time limits and ages.
        rng: shortens ages.
        pool: its connections; of its own where there is none.
    """

    def __init__(
        self, options: ClientOptions, clock: Clock, rng: Rng, pool: Pool | None = None
    ) -> None:
        self.name = options.name
        self._head = RequestHead(options.name, options.url)
        self._clock = clock
        self._pool = pool or Pool(options, clock, rng)

    async def fetch(
        self, request: HttpRequest, *, max_body_bytes: int, max_error_bytes: int
    ) -> HttpAnswer:
        """Send `request` and return the answer, read whole."""
        connection, answer = await self._ask(request, max_body_bytes, max_error_bytes)
        if answer is not None:
            return answer
        streamed = StreamedAnswer(connection, self.name)
        try:
            if 200 <= streamed.status < 300:
                body = await streamed.read(max_body_bytes)
            else:
                body = await streamed.read_up_to(max_error_bytes)
        except BaseException:
            connection.abort()
            raise
        streamed.close()
        return HttpAnswer(streamed.status, streamed.headers, body)

    @asynccontextmanager
    async def open(self, request: HttpRequest) -> AsyncIterator[StreamedAnswer]:
        """Send `request`; entering waits for the answer's headers."""
        connection, _ = await self._ask(request, None, 0)
        streamed = StreamedAnswer(connection, self.name)
        try:
            yield streamed
        except BaseException:
            connection.abort()
            raise
        finally:
            streamed.close()

    async def _ask(
        self, request: HttpRequest, max_body_bytes: int | None, max_error_bytes: int
    ) -> tuple[Connection, HttpAnswer | None]:
        """Return the whole answer, or None with a connection that has its headers."""
        body, method = request.body, request.method
        if request.told_at is None:
            request.told_at = self._clock.now()
        else:
            self._take_off(request)
        head = self._head.write(request)
        at_once, later = b"", None
        if body is not None:
            if isinstance(body, bytes) and len(body) <= _ONE_WRITE_BYTES:
                at_once = body
            else:
                later = body
        safe = request.repeatable and method in _SAFE_VERBS
        repeatable = safe and (later is None or isinstance(later, bytes))
        connection = self._pool.take(sure=not safe)
        if connection is None:
            connection, head = await self._wait(request, sure=not safe)
        while True:
            waiter = connection.begin(
                head + at_once,
                expects_no_body=method == "HEAD",
                max_body=max_body_bytes,
                max_error=max_error_bytes,
            )
            try:
                if later is not None:
                    connection.upload(_body(connection, later))
                return connection, await waiter
            except BaseException as error:
                if connection.waiter is waiter:  # else it serves somebody else by now
                    connection.abort()
                if not (repeatable and connection.untouched and _is_reset(error)):
                    raise
            repeatable = False
            try:
                connection, head = await self._wait(request, fresh=True)
            except asyncio.CancelledError as cancelled:
                cancelled.__cause__ = None  # it was sent once
                raise

    async def _wait(
        self, request: HttpRequest, *, sure: bool = False, fresh: bool = False
    ) -> tuple[Connection, bytes]:
        """Return a connection that had to be waited for, and the head as it is then."""
        connection = await self._pool.wait(sure=sure, fresh=fresh)
        self._take_off(request)
        return connection, self._head.write(request)

    def _take_off(self, request: HttpRequest) -> None:
        """Tell the upstream that it has less time, by what has passed since it was told."""
        now = self._clock.now()
        if request.told_at is not None:
            _take_off(request.headers, now - request.told_at)
        request.told_at = now

    async def close(self) -> None:
        """Close every connection, and fail every request that waits or is under way."""
        await self._pool.close()


def _take_off(headers: dict[str, str], waited_s: float) -> None:
    """Tell the upstream that it has `waited_s` less, where it is told anything."""
    told = headers.get(_TIME_LEFT)
    if told is None:
        return
    try:
        left_s = float(told) - waited_s
    except ValueError:  # a policy's own words
        return
    headers[_TIME_LEFT] = f"{max(_LEAST_S, left_s):.3f}"


def _is_reset(error: BaseException) -> bool:
    return isinstance(error, CallError) and error.reason is Reason.UPSTREAM_RESET


async def _body(connection: Connection, body: bytes | AsyncIterator[bytes]) -> None:
    """Write a body that does not go out with its head."""
    if isinstance(body, bytes):
        view = memoryview(body)
        while len(view) > _ONE_WRITE_BYTES:
            if not await connection.write(view[:_ONE_WRITE_BYTES]):
                return
            view = view[_ONE_WRITE_BYTES:]
        connection.uploaded(view)
        return
    try:
        async for part in body:
            if part and not await connection.write(chunk(part)):
                return
        connection.uploaded(LAST_CHUNK)
    finally:
        if (close := getattr(body, "aclose", None)) is not None:
            await close()
