"""What a token whose signature is right says of its caller.

Rules (RFC 7519, 4.1; RFC 9068; RFC 8725 3.8 and 3.9):
1. `iss` is the issuer's name to the letter, `aud` has one of the audiences.
2. `exp` must be said and lie in the future; `nbf` and `iat`, where they are said, must not.
   Clocks may be wrong by the leeway. Instants are numbers of seconds before the year 10000.
3. A caller's name is a printable text of 1 to 256 characters, never a number or a list.
4. Roles are a list of texts, or words in one text; a claim of another kind is no claim of
   this issuer, and refuses the token rather than its roles.
5. A path is the name of a claim as it stands; where there is none, names joined by dots.
"""

from collections.abc import Mapping
from typing import Any

from gateway.interceptors.auth.compact import RefusedTokenError
from gateway.interceptors.auth.options import JwtOptions

_MAX_NAME_CHARS = 256
_YEAR_10000 = 253_402_300_800


def is_of(issuer: str, claims: Mapping[str, Any]) -> bool:
    """Tell whether claims say that they are of `issuer`."""
    said = claims.get("iss")
    return isinstance(said, str) and said == issuer


def check_use(options: JwtOptions, claims: Mapping[str, Any], wall: float) -> float:
    """Return until when claims hold, in seconds since the Unix epoch, leeway included.

    Args:
        options: of the issuer.
        claims: of a token whose signature is right.
        wall: now, in seconds since the Unix epoch.

    Raises:
        RefusedTokenError: they do not hold here and now.
    """
    if not is_of(options.issuer, claims):
        raise RefusedTokenError("the token is of another issuer")
    said = claims.get("aud")
    audiences = [said] if isinstance(said, str) else said
    if not isinstance(audiences, list) or not all(isinstance(one, str) for one in audiences):
        raise RefusedTokenError("the token does not say for whom it is ('aud')")
    if options.audiences.isdisjoint(audiences):
        raise RefusedTokenError("the token is for somebody else ('aud')")
    ends = _instant(claims, "exp")
    if ends is None:
        raise RefusedTokenError("the token does not say when it ends ('exp')")
    ends_at = ends + options.leeway_s
    if ends_at <= wall:
        raise RefusedTokenError("the token has expired")
    for name in ("nbf", "iat"):
        begins = _instant(claims, name)
        if begins is not None and begins - options.leeway_s > wall:
            raise RefusedTokenError(f"the token is not valid yet ('{name}')")
    return ends_at


def caller_of(options: JwtOptions, claims: Mapping[str, Any]) -> str:
    """Return the name of the caller.

    Raises:
        RefusedTokenError: there is none.
    """
    name = claim(claims, options.caller_claim)
    if not isinstance(name, str) or not 0 < len(name) <= _MAX_NAME_CHARS or not name.isprintable():
        raise RefusedTokenError(f"the token does not name its caller ('{options.caller_claim}')")
    return name


def roles_of(options: JwtOptions, claims: Mapping[str, Any]) -> frozenset[str]:
    """Return the caller's roles.

    Raises:
        RefusedTokenError: the claim is of another kind.
    """
    said = claim(claims, options.roles_claim)
    if said is None:
        return frozenset()
    roles = said.split() if isinstance(said, str) else said
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise RefusedTokenError(f"the token's roles cannot be read ('{options.roles_claim}')")
    return frozenset(roles)


def claim(claims: Mapping[str, Any], path: str) -> Any:
    """Return the claim at a path, None where there is none."""
    if path in claims:
        return claims[path]
    head, dot, rest = path.partition(".")
    inner = claims.get(head) if dot else None
    return claim(inner, rest) if isinstance(inner, dict) else None


def _instant(claims: Mapping[str, Any], name: str) -> float | None:
    said = claims.get(name)
    if said is None:
        return None
    if isinstance(said, bool) or not isinstance(said, int | float) or not 0 <= said < _YEAR_10000:
        raise RefusedTokenError(f"the token's '{name}' is not a number of seconds")
    return said
