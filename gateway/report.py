"""What the commands print: tables for people, JSON for machines.

JSON goes to standard output and is stable; tables are for reading.
"""

import json
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from seawall.config.v1.config_pb2 import ApiKey, Listener
from seawall.policy.v1.policy_pb2 import AuthPolicy

from gateway import __version__
from gateway.app import Loaded
from gateway.config.identity.key import expiry_of, key_mistakes
from gateway.core.clock import SystemClock
from gateway.core.errors import ConfigError, Problem
from gateway.interceptors.auth import new_key


def console() -> Console:
    """Return where tables are printed."""
    # A table in a file or pipe is not folded to a terminal that is not there.
    return Console() if sys.stdout.isatty() else Console(width=160, no_color=True)


_STREAMS = {
    (False, False): "",
    (False, True): " (stream)",
    (True, False): " (client stream)",
    (True, True): " (streams both ways)",
}


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def summary(loaded: Loaded) -> str:
    """Return "3 methods of 2 services over 1 upstream"."""
    methods = loaded.resolved.methods
    services = len({m.method.service for m in methods})
    return (
        f"{_count(len(methods), 'method')} of {_count(services, 'service')} "
        f"over {_count(len(loaded.resolved.upstreams), 'upstream')}"
    )


def _left_out(loaded: Loaded) -> None:
    for problem in loaded.resolved.left_out:
        print(f"seawall: not served: {problem}", file=sys.stderr)


def _warned(loaded: Loaded) -> None:
    for problem in loaded.resolved.warnings:
        print(f"seawall: warning: {problem}", file=sys.stderr)


def serving(
    loaded: Loaded, addresses: Sequence[str], ops_address: str | None, kept_at: str = ""
) -> None:
    """Say that calls are taken, where, who may call, and where what they leave is kept."""
    _left_out(loaded)
    _warned(loaded)
    config = loaded.document.config
    print(f"seawall {__version__}: {summary(loaded)}")
    said = config.listeners if len(config.listeners) == len(addresses) else ()
    for i, address in enumerate(addresses):
        print(f"gRPC on {address}{_listener(said[i]) if said else ''}")
    if not config.identity.providers:
        print("callers: not identified (there are no identity.providers)")
    _kept(kept_at)
    if ops_address is not None:
        print(f"ops on http://{ops_address} (/livez, /readyz, /metrics)")
    sys.stdout.flush()


def _kept(at: str) -> None:
    if at:
        print(f"idempotency keys and operations in {at}")


def working(loaded: Loaded, concurrency: int, ops_address: str | None, kept_at: str = "") -> None:
    """Say what is worked on, and where that is kept."""
    _warned(loaded)
    names = [
        name for name, one in loaded.resolved.compositions.items() if one.operation is not None
    ]
    print(f"seawall {__version__}: worker, {_count(concurrency, 'attempt')} at one time")
    for name in names:
        print(f"operations of {name}")
    _kept(kept_at)
    if ops_address is not None:
        print(f"ops on http://{ops_address} (/livez, /readyz, /metrics)")
    sys.stdout.flush()


def _listener(said: Listener) -> str:
    """Return what is particular about a listener, for people."""
    told = []
    if said.HasField("tls"):
        told.append("mutual TLS" if said.tls.client_ca_file else "TLS")
    if said.services:
        told.append(f"only {', '.join(said.services)}")
    if said.auth:
        told.append(f"auth {AuthPolicy.Mode.Name(said.auth)}")
    return f" ({'; '.join(told)})" if told else ""


def checked(loaded: Loaded) -> None:
    """Say that there is no mistake; what is doubted stops nothing."""
    _left_out(loaded)
    _warned(loaded)
    print(f"ok: {summary(loaded)}")


def _route_rows(loaded: Loaded) -> list[dict[str, Any]]:
    return [
        {
            "method": method.method.full_name,
            "verb": binding.verb,
            "path": binding.template.text,
            "body": binding.body_text,
            "upstream": method.upstream,
            "url": loaded.resolved.upstreams[method.upstream].shown_url,
            "server_streaming": method.method.server_streaming,
            "client_streaming": method.method.client_streaming,
        }
        for method in loaded.resolved.methods
        for binding in method.bindings
    ] + [
        {
            "method": method.method.full_name,
            "verb": "",
            "path": "",
            "body": "",
            "upstream": "",
            "url": "",
            "made_of": list(loaded.resolved.compositions[method.method.full_name].calls),
            "server_streaming": False,
            "client_streaming": False,
        }
        for method in loaded.resolved.methods
        if not method.bindings
    ]


def routes(loaded: Loaded, *, as_json: bool) -> None:
    """Print every binding of every method."""
    rows = _route_rows(loaded)
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for head in ("METHOD", "VERB", "PATH", "BODY", "UPSTREAM"):
        table.add_column(head, overflow="fold")
    for row in rows:
        name = row["method"] + _STREAMS[row["client_streaming"], row["server_streaming"]]
        if "made_of" in row:
            table.add_row(name, "-", "-", "-", "made of " + ", ".join(row["made_of"]))
            continue
        table.add_row(
            name, row["verb"], row["path"], row["body"] or "-", f"{row['upstream']} {row['url']}"
        )
    console().print(table)
    _left_out(loaded)


def new_api_key(caller: str, roles: Sequence[str], expires: str | None, *, as_json: bool) -> None:
    """Make a key, and print it and its entry of `identity.providers.NAME.api_keys.keys`.

    Args:
        caller: whose it is.
        roles: of the caller.
        expires: an instant, a date, or how long from now ("90d"); None for never.
        as_json: for machines.

    Raises:
        ConfigError: one of them cannot be such.
    """
    key, digest = new_key()
    entry = ApiKey(caller=caller, sha256=digest, roles=roles)
    if expires is not None:
        try:
            entry.expires = expiry_of(expires, SystemClock().wall())
        except ValueError as error:
            raise ConfigError.one("--expires", str(error)) from None
    if wrong := list(key_mistakes(entry)):
        raise ConfigError([Problem("", f"{path}: {text}") for path, text in wrong])
    if as_json:
        told: dict[str, Any] = {
            "key": key,
            "caller": caller,
            "sha256": digest,
            "roles": list(roles),
            **({"expires": entry.expires} if entry.expires else {}),
        }
        print(json.dumps(told))
        return
    print(f"key: {key}")
    print("It is shown this once; the gateway needs its hash only. In a file of keys, or in")
    print("identity.providers.NAME.api_keys of the configuration:")
    print("keys:")
    print(f"  - caller: {json.dumps(caller)}")
    print(f"    sha256: {digest}")
    if roles:
        print(f"    roles: {json.dumps(list(roles))}")
    if entry.expires:
        print(f"    expires: {json.dumps(entry.expires)}")
