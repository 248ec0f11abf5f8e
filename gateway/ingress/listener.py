"""One address where gRPC is served: its servers, its TLS, and what it adds to a call.

A grpc.aio server asks for one call at a time, and each asking takes a turn through its
threads and the event loop. So several of them share a port (SO_REUSEPORT) and a handler:
connections are spread over them, and calls arrive as many at a time. That anybody may join
such a port is what `address.reserve` is against.
"""

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import grpc

from gateway.config.connections import ConnectionOptions
from gateway.config.listeners import ListenerOptions
from gateway.core.call import MethodInfo, Sink
from gateway.core.clock import Clock
from gateway.core.errors import ConfigError
from gateway.core.events import Events
from gateway.dispatch import Dispatch
from gateway.ingress.address import Address, reserve, resolve_free
from gateway.ingress.channel import acceptors, channel_arguments
from gateway.ingress.gate import Gate
from gateway.ingress.handler import C, CallHandler, Context
from gateway.ingress.tls import ListenerTls, certificate_names, check_oldest
from gateway.pipeline import Pipeline

if TYPE_CHECKING:
    from gateway.ingress.tracing import TracedHandlers

HandlerOf = Callable[[ListenerOptions], grpc.GenericRpcHandler]
"""What answers the calls of a listener."""


class NamedHandler(CallHandler):
    """The handler of a listener with a setting of its own: its calls say so.

    Args:
        dispatch: the pipelines.
        gate: counts and holds.
        clock: fixes the arrival.
        unserved: what calls of methods go through that are not served.
        listener: its options.
        tracing: of calls that are traced; None where none are.
    """

    def __init__(
        self,
        dispatch: Dispatch,
        gate: Gate,
        clock: Clock,
        unserved: Pipeline,
        listener: ListenerOptions,
        tracing: "TracedHandlers | None" = None,
    ) -> None:
        self._name = listener.name
        super().__init__(dispatch, gate, clock, unserved, listener.services, tracing)

    def _new_call(
        self, kind: type[C], method: MethodInfo, sink: Sink, request: Any, context: Context
    ) -> C:
        call = super()._new_call(kind, method, sink, request, context)
        call.listener = self._name
        return call


class CertificateHandler(NamedHandler):
    """The same where every client has a certificate: its calls have its names.

    What gRPC verified is asked for at each call (3 µs): a connection has no name by which
    it could be remembered, and its address may be another's in the next moment.
    """

    def _new_call(
        self, kind: type[C], method: MethodInfo, sink: Sink, request: Any, context: Context
    ) -> C:
        call = super()._new_call(kind, method, sink, request, context)
        call.certificate = certificate_names(context.auth_context())
        return call


def handler_for(
    dispatch: Dispatch,
    gate: Gate,
    clock: Clock,
    unserved: Pipeline,
    tracing: "TracedHandlers | None",
    listener: ListenerOptions,
) -> CallHandler:
    """Return what answers the calls of a listener."""
    if listener.asks_for_certificates:
        return CertificateHandler(dispatch, gate, clock, unserved, listener, tracing)
    if listener.name or listener.services is not None:
        return NamedHandler(dispatch, gate, clock, unserved, listener, tracing)
    return CallHandler(dispatch, gate, clock, unserved, tracing=tracing)


class Listener:
    """The servers on one address.

    Args:
        options: the address and what is served there.
        connections: what they may take.
        max_request_bytes: the largest message of any method.
        handler: answers calls.
        clock: for looking at files.
        events: told of certificates.

    Attributes:
        address: with its port, once it is bound.
        servers: that share it.

    Raises:
        ConfigError: its certificate cannot be used.
    """

    def __init__(
        self,
        options: ListenerOptions,
        connections: ConnectionOptions,
        max_request_bytes: int,
        handler: grpc.GenericRpcHandler,
        clock: Clock,
        events: Events,
    ) -> None:
        sharing = acceptors(options, connections)
        arguments = channel_arguments(connections, max_request_bytes, sharing)
        self.address = options.listen
        self._options = options
        self._tls = ListenerTls(options, clock, events) if options.tls is not None else None
        self.servers = [
            grpc.aio.server(handlers=(handler,), options=arguments) for _ in range(sharing)
        ]
        self._reserved: socket.socket | None = None
        self._bound = self._started = 0

    def bind(self) -> None:
        """Take the address; `address` then has the port.

        Raises:
            ConfigError: it cannot be listened on.
        """
        listen, where = self._options.listen, self._options.where
        number = resolve_free(listen, where)
        if number.port:
            self._reserve(number)
        try:
            for server in self.servers:
                number = Address(number.host, self._add_port(server, str(number)))
                self._bound += 1
        except RuntimeError:
            or_tls = "" if self._tls is None else ", or gRPC does not take its certificate"
            raise ConfigError.one(where, f"{listen}: cannot be listened on{or_tls}") from None
        if self._reserved is None:
            self._reserve(number)
        self.address = Address(listen.host, number.port)

    def _add_port(self, server: grpc.aio.Server, address: str) -> int:
        if self._tls is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, self._tls.credentials())

    def _reserve(self, address: Address) -> None:
        if len(self.servers) > 1:
            self._reserved = reserve(address, self._options.where)

    async def start(self) -> None:
        """Serve.

        Raises:
            ConfigError: it would speak an older TLS than it may.
        """
        for server in self.servers:
            await server.start()
            self._started += 1
        if self._tls is not None:
            await check_oldest(self._options, self.address.host, self.address.port)
            self._tls.start()

    async def abandon(self) -> None:
        """Give up what a start that failed has taken."""
        # gRPC lets go of an address when a server stops that has run, and not before.
        for server in self.servers[self._started : self._bound]:
            await server.start()
        for server in self.servers[: self._bound]:
            await server.stop(None)
        await self.close()

    async def close(self) -> None:
        """Look at files no more, and let another gateway have the address."""
        if self._tls is not None:
            await self._tls.stop()
        if self._reserved is not None:
            self._reserved.close()
