"""The ops port: plain HTTP for probes and Prometheus.

/livez says that the process runs; /readyz that it takes calls, 503 before it
does and from the first moment of a drain. Neither follows the upstreams.
"""

from collections.abc import Awaitable, Callable

from aiohttp import web

from gateway.core.errors import ConfigError
from gateway.ingress.address import Address, resolve_free

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class OpsServer:
    """Serves the three pages.

    Args:
        listen: where.
        ready: whether calls are taken.
        metrics: the Prometheus text.
    """

    def __init__(
        self, listen: Address, ready: Callable[[], bool], metrics: Callable[[], bytes]
    ) -> None:
        self.address = listen
        app = web.Application()
        app.router.add_get("/livez", _page(lambda: (200, b"ok\n")))
        app.router.add_get(
            "/readyz", _page(lambda: (200, b"ok\n") if ready() else (503, b"not serving\n"))
        )
        app.router.add_get("/metrics", _page(lambda: (200, metrics()), _METRICS_TYPE))
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)

    async def start(self) -> None:
        """Bind and serve; `address` then has the port.

        Raises:
            ConfigError: the address cannot be listened on.
        """
        resolve_free(self.address, "--ops-listen")
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.address.host, self.address.port)
        try:
            await site.start()
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise ConfigError.one("--ops-listen", f"{self.address}: {why}") from None
        self.address = Address(self.address.host, self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Close the port."""
        await self._runner.cleanup()


def _page(
    content: Callable[[], tuple[int, bytes]], content_type: str = "text/plain; charset=utf-8"
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(_request: web.Request) -> web.StreamResponse:
        status, body = content()
        return web.Response(status=status, body=body, headers={"content-type": content_type})

    return answer
