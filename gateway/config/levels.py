"""What each level says of a method, general first.

built-in < defaults < upstream < service < method; at one level what the YAML says
comes after, and so before, what the proto says. A service's own `upstream` option
counts as the service saying which upstream its methods have.
"""

from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from seawall.policy.v1 import policy_pb2
from seawall.policy.v1.policy_pb2 import MethodPolicy

from gateway.config import builtin
from gateway.config.checks import Mistake, method_mistakes, reference_mistakes, stream_mistakes
from gateway.config.document import Document
from gateway.config.identity import auth_mistakes
from gateway.config.merge import Level
from gateway.config.problems import Problems
from gateway.config.schema import Schema

_BUILTIN = Level("built-in", "", builtin.METHOD)
_BUILTIN_STREAM = Level("built-in", "", builtin.STREAM)


def option(element: ServiceDescriptor | MethodDescriptor, extension: Any) -> Any:
    """Return a policy option of a service or method, None where it has none."""
    if not element.has_options:
        return None
    options: Any = element.GetOptions()
    return options.Extensions[extension] if options.HasExtension(extension) else None


def says_something(key: str, policy: Message, document: Document) -> bool:
    """Tell whether what stands at `key` of the configuration file is a level.

    A level may do nothing but empty a list or a map that more general ones filled.
    """
    return bool(policy.ListFields() or document.emptied(key))


def yaml_level(name: str, key: str, policy: Message, document: Document) -> Level:
    """Return the level that stands at `key` of the configuration file."""
    return Level(
        name,
        document.where(key),
        policy,
        emptied=document.emptied(key),
        where_of=lambda path: document.where(f"{key}.{path}"),
    )


class MethodLevels:
    """The levels of every method; each is made and checked once.

    Args:
        schema: proto options.
        document: YAML.
        problems: what is wrong with the options. YAML is checked elsewhere.
    """

    def __init__(self, schema: Schema, document: Document, problems: Problems) -> None:
        self._schema = schema
        self._document = document
        self._config = document.config
        self._problems = problems
        self._defaults = self._yaml("defaults", "defaults.method", self._config.defaults.method)
        self._of_upstream: dict[str, tuple[Level, ...]] = {"": ()}
        self._of_service: dict[str, tuple[Level, ...]] = {}
        self._of_method: dict[str, tuple[Level, ...]] = {}
        self.named_at: dict[str, str] = {}
        """Where an upstream was first named for a method."""

    def of(self, method: MethodDescriptor, upstream: str) -> tuple[Level, ...]:
        """Return the levels of `method` where `upstream` answers it."""
        return (
            _BUILTIN_STREAM if method.server_streaming or method.client_streaming else _BUILTIN,
            *self._defaults,
            *self._upstream(upstream),
            *self._service(method.containing_service),
            *self._method(method),
        )

    def upstream_of(self, method: MethodDescriptor) -> str:
        """Return the upstream that the most specific level names, "" where none does."""
        for level in reversed(self.of(method, "")):
            policy: Any = level.message
            if policy.HasField("upstream"):
                name: str = policy.upstream
                where = level.where_of("upstream") if level.where_of else level.where
                self.named_at.setdefault(name, where)
                return name
        return ""

    def _upstream(self, name: str) -> tuple[Level, ...]:
        if name not in self._of_upstream:
            said = self._config.upstreams[name].methods if name in self._config.upstreams else None
            self._of_upstream[name] = self._yaml("upstream", f"upstreams.{name}.methods", said)
        return self._of_upstream[name]

    def _service(self, service: ServiceDescriptor) -> tuple[Level, ...]:
        name = service.full_name
        if name not in self._of_service:
            said = self._config.services[name].policy if name in self._config.services else None
            self._of_service[name] = (
                *self._own_upstream(service),
                *self._proto("service", service, policy_pb2.service, self._schema.where_service),
                *self._yaml("service", f"services.{name}.policy", said),
            )
        return self._of_service[name]

    def _method(self, method: MethodDescriptor) -> tuple[Level, ...]:
        if method.full_name not in self._of_method:
            service = method.containing_service.full_name
            said = None
            if service in self._config.services:
                said = self._config.services[service].methods.get(method.name)
            self._of_method[method.full_name] = (
                *self._proto("method", method, policy_pb2.method, self._schema.where_method),
                *self._yaml("method", f"services.{service}.methods.{method.name}", said),
            )
        return self._of_method[method.full_name]

    def _own_upstream(self, service: ServiceDescriptor) -> tuple[Level, ...]:
        declared = option(service, policy_pb2.upstream)
        if declared is None or not declared.name:
            return ()
        where = self._schema.where_service(service)
        return (Level("service", where, MethodPolicy(upstream=declared.name)),)

    def _proto(
        self, name: str, element: Any, extension: Any, where: Callable[[Any], str]
    ) -> tuple[Level, ...]:
        policy = option(element, extension)
        if policy is None:
            return ()
        level = Level(name, where(element), policy)
        for path, text in self._option_mistakes(element, policy):
            self._problems.add(level.where, f"{element.full_name}: {path}: {text}")
        return (level,)

    def _option_mistakes(self, element: Any, policy: MethodPolicy) -> Iterator[Mistake]:
        yield from method_mistakes(policy)
        yield from reference_mistakes(policy)
        yield from auth_mistakes(policy.auth, self._config.identity)
        if isinstance(element, MethodDescriptor):
            yield from stream_mistakes(policy, element)

    def _yaml(self, name: str, key: str, policy: MethodPolicy | None) -> tuple[Level, ...]:
        if policy is None or not says_something(key, policy, self._document):
            return ()
        return (yaml_level(name, key, policy, self._document),)
