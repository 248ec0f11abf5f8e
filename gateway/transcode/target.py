"""The end of a pipeline that calls a REST service: one attempt.

Send what was encoded → decode → `call.send`. What sits outside (retry, deadline)
decides how often and how long. One target a kind of method: `UnaryTarget` here,
streamed answers in `transcode/answers.py`, streamed requests in `transcode/uploads.py`;
`transcode/kinds.py` chooses. Must not know grpc or the HTTP client.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from google.protobuf.descriptor_pool import DescriptorPool

from gateway.core.call import Call
from gateway.core.clock import Clock
from gateway.core.errors import CallError, Origin, Reason
from gateway.core.http import HttpAnswer, HttpClient, HttpRequest, HttpStream
from gateway.core.outcome import SUCCESS, Kind, Outcome, failed
from gateway.core.status import Code
from gateway.transcode.decode import AnswerDecoder
from gateway.transcode.encode import Prepared
from gateway.transcode.failure import stream_failure, upstream_failure
from gateway.transcode.framing.choice import StreamOptions
from gateway.transcode.headers import HeaderForwarding
from gateway.transcode.secrets import scrubbed, scrubbed_json, sent_secrets

_NEVER = float("inf")
_NOT_MODIFIED = 304
_OF_THE_UPSTREAM = frozenset(
    (
        *(Code.UNKNOWN, Code.DEADLINE_EXCEEDED, Code.RESOURCE_EXHAUSTED),
        *(Code.INTERNAL, Code.UNAVAILABLE, Code.DATA_LOSS),
    )
)
"""Errors told in a stream that say something about the upstream's health."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RestOptions:
    """What a REST target is promised and allowed.

    Args:
        max_response_bytes: of a body, or of one message of a stream.
        max_error_bytes: of an error body; the rest is not read.
        status_codes: HTTP statuses that are mapped otherwise than by the table.
        user_agent: sent to the upstream.
        idempotent: the method is, so that a stale connection need not be told of.
        own_credential: the upstream is called with the gateway's own credential.
        keep_error_body: the error catalog reads what the upstream says of its failures.
        stream: how streamed messages lie in bodies.
    """

    max_response_bytes: int = 4 * 1024 * 1024
    max_error_bytes: int = 64 * 1024
    status_codes: Mapping[int, Code] = field(default_factory=dict)
    user_agent: str = "seawall"
    idempotent: bool = True
    own_credential: bool = False
    keep_error_body: bool = False
    stream: StreamOptions = field(default_factory=StreamOptions)


@dataclass(frozen=True, kw_only=True, slots=True)
class RestParts:
    """What every target of a method is made of.

    Args:
        decoder: parses the answer.
        headers: allow-lists.
        upstream: its name.
        client: of the upstream; None where each attempt has an endpoint with its own.
        options: limits and mappings.
        pool: where the types of error details are looked up.
        clock: for the remaining time and Retry-After dates.
        credentials: metadata keys that callers' credentials travel in, whatever they are called.
    """

    decoder: AnswerDecoder
    headers: HeaderForwarding
    upstream: str
    client: HttpClient | None
    options: RestOptions
    pool: DescriptorPool
    clock: Clock
    credentials: frozenset[str] = frozenset()


class RestTarget:
    """What the targets have in common: requests begin and failures end alike."""

    accept = "application/json"
    """The media types that are asked for, unless the answer is a google.api.HttpBody."""

    def __init__(self, parts: RestParts) -> None:
        self._decoder = parts.decoder
        self._headers = parts.headers
        self._upstream = parts.upstream
        self._client = parts.client
        self._options = parts.options
        self._pool = parts.pool
        self._clock = parts.clock
        self._credentials = parts.credentials

    async def __call__(self, call: Call) -> Outcome:
        """Make one attempt."""
        try:
            await self.answer(call, call.prepared)
        except CallError as error:
            return self._failed(error)
        return SUCCESS

    async def answer(self, call: Call, prepared: Prepared) -> None:
        """Send the request and hand the answer to the caller.

        Raises:
            CallError: the attempt failed.
        """
        raise NotImplementedError  # abstract; UnaryTarget has a `__call__` of its own instead

    def _client_of(self, call: Call) -> HttpClient:
        if (endpoint := call.endpoint) is not None:
            return endpoint.client
        assert self._client is not None
        return self._client

    def _failed(self, error: CallError) -> Outcome:
        if error.origin is Origin.UPSTREAM:
            if not error.upstream:
                error.upstream = self._upstream
            if (
                error.reason is Reason.UPSTREAM_STATUS
                and error.http_status is None  # told in a stream
                and error.code not in _OF_THE_UPSTREAM
            ):
                return Outcome(Kind.IGNORED, error)
        return failed(error)

    def _request(self, call: Call, prepared: Prepared) -> HttpRequest:
        headers = self._headers.outgoing(call.metadata)
        headers["accept"] = "*/*" if prepared.binding.answer_is_raw else self.accept
        headers["user-agent"] = self._options.user_agent
        ends_at = call.deadline_at
        if call.attempt_ends_at < ends_at:
            ends_at = call.attempt_ends_at
        if ends_at != _NEVER:
            remaining_s = ends_at - self._clock.now()
            headers["x-server-timeout"] = f"{remaining_s:.3f}" if remaining_s > 0.001 else "0.001"
        if prepared.body is not None:
            headers["content-type"] = prepared.content_type
        if call.added_headers:
            headers.update(call.added_headers)
        if call.trace_headers:
            headers.update(call.trace_headers)
        if prepared.headers:  # what the policy says goes before what the caller sent
            headers.update(prepared.headers)
        return HttpRequest(
            prepared.binding.verb,
            prepared.target,
            headers,
            prepared.body,
            self._options.idempotent,
        )

    async def _send_one(self, call: Call, request: HttpRequest, prepared: Prepared) -> None:
        """Send `request` and hand on its one message."""
        options = self._options
        answer = await self._client_of(call).fetch(
            request,
            max_body_bytes=options.max_response_bytes,
            max_error_bytes=options.max_error_bytes,
        )
        call.answer_status = answer.status
        if not 200 <= answer.status < 300:
            raise self._failure(answer, call)
        payload = self._decoder.decode(answer, prepared.binding)
        self._return_headers(call, answer)
        await call.send(payload)

    def _failure(self, answer: HttpAnswer, call: Call) -> CallError:
        options = self._options
        body = scrubbed(answer.body, self._secrets(call))
        return upstream_failure(
            HttpAnswer(answer.status, answer.headers, body),
            self._upstream,
            options.status_codes,
            self._pool,
            self._clock.wall(),
            keep_body=options.keep_error_body,
            of_gateway=options.own_credential,
        )

    def _stream_failure(self, error: object, call: Call) -> CallError:
        options = self._options
        return stream_failure(
            scrubbed_json(error, self._secrets(call)),
            self._upstream,
            options.status_codes,
            self._pool,
            keep_body=options.keep_error_body,
        )

    def _secrets(self, call: Call) -> tuple[bytes, ...]:
        prepared = call.prepared
        return sent_secrets(prepared.headers, call.metadata, prepared.target, self._credentials)

    def _return_headers(self, call: Call, answer: HttpAnswer | HttpStream) -> None:
        found = self._headers.incoming(answer.headers)
        if call.attempts > 1:  # those of an attempt that came to nothing
            kept = [m for m in call.trailing_metadata if m[0] not in self._headers.returned]
            call.trailing_metadata = kept
        call.trailing_metadata += found


def _asked_if_changed(call: Call) -> bool:
    added = call.added_headers
    return added is not None and ("if-none-match" in added or "if-modified-since" in added)


class UnaryTarget(RestTarget):
    """One request, one message. Its way is walked by most calls: no step it can do without."""

    async def __call__(self, call: Call) -> Outcome:
        """Make one attempt."""
        options, prepared = self._options, call.prepared
        try:
            answer = await self._client_of(call).fetch(
                self._request(call, prepared),
                max_body_bytes=options.max_response_bytes,
                max_error_bytes=options.max_error_bytes,
            )
            call.answer_headers, call.answer_status = answer.headers, answer.status
            if not 200 <= answer.status < 300:
                if answer.status == _NOT_MODIFIED and _asked_if_changed(call):
                    call.not_modified = True
                    return SUCCESS
                raise self._failure(answer, call)
            payload = self._decoder.decode(answer, prepared.binding)
            if self._headers.returned:
                self._return_headers(call, answer)
            await call.send(payload)
        except CallError as error:
            return self._failed(error)
        return SUCCESS
