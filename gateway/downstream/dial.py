"""Making a connection to one upstream: its name, its addresses, TCP, TLS.

Rules:
1. One time limit covers name, TCP and TLS; what fails here was NOT_SENT.
2. The addresses are tried in the resolver's order with families in turn, the next
   a quarter of a second after the one before (RFC 8305).
3. What the resolver said is kept for ten seconds, and asked for once at a time.
4. TLS checks the certificate and the name, and offers HTTP/1.1 only.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

import aiohappyeyeballs

from gateway.core.clock import Clock
from gateway.core.deadline import Expired, Expiry
from gateway.downstream import errors
from gateway.downstream.options import ClientOptions

_RESOLVED_FOR_S = 10.0
_NEXT_ADDRESS_S = 0.25
_TLS_SHUTDOWN_S = 1.0

_Protocol = TypeVar("_Protocol", bound=asyncio.Protocol)


class Dialer:
    """Makes connections to one upstream.

    Args:
        options: where to, how long it may take, whom to trust.
        clock: for the time limit.
    """

    def __init__(self, options: ClientOptions, clock: Clock) -> None:
        parts = urlsplit(options.url)
        self._name = options.name
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._timeout_s = options.connect_timeout_s
        self._clock = clock
        self._tls = _tls(options.ca_file) if parts.scheme == "https" else None
        self._addresses: list[Any] = []
        self._resolved_at = float("-inf")
        self._resolving: asyncio.Task[list[Any]] | None = None

    async def connect(self, factory: Callable[[], _Protocol]) -> _Protocol:
        """Return a connected protocol, TLS established.

        Raises:
            CallError: NOT_SENT.
        """
        until = self._clock.now() + self._timeout_s
        try:
            with Expiry(self._clock, until):
                addresses = await self._resolve()
        except Expired:
            raise errors.slow_to_resolve(self._name, self._host) from None
        except UnicodeError as error:
            raise errors.no_name(self._name) from error
        except OSError as error:
            raise errors.unresolved(self._name, self._host) from error
        try:
            with Expiry(self._clock, until):
                return await self._connect(addresses, factory)
        except Expired:
            raise errors.slow_to_connect(self._name) from None
        except ssl.SSLError as error:
            raise errors.no_tls(self._name, error) from error
        except OSError as error:
            raise errors.unreachable(self._name, f"{self._host}:{self._port}", error) from error

    async def _connect(self, addresses: list[Any], factory: Callable[[], _Protocol]) -> _Protocol:
        loop = asyncio.get_running_loop()
        connected = await aiohappyeyeballs.start_connection(
            addresses, happy_eyeballs_delay=_NEXT_ADDRESS_S, interleave=1, loop=loop
        )
        if self._tls is None:
            _, protocol = await loop.create_connection(factory, sock=connected)
        else:
            _, protocol = await loop.create_connection(
                factory,
                sock=connected,
                ssl=self._tls,
                server_hostname=self._host,
                ssl_shutdown_timeout=_TLS_SHUTDOWN_S,
            )
        return protocol

    async def _resolve(self) -> list[Any]:
        if self._clock.now() - self._resolved_at < _RESOLVED_FOR_S:
            return self._addresses
        if self._resolving is None:
            loop = asyncio.get_running_loop()
            self._resolving = loop.create_task(self._ask())
            self._resolving.add_done_callback(self._resolved)
        return await asyncio.shield(self._resolving)

    async def _ask(self) -> list[Any]:
        loop = asyncio.get_running_loop()
        return await loop.getaddrinfo(
            self._host, self._port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )

    def _resolved(self, asked: asyncio.Task[list[Any]]) -> None:
        self._resolving = None
        if not asked.cancelled() and asked.exception() is None:
            self._addresses = asked.result()
            self._resolved_at = self._clock.now()

    def close(self) -> None:
        """Stop asking the resolver."""
        if self._resolving is not None:
            self._resolving.cancel()


def _tls(ca_file: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file)
    context.set_alpn_protocols(["http/1.1"])
    return context
