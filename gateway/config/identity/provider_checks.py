"""What may not be said of identity providers, by the paths of the configuration's keys.

Files are looked into, so that a start does not find out at its first call.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from seawall.config.v1.config_pb2 import (
    ApiKeys,
    ClientCertificates,
    Identity,
    IdentityProvider,
)

from gateway.config.identity.jwt_checks import jwt_mistakes
from gateway.config.identity.key import key_mistakes, role_mistakes
from gateway.config.identity.keys_file import read_keys
from gateway.config.values import Mistake, name_mistakes, under
from gateway.interceptors.auth import kinds_of

_KINDS = ("api_keys", "jwt", "certificates")
_METADATA = re.compile("[0-9a-z_.-]{1,64}")
_RESERVED = frozenset(("content-type", "te", "user-agent", "host", "x-forwarded-for"))


def identity_mistakes(identity: Identity, folder: Path) -> Iterator[Mistake]:
    """Yield what is wrong with the identity providers, by paths from the file's top.

    Args:
        identity: `GatewayConfig.identity`.
        folder: where relative paths start.
    """
    for name in sorted(identity.providers):
        at = f"identity.providers.{name}"
        provider = identity.providers[name]
        yield from name_mistakes(at, name)
        said = [kind for kind in _KINDS if provider.HasField(kind)]
        if len(said) != 1:
            found = f"found {' and '.join(said)}" if said else "found none of them"
            yield at, f"must have exactly one of {', '.join(_KINDS)}; {found}"
        else:
            yield from under(f"{at}.{said[0]}", _provider_mistakes(provider, folder))
    yield from _shared_metadata(identity)


def _provider_mistakes(provider: IdentityProvider, folder: Path) -> Iterator[Mistake]:
    if provider.HasField("api_keys"):
        return _api_keys_mistakes(provider.api_keys, folder)
    if provider.HasField("jwt"):
        return jwt_mistakes(provider.jwt, folder)
    return _certificates_mistakes(provider.certificates)


def _shared_metadata(identity: Identity) -> Iterator[Mistake]:
    """Of one metadata key's value, only tokens say by themselves whose it is."""
    keys: dict[str, str] = {}
    issuers: dict[str, str] = {}
    for name in sorted(identity.providers):
        provider = identity.providers[name]
        if provider.HasField("jwt") and provider.jwt.issuer:
            first = issuers.setdefault(provider.jwt.issuer, name)
            if first != name:
                at = f"identity.providers.{name}.jwt.issuer"
                yield at, f"is the issuer of provider {first!r} already; list its audiences there"
        elif provider.HasField("api_keys"):
            metadata = provider.api_keys.metadata or "x-api-key"
            first = keys.setdefault(metadata, name)
            at = f"identity.providers.{name}.api_keys.metadata"
            if first != name:
                yield at, f"{metadata!r} carries the keys of provider {first!r} already"
    if issuers and "authorization" in keys:
        at = f"identity.providers.{keys['authorization']}.api_keys.metadata"
        token = sorted(issuers.values())[0]
        yield at, f"'authorization' carries the tokens of provider {token!r} already"


# API keys.


def _api_keys_mistakes(api_keys: ApiKeys, folder: Path) -> Iterator[Mistake]:
    if api_keys.HasField("metadata"):
        yield from _metadata_mistakes(api_keys.metadata)
    if not api_keys.keys and not api_keys.file:
        yield "keys", "must be said, or a file"
    first: dict[str, int] = {}
    for i, key in enumerate(api_keys.keys):
        wrong = list(under(f"keys[{i}]", key_mistakes(key)))
        yield from wrong
        before = first.setdefault(key.sha256.lower(), i)
        if before != i and not wrong:
            yield f"keys[{i}].sha256", f"is the key of keys[{before}] already"
    if not api_keys.HasField("file"):
        return
    try:
        read = read_keys(folder / api_keys.file)
    except ValueError as error:
        yield "file", f"{api_keys.file}: {error}"
        return
    for found in read:
        if found.sha256.hex() in first:
            yield "file", f"{api_keys.file}: holds the key of keys[{first[found.sha256.hex()]}] too"


def _metadata_mistakes(metadata: str) -> Iterator[Mistake]:
    if not _METADATA.fullmatch(metadata):
        yield "metadata", "must be a metadata key: small letters, digits, '-', '_' and '.'"
    elif metadata.endswith("-bin"):
        yield "metadata", "holds bytes by its name (-bin); keys are text"
    elif metadata.startswith("grpc-") or metadata in _RESERVED:
        yield "metadata", f"{metadata!r} has a meaning of its own"


# Certificates.


def _certificates_mistakes(certificates: ClientCertificates) -> Iterator[Mistake]:
    first: dict[str, int] = {}
    for i, known in enumerate(certificates.names):
        at = f"names[{i}]"
        if not known.name:
            yield f"{at}.name", "must be said"
        elif "*" in known.name and not _is_pattern(known.name):
            yield f"{at}.name", "'*' stands for one whole label, or one whole segment of a path"
        elif (before := first.setdefault(known.name, i)) != i:
            yield f"{at}.name", f"is the name of names[{before}] already"
        for j, role in enumerate(known.roles):
            yield from role_mistakes(f"{at}.roles[{j}]", role)


def _is_pattern(name: str) -> bool:
    kinds = kinds_of(name)
    if "email" in kinds:
        return False
    if "URI" not in kinds:
        return all(label == "*" or "*" not in label for label in name.split("."))
    scheme, _, rest = name.partition("://")
    authority, *segments = rest.split("/")
    whole = all(segment == "*" or "*" not in segment for segment in segments)
    return whole and "*" not in scheme + authority
