"""Which services are served, and how each of their methods is sent."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from seawall.policy.v1 import policy_pb2

from gateway.config.checks import stream_mistakes
from gateway.config.document import Document
from gateway.config.levels import option
from gateway.config.own import METHODS as OWN
from gateway.config.problems import Problems
from gateway.config.schema import Schema
from gateway.config.suggest import no_such
from gateway.config.writing import BY_FIELDS, option_mistakes
from gateway.core.errors import Problem
from gateway.transcode.binding import (
    Binding,
    BindingError,
    Writing,
    compile_bindings,
    http_rule,
)
from gateway.transcode.fields import Plans


@dataclass(frozen=True, slots=True)
class BoundMethod:
    """A method that is served.

    Args:
        descriptor: its descriptor.
        where: its place in the protos.
        bindings: how it is sent; none where other methods make up its answer.
    """

    descriptor: MethodDescriptor
    where: str
    bindings: tuple[Binding, ...]

    @property
    def name(self) -> str:
        """As operators write it: "panel.v1.OrderService/GetOrder"."""
        return method_name(self.descriptor)


def method_name(method: MethodDescriptor) -> str:
    """Return "panel.v1.OrderService/GetOrder"."""
    return f"{method.containing_service.full_name}/{method.name}"


def choose_services(
    schema: Schema, document: Document, flag: Sequence[str], problems: Problems
) -> list[ServiceDescriptor]:
    """Return the services to serve: the flag's, the file's, or all that have a binding."""
    known = {service.full_name: service for service in schema.services(imported=True)}
    wanted = list(dict.fromkeys(flag or document.config.serve))
    if not wanted:
        bound = [service for service in schema.services() if _is_served(service, document)]
        if not bound:
            problems.add("", "no method of the protos carries google.api.http: nothing to serve")
        return bound
    chosen = []
    for i, name in enumerate(wanted):
        where = "--service" if flag else document.where(f"serve[{i}]")
        if name not in known:
            problems.add(where, no_such("service", name, known))
        elif not _is_served(known[name], document):
            problems.add(where, f"no method of {name} carries google.api.http")
        else:
            chosen.append(known[name])
    return chosen


def check_names(schema: Schema, document: Document, problems: Problems) -> None:
    """Find services and methods of the configuration that the protos do not have."""
    known = {service.full_name: service for service in schema.services(imported=True)}
    for name in sorted(document.config.services):
        if name in OWN and name not in known:
            continue
        said = document.config.services[name]
        key = f"services.{name}"
        if name not in known:
            problems.add(document.where(key), f"{key}: {no_such('service', name, known)}")
            continue
        methods = known[name].methods_by_name
        for method in sorted(said.methods):
            policy = said.methods[method]
            at = f"{key}.methods.{method}"
            if method not in methods:
                problems.add(document.where(at), f"{at}: {no_such('method', method, methods)}")
                continue
            for path, text in stream_mistakes(policy, methods[method]):
                problems.add(document.where(f"{at}.{path}"), f"{at}.{path}: {text}")


def bind_methods(
    services: Sequence[ServiceDescriptor], schema: Schema, document: Document, problems: Problems
) -> tuple[list[BoundMethod], list[Problem]]:
    """Return the methods of `services` that are served, and why the others are not."""
    plans: Plans = {}
    seen: set[str] = set()
    writing = Writing(habits=BY_FIELDS)
    bound: list[BoundMethod] = []
    left_out: list[Problem] = []
    for service in services:
        for method in service.methods:
            where = schema.where_method(method)
            rule = http_rule(method)
            if rule is None and is_composed(method, document):
                bound.append(BoundMethod(method, where, ()))
                continue
            if rule is None:
                if (asked := _asks_nothing(method, document)) is not None:
                    problems.add(
                        asked,
                        f"{method_name(method)}: polling.method: must be said: which method is "
                        "asked",
                    )
                    continue
                left_out.append(
                    Problem(where, f"{method_name(method)}: carries no google.api.http")
                )
                continue
            for message in (method.input_type, method.output_type):
                for at, text in option_mistakes(message, seen):
                    problems.add(message.file.name, f"{at}: {text}")
            try:
                bindings = compile_bindings(method, rule, plans, writing)
            except BindingError as error:
                for mistake in error.mistakes:
                    problems.add(where, f"{method_name(method)}: {mistake}")
                continue
            if method.client_streaming and not method.server_streaming:
                for mistake in missing_bodies(bindings):
                    problems.add(where, f"{method_name(method)}: {mistake}")
            bound.append(BoundMethod(method, where, bindings))
    return bound, left_out


def missing_bodies(bindings: Sequence[Binding]) -> Iterator[str]:
    """Yield which bindings have no body, where a caller's stream is to be the body."""
    for binding in bindings:
        if binding.body is None:
            yield (
                f'{binding.verb} "{binding.template.text}": a stream of messages is sent as '
                'the body, and the binding has none; write body: "*" or name a field'
            )


def is_composed(method: MethodDescriptor, document: Document) -> bool:
    """Tell whether a method's own policy, in protos or YAML, makes its answer of others'."""
    service = method.containing_service.full_name
    said = [option(method, policy_pb2.method)]
    if service in document.config.services:
        said.append(document.config.services[service].methods.get(method.name))
    return any(
        _makes_answers(said, kind) for kind in ("fan_out", "scatter", "operation", "polling")
    )


def _asks_nothing(method: MethodDescriptor, document: Document) -> str | None:
    """Return where the configuration polls for a method without saying what, None for nowhere."""
    service = method.containing_service.full_name
    if service not in document.config.services:
        return None
    said = document.config.services[service].methods.get(method.name)
    if said is None or not said.HasField("polling"):
        return None
    if said.polling.disabled or said.polling.HasField("method"):
        return None
    return document.where(f"services.{service}.methods.{method.name}.polling")


def _makes_answers(said: Sequence[policy_pb2.MethodPolicy | None], kind: str) -> bool:
    """Tell whether one kind of composition is on, once `said` has spoken, general first."""
    is_on = False
    for policy in said:
        if policy is None or not policy.HasField(kind):
            continue
        part = getattr(policy, kind)
        if getattr(part, "disabled", False):
            is_on = False
        elif kind == "operation":
            is_on = is_on or bool(part.steps)
        elif kind == "polling":
            is_on = bool(part.method) if part.HasField("method") else is_on
        else:
            is_on = True
    return is_on


def _is_served(service: ServiceDescriptor, document: Document) -> bool:
    return any(
        http_rule(method) is not None or is_composed(method, document) for method in service.methods
    )
