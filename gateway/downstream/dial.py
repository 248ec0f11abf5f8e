"""Making a connection to one endpoint of an upstream: its name, its addresses, TCP, TLS.

Rules:
1. One time limit covers name, TCP and TLS; what fails here was NOT_SENT.
2. The addresses are tried in the resolver's order with families in turn, the next
   a quarter of a second after the one before (RFC 8305).
3. What the resolver said is kept for `resolved_for_s`, ten seconds, but for one second
   at most once no address could be connected to: it may have moved. It is asked for once
   at a time, and not at all where the host is an address.
4. A resolver that fails takes no upstream away (RFC 8767): what it said last is used for
   another second at a time, and at once while it lets one wait for longer than a quarter
   of the time limit. That there is no such name is believed, and forgets the addresses.
5. TLS checks the certificate and its name, the URL's or the one that is declared, wherever
   the address leads (`tls.py`). A connection is secured by what the files said last.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

import aiohappyeyeballs

from gateway.core.clock import Clock
from gateway.core.deadline import Expired, Expiry
from gateway.downstream import errors
from gateway.downstream.options import ClientOptions
from gateway.downstream.resolve import Resolve, is_answer, numeric, resolve_by_system
from gateway.downstream.tls import UpstreamTls, broken_handshake, no_tls

_RESOLVED_AFTER_FAILURE_S = 1.0
_STALE_AFTER_SHARE = 0.25
"""Of the time limit, until known addresses are used without the resolver's word."""
_NEXT_ADDRESS_S = 0.25
_TLS_SHUTDOWN_S = 1.0

_Protocol = TypeVar("_Protocol", bound=asyncio.Protocol)


def new_tls(options: ClientOptions) -> UpstreamTls | None:
    """Return what secures connections to an upstream; None where its URL is http.

    Reading the authorities takes milliseconds: the endpoints of one upstream share it.
    """
    if urlsplit(options.url).scheme != "https":
        return None
    return options.tls or UpstreamTls(options)


class Dialer:
    """Makes connections to one endpoint.

    Args:
        options: where to, how long it may take, whom to trust.
        clock: for the time limit.
        tls: as `new_tls` makes it; made of `options` where there is none.
        resolve: knows the addresses of names.
    """

    def __init__(
        self,
        options: ClientOptions,
        clock: Clock,
        *,
        tls: UpstreamTls | None = None,
        resolve: Resolve = resolve_by_system,
    ) -> None:
        self._name = options.name
        self._server_name = options.server_name or urlsplit(options.url).hostname or ""
        self._host, self._port = options.address or place_of(options.url)
        self._timeout_s = options.connect_timeout_s
        self._clock = clock
        self._tls = tls or new_tls(options)
        self._resolve_name = resolve
        self._resolved_for_s = options.resolved_for_s
        self._addresses: list[Any] = numeric(self._host, self._port)
        self._is_name = not self._addresses
        self._fresh_until = float("-inf")
        self._resolving: asyncio.Task[list[Any]] | None = None
        self._stale_at = 0.0  # from then on, known addresses are used while it is asked for

    async def connect(self, factory: Callable[[], _Protocol]) -> _Protocol:
        """Return a connected protocol, TLS established.

        Raises:
            CallError: NOT_SENT.
        """
        until = self._clock.now() + self._timeout_s
        try:
            with Expiry(self._clock, until):
                addresses = await self._resolved()
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
            self._doubt()
            raise errors.slow_to_connect(self._name) from None
        except ssl.SSLError as error:
            raise no_tls(self._name, error) from error
        except OSError as error:
            self._doubt()
            raise errors.unreachable(self._name, f"{self._host}:{self._port}", error) from error

    async def _connect(self, addresses: list[Any], factory: Callable[[], _Protocol]) -> _Protocol:
        loop = asyncio.get_running_loop()
        connected = await aiohappyeyeballs.start_connection(
            addresses, happy_eyeballs_delay=_NEXT_ADDRESS_S, interleave=1, loop=loop
        )
        if self._tls is None:
            _, protocol = await loop.create_connection(factory, sock=connected)
        else:
            try:
                _, protocol = await loop.create_connection(
                    factory,
                    sock=connected,
                    ssl=self._tls.context,
                    server_hostname=self._server_name,
                    ssl_shutdown_timeout=_TLS_SHUTDOWN_S,
                )
            except ssl.SSLError:
                raise
            except OSError as error:
                self._doubt()
                place = f"{self._host}:{self._port}"
                raise broken_handshake(self._name, place, error) from error
        return protocol

    async def _resolved(self) -> list[Any]:
        now = self._clock.now()
        if not self._is_name or now < self._fresh_until:
            return self._addresses
        asked = self._resolving
        if asked is None:
            asked = self._resolving = asyncio.get_running_loop().create_task(self._ask())
            asked.add_done_callback(self._answered)
            self._stale_at = now + self._timeout_s * _STALE_AFTER_SHARE
        if not self._addresses:
            return await asyncio.shield(asked)
        if now < self._stale_at:
            try:
                with Expiry(self._clock, self._stale_at):
                    return await asyncio.shield(asked)
            except Expired:
                pass
            except OSError:
                if not self._addresses:  # it said that there is no such name
                    raise
        return self._addresses

    async def _ask(self) -> list[Any]:
        try:
            addresses = await self._resolve_name(self._host, self._port)
        except OSError as error:
            if is_answer(error):
                self._addresses = []
            raise
        if not addresses:
            self._addresses = []
            raise OSError("no address")
        return addresses

    def _answered(self, asked: asyncio.Task[list[Any]]) -> None:
        self._resolving = None
        if asked.cancelled():
            return
        now = self._clock.now()
        if asked.exception() is None:
            self._addresses = asked.result()
            self._fresh_until = now + self._resolved_for_s
        elif self._addresses:
            self._fresh_until = now + min(self._resolved_for_s, _RESOLVED_AFTER_FAILURE_S)

    def _doubt(self) -> None:
        self._fresh_until = min(self._fresh_until, self._clock.now() + _RESOLVED_AFTER_FAILURE_S)

    def close(self) -> None:
        """Stop asking the resolver."""
        if self._resolving is not None:
            self._resolving.cancel()


def place_of(url: str) -> tuple[str, int]:
    """Return the host and the port that a base URL names."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
