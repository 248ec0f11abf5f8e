"""The life of the listeners: bind, serve, drain.

All are bound before one serves, and health says so when all do.

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
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gateway.config.connections import ConnectionOptions
from gateway.config.listeners import ListenerOptions
from gateway.core.clock import Clock
from gateway.core.events import DrainStage, Events
from gateway.ingress.address import Address
from gateway.ingress.gate import Gate
from gateway.ingress.health import NOT_SERVING, SERVING, Health
from gateway.ingress.listener import HandlerOf, Listener

_QUIET_S = 0.03
_HOLD_S = 0.3
_STEP_S = 0.005
_CUT_S = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerOptions:
    """The listeners and the end.

    Args:
        listeners: where; at least one.
        connections: what they may take.
        max_request_bytes: the largest message of any method.
        wait_s: between NOT_SERVING and the rest of the drain.
        grace_s: for calls in flight at the end.
    """

    listeners: Sequence[ListenerOptions]
    connections: ConnectionOptions = field(default_factory=ConnectionOptions)
    max_request_bytes: int = 4 * 1024 * 1024
    wait_s: float = 0.0
    grace_s: float = 30.0


class Server:
    """All listeners of a process.

    Args:
        options: where and how.
        handler_for: returns what answers the calls of a listener.
        gate: in front of the handler.
        health: told about the beginning and the end.
        end_streams: ends the gateway's own long streams.
        clock: for the drain.
        events: told about its stages, and of certificates.

    Raises:
        ConfigError: the certificate of a listener cannot be used.
    """

    def __init__(
        self,
        options: ServerOptions,
        handler_for: HandlerOf,
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
        self._listeners = [
            Listener(
                one, options.connections, options.max_request_bytes, handler_for(one), clock, events
            )
            for one in options.listeners
        ]

    @property
    def addresses(self) -> list[Address]:
        """Return the listeners' addresses, with their ports once they are bound."""
        return [listener.address for listener in self._listeners]

    async def start(self) -> None:
        """Bind and serve.

        Raises:
            ConfigError: an address cannot be listened on.
        """
        try:
            for listener in self._listeners:
                listener.bind()
            for listener in self._listeners:
                await listener.start()
        except BaseException:
            for listener in self._listeners:
                await listener.abandon()
            raise
        self._health.set_all(SERVING)

    def _stopping(self, grace_s: float) -> list[asyncio.Task[None]]:
        return [
            asyncio.create_task(server.stop(grace_s))
            for listener in self._listeners
            for server in listener.servers
        ]

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
        stopping = self._stopping(grace_s + _CUT_S)
        try:
            await self._clock.sleep(0)
            self._stage("STOPPING")
        finally:
            self._gate.open()
        await asyncio.gather(*stopping)
        cut.cancel()
        for listener in self._listeners:
            await listener.close()
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
