"""A request message to an HTTP request: path, query, headers, body.

An interceptor of its own, outside retry: done once a call, however many attempts
follow, and a request that no binding can send costs no attempt. What differs
between attempts (the remaining time) is added by the target.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from google.protobuf.descriptor import FieldDescriptor

from gateway.core.call import Call, Preparation
from gateway.core.errors import CallError, invalid_request
from gateway.core.outcome import Outcome, failed
from gateway.transcode.binding import Binding
from gateway.transcode.codec import CodecError, JsonCodec, Printer
from gateway.transcode.fields import FieldValueError
from gateway.transcode.forms import MEDIA_TYPE as FORM
from gateway.transcode.forms import form_body
from gateway.transcode.header_fields import headers_of
from gateway.transcode.template import MismatchError

JSON = "application/json"

_NO_HEADERS: Mapping[str, str] = {}


@dataclass(slots=True)
class Prepared:
    """What every attempt of a call sends. Not changed once it is made.

    Args:
        binding: that fitted.
        target: path and query.
        body: None for none; of a client stream it is not here, see `transcode/uploads.py`.
        content_type: of the body.
        headers: that the request's fields and the policy say, names in lower case.
    """

    binding: Binding
    target: str
    body: bytes | None
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestOptions:
    """What the requests of a method have beyond their bindings.

    Args:
        max_url_bytes: of path and query together, what is fixed included.
        query: parameters with fixed values, which go before what a request says.
        headers: with fixed values, names in lower case.
        as_form: bodies are forms instead of JSON.
    """

    max_url_bytes: int = 16 * 1024
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    as_form: bool = False


class RequestEncoder:
    """Prints requests by the bindings of one method, the first that fits.

    Args:
        bindings: at least one.
        codec: prints the body.
        options: of the method.
    """

    def __init__(
        self,
        bindings: Sequence[Binding],
        codec: JsonCodec,
        options: RequestOptions | None = None,
    ) -> None:
        options = options if options is not None else RequestOptions()
        self._fixed_query = urlencode(options.query, quote_via=quote, safe="")
        self._fixed_names = frozenset(options.query)
        self._headers = options.headers
        self._limit = options.max_url_bytes
        self._room = options.max_url_bytes - len(self._fixed_query)
        self._content_type = FORM if options.as_form else JSON
        self._bindings = tuple(
            (binding, _body_writer(binding, codec, as_form=options.as_form)) for binding in bindings
        )

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers with fixed values, which every request has."""
        return self._headers

    def encode(self, message: Any, *, streamed: bool = False) -> Prepared:
        """Return what to send for `message`.

        Args:
            message: the request, or the first of a stream.
            streamed: the body is made of a stream of messages, and left out here.

        Raises:
            CallError: INVALID_ARGUMENT, naming the field no binding can send.
        """
        first: CallError | None = None
        for binding, write_body in self._bindings:
            try:
                return self._encode(binding, None if streamed else write_body, message)
            except FieldValueError as error:
                text = f"the field {error.path!r} cannot be sent: {error}"
                first = first or invalid_request(text, error.path)
            except CodecError as error:
                first = first or invalid_request(f"the request has no JSON form: {error}")
            except CallError as error:
                first = first or error
        assert first is not None
        raise first

    def _encode(self, binding: Binding, write_body: "_WriteBody | None", message: Any) -> Prepared:
        target = self._path(binding, message)
        if binding.query is not None:
            separator = "?"
            for key, text in binding.query.pairs(message):
                if key in self._fixed_names:
                    continue
                if len(target) + len(key) + len(text) > self._room:
                    raise self._too_long(key)
                target += f"{separator}{quote(key, safe='')}={quote(text, safe='')}"
                separator = "&"
                if len(target) > self._room:
                    raise self._too_long(key)
        if self._fixed_query:
            target = self._with_fixed_query(target)
        headers = self._headers
        if binding.headers:
            headers = {**headers_of(message, binding.headers), **headers}
        if binding.body_is_raw:
            data, content_type = raw_body(message, binding)
            return Prepared(
                binding, target, None if write_body is None else data, content_type, headers
            )
        body = None if write_body is None else write_body(message)
        return Prepared(binding, target, body, self._content_type, headers)

    def _with_fixed_query(self, target: str) -> str:
        return f"{target}{'&' if '?' in target else '?'}{self._fixed_query}"

    def encode_nothing(self) -> Prepared:
        """Return what to send for a client stream without a message: an empty body.

        Raises:
            CallError: INVALID_ARGUMENT where every path is made of fields.
        """
        for binding, _ in self._bindings:
            if not binding.variables:
                target = binding.template.literals[0]
                if self._fixed_query:
                    target = self._with_fixed_query(target)
                return Prepared(binding, target, b"", headers=self._headers)
        raise invalid_request("the stream ended before its first message, which makes the path")

    def encode_part(self, message: Any, binding: Binding) -> bytes:
        """Return what one message of a client stream adds to the body.

        Raises:
            CallError: INVALID_ARGUMENT, the message has no such form.
        """
        if binding.body_is_raw:
            return raw_body(message, binding)[0] or b""
        write_body = next(write for known, write in self._bindings if known is binding)
        try:
            return (b"" if write_body is None else write_body(message)) + b"\n"
        except (CodecError, FieldValueError) as error:
            raise invalid_request(f"it has no JSON form: {error}") from None

    def _path(self, binding: Binding, message: Any) -> str:
        literals = binding.template.literals
        path = literals[0]
        for index, (variable, read) in enumerate(binding.variables):
            value = read(message)
            if value is None:
                raise invalid_request(f"the field {read.path!r} is needed and not set", read.path)
            if len(path) + len(value) > self._room:
                raise self._too_long(read.path)
            try:
                path += variable.expand(value) + literals[index + 1]
            except MismatchError as error:
                raise invalid_request(f"the field {read.path!r} {error}", read.path) from None
            if len(path) > self._room:
                raise self._too_long(read.path)
        return path

    def _too_long(self, field: str) -> CallError:
        text = f"the field {field!r} makes the URL longer than {self._limit} bytes"
        return invalid_request(text, field)


_WriteBody = Callable[[Any], bytes]


def _body_writer(binding: Binding, codec: JsonCodec, *, as_form: bool) -> _WriteBody | None:
    """Return what makes the body of a request, None where the binding has none."""
    body = binding.body
    if body is None:
        return None
    printer: Printer
    if isinstance(body, FieldDescriptor):
        printer = codec.field_printer(body, binding.body_skip)
    else:
        printer = codec.printer(binding.request, binding.body_skip)
    if as_form and not binding.body_is_raw:
        return lambda message: form_body(printer.to_plain(message))
    return printer.to_json


def raw_body(message: Any, binding: Binding) -> tuple[bytes | None, str]:
    """Return data and content type of the google.api.HttpBody that is the body.

    No body where its field is not set. Data without a type is application/octet-stream.

    Raises:
        CallError: INVALID_ARGUMENT, the type cannot be a header.
    """
    path = "content_type"
    if isinstance(binding.body, FieldDescriptor):
        if not message.HasField(binding.body.name):
            return None, ""
        path = f"{binding.body.name}.content_type"
        message = getattr(message, binding.body.name)
    content_type = message.content_type or "application/octet-stream"
    if not (content_type.isascii() and content_type.isprintable()):
        raise invalid_request(f"the field {path!r} has a character that no header may have", path)
    return message.data, content_type


class EncodeInterceptor(Preparation):
    """Fills `call.prepared`, or answers INVALID_ARGUMENT."""

    name = "encode"

    def __init__(self, encoder: RequestEncoder) -> None:
        self._encode = encoder.encode

    def prepare(self, call: Call) -> Outcome | None:
        """Encode the decoded request."""
        try:
            call.prepared = self._encode(call.message)
        except CallError as error:
            return failed(error)
        return None


class EncodeStreamInterceptor(Preparation):
    """The same for a client stream: path and query are those of its first message."""

    name = "encode"

    def __init__(self, encoder: RequestEncoder) -> None:
        self._encoder = encoder

    def prepare(self, call: Call) -> Outcome | None:
        """Encode path and query; the body is made while it is sent."""
        try:
            if call.message is None:
                call.prepared = self._encoder.encode_nothing()
            else:
                call.prepared = self._encoder.encode(call.message, streamed=True)
        except CallError as error:
            return failed(error)
        return None
