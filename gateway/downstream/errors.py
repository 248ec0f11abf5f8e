"""The HTTP client's exceptions as CallErrors, in this one place.

What matters to a retry is whether the upstream can have seen the request: a
connection that never came to be is NOT_SENT, one that broke is UNKNOWN.
"""

import asyncio
import os
import ssl

import aiohttp

from gateway.core.errors import CallError, Origin, Reason, Sent
from gateway.core.status import Code

FOREIGN = (aiohttp.ClientError, asyncio.TimeoutError, OSError, UnicodeError)
"""What the client raises; UnicodeError is for a host name that DNS cannot carry."""


def translate(error: BaseException, upstream: str) -> CallError:
    """Return the CallError for an exception of the HTTP client."""
    code, reason, sent, transient, text = _classify(error)
    return CallError(
        code,
        reason,
        f"upstream {upstream!r} {text}",
        origin=Origin.UPSTREAM,
        sent=sent,
        transient=transient,
        upstream=upstream,
    )


def _classify(error: BaseException) -> tuple[Code, Reason, Sent, bool, str]:
    unsent = Sent.NOT_SENT
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return (
            Code.UNAVAILABLE,
            Reason.UPSTREAM_UNRESOLVED,
            unsent,
            True,
            f"does not resolve: no address for {error.host!r}",
        )
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        cause = error.__cause__ or getattr(error, "os_error", None) or error
        return Code.UNAVAILABLE, Reason.UPSTREAM_TLS, unsent, False, f"fails TLS: {_short(cause)}"
    if isinstance(error, aiohttp.ClientConnectorError) and "SSL" in str(error.os_error):
        text = f"fails TLS at {error.host}:{error.port}; does it speak http and not https?"
        return Code.UNAVAILABLE, Reason.UPSTREAM_TLS, unsent, False, text
    if isinstance(error, aiohttp.ClientConnectorError):
        text = f"is not reachable at {error.host}:{error.port}: {_why(error.os_error)}"
        return Code.UNAVAILABLE, Reason.UPSTREAM_UNREACHABLE, unsent, True, text
    if isinstance(error, UnicodeError):
        text = "does not resolve: its host is not a name that DNS can carry"
        return Code.UNAVAILABLE, Reason.UPSTREAM_UNRESOLVED, unsent, False, text
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        text = "is not reachable: connecting took too long"
        return Code.UNAVAILABLE, Reason.UPSTREAM_UNREACHABLE, unsent, True, text
    if isinstance(error, aiohttp.InvalidURL):
        text = "cannot be asked: the request has no valid URL"
        return Code.INTERNAL, Reason.INTERNAL, unsent, False, text
    if isinstance(error, aiohttp.ClientResponseError):
        # What the client says of it quotes the answer's bytes.
        text = "sent an answer that is not HTTP, or has a header that is too large"
        return Code.INTERNAL, Reason.UPSTREAM_INVALID_ANSWER, Sent.ANSWERED, False, text
    if isinstance(error, aiohttp.ServerDisconnectedError):
        text = "closed the connection before it answered"
        return Code.UNAVAILABLE, Reason.UPSTREAM_RESET, Sent.UNKNOWN, True, text
    if isinstance(error, aiohttp.ClientPayloadError):
        text = "broke off in the middle of its answer"
        return Code.UNAVAILABLE, Reason.UPSTREAM_RESET, Sent.UNKNOWN, True, text
    text = f"lost the connection: {_short(error)}"
    return Code.UNAVAILABLE, Reason.UPSTREAM_RESET, Sent.UNKNOWN, True, text


def _why(error: OSError) -> str:
    # What asyncio says itself repeats the address; of several addresses it says all.
    return os.strerror(error.errno).lower() if error.errno else "none of its addresses answers"


def _short(what: object) -> str:
    if isinstance(what, ssl.SSLCertVerificationError):
        return what.verify_message or "certificate verify failed"
    if isinstance(what, OSError) and what.strerror:
        return what.strerror[:200]
    return " ".join(str(what).split())[:200] or type(what).__name__
