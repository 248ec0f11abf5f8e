"""A request message to an HTTP request: path, query, body.

An interceptor of its own, outside retry: done once a call, however many attempts
follow, and a request that no binding can send costs no attempt. What differs
between attempts (the remaining time) is added by the target.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from google.protobuf.descriptor import FieldDescriptor

from gateway.core.call import Call, CallNext
from gateway.core.errors import CallError, invalid_request
from gateway.core.outcome import Outcome, failed
from gateway.transcode.binding import Binding
from gateway.transcode.codec import CodecError, JsonCodec
from gateway.transcode.fields import FieldValueError
from gateway.transcode.template import MismatchError


@dataclass(frozen=True, slots=True)
class Prepared:
    """What every attempt of a call sends: `target` is path and query."""

    binding: Binding
    target: str
    body: bytes | None


class RequestEncoder:
    """Prints requests by the bindings of one method, the first that fits.

    Args:
        bindings: at least one.
        codec: prints the body.
        max_url_bytes: of path and query together.
    """

    def __init__(
        self, bindings: Sequence[Binding], codec: JsonCodec, max_url_bytes: int = 16 * 1024
    ) -> None:
        self._bindings = tuple(bindings)
        self._codec = codec
        self._max_url_bytes = max_url_bytes

    def encode(self, message: Any) -> Prepared:
        """Return what to send for `message`.

        Raises:
            CallError: INVALID_ARGUMENT, naming the field no binding can send.
        """
        first: CallError | None = None
        for binding in self._bindings:
            try:
                return self._encode(binding, message)
            except FieldValueError as error:
                text = f"the field {error.path!r} cannot be sent: {error}"
                first = first or invalid_request(text, error.path)
            except CodecError as error:
                first = first or invalid_request(f"the request has no JSON form: {error}")
            except CallError as error:
                first = first or error
        assert first is not None
        raise first

    def _encode(self, binding: Binding, message: Any) -> Prepared:
        target = self._path(binding, message)
        if binding.query is not None:
            separator = "?"
            for key, text in binding.query.pairs(message):
                self._check_room(len(target) + len(key) + len(text), key)
                target += f"{separator}{quote(key, safe='')}={quote(text, safe='')}"
                separator = "&"
                self._check_room(len(target), key)
        return Prepared(binding, target, self._body(binding, message))

    def _path(self, binding: Binding, message: Any) -> str:
        literals = binding.template.literals
        path = literals[0]
        for index, (variable, read) in enumerate(binding.variables):
            value = read(message)
            if value is None:
                raise invalid_request(f"the field {read.path!r} is needed and not set", read.path)
            self._check_room(len(path) + len(value), read.path)
            try:
                path += variable.expand(value) + literals[index + 1]
            except MismatchError as error:
                raise invalid_request(f"the field {read.path!r} {error}", read.path) from None
            self._check_room(len(path), read.path)
        return path

    def _check_room(self, url_bytes: int, field: str) -> None:
        if url_bytes > self._max_url_bytes:
            text = f"the field {field!r} makes the URL longer than {self._max_url_bytes} bytes"
            raise invalid_request(text, field)

    def _body(self, binding: Binding, message: Any) -> bytes | None:
        body = binding.body
        if body is None:
            return None
        if isinstance(body, FieldDescriptor):
            return self._codec.field_to_json(message, body)
        return self._codec.to_json(message, binding.body_skip)


class EncodeInterceptor:
    """Fills `call.prepared`, or answers INVALID_ARGUMENT."""

    name = "encode"

    def __init__(self, encoder: RequestEncoder) -> None:
        self._encoder = encoder

    async def __call__(self, call: Call, call_next: CallNext) -> Outcome:
        """Encode the decoded request."""
        try:
            call.prepared = self._encoder.encode(call.message)
        except CallError as error:
            return failed(error)
        return await call_next(call)
