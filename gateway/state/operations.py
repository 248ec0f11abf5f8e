"""Durable operations: what the gateway asks of the store that keeps them.

An operation is a call that is kept before it is acknowledged, and made until it has an end. Its
states, and what changes them:

    absent   --accept-->                          WAITING   (due at once)
    WAITING  --claim, once it is due-->           RUNNING   (a token, a lease)
    RUNNING  --claim, its lease is over-->        RUNNING   (another token: whoever had it died)
    RUNNING  --renew (its token)-->               RUNNING
    RUNNING  --note (its token)-->                RUNNING   (how far it is)
    RUNNING  --defer (its token)-->               WAITING   (due later)
    RUNNING  --succeed (its token)-->             SUCCEEDED (the answer)
    RUNNING  --fail (its token)-->                FAILED    (refused for good)
    RUNNING  --give up (its token)-->             DEAD      (attempts spent: a dead letter)
    RUNNING  --cancel-->                          RUNNING   (asked to end, told with the renewal)
    RUNNING  --end cancelled (its token)-->       CANCELLED
    WAITING  --cancel-->                          CANCELLED
    DEAD     --retry (an operator)-->             WAITING   (with all its attempts)
    ended    --delete, or retention is over-->    absent

Rules:
1. `accept` returns once the operation is kept; whoever was told its id finds it until it expires.
2. Of operations with one order key the oldest that has not ended is the only one that is claimed.
   Those behind it are due NEVER, and so cost nothing to whoever looks for what is due.
3. Tokens fence, as those of records do (state/records.py).
4. A key stands for one operation as long as it is held: a second `accept` with it returns the
   first, or says that the request was another. Among operations of one method. A caller's key is
   held until the operation has ended and as long again as it says; a window is over when it is.
   What is deleted, or has expired, is found by nobody, but its key stands until then.
5. Operations are found by their owner only. What is kept holds no credential.
6. An operation without an end does not expire.
7. A store that does not answer in its own time raises `StoreUnavailable`: what was asked may or
   may not have been done. An operation that was accepted thus is made, though nobody was told.
"""

import enum
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol


class State(enum.StrEnum):
    """Of an operation, as it is kept."""

    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    DEAD = "dead"
    CANCELLED = "cancelled"


OPEN: Final = frozenset((State.WAITING, State.RUNNING))
"""States without an end."""
NEVER: Final = 1e18
"""An instant that does not come."""


class Accepted(NamedTuple):
    """What an operation is accepted with.

    Args:
        id: drawn at random, unguessable.
        method: full name.
        owner: digest of who may see it.
        request: serialized.
        metadata: that goes to the upstream with every attempt; JSON.
        header_key: the key that the upstream is told.
        key: digest that stands for the call, b"" for none.
        fingerprint: of the request, for `key`.
        key_held_s: how long `key` stands for this one.
        key_stays: it stands from the end on so long; else from now on.
        order_key: digest of what it is ordered by, b"" for any order.
        max_pending: of the method.
        not_before_s: until it is due.
        last_error: why it was not made at once (core/stored.py), b"" where nobody tried.
    """

    id: str
    method: str
    owner: bytes
    request: bytes
    metadata: bytes
    header_key: str
    key: bytes = b""
    fingerprint: bytes = b""
    key_held_s: float = 0.0
    key_stays: bool = False
    order_key: bytes = b""
    max_pending: int = 100_000
    not_before_s: float = 0.0
    last_error: bytes = b""


class Kept(NamedTuple):
    """An operation as it is kept. Instants are seconds since the Unix epoch.

    Args:
        number: in the order of acceptance.
        id: of the operation.
        method: full name.
        state: see above.
        attempts: begun.
        accepted_at: instant.
        changed_at: of the last change but a renewal.
        due_at: of the next attempt, for WAITING; NEVER for one behind others of its order key.
        expires_at: of one that has ended; 0.0 else.
        progress: what `note` and `defer` kept, b"" for nothing.
        last_error: of the last attempt (core/stored.py), b"" for none.
        answer: of one that has ended (core/stored.py).
        cancelling: whether somebody asked to cancel it.
    """

    number: int
    id: str
    method: str
    state: State
    attempts: int
    accepted_at: float
    changed_at: float
    due_at: float
    expires_at: float
    progress: bytes = b""
    last_error: bytes = b""
    answer: bytes = b""
    cancelling: bool = False


class Acceptance(enum.Enum):
    """What `accept` did."""

    NEW = "new"
    KNOWN = "known"
    """The key stands for an operation already."""
    OTHER_REQUEST = "other request"
    """The key stands for an operation of another request."""
    FULL = "full"
    """As many wait as may."""


class Claimed(NamedTuple):
    """An operation to be worked on.

    Args:
        kept: as it is, this attempt counted.
        token: of the claim.
        request: serialized.
        metadata: JSON.
        header_key: for the upstream.
        owner: digest.
        died: whether whoever had it before did not come to an end.
        age_s: since it was accepted, by the store's clock.
    """

    kept: Kept
    token: int
    request: bytes
    metadata: bytes
    header_key: str
    owner: bytes
    died: bool = False
    age_s: float = 0.0


class Renewal(enum.Enum):
    """How a claim stands when its lease is renewed."""

    MINE = "mine"
    CANCEL = "cancel"
    """Mine, and somebody asked to cancel it."""
    LOST = "lost"


class Deferral(NamedTuple):
    """Why and until when an operation waits again.

    Args:
        due_in_s: until its next attempt.
        progress: how far it is.
        last_error: of the attempt, b"" for none.
        uncounted: the attempt does not count.
    """

    due_in_s: float
    progress: bytes = b""
    last_error: bytes = b""
    uncounted: bool = False


class Cancellation(NamedTuple):
    """What `cancel` did.

    Args:
        kept: the operation afterwards.
        ended: whether it ended by this question.
    """

    kept: Kept
    ended: bool


class OperationQuery(NamedTuple):
    """Which operations are listed.

    Args:
        owner: digest; None for those of all owners, for operators.
        method: full name; "" for all.
        states: any of them; empty for all.
        after: number of the last one seen, they come newest first; 0 for the first page.
        limit: how many.
        max_bytes: of their answers and progress together; the first is there whatever it has.
    """

    owner: bytes | None
    method: str = ""
    states: Sequence[State] = ()
    after: int = 0
    limit: int = 100
    max_bytes: int = 2**31


class OperationStore(Protocol):
    """Keeps operations. Every method may raise StoreUnavailable."""

    async def accept(self, accepted: Accepted) -> tuple[Acceptance, Kept | None]:
        """Keep an operation; return what was done, and the operation of NEW and KNOWN."""

    async def waits(self, method: str, order_key: bytes) -> bool:
        """Tell whether an operation with this order key has not ended."""

    async def claim(
        self,
        methods: Sequence[str],
        tokens: Sequence[int],
        *,
        lease_s: float,
        running: Sequence[str] = (),
    ) -> list[Claimed]:
        """Claim what is due, the longest due first.

        Args:
            methods: full names of those that can be made here.
            tokens: one for each that may be claimed. What they have claimed before, in a
                question whose answer was lost, is returned again, with a new lease.
            lease_s: of each.
            running: ids of those that are made here; not claimed although their leases are over.
        """

    async def renew(self, operation: str, token: int, *, lease_s: float) -> Renewal:
        """Prolong a lease."""

    async def note(self, operation: str, token: int, progress: bytes) -> bool:
        """Keep how far an operation is; False where the claim is another's."""

    async def defer(self, operation: str, token: int, deferral: Deferral) -> bool:
        """Let an operation wait; False where the claim is another's."""

    async def end(
        self, operation: str, token: int, state: State, answer: bytes, *, retention_s: float
    ) -> bool:
        """End an operation; False where the claim is another's.

        Args:
            operation: its id.
            token: of the claim.
            state: not one of OPEN.
            answer: what it answers (core/stored.py).
            retention_s: how long that is kept.
        """

    async def get(self, operation: str, owner: bytes | None) -> Kept | None:
        """Return an operation, None where there is none of this owner; None asks for any."""

    async def find(self, query: OperationQuery) -> list[Kept]:
        """Return operations, newest first."""

    async def cancel(
        self, operation: str, owner: bytes | None, answer_of: Callable[[Kept], bytes]
    ) -> Cancellation | None:
        """Cancel one that waits, and ask one that runs to end; None where there is none.

        Args:
            operation: its id.
            owner: digest, None for any.
            answer_of: returns what it answers from now on, if it ends at once, of what it was;
                kept for a day. Called in another thread.
        """

    async def delete(self, operation: str, owner: bytes | None) -> Kept | None:
        """Delete one that has ended; return it, or what has not ended, or None."""

    async def retry(self, operation: str) -> bool:
        """Let a dead letter wait for all its attempts again; False where it is none."""

    async def sweep(self, limit: int = 500) -> int:
        """Delete up to `limit` that have expired; return how many."""
