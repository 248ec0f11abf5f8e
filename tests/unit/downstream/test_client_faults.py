import asyncio
import gzip
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from support.upstream import RawUpstream
from unit.downstream.sockets import (
    INVALID,
    NOT_HTTP,
    OK,
    RESET,
    TLS,
    TOO_LARGE,
    UNREACHABLE,
    Reader,
    Writer,
    always,
    client_of,
    facts,
    failure,
    fetch,
    once,
    request,
)

from gateway.core.errors import Reason, Sent
from gateway.core.status import Code

CERTIFICATE = Path(__file__).parent / "localhost.pem"
"""Self-signed, for the name localhost; its key is of no use to anyone."""
# What never reached the upstream


async def test_refused_connection_was_not_sent():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        async with client_of(f"http://127.0.0.1:{port}") as client:
            error = await failure(client)
    assert facts(error) == UNREACHABLE
    assert f"127.0.0.1:{port}" in error.message


async def test_name_that_does_not_resolve_was_not_sent():
    async with client_of("http://nowhere.invalid") as client:
        error = await failure(client)
    assert facts(error) == (Code.UNAVAILABLE, Reason.UPSTREAM_UNRESOLVED, Sent.NOT_SENT, True)
    assert error.message == ("upstream 'shop' does not resolve: no address for 'nowhere.invalid'")


async def test_connection_that_takes_too_long_was_not_sent():
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)  # its queue holds one connection, and nobody accepts it
        for waiting in (first, second):
            waiting.setblocking(False)
            with suppress(BlockingIOError):
                waiting.connect(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        async with client_of(url, connect_timeout_s=0.05) as client:
            error = await failure(client)
    assert facts(error) == UNREACHABLE
    assert error.message == "upstream 'shop' is not reachable: connecting took too long"


async def test_server_without_tls_fails_tls():
    async def plain(reader: Reader, writer: Writer) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with (
        RawUpstream(plain) as upstream,
        client_of(upstream.url.replace("http:", "https:")) as client,
    ):
        error = await failure(client)
    assert facts(error) == TLS
    assert error.message.startswith("upstream 'shop' fails TLS: ")


@asynccontextmanager
async def tls_upstream() -> AsyncIterator[int]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE)

    async def serve(reader: Reader, writer: Writer) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await always(OK)(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_certificate_that_nobody_vouches_for_fails_tls():
    async with tls_upstream() as port, client_of(f"https://localhost:{port}") as client:
        error = await failure(client)
    assert facts(error) == TLS
    assert error.message in (
        "upstream 'shop' fails TLS: self-signed certificate",
        "upstream 'shop' fails TLS: self signed certificate",
    )


async def test_certificate_of_another_name_fails_tls():
    async with (
        tls_upstream() as port,
        client_of(f"https://127.0.0.1:{port}", ca_file=str(CERTIFICATE)) as client,
    ):
        error = await failure(client)
    assert facts(error) == TLS
    assert "127.0.0.1" in error.message


async def test_authority_of_the_options_is_trusted():
    async with (
        tls_upstream() as port,
        client_of(f"https://localhost:{port}", ca_file=str(CERTIFICATE)) as client,
    ):
        assert (await fetch(client)).body == b"{}"


# What broke on the way


CUT_OFF = [
    b"",
    b"HTTP/1.1 200 O",
    b"HTTP/1.1 200 OK\r\nContent-Le",
    b"HTTP/1.1 103 Early Hints\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n",
]


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize("answer", CUT_OFF)
async def test_answer_that_is_cut_off_leaves_the_effect_unknown_and_is_not_repeated(
    answer, method, reset
):
    async with (
        RawUpstream(once(answer, reset=reset)) as upstream,
        client_of(upstream.url) as client,
    ):
        error = await failure(client, request(method))
        assert facts(error) == RESET
        assert upstream.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"nonsense\r\n\r\n",
        b"\x00\x01\x02\x03\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 20x OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 100_000 + b"\r\n\r\n",
        b"<html>no status line</html>\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_said_so(answer):
    async with RawUpstream(once(answer)) as upstream, client_of(upstream.url) as client:
        error = await failure(client)
        assert facts(error) == NOT_HTTP
        assert error.message == (
            "upstream 'shop' sent an answer that is not HTTP, or has a header that is too large"
        )


async def test_damaged_chunks_break_the_answer():
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n"
    async with RawUpstream(always(answer)) as upstream, client_of(upstream.url) as client:
        for count in (1, 2):
            assert facts(await failure(client)) == NOT_HTTP
            assert upstream.connections == count


async def test_error_body_that_is_cut_off_leaves_the_status():
    answer = b"HTTP/1.1 503 Busy\r\nContent-Length: 10\r\nRetry-After: 5\r\n\r\nhalf"
    async with RawUpstream(once(answer)) as upstream, client_of(upstream.url) as client:
        got = await fetch(client)
    assert got.status == 503
    assert got.headers["retry-after"] == "5"


# Codings


def coded(coding: str, body: bytes, status: str = "200 OK") -> bytes:
    return (
        f"HTTP/1.1 {status}\r\nContent-Encoding: {coding}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "x-gzip", " gzip "])
async def test_gzip_is_undone_although_nobody_asked_for_it(coding):
    answer = coded(coding, gzip.compress(b'{"id": "a"}'))
    async with RawUpstream(always(answer)) as upstream, client_of(upstream.url) as client:
        assert (await fetch(client)).body == b'{"id": "a"}'
        assert (await fetch(client)).body == b'{"id": "a"}'
        assert upstream.connections == 1


@pytest.mark.parametrize("coding", ["identity", "", "Identity"])
async def test_identity_is_no_coding(coding):
    async with (
        RawUpstream(always(coded(coding, b"{}"))) as upstream,
        client_of(upstream.url) as client,
    ):
        assert (await fetch(client)).body == b"{}"


@pytest.mark.parametrize("status", ["204 No Content", "200 OK"])
async def test_empty_body_has_nothing_to_undo(status):
    async with (
        RawUpstream(always(coded("gzip", b"", status))) as upstream,
        client_of(upstream.url) as client,
    ):
        assert (await fetch(client)).body == b""


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (coded("gzip", gzip.compress(b"{}" * 100)[:-9]), "its gzip body is cut short"),
        (coded("gzip", b"{}"), "its gzip body is damaged: "),
        (coded("deflate", b"{}"), "its deflate body is damaged: "),
        (coded("br", b"{}"), "its br body is damaged: "),
        (coded("zstd", b"{}"), "its zstd body is damaged: "),
        (coded("compress", b"{}"), "its body is encoded as 'compress', which was not asked for"),
        (coded("gzip, gzip", b"{}"), "its body is encoded as 'gzip, gzip', which was not asked"),
        (coded("x" * 1_000, b"{}"), "its body is encoded as 'xxxx"),
    ],
)
async def test_coding_that_cannot_be_undone_is_an_error(answer, text):
    async with RawUpstream(always(answer)) as upstream, client_of(upstream.url) as client:
        error = await failure(client)
    assert facts(error) == INVALID
    assert error.http_status == 200
    assert error.message.startswith(f"upstream 'shop' answered 200, but {text}")
    assert len(error.message) < 300


async def test_error_of_an_unknown_coding_keeps_its_status():
    answer = coded("compress", b"secret", "503 Busy")
    async with RawUpstream(always(answer)) as upstream, client_of(upstream.url) as client:
        got = await fetch(client)
    assert (got.status, got.body) == (503, b"")


async def test_gzip_bomb_is_given_up_at_the_cap():
    answer = coded("gzip", gzip.compress(b" " * 50_000_000))
    async with RawUpstream(always(answer)) as upstream, client_of(upstream.url) as client:
        assert facts(await failure(client, max_body_bytes=100_000)) == TOO_LARGE


async def test_gzip_bomb_in_an_error_is_cut_at_the_cap():
    answer = coded("gzip", gzip.compress(b" " * 50_000_000), "500 Broken")
    async with RawUpstream(always(answer)) as upstream, client_of(upstream.url) as client:
        got = await fetch(client, max_error_bytes=1_000)
    assert (got.status, len(got.body)) == (500, 1_000)
