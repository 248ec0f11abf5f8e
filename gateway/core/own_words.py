"""What people are told of each of the gateway's own reasons, where no catalog says more.

Rules:
1. An action that depends on the failure (when to come back, whether at all) is not written
   here: it follows from the failure itself.
2. Who should not come back is told nothing else: where the catalog says that a failure is
   final, an action that says "again" is not that of this failure.

docs/errors.md has the same words in its table.
"""

from collections.abc import Mapping
from math import ceil

from gateway.core.errors import CallError, Reason, Words

OWN_WORDS: Mapping[Reason, Words] = {
    reason: Words(title=title, action=action)
    for reason, title, action in (
        (Reason.UPSTREAM_STATUS, "The service answered with an error", ""),
        (
            Reason.UPSTREAM_UNRESOLVED,
            "The service cannot be found",
            "Check the upstream's host name in the gateway's configuration.",
        ),
        (
            Reason.UPSTREAM_UNREACHABLE,
            "The service cannot be reached",
            "Check that the upstream is running.",
        ),
        (
            Reason.UPSTREAM_TLS,
            "The service's certificate is not accepted",
            "Check the upstream's certificate and the gateway's ca_file.",
        ),
        (Reason.UPSTREAM_RESET, "The connection to the service broke", ""),
        (
            Reason.UPSTREAM_INVALID_ANSWER,
            "The service sent an unexpected answer",
            "Tell the owner of the service.",
        ),
        (
            Reason.UPSTREAM_ANSWER_TOO_LARGE,
            "The answer is too large",
            "Ask for less, or raise sizes.max_response_bytes.",
        ),
        (Reason.ATTEMPT_TIMEOUT, "The service was too slow", ""),
        (
            Reason.DEADLINE_EXCEEDED,
            "The time for this call ran out",
            "Allow more time, or try again.",
        ),
        (Reason.INVALID_REQUEST, "The request is not valid", "Correct the request."),
        (Reason.REQUEST_TOO_LARGE, "The request is too large", "Send less."),
        (Reason.DRAINING, "The gateway is shutting down", "Try again on a new connection."),
        (Reason.INTERNAL, "The gateway failed", "Tell the operators of the gateway."),
        (Reason.CANCELLED, "The call was cancelled", "Call again if you still need the answer."),
        (Reason.STREAM_IDLE, "The service stopped sending", ""),
        (Reason.BREAKER_OPEN, "The service is failing", ""),
        (Reason.NO_ENDPOINT, "The service cannot be reached", ""),
        (Reason.CONCURRENCY_LIMIT, "The service is busy", ""),
        (Reason.PACED, "The service is sent as much as it takes", ""),
        (Reason.OVERLOADED, "The gateway is busy", ""),
        (Reason.QUORUM_MISSED, "Too few parts of the answer arrived", ""),
        (Reason.SERIALIZED, "Too many calls for the same key", ""),
        (Reason.RATE_LIMITED, "Too many calls", ""),
        (Reason.UNAUTHENTICATED, "Who calls is not known", "Send a valid credential."),
        (
            Reason.PERMISSION_DENIED,
            "This caller may not do this",
            "Ask for the role that it needs.",
        ),
        (
            Reason.SIGNATURE_INVALID,
            "The signature is not right",
            "Sign the raw body with the shared secret, now.",
        ),
        (Reason.REPLAYED, "This request was sent before", ""),
        (
            Reason.CREDENTIAL_UNAVAILABLE,
            "The gateway has no credential for the service",
            "Tell the operators of the gateway.",
        ),
        (Reason.IDENTITY_UNAVAILABLE, "Who calls cannot be looked up", ""),
        (Reason.STORE_UNAVAILABLE, "A store that the gateway needs does not answer", ""),
        (Reason.IN_PROGRESS, "An equal call is in progress", ""),
        (Reason.DUPLICATE, "An equal call was made a moment ago", "Nothing is to be done."),
        (
            Reason.OUTCOME_UNKNOWN,
            "Nobody knows whether it was done",
            "Find out whether it was done, or ask the operators of the gateway.",
        ),
        (
            Reason.KEY_REUSED,
            "The idempotency key was used for something else",
            "Use a new key for a new request.",
        ),
        (
            Reason.KEY_REQUIRED,
            "The idempotency key is missing",
            "Send a key, the same one whenever you repeat the call.",
        ),
        (
            Reason.OPERATION_UNKNOWN,
            "There is no such operation",
            "Check the name, and that the same caller asks who began it.",
        ),
        (
            Reason.ATTEMPTS_SPENT,
            "It was tried as often as it may be",
            "Tell the operators of the gateway.",
        ),
        (Reason.OPERATIONS_FULL, "Too many operations wait already", ""),
    )
}


_SAYS_AGAIN = frozenset((Reason.DEADLINE_EXCEEDED, Reason.DRAINING))
"""Reasons whose written action is for a failure that passes."""
_FOR_GOOD: Mapping[Reason, str] = {
    Reason.DEADLINE_EXCEEDED: "Allow more time.",
    Reason.RATE_LIMITED: "Ask for less at once.",  # by itself more than the limit ever allows
    Reason.REPLAYED: "Sign and send it anew.",
}
"""What to do where the same call will never be let through."""


def final_action(error: CallError) -> str:
    """Return what to do about a failure that is final, "" where what is written says it."""
    return action_for(error) if error.reason in _SAYS_AGAIN else ""


def action_for(error: CallError) -> str:
    """Return what to do about a failure that nobody has written an action for."""
    if error.retry_after_s is not None:
        seconds = max(1, ceil(error.retry_after_s))
        return f"Try again in {seconds} second{'s' * (seconds != 1)}."
    if error.transient:
        return "Try again."
    if error.http_status is not None and 400 <= error.http_status < 500:
        return "Correct the request."
    return _FOR_GOOD.get(error.reason, "Tell the owner of the service.")
