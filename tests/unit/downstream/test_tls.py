"""Connections to real TLS servers: who is believed, what is shown, and files that change."""

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fakes.clock import FakeClock
from support.calls import Recorder
from support.upstream_certificates import Authority, Pair
from unit.downstream.sockets import OK, TLS, UNREACHABLE, always, client_of, facts, failure, fetch

from gateway.core.events import Events, MaterialChanged
from gateway.downstream.options import ClientOptions
from gateway.downstream.tls import BadMaterialError, UpstreamTls, late_refusal

LOCAL = ("localhost", "127.0.0.1")


@dataclass
class Server:
    port: int = 0
    names: list[str | None] = field(default_factory=list)
    peers: list[str] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"


@asynccontextmanager
async def served(context: ssl.SSLContext) -> AsyncIterator[Server]:
    server = Server()

    def seen(_socket: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        server.names.append(name)

    context.sni_callback = seen

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        cert = writer.get_extra_info("peercert")
        server.peers.append(dict(rdn[0] for rdn in cert["subject"])["commonName"] if cert else "")
        with suppress(asyncio.IncompleteReadError, OSError):
            await always(OK)(reader, writer)
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    server.port = listener.sockets[0].getsockname()[1]
    async with listener:
        yield server


@contextmanager
def answering(context: ssl.SSLContext) -> Iterator[str]:
    """A server on OpenSSL's own sockets, which says why it ends a handshake; its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve_one(raw: socket.socket) -> None:
        with raw:
            raw.settimeout(5)
            try:
                with context.wrap_socket(raw.dup(), server_side=True) as secured:
                    secured.recv(65536)
                    secured.sendall(OK)
                    secured.recv(1)
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
    return Authority(tmp_path)


@pytest.fixture
def theirs(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "others")


async def test_an_authority_that_is_declared_is_believed(ours: Authority):
    async with served(ours.server(ours.pair("shop", *LOCAL))) as server:
        async with client_of(server.url, ca_file=str(ours.file)) as client:
            assert (await fetch(client)).status == 200


async def test_another_authority_is_not_believed_and_the_sentence_says_so(
    ours: Authority, theirs: Authority
):
    async with served(ours.server(ours.pair("shop", *LOCAL))) as server:
        async with client_of(server.url, ca_file=str(theirs.file)) as client:
            error = await failure(client)
    assert facts(error) == TLS
    assert error.message.endswith("none of the trusted authorities has signed it (tls.ca_file)")


async def test_a_certificate_that_has_ended_is_not_accepted(ours: Authority):
    async with served(ours.server(ours.pair("shop", *LOCAL, ended=True))) as server:
        async with client_of(server.url, ca_file=str(ours.file)) as client:
            error = await failure(client)
    assert facts(error) == TLS
    assert error.message == "upstream 'shop' fails TLS: certificate has expired"


async def test_a_certificate_of_another_name_is_not_accepted(ours: Authority):
    async with served(ours.server(ours.pair("shop", "orders.internal"))) as server:
        async with client_of(server.url, ca_file=str(ours.file)) as client:
            error = await failure(client)
    assert facts(error) == TLS
    assert "not valid for '127.0.0.1'" in error.message


async def test_a_declared_name_is_asked_for_and_checked_instead_of_the_urls(ours: Authority):
    async with served(ours.server(ours.pair("shop", "orders.internal"))) as server:
        more = {"ca_file": str(ours.file)}
        async with client_of(server.url, server_name="orders.internal", **more) as client:
            assert (await fetch(client)).status == 200
        assert server.names == ["orders.internal"]
        async with client_of(server.url, server_name="other.internal", **more) as client:
            error = await failure(client)
        assert facts(error) == TLS
        assert "not valid for 'other.internal'" in error.message


async def test_the_gateways_certificate_is_shown_to_who_asks_for_it(
    ours: Authority, theirs: Authority
):
    asking = ours.server(ours.pair("shop", *LOCAL), asks=theirs)
    mine = theirs.pair("gateway")
    async with served(asking) as server:
        async with client_of(
            server.url, ca_file=str(ours.file), cert_file=str(mine.cert), key_file=str(mine.key)
        ) as client:
            assert (await fetch(client)).status == 200
    assert server.peers == ["gateway"]


async def test_an_upstream_of_tls_1_2_that_misses_a_certificate_is_told_of(ours: Authority):
    asking = ours.server(ours.pair("shop", *LOCAL), asks=ours)
    asking.maximum_version = ssl.TLSVersion.TLSv1_2
    with answering(asking) as url:
        async with client_of(url, ca_file=str(ours.file)) as client:
            error = await failure(client)
    assert facts(error) == TLS
    assert "asks for the gateway's certificate" in error.message
    assert "(tls.cert_file)" in error.message


async def test_a_handshake_that_breaks_off_is_told_as_one_and_may_be_tried_again(ours: Authority):
    asking = ours.server(ours.pair("shop", *LOCAL), asks=ours)
    asking.maximum_version = ssl.TLSVersion.TLSv1_2
    async with served(asking) as server:  # which says nothing when it ends a handshake
        async with client_of(server.url, ca_file=str(ours.file)) as client:
            error = await failure(client)
    assert facts(error) == UNREACHABLE
    assert error.message.endswith(", in the middle of the TLS handshake")


@pytest.mark.parametrize(
    ("alert", "words"),
    [
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "it asks for the gateway's certificate"),
        ("TLSV1_ALERT_UNKNOWN_CA", "it does not trust who signed the gateway's certificate"),
        ("SSLV3_ALERT_CERTIFICATE_EXPIRED", "the gateway's certificate has ended"),
        ("SSLV3_ALERT_BAD_CERTIFICATE", "it does not accept the gateway's certificate"),
    ],
)
def test_a_refusal_behind_the_handshake_is_one_of_tls(alert: str, words: str):
    alerted = ssl.SSLError(1, "…")
    alerted.reason = alert
    error = late_refusal("shop", alerted)
    assert error is not None
    assert facts(error) == TLS
    assert words in error.message


def test_other_ends_of_a_connection_are_no_refusals_of_tls():
    assert late_refusal("shop", ConnectionResetError()) is None
    assert late_refusal("shop", ssl.SSLError(1, "bad record mac")) is None


async def test_an_upstream_older_than_allowed_is_told_of(ours: Authority):
    old = ours.server(ours.pair("shop", *LOCAL))
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with answering(old) as url:
        async with client_of(url, ca_file=str(ours.file), oldest_tls="1.3") as client:
            error = await failure(client)
        assert facts(error) == TLS
        assert "speaks no version that is allowed (tls.min_version)" in error.message
        async with client_of(url, ca_file=str(ours.file)) as client:
            assert (await fetch(client)).status == 200


# Files that change


class Watched:
    def __init__(self, **files: str | None) -> None:
        options = ClientOptions(name="shop", url="https://shop", **files)
        self.tls = UpstreamTls(options)
        self.clock = FakeClock()
        self.events = Recorder()
        self.tls.watch(self.clock, Events([self.events]))

    async def look(self) -> list[MaterialChanged]:
        """Let two looks pass, which believe a change; return what was told in them."""
        for _ in range(3):
            await asyncio.sleep(0)
        told = len(self.events)
        for _ in range(2):
            self.clock.advance(1.0)
            for _ in range(3):
                await asyncio.sleep(0)
        return [event for event in self.events[told:] if isinstance(event, MaterialChanged)]


@asynccontextmanager
async def watched(ca: Path | None = None, pair: Pair | None = None) -> AsyncIterator[Watched]:
    made = Watched(
        ca_file=str(ca) if ca else None,
        cert_file=str(pair.cert) if pair else None,
        key_file=str(pair.key) if pair else None,
    )
    try:
        yield made
    finally:
        await made.tls.close()


async def test_files_that_stay_as_they_are_change_nothing(ours: Authority):
    async with watched(ours.file, ours.pair("gateway")) as shop:
        before = shop.tls.context
        assert await shop.look() == []
        assert shop.tls.context is before


async def test_new_connections_are_secured_by_what_is_new_and_open_ones_go_on(
    ours: Authority, theirs: Authority, tmp_path: Path
):
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(theirs.file.read_bytes())
    async with served(ours.server(ours.pair("shop", *LOCAL))) as server:
        async with watched(trusted) as shop:
            more = {"ca_file": str(trusted), "tls": shop.tls}
            async with client_of(server.url, **more) as client:
                assert facts(await failure(client)) == TLS
                trusted.write_bytes(ours.file.read_bytes())
                why = "its file has changed"
                assert await shop.look() == [MaterialChanged("authorities", "shop", True, why)]
                assert (await fetch(client)).status == 200
                trusted.write_bytes(theirs.file.read_bytes())
                assert len(await shop.look()) == 1
                assert (await fetch(client)).status == 200  # on the open connection
            assert server.connections == 1
            async with client_of(server.url, **more) as client:
                assert facts(await failure(client)) == TLS


async def test_a_certificate_without_its_key_changes_nothing_and_is_told_once(ours: Authority):
    mine = ours.pair("gateway")
    async with watched(ours.file, mine) as shop:
        before = shop.tls.context
        old_key = mine.key.read_bytes()
        renewed = ours.pair("gateway")  # the same files
        new_key = renewed.key.read_bytes()
        renewed.key.write_bytes(old_key)
        (told,) = await shop.look()
        assert (told.kind, told.name, told.accepted) == ("certificate", "shop", False)
        assert "do not fit together" in told.why
        assert await shop.look() == []
        assert shop.tls.context is before
        renewed.key.write_bytes(new_key)
        why = "its file has changed"
        assert await shop.look() == [MaterialChanged("certificate", "shop", True, why)]
        assert shop.tls.context is not before


@pytest.mark.parametrize("text", [None, "", "no certificate"])
async def test_authorities_that_are_none_change_nothing(ours: Authority, text: str | None):
    async with watched(ours.file) as shop:
        before = shop.tls.context
        if text is None:
            ours.file.unlink()
        else:
            ours.file.write_text(text)
        (told,) = await shop.look()
        assert (told.kind, told.accepted) == ("authorities", False)
        assert shop.tls.context is before
        assert await shop.look() == []


def test_a_key_with_a_password_is_refused_without_asking_for_one(ours: Authority):
    mine = ours.pair("gateway", password=b"hunter2")
    with pytest.raises(BadMaterialError) as raised:
        UpstreamTls(
            ClientOptions(
                name="shop", url="https://a", cert_file=str(mine.cert), key_file=str(mine.key)
            )
        )
    assert raised.value.kind == "certificate"
    assert "without a password" in raised.value.why


def test_a_file_that_is_missing_is_named(ours: Authority, tmp_path: Path):
    with pytest.raises(BadMaterialError) as raised:
        UpstreamTls(ClientOptions(name="shop", url="https://a", ca_file=str(tmp_path / "no.pem")))
    assert raised.value.why == f"{tmp_path / 'no.pem'} cannot be read: no such file or directory"


async def test_files_that_change_before_they_are_watched_are_read_again(
    ours: Authority, theirs: Authority
):
    tls = UpstreamTls(ClientOptions(name="shop", url="https://a", ca_file=str(ours.file)))
    before, events = tls.context, Recorder()
    ours.file.write_bytes(theirs.file.read_bytes())
    tls.watch(FakeClock(), Events([events]))
    assert tls.context is not before
    assert [event.accepted for event in events] == [True]
    await tls.close()
