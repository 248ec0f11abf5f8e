"""The HTTP client of one upstream, on aiohttp.

Rules:
1. One pool an upstream; a request waits for a free connection within its call's
   deadline.
2. A cancelled request closes its connection. So does an answer that was not read
   to its end.
3. Bodies are read in bounded parts; what counts is the size after decompression.
4. Redirects are not followed, cookies not kept, proxies of the environment not used.
5. One call of `fetch` or `open` sends one request, once. Whether it is repeated is
   decided where attempts are counted.
"""

import io
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from yarl import URL

from gateway.core.errors import CallError, Origin, Reason, Sent
from gateway.core.http import HttpAnswer, HttpRequest, HttpStream
from gateway.core.status import Code
from gateway.downstream.errors import FOREIGN, translate
from gateway.downstream.inflate import DamagedError, Inflated

_LARGE_BODY = 256 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientOptions:
    """One upstream's connections.

    Args:
        name: of the upstream.
        url: base URL, http or https, without query or fragment.
        max_connections: open at once.
        connect_timeout_s: to connect, TLS included.
        idle_timeout_s: how long an unused connection is kept.
        ca_file: PEM of the authorities to trust; the system's if None.
    """

    name: str
    url: str
    max_connections: int = 256
    connect_timeout_s: float = 2.0
    idle_timeout_s: float = 30.0
    ca_file: str | None = None


class AiohttpClient:
    """`core.http.HttpClient` on aiohttp. Must be made on the running event loop."""

    def __init__(self, options: ClientOptions) -> None:
        self.name = options.name
        base = URL(options.url)
        self._origin = str(base.origin())
        self._prefix = base.raw_path.rstrip("/")
        context: ssl.SSLContext | bool = True
        if options.ca_file is not None:
            context = ssl.create_default_context(cafile=options.ca_file)
        self._session = aiohttp.ClientSession(
            middlewares=(self._send_once,),
            connector=aiohttp.TCPConnector(
                limit=options.max_connections,
                keepalive_timeout=options.idle_timeout_s,
                ssl=context,
                ttl_dns_cache=10,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept", "Content-Type"),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=options.connect_timeout_s),
        )

    async def fetch(
        self, request: HttpRequest, *, max_body_bytes: int, max_error_bytes: int
    ) -> HttpAnswer:
        """Send `request` and return the answer, read whole."""
        answer = await self._send(request)
        try:
            if 200 <= answer.status < 300:
                body = await answer.read(max_body_bytes)
            else:
                body = await answer.read_up_to(max_error_bytes)
            return HttpAnswer(answer.status, answer.headers, body)
        finally:
            answer.close()

    @asynccontextmanager
    async def open(self, request: HttpRequest) -> AsyncIterator["_Answer"]:
        """Send `request`; entering waits for the answer's headers."""
        answer = await self._send(request)
        try:
            yield answer
        finally:
            answer.close()

    async def _send(self, request: HttpRequest) -> "_Answer":
        url = URL(f"{self._origin}{self._prefix}{request.target}", encoded=True)
        headers = request.headers
        headers["accept-encoding"] = "identity"
        body: bytes | io.BytesIO | None = request.body
        if request.body is not None and len(request.body) > _LARGE_BODY:
            body = io.BytesIO(request.body)  # sent in parts, to give the event loop its turns
        try:
            response = await self._session.request(
                request.method, url, headers=headers, data=body, allow_redirects=False
            )
        except FOREIGN as error:
            raise translate(error, self.name) from error
        return _Answer(response, self.name)

    async def _send_once(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        # The session repeats a request of an idempotent verb whose connection closed, but it
        # knows only its own errors.
        try:
            return await handler(request)
        except FOREIGN as error:
            raise translate(error, self.name) from error

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()


class _Answer(HttpStream):
    def __init__(self, response: aiohttp.ClientResponse, upstream: str) -> None:
        self._response = response
        self._upstream = upstream
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        coding = response.headers.get("content-encoding")
        self.next_part = self._received if coding is None else self._next_of(coding)
        """Returns the next part of the body, b"" at its end."""

    def chunks(self) -> AsyncIterator[bytes]:
        return _Chunks(self)

    async def read(self, max_bytes: int) -> bytes:
        """Return the whole body; a CallError if it is longer than `max_bytes`."""
        body = await self.next_part()
        size = len(body)
        parts = [body]
        while size <= max_bytes:
            part = await self.next_part()
            if not part:
                return body if len(parts) == 1 else b"".join(parts)
            size += len(part)
            parts.append(part)
        raise CallError(
            Code.RESOURCE_EXHAUSTED,
            Reason.UPSTREAM_ANSWER_TOO_LARGE,
            f"the answer of upstream {self._upstream!r} is larger than {max_bytes} bytes",
            origin=Origin.UPSTREAM,
            sent=Sent.ANSWERED,
            upstream=self._upstream,
        )

    async def read_up_to(self, max_bytes: int) -> bytes:
        body = b""
        try:
            while len(body) < max_bytes and (part := await self.next_part()):
                body += part
        except CallError:
            pass  # the status says more than a damaged error body could
        return body[:max_bytes]

    def close(self) -> None:
        """Give the connection back if all of the answer has arrived, else close it."""
        if self._response.content.is_eof():
            self._response.release()
        else:
            self._response.close()

    async def _received(self) -> bytes:
        try:
            return await self._response.content.readany()
        except FOREIGN as error:
            raise translate(error, self._upstream) from error

    def _next_of(self, content_encoding: str) -> Callable[[], Awaitable[bytes]]:
        coding = content_encoding.strip().lower()
        if coding in ("identity", ""):
            return self._received
        if coding in ("gzip", "x-gzip", "deflate"):
            inflated = Inflated(self._received, coding)

            async def next_inflated() -> bytes:
                try:
                    return await inflated.next_part()
                except DamagedError as error:
                    raise self._invalid(str(error)) from error

            return next_inflated

        async def refuse() -> bytes:
            raise self._invalid(f"its body is encoded as {coding[:40]!r}, which was not asked for")

        return refuse

    def _invalid(self, text: str) -> CallError:
        return CallError(
            Code.INTERNAL,
            Reason.UPSTREAM_INVALID_ANSWER,
            f"upstream {self._upstream!r} answered {self.status}, but {text}",
            origin=Origin.UPSTREAM,
            sent=Sent.ANSWERED,
            http_status=self.status,
            upstream=self._upstream,
        )


class _Chunks:
    # Not a generator: one that is left early would be closed by the event loop, some time later.
    def __init__(self, answer: _Answer) -> None:
        self._answer = answer

    def __aiter__(self) -> "_Chunks":
        return self

    async def __anext__(self) -> bytes:
        part = await self._answer.next_part()
        if not part:
            raise StopAsyncIteration
        return part
