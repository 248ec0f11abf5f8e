"""One API key: what may be said of it, and its option.

No sentence shows the value of `sha256`: it may be the key itself, by mistake.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp
from seawall.config.v1.config_pb2 import ApiKey as ApiKeyMessage

from gateway.config.values import Mistake
from gateway.interceptors.auth import ApiKey

_SHA256 = re.compile("[0-9a-fA-F]{64}")
_MAX_NAME_CHARS = 256
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_FROM_NOW = re.compile(r"(\d{1,6})([smhd])")
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


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


def expiry_of(said: str, wall: float) -> str:
    """Return the `expires` of a key, as the configuration takes it.

    Args:
        said: an instant ("2027-01-31T00:00:00Z"), a date (its first moment, UTC), or how long
            from now: a number and "s", "m", "h" or "d" ("90d").
        wall: now, in seconds since the Unix epoch.

    Raises:
        ValueError: it is none of them, or not in the future; says what to write.
    """
    instant = Timestamp()
    if after := _FROM_NOW.fullmatch(said):
        instant.FromSeconds(int(wall) + int(after[1]) * _UNITS_S[after[2]])
    else:
        try:
            instant.FromJsonString(f"{said}T00:00:00Z" if _DATE.fullmatch(said) else said)
        except ValueError:
            raise ValueError(
                f"{said!r} is no time; write a date (2027-01-31), an instant "
                "(2027-01-31T12:00:00Z), or how long from now (90d, 12h)"
            ) from None
    if instant.seconds <= wall:
        raise ValueError(f"{said!r} is not in the future; the key would never be taken")
    return instant.ToJsonString()


def ended(key: ApiKey, wall: float) -> str:
    """Return when a key ended ("2027-01-31T00:00:00Z"), "" where it has not.

    Args:
        key: it.
        wall: now, in seconds since the Unix epoch.
    """
    if key.expires_at is None or key.expires_at > wall:
        return ""
    return datetime.fromtimestamp(key.expires_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
