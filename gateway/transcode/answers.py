"""A streamed answer: each message is decoded and handed on before the next is looked for.

1. Reading, decoding and `call.send` take turns: a caller that reads slowly leaves the
   body unread, and the socket holds the upstream back. What is kept is one part of the
   body and one message.
2. `idle_timeout_s` bounds the wait for the next message, from the answer's headers or the
   message before. Bytes that complete no message (comments, skipped events, half a
   message) do not extend it. The time a caller takes to read is not counted.
3. grpc-gateway's envelopes are opened; an error in one ends the stream with the status
   that it carries.
4. A google.api.HttpBody answer is no JSON: each part of the body is a message as it
   arrives, `_RAW_BYTES` at most; the first carries the content type.
5. However the stream ends, its answer is left, and with it the connection: back to the
   pool where all of it was read, closed otherwise.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor

from gateway.core.call import Call
from gateway.core.deadline import Expired, Expiry
from gateway.core.errors import CallError, Origin, Reason, Sent
from gateway.core.http import HttpAnswer, HttpRequest, HttpStream
from gateway.core.status import Code
from gateway.transcode.binding import Binding
from gateway.transcode.encode import Prepared
from gateway.transcode.fields import OWN_JSON
from gateway.transcode.framing.choice import ACCEPT, choose_framing
from gateway.transcode.framing.envelope import may_be_enveloped, open_envelope
from gateway.transcode.target import RestParts, RestTarget

_RAW_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class _Values:
    """What the values of a stream are, by one binding."""

    are_arrays: bool
    may_be_enveloped: bool


class StreamTarget(RestTarget):
    """One request, a stream of messages.

    Args:
        parts: of the method.
        message: the response's type.
        may_be_single: the answer may be one JSON value, whatever format is declared.
    """

    def __init__(
        self, parts: RestParts, message: Descriptor, *, may_be_single: bool = False
    ) -> None:
        super().__init__(parts)
        self._message = message
        self._may_be_single = may_be_single
        self._stream = parts.options.stream
        self._values: dict[int, _Values] = {}
        self.accept = ACCEPT[parts.options.stream.format]

    async def answer(self, call: Call, prepared: Prepared) -> None:
        """Send the request and hand on the messages of its answer."""
        await self._send_for_stream(call, self._request(call, prepared), prepared)

    async def _send_for_stream(self, call: Call, request: HttpRequest, prepared: Prepared) -> None:
        async with self._client_of(call).open(request) as answer:
            call.answer_status = answer.status
            if not 200 <= answer.status < 300:
                body = await answer.read_up_to(self._options.max_error_bytes)
                raise self._failure(HttpAnswer(answer.status, answer.headers, body), call)
            self._return_headers(call, answer)
            if answer.status == 204:
                return
            if prepared.binding.answer_is_raw:
                await self._hand_on_raw(call, answer, prepared.binding)
            else:
                await self._hand_on(call, answer, prepared.binding)

    async def _hand_on(self, call: Call, answer: HttpStream, binding: Binding) -> None:
        values = self._values_of(binding)
        framing = choose_framing(
            self._stream,
            answer.headers.get("content-type", ""),
            self._options.max_response_bytes,
            of_arrays=values.are_arrays,
            may_be_single=self._may_be_single,
        )
        parts = answer.chunks()
        idle_at = self._idle_at()
        while not framing.finished:
            part = await self._next_part(parts, idle_at)
            for text in framing.end() if part is None else framing.feed(part):
                await call.send(self._decode(call, text, binding, values.may_be_enveloped))
                idle_at = self._idle_at()
            if part is None:
                return

    async def _hand_on_raw(self, call: Call, answer: HttpStream, binding: Binding) -> None:
        content_type = answer.headers.get("content-type", "")
        most = min(_RAW_BYTES, self._options.max_response_bytes)
        parts = answer.chunks()
        while (part := await self._next_part(parts, self._idle_at())) is not None:
            for begin in range(0, len(part), most):
                piece = part[begin : begin + most]
                await call.send(self._decoder.decode_raw(piece, content_type, binding))
                content_type = ""
        if content_type:  # an empty body, but one of that type
            await call.send(self._decoder.decode_raw(b"", content_type, binding))

    def _decode(self, call: Call, text: bytes, binding: Binding, may_be_enveloped: bool) -> bytes:
        if may_be_enveloped:
            opened = open_envelope(text, declared=self._stream.enveloped is True)
            if opened is not None:
                if opened.error is not None:
                    raise self._stream_failure(opened.error, call)
                if opened.result is None:
                    return b""
                return self._decoder.decode_plain(opened.result, binding)
        return self._decoder.decode_value(text, binding)

    def _values_of(self, binding: Binding) -> _Values:
        known = self._values.get(id(binding))
        if known is None:
            field = binding.response_body
            message: Any = self._message if field is None else field.message_type
            repeated = field is not None and field.is_repeated
            is_map = message is not None and message.GetOptions().map_entry
            is_list = message is not None and message.full_name == "google.protobuf.ListValue"
            fields = () if message is None or repeated else message.fields
            # Anything may be in a message whose JSON is not made of its fields, and a root
            # of such a name is looked for by the decoder.
            has_fields = (
                message is not None
                and not repeated
                and message.full_name not in OWN_JSON
                and not self._decoder.begins_with("result", "error")
            )
            known = self._values[id(binding)] = _Values(
                (repeated and not is_map) or is_list,
                self._stream.enveloped is True
                or (has_fields and may_be_enveloped(self._stream.enveloped, fields)),
            )
        return known

    def _idle_at(self) -> float:
        timeout_s = self._stream.idle_timeout_s
        return timeout_s if timeout_s == float("inf") else self._clock.now() + timeout_s

    async def _next_part(self, parts: AsyncIterator[bytes], idle_at: float) -> bytes | None:
        """Return the next part of the body, None at its end."""
        if idle_at == float("inf"):
            return await anext(parts, None)
        try:
            with Expiry(self._clock, idle_at):
                return await anext(parts, None)
        except Expired:
            raise self._idle() from None

    def _idle(self) -> CallError:
        return CallError(
            Code.UNAVAILABLE,
            Reason.STREAM_IDLE,
            f"upstream {self._upstream!r} sent no message for {self._stream.idle_timeout_s:g} s",
            origin=Origin.UPSTREAM,
            sent=Sent.UNKNOWN,
            transient=True,
        )
