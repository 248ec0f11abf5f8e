"""Following an upstream's redirects, within the upstream.

Stands around an HTTP client of the upstream's bare origin, and only where the policy
allows redirects at all; what it does not follow is returned as the answer it is.

Rules:
1. At most `max_redirects` for one request; the one after that is the answer. A loop
   ends so too.
2. Only to the same scheme, host and port, whatever way the Location says so:
   credentials and connections are the upstream's own.
3. 307 and 308 repeat the request, unless its body was a stream. 301, 302 and 303 are
   followed for GET and HEAD only (RFC 9110, section 15.4).
4. A Location is a URI reference (RFC 3986, section 4.1) of printable ASCII, without
   userinfo and backslashes, of at most 16 KiB; its fragment is dropped. Any other is
   not followed.
"""

import dataclasses
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urljoin, urlsplit

from gateway.core.http import HttpAnswer, HttpClient, HttpRequest, HttpStream
from gateway.downstream.options import ClientOptions

_MAX_LOCATION_BYTES = 16 * 1024
_REFERENCE = re.compile(r"[!#-;=?-\[\]_a-z~]*")
"""What a URI may be written with; no space, quote, `<`, `>`, `\\`, `^`, backtick, `{`, `|`, `}`."""
_USUAL_PORTS = {"http": 80, "https": 443}


def following(options: ClientOptions, new: Callable[[ClientOptions], HttpClient]) -> HttpClient:
    """Return a client that follows redirects, around one of `new` for the bare origin."""
    bare = at_origin(options)
    prefix = urlsplit(options.url).path.rstrip("/")
    return RedirectingClient(new(bare), bare.url, prefix, options.max_redirects)


def at_origin(options: ClientOptions) -> ClientOptions:
    """Return the options of the same upstream without its URL's path."""
    parts = urlsplit(options.url)
    return dataclasses.replace(options, url=f"{parts.scheme}://{parts.netloc}")


class RedirectingClient:
    """`core.http.HttpClient` that follows redirects.

    Args:
        inner: of the origin, without a path.
        origin: scheme, host and port.
        prefix: path put before every target.
        max_redirects: followed for one request.
    """

    def __init__(self, inner: HttpClient, origin: str, prefix: str, max_redirects: int) -> None:
        self.name = inner.name
        self._inner = inner
        self._origin = origin
        self._prefix = prefix
        self._max_redirects = max_redirects

    async def fetch(
        self, request: HttpRequest, *, max_body_bytes: int, max_error_bytes: int
    ) -> HttpAnswer:
        """Send `request`, and on to where it is sent; return the last answer."""
        request = self._begun(request)
        for left in range(self._max_redirects, -1, -1):
            answer = await self._inner.fetch(
                request, max_body_bytes=max_body_bytes, max_error_bytes=max_error_bytes
            )
            if not left or (onward := self._onward(request, answer)) is None:
                break
            request = onward
        return answer

    @asynccontextmanager
    async def open(self, request: HttpRequest) -> AsyncIterator[HttpStream]:
        """Send `request`, and on; entering waits for the last answer's headers."""
        request = self._begun(request)
        for left in range(self._max_redirects, -1, -1):
            async with self._inner.open(request) as answer:
                if not left or (onward := self._onward(request, answer)) is None:
                    yield answer
                    return
            request = onward

    async def close(self) -> None:
        """Close every connection."""
        await self._inner.close()

    def _begun(self, request: HttpRequest) -> HttpRequest:
        target = self._prefix + request.target
        return HttpRequest(
            request.method, target, request.headers, request.body, request.repeatable
        )

    def _onward(self, request: HttpRequest, answer: HttpAnswer | HttpStream) -> HttpRequest | None:
        status = answer.status
        if status in (307, 308):
            if not isinstance(request.body, bytes | None):
                return None
        elif status not in (301, 302, 303) or request.method not in ("GET", "HEAD"):
            return None
        target = redirected(self._origin, request.target, answer.headers.get("location", ""))
        return None if target is None else dataclasses.replace(request, target=target)


def redirected(origin: str, target: str, location: str) -> str | None:
    """Return the path and query that a Location leads to, None where it is not followed.

    Args:
        origin: scheme, host and port of the upstream.
        target: path and query of the request that was answered.
        location: the header's value.
    """
    location = location.strip(" \t")
    if not location or len(location) > _MAX_LOCATION_BYTES or not _REFERENCE.fullmatch(location):
        return None
    try:
        parts = urlsplit(urljoin(origin + target, location))
        if "@" in parts.netloc or _origin_of(origin) != _origin_of(parts.geturl()):
            return None
    except ValueError:  # a port or an IPv6 address that is none
        return None
    path = parts.path or "/"
    return f"{path}?{parts.query}" if parts.query else path


def _origin_of(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _USUAL_PORTS.get(parts.scheme)
