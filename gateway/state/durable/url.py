"""Where the durable store is: what `state.durable` may say.

Rules:
1. sqlite:///PATH: a file, of processes of one machine. As elsewhere a path that begins at the
   root makes four slashes: sqlite:////var/lib/seawall/seawall.db.
2. postgresql://[USER[:PASSWORD]@]HOST[:PORT][,HOST[:PORT]…]/NAME[?OPTION=VALUE…]; postgres:// is
   the same. User, password and name are percent-encoded. HOST may be a percent-encoded folder
   of sockets. Of several hosts the one that may be written to is asked.
3. Options are those of libpq about TLS: `sslmode` (disable, allow, prefer, require, verify-ca,
   verify-full), `sslrootcert`, `sslcert`, `sslkey`, `sslcrl`, `ssl_min_protocol_version`,
   `ssl_max_protocol_version`.
4. Nothing said: seawall.db in $STATE_DIRECTORY (the first, where systemd names several), else
   in $XDG_STATE_HOME/seawall, else in ~/.local/state/seawall. Only that folder is made.
5. No sentence here, and no `repr`, repeats a password, nor what may be one in a wrong place.

Knows no database.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlencode

_SQLITE: Final = "sqlite:///PATH"
_POSTGRES: Final = "postgresql://USER:PASSWORD@HOST/NAME"
_KINDS: Final = ("sqlite", "postgresql", "postgres")
_FILE: Final = "seawall.db"
_PORT: Final = 5432
_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_VERSIONS: Final = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_OPTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "sslmode": _MODES,
    "sslrootcert": (),
    "sslcert": (),
    "sslkey": (),
    "sslcrl": (),
    "ssl_min_protocol_version": _VERSIONS,
    "ssl_max_protocol_version": _VERSIONS,
}
_ENCRYPTED: Final = frozenset(("require", "verify-ca", "verify-full"))
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,29}")
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_-]+)*\.?")


@dataclass(frozen=True, kw_only=True, slots=True)
class SqliteUrl:
    """A file.

    Args:
        path: of it; begins in the working directory where it does not begin at the root.
        makes_folder: whether its folder is made where there is none.
    """

    path: Path
    makes_folder: bool = False

    @property
    def shown(self) -> str:
        """The URL, for people."""
        return f"sqlite:///{self.path}"


@dataclass(frozen=True, kw_only=True, slots=True)
class PostgresUrl:
    """A database of a PostgreSQL server.

    Args:
        endpoints: host, or folder of sockets, and port of each server.
        database: its name.
        username: "" for whoever runs the process.
        password: "" where none is asked for, or a passfile has it.
        options: of TLS, by libpq's names.
    """

    endpoints: tuple[tuple[str, int], ...]
    database: str
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    options: tuple[tuple[str, str], ...] = ()

    @property
    def shown(self) -> str:
        """The URL without who one is there, for people."""
        hosts = ",".join(_written(host, port) for host, port in self.endpoints)
        return f"postgresql://{hosts}/{quote(self.database, safe='')}"

    @property
    def tls(self) -> bool:
        """Whether no connection is made that is not encrypted."""
        return dict(self.options).get("sslmode") in _ENCRYPTED

    @property
    def dsn(self) -> str:
        """What the driver reads: host, database and options, nothing secret."""
        return self.shown + ("?" + urlencode(self.options) if self.options else "")


DurableUrl = SqliteUrl | PostgresUrl


def default_url(environ: Mapping[str, str]) -> SqliteUrl:
    """Return where the store is if nobody says so.

    Args:
        environ: of the process.
    """
    folder = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if folder:
        return SqliteUrl(path=Path(folder) / _FILE, makes_folder=True)
    state = environ.get("XDG_STATE_HOME", "")
    # The specification of XDG folders: what does not begin at the root is ignored.
    home = environ.get("HOME") or "~"
    base = Path(state) if state.startswith("/") else Path(home).expanduser() / ".local" / "state"
    return SqliteUrl(path=base / "seawall" / _FILE, makes_folder=True)


def parse_durable_url(url: str) -> DurableUrl:
    """Return what a URL says.

    Raises:
        ValueError: it says nothing that this version knows; the sentence holds no secret.
    """
    scheme, sep, rest = url.partition("://")
    scheme = scheme.lower()
    if not sep or scheme not in _KINDS:
        raise ValueError(_no_kind(scheme if sep else ""))
    if any(not c.isprintable() for c in url):
        raise ValueError("a URL has no control characters")
    return _sqlite(rest) if scheme == "sqlite" else _postgres(rest)


def _no_kind(scheme: str) -> str:
    if not _SCHEME.fullmatch(scheme):
        return f"is not a URL: write {_SQLITE} or {_POSTGRES}"
    if scheme.startswith(("postgres", "sqlite")) and "+" in scheme:
        return f"names no driver: write {_SQLITE} or {_POSTGRES}"
    close = difflib.get_close_matches(scheme, _KINDS, n=1, cutoff=0.7)
    hint = f"did you mean '{close[0]}'?" if close else f"known: {', '.join(_KINDS)}"
    return f"there is no kind of store {scheme!r}; {hint}"


def _sqlite(rest: str) -> SqliteUrl:
    host, sep, path = rest.partition("/")
    if host or not sep:
        raise ValueError(f"a file is on no host: write {_SQLITE}, with three slashes")
    if not path or path.endswith("/"):
        raise ValueError(f"must name a file: write {_SQLITE}")
    if "?" in path or "#" in path or path.startswith("file:"):
        raise ValueError(f"a file has no options: write {_SQLITE}")
    if path.startswith(":"):
        raise ValueError("memory does not outlive the process: name a file")
    return SqliteUrl(path=Path(path))


def _postgres(rest: str) -> PostgresUrl:
    if any(c.isspace() for c in rest) or "#" in rest:
        raise ValueError("spaces and '#' in a password or name must be percent-encoded")
    rest, _, query = rest.partition("?")
    authority, _, name = rest.partition("/")
    credentials, _, hosts = authority.rpartition("@")
    username, _, password = credentials.partition(":")
    if credentials.count(":") > 1 or "@" in credentials + name + query or "/" in name:
        raise ValueError("':', '@', '/' and '?' in a user, password or name are percent-encoded")
    if not hosts:
        raise ValueError(f"names no host: write {_POSTGRES}")
    endpoints = tuple(map(_endpoint, hosts.split(",")))
    if not name:
        raise ValueError(f"names no database: write {_POSTGRES}")
    return PostgresUrl(
        endpoints=endpoints,
        database=unquote(name),
        username=unquote(username),
        password=unquote(password),
        options=_options(query),
    )


def _options(query: str) -> tuple[tuple[str, str], ...]:
    try:
        said = parse_qsl(query, keep_blank_values=True, strict_parsing=True) if query else []
    except ValueError:
        raise ValueError("what stands behind '?' is OPTION=VALUE, divided by '&'") from None
    for name, value in said:
        if name not in _OPTIONS:
            # It may be the end of a password with a '?' in it.
            raise ValueError(f"there is an option behind '?' that is none; known: {_known()}")
        values = _OPTIONS[name]
        if not value or (values and value not in values):
            raise ValueError(
                f"{name} is one of {', '.join(values)}" if values else f"{name} is empty"
            )
    if len({name for name, _ in said}) < len(said):
        raise ValueError("an option is said twice")
    return tuple(said)


def _known() -> str:
    return ", ".join(_OPTIONS)


def _endpoint(text: str) -> tuple[str, int]:
    host, sep, port = text.rpartition(":")
    if not sep or text.endswith("]"):
        host, port = text, str(_PORT)
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):
        raise ValueError(
            "the port is a number from 1 to 65535; special characters of a password are "
            "percent-encoded"
        )
    if host.startswith("[") and host.endswith("]"):
        try:
            return str(IPv6Address(host[1:-1])), int(port)
        except ValueError:
            raise ValueError("what stands in '[]' is not an IPv6 address") from None
    if host.lower().startswith("%2f"):
        return unquote(host), int(port)
    if not _HOST.fullmatch(host):
        raise ValueError(f"names no host, or something that is none: write {_POSTGRES}")
    return host, int(port)


def _written(host: str, port: int) -> str:
    if ":" in host:
        host = f"[{host}]"
    elif host.startswith("/"):
        host = quote(host, safe="")
    return f"{host}:{port}"
