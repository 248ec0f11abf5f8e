"""What is said of callers; see seawall.config.v1.Identity and seawall.policy.v1.AuthPolicy."""

import enum
from dataclasses import dataclass, field
from pathlib import Path

ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
"""Signatures that can be asked for: asymmetric ones only (RFC 7518, RFC 8037)."""

DEFAULT_ALGORITHMS = ("RS256", "ES256", "EdDSA", "PS256")

MAX_KEY_CHARS = 512
"""An API key is no longer."""


class Mode(enum.Enum):
    """What a call needs; the numbers of AuthPolicy.Mode."""

    REQUIRED = 1
    OPTIONAL = 2
    NONE = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class AuthOptions:
    """What one method's calls need.

    Args:
        mode: whether they need a credential.
        providers: whose word counts; empty for everybody's.
        roles: of which a caller must have one; empty where none is needed.
    """

    mode: Mode = Mode.REQUIRED
    providers: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class ListenerAuth:
    """What a listener says of all that is served on it.

    Args:
        mode: goes before the methods'; None leaves it to them.
        providers: whose word counts here, of those that count for the method; empty for all.
    """

    mode: Mode | None = None
    providers: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiKey:
    """One key.

    Args:
        caller: whose it is.
        sha256: of the key, 32 bytes.
        roles: of the caller.
        expires_at: seconds since the Unix epoch from which on it is refused; None for never.
    """

    caller: str
    sha256: bytes = field(repr=False)
    roles: frozenset[str] = frozenset()
    expires_at: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiKeysOptions:
    """Keys that the gateway knows by their hashes.

    Args:
        name: of the provider.
        metadata: key of the metadata that carries them, in lower case.
        keys: from the configuration.
        file: with more of them.
    """

    name: str
    metadata: str = "x-api-key"
    keys: tuple[ApiKey, ...] = ()
    file: Path | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class JwtOptions:
    """Tokens of one issuer. Exactly one of `jwks_file` and `jwks_url` is said.

    Args:
        name: of the provider.
        issuer: what `iss` must be.
        audiences: of which `aud` must have one.
        jwks_file: the issuer's public keys.
        jwks_url: where they can be asked for.
        ca_file: PEM file of authorities for the URL; None for the system's.
        algorithms: of signatures.
        leeway_s: how wrong clocks may be.
        caller_claim: path of the claim that names the caller.
        roles_claim: path of the claim that has its roles.
        refresh_interval_s: keys from the URL are asked for again after this.
        min_refresh_interval_s: and never more often than this.
        timeout_s: for one question.
        max_stale_s: how long keys are used while the URL does not answer.
        max_tokens: verified tokens that are kept.
    """

    name: str
    issuer: str
    audiences: frozenset[str]
    jwks_file: Path | None = None
    jwks_url: str = field(default="", repr=False)  # its query may hold a secret
    ca_file: Path | None = None
    algorithms: frozenset[str] = frozenset(DEFAULT_ALGORITHMS)
    leeway_s: float = 30.0
    caller_claim: str = "sub"
    roles_claim: str = "roles"
    refresh_interval_s: float = 600.0
    min_refresh_interval_s: float = 10.0
    timeout_s: float = 2.0
    max_stale_s: float = 86_400.0
    max_tokens: int = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class CertificateName:
    """A name of certificates, or a pattern of names, and what it may do."""

    name: str
    roles: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class CertificatesOptions:
    """Certificates of clients.

    Args:
        name: of the provider.
        names: that are known; empty for all, without roles.
    """

    name: str
    names: tuple[CertificateName, ...] = ()


ProviderOptions = ApiKeysOptions | JwtOptions | CertificatesOptions
