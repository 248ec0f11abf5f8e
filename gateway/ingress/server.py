"""The life of the grpc.aio servers: bind, serve, drain.

A grpc.aio server asks for one call at a time, and each asking takes a turn through its
threads and the event loop. So several of them share the port (SO_REUSEPORT) and the
handler: connections are spread over them, and calls arrive as many at a time. That
anybody may join such a port is what `address.reserve` is against.

The drain (each stage is a `DrainStage` event):
1. NOT_SERVING: health says so; load balancers have `wait_s` to notice.
2. STREAMS_ENDED: the gateway's own long streams end, so that nothing waits for them.
3. HOLDING: new calls are let in and held at the gate until none has come for
   `_QUIET_S`, at most `_HOLD_S`; the library's own queue is then empty.
4. STOPPING: the library takes no more calls; the gate opens, and what was held
   goes on.
5. STOPPED: every call has ended, or `grace_s` was over and the rest was cut at the
   gate; what does not end of that within `_CUT_S` the library cancels.
"""

import asyncio
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import grpc

from gateway.core.clock import Clock
from gateway.core.errors import ConfigError
from gateway.core.events import DrainStage, Events
from gateway.ingress.address import Address, reserve, resolve_free
from gateway.ingress.gate import Gate
from gateway.ingress.handler import CallHandler
from gateway.ingress.health import NOT_SERVING, SERVING, Health

_QUIET_S = 0.03
_HOLD_S = 0.3
_STEP_S = 0.005
_CUT_S = 1.0
_ACCEPTORS = 4 if hasattr(socket, "SO_REUSEPORT") and sys.platform == "linux" else 1
"""Servers on the port; more than four gained nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerOptions:
    """The listener and the end.

    Args:
        listen: where.
        max_request_bytes: the largest message of any method.
        wait_s: between NOT_SERVING and the rest of the drain.
        grace_s: for calls in flight at the end.
    """

    listen: Address
    max_request_bytes: int = 4 * 1024 * 1024
    wait_s: float = 0.0
    grace_s: float = 30.0


class Server:
    """One process, one port.

    Args:
        options: where and how.
        handler: answers calls.
        gate: in front of the handler.
        health: told about the beginning and the end.
        end_streams: ends the gateway's own long streams.
        clock: for the drain.
        events: told about its stages.
    """

    def __init__(
        self,
        options: ServerOptions,
        handler: CallHandler,
        gate: Gate,
        health: Health,
        end_streams: Callable[[], None],
        clock: Clock,
        events: Events,
    ) -> None:
        self._options = options
        self._gate = gate
        self._health = health
        self._end_streams = end_streams
        self._clock = clock
        self._events = events
        self._servers = [
            grpc.aio.server(handlers=(handler,), options=_channel_options(options))
            for _ in range(_ACCEPTORS)
        ]
        self._reserved: socket.socket | None = None
        self.address = options.listen

    async def start(self) -> None:
        """Bind and serve; `address` then has the port.

        Raises:
            ConfigError: the address cannot be listened on.
        """
        listen = self._options.listen
        number = resolve_free(listen, "--listen")
        if number.port:
            self._reserve(number)
        try:
            number = self._bind(number)
        except RuntimeError:
            self._release()
            raise ConfigError.one("--listen", f"{listen}: cannot be listened on") from None
        if self._reserved is None:
            self._reserve(number)
        self.address = Address(listen.host, number.port)
        for server in self._servers:
            await server.start()
        self._health.set_all(SERVING)

    def _bind(self, number: Address) -> Address:
        for server in self._servers:
            number = Address(number.host, server.add_insecure_port(str(number)))
        return number

    def _reserve(self, address: Address) -> None:
        if _ACCEPTORS > 1:
            self._reserved = reserve(address, "--listen")

    def _release(self) -> None:
        if self._reserved is not None:
            self._reserved.close()

    async def drain(self) -> None:
        """End the server; see above."""
        self._health.set_all(NOT_SERVING)
        self._stage("NOT_SERVING")
        await self._clock.sleep(self._options.wait_s)
        self._end_streams()
        self._stage("STREAMS_ENDED")
        self._gate.close()
        self._stage("HOLDING")
        await self._until_quiet()
        grace_s = self._options.grace_s
        cut = self._clock.call_at(self._clock.now() + grace_s, self._gate.cut)
        stopping = [asyncio.create_task(server.stop(grace_s + _CUT_S)) for server in self._servers]
        try:
            await self._clock.sleep(0)
            self._stage("STOPPING")
        finally:
            self._gate.open()
        await asyncio.gather(*stopping)
        cut.cancel()
        self._release()
        self._stage("STOPPED")

    async def _until_quiet(self) -> None:
        give_up_at = self._clock.now() + _HOLD_S
        arrivals, since = self._gate.arrivals, self._clock.now()
        while self._clock.now() < give_up_at and self._clock.now() - since < _QUIET_S:
            await self._clock.sleep(_STEP_S)
            if self._gate.arrivals != arrivals:
                arrivals, since = self._gate.arrivals, self._clock.now()

    def _stage(self, stage: str) -> None:
        self._events.emit(DrainStage(stage, self._gate.inside))


def _channel_options(options: ServerOptions) -> Sequence[tuple[str, int]]:
    return (
        ("grpc.so_reuseport", int(_ACCEPTORS > 1)),
        # A method's own bound answers with details; the library's is there for what no
        # method would take, and must leave room for health and reflection.
        ("grpc.max_receive_message_length", 2 * options.max_request_bytes + 64 * 1024),
        # The answers' size is bounded by policy, as JSON; protobuf must not trip over its own.
        ("grpc.max_send_message_length", -1),
    )
