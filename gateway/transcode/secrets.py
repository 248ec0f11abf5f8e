"""Credentials that an upstream was sent, kept out of what it says.

Some services quote a key that they do not accept. Their words reach callers and logs, so what
was sent as a credential is cut out of them first: as it was sent, and as JSON, URLs and Basic
write it. Done for failures only.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

import orjson

from gateway.core.call import Metadata

HIDDEN = b"(hidden)"
_HINTS = re.compile("auth|cookie|credential|key|passw|secret|session|token", re.IGNORECASE)
_LEAST = 6
"""Shorter values are found in any text."""
_SCHEMES = ("basic ", "bearer ", "digest ", "token ", "apikey ")


def sent_secrets(headers: Mapping[str, str], metadata: Metadata) -> tuple[bytes, ...]:
    """Return how the credentials of a request may stand in an answer, the longest first.

    Args:
        headers: of the request, beside the caller's.
        metadata: of the caller.
    """
    found: set[str] = set()
    for name, value in (*headers.items(), *metadata):
        if isinstance(value, str) and _HINTS.search(name):
            found.update(_parts(value))
    written = {text for one in found if len(one) >= _LEAST for text in _ways(one)}
    return tuple(sorted(written, key=lambda text: (-len(text), text)))


def scrubbed(data: bytes, secrets: Iterable[bytes]) -> bytes:
    """Return `data` without the secrets."""
    for secret in secrets:
        if secret in data:
            data = data.replace(secret, HIDDEN)
    return data


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
