import asyncio
import json
from contextlib import suppress

import pytest
from aiohttp import web
from support.upstream import RawUpstream, Upstream, json_answer
from unit.downstream.sockets import (
    OK,
    RESET,
    TOO_LARGE,
    Reader,
    Serve,
    Writer,
    always,
    client_of,
    facts,
    failure,
    fetch,
    head,
    once,
    request,
)

from gateway.core.http import HttpRequest
from gateway.downstream.http1 import Http1Client

# Sizes, and connections that are not used again


async def never_ending(reader: Reader, writer: Writer) -> None:
    status = b"500 Broken" if b"/broken" in await head(reader) else b"200 OK"
    writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 1000000000000\r\n\r\n")
    while True:
        writer.write(b" " * 65_536)
        await writer.drain()


async def test_body_over_the_cap_is_an_error_and_closes_its_connection():
    async with RawUpstream(never_ending) as upstream, client_of(upstream.url) as client:
        error = await failure(client, max_body_bytes=10_000)
        assert facts(error) == TOO_LARGE
        assert error.message == "the answer of upstream 'shop' is larger than 10000 bytes"
        await failure(client, max_body_bytes=10_000)
        assert upstream.connections == 2


async def test_body_of_the_cap_is_accepted():
    async with RawUpstream(always(OK)) as upstream, client_of(upstream.url) as client:
        assert (await fetch(client, max_body_bytes=2)).body == b"{}"
        assert facts(await failure(client, max_body_bytes=1)) == TOO_LARGE


async def test_error_body_over_the_cap_is_cut_and_closes_its_connection():
    async with RawUpstream(never_ending) as upstream, client_of(upstream.url) as client:
        got = await fetch(client, request(target="/broken"), max_error_bytes=1_000)
        assert (got.status, got.body) == (500, b" " * 1_000)
        await fetch(client, request(target="/broken"))
        assert upstream.connections == 2


async def test_stream_left_early_closes_its_connection():
    closed = asyncio.Event()

    async def serve(reader: Reader, writer: Writer) -> None:
        await head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n")
        assert await reader.read() == b""
        closed.set()

    async with RawUpstream(serve) as upstream, client_of(upstream.url) as client:
        async with client.open(request()) as answer:
            assert await anext(answer.chunks()) == b"{}"
        await closed.wait()


async def test_stream_read_to_its_end_keeps_its_connection():
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    async with RawUpstream(always(chunked)) as upstream, client_of(upstream.url) as client:
        for _ in range(3):
            async with client.open(request()) as answer:
                assert b"".join([part async for part in answer.chunks()]) == b"{}"
        assert upstream.connections == 1


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\ndrip",
        b"HTTP/1.1 500 Broken\r\nContent-Length: 1000\r\n\r\ndrip",
    ],
)
async def test_cancelled_request_closes_its_connection(sent):
    arrived, closed = asyncio.Event(), asyncio.Event()

    async def serve(reader: Reader, writer: Writer) -> None:
        await head(reader)
        writer.write(sent)
        await writer.drain()
        arrived.set()
        with suppress(ConnectionError):
            assert await reader.read() == b""
        closed.set()

    async with RawUpstream(serve) as upstream, client_of(upstream.url) as client:
        task = asyncio.create_task(fetch(client))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await closed.wait()
        assert upstream.connections == 1


async def test_cancelled_upload_closes_its_connection():
    arrived, closed = asyncio.Event(), asyncio.Event()

    async def serve(reader: Reader, _writer: Writer) -> None:
        await head(reader)
        arrived.set()
        with suppress(ConnectionError):
            await reader.read()
        closed.set()

    async with RawUpstream(serve) as upstream, client_of(upstream.url) as client:
        task = asyncio.create_task(fetch(client, request("POST", body=b"x" * 10_000_000)))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await closed.wait()


# Connections that are used again


async def test_calls_in_turn_share_one_connection():
    async with Upstream(json_answer({"id": "a"})) as upstream, client_of(upstream.url) as client:
        for method in ["GET", "POST", "PUT", "DELETE"] * 5:
            body = b"{}" if method in ("POST", "PUT") else None
            assert json.loads((await fetch(client, request(method, body=body))).body) == {"id": "a"}
        assert upstream.total_connections == 1


@pytest.mark.parametrize("status", [400, 404, 500, 503])
async def test_connection_of_an_error_is_used_again(status):
    async with (
        Upstream(json_answer({"message": "no"}, status)) as upstream,
        client_of(upstream.url) as client,
    ):
        for _ in range(3):
            assert (await fetch(client)).status == status
        assert upstream.total_connections == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_kept_connection_that_the_upstream_closed_is_not_used(method):
    async with RawUpstream(once(OK)) as upstream, client_of(upstream.url) as client:
        for count in (1, 2, 3):
            assert (await fetch(client, request(method))).body == b"{}"
            assert upstream.connections == count
            await gone(client)


async def gone(client: Http1Client) -> None:
    """Return once the client has seen its kept connections close."""

    while client._pool._free:
        await asyncio.get_running_loop().run_in_executor(None, lambda: None)


def closing_under_the_second_request() -> tuple[Serve, list[bytes]]:
    seen: list[bytes] = []

    async def serve(reader: Reader, writer: Writer) -> None:
        seen.append((await head(reader)).split()[0])
        writer.write(OK)
        await writer.drain()
        seen.append((await head(reader)).split()[0])

    return serve, seen


@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST", "PATCH"])
async def test_request_that_meets_a_closing_connection_is_not_repeated_here(method):
    serve, seen = closing_under_the_second_request()
    async with RawUpstream(serve) as upstream, client_of(upstream.url) as client:
        await fetch(client)
        error = await failure(client, request(method, body=b"{}"))
        assert facts(error) == RESET
        assert upstream.connections == 1
    assert seen == [b"GET", method.encode()]


async def test_unused_connection_is_closed_after_its_time():
    closed = asyncio.Event()

    async def serve(reader: Reader, writer: Writer) -> None:
        await head(reader)
        writer.write(OK)
        assert await reader.read() == b""
        closed.set()

    async with (
        RawUpstream(serve) as upstream,
        client_of(upstream.url, idle_timeout_s=0.05) as client,
    ):
        await fetch(client)
        await closed.wait()


async def test_request_waits_for_a_free_connection():
    release = asyncio.Event()

    async def handle(_request: web.BaseRequest) -> web.StreamResponse:
        await release.wait()
        return web.json_response({})

    async with (
        Upstream(handle) as upstream,
        client_of(upstream.url, max_connections=2) as client,
    ):
        tasks = [asyncio.create_task(fetch(client)) for _ in range(10)]
        while len(upstream.requests) < 2:
            await asyncio.get_running_loop().run_in_executor(None, lambda: None)
        assert upstream.open_connections == 2
        release.set()
        await asyncio.gather(*tasks)
        assert upstream.total_connections == 2
        assert len(upstream.requests) == 10


# What is sent, and what is not followed


async def test_target_travels_as_it_was_encoded():
    async with Upstream(json_answer({})) as upstream, client_of(upstream.url + "/base/") as client:
        target = "/v1/a%2Fb%20c%3F/%C3%A4:go?x=%26%2B&x=&y.z=%2e"
        await fetch(client, request(target=target))
    assert upstream.requests == [f"GET /base{target}"]


async def test_only_needed_headers_are_sent():
    async with Upstream(json_answer({})) as upstream, client_of(upstream.url) as client:
        await fetch(client)
        await fetch(client, request("POST"))
        await fetch(client, HttpRequest("POST", "/", {"content-type": "x/y"}, b"abc"))
    host = upstream.url.removeprefix("http://")
    always_sent = {"host": host, "accept-encoding": "identity"}
    assert upstream.headers[0] == always_sent
    assert upstream.headers[1] == always_sent | {"content-length": "0"}
    assert upstream.headers[2] == always_sent | {"content-length": "3", "content-type": "x/y"}
    assert upstream.bodies == [b"", b"", b"abc"]


@pytest.mark.parametrize("size", [0, 1, 256 * 1024, 256 * 1024 + 1, 3_000_000])
async def test_body_of_any_size_arrives_whole(size):
    received = b""
    header = b""

    async def serve(reader: Reader, writer: Writer) -> None:
        nonlocal received, header
        header = await head(reader)
        received = await reader.readexactly(size)
        writer.write(OK)

    async with RawUpstream(serve) as upstream, client_of(upstream.url) as client:
        body = b"0123456789abcdef" * (size // 16 + 1)
        await fetch(client, request("POST", body=body[:size]))
    assert received == body[:size]
    assert f"content-length: {size}\r\n".encode() in header.lower()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_is_not_followed(status):
    async with (
        Upstream(json_answer({}, status, Location="/elsewhere")) as upstream,
        client_of(upstream.url) as client,
    ):
        assert (await fetch(client)).status == status
        assert upstream.requests == ["GET /v1"]


async def test_cookies_are_not_kept():
    async with (
        Upstream(json_answer({}, **{"Set-Cookie": "session=1"})) as upstream,
        client_of(upstream.url.replace("127.0.0.1", "localhost")) as client,
    ):
        await fetch(client)
        await fetch(client)
        assert ["cookie" in headers for headers in upstream.headers] == [False, False]


async def test_proxy_of_the_environment_is_not_used(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("all_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    async with Upstream(json_answer({})) as upstream, client_of(upstream.url) as client:
        assert (await fetch(client)).status == 200


@pytest.mark.parametrize(
    "informational",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
        b"HTTP/1.1 102 Processing\r\n\r\n" * 3,
    ],
)
async def test_informational_answers_are_passed_over(informational):
    async with (
        RawUpstream(always(informational + OK)) as upstream,
        client_of(upstream.url) as client,
    ):
        for _ in range(2):
            got = await fetch(client)
            assert (got.status, got.body) == (200, b"{}")
        assert upstream.connections == 1


async def test_switched_protocol_is_an_answer_whose_connection_is_not_used_again():
    answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
    async with RawUpstream(always(answer)) as upstream, client_of(upstream.url) as client:
        assert (await fetch(client)).status == 101
        assert (await fetch(client)).status == 101
        assert upstream.connections == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
    ],
)
async def test_body_ends_by_any_of_the_rules_of_http(answer):
    async with RawUpstream(once(answer)) as upstream, client_of(upstream.url) as client:
        assert (await fetch(client)).body == b"{}"


async def test_head_has_no_body():
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
    async with RawUpstream(always(answer)) as upstream, client_of(upstream.url) as client:
        for _ in range(2):
            assert (await fetch(client, request("HEAD"))).body == b""
        assert upstream.connections == 1


async def test_bytes_behind_an_answer_are_no_answer_to_the_next_request():
    answer = OK + b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled"
    async with RawUpstream(always(answer)) as upstream, client_of(upstream.url) as client:
        for count in (1, 2):
            assert (await fetch(client)).body == b"{}"
            assert upstream.connections == count
