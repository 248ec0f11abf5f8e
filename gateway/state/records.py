"""Records of calls that must not happen twice: what deduplication asks of a durable store.

A record stands for one key. Its states, and what changes them:

    absent  --claim-->                          CLAIMED  (a token, a lease)
    CLAIMED --complete (its token)-->           DONE     (the answer)
    CLAIMED --forget (its token)-->             absent   (nothing can have happened)
    CLAIMED --give_up (its token)-->            UNKNOWN  (nobody knows what happened)
    CLAIMED --its lease is over, observed-->    UNKNOWN  (whoever had it died)
    UNKNOWN --complete (its token)-->           DONE     (a late answer)
    UNKNOWN --reclaim (its token)-->            CLAIMED  (the next token, a lease)
    DONE, UNKNOWN --retention is over-->        absent

Rules:
1. Each change is one atomic step, in whatever process; of several claims at once one wins.
2. Tokens fence: whoever comes with another token than the record's changes nothing, and is told.
3. A claim of another request with the same key (another fingerprint) changes nothing.
4. What is kept holds no credential, and nothing of caller or key can be read from it.
5. A store that does not answer in its own time raises `StoreUnavailable`: what was asked may or
   may not have been done.
"""

import enum
from typing import NamedTuple, Protocol


class StoreUnavailable(Exception):
    """The store does not answer.

    Args:
        why: a short phrase, without addresses and secrets.
        retry_after_s: when it makes sense to ask again.
    """

    def __init__(self, why: str, retry_after_s: float = 1.0) -> None:
        super().__init__(why)
        self.why = why
        self.retry_after_s = retry_after_s


class Standing(enum.Enum):
    """How a record stands to whoever asks."""

    MINE = "mine"
    """Claimed just now, by this question."""
    CLAIMED = "claimed"
    """By somebody else, whose lease runs."""
    DONE = "done"
    UNKNOWN = "unknown"
    OTHER_REQUEST = "other request"
    """The key was used for another request."""


class Record(NamedTuple):
    """What a record says.

    Args:
        standing: how it stands.
        token: of its latest claim.
        answer: what was kept, for DONE.
        left_s: seconds until it is absent, of DONE and UNKNOWN; until its lease is over, of
            CLAIMED.
    """

    standing: Standing
    token: int = 0
    answer: bytes = b""
    left_s: float = 0.0


class RecordStore(Protocol):
    """Keeps records. Every method may raise StoreUnavailable."""

    async def claim(
        self, key: bytes, method: str, fingerprint: bytes, *, lease_s: float, retention_s: float
    ) -> Record:
        """Claim a key, or return how it stands.

        Args:
            key: digest of caller, method and key.
            method: full name, for operators.
            fingerprint: of the request.
            lease_s: of the claim.
            retention_s: from now, how long the record is kept; never less than the lease.
        """

    async def look(self, key: bytes) -> Record | None:
        """Return how a key stands, without changing anything; None where it is absent."""

    async def renew(self, key: bytes, token: int, *, lease_s: float) -> bool:
        """Prolong a lease; False where the claim is not that token's any more."""

    async def complete(self, key: bytes, token: int, answer: bytes) -> bool:
        """Keep the answer; False where the record is another token's, or is gone."""

    async def forget(self, key: bytes, token: int) -> bool:
        """Take a claim back: nothing can have happened."""

    async def give_up(self, key: bytes, token: int) -> bool:
        """Say that nobody knows what happened."""

    async def reclaim(self, key: bytes, token: int, *, lease_s: float) -> int | None:
        """Claim what is UNKNOWN with that token; return the new token, None if it is not."""
