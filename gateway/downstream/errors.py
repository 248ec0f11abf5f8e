"""What goes wrong between the gateway and an upstream, as CallErrors, in this one place.

What matters to a retry is whether the upstream can have seen the request: a
connection that never came to be is NOT_SENT, one that broke is UNKNOWN.
"""

import os
import ssl

from gateway.core.errors import CallError, Origin, Reason, Sent
from gateway.core.status import Code


def _error(
    upstream: str,
    text: str,
    reason: Reason,
    sent: Sent = Sent.NOT_SENT,
    code: Code = Code.UNAVAILABLE,
    transient: bool = True,
) -> CallError:
    return CallError(
        code,
        reason,
        f"upstream {upstream!r} {text}",
        origin=Origin.UPSTREAM,
        sent=sent,
        transient=transient,
        upstream=upstream,
    )


def unresolved(upstream: str, host: str) -> CallError:
    """The resolver knows no address."""
    text = f"does not resolve: no address for {host!r}"
    return _error(upstream, text, Reason.UPSTREAM_UNRESOLVED)


def slow_to_resolve(upstream: str, host: str) -> CallError:
    """The resolver did not answer in time."""
    text = f"does not resolve: no answer for {host!r} in time"
    return _error(upstream, text, Reason.UPSTREAM_UNRESOLVED)


def no_name(upstream: str) -> CallError:
    """The host is nothing that can be asked for."""
    text = "does not resolve: its host is not a name that DNS can carry"
    return _error(upstream, text, Reason.UPSTREAM_UNRESOLVED, transient=False)


def slow_to_connect(upstream: str) -> CallError:
    """No address answered in time."""
    text = "is not reachable: connecting took too long"
    return _error(upstream, text, Reason.UPSTREAM_UNREACHABLE)


def unreachable(upstream: str, at: str, error: OSError) -> CallError:
    """No address accepted."""
    return _error(upstream, f"is not reachable at {at}: {_why(error)}", Reason.UPSTREAM_UNREACHABLE)


def no_place(upstream: str, max_connections: int) -> CallError:
    """The gateway's own connections were all in use until the request's time was over."""
    return CallError(
        Code.RESOURCE_EXHAUSTED,
        Reason.CONCURRENCY_LIMIT,
        f"all {max_connections} connections of the gateway to upstream {upstream!r} are in use:"
        " it never sent the request; pool.max_connections bounds them",
        transient=True,
        upstream=upstream,
    )


def turned_away(upstream: str) -> CallError:
    """The connection was closed as soon as it was made."""
    text = "is not reachable: it closed the connection at once"
    return _error(upstream, text, Reason.UPSTREAM_UNREACHABLE)


def no_tls(upstream: str, error: ssl.SSLError) -> CallError:
    """TLS was not agreed on."""
    text = f"fails TLS: {_short(error)}"
    return _error(upstream, text, Reason.UPSTREAM_TLS, transient=False)


def unanswered(upstream: str) -> CallError:
    """The connection ended before the answer's headers had."""
    text = "closed the connection before it answered"
    return _error(upstream, text, Reason.UPSTREAM_RESET, Sent.UNKNOWN)


def broken_off(upstream: str) -> CallError:
    """The connection ended before the answer did."""
    text = "broke off in the middle of its answer"
    return _error(upstream, text, Reason.UPSTREAM_RESET, Sent.UNKNOWN)


def lost(upstream: str, error: BaseException) -> CallError:
    """The connection failed under the request."""
    text = f"lost the connection: {_short(error)}"
    return _error(upstream, text, Reason.UPSTREAM_RESET, Sent.UNKNOWN)


def not_http(upstream: str) -> CallError:
    """What arrived is no answer; its bytes are not quoted."""
    text = "sent an answer that is not HTTP, or has a header that is too large"
    reason = Reason.UPSTREAM_INVALID_ANSWER
    return _error(upstream, text, reason, Sent.ANSWERED, Code.INTERNAL, transient=False)


def not_readable(upstream: str, status: int, why: str) -> CallError:
    """The answer's body is not what its headers say."""
    text = f"answered {status}, but {why}"
    reason = Reason.UPSTREAM_INVALID_ANSWER
    error = _error(upstream, text, reason, Sent.ANSWERED, Code.INTERNAL, transient=False)
    error.http_status = status
    return error


def too_large(upstream: str, max_bytes: int) -> CallError:
    """The answer's body is longer than it may be."""
    return CallError(
        Code.RESOURCE_EXHAUSTED,
        Reason.UPSTREAM_ANSWER_TOO_LARGE,
        f"the answer of upstream {upstream!r} is larger than {max_bytes} bytes",
        origin=Origin.UPSTREAM,
        sent=Sent.ANSWERED,
        upstream=upstream,
    )


def closed(upstream: str, sent: Sent) -> CallError:
    """The gateway is ending, and its connections with it."""
    return CallError(
        Code.UNAVAILABLE,
        Reason.DRAINING,
        f"the gateway closed its connections to upstream {upstream!r}",
        sent=sent,
        transient=True,
        upstream=upstream,
    )


def _why(error: OSError) -> str:
    # What asyncio says itself repeats the address; of several addresses it says all.
    return os.strerror(error.errno).lower() if error.errno else "none of its addresses answers"


def _short(what: object) -> str:
    if isinstance(what, ssl.SSLCertVerificationError):
        return what.verify_message or "certificate verify failed"
    if isinstance(what, OSError) and what.strerror:
        return what.strerror[:200]
    return " ".join(str(what).split())[:200] or type(what).__name__
