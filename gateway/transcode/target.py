"""The end of a pipeline that calls a REST service: one attempt.

Send what was encoded → decode → `call.send`. What sits outside (retry, deadline)
decides how often and how long. Must not know grpc or the HTTP client.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

from google.protobuf.descriptor_pool import DescriptorPool

from gateway.core.call import Call
from gateway.core.clock import Clock
from gateway.core.deadline import Expired, Expiry
from gateway.core.errors import CallError, Origin, Reason, Sent
from gateway.core.http import HttpAnswer, HttpClient, HttpRequest, HttpStream
from gateway.core.outcome import SUCCESS, Outcome, failed
from gateway.core.status import Code
from gateway.transcode.decode import (
    AnswerDecoder,
    invalid_answer,
    is_envelope,
    is_json,
    split_media_type,
)
from gateway.transcode.encode import Prepared
from gateway.transcode.failure import upstream_failure
from gateway.transcode.headers import HeaderForwarding
from gateway.transcode.streams import lines

_NDJSON = frozenset(
    ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/json-lines")
)


@dataclass(frozen=True, kw_only=True, slots=True)
class RestOptions:
    """What a REST target is promised and allowed.

    Args:
        max_response_bytes: of a body, or of one message of a stream.
        max_error_bytes: of an error body; the rest is not read.
        idle_timeout_s: longest wait for the next part of a stream.
        status_codes: HTTP statuses that are mapped otherwise than by the table.
        user_agent: sent to the upstream.
    """

    max_response_bytes: int = 4 * 1024 * 1024
    max_error_bytes: int = 64 * 1024
    idle_timeout_s: float = float("inf")
    status_codes: Mapping[int, Code] = field(default_factory=dict)
    user_agent: str = "seawall"


class RestTarget:
    """Answers a call by one HTTP request.

    Args:
        decoder: parses the answer.
        headers: allow-lists.
        client: of the upstream.
        options: limits and mappings.
        pool: where the types of error details are looked up.
        clock: for the remaining time and Retry-After dates.
    """

    def __init__(
        self,
        *,
        decoder: AnswerDecoder,
        headers: HeaderForwarding,
        client: HttpClient,
        options: RestOptions,
        pool: DescriptorPool,
        clock: Clock,
    ) -> None:
        self._decoder = decoder
        self._headers = headers
        self._client = client
        self._options = options
        self._pool = pool
        self._clock = clock

    async def __call__(self, call: Call) -> Outcome:
        """Make one attempt."""
        try:
            prepared: Prepared = call.prepared
            request = self._request(call, prepared)
            if call.method.server_streaming:
                await self._stream(call, request, prepared)
            else:
                await self._unary(call, request, prepared)
        except CallError as error:
            if not error.upstream and error.origin is Origin.UPSTREAM:
                error.upstream = self._client.name
            return failed(error)
        return SUCCESS

    def _request(self, call: Call, prepared: Prepared) -> HttpRequest:
        headers = self._headers.outgoing(call.metadata)
        headers["accept"] = "application/json"
        headers["user-agent"] = self._options.user_agent
        remaining = min(call.deadline_at, call.attempt_ends_at) - self._clock.now()
        if remaining != float("inf"):
            headers["x-server-timeout"] = f"{max(remaining, 0.001):.3f}"
        if prepared.body is not None:
            headers["content-type"] = "application/json"
        return HttpRequest(prepared.binding.verb, prepared.target, headers, prepared.body)

    async def _unary(self, call: Call, request: HttpRequest, prepared: Prepared) -> None:
        options = self._options
        answer = await self._client.fetch(
            request,
            max_body_bytes=options.max_response_bytes,
            max_error_bytes=options.max_error_bytes,
        )
        if not 200 <= answer.status < 300:
            raise self._failure(answer)
        payload = self._decoder.decode(answer, prepared.binding)
        self._return_headers(call, answer)
        await call.send(payload)

    async def _stream(self, call: Call, request: HttpRequest, prepared: Prepared) -> None:
        options = self._options
        async with self._client.open(request) as answer:
            if not 200 <= answer.status < 300:
                body = await answer.read_up_to(options.max_error_bytes)
                raise self._failure(HttpAnswer(answer.status, answer.headers, body))
            media_type, _ = split_media_type(answer.headers.get("content-type", ""))
            if media_type and media_type not in _NDJSON and not is_json(media_type):
                raise invalid_answer(f"with {media_type[:80]!r} instead of newline-delimited JSON")
            self._return_headers(call, answer)
            async with aclosing(lines(answer.chunks(), options.max_response_bytes)) as messages:
                while (line := await self._next(messages)) is not None:
                    payload = self._decoder.decode_value(line, prepared.binding)
                    if not payload and is_envelope(line):
                        raise invalid_answer("its stream wraps messages as result and error")
                    await call.send(payload)

    async def _next(self, messages: AsyncIterator[bytes]) -> bytes | None:
        try:
            with Expiry(self._clock, self._clock.now() + self._options.idle_timeout_s):
                return await anext(messages, None)
        except Expired:
            raise self._idle() from None

    def _idle(self) -> CallError:
        return CallError(
            Code.UNAVAILABLE,
            Reason.STREAM_IDLE,
            f"upstream {self._client.name!r} sent nothing for {self._options.idle_timeout_s:g} s",
            origin=Origin.UPSTREAM,
            sent=Sent.UNKNOWN,
            transient=True,
        )

    def _failure(self, answer: HttpAnswer) -> CallError:
        return upstream_failure(
            answer, self._client.name, self._options.status_codes, self._pool, self._clock.wall()
        )

    def _return_headers(self, call: Call, answer: HttpAnswer | HttpStream) -> None:
        found = self._headers.incoming(answer.headers)
        if call.attempts > 1:  # those of an attempt that came to nothing
            kept = [m for m in call.trailing_metadata if m[0] not in self._headers.returned]
            call.trailing_metadata = kept
        call.trailing_metadata += found
