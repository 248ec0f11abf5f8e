"""A client before a raw socket that answers as told, and how its failures look."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.core.clock import SystemClock, system_rng
from gateway.core.errors import CallError, Origin, Reason, Sent
from gateway.core.http import HttpAnswer, HttpRequest
from gateway.core.status import Code
from gateway.downstream.http1 import Http1Client
from gateway.downstream.options import ClientOptions

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
Serve = Callable[[Reader, Writer], Awaitable[None]]


@asynccontextmanager
async def client_of(url: str, **options: Any) -> AsyncIterator[Http1Client]:
    client = Http1Client(
        ClientOptions(name="shop", url=url, **options), SystemClock(), system_rng()
    )
    try:
        yield client
    finally:
        await client.close()


def request(method: str = "GET", target: str = "/v1", body: bytes | None = None) -> HttpRequest:
    return HttpRequest(method, target, {}, body)


async def fetch(
    client: Http1Client,
    made: HttpRequest | None = None,
    *,
    max_body_bytes: int = 100_000,
    max_error_bytes: int = 1_000,
) -> HttpAnswer:
    return await client.fetch(
        made or request(), max_body_bytes=max_body_bytes, max_error_bytes=max_error_bytes
    )


async def head(reader: Reader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


def always(answer: bytes) -> Serve:
    """Answer every request of a connection, which stays open."""

    async def serve(reader: Reader, writer: Writer) -> None:
        while await head(reader):
            writer.write(answer)
            await writer.drain()

    return serve


def once(answer: bytes, *, reset: bool = False) -> Serve:
    """Answer one request, then close the connection."""

    async def serve(reader: Reader, writer: Writer) -> None:
        await head(reader)
        writer.write(answer)
        await writer.drain()
        if reset:
            linger = b"\x01\0\0\0\0\0\0\0"
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()

    return serve


async def failure(client: Http1Client, made: HttpRequest | None = None, **limits: int) -> CallError:
    with pytest.raises(CallError) as raised:
        await fetch(client, made, **limits)
    error = raised.value
    assert error.origin is Origin.UPSTREAM
    assert error.upstream == "shop"
    assert error.message.startswith(("upstream 'shop' ", "the answer of upstream 'shop' "))
    return error


def facts(error: CallError) -> tuple[Code, Reason, Sent, bool]:
    return error.code, error.reason, error.sent, error.transient


UNREACHABLE = (Code.UNAVAILABLE, Reason.UPSTREAM_UNREACHABLE, Sent.NOT_SENT, True)
RESET = (Code.UNAVAILABLE, Reason.UPSTREAM_RESET, Sent.UNKNOWN, True)
NOT_HTTP = (Code.INTERNAL, Reason.UPSTREAM_INVALID_ANSWER, Sent.ANSWERED, False)
INVALID = (Code.INTERNAL, Reason.UPSTREAM_INVALID_ANSWER, Sent.ANSWERED, False)
TLS = (Code.UNAVAILABLE, Reason.UPSTREAM_TLS, Sent.NOT_SENT, False)
TOO_LARGE = (Code.RESOURCE_EXHAUSTED, Reason.UPSTREAM_ANSWER_TOO_LARGE, Sent.ANSWERED, False)
