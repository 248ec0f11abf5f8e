"""Whether an operation may have had an effect, and what one that is cancelled is told of that."""

from gateway.core.errors import CallError, Reason, Sent
from gateway.core.status import Code
from gateway.core.stored import UnreadableError, unpack
from gateway.state.operations import Kept


def was_begun(kept: Kept, attempts: int) -> bool:
    """Tell whether an operation may have had an effect.

    Args:
        kept: it.
        attempts: that counted so far.
    """
    if attempts > 0 or kept.progress:
        return True
    if not kept.last_error:
        return False
    try:
        error = unpack(kept.last_error).outcome.error
    except UnreadableError:
        return True
    return error is not None and error.sent is not Sent.NOT_SENT


def cancelled_error(*, begun: bool) -> CallError:
    """Return what a cancelled operation answers."""
    what = "; an attempt had begun, and may have had its effect" if begun else " before it was sent"
    return CallError(
        Code.CANCELLED,
        Reason.CANCELLED,
        f"the operation was cancelled{what}",
        sent=Sent.UNKNOWN if begun else Sent.NOT_SENT,
    )
