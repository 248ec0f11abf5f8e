"""A JSON Web Token as it travels: cut into its parts, nothing believed yet.

Rules (RFC 7515, 7.1; RFC 7519, 7.2; RFC 8725):
1. At most 8 KiB of ASCII: three parts in base64url, each the only way to write what it
   holds, none of them empty. So there is no unsigned token, and no encrypted one (five parts).
2. Header and claims are JSON objects in UTF-8, without a name twice and without numbers that
   JSON does not have.
3. `crit` and `b64` are refused: there is no extension that this gateway knows. So is a token
   in a token (`cty`), and what says by its type that it is something else.
4. Where a header points to a key or brings one (`jku`, `x5u`, `jwk`, `x5c`), nobody looks.
"""

import base64
import binascii
import json
import re
from typing import Any, NamedTuple

MAX_TOKEN_BYTES = 8 * 1024
MAX_KID_CHARS = 256

_FORM = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_TYPES = frozenset(("jwt", "at+jwt", "application/jwt", "application/at+jwt"))
_REFUSED = ("crit", "b64", "cty", "enc", "zip")


class RefusedTokenError(ValueError):
    """A token that is none; says why, without any part of it."""


class Token(NamedTuple):
    """A token in its parts.

    Args:
        algorithm: that it says it is signed by.
        kid: of the key, None where it does not say.
        claims: that are not verified yet.
        signed: what the signature is of.
        signature: which is not verified yet.
    """

    algorithm: str
    kid: str | None
    claims: dict[str, Any]
    signed: bytes
    signature: bytes


def cut(text: str) -> Token:
    """Return the parts of a token.

    Raises:
        RefusedTokenError: it is none.
    """
    if len(text) > MAX_TOKEN_BYTES:
        raise RefusedTokenError(f"the token is longer than {MAX_TOKEN_BYTES} bytes")
    form = _FORM.fullmatch(text)
    if form is None:
        raise RefusedTokenError("the token is not a signed JSON Web Token of three parts")
    header = _object(form[1], "header")
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str):
        raise RefusedTokenError("the token's header does not name an algorithm")
    if kid is not None and not (isinstance(kid, str) and len(kid) <= MAX_KID_CHARS):
        raise RefusedTokenError("the token's header has a 'kid' that cannot be one")
    if any(name in header for name in _REFUSED):
        raise RefusedTokenError("the token's header asks for what is not supported here")
    kind = header.get("typ", "JWT")
    if not (isinstance(kind, str) and kind.lower() in _TYPES):
        raise RefusedTokenError("the token's header says that it is something else than a JWT")
    claims = _object(form[2], "claims")
    return Token(
        algorithm, kid, claims, text[: form.end(2)].encode(), _decoded(form[3], "signature")
    )


def _object(part: str, what: str) -> dict[str, Any]:
    try:
        value = json.loads(
            _decoded(part, what).decode(), object_pairs_hook=_once, parse_constant=_no_number
        )
    except RefusedTokenError:
        raise
    except (ValueError, RecursionError):
        raise RefusedTokenError(f"the token's {what} cannot be read") from None
    if not isinstance(value, dict):
        raise RefusedTokenError(f"the token's {what} cannot be read")
    return value


def _decoded(part: str, what: str) -> bytes:
    try:
        data = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except binascii.Error:
        data = b""
    if base64.urlsafe_b64encode(data).rstrip(b"=") != part.encode():
        raise RefusedTokenError(f"the token's {what} cannot be read")
    return data


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _no_number(_text: str) -> None:
    raise ValueError
