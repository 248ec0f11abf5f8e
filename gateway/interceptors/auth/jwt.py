"""Callers by JSON Web Tokens of issuers that are known (RFC 7519, RFC 6750, RFC 8725).

Rules:
1. A token that has been verified costs one hash and one look-up until it ends.
2. The order of looks is: form, algorithm, issuer, key, signature, claims. A question to an
   issuer is caused only by a token that could be its own, and what claims say is told of only
   where the signature is right.
3. A key that is not known is asked for, once for all that wait. Without any key, or with a URL
   that does not answer, nobody can tell: UNAVAILABLE, not UNAUTHENTICATED.
4. Of several issuers in one metadata key the token's own `iss` chooses, which the signature
   then proves.
"""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from gateway.core.clock import Clock, Rng
from gateway.core.errors import CallError
from gateway.core.events import Events
from gateway.core.identity import Identity
from gateway.interceptors.auth.claims import caller_of, check_use, is_of, roles_of
from gateway.interceptors.auth.compact import MAX_TOKEN_BYTES, RefusedTokenError, Token, cut
from gateway.interceptors.auth.errors import identity_unavailable, unauthenticated
from gateway.interceptors.auth.found import Found, Later
from gateway.interceptors.auth.jwks import Jwks, JwksFile
from gateway.interceptors.auth.jwks_url import Fetch, JwksUrl
from gateway.interceptors.auth.keyset import Key
from gateway.interceptors.auth.options import JwtOptions
from gateway.interceptors.auth.verified import VerifiedTokens

_METADATA = "authorization"
_SCHEME = "bearer "
_MAX_VALUE_CHARS = len(_SCHEME) + MAX_TOKEN_BYTES
_LEAST_RETRY_S = 0.1
_NOT_OURS = "the token is not signed by a key that is known here"


class Jwt:
    """The provider of one issuer.

    Args:
        options: what its tokens must say.
        fetch: asks for its keys, None where they are in a file.
        clock: tells whether tokens hold.
        rng: for jitter.
        events: are told of changes of the keys.
    """

    def __init__(
        self, options: JwtOptions, fetch: Fetch | None, clock: Clock, rng: Rng, events: Events
    ) -> None:
        self.name = options.name
        self.options = options
        self._clock = clock
        self.verified = VerifiedTokens(options.max_tokens)
        self.jwks: Jwks
        if fetch is None:
            self.jwks = JwksFile(options, clock, events, self.verified.keep_only)
        else:
            self.jwks = JwksUrl(options, fetch, clock, rng, events, self.verified.keep_only)

    def start(self) -> None:
        """Begin to keep the keys fresh."""
        self.jwks.start()

    async def stop(self) -> None:
        """Keep them fresh no more."""
        await self.jwks.stop()

    def verify(self, claimed: "_Claimed", *, waited: bool = False) -> Found:
        """Tell whose token it is.

        Args:
            claimed: it, of this issuer by its own word.
            waited: whether it has waited for newer keys.
        """
        options, token = self.options, claimed.token
        if token.algorithm not in options.algorithms:
            return unauthenticated("the token's algorithm is not one that is taken here")
        keys = self.jwks.keys
        key = keys.find(token.kid, token.algorithm) if keys is not None else None
        if key is None:
            # A name that stands for a key of another algorithm is no reason to ask.
            if keys is not None and (token.kid is None or token.kid in keys.kids):
                return unauthenticated(_NOT_OURS)
            return self._unknown(waited, has_keys=keys is not None)
        if not key.verifies(token.algorithm, token.signed, token.signature):
            return unauthenticated(_NOT_OURS)
        return self._accept(claimed, key)

    def _unknown(self, waited: bool, *, has_keys: bool) -> Found:
        if not waited and self.jwks.may_wait():
            return Later.LATER
        # Where too many wait for a question that is under way, nobody knows its answer yet.
        crowded = not waited and self.jwks.asking
        if has_keys and not crowded and not self.jwks.failing:
            return unauthenticated(_NOT_OURS)
        return identity_unavailable(self.name, max(_LEAST_RETRY_S, self.jwks.retry_after_s()))

    def _accept(self, claimed: "_Claimed", key: Key) -> Found:
        options, claims = self.options, claimed.token.claims
        try:
            ends_at = check_use(options, claims, self._clock.wall())
            identity = Identity(
                caller_of(options, claims), self.name, roles_of(options, claims), _METADATA
            )
        except RefusedTokenError as error:
            return unauthenticated(str(error))
        self.verified.add(claimed.digest, identity, ends_at, key.thumbprint)
        return identity


class BearerTokens:
    """What stands in "authorization", where one or more issuers are known.

    Args:
        issuers: whose tokens are taken.
        clock: tells whether a token has ended.
    """

    metadata = _METADATA
    rank = 0
    hint = "'authorization: Bearer TOKEN'"

    def __init__(self, issuers: Sequence[Jwt], clock: Clock) -> None:
        self._issuers = tuple(issuers)
        self._kept = tuple(issuer.verified for issuer in issuers)
        self._clock = clock

    def identify(self, value: str | bytes) -> Found:
        """Tell whose token `value` is; LATER where keys have to be asked for."""
        if isinstance(value, str) and value.isascii() and len(value) <= _MAX_VALUE_CHARS:
            digest = hashlib.sha256(value.encode()).digest()
            wall = self._clock.wall()
            for kept in self._kept:
                known = kept.get(digest, wall)
                if known is not None:
                    return known
        parts = self._parts(value)
        return parts if isinstance(parts, CallError) else parts.issuer.verify(parts)

    async def settle(self, value: str | bytes) -> Identity | CallError:
        """Tell it after a wait for newer keys."""
        parts = self._parts(value)
        if isinstance(parts, CallError):
            return parts
        await parts.issuer.jwks.renewed()
        found = parts.issuer.verify(parts, waited=True)
        return unauthenticated(_NOT_OURS) if isinstance(found, Later) else found

    def _parts(self, value: str | bytes) -> "_Claimed | CallError":
        if not isinstance(value, str) or value[: len(_SCHEME)].lower() != _SCHEME:
            return unauthenticated("'authorization' must be 'Bearer TOKEN'")
        try:
            token = cut(value[len(_SCHEME) :])
        except RefusedTokenError as error:
            return unauthenticated(str(error))
        for issuer in self._issuers:
            if is_of(issuer.options.issuer, token.claims):
                return _Claimed(issuer, token, hashlib.sha256(value.encode()).digest())
        return unauthenticated("the token is of an issuer that is not known here")


class _Claimed(NamedTuple):
    """A token that says whose it is; `digest` is the SHA-256 of what stood in the metadata."""

    issuer: Jwt
    token: Token
    digest: bytes
