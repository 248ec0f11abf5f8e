"""Messages of identity providers to their options; what they do not say is built in."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from seawall.config.v1.config_pb2 import ApiKeys, ClientCertificates, Identity, Jwt

from gateway.config.identity.key import key_option
from gateway.config.values import seconds
from gateway.interceptors.auth import (
    ApiKeysOptions,
    CertificateName,
    CertificatesOptions,
    JwtOptions,
    ProviderOptions,
)

_SECONDS = ("leeway", "refresh_interval", "min_refresh_interval", "timeout")


def provider_options(identity: Identity, folder: Path) -> tuple[ProviderOptions, ...]:
    """Return the options of providers without mistakes, in the order of their names.

    Args:
        identity: `GatewayConfig.identity`.
        folder: where relative paths start.
    """
    found: list[ProviderOptions] = []
    for name, provider in sorted(identity.providers.items()):
        if provider.HasField("api_keys"):
            found.append(_api_keys(name, provider.api_keys, folder))
        elif provider.HasField("jwt"):
            found.append(_jwt(name, provider.jwt, folder))
        else:
            found.append(_certificates(name, provider.certificates))
    return tuple(found)


def _api_keys(name: str, api_keys: ApiKeys, folder: Path) -> ApiKeysOptions:
    return ApiKeysOptions(
        name=name,
        metadata=api_keys.metadata or "x-api-key",
        keys=tuple(map(key_option, api_keys.keys)),
        file=folder / api_keys.file if api_keys.file else None,
    )


def _jwt(name: str, jwt: Jwt, folder: Path) -> JwtOptions:
    usual = JwtOptions(name=name, issuer=jwt.issuer, audiences=frozenset(jwt.audiences))
    said: dict[str, Any] = {
        f"{field}_s": seconds(getattr(jwt, field)) for field in _SECONDS if jwt.HasField(field)
    }
    return replace(
        usual,
        jwks_file=folder / jwt.jwks_file if jwt.jwks_file else None,
        jwks_url=jwt.jwks_url,
        ca_file=folder / jwt.ca_file if jwt.ca_file else None,
        algorithms=frozenset(jwt.algorithms) or usual.algorithms,
        caller_claim=jwt.caller_claim or usual.caller_claim,
        roles_claim=jwt.roles_claim or usual.roles_claim,
        max_tokens=jwt.max_tokens or usual.max_tokens,
        **said,
    )


def _certificates(name: str, certificates: ClientCertificates) -> CertificatesOptions:
    return CertificatesOptions(
        name=name,
        names=tuple(
            CertificateName(name=known.name, roles=frozenset(known.roles))
            for known in certificates.names
        ),
    )
