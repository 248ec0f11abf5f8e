"""Where connections go, and under whose name."""

import asyncio
import socket
import ssl
import threading
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from fakes.clock import FakeClock
from support.upstream import RawUpstream
from unit.downstream.sockets import OK, Reader, Writer, always, client_of, fetch, head

from gateway.core.errors import CallError, Reason
from gateway.downstream.dial import Dialer, new_tls, place_of
from gateway.downstream.options import ClientOptions
from gateway.downstream.resolve import SystemResolver, is_answer, numeric

CERTIFICATE = str(Path(__file__).parent / "localhost.pem")


class Resolver:
    """Knows the address that it is told; counts who asks."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.host = host
        self.asked: list[tuple[str, int]] = []
        self.failure: OSError | None = None
        self.hangs = False

    async def __call__(self, host: str, port: int) -> list:
        self.asked.append((host, port))
        if self.failure is not None:
            raise self.failure
        if self.hangs:
            await asyncio.get_running_loop().create_future()
        if not self.host:
            return []
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (self.host, port))]


async def dial(dialer: Dialer) -> None:
    protocol = await dialer.connect(Quiet)
    protocol.transport.abort()


class Quiet(asyncio.Protocol):
    def connection_made(self, transport) -> None:
        self.transport = transport


def dialer_of(clock: FakeClock, resolver: Resolver, url: str, **options) -> Dialer:
    return Dialer(ClientOptions(name="shop", url=url, **options), clock, resolve=resolver)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("http://shop", ("shop", 80)),
        ("https://shop/v1", ("shop", 443)),
        ("http://shop:81", ("shop", 81)),
        ("http://[::1]:81", ("::1", 81)),
    ],
)
def test_a_url_names_a_place(url, place):
    assert place_of(url) == place


@pytest.mark.parametrize(
    ("host", "is_address"),
    [("127.0.0.1", True), ("::1", True), ("localhost", False), ("a.b", False), ("\udcff", False)],
)
def test_what_is_an_address_needs_no_resolver(host, is_address):
    assert bool(numeric(host, 80)) is is_address


async def test_the_address_leads_elsewhere_and_the_host_header_stays():
    heads = []

    async def serve(reader: Reader, writer: Writer) -> None:
        heads.append(await head(reader))
        writer.write(OK)

    async with RawUpstream(serve) as upstream:
        place = place_of(upstream.url)
        async with client_of("http://shop.invalid:9/v1", address=place) as client:
            assert (await fetch(client)).status == 200
    assert b"\r\nhost: shop.invalid:9\r\n" in heads[0]


@asynccontextmanager
async def tls_server():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE)
    names = []
    context.sni_callback = lambda _socket, name, _context: names.append(name)

    async def serve(reader: Reader, writer: Writer) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await always(OK)(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[:2], names


async def test_tls_checks_the_name_of_the_url_wherever_the_address_leads():
    async with tls_server() as (place, names):
        async with client_of("https://localhost:9", address=place, ca_file=CERTIFICATE) as client:
            assert (await fetch(client)).status == 200
        assert names == ["localhost"]
        async with client_of("https://other:9", address=place, ca_file=CERTIFICATE) as client:
            with pytest.raises(CallError) as raised:
                await fetch(client)
            assert raised.value.reason is Reason.UPSTREAM_TLS


def test_tls_is_made_for_https_alone():
    assert new_tls(ClientOptions(name="shop", url="http://shop")) is None
    assert new_tls(ClientOptions(name="shop", url="https://shop")) is not None


async def test_a_name_is_kept_for_its_time_and_asked_for_once_at_a_time():
    clock, resolver = FakeClock(), Resolver()
    async with RawUpstream(always(OK)) as upstream:
        _, port = place_of(upstream.url)
        dialer = dialer_of(clock, resolver, f"http://shop.example:{port}", resolved_for_s=7.0)
        await asyncio.gather(dial(dialer), dial(dialer))
        clock.advance(6.9)
        await dial(dialer)
        assert resolver.asked == [("shop.example", port)]
        clock.advance(0.2)
        await dial(dialer)
        assert len(resolver.asked) == 2


async def test_where_nothing_could_be_connected_to_the_name_is_soon_asked_for_again():
    clock, resolver = FakeClock(), Resolver("127.0.0.9")
    async with RawUpstream(always(OK)) as upstream:
        _, port = place_of(upstream.url)
        dialer = dialer_of(clock, resolver, f"http://shop.example:{port}")
        for _ in range(3):
            with pytest.raises(CallError, match="connection refused"):
                await dial(dialer)
        assert len(resolver.asked) == 1
        resolver.host = "127.0.0.1"
        clock.advance(1.0)
        await dial(dialer)
        assert len(resolver.asked) == 2
        clock.advance(9.9)
        await dial(dialer)
        assert len(resolver.asked) == 2


async def test_an_address_is_never_asked_for():
    resolver = Resolver()
    async with RawUpstream(always(OK)) as upstream:
        dialer = dialer_of(FakeClock(), resolver, "http://shop", address=place_of(upstream.url))
        await dial(dialer)
    assert resolver.asked == []


async def test_no_address_is_a_name_that_does_not_resolve():
    dialer = dialer_of(FakeClock(), Resolver(""), "http://shop.example")
    with pytest.raises(CallError) as raised:
        await dial(dialer)
    assert raised.value.reason is Reason.UPSTREAM_UNRESOLVED


async def test_a_resolver_that_fails_takes_no_upstream_away():
    clock, resolver = FakeClock(), Resolver()
    async with RawUpstream(always(OK)) as upstream:
        _, port = place_of(upstream.url)
        dialer = dialer_of(clock, resolver, f"http://shop.example:{port}")
        await dial(dialer)
        resolver.failure = socket.gaierror(socket.EAI_AGAIN, "try again")
        for _ in range(3):
            clock.advance(11)
            await dial(dialer)
            await dial(dialer)  # within the second that it is not asked again
        assert len(resolver.asked) == 4
        clock.advance(1.1)
        await dial(dialer)
        assert len(resolver.asked) == 5


async def test_a_resolver_that_does_not_answer_is_waited_for_once():
    clock, resolver = FakeClock(), Resolver()
    async with RawUpstream(always(OK)) as upstream:
        _, port = place_of(upstream.url)
        dialer = dialer_of(clock, resolver, f"http://shop.example:{port}", connect_timeout_s=2.0)
        await dial(dialer)
        resolver.hangs = True
        clock.advance(11)
        slow = asyncio.create_task(dial(dialer))
        for _ in range(5):
            await asyncio.sleep(0)
        clock.advance(0.49)
        await asyncio.sleep(0)
        assert clock.pending
        clock.advance(0.02)
        await slow
        await dial(dialer)
        assert len(resolver.asked) == 2
        dialer.close()
        await asyncio.sleep(0)


async def test_that_there_is_no_such_name_is_believed():
    clock, resolver = FakeClock(), Resolver()
    async with RawUpstream(always(OK)) as upstream:
        _, port = place_of(upstream.url)
        dialer = dialer_of(clock, resolver, f"http://shop.example:{port}")
        await dial(dialer)
        clock.advance(11)
        for code in (socket.EAI_NONAME, socket.EAI_AGAIN):  # nothing is left to fall back on
            resolver.failure = socket.gaierror(code, "no")
            with pytest.raises(CallError) as raised:
                await dial(dialer)
            assert raised.value.reason is Reason.UPSTREAM_UNRESOLVED


async def test_the_systems_resolver_is_asked_once_at_a_time_and_for_so_many_names():
    release, asked = threading.Event(), []

    def look_up(host: str, port: int) -> list:
        asked.append(host)
        if host != "good":
            release.wait(10)
        return [host, port]

    resolve = SystemResolver(look_up, most=3)
    hung = [asyncio.create_task(resolve(host, 1)) for host in ("a", "a", "b")]
    await asyncio.sleep(0)
    try:
        assert await resolve("good", 1) == ["good", 1]
        gone = asyncio.create_task(resolve("a", 1))
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        hung.append(asyncio.create_task(resolve("c", 1)))
        await asyncio.sleep(0)
        with pytest.raises(OSError, match="3 names"):
            await resolve("good", 1)
    finally:
        release.set()
    assert await asyncio.gather(*hung) == [["a", 1], ["a", 1], ["b", 1], ["c", 1]]
    assert sorted(asked) == ["a", "b", "c", "good"]


async def test_what_a_look_up_raises_is_raised():
    def look_up(_host: str, _port: int) -> list:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    with pytest.raises(socket.gaierror) as raised:
        await SystemResolver(look_up)("a", 1)
    assert is_answer(raised.value)
