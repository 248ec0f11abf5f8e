"""One API key: what may be said of it, and its option.

No sentence shows the value of `sha256`: it may be the key itself, by mistake.
"""

import re
from collections.abc import Iterator

from google.protobuf.timestamp_pb2 import Timestamp
from seawall.config.v1.config_pb2 import ApiKey as ApiKeyMessage

from gateway.config.values import Mistake
from gateway.interceptors.auth import ApiKey

_SHA256 = re.compile("[0-9a-fA-F]{64}")
_MAX_NAME_CHARS = 256


def key_mistakes(key: ApiKeyMessage) -> Iterator[Mistake]:
    """Yield what is wrong with a key, by its fields."""
    if not key.caller:
        yield "caller", "must be said: whose key it is"
    elif not key.caller.isprintable() or len(key.caller) > _MAX_NAME_CHARS:
        yield "caller", f"must be a printable text of at most {_MAX_NAME_CHARS} characters"
    if not key.sha256:
        yield "sha256", "must be said: the SHA-256 of the key; `seawall key` makes both"
    elif not _SHA256.fullmatch(key.sha256):
        yield (
            "sha256",
            "must be the SHA-256 of the key, 64 hexadecimal digits, and never the key itself",
        )
    for i, role in enumerate(key.roles):
        yield from role_mistakes(f"roles[{i}]", role)
    try:
        _expires_at(key)
    except ValueError:
        yield "expires", 'must be an instant such as "2027-01-31T00:00:00Z"'


def role_mistakes(path: str, role: str) -> Iterator[Mistake]:
    """Yield why a role cannot be one."""
    if not role or not role.isprintable() or any(char.isspace() for char in role):
        yield path, "a role is a word without spaces"


def key_option(key: ApiKeyMessage) -> ApiKey:
    """Return the option of a key without mistakes."""
    return ApiKey(
        caller=key.caller,
        sha256=bytes.fromhex(key.sha256),
        roles=frozenset(key.roles),
        expires_at=_expires_at(key),
    )


def _expires_at(key: ApiKeyMessage) -> float | None:
    if not key.HasField("expires"):
        return None
    instant = Timestamp()
    instant.FromJsonString(key.expires)
    return instant.seconds + instant.nanos / 1e9
