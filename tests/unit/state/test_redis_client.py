"""Real servers that are good, and that are not: clusters, replicas, passwords, TLS, Sentinels."""

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from redis import exceptions
from support.redis import RedisServer, Sentinels, free_port

from gateway.core.clock import SystemClock
from gateway.state.limits import Hit, Limit
from gateway.state.redis_client import RedisClient, phrase
from gateway.state.redis_limits import RedisLimits
from gateway.state.redis_question import LinkOptions
from gateway.state.redis_url import NO_CLUSTER, parse_redis_url
from gateway.state.shared import Unavailable

LIMIT = Limit(name="a:b", requests=1000)
SECRET = "hunter2"


async def why_not(url: str) -> str:
    with pytest.raises(Unavailable) as told:
        await RedisClient(parse_redis_url(url)).connect()
    assert told.value.__cause__ is None
    assert SECRET not in str(told.value)
    assert "127.0.0.1" not in str(told.value)
    return str(told.value)


async def until(claim: Callable[[], Any]) -> None:
    async def poll() -> None:
        while not claim():
            await asyncio.sleep(0.01)

    await asyncio.wait_for(poll(), 20)


async def opened_in_the_end(limits: RedisLimits) -> None:
    # A Sentinel that has just switched may still name the master before.
    for _ in range(100):
        try:
            await limits.open(lambda why: None)
        except Unavailable:
            await asyncio.sleep(0.05)
        else:
            return
    pytest.fail("it was never open")


async def test_a_server_is_reached_and_its_database_selected() -> None:
    with RedisServer() as server:
        connection = await RedisClient(parse_redis_url(f"{server.url}/5")).connect()
        await connection.send_command("SET", "here", "1")
        await connection.read_response()
        await connection.disconnect()
        with server.client() as client:
            assert client.info("keyspace")["db5"]["keys"] == 1


async def test_a_cluster_is_refused_with_the_reason() -> None:
    with RedisServer(cluster_enabled="yes") as server:
        assert await why_not(server.url) == NO_CLUSTER
        assert await why_not(f"{server.url}/3") == NO_CLUSTER


async def test_a_replica_is_refused() -> None:
    with RedisServer(replicaof=f"127.0.0.1 {free_port()}") as server:
        assert await why_not(server.url) == "it is a replica"


async def test_a_server_that_becomes_a_replica_ends_the_store() -> None:
    with RedisServer() as server, RedisServer() as master:
        limits = RedisLimits(
            RedisClient(parse_redis_url(server.url)), SystemClock(), LinkOptions(timeout_s=10)
        )
        ends: list[str] = []
        await limits.open(ends.append)
        with server.client() as client:
            client.replicaof("127.0.0.1", master.port)
        assert await limits.take([Hit(LIMIT, "")]) is None
        assert ends == ["it is a replica"]
        await limits.close()


async def test_credentials_are_sent_and_never_told() -> None:
    with RedisServer(requirepass=SECRET) as server:
        connection = await RedisClient(parse_redis_url(server.url)).connect()
        assert SECRET not in repr(connection)
        await connection.disconnect()
        refuses = "it refuses the credentials"
        assert await why_not(f"redis://:x{SECRET}@127.0.0.1:{server.port}") == refuses
        assert await why_not(f"redis://joe:{SECRET}@127.0.0.1:{server.port}") == refuses
        assert await why_not(f"redis://127.0.0.1:{server.port}") == refuses


async def test_a_user_that_may_only_count_can_count() -> None:
    with RedisServer() as server:
        with server.client() as client:
            client.acl_setuser(
                "seawall",
                enabled=True,
                passwords=[f"+{SECRET}"],
                keys=["seawall:*"],
                commands=["-@all", "+evalsha", "+eval", "+get", "+set", "+time"],
            )
        url = f"redis://seawall:{SECRET}@127.0.0.1:{server.port}"
        limits = RedisLimits(
            RedisClient(parse_redis_url(url)), SystemClock(), LinkOptions(timeout_s=10)
        )
        await limits.open(lambda why: None)
        decision = await limits.take([Hit(LIMIT, "")])
        assert decision is not None
        assert decision.allowed
        await limits.close()


async def test_nobody_there_is_told_without_the_address() -> None:
    assert await why_not(f"redis://127.0.0.1:{free_port()}") == "it refuses connections"
    assert await why_not("redis://no-such-host.invalid") == "its name does not resolve"
    url = f"redis+sentinel://127.0.0.1:{free_port()}/limits"
    assert (await why_not(url)).startswith("no Sentinel answers")


async def test_sentinels_know_the_master_and_the_next_one() -> None:
    with Sentinels() as sentinels:
        limits = RedisLimits(
            RedisClient(parse_redis_url(sentinels.url)), SystemClock(), LinkOptions(timeout_s=10)
        )
        ended: list[str] = []
        await limits.open(ended.append)
        assert await limits.take([Hit(LIMIT, "")]) is not None
        sentinels.master.kill()
        await until(lambda: ended)
        await until(lambda: sentinels.master_port() == sentinels.replica.port)
        await opened_in_the_end(limits)
        decision = await limits.take([Hit(LIMIT, "")])
        assert decision is not None
        assert decision.allowed
        with sentinels.replica.client() as client:
            assert client.dbsize() == 1
        await limits.close()


async def test_an_unknown_master_is_told() -> None:
    with Sentinels() as sentinels:
        assert (await why_not(sentinels.url.replace("/limits", "/other"))).startswith("no Sentinel")


# TLS


def _certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "redis")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return cert_file, key_file


@asynccontextmanager
async def encrypted(server: RedisServer, folder: Path) -> AsyncIterator[int]:
    """Put TLS in front of a server; yields the port."""
    cert_file, key_file = _certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert_file, key_file)
    tasks: set[asyncio.Task[None]] = set()

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1 << 16):
                writer.write(data)
        except OSError:
            pass
        finally:
            writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())  # type: ignore[arg-type]
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", server.port)
        await asyncio.gather(copy(reader, inner_writer), copy(inner_reader, writer))

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        await asyncio.gather(*tasks, return_exceptions=True)
        await listener.wait_closed()


async def test_tls_is_spoken_to_whom_the_machine_trusts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RedisServer(requirepass=SECRET) as server:
        async with encrypted(server, tmp_path) as port:
            url = f"rediss://:{SECRET}@127.0.0.1:{port}"
            assert await why_not(url) == "its certificate is not trusted"
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
            connection = await RedisClient(parse_redis_url(url)).connect()
            await connection.disconnect()


# What errors mean


def _wrapped() -> Exception:
    try:
        try:
            raise ConnectionRefusedError(111, f"{SECRET}")
        except OSError as error:
            raise exceptions.ConnectionError(f"Error 111 connecting to {SECRET}:1") from error
    except exceptions.ConnectionError as error:
        return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (_wrapped(), "it refuses connections"),
        (exceptions.MovedError("1 10.0.0.1:6379"), NO_CLUSTER),
        (exceptions.BusyLoadingError("Redis is loading"), "it is loading its data"),
        (exceptions.TimeoutError(SECRET), "it cannot be reached in time"),
        (exceptions.ResponseError(f"BUSY {SECRET}"), "it answers with an error (BUSY)"),
        (exceptions.ResponseError(f"{SECRET} x"), "it answers with an error"),
        (OSError(SECRET), "the connection to it failed"),
    ],
)
def test_errors_become_phrases_without_secrets(error: Exception, expected: str) -> None:
    assert phrase(error) == expected
