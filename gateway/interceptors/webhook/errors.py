"""What a sender is told whose request is not let through."""

from gateway.core.errors import CallError, Origin, Reason
from gateway.core.status import Code

_SOON_S = 1.0


def not_signed(why: str) -> CallError:
    """Return the error of a request that is not signed as it should be."""
    return CallError(Code.UNAUTHENTICATED, Reason.SIGNATURE_INVALID, why, origin=Origin.CALLER)


def answered_before() -> CallError:
    """Return the error of a request that was answered."""
    return CallError(
        Code.ALREADY_EXISTS,
        Reason.REPLAYED,
        "a request with this signature was answered before",
        origin=Origin.CALLER,
    )


def under_way() -> CallError:
    """Return the error of a request while one with the same signature is under way."""
    return CallError(
        Code.ABORTED,
        Reason.REPLAYED,
        "a request with this signature is under way",
        origin=Origin.CALLER,
        transient=True,
        retry_after_s=_SOON_S,
    )
