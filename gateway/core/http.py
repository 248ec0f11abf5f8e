"""The seam between a REST target and the HTTP client behind it.

`transcode` builds requests and reads answers, `downstream` moves them; neither
imports the other. Failures of the transport are raised as `CallError`.

A request that is cancelled before a byte of it was handed to a socket says so: the cause
of the CancelledError is the CallError of what it waited for (`unsent`).
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from gateway.core.errors import CallError


@dataclass(slots=True)
class HttpRequest:
    """One request.

    Args:
        method: "GET".
        target: path and query, percent-encoded, beginning with "/"; the
            upstream's base path is put before it.
        headers: names in lower case.
        body: None for no body at all, and then no Content-Type; an iterator for one
            that is still being made, sent in parts as they come (chunked). A request
            with such a body can be sent once. It is asked for a part when there is room for
            it, and its answer may arrive meanwhile. An iterator that raises, and an answer
            that ends first, end the sending and close the connection.
    """

    method: str
    target: str
    headers: dict[str, str]
    body: bytes | AsyncIterator[bytes] | None = None
    repeatable: bool = True
    """Whether a request of a safe verb may be sent again where its connection was stale."""
    told_at: float | None = None
    """When the time that the headers tell was true, in monotonic seconds. The client's own:
    what passes from then on, in a redirect or a second sending, it takes off."""


@dataclass(slots=True)
class HttpAnswer:
    """An answer read whole, its content coding undone."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def unsent(ended: BaseException) -> CallError | None:
    """Return what a request still waited for when it was cancelled.

    Args:
        ended: the CancelledError, or what was raised from it.

    Returns:
        None where it may have been sent, or nobody knows.
    """
    while (cause := ended.__cause__) is not None:
        if isinstance(cause, CallError):
            return cause
        ended = cause
    return None


class HttpStream(Protocol):
    """An answer whose body is still arriving."""

    status: int
    headers: Mapping[str, str]

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives, its content coding undone.

        Reading is what lets more come: a reader that stops stops the upstream.
        """

    async def read_up_to(self, max_bytes: int) -> bytes:
        """Return the body's first `max_bytes`; the rest is not read."""


class HttpClient(Protocol):
    """Sends requests to one upstream over pooled connections.

    A cancelled call closes its connection; one whose answer was not read to the
    end never goes back to the pool.
    """

    name: str
    """The upstream's name."""

    async def fetch(
        self, request: HttpRequest, *, max_body_bytes: int, max_error_bytes: int
    ) -> HttpAnswer:
        """Send `request` and return the answer, read whole.

        A 2xx body longer than `max_body_bytes` is a CallError; of any other
        answer the first `max_error_bytes` are kept.
        """

    def open(self, request: HttpRequest) -> AbstractAsyncContextManager[HttpStream]:
        """Send `request`; entering waits for the answer's headers."""

    async def close(self) -> None:
        """Close every connection."""
