"""What is said of an upstream's credentials: frozen records made from its policy."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field


class Caller(enum.Enum):
    """What becomes of the caller's credential; seawall.policy.v1.UpstreamCredentials.Caller."""

    FORWARD = "forward"
    """It is sent as it came, where the policy forwards its key."""
    STRIP = "strip"
    """It is not sent; the upstream's own is, where there is one."""
    EXCHANGE = "exchange"
    """Another is made of it (RFC 8693)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OAuth2Options:
    """Where tokens are asked for, and as whom.

    Args:
        token_url: https, or http to this machine.
        client_id: "" asks without saying who asks, which only an exchange may.
        client_secret: "" where the client has none.
        scopes: asked for.
        audience: asked for, "" for none.
        timeout_s: for one question.
        max_tokens: exchanged tokens that are kept.
    """

    token_url: str
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    scopes: tuple[str, ...] = ()
    audience: str = ""
    timeout_s: float = 2.0
    max_tokens: int = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class CredentialOptions:
    """The credentials of one upstream.

    Args:
        caller: what becomes of the caller's.
        headers: the upstream's own, where it never changes; names in lower case.
        oauth2: the upstream's own, where it is asked for, and who exchanges callers'.
    """

    caller: Caller = Caller.FORWARD
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    oauth2: OAuth2Options | None = None

    @property
    def asks(self) -> bool:
        """Whether what calls are sent has to be asked for."""
        return self.oauth2 is not None and self.caller is not Caller.FORWARD

    @property
    def is_own(self) -> bool:
        """Whether calls are sent the upstream's own credential, and not their caller's."""
        return self.caller is Caller.STRIP and bool(self.headers or self.oauth2)

    @property
    def fixed(self) -> Mapping[str, str]:
        """The headers that every request for a caller has, whoever that is."""
        return self.headers if self.caller is Caller.STRIP else {}
