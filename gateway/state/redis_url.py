"""Where a shared store is: what `state.shared` may say of a Redis server.

Rules:
1. redis://[USER:PASSWORD@]HOST[:PORT][/DB], rediss:// the same over TLS,
   redis+sentinel://[USER:PASSWORD@]HOST[:PORT],HOST[:PORT],…/NAME[/DB], where the hosts are
   Sentinels, NAME is the master's, and the credentials are those of the master.
2. The ports are 6379, and 26379 of Sentinels; DB is 0. User and password are percent-encoded.
3. No sentence here repeats more of a URL than its scheme, and no `repr` shows who one is
   there: what is written in the wrong place may be a password.
"""

import difflib
import re
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from typing import Final
from urllib.parse import unquote

NO_CLUSTER: Final = (
    "Redis Cluster is not supported: all limits of a call are one question, and a cluster "
    "keeps their counts on different servers; use one server, or Sentinel"
)
_SHAPES: Final = {
    "redis": "redis://HOST:PORT/DB",
    "rediss": "rediss://HOST:PORT/DB",
    "redis+sentinel": "redis+sentinel://HOST:PORT,HOST:PORT/NAME/DB",
}
_SENTINEL = "redis+sentinel"
_KINDS = ("memory", *_SHAPES)
_PORT, _SENTINEL_PORT = 6379, 26379
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,29}")
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_-]+)*\.?")
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_MAX_DB = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class RedisUrl:
    """A Redis server, or the Sentinels that know which one it is.

    Args:
        endpoints: host and port of the server, or of each Sentinel.
        master: the name by which Sentinels know the server; "" without Sentinels.
        db: number of the database.
        tls: whether the connection is encrypted and the server's certificate checked.
        username: "" for the default user.
        password: "" where none is asked for.
    """

    endpoints: tuple[tuple[str, int], ...]
    master: str = ""
    db: int = 0
    tls: bool = False
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


def parse_redis_url(url: str) -> RedisUrl:
    """Return what a URL says.

    Raises:
        ValueError: it says nothing that this version knows; the sentence holds no secret.
    """
    scheme, sep, rest = url.partition("://")
    scheme = scheme.lower()
    shape = _SHAPES.get(scheme) if sep else None
    if shape is None:
        raise ValueError(_no_kind(scheme if sep else ""))
    if any(c.isspace() or not c.isprintable() for c in url):
        raise ValueError("a URL has no spaces and no control characters")
    if "?" in rest or "#" in rest:
        raise ValueError(
            f"has neither '?' nor '#': write {shape}, and percent-encode them in a password"
        )
    authority, _, path = rest.partition("/")
    credentials, _, hosts = authority.rpartition("@")
    username, _, password = credentials.partition(":")
    if credentials.count(":") > 1 or "@" in credentials or "@" in path:
        raise ValueError("':', '@' and '/' in a user or password must be percent-encoded")
    sentinel = scheme == _SENTINEL
    if "," in hosts and not sentinel:
        raise ValueError(f"{scheme}:// names one server; for Sentinels write {_SHAPES[_SENTINEL]}")
    master, path = _master(path, shape) if sentinel else ("", path)
    port = _SENTINEL_PORT if sentinel else _PORT
    return RedisUrl(
        endpoints=tuple(_endpoint(one, port, shape) for one in hosts.split(",")),
        master=master,
        db=_db(path, shape),
        tls=scheme == "rediss",
        username=unquote(username),
        password=unquote(password),
    )


def _no_kind(scheme: str) -> str:
    if "cluster" in scheme:
        return NO_CLUSTER
    if not _SCHEME.fullmatch(scheme):
        return f"is not a URL: write memory://, {', '.join(_SHAPES.values())}"
    close = difflib.get_close_matches(scheme, _KINDS, n=1, cutoff=0.5)
    hint = f"did you mean '{close[0]}'?" if close else f"known: {', '.join(_KINDS)}"
    return f"there is no kind of store {scheme!r}; {hint}"


def _master(path: str, shape: str) -> tuple[str, str]:
    name, _, path = path.partition("/")
    if not _NAME.fullmatch(name):
        raise ValueError(f"must name the master that the Sentinels watch: write {shape}")
    return name, path


def _endpoint(text: str, default_port: int, shape: str) -> tuple[str, int]:
    host, sep, port = text.rpartition(":")
    if not sep or text.endswith("]"):
        host, port = text, str(default_port)
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):
        raise ValueError(
            f"the port is a number from 1 to 65535: write {shape}; "
            "special characters of a password are percent-encoded"
        )
    if host.startswith("[") and host.endswith("]"):
        try:
            return str(IPv6Address(host[1:-1])), int(port)
        except ValueError:
            raise ValueError("what stands in '[]' is not an IPv6 address") from None
    if not _HOST.fullmatch(host):
        raise ValueError(f"names no host, or something that is none: write {shape}")
    return host, int(port)


def _db(path: str, shape: str) -> int:
    text = path.rstrip("/")
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 8 and int(text) < _MAX_DB):
        raise ValueError(f"the database is a number: write {shape}")
    return int(text)
