"""What a look at a credential finds, and what looks."""

import enum
from typing import Protocol

from gateway.core.errors import CallError
from gateway.core.identity import Identity


class Later(enum.Enum):
    """It cannot be told without waiting."""

    LATER = "later"


Found = Identity | CallError | Later
"""Who the caller is, why the credential is refused, or that it takes a wait to tell."""


class Reader(Protocol):
    """Knows what stands in the metadata of one key.

    Attributes:
        metadata: the key.
        rank: where a call has credentials in several, the lowest names its caller.
        hint: how a credential is sent, for people.
    """

    metadata: str
    rank: int
    hint: str

    def identify(self, value: str | bytes) -> Found:
        """Tell whose credential a value is, without waiting."""

    async def settle(self, value: str | bytes) -> Identity | CallError:
        """Tell it where `identify` said LATER."""
