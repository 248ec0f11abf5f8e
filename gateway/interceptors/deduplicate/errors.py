"""What a call is told that is not made because of its key."""

from gateway.core.errors import CallError, Origin, Reason, Sent
from gateway.core.status import Code
from gateway.interceptors.deduplicate.options import CallKey


def key_required(place: str) -> CallError:
    """Return the error of a call without a key; `place` is where it is looked for."""
    return CallError(
        Code.INVALID_ARGUMENT,
        Reason.KEY_REQUIRED,
        f"the method needs an idempotency key in {place}: a new one for each "
        "new thing to do, the same one to repeat it",
        origin=Origin.CALLER,
    )


def key_reused() -> CallError:
    """Return the error of a key that came with another request before."""
    return CallError(
        Code.INVALID_ARGUMENT,
        Reason.KEY_REUSED,
        "the idempotency key was used for another request; a new request needs a new key",
        origin=Origin.CALLER,
    )


def in_progress(retry_after_s: float) -> CallError:
    """Return the error of a call whose equal is under way."""
    return CallError(
        Code.ABORTED,
        Reason.IN_PROGRESS,
        "an equal call is already in progress; nothing was sent",
        transient=True,
        retry_after_s=retry_after_s,
        pushback_s=retry_after_s,
    )


def duplicate(left_s: float) -> CallError:
    """Return the error of a call within the window of one that is over."""
    return CallError(
        Code.ALREADY_EXISTS,
        Reason.DUPLICATE,
        "an equal call was made a moment ago; nothing was sent",
        retry_after_s=left_s,
    )


def unknown_name(record: bytes) -> str:
    """Return what operators know a call by (ListUnknownCalls, ResolveUnknownCall)."""
    return f"unknown-calls/{record.hex()}"


def outcome_unknown(key: CallKey, retry_after_s: float | None = None) -> CallError:
    """Return the error of a key whose call's effect nobody knows."""
    which = "an equal call a moment ago" if key.derived else "the call with this idempotency key"
    return CallError(
        Code.ABORTED,
        Reason.OUTCOME_UNKNOWN,
        f"nobody knows whether {which} had its effect: no answer came that says so. It is not "
        "sent again by itself; find out, or ask an operator to decide",
        retry_after_s=retry_after_s,
        sent=Sent.UNKNOWN,
        pushback_s=-1.0,
        known_to_operators=unknown_name(key.record),
    )


def store_unavailable(why: str, retry_after_s: float) -> CallError:
    """Return the error of a call that cannot be recorded."""
    return CallError(
        Code.UNAVAILABLE,
        Reason.STORE_UNAVAILABLE,
        f"the store of idempotency keys cannot be asked: {why}; nothing was sent",
        transient=True,
        retry_after_s=retry_after_s,
    )
