"""Fixtures of the end-to-end tests: services, gateways in front of them, stubs.

`grpc_server` and `grpc_addr` take the place of pytest-grpc's own, so that its
`grpc_stub` and `grpc_channel` reach a real gateway: an aio server in a thread
with an event loop of its own, since the stubs block.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future

import grpc
import pytest
from e2e.thirdparty import PROTOS, datasette, etcd, httpbin, localstripe
from support.gateways import GatewayProcess, seawall_process

from gateway.app import Gateway, Settings, load
from gateway.config.resolve import Flags

# Behind the gateway that most tests share.
_SERVICES = ("thirdparty.httpbin.v1.HttpbinService", "thirdparty.datasette.v1.ShopService")


@pytest.fixture(scope="session")
def httpbin_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with httpbin(tmp_path_factory.mktemp("httpbin")) as url:
        yield url


@pytest.fixture(scope="session")
def datasette_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with datasette(tmp_path_factory.mktemp("datasette")) as url:
        yield url


@pytest.fixture(scope="session")
def seawall(
    httpbin_url: str, datasette_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    """`seawall serve` in front of both services."""
    arguments = ["--proto", str(PROTOS)]
    for service in _SERVICES:
        arguments += ["--service", service]
    urls = ("--upstream", f"httpbin={httpbin_url}", "--upstream", f"datasette={datasette_url}")
    with seawall_process(*arguments, *urls, tmp_path=tmp_path_factory.mktemp("seawall")) as running:
        yield running


@pytest.fixture
async def channel(seawall: GatewayProcess) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(seawall.address) as channel:
        yield channel


@pytest.fixture(scope="session")
def etcd_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with etcd(tmp_path_factory.mktemp("etcd")) as url:
        yield url


@pytest.fixture(scope="session")
def localstripe_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with localstripe(tmp_path_factory.mktemp("localstripe")) as url:
        yield url


@pytest.fixture(scope="session")
def etcd_gateway(
    etcd_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    """`seawall serve` in front of etcd."""
    flags = ("--proto", str(PROTOS), "--upstream", f"etcd={etcd_url}")
    services = (
        "--service",
        "etcd.v3.KV",
        "--service",
        "etcd.v3.Lease",
        "--service",
        "etcd.v3.Watch",
    )
    with seawall_process(
        *flags, *services, tmp_path=tmp_path_factory.mktemp("seawall-etcd")
    ) as running:
        yield running


@pytest.fixture(scope="session")
def stripe_gateway(
    localstripe_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    """`seawall serve` in front of localstripe."""
    flags = ("--proto", str(PROTOS), "--upstream", f"stripe={localstripe_url}")
    with seawall_process(
        *(*flags, "--service", "stripe.v1.StripeService"),
        tmp_path=tmp_path_factory.mktemp("seawall-stripe"),
    ) as running:
        yield running


class GatewayThread:
    """A gateway on an event loop in a thread of its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._address: Future[str] = Future()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:
            if not self._address.done():
                self._address.set_exception(error)
            raise
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        gateway = Gateway(self._settings, load(self._settings))
        await gateway.start()
        self._address.set_result(gateway.address)
        await self._stop.wait()
        await gateway.stop()

    def start(self) -> str:
        """Start; return the address once calls are taken."""
        self._thread.start()
        return self._address.result(timeout=60)

    def stop(self) -> None:
        """Drain; return once everything is closed."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(timeout=60)
        assert not self._thread.is_alive()


@pytest.fixture(scope="session")
def grpc_server(httpbin_url: str, datasette_url: str) -> Iterator[str]:
    """The address of a gateway in this process."""
    settings = Settings(
        proto=PROTOS,
        listen="127.0.0.1:0",
        ops_listen="off",
        flags=Flags(_SERVICES, {"httpbin": httpbin_url, "datasette": datasette_url}),
    )
    running = GatewayThread(settings)
    address = running.start()
    yield address
    running.stop()


@pytest.fixture(scope="session")
def grpc_addr(grpc_server: str) -> str:
    return grpc_server
