"""Who one upstream is called as: what was said of it, and what that needs.

Rules:
1. Resolved once, to the cheapest form. FORWARD: nothing is done. STRIP with a credential
   that never changes: `CredentialOptions.fixed`, headers that every request has. STRIP with
   OAuth2, and EXCHANGE: `source`, asked before each attempt.
2. `own` is for what is sent on nobody's behalf (health checks, refreshes, batches). It is
   never put on the call of a caller who forwards its own credential: a caller without one
   would act as the gateway.
3. With EXCHANGE the same authorization server gives the upstream's own token, by the client
   credentials, where there is a client.
"""

from collections.abc import Mapping
from typing import Protocol

from gateway.core.call import Metadata
from gateway.core.clock import Clock, Rng
from gateway.core.errors import CallError
from gateway.downstream.credentials.exchanged import ExchangedTokens
from gateway.downstream.credentials.options import Caller, CredentialOptions
from gateway.downstream.credentials.own import FixedCredential, OwnCredential, OwnToken
from gateway.downstream.credentials.server import TokenServer


class Source(Protocol):
    """Credentials that may have to be waited for."""

    def at_hand(self, metadata: Metadata) -> Mapping[str, str] | CallError | None:
        """Return the headers to send now, a refusal, or None where they have to be waited for."""

    async def obtain(self, metadata: Metadata) -> Mapping[str, str] | CallError:
        """Return the headers to send, or why there are none."""

    def rejected(self, headers: Mapping[str, str], metadata: Metadata) -> None:
        """Take note that the upstream answered 401 to a request with `headers`."""


class UpstreamCredentials:
    """The credentials of one upstream. Must be made on the running event loop.

    Args:
        upstream: its name.
        options: what was said.
        clock: for lives and pauses.
        rng: spreads questions.
    """

    def __init__(self, upstream: str, options: CredentialOptions, clock: Clock, rng: Rng) -> None:
        self.source: Source | None = None
        """Asked before each attempt; None where nothing has to be."""
        self.own: OwnCredential | None = None
        """What is sent on nobody's behalf; None where nothing is."""
        self._server: TokenServer | None = None
        self._token: OwnToken | None = None
        self._exchanged: ExchangedTokens | None = None
        if options.headers:
            self.own = FixedCredential(options.headers)
        if (oauth2 := options.oauth2) is None:
            return
        self._server = server = TokenServer(upstream, oauth2, clock, rng)
        if oauth2.client_id:
            self._token = OwnToken(upstream, server, clock, rng)
            self.own = self._token
        if options.caller is Caller.EXCHANGE:
            self._exchanged = ExchangedTokens(upstream, server, oauth2.max_tokens, clock, rng)
            self.source = self._exchanged
        elif options.asks:
            self.source = self._token

    async def close(self) -> None:
        """End what waits, and close every connection to the authorization server."""
        for part in (self._token, self._exchanged, self._server):
            if part is not None:
                await part.close()
