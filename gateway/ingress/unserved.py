"""Calls of methods that are not served: UNIMPLEMENTED, and as much on the record as any other.

Rules:
1. All of them are the one method "unknown/unknown" to logs, metrics and limits: what callers
   make up is no label. What was asked for is in the sentence that they are told.
2. They pass the gate and the access log, and need what `defaults.method.auth` and the listener
   ask of a call. Who may call nothing here learns nothing of what there is.
"""

from gateway.core.call import Call, MethodInfo
from gateway.core.errors import CallError, Origin, Reason
from gateway.core.outcome import Outcome, failed
from gateway.core.status import Code

UNSERVED = MethodInfo("unknown", "unknown")
_MAX_NAME = 200
"""Characters of a name that somebody made up."""


class UnservedCall(Call):
    """A call of a method that is not served."""

    __slots__ = ("refusal",)

    refusal: CallError


class UnservedTarget:
    """Answers them with what they are to be told."""

    async def __call__(self, call: Call) -> Outcome:
        """Refuse the call."""
        assert isinstance(call, UnservedCall)
        return failed(call.refusal)


def not_served(
    path: str, here: frozenset[str], elsewhere: frozenset[str], *, can_list: bool
) -> CallError:
    """Return why a method cannot be called.

    Args:
        path: that was asked for.
        here: services of this listener.
        elsewhere: those of others.
        can_list: whether reflection is served here.
    """
    service, _, method = path.lstrip("/")[:_MAX_NAME].partition("/")
    if service in here:
        text = f"{service} has no method {method!r} that is served here"
    elif service in elsewhere:
        text = f"{service} is not served on this address"
    else:
        text = f"there is no service {service!r} here"
    return CallError(
        Code.UNIMPLEMENTED,
        Reason.INVALID_REQUEST,
        f"{text}; grpcurl's 'list' shows what there is" if can_list else text,
        origin=Origin.CALLER,
    )
