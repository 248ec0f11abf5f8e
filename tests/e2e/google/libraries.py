"""What a Google client library can do over REST, found in its own code.

Every GAPIC library on PyPI that has a REST transport holds, for each method, a class
with its HTTP bindings (`_get_http_options`) and a `__call__` whose annotations are the
request and the answer. A distribution's name is all that has to be given.
"""

import functools
import importlib
import importlib.metadata
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from google.api_core.rest_streaming import ResponseIterator
from google.auth.credentials import AnonymousCredentials
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message


@dataclass(frozen=True, slots=True)
class HttpOption:
    """One binding, as the library writes it."""

    verb: str
    uri: str
    body: str


@dataclass(frozen=True, slots=True)
class Method:
    """One method of a library's service.

    Attributes:
        service: full name of the service that is made for it.
        name: of the method.
        request: protobuf class.
        response: protobuf class; Empty where the library returns None.
        options: its bindings in order.
        defaults: JSON names and values of required fields, which the library sends
            in the query even where they are not set.
        streaming: the answers are a stream.
        call: sends a request by the library's transport, returns the answer.
    """

    service: str
    name: str
    request: type[Message]
    response: type[Message]
    options: tuple[HttpOption, ...]
    defaults: dict[str, Any]
    streaming: bool
    call: Callable[[Message], Message]

    @property
    def path(self) -> str:
        """The path of its gRPC calls."""
        return f"/{self.service}/{self.name}"


@dataclass(frozen=True, slots=True)
class Library:
    """What a distribution offers: its methods, and those that have no binding."""

    name: str
    methods: tuple[Method, ...]
    unbound: tuple[str, ...]
    transports: tuple[Any, ...]

    def close(self) -> None:
        """Close the connections of its transports."""
        for transport in self.transports:
            transport.close()


def read_library(name: str, host: str) -> Library:
    """Return the methods of an installed distribution.

    Args:
        name: of the distribution.
        host: "host:port" that its transports send to, without TLS.

    Raises:
        importlib.metadata.PackageNotFoundError: it is not installed.
    """
    found = [_transport(module, host) for module in _transport_modules(name)]
    methods = [method for transport in found for method in _methods_of(transport)]
    assert methods, f"{name} has no REST transport"
    return Library(
        name,
        tuple(method for method in methods if method.options),
        tuple(method.path for method in methods if not method.options),
        tuple(found),
    )


def _transport_modules(name: str) -> Iterator[Any]:
    for file in importlib.metadata.files(name) or ():
        text = str(file)
        if text.endswith("/transports/rest.py"):
            yield importlib.import_module(text.removesuffix(".py").replace("/", "."))


def _transport(module: Any, host: str) -> Any:
    [kind] = [
        found
        for name, found in vars(module).items()
        if name.endswith("RestTransport") and found.__module__ == module.__name__
    ]
    module.transcode_request = _by_name(module.transcode_request)
    return kind(host=host, credentials=AnonymousCredentials(), url_scheme="http")


def _by_name(transcode: Callable[..., Any]) -> Callable[..., Any]:
    """Return the library's maker of requests with `rest_numeric_enums` switched off.

    Each method gives it as a constant: enums as numbers, and a parameter in the query
    that asks for such answers.
    """

    @functools.wraps(transcode)
    def transcode_request(*arguments: Any, rest_numeric_enums: bool, **named: Any) -> Any:
        return transcode(*arguments, rest_numeric_enums=False, **named)

    return transcode_request


def _methods_of(transport: Any) -> Iterator[Method]:
    kind = type(transport)
    package = kind.__module__.partition(".services.")[0]
    service = f"{package}.{kind.__name__.removesuffix('RestTransport')}"
    for name, member in vars(kind).items():
        if isinstance(member, property) and name not in ("kind", "operations_client"):
            yield _method(service, getattr(transport, name))


def _method(service: str, stub: Any) -> Method:
    name = type(stub).__name__.removeprefix("_")
    signature = inspect.signature(type(stub).__call__)
    request, wrap, _ = _message_type(signature.parameters["request"].annotation)
    returned = signature.return_annotation
    streaming = returned is ResponseIterator
    response, _, unwrap = _message_type(Empty if streaming else returned)
    options = getattr(stub, "_get_http_options", list)()

    def call(message: Message) -> Message:
        answer = stub(wrap(message), timeout=60)
        return Empty() if answer is None else unwrap(answer)

    return Method(
        service,
        name,
        request,
        response,
        tuple(HttpOption(o["method"].upper(), o["uri"], o.get("body", "")) for o in options),
        getattr(stub, f"_Base{name}__REQUIRED_FIELDS_DEFAULT_VALUES", {}),
        streaming,
        call,
    )


def _message_type(kind: Any) -> tuple[type[Message], Callable[..., Any], Callable[..., Any]]:
    """Return the protobuf class of an annotation, and how to wrap and unwrap its messages.

    Most libraries use proto-plus, whose classes stand around those of protobuf.
    """
    if kind in (None, inspect.Signature.empty):
        kind = Empty
    if issubclass(kind, Message):
        return kind, _same, _same
    return type(kind.pb(kind())), kind.wrap, kind.pb


def _same(message: Message) -> Message:
    return message
