"""Whether an endpoint can be connected to, as its connections, attempts and probes tell.

    REACHABLE --so many failures in a row--> UNREACHABLE --a probe connects--> REACHABLE

Rules:
1. `consecutive_failures` connections that fail in a row make an endpoint unreachable.
   An attempt that got hold of a connection, however it ended, breaks the row.
2. From then on attempts do not choose it, and only a probe brings it back: what attempts
   from before still say is about a server that may be gone.
3. Failures of connections that were begun before a probe connected count for nothing either.
4. What counts as a connection that failed: no address, none that accepts in time, no TLS.
   Never a wait for a place among the gateway's own connections, nor an attempt that ran
   out of time: the connection that was being made for it goes on within
   `connect_timeout_s` and tells for itself (rule 5 of pool.py), so that calls which are
   shorter find out about an endpoint that answers nothing, and about no other.
5. After the first failure the next try need not be a call's: probes verify it, for calls
   may already go elsewhere (watch.py).
6. Nothing counts while connections to it work: what cannot be looked up, or takes no more
   connections than it has, is not away (rule 6 of pool.py).
"""

import enum

from gateway.core.errors import CallError, Reason, Sent

_CONNECTING = frozenset(
    (Reason.UPSTREAM_UNREACHABLE, Reason.UPSTREAM_UNRESOLVED, Reason.UPSTREAM_TLS)
)


class State(enum.Enum):
    """Whether attempts may choose it."""

    REACHABLE = "reachable"
    UNREACHABLE = "unreachable"


class Sign(enum.Enum):
    """What was learned."""

    GOT_THROUGH = "an attempt had a connection"
    FAILED = "a connection failed"
    FAILED_AGAIN = "so many have failed in a row"
    PROBED = "a probe connected"


TRANSITIONS: dict[tuple[State, Sign], State] = {
    (State.REACHABLE, Sign.GOT_THROUGH): State.REACHABLE,
    (State.REACHABLE, Sign.FAILED): State.REACHABLE,
    (State.REACHABLE, Sign.FAILED_AGAIN): State.UNREACHABLE,
    (State.REACHABLE, Sign.PROBED): State.REACHABLE,
    (State.UNREACHABLE, Sign.GOT_THROUGH): State.UNREACHABLE,
    (State.UNREACHABLE, Sign.FAILED): State.UNREACHABLE,
    (State.UNREACHABLE, Sign.FAILED_AGAIN): State.UNREACHABLE,
    (State.UNREACHABLE, Sign.PROBED): State.REACHABLE,
}


def failed_to_connect(error: CallError) -> bool:
    """Tell whether an error is a connection that failed."""
    return error.reason in _CONNECTING and error.sent is Sent.NOT_SENT


class Reachability:
    """One endpoint's.

    Args:
        consecutive_failures: in a row; 0 is never.
    """

    __slots__ = ("_most", "_since", "failures", "state")

    def __init__(self, consecutive_failures: int) -> None:
        self._most = consecutive_failures
        self._since = float("-inf")
        self.failures = 0
        """In a row."""
        self.state = State.REACHABLE

    @property
    def reachable(self) -> bool:
        """Whether attempts may choose it."""
        return self.state is State.REACHABLE

    def got_through(self) -> None:
        """An attempt had a connection."""
        self.failures = 0
        self._see(Sign.GOT_THROUGH)

    def failed(self, began_at: float) -> bool:
        """A connection failed; return whether that made it unreachable.

        Args:
            began_at: when it was begun, in monotonic seconds.
        """
        if began_at < self._since:
            return False
        self.failures += 1
        again = 0 < self._most <= self.failures
        return self._see(Sign.FAILED_AGAIN if again else Sign.FAILED)

    def probed(self, now: float) -> bool:
        """A probe connected; return whether that made it reachable."""
        self.failures = 0
        self._since = now
        return self._see(Sign.PROBED)

    def _see(self, sign: Sign) -> bool:
        before, self.state = self.state, TRANSITIONS[self.state, sign]
        return before is not self.state
