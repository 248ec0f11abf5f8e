"""What may stand as the base URL of an upstream."""

import re
from ipaddress import IPv6Address
from urllib.parse import urlsplit

_NAME = re.compile(r"[\w-]+(\.[\w-]+)*\.?")
_ADDRESS = re.compile(r"[A-Za-z0-9.-]{1,64}:\d{1,5}/?")
_PATH = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*")


def url_mistake(url: str) -> str:
    """Return what is wrong with an upstream's URL, "" where nothing is.

    The sentence shows no more of the URL than its beginning: the rest may hold a
    secret.
    """
    scheme, sep, rest = url.partition("://")
    if not sep:
        # Only what looks like an address is shown: anything else may be a secret that came
        # out of the wrong file.
        shown = repr(url) if _ADDRESS.fullmatch(url) else "the value"
        return f"{shown} is not a URL; write http://HOST:PORT or https://HOST"
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in authority:
        return "a URL must not hold credentials"
    shown = repr(f"{scheme}://{authority}"[:80])
    if scheme.lower() not in ("http", "https"):
        return f"{shown}: the scheme must be http or https"
    if any(c.isspace() or not c.isprintable() or c == "\\" for c in url):
        return f"{shown}: a URL has no spaces, control characters and backslashes"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return f"{shown} is not a URL: {error}"
    if not parts.hostname:
        return f"{shown} names no host"
    if not _is_host(parts.hostname, bracketed=authority.startswith("[")):
        return f"{shown}: {parts.hostname!r} is not the name or address of a host"
    if port == 0:
        return f"{shown}: port 0 cannot be called"
    if "?" in url or "#" in url:
        return f"{shown}: a base URL has no query and no fragment"
    if not _PATH.fullmatch(parts.path):
        return f"{shown}: the path must be percent-encoded"
    if any(segment in (".", "..") for segment in parts.path.split("/")):
        return f"{shown}: the path must not hold '.' or '..' segments"
    return ""


def endpoint_mistake(endpoint: str) -> str:
    """Return what is wrong with "HOST:PORT" or "[IPv6]:PORT", "" where nothing is."""
    try:
        parse_endpoint(endpoint)
    except ValueError:
        return f"{endpoint[:80]!r} is not HOST:PORT, such as 10.0.0.7:8080"
    return ""


def parse_endpoint(endpoint: str) -> tuple[str, int]:
    """Return the host, without brackets, and the port of an endpoint.

    Raises:
        ValueError: it is none.
    """
    host, _, port = endpoint.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if bracketed else host
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(endpoint)
    if not host or not _is_host(host, bracketed=bracketed):
        raise ValueError(endpoint)
    return host, int(port)


def split_endpoints(url: str) -> tuple[str, list[str]]:
    """Return a URL with its first authority only, and all of them where there are several.

    "http://a:1,b:2/v1" is the URL "http://a:1/v1" with the endpoints a:1 and b:2.
    """
    scheme, sep, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    if not sep or "," not in authority:
        return url, []
    endpoints = authority.split(",")
    return f"{scheme}://{endpoints[0]}{slash}{path}", endpoints


def _is_host(host: str, *, bracketed: bool) -> bool:
    try:
        if bracketed:
            IPv6Address(host)
        else:
            host.rstrip(".").encode("idna")  # empty and overlong labels too
    except ValueError:
        return False
    return bracketed or (_NAME.fullmatch(host) is not None and host != ".")
