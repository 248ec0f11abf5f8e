"""What may not be said of the issuers of tokens."""

import re
from collections.abc import Collection, Iterator
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from seawall.config.v1.config_pb2 import Jwt

from gateway.config.files import UnreadableFileError, read_bytes
from gateway.config.suggest import closest
from gateway.config.url import url_mistake
from gateway.config.values import Mistake, seconds
from gateway.interceptors.auth import (
    ALGORITHMS,
    DEFAULT_ALGORITHMS,
    MAX_SET_BYTES,
    UnusableKeysError,
    read_key_set,
)

_QUERY = re.compile(r"[!-~]*")
_MAX_CA_BYTES = 4 * 1024 * 1024
_MAX_TOKENS = 1_000_000


def jwt_mistakes(jwt: Jwt, folder: Path) -> Iterator[Mistake]:
    """Yield what is wrong with an issuer, by paths from it.

    Args:
        jwt: what is said of it.
        folder: where relative paths start.
    """
    if not jwt.issuer:
        yield "issuer", "must be said: what 'iss' of a token must be"
    if not jwt.audiences:
        yield "audiences", "must be said: a token for somebody else is none for this gateway"
    for i, audience in enumerate(jwt.audiences):
        if not audience:
            yield f"audiences[{i}]", "must not be empty"
    yield from _algorithm_mistakes(jwt)
    for claim in ("caller_claim", "roles_claim"):
        if jwt.HasField(claim) and not all(getattr(jwt, claim).split(".")):
            yield claim, "must be the name of a claim, or names joined by dots"
    yield from _time_mistakes(jwt)
    if jwt.HasField("max_tokens") and not 1 <= jwt.max_tokens <= _MAX_TOKENS:
        yield "max_tokens", f"must be 1 to {_MAX_TOKENS}, found {jwt.max_tokens}"
    yield from _source_mistakes(jwt, folder)


def _algorithm_mistakes(jwt: Jwt) -> Iterator[Mistake]:
    for i, name in enumerate(jwt.algorithms):
        if name in ALGORITHMS:
            continue
        if name.upper().startswith("HS") or name.lower() == "none":
            wrong = "is no signature that others can only verify; known: "
            yield f"algorithms[{i}]", f"{name!r} {wrong}{', '.join(ALGORITHMS)}"
        else:
            yield f"algorithms[{i}]", f"there is no {name!r}{closest(name, ALGORITHMS)}"


def _time_mistakes(jwt: Jwt) -> Iterator[Mistake]:
    for name in ("refresh_interval", "min_refresh_interval", "timeout"):
        if jwt.HasField(name) and seconds(getattr(jwt, name)) <= 0:
            yield name, f"must be more than 0s, found {seconds(getattr(jwt, name)):g}s"
    if jwt.HasField("leeway") and not 0 <= seconds(jwt.leeway) <= 600:
        yield "leeway", f"must be 0s to 600s, found {seconds(jwt.leeway):g}s"
    least_s = seconds(jwt.min_refresh_interval) if jwt.HasField("min_refresh_interval") else 10.0
    usual_s = seconds(jwt.refresh_interval) if jwt.HasField("refresh_interval") else 600.0
    if usual_s < least_s:
        yield "refresh_interval", f"is shorter than min_refresh_interval, which is {least_s:g}s"


def _source_mistakes(jwt: Jwt, folder: Path) -> Iterator[Mistake]:
    if bool(jwt.jwks_file) == bool(jwt.jwks_url):
        yield (
            "jwks_url" if jwt.jwks_url else "jwks_file",
            "exactly one of jwks_file and jwks_url must be said",
        )
    elif jwt.jwks_url and (wrong := _jwks_url_mistake(jwt.jwks_url)):
        yield "jwks_url", wrong
    elif jwt.jwks_file:
        yield from _jwks_file_mistakes(jwt.jwks_file, folder, jwt.algorithms)
    if not jwt.HasField("ca_file"):
        return
    if not jwt.jwks_url.lower().startswith("https:"):
        yield "ca_file", "is for an https jwks_url"
    else:
        try:
            read_bytes(folder / jwt.ca_file, _MAX_CA_BYTES)
        except UnreadableFileError as error:
            yield "ca_file", f"{jwt.ca_file}: {error}"


def _jwks_file_mistakes(name: str, folder: Path, algorithms: Collection[str]) -> Iterator[Mistake]:
    known = [name for name in algorithms if name in ALGORITHMS]
    try:
        read_key_set(read_bytes(folder / name, MAX_SET_BYTES), known or DEFAULT_ALGORITHMS)
    except (UnreadableFileError, UnusableKeysError) as error:
        yield "jwks_file", f"{name}: {error}"


def _jwks_url_mistake(url: str) -> str:
    """Return what is wrong with the URL of keys, "" where nothing is; its query is not shown."""
    base, _, query = url.partition("?")
    if wrong := url_mistake(base):
        return wrong
    if "#" in query or not _QUERY.fullmatch(query):
        return "the query must be percent-encoded, and there is no fragment"
    parts = urlsplit(base)
    if parts.scheme == "http" and not _is_this_machine(parts.hostname or ""):
        return (
            "must be https: whoever changes the keys on their way can be any caller "
            "(http is for this machine alone)"
        )
    return ""


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
