"""Tokens that have been verified, by their hashes, until they end.

Rules:
1. A token is kept until its own end, and not longer than the key that signed it is in the
   issuer's set.
2. At most `max_tokens` are kept; the one that was used longest ago goes first. A token that
   was refused is not kept: nobody can fill this without a signature.
3. There are hashes here and no tokens.
"""

from collections import OrderedDict
from collections.abc import Collection
from typing import NamedTuple

from gateway.core.identity import Identity


class _Verified(NamedTuple):
    identity: Identity
    ends_at: float
    thumbprint: str


class VerifiedTokens:
    """The tokens of one issuer; `max_tokens` of them at most."""

    def __init__(self, max_tokens: int) -> None:
        self._max_tokens = max_tokens
        self._tokens: OrderedDict[bytes, _Verified] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tokens)

    def get(self, digest: bytes, wall: float) -> Identity | None:
        """Return whose token has this hash, None where that is not known or over.

        Args:
            digest: SHA-256 of the token, as it stood in the metadata.
            wall: now, in seconds since the Unix epoch.
        """
        known = self._tokens.get(digest)
        if known is None:
            return None
        if known.ends_at <= wall:
            del self._tokens[digest]
            return None
        self._tokens.move_to_end(digest)
        return known.identity

    def add(self, digest: bytes, identity: Identity, ends_at: float, thumbprint: str) -> None:
        """Keep a token.

        Args:
            digest: the same of it.
            identity: whose it is.
            ends_at: seconds since the Unix epoch.
            thumbprint: of the key that signed it.
        """
        self._tokens[digest] = _Verified(identity, ends_at, thumbprint)
        if len(self._tokens) > self._max_tokens:
            self._tokens.popitem(last=False)

    def keep_only(self, thumbprints: Collection[str]) -> None:
        """Forget the tokens of all keys but these."""
        gone = [d for d, known in self._tokens.items() if known.thumbprint not in thumbprints]
        for digest in gone:
            del self._tokens[digest]
