"""TLS to upstreams, from YAML to real servers: whom the gateway believes, and what it shows."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from support.gateways import Running, gateway_for
from support.upstream_certificates import Authority

from gateway.core.events import MaterialChanged

PROTO = """syntax = "proto3";
package shop.v1;
import "google/api/annotations.proto";
service Orders {
  rpc Get(Order) returns (Order) { option (google.api.http) = {get: "/v1/orders/{id}"}; }
}
message Order { string id = 1; }
"""
ORDER = b"\n\x011"
_ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n"
    b'Connection: close\r\n\r\n{"id": "1"}'
)


@contextmanager
def serving(context: ssl.SSLContext) -> Iterator[str]:
    """A server on OpenSSL's own sockets, which says why it ends a handshake; its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve_one(raw: socket.socket) -> None:
        with raw:
            raw.settimeout(5)
            try:
                with context.wrap_socket(raw.dup(), server_side=True) as secured:
                    secured.recv(65536)
                    secured.sendall(_ANSWER)
            except ssl.SSLError:
                raw.shutdown(socket.SHUT_WR)
                while raw.recv(65536):  # closing now could lose what was said
                    pass

    def serve() -> None:
        while not over.is_set():
            with suppress(OSError):
                serve_one(listener.accept()[0])

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        over.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    protos = tmp_path / "protos"
    protos.mkdir()
    (protos / "shop.proto").write_text(PROTO)
    return Authority(tmp_path)


def gateway_with(tmp_path: Path, url: str, tls: str):
    config = f"defaults: {{upstream: {{tls: {tls}}}, method: {{retry: {{disabled: true}}}}}}\n"
    return gateway_for(url, proto=tmp_path / "protos", config=config, tmp_path=tmp_path)


async def get(gateway: Running) -> bytes:
    call = gateway.channel.unary_unary("/shop.v1.Orders/Get")
    answer: bytes = await call(ORDER, timeout=5)
    return answer


async def failure(gateway: Running) -> tuple[str, str]:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await get(gateway)
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    status = rpc_status.from_call(raised.value)
    info = error_details_pb2.ErrorInfo()
    assert next(d for d in status.details if d.Is(info.DESCRIPTOR)).Unpack(info)
    return info.reason, str(raised.value.details())


async def test_files_are_found_beside_the_configuration_and_shown_to_who_asks(tmp_path, ours):
    ours.pair("gateway")
    asking = ours.server(ours.pair("shop", "orders.internal"), asks=ours)
    tls = (
        "{ca_file: authority.pem, cert_file: gateway.pem, key_file: gateway.key, "
        "server_name: orders.internal, min_version: TLS_1_3}"
    )
    with serving(asking) as url:
        async with gateway_with(tmp_path, url, tls) as gateway:
            assert await get(gateway) == ORDER


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_an_upstream_that_misses_a_certificate_says_so(tmp_path, ours, newest):
    asking = ours.server(ours.pair("shop", "127.0.0.1"), asks=ours)
    asking.maximum_version = newest
    with serving(asking) as url:
        async with gateway_with(tmp_path, url, "{ca_file: authority.pem}") as gateway:
            reason, text = await failure(gateway)
    assert reason == "UPSTREAM_TLS"
    assert "asks for the gateway's certificate" in text


@pytest.mark.parametrize(
    ("names", "ended", "tls", "words"),
    [
        (["orders.internal"], False, "{ca_file: authority.pem}", "not valid for '127.0.0.1'"),
        (["127.0.0.1"], True, "{ca_file: authority.pem}", "certificate has expired"),
        (["127.0.0.1"], False, "{ca_file: others.pem}", "none of the trusted authorities"),
    ],
)
async def test_a_certificate_that_is_not_believed_says_why(
    tmp_path, ours, names, ended, tls, words
):
    Authority(tmp_path, "others")
    with serving(ours.server(ours.pair("shop", *names, ended=ended))) as url:
        async with gateway_with(tmp_path, url, tls) as gateway:
            reason, text = await failure(gateway)
    assert reason == "UPSTREAM_TLS"
    assert words in text


async def test_authorities_that_change_are_believed_without_a_start(tmp_path, ours):
    others = Authority(tmp_path, "others")
    (tmp_path / "trusted.pem").write_bytes(others.file.read_bytes())
    with serving(ours.server(ours.pair("shop", "127.0.0.1"))) as url:
        async with gateway_with(tmp_path, url, "{ca_file: trusted.pem}") as gateway:
            assert (await failure(gateway))[0] == "UPSTREAM_TLS"
            (tmp_path / "trusted.pem").write_bytes(ours.file.read_bytes())
            upstream = next(iter(gateway.gateway._upstreams.values()))
            for _ in range(2):  # a change is believed when it looks the same twice
                await upstream._tls._watched.look()
            assert await get(gateway) == ORDER
            (told,) = gateway.of(MaterialChanged)
            assert (told.kind, told.accepted) == ("authorities", True)
