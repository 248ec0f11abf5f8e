"""Failures are named last: what decides about a call sees what happened, and callers the name."""

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from aiohttp import web
from seawall_client import Failure, read_failure
from support.gateways import Running, gateway_for
from support.upstream import Upstream, in_turn, json_answer

from gateway.core.events import AttemptEnded, CallEnded
from gateway.core.status import Code

PROTO = """
syntax = "proto3";
package store.v1;
import "google/api/annotations.proto";
message Item { string id = 1; }
service Store {
  rpc Get(Item) returns (Item) { option (google.api.http) = { get: "/v1/items" }; }
  rpc Watch(Item) returns (stream Item) { option (google.api.http) = { get: "/v1/watch" }; }
}
"""
CONFIG = """
errors:
  reasons:
    NEVER: {should_retry: false, code: FAILED_PRECONDITION}
    AGAIN: {should_retry: true, retry_delay: 5s}
    BUSY: {title: Busy, message: Many are here., localized: {de: {message: Viele sind hier.}}}
    UNREAD: {title: Unread}
services:
  store.v1.Store:
    policy:
      errors:
        rules:
          - {body: {error.code: busy}, reason: BUSY}
          - {body: {error: gone}, reason: BUSY}
          - {http_statuses: [503], reason: NEVER}
          - {http_statuses: [400], reason: AGAIN}
          - {on: [UPSTREAM_INVALID_ANSWER], reason: UNREAD}
      retry: {max_attempts: 3, initial_backoff: 0.001s, max_backoff: 0.001s}
"""


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream(json_answer({})) as running:
        yield running


@pytest.fixture
async def store(upstream: Upstream, tmp_path: Path) -> AsyncIterator[Running]:
    folder = tmp_path / "protos"
    folder.mkdir()
    (folder / "store.proto").write_text(PROTO)
    async with gateway_for(upstream.url, proto=folder, config=CONFIG, tmp_path=tmp_path) as running:
        yield running


async def failure_of(store: Running, *metadata: tuple[str, str]) -> Failure:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await store.channel.unary_unary("/store.v1.Store/Get")(b"", metadata=metadata)
    return read_failure(caught.value)


async def test_a_name_that_says_never_takes_no_retry_away(
    store: Running, upstream: Upstream
) -> None:
    upstream.handler = json_answer({}, 503)
    failure = await failure_of(store)
    assert (failure.reason, failure.attempts, failure.should_retry) == ("NEVER", 3, False)
    assert failure.code is grpc.StatusCode.FAILED_PRECONDITION
    upstream.handler = in_turn(json_answer({}, 503), json_answer({}))
    await store.channel.unary_unary("/store.v1.Store/Get")(b"")


async def test_a_name_that_says_again_adds_no_retry(store: Running, upstream: Upstream) -> None:
    upstream.handler = json_answer({}, 400)
    failure = await failure_of(store)
    assert (failure.reason, failure.attempts) == ("AGAIN", 1)
    assert (failure.should_retry, failure.retry_delay_s) == (True, 5.0)


async def test_attempts_are_recorded_by_what_happened_and_calls_by_what_is_told(
    store: Running, upstream: Upstream
) -> None:
    upstream.handler = json_answer({}, 503)
    await failure_of(store)
    assert [event.outcome.error.http_status for event in store.of(AttemptEnded)] == [503] * 3
    (ended,) = store.of(CallEnded)
    assert ended.code is Code.FAILED_PRECONDITION
    assert ended.outcome.error.reason == "UPSTREAM_STATUS"
    assert ended.outcome.error.body is None


async def test_an_answer_that_is_none_has_a_name_too(store: Running, upstream: Upstream) -> None:
    async def page(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="<html>", content_type="text/html")

    upstream.handler = page
    failure = await failure_of(store)
    assert (failure.reason, failure.cause) == ("UNREAD", "UPSTREAM_INVALID_ANSWER")


async def watched(store: Running) -> tuple[int, Failure]:
    """Return how many messages came, and how the stream failed."""
    call = store.channel.unary_stream("/store.v1.Store/Watch")
    language = (("accept-language", "de"),)
    came = 0
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for _ in call(b"", metadata=language):
            came += 1
    return came, read_failure(caught.value)


@pytest.mark.parametrize(
    "last", ['{"error": {"code": "busy", "message": "x"}}', '{"error": "gone"}']
)
async def test_an_error_in_the_middle_of_a_stream_has_a_name(
    store: Running, upstream: Upstream, last: str
) -> None:
    async def stream(request: web.BaseRequest) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"content-type": "application/x-ndjson"})
        await answer.prepare(request)
        await answer.write(b'{"result": {"id": "1"}}\n{"result": {"id": "2"}}\n')
        await answer.write(last.encode() + b"\n")
        return answer

    upstream.handler = stream
    came, failure = await watched(store)
    assert came == 2
    assert (failure.reason, failure.domain, failure.title) == ("BUSY", "store.v1", "Busy")
    assert failure.localized == "Viele sind hier."


async def test_a_stream_that_does_not_begin_has_a_name(store: Running, upstream: Upstream) -> None:
    upstream.handler = json_answer({"error": {"code": "busy"}}, 409)
    came, failure = await watched(store)
    assert (came, failure.reason, failure.http_status) == (0, "BUSY", 409)
