"""`seawall explain`: the effective policy of a method, and where each value came from.

A table for people, JSON for machines. JSON goes to standard output and is stable.
"""

import difflib
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from rich.table import Table
from seawall.policy.v1.policy_pb2 import MethodPolicy, UpstreamPolicy

from gateway.app import Loaded, overload_guard
from gateway.chain import Shared, Surroundings, composed_interceptors, rest_interceptors
from gateway.config.effective import EffectiveMethod, method_options
from gateway.config.limits.declared import DeclaredLimit
from gateway.config.own import METHODS, own_policies, own_served
from gateway.config.sharing import keeps_answers
from gateway.config.shown import hide_referenced
from gateway.config.state import state_options
from gateway.config.upstream_credentials import caller_of
from gateway.config.validation import Validation
from gateway.core.call import MethodInfo
from gateway.core.clock import SystemClock, system_rng
from gateway.core.errors import ConfigError
from gateway.core.events import Events
from gateway.downstream.credentials import Caller
from gateway.edge import Edge
from gateway.interceptors.auth import AuthOptions
from gateway.interceptors.rate_limit import Part
from gateway.pipeline import Named
from gateway.report import console
from gateway.stores import Stores
from gateway.transcode.codec import JsonCodec
from gateway.transcode.encode import RequestEncoder
from gateway.upstream import Upstream


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
        if _is_map_of_messages(field):
            for key in sorted(value):
                rows += _rows(value[key], origins, f"{path}.{key}.")
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


def _is_map_of_messages(field: FieldDescriptor) -> bool:
    entry = field.message_type
    if entry is None or not entry.GetOptions().map_entry:
        return False
    return entry.fields_by_name["value"].message_type is not None


def _credential(policy: UpstreamPolicy) -> str:
    """Return whose credential an upstream is sent, for people."""
    credentials = policy.credentials
    match caller_of(policy):
        case Caller.FORWARD:
            return "the caller's, as it comes (credentials.caller: FORWARD)"
        case Caller.EXCHANGE:
            return "one that the caller's is exchanged for (credentials.caller: EXCHANGE)"
    kinds = ("bearer_token", "basic", "headers", "oauth2")
    own = [kind for kind in kinds if kind in {field.name for field, _ in credentials.ListFields()}]
    said = f"the gateway's own ({', '.join(own)})" if own else "none"
    return f"{said}; the caller's is not sent (credentials.caller: STRIP)"


class _Shape(NamedTuple):
    """What a method's calls go through, and what they share with others by name."""

    interceptors: list[str]
    breakers: list[str]
    auth: AuthOptions
    limits: tuple[DeclaredLimit, ...]

    def auth_names(self) -> dict[str, Any]:
        """Return who may call, for machines."""
        return {
            "mode": self.auth.mode.name,
            "providers": sorted(self.auth.providers),
            "roles": sorted(self.auth.roles),
        }

    def auth_text(self) -> str:
        """Return who may call, for people."""
        more = [f"{what}: {', '.join(sorted(names))}" for what, names in self._auth_names()]
        return self.auth.mode.name + (f" ({'; '.join(more)})" if more else "")

    def _auth_names(self) -> Iterator[tuple[str, frozenset[str]]]:
        if self.auth.providers:
            yield "providers", self.auth.providers
        if self.auth.roles:
            yield "roles", self.auth.roles

    def limit_texts(self) -> list[str]:
        """Return each limit by the name of its instance, for people."""
        return [
            f"{one.limit.name} ({one.limit.requests} in {one.limit.per_s:g} s"
            f"{', by ' + ' and '.join(map(_by, one.by)) if one.by else ''}"
            f"{', a shadow' if one.limit.shadow else ''})"
            for one in self.limits
        ]


def _by(part: Part) -> str:
    return f"{part.source.value}:{part.name}" if part.name else str(part.source.value)


def _shape(loaded: Loaded, method: EffectiveMethod) -> _Shape:
    config = loaded.document.config
    constraints = Validation(loaded.schema).of(method.policy, method.descriptor.input_type)
    options = method_options(
        method,
        bytes,
        "",
        identity=config.identity,
        check=None if constraints is None else constraints.violations,
    )
    stores = Stores(
        state_options(config.state),
        SystemClock(),
        system_rng(),
        Events(),
        keeps_answers=keeps_answers([method.policy]),
        keeps_records=False,
    )
    around = Surroundings(
        clock=SystemClock(),
        rng=system_rng(),
        events=Events(),
        overload=overload_guard(config),
        answers=stores.answers,
        records=stores.records,
        **Edge(loaded.document, SystemClock(), system_rng(), Events()).surroundings(),
    )
    composition = loaded.resolved.compositions.get(method.method.full_name)
    fallback = Named("fallback") if composition is not None and composition.fallback else None
    upstream = loaded.resolved.upstreams.get(method.upstream)
    breakers: list[str] = []
    batched = composition is not None and composition.batch is not None
    shared_by = Shared(batch=Named("batch") if batched else None)
    if upstream is None:
        outer, inner = composed_interceptors(options, around, fallback, shared_by)
    else:
        shared = Upstream(
            method.upstream, upstream.options(), around.clock, around.rng, around.events
        )
        encoder = RequestEncoder(method.bindings, JsonCodec(loaded.schema.pool))
        outer, inner = rest_interceptors(options, encoder, shared, around, fallback, shared_by)
        breakers += [method.upstream] if shared.breaker is not None else []
        breakers += [options.breaker.name] if options.breaker is not None else []
    names = [interceptor.name for interceptor in (*outer, *inner)]
    if method.is_later:  # what is behind acceptance is walked by each attempt
        behind = [name for name in (one.name for one in inner) if name != "deduplicate"]
        names = [*(one.name for one in outer), "operation", *behind]
    return _Shape(names, breakers, options.auth, options.limits)


def _explain_own(loaded: Loaded, method: MethodInfo, *, as_json: bool) -> None:
    """Print what holds for a method that the gateway answers itself."""
    edge = Edge(loaded.document, SystemClock(), system_rng(), Events())
    own = edge.own_options([method], loaded.resolved.catalog)[method]
    policy, origins = own_policies(loaded.document, [method])[method]
    shown = MethodPolicy()
    shown.auth.CopyFrom(policy.auth)
    for limit in filter(None, policy.rate_limits):
        shown.rate_limits[limit].CopyFrom(policy.rate_limits[limit])
    hide_referenced(shown, loaded.document.referenced)
    said = {path: at for path, at in origins.items() if path.startswith(("auth.", "rate_limits."))}
    shape = _Shape([], [], own.auth, own.limits)
    if as_json:
        told = {
            "method": method.full_name,
            "answered_by": "the gateway",
            "auth": shape.auth_names(),
            "rate_limits": [one.limit.name for one in own.limits],
            "policy": json_format.MessageToDict(shown, preserving_proto_field_name=True),
            "origins": said,
        }
        print(json.dumps(told, indent=2))
        return
    out = console()
    head = Table(box=None, show_header=False, pad_edge=False)
    head.add_row("method", f"{method.full_name}  (answered by the gateway itself)")
    head.add_row("callers", shape.auth_text())
    for text in shape.limit_texts():
        head.add_row("rate limit", text)
    out.print(head)
    out.print()
    table = Table(box=None, pad_edge=False)
    for column in ("POLICY", "VALUE", "FROM"):
        table.add_column(column, overflow="fold")
    for row in _rows(shown, said):
        table.add_row(*row)
    out.print(table)


def _own(loaded: Loaded, name: str) -> MethodInfo | None:
    service, _, method = name.lstrip("/").partition("/")
    known = METHODS.get(service, ())
    if (
        service not in own_served(loaded.document, operations=loaded.resolved.has_operations)
        or method not in known
    ):
        return None
    return MethodInfo(service, method)


def explain(loaded: Loaded, name: str, *, as_json: bool) -> None:
    """Print a method's effective policy with the origin of every value.

    Raises:
        ConfigError: the method is not served.
    """
    if (own := _own(loaded, name)) is not None:
        _explain_own(loaded, own, as_json=as_json)
        return
    method = _find(loaded, name)
    idempotent, because = method.idempotency
    shape = _shape(loaded, method)
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
                    "pipeline": shape.interceptors,
                    "breakers": shape.breakers,
                    "auth": shape.auth_names(),
                    "rate_limits": [one.limit.name for one in shape.limits],
                    "policy": as_dict(method.shown_policy, preserving_proto_field_name=True),
                    "origins": dict(method.origins),
                    "upstream": {
                        "name": method.upstream,
                        "credential": caller_of(upstream.policy).name,
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
    out = console()
    head = Table(box=None, show_header=False, pad_edge=False)
    head.add_row("method", f"{method.method.full_name}  ({method.where})")
    for binding in bindings:
        head.add_row("binding", binding)
    head.add_row("idempotent", f"{'yes' if idempotent else 'no'}  ({because})")
    end = f"upstream {method.upstream}" if upstream is not None else "other methods"
    head.add_row("pipeline", " → ".join([*shape.interceptors, end]))
    head.add_row("callers", shape.auth_text())
    for limit in shape.limit_texts():
        head.add_row("rate limit", limit)
    if upstream is not None:
        head.add_row("credential", _credential(upstream.policy))
    if shape.breakers:
        head.add_row("breakers", ", ".join(shape.breakers))
    out.print(head)
    out.print()
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
    out.print(table)
