"""What the commands print: tables for people, JSON for machines.

JSON goes to standard output and is stable; tables are for reading.
"""

import difflib
import json
import sys
from collections.abc import Sequence
from typing import Any

from google.protobuf import json_format
from rich.console import Console
from rich.table import Table
from seawall.config.v1.config_pb2 import ApiKey, Listener
from seawall.policy.v1.policy_pb2 import AuthPolicy, UpstreamPolicy

from gateway import __version__
from gateway.app import Loaded, overload_guard
from gateway.chain import Named, Surroundings, composed_interceptors, rest_interceptors
from gateway.config.effective import EffectiveMethod, method_options
from gateway.config.identity.key import key_mistakes
from gateway.config.validation import Validation
from gateway.core.clock import SystemClock, system_rng
from gateway.core.errors import ConfigError, Problem
from gateway.core.events import Events
from gateway.edge import Edge
from gateway.interceptors.auth import new_key
from gateway.transcode.codec import JsonCodec
from gateway.transcode.encode import RequestEncoder
from gateway.upstream import Upstream


def _console() -> Console:
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


def serving(loaded: Loaded, addresses: Sequence[str], ops_address: str | None) -> None:
    """Say that calls are taken, where, and who may call."""
    _left_out(loaded)
    _warned(loaded)
    config = loaded.document.config
    print(f"seawall {__version__}: {summary(loaded)}")
    said = config.listeners if len(config.listeners) == len(addresses) else ()
    for i, address in enumerate(addresses):
        print(f"gRPC on {address}{_listener(said[i]) if said else ''}")
    if not config.identity.providers:
        print("callers: not identified (there are no identity.providers)")
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
    _console().print(table)
    _left_out(loaded)


def _find(loaded: Loaded, name: str) -> EffectiveMethod:
    wanted = name.lstrip("/")
    if "/" not in wanted and "." in wanted:
        wanted = "/".join(wanted.rsplit(".", 1))
    by_name = {m.method.full_name: m for m in loaded.resolved.methods}
    if wanted in by_name:
        return by_name[wanted]
    close = difflib.get_close_matches(wanted, list(by_name), n=1, cutoff=0.3)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise ConfigError.one("", f"there is no served method {name!r}{hint}")


def _rows(message: Any, origins: dict[str, str], at: str = "") -> list[tuple[str, str, str]]:
    rows: list[tuple[str, str, str]] = []
    plain = json_format.MessageToDict(message, preserving_proto_field_name=True)
    for field, value in message.ListFields():
        path = f"{at}{field.name}"
        if path not in origins and hasattr(value, "ListFields"):
            rows += _rows(value, origins, f"{path}.")
            continue
        shown = plain[field.name]
        if isinstance(shown, list):
            shown = ", ".join(map(str, shown))
        elif isinstance(shown, dict):
            shown = ", ".join(f"{k}: {v}" for k, v in shown.items())
        rows.append(
            (
                path,
                str(shown).lower() if isinstance(shown, bool) else str(shown),
                origins.get(path, ""),
            )
        )
    if not at:  # lists and maps that were emptied on purpose
        shown_paths = {path for path, _, _ in rows}
        rows += [(p, "(empty)", origins[p]) for p in origins if p not in shown_paths]
    return rows


def _shape(loaded: Loaded, method: EffectiveMethod) -> tuple[list[str], list[str]]:
    """Return the interceptors of a method, and the names of the breakers that it has."""
    config = loaded.document.config
    constraints = Validation(loaded.schema).of(method.policy, method.descriptor.input_type)
    options = method_options(
        method,
        bytes,
        "",
        identity=config.identity,
        check=None if constraints is None else constraints.violations,
    )
    around = Surroundings(
        clock=SystemClock(),
        rng=system_rng(),
        events=Events(),
        overload=overload_guard(config),
        **Edge(loaded.document, SystemClock(), system_rng(), Events()).surroundings(),
    )
    composition = loaded.resolved.compositions.get(method.method.full_name)
    fallback = Named("fallback") if composition is not None and composition.fallback else None
    upstream = loaded.resolved.upstreams.get(method.upstream)
    if upstream is None:
        outer, inner = composed_interceptors(options, around, fallback)
        return [interceptor.name for interceptor in (*outer, *inner)], []
    shared = Upstream(method.upstream, upstream.options(), around.clock, around.rng, around.events)
    encoder = RequestEncoder(method.bindings, JsonCodec(loaded.schema.pool))
    outer, inner = rest_interceptors(options, encoder, shared, around, fallback)
    breakers = [method.upstream] if shared.breaker is not None else []
    breakers += [options.breaker.name] if options.breaker is not None else []
    return [interceptor.name for interceptor in (*outer, *inner)], breakers


def explain(loaded: Loaded, name: str, *, as_json: bool) -> None:
    """Print a method's effective policy with the origin of every value.

    Raises:
        ConfigError: the method is not served.
    """
    method = _find(loaded, name)
    idempotent, because = method.idempotency
    shape, breakers = _shape(loaded, method)
    upstream = loaded.resolved.upstreams.get(method.upstream)
    upstream_policy = UpstreamPolicy() if upstream is None else upstream.shown_policy
    bindings = [f"{b.verb} {b.template.text}" for b in method.bindings]
    if as_json:
        as_dict = json_format.MessageToDict
        print(
            json.dumps(
                {
                    "method": method.method.full_name,
                    "declared": method.where,
                    "bindings": bindings,
                    "idempotent": {"value": idempotent, "origin": because},
                    "pipeline": shape,
                    "breakers": breakers,
                    "policy": as_dict(method.shown_policy, preserving_proto_field_name=True),
                    "origins": dict(method.origins),
                    "upstream": {
                        "name": method.upstream,
                        "policy": as_dict(upstream_policy, preserving_proto_field_name=True),
                        "origins": dict(upstream.origins),
                    }
                    if upstream is not None
                    else None,
                },
                indent=2,
            )
        )
        return
    console = _console()
    head = Table(box=None, show_header=False, pad_edge=False)
    head.add_row("method", f"{method.method.full_name}  ({method.where})")
    for binding in bindings:
        head.add_row("binding", binding)
    head.add_row("idempotent", f"{'yes' if idempotent else 'no'}  ({because})")
    end = f"upstream {method.upstream}" if upstream is not None else "other methods"
    head.add_row("pipeline", " → ".join([*shape, end]))
    if breakers:
        head.add_row("breakers", ", ".join(breakers))
    console.print(head)
    console.print()
    table = Table(box=None, pad_edge=False)
    for column in ("POLICY", "VALUE", "FROM"):
        table.add_column(column, overflow="fold")
    for row in _rows(method.shown_policy, method.origins):
        table.add_row(*row)
    if upstream is not None:
        table.add_row()
        table.add_row(f"UPSTREAM {method.upstream}", "VALUE", "FROM", style="bold")
        for row in _rows(upstream_policy, upstream.origins):
            table.add_row(*row)
    console.print(table)


def new_api_key(caller: str, roles: Sequence[str], *, as_json: bool) -> None:
    """Make a key, and print it and its entry of `identity.providers.NAME.api_keys.keys`.

    Raises:
        ConfigError: caller or roles cannot be such.
    """
    key, digest = new_key()
    entry = ApiKey(caller=caller, sha256=digest, roles=roles)
    if wrong := list(key_mistakes(entry)):
        raise ConfigError([Problem("", f"{path}: {text}") for path, text in wrong])
    if as_json:
        print(json.dumps({"key": key, "caller": caller, "sha256": digest, "roles": list(roles)}))
        return
    print(f"key: {key}")
    print("It is shown this once; the gateway needs its hash only:")
    print(f"  - caller: {json.dumps(caller)}")
    print(f"    sha256: {digest}")
    if roles:
        print(f"    roles: {json.dumps(list(roles))}")
