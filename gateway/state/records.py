"""Records of calls that must not happen twice: what deduplication asks of a durable store.

A record stands for one key. Its states, and what changes them:

    absent  --claim-->                          CLAIMED  (a token, a lease)
    CLAIMED --complete (its token)-->           DONE     (the answer)
    CLAIMED --forget (its token)-->             absent   (nothing can have happened)
    CLAIMED --give_up (its token)-->            UNKNOWN  (nobody knows what happened)
    CLAIMED --its lease is over, observed-->    UNKNOWN  (whoever had it died)
    UNKNOWN --complete (its token)-->           DONE     (a late answer)
    UNKNOWN --reclaim (its token)-->            CLAIMED  (another token, a lease)
    reclaimed --forget (its token)-->           UNKNOWN  (the claim before may have acted)
    UNKNOWN --resolve (an operator)-->          DONE or absent
    DONE, UNKNOWN --retention is over-->        absent

`TRANSITIONS` says the same, for stores and diagrams.

Rules:
1. Each change is one atomic step, in whatever process; of several claims at once one wins.
2. Tokens fence: whoever comes with another token than the record's changes nothing, and is told.
   Claimants draw their tokens themselves, so that a claim can be taken back of which nobody
   knows whether it was made.
3. A claim of another request with the same key (another fingerprint) changes nothing.
4. What is kept holds no credential, and nothing of caller or key can be read from it.
5. A store that does not answer in its own time raises `StoreUnavailable`: what was asked may or
   may not have been done.
"""

import enum
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol


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


class NotAsked(StoreUnavailable):
    """The store was not asked: what was to be done has certainly not been done."""


class State(enum.StrEnum):
    """Of a record, as it is kept."""

    ABSENT = "absent"
    CLAIMED = "claimed"
    RECLAIMED = "reclaimed"
    """Claimed, after nobody knew what became of the claim before."""
    DONE = "done"
    UNKNOWN = "unknown"


class Change(enum.StrEnum):
    """What may lead to another state."""

    CLAIM = "claim"
    RENEW = "renew"
    COMPLETE = "complete"
    FORGET = "forget"
    GIVE_UP = "give up"
    RECLAIM = "reclaim"
    RESOLVE_DONE = "resolve as done"
    RESOLVE_FORGOTTEN = "resolve as forgotten"
    EXPIRE = "expire"


_S, _C = State, Change

TRANSITIONS: Final[Mapping[tuple[State, Change], State]] = MappingProxyType(
    {
        (_S.ABSENT, _C.CLAIM): _S.CLAIMED,
        (_S.CLAIMED, _C.RENEW): _S.CLAIMED,
        (_S.CLAIMED, _C.COMPLETE): _S.DONE,
        (_S.CLAIMED, _C.FORGET): _S.ABSENT,
        (_S.CLAIMED, _C.GIVE_UP): _S.UNKNOWN,
        (_S.CLAIMED, _C.RECLAIM): _S.RECLAIMED,
        (_S.CLAIMED, _C.RESOLVE_DONE): _S.DONE,
        (_S.CLAIMED, _C.RESOLVE_FORGOTTEN): _S.ABSENT,
        (_S.CLAIMED, _C.EXPIRE): _S.ABSENT,
        (_S.RECLAIMED, _C.RENEW): _S.RECLAIMED,
        (_S.RECLAIMED, _C.COMPLETE): _S.DONE,
        (_S.RECLAIMED, _C.FORGET): _S.UNKNOWN,
        (_S.RECLAIMED, _C.GIVE_UP): _S.UNKNOWN,
        (_S.RECLAIMED, _C.RECLAIM): _S.RECLAIMED,
        (_S.RECLAIMED, _C.RESOLVE_DONE): _S.DONE,
        (_S.RECLAIMED, _C.RESOLVE_FORGOTTEN): _S.ABSENT,
        (_S.RECLAIMED, _C.EXPIRE): _S.ABSENT,
        (_S.DONE, _C.EXPIRE): _S.ABSENT,
        (_S.UNKNOWN, _C.COMPLETE): _S.DONE,
        (_S.UNKNOWN, _C.RECLAIM): _S.RECLAIMED,
        (_S.UNKNOWN, _C.RESOLVE_DONE): _S.DONE,
        (_S.UNKNOWN, _C.RESOLVE_FORGOTTEN): _S.ABSENT,
        (_S.UNKNOWN, _C.EXPIRE): _S.ABSENT,
    }
)
"""What is not here does not happen."""

LEASED: Final = frozenset((State.CLAIMED, State.RECLAIMED))
"""States with a lease."""
AFTER_LEASE: Final = frozenset(
    (Change.RECLAIM, Change.RESOLVE_DONE, Change.RESOLVE_FORGOTTEN, Change.EXPIRE)
)
"""Changes of what is leased that wait for the end of the lease."""


def sources(change: Change) -> frozenset[State]:
    """Return the states that a change leads from."""
    return frozenset(before for before, by in TRANSITIONS if by is change)


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
        self,
        key: bytes,
        token: int,
        method: str,
        fingerprint: bytes,
        *,
        lease_s: float,
        retention_s: float,
    ) -> Record:
        """Claim a key, or return how it stands.

        Args:
            key: digest of caller, method and key.
            token: of this claim, drawn at random, 1 to 2**62.
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
        """Take a claim back: nothing can have happened; False where it is another token's."""

    async def give_up(self, key: bytes, token: int) -> bool:
        """Say that nobody knows what happened."""

    async def reclaim(self, key: bytes, token: int, another: int, *, lease_s: float) -> bool:
        """Claim what is UNKNOWN with `token` by `another`; False where it is not."""


class KeptRecord(NamedTuple):
    """One record as operators see it.

    Args:
        key: digest of caller, method and key.
        method: full name.
        state: UNKNOWN too where a lease is over.
        claims: how often it was claimed.
        began_s: seconds since the first claim.
        changed_s: seconds since the last change but a renewal.
        left_s: seconds until it is absent.
    """

    key: bytes
    method: str
    state: State
    claims: int
    began_s: float
    changed_s: float
    left_s: float


class Page(NamedTuple):
    """Some records, those first that changed longest ago.

    Args:
        records: of this page.
        after: asks for the next page; "" where there is none.
    """

    records: Sequence[KeptRecord]
    after: str = ""


class RecordAdmin(Protocol):
    """What operators ask of the store of records. Every method may raise StoreUnavailable."""

    async def find(
        self, *, method: str = "", claimed: bool = False, after: str = "", limit: int = 100
    ) -> Page:
        """Return records that are UNKNOWN.

        Args:
            method: full name; "" for all.
            claimed: those of calls under way as well.
            after: where the page before ended.
            limit: records a page.

        Raises:
            ValueError: `after` is none that a page gave.
        """

    async def method_of(self, key: bytes) -> str | None:
        """Return the full name of the method of a record, None where there is none."""

    async def resolve(self, key: bytes, answer: bytes | None) -> bool:
        """Say what became of a call that is UNKNOWN; False where it is not.

        Args:
            key: of the record.
            answer: what its key answers from now on; None: the call had no effect, and the key
                may be used again.
        """

    async def sweep(self, limit: int = 500) -> int:
        """Delete up to `limit` records whose retention is over; return how many."""
