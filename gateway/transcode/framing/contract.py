"""What every framing keeps, and the errors that all of them can end with.

1. `feed(part)` yields the messages that end in `part`, in their order; `end()` those
   that the end of the body completes.
2. Where the body is cut into parts makes no difference to the messages.
3. What is kept between parts is less than one message of `max_bytes`; a longer one is
   an error as soon as that is certain, and never cut.
4. The messages before an error are yielded first.
5. Once `finished`, what follows in the body is not looked at.
"""

from collections.abc import Iterator
from typing import Protocol

from gateway.core.errors import CallError, Origin, Reason, Sent
from gateway.core.status import Code


class Framing(Protocol):
    """Cuts one body into the texts of its messages."""

    finished: bool
    """Whether the body said that no message follows."""

    def feed(self, part: bytes) -> Iterator[bytes]:
        """Yield the messages that end in `part`.

        Raises:
            CallError: the body is not framed so, or a message is too long.
        """

    def end(self) -> Iterator[bytes]:
        """Yield what the end of the body completes.

        Raises:
            CallError: the body ends where it must not.
        """


def too_long(max_bytes: int) -> CallError:
    """Return the error for a message of more than `max_bytes`."""
    return CallError(
        Code.RESOURCE_EXHAUSTED,
        Reason.UPSTREAM_ANSWER_TOO_LARGE,
        f"a message of the upstream's stream is larger than {max_bytes} bytes",
        origin=Origin.UPSTREAM,
        sent=Sent.ANSWERED,
    )


def misframed(text: str) -> CallError:
    """Return the error for a stream that is not what its format says; `text` tells why."""
    return CallError(
        Code.INTERNAL,
        Reason.UPSTREAM_INVALID_ANSWER,
        f"the upstream's stream {text}",
        origin=Origin.UPSTREAM,
        sent=Sent.ANSWERED,
    )


def cut_short(text: str) -> CallError:
    """Return the error for a stream that ends too early: as if its connection broke."""
    return CallError(
        Code.UNAVAILABLE,
        Reason.UPSTREAM_RESET,
        f"the upstream's stream ends {text}",
        origin=Origin.UPSTREAM,
        sent=Sent.UNKNOWN,
        transient=True,
    )
