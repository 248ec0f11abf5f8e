import asyncio

import aiohttp
import pytest
from yarl import URL

from gateway.core.errors import Origin, Reason, Sent
from gateway.core.status import Code
from gateway.downstream.errors import FOREIGN, translate

UNKNOWN = (Code.UNAVAILABLE, Reason.UPSTREAM_RESET, Sent.UNKNOWN, True)


@pytest.mark.parametrize(
    ("error", "facts"),
    [
        (ConnectionResetError(104, "Connection reset by peer"), UNKNOWN),
        (BrokenPipeError(32, "Broken pipe"), UNKNOWN),
        (OSError("odd"), UNKNOWN),
        (TimeoutError(), UNKNOWN),
        (aiohttp.ServerDisconnectedError(), UNKNOWN),
        (aiohttp.ClientPayloadError("cut"), UNKNOWN),
        (aiohttp.ClientOSError(104, "Connection reset by peer"), UNKNOWN),
        (aiohttp.SocketTimeoutError(), UNKNOWN),
        (aiohttp.ClientConnectionError("closed"), UNKNOWN),
        (aiohttp.ClientError(), UNKNOWN),
        (
            aiohttp.InvalidURL(URL("http://x")),
            (Code.INTERNAL, Reason.INTERNAL, Sent.NOT_SENT, False),
        ),
        (
            aiohttp.ConnectionTimeoutError(),
            (Code.UNAVAILABLE, Reason.UPSTREAM_UNREACHABLE, Sent.NOT_SENT, True),
        ),
    ],
)
def test_foreign_error_becomes_one_of_ours(error, facts):
    assert isinstance(error, FOREIGN)
    ours = translate(error, "shop")
    assert (ours.code, ours.reason, ours.sent, ours.transient) == facts
    assert ours.origin is Origin.UPSTREAM
    assert ours.upstream == "shop"
    assert ours.http_status is None


def test_cancellation_is_not_foreign():
    assert not isinstance(asyncio.CancelledError(), FOREIGN)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(104, "Connection reset by peer"), "lost the connection: Connection reset by peer"),
        (OSError(), "lost the connection: OSError"),
        (OSError("two\nlines\t here"), "lost the connection: two lines here"),
        (aiohttp.ServerDisconnectedError(), "closed the connection before it answered"),
        (aiohttp.ClientPayloadError("x"), "broke off in the middle of its answer"),
    ],
)
def test_message_is_one_short_line(error, message):
    assert translate(error, "shop").message == f"upstream 'shop' {message}"


def test_message_of_a_talkative_error_is_cut():
    assert len(translate(OSError("x" * 5_000), "shop").message) < 300
