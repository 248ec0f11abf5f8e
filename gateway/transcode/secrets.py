"""Credentials that an upstream was sent, kept out of what it says.

Some services quote a key that they do not accept. Their words reach callers and logs, so what
was sent as a credential is cut out of them first: as it was sent, and as JSON, URLs and Basic
write it. Done for failures only.

What is a credential its name says: that of a header, or of a parameter in the query, where only
names that leave no doubt count (callers' own fields travel there). An idempotency key is none.
"""

import base64
import binascii
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, quote

import orjson

from gateway.core.call import Metadata

HIDDEN = b"(hidden)"
_HINTS = re.compile("auth|cookie|credential|key|passw|secret|session|token", re.IGNORECASE)
_NO_SECRETS = re.compile("author(?!i)|idempotency", re.IGNORECASE)
_IN_A_QUERY = re.compile(
    r"credential|passw|passphrase|secret|token|jwt|signature"
    r"|^(app_?id|auth|key|sig)$|(api|app|access|auth|subscription|functions?)[-_.]?(key|id|code)$",
    re.IGNORECASE,
)
_LEAST = 6
"""Shorter values are found in any text."""
_DEEPEST = 64
"""Of JSON; what it says is read from its first few levels."""
_SCHEMES = ("basic ", "bearer ", "digest ", "token ", "apikey ")


def sent_secrets(
    headers: Mapping[str, str],
    metadata: Metadata,
    target: str = "",
    credentials: Collection[str] = (),
) -> tuple[bytes, ...]:
    """Return how the credentials of a request may stand in an answer, the longest first.

    Args:
        headers: of the request, beside the caller's.
        metadata: of the caller.
        target: of the request, with its query.
        credentials: metadata keys, in lower case, that are credentials whatever they are called.
    """
    found: set[str] = set()
    for name, value in (*headers.items(), *metadata):
        if isinstance(value, str) and (name in credentials or _is_secret(name)):
            found.update(_parts(value))
    query = target.partition("?")[2]
    found.update(value for name, value in parse_qsl(query) if _IN_A_QUERY.search(name))
    written = {text for one in found if len(one) >= _LEAST for text in _ways(one)}
    return tuple(sorted(written, key=lambda text: (-len(text), text)))


def scrubbed(data: bytes, secrets: Iterable[bytes]) -> bytes:
    """Return `data` without the secrets."""
    for secret in secrets:
        if secret in data:
            data = data.replace(secret, HIDDEN)
    return data


def scrubbed_json(value: Any, secrets: Sequence[bytes]) -> Any:
    """Return decoded JSON without the secrets, in its texts and in the names of its members.

    What is nested deeper than `_DEEPEST` is left out.
    """
    texts = [secret.decode() for secret in secrets]

    def hide(text: str) -> str:
        for secret in texts:
            text = text.replace(secret, HIDDEN.decode())
        return text

    def walk(one: Any, depth: int) -> Any:
        if isinstance(one, str):
            return hide(one)
        if not isinstance(one, dict | list):
            return one
        if depth > _DEEPEST:
            return None
        if isinstance(one, list):
            return [walk(inner, depth + 1) for inner in one]
        return {hide(name): walk(inner, depth + 1) for name, inner in one.items()}

    return walk(value, 1)


def _is_secret(name: str) -> bool:
    return _HINTS.search(name) is not None and _NO_SECRETS.search(name) is None


def _parts(value: str) -> Iterator[str]:
    yield value
    for scheme in _SCHEMES:
        if value[: len(scheme)].lower() != scheme:
            continue
        credential = value[len(scheme) :].strip()
        yield credential
        if scheme == "basic ":
            try:
                pair = base64.b64decode(credential, validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                return
            yield pair
            yield pair.partition(":")[2]


def _ways(text: str) -> Iterator[bytes]:
    yield text.encode()
    quoted = orjson.dumps(text)[1:-1]
    yield quoted
    yield quoted.replace(b"/", b"\\/")
    yield quote(text, safe="").encode()
