"""From a merged policy to the options of an upstream's credentials."""

import base64
from collections.abc import Iterable, Set

from seawall.config.v1.config_pb2 import Identity, IdentityProvider
from seawall.policy.v1.policy_pb2 import (
    AuthPolicy,
    OAuth2Credentials,
    UpstreamCredentials,
    UpstreamPolicy,
)

from gateway.config.credentials import is_credential
from gateway.config.upstream_credentials.said import own_ways
from gateway.config.values import seconds
from gateway.downstream.credentials import Caller, CredentialOptions, OAuth2Options

AUTHORIZATION = "authorization"
_OF_CALLERS = frozenset((AUTHORIZATION, "cookie"))
"""Metadata that carries callers' credentials whatever the identity providers are."""
_API_KEY = "x-api-key"
_DEFAULT_TIMEOUT_S = 2.0
_DEFAULT_MAX_TOKENS = 10_000

MAY_BE_FILE = frozenset(
    (
        "seawall.policy.v1.UpstreamCredentials.bearer_token",
        "seawall.policy.v1.UpstreamCredentials.HeadersEntry.value",
        "seawall.policy.v1.BasicCredentials.username",
        "seawall.policy.v1.BasicCredentials.password",
        "seawall.policy.v1.OAuth2Credentials.client_id",
        "seawall.policy.v1.OAuth2Credentials.client_secret",
    )
)
"""Fields that take "file:PATH"."""


def caller_of(policy: UpstreamPolicy, *, is_fallback: bool = False) -> Caller:
    """Return what becomes of callers' credentials.

    Args:
        policy: of the upstream, merged.
        is_fallback: calls reach it as another upstream's fallback.
    """
    said = policy.credentials.caller
    if said:
        return Caller[UpstreamCredentials.Caller.Name(said)]
    return Caller.STRIP if is_fallback or own_ways(policy.credentials) else Caller.FORWARD


def metadata_of_identities(identity: Identity) -> frozenset[str]:
    """Return the metadata keys that identity providers read credentials from."""
    keys = (
        one.api_keys.metadata or _API_KEY
        for one in identity.providers.values()
        if one.HasField("api_keys")
    )
    return frozenset(key.lower() for key in keys) | {AUTHORIZATION}


def unread_metadata(auth: AuthPolicy, identity: Identity) -> frozenset[str]:
    """Return metadata of credentials that a method does not look at, though a provider would.

    Nobody knows whose they are, so they are sent to no upstream beside one that was looked at.
    Where the method looks at no credential at all (`mode: NONE`), its upstream does.

    Args:
        auth: of the method, merged.
        identity: who callers are.
    """
    if auth.mode == AuthPolicy.NONE or not auth.providers:
        return frozenset()
    keys = {name: _metadata_of(one) for name, one in identity.providers.items()}
    read = {key for name, key in keys.items() if name in auth.providers}
    return frozenset(key for key in keys.values() if key and key not in read)


def _metadata_of(provider: IdentityProvider) -> str:
    if provider.HasField("api_keys"):
        return (provider.api_keys.metadata or _API_KEY).lower()
    return AUTHORIZATION if provider.HasField("jwt") else ""


def withheld_names(
    caller: Caller, of_identity: Set[str] = frozenset(), forwarded: Iterable[str] = ()
) -> frozenset[str]:
    """Return the metadata that is never sent to an upstream, whatever forwards it.

    Args:
        caller: what becomes of callers' credentials.
        of_identity: metadata keys that identity providers read credentials from.
        forwarded: what a method forwards to its own upstream, where this is another one:
            what looks like a credential there is not meant for it.
    """
    if caller is Caller.FORWARD:
        return frozenset()
    names = (name.lower() for name in forwarded)
    return (
        _OF_CALLERS
        | {name.lower() for name in of_identity}
        | {name for name in names if is_credential(name)}
    )


def apart(
    own: str, other: str, policy: UpstreamPolicy, of_identity: Set[str], forwarded: Iterable[str]
) -> frozenset[str]:
    """Return the metadata that a method's fallback, a method of another upstream, does not get.

    Args:
        own: the method's upstream.
        other: the fallback's.
        policy: of the fallback's upstream, merged.
        of_identity: metadata keys that identity providers read credentials from.
        forwarded: what the fallback forwards.
    """
    if own == other or policy.credentials.caller:
        return frozenset()
    return withheld_names(Caller.STRIP, of_identity, forwarded)


def credential_options(policy: UpstreamPolicy) -> CredentialOptions:
    """Return the credentials of an upstream. Raises nothing for a policy without mistakes."""
    credentials = policy.credentials
    return CredentialOptions(
        caller=caller_of(policy),
        headers=_fixed(credentials),
        oauth2=_oauth2(credentials.oauth2) if credentials.oauth2.token_url else None,
    )


def _fixed(credentials: UpstreamCredentials) -> dict[str, str]:
    if credentials.bearer_token:
        return {AUTHORIZATION: f"Bearer {credentials.bearer_token}"}
    basic = credentials.basic
    if basic.username or basic.password:
        pair = f"{basic.username}:{basic.password}".encode()
        return {AUTHORIZATION: f"Basic {base64.b64encode(pair).decode()}"}
    return {name.lower(): value for name, value in sorted(credentials.headers.items())}


def _oauth2(oauth2: OAuth2Credentials) -> OAuth2Options:
    return OAuth2Options(
        token_url=oauth2.token_url,
        client_id=oauth2.client_id,
        client_secret=oauth2.client_secret,
        scopes=tuple(oauth2.scopes),
        audience=oauth2.audience,
        timeout_s=seconds(oauth2.timeout) if oauth2.HasField("timeout") else _DEFAULT_TIMEOUT_S,
        max_tokens=oauth2.max_tokens or _DEFAULT_MAX_TOKENS,
    )
