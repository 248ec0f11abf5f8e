"""What callers are told who are not let in.

Rules:
1. No sentence holds any part of a credential.
2. What is told of a credential helps its owner and nobody else: that it is expired, or for
   somebody else, is told only of a token whose signature is right. A key that is not known
   and a signature that is wrong are told alike.
"""

from collections.abc import Collection

from gateway.core.errors import CallError, Origin, Reason, refused
from gateway.core.status import Code


def unauthenticated(message: str) -> CallError:
    """Return the error for a call without a credential that is known."""
    return CallError(Code.UNAUTHENTICATED, Reason.UNAUTHENTICATED, message, origin=Origin.CALLER)


def permission_denied(roles: Collection[str]) -> CallError:
    """Return the error for a caller who is known and has none of `roles`."""
    names = ", ".join(map(repr, sorted(roles)))
    needed = f"the role {names}" if len(roles) == 1 else f"one of the roles {names}"
    return CallError(
        Code.PERMISSION_DENIED,
        Reason.PERMISSION_DENIED,
        f"the caller needs {needed} and has not",
        origin=Origin.CALLER,
    )


def identity_unavailable(provider: str, retry_after_s: float) -> CallError:
    """Return the error for a token that nobody can verify now.

    Args:
        provider: whose keys are missing.
        retry_after_s: when they will have been asked for again.
    """
    return refused(
        Code.UNAVAILABLE,
        Reason.IDENTITY_UNAVAILABLE,
        f"the keys of identity provider {provider!r} cannot be had now, so the token cannot be "
        "verified",
        retry_after_s=retry_after_s,
    )
