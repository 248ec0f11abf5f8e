"""Listeners and their TLS: real certificates, real sockets, files that are replaced."""

import asyncio
import contextlib
import datetime
import os
import re
import signal
import socket
import ssl
import sys
import warnings
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.certificates import DAY, Authority, replace
from support.gateways import PROTOS
from support.listeners import (
    call_once,
    channel,
    get_order,
    listening,
    served_number,
    within,
)
from support.upstream import Upstream, json_answer

from gateway.app import Settings, load
from gateway.config.listeners import SUITES
from gateway.core.errors import ConfigError
from gateway.core.events import MaterialChanged

TLS = """
listeners:
  - listen: localhost:0
    tls: {cert_file: cert.pem, key_file: key.pem}
"""
MUTUAL = """
listeners:
  - listen: localhost:0
    tls: {cert_file: cert.pem, key_file: key.pem, client_ca_file: clients.pem}
  - listen: 127.0.0.1:0
    services: [grpc.health.v1.Health]
"""
ORDER = json_answer({"orderId": "1"})
CA = Authority("servers")
CLIENTS = Authority("clients")
SERVER = CA.issue("localhost", dns=["localhost"])
CLIENT = CLIENTS.issue(
    "worker-1",
    uri=["spiffe://shop/worker"],
    dns=["worker.internal"],
    email=["worker@shop.example"],
    ip=["10.0.0.1"],
)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    SERVER.write(tmp_path)
    (tmp_path / "clients.pem").write_bytes(CLIENTS.pem)
    return tmp_path


async def test_a_certificate_replaced_on_disk_is_served_within_seconds_and_no_call_fails(files):
    renewed = CA.issue("localhost", dns=["localhost"])
    done = {"kept": 0, "new": 0}
    ended = asyncio.Event()

    async def call_on_one_connection(target: str) -> None:
        async with channel(target, CA.pem) as kept:
            while not ended.is_set():
                await get_order(kept)
                done["kept"] += 1

    async def call_on_new_connections(target: str) -> None:
        while not ended.is_set():
            async with channel(target, CA.pem) as new:
                await get_order(new)
                done["new"] += 1

    async def is_served() -> bool:
        return await served_number(target) == renewed.number

    async with Upstream(ORDER) as upstream, listening(TLS, files, upstream.url) as running:
        target = running.target()
        assert await served_number(target) == SERVER.number
        callers = [
            asyncio.create_task(call(target))
            for call in (call_on_one_connection, call_on_new_connections)
            for _ in range(4)
        ]
        await asyncio.sleep(0.2)
        renewed.write(files)
        assert await within(3, is_served)
        before = dict(done)
        # Each of the servers behind the port has to serve it, and none of them the old one.
        numbers = {await served_number(target) for _ in range(32)}
        await asyncio.sleep(0.1)
        ended.set()
        await asyncio.gather(*callers)
    assert numbers == {renewed.number}
    assert done["kept"] > before["kept"] > 0
    assert done["new"] > before["new"] > 0
    (told,) = running.of(MaterialChanged)
    assert told == ("certificate", "localhost:0", True, "its files have changed")


async def test_a_broken_pair_leaves_the_certificate_in_use_and_is_told_once(files):
    renewed = CA.issue("localhost", dns=["localhost"])
    async with Upstream(ORDER) as upstream, listening(TLS, files, upstream.url) as running:

        async def refused() -> bool:
            return bool(running.of(MaterialChanged))

        async def accepted() -> bool:
            return await served_number(running.target()) == renewed.number

        replace(files / "cert.pem", renewed.cert)
        assert await within(3, refused)
        await asyncio.sleep(1.2)
        assert await served_number(running.target()) == SERVER.number
        assert await call_once(running.target(), CA.pem) == "OK"
        replace(files / "key.pem", renewed.key)
        assert await within(3, accepted)
    first, second = running.of(MaterialChanged)
    assert not first.accepted
    assert "key.pem is not the key of the first certificate in" in first.why
    assert second.accepted


async def test_a_client_needs_a_certificate_of_the_right_authority(files):
    stranger = Authority("strangers").issue("worker-1")
    async with Upstream(ORDER) as upstream, listening(MUTUAL, files, upstream.url) as running:
        target = running.target()
        assert await call_once(target, CA.pem) == "UNAVAILABLE"
        assert await call_once(target, CA.pem, stranger) == "UNAVAILABLE"
        old = CLIENTS.issue("worker-1", starts=-2 * DAY, ends=-DAY)
        assert await call_once(target, CA.pem, old) == "UNAVAILABLE"
        assert upstream.requests == []
        assert await call_once(target, CA.pem, CLIENT) == "OK"
        call = running.last_call()
    assert call.listener == "localhost:0"
    assert call.certificate == (
        "URI:spiffe://shop/worker",
        "DNS:worker.internal",
        "email:worker@shop.example",
        "CN:worker-1",
    )


async def test_a_listener_that_asks_for_no_certificate_tells_none(files):
    async with Upstream(ORDER) as upstream, listening(TLS, files, upstream.url) as running:
        assert await call_once(running.target(), CA.pem, CLIENT) == "OK"
        call = running.last_call()
    assert (call.listener, call.certificate) == ("localhost:0", ())


async def test_a_replaced_authority_of_clients_counts_for_new_connections(files):
    others = Authority("clients")
    newcomer = others.issue("worker-2")
    async with Upstream(ORDER) as upstream, listening(MUTUAL, files, upstream.url) as running:
        target = running.target()

        async def is_let_in() -> bool:
            return await call_once(target, CA.pem, newcomer) == "OK"

        async with channel(target, CA.pem, CLIENT) as kept:
            await get_order(kept)
            assert not await is_let_in()
            replace(files / "clients.pem", others.pem)
            assert await within(3, is_let_in)
            assert running.last_call().certificate == ("CN:worker-2",)
            assert {await call_once(target, CA.pem, CLIENT) for _ in range(8)} == {"UNAVAILABLE"}
            await get_order(kept)
            assert running.last_call().certificate[-1] == "CN:worker-1"


async def check_health(target: str) -> int:
    async with channel(target) as over:
        answer = await health_pb2_grpc.HealthStub(over).Check(
            health_pb2.HealthCheckRequest(), timeout=10
        )
        status: int = answer.status
        return status


async def test_health_has_a_plaintext_listener_of_its_own(files):
    async with Upstream(ORDER) as upstream, listening(MUTUAL, files, upstream.url) as running:
        target = running.gateway.addresses[1]
        assert await check_health(target) == health_pb2.HealthCheckResponse.SERVING
        assert running.last_call().listener == "127.0.0.1:0"
        async with channel(target) as over:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await get_order(over)
        assert upstream.requests == []
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "shop.v1.OrderService is not served on this address" in (refused.value.details() or "")


async def test_a_health_watch_on_each_listener_sees_the_end(files):
    """The drain is of all listeners: none of them holds it up."""
    async with Upstream(ORDER) as upstream, listening(MUTUAL, files, upstream.url) as running:
        seen: list[int] = []
        begun = asyncio.Event()

        async def watch(over: grpc.aio.Channel) -> None:
            async with over:
                stub = health_pb2_grpc.HealthStub(over)
                async for answer in stub.Watch(health_pb2.HealthCheckRequest()):
                    seen.append(answer.status)
                    if len(seen) == 2:
                        begun.set()

        watches = [
            asyncio.create_task(watch(channel(running.target(), CA.pem, CLIENT))),
            asyncio.create_task(watch(channel(running.gateway.addresses[1]))),
        ]
        await begun.wait()
        await asyncio.wait_for(running.gateway.stop(), 5)
        await asyncio.gather(*watches)
    assert seen == [1, 1, 2, 2]


async def wrong_bytes(target: str, payload: bytes) -> bytes:
    host, _, port = target.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(payload)
    try:
        return await asyncio.wait_for(reader.read(), 15)
    except ConnectionError:
        return b""
    finally:
        writer.close()


def tls_greeting() -> bytes:
    context = ssl.create_default_context()
    out = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost").do_handshake()
    return out.read()


GREETING = tls_greeting()


@pytest.mark.parametrize(
    "payload",
    [
        b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n",
        GREETING,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(range(256)) * 40,
        b"\x16\x03\x01\xff\xff" + bytes(70_000),
        b"\x00" * 4096,
    ],
    ids=["http1", "tls", "broken-http2", "broken-tls", "zeros"],
)
async def test_wrong_bytes_end_their_own_connection_and_no_other(payload, files):
    config = TLS + "  - listen: 127.0.0.1:0\n"
    async with Upstream(ORDER) as upstream, listening(config, files, upstream.url) as running:
        secure, plain = running.target(), running.gateway.addresses[1]
        async with channel(secure, CA.pem) as kept, channel(plain) as open_one:
            await get_order(kept)
            await get_order(open_one)
            # A TLS listener would wait for more of a greeting that is right.
            targets = [plain] if payload is GREETING else [secure, plain]
            await asyncio.gather(*(wrong_bytes(target, payload) for target in targets * 4))
            await get_order(kept)
            await get_order(open_one)
            assert await call_once(secure, CA.pem) == "OK"
            assert await call_once(plain) == "OK"


async def test_a_plaintext_client_gets_nothing_from_a_tls_listener(files):
    async with Upstream(ORDER) as upstream, listening(TLS, files, upstream.url) as running:
        assert await call_once(running.target()) == "UNAVAILABLE"
        assert upstream.requests == []


async def spoken(target: str, version: ssl.TLSVersion) -> str:
    """Return the version that a client of this one gets, "" for none."""
    host, _, port = target.rpartition(":")
    context = ssl.create_default_context(cadata=CA.pem.decode())
    context.set_alpn_protocols(["h2"])
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = context.maximum_version = version
    try:
        _, writer = await asyncio.open_connection(host, int(port), ssl=context)
    except (ssl.SSLError, ConnectionError):
        return ""
    name: str = writer.get_extra_info("ssl_object").version()
    writer.close()
    return name


async def test_tls_1_2_is_the_oldest_version(files):
    async with Upstream(ORDER) as upstream, listening(TLS, files, upstream.url) as running:
        target = running.target()
        assert await spoken(target, ssl.TLSVersion.TLSv1_1) == ""
        assert await spoken(target, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
        assert await spoken(target, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"


NEWEST = TLS.replace("key.pem}", "key.pem, min_version: TLS_1_3}")


async def test_tls_1_3_alone_is_refused_where_the_process_would_speak_1_2(files):
    with pytest.raises(ConfigError, match="GRPC_SSL_CIPHER_SUITES=ECDHE-PSK") as refused:
        async with listening(NEWEST, files, "http://127.0.0.1:1"):
            raise AssertionError("it serves")
    assert "listeners[0].tls.min_version" in str(refused.value)


async def test_suites_that_leave_tls_1_2_are_refused_at_the_start(files, monkeypatch):
    monkeypatch.setenv(SUITES, "ECDHE-RSA-AES128-GCM-SHA256")  # too late for gRPC, as it were
    with pytest.raises(ConfigError, match=r"listeners\[0\]\.tls\.min_version: gRPC would speak"):
        async with listening(NEWEST, files, "http://127.0.0.1:1"):
            raise AssertionError("it serves")


async def test_tls_1_3_alone_is_spoken_where_the_process_can_speak_nothing_older(files):
    (files / "seawall.yaml").write_text(NEWEST)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "serve", "--proto", str(PROTOS)),
        *("--config", str(files / "seawall.yaml"), "--upstream", "http://127.0.0.1:1"),
        *("--ops-listen", "off"),
        env=os.environ | {"GRPC_SSL_CIPHER_SUITES": "ECDHE-PSK-AES128-CBC-SHA"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        told = await asyncio.wait_for(process.stdout.readline(), 30)
        while b"gRPC on" not in told:
            told = await asyncio.wait_for(process.stdout.readline(), 30)
            assert told
        match = re.search(rb"gRPC on (\S+)", told)
        assert match is not None
        target = match.group(1).decode()
        assert await spoken(target, ssl.TLSVersion.TLSv1_2) == ""
        assert await spoken(target, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
    finally:
        process.send_signal(signal.SIGTERM)
        await process.communicate()


async def test_an_expired_certificate_is_served_and_told_until_there_is_a_better_one(files):
    CA.issue("localhost", dns=["localhost"], starts=-2 * DAY, ends=-DAY).write(files)
    async with Upstream(ORDER) as upstream, listening(TLS, files, upstream.url) as running:
        (told,) = running.of(MaterialChanged)
        assert told.accepted
        assert told.why.startswith("in use, although the certificate ended at ")
        SERVER.write(files)

        async def is_served() -> bool:
            return await served_number(running.target()) == SERVER.number

        assert await within(3, is_served)


async def test_a_certificate_that_is_not_valid_yet_is_used_from_its_moment_on(files):
    in_a_moment = datetime.timedelta(seconds=3)
    early = CA.issue("localhost", dns=["localhost"], starts=in_a_moment)
    async with Upstream(ORDER) as upstream, listening(TLS, files, upstream.url) as running:
        early.write(files)

        async def is_told() -> bool:
            return bool(running.of(MaterialChanged))

        async def is_served() -> bool:
            return await served_number(running.target()) == early.number

        assert await within(2.5, is_told)
        assert not await is_served()
        assert await within(5, is_served)
    first, second = running.of(MaterialChanged)
    assert first.why.startswith("the certificate is not valid before ")
    assert (first.accepted, second.accepted) == (False, True)


@pytest.mark.parametrize("missing", ["cert.pem", "key.pem", "clients.pem"])
async def test_a_missing_file_is_a_mistake_at_startup_with_its_path(missing, files):
    (files / missing).unlink()
    with pytest.raises(ConfigError) as refused:
        async with listening(MUTUAL, files, "http://127.0.0.1:1"):
            raise AssertionError("it serves")
    assert f"{files / missing} cannot be read: no such file" in str(refused.value)
    assert "seawall.yaml:4: listeners[0].tls." in str(refused.value)


async def test_nothing_is_left_open_where_one_of_several_addresses_is_taken(files):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            first = free.getsockname()[1]
        config = f"listeners: [{{listen: 127.0.0.1:{first}}}, {{listen: 127.0.0.1:{port}}}]"
        with pytest.raises(ConfigError, match=r"listeners\[1\].*the port is in use"):
            async with listening(config, files, "http://127.0.0.1:1"):
                raise AssertionError("it serves")
    config = f"listeners: [{{listen: 127.0.0.1:{first}}}]"
    async with Upstream(ORDER) as upstream, listening(config, files, upstream.url) as running:
        assert await call_once(running.gateway.addresses[0]) == "OK"


def test_the_flag_does_not_silently_take_the_place_of_listeners_and_their_tls(tmp_path):
    path = tmp_path / "seawall.yaml"
    path.write_text(TLS)
    settings = Settings(proto=PROTOS, config=path, listen="127.0.0.1:0")
    with pytest.raises(ConfigError) as raised:
        load(settings)
    assert "--listen: " in str(raised.value)
    assert "change it there, or take `listeners` out" in str(raised.value)


async def test_calls_of_the_shorthand_name_no_listener(tmp_path):
    config = "listen: 127.0.0.1:0"
    async with Upstream(ORDER) as upstream, listening(config, tmp_path, upstream.url) as running:
        assert await call_once(running.gateway.address) == "OK"
        call = running.last_call()
    assert (call.listener, call.certificate) == ("", ())
