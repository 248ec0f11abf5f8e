"""The composition root: the only file that builds objects.

`load` turns what the operator gave into what is served, without a socket; that
much is what `seawall check`, `routes` and `explain` need. `Gateway` builds the
rest and runs it.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from seawall.config.v1.config_pb2 import GatewayConfig

from gateway.chain import Surroundings, local_pipeline
from gateway.config.address import Address, parse_address
from gateway.config.checks import seconds
from gateway.config.connections import connection_options
from gateway.config.document import Document, empty_document, read_document
from gateway.config.identity import identity_doubts
from gateway.config.listeners import DEFAULT_LISTEN as DEFAULT_LISTEN
from gateway.config.listeners import ListenerOptions, listener_doubts, listener_options
from gateway.config.resolve import Flags, Resolved, resolve
from gateway.config.schema import Schema, compile_protos, load_descriptor_set
from gateway.config.sharing import keeps_answers, keeps_records
from gateway.config.state import state_options
from gateway.core.clock import Clock, Rng, SystemClock, system_rng
from gateway.core.errors import ConfigError, Problem
from gateway.core.events import Events, Listener
from gateway.core.state import UpstreamState
from gateway.dispatch import Dispatch
from gateway.edge import Edge
from gateway.ingress.gate import Gate
from gateway.ingress.health import SERVICE as HEALTH
from gateway.ingress.health import Health
from gateway.ingress.listener import handler_for
from gateway.ingress.ops import OpsServer
from gateway.ingress.reflection import SERVICES as REFLECTION
from gateway.ingress.reflection import Reflection, own_pool
from gateway.ingress.server import Server, ServerOptions
from gateway.ingress.unserved import UNSERVED, UnservedTarget
from gateway.interceptors.arrival import TrustedPeers
from gateway.interceptors.overload.guard import OverloadGuard, OverloadOptions
from gateway.interceptors.overload.memory import MemoryReader
from gateway.interceptors.overload.sampler import OverloadSampler
from gateway.operations.workers import WorkerOptions, Workers
from gateway.own_services import own_targets
from gateway.pipelines import Pipelines
from gateway.stores import Stores
from gateway.telemetry.metrics import Metrics
from gateway.traced import traced_handlers, tracing_of
from gateway.upstream import Upstream

DEFAULT_OPS_LISTEN = "127.0.0.1:9464"


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What the operator gave; None where a flag was not used.

    Args:
        descriptor_set: file.
        proto: folder.
        config: YAML file.
        listen: HOST:PORT.
        ops_listen: HOST:PORT or "off".
        flags: services and upstreams.
        workers: operations made at one time by a process that does nothing else; None for one
            that serves.
    """

    descriptor_set: Path | None = None
    proto: Path | None = None
    config: Path | None = None
    listen: str | None = None
    ops_listen: str | None = None
    flags: Flags = field(default_factory=Flags)
    workers: int | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """Configuration that is free of mistakes."""

    schema: Schema
    document: Document
    resolved: Resolved


def load(settings: Settings, environ: Mapping[str, str] = os.environ) -> Loaded:
    """Read and check everything that needs no socket.

    Raises:
        ConfigError: with every mistake found.
    """
    document = (
        read_document(settings.config, environ) if settings.config is not None else empty_document()
    )
    found: list[Problem] = []
    try:
        _listen_addresses(settings, document, environ)
    except ConfigError as error:
        found += error.problems
    try:
        schema = _schema(settings, document)
        resolved = resolve(schema, document, settings.flags, environ)
    except ConfigError as error:
        raise ConfigError(list(dict.fromkeys((*found, *error.problems)))) from None
    except UnicodeDecodeError:
        # protobuf hands over names without looking at them; no proto file can hold such a one.
        where = str(settings.descriptor_set or document.config.descriptor_set)
        raise ConfigError.one(where, "holds a name that is not UTF-8: it is damaged") from None
    if found:
        raise ConfigError(found)
    warnings = (*resolved.warnings, *_out_of_time(document))
    return Loaded(schema, document, replace(resolved, warnings=warnings))


def _out_of_time(document: Document) -> Iterator[Problem]:
    """Yield keys and certificates that have ended, or do not count yet."""
    wall = SystemClock.wall()
    for key, text in (
        *identity_doubts(document.config.identity, document.folder, wall),
        *listener_doubts(document.config, document.folder, wall),
    ):
        yield Problem(document.where(key), f"{key}: {text}")


def _listen_addresses(
    settings: Settings, document: Document, environ: Mapping[str, str] = os.environ
) -> tuple[tuple[ListenerOptions, ...], Address | None]:
    """Return where to listen, for gRPC and for operations.

    Raises:
        ConfigError: with the flag, or the file and line, of what cannot be listened on.
    """
    listeners = listener_options(document, settings.listen, environ)
    given, key = settings.ops_listen, "ops_listen"
    where = "--ops-listen" if given else f"{document.where(key)}: {key}"
    text = given or document.config.ops_listen or DEFAULT_OPS_LISTEN
    return listeners, None if text == "off" else parse_address(text, where)


def _schema(settings: Settings, document: Document) -> Schema:
    config = document.config
    descriptor_set, proto = settings.descriptor_set, settings.proto
    if descriptor_set is None and proto is None:
        if config.descriptor_set:
            descriptor_set = document.folder / config.descriptor_set
        if config.proto:
            proto = document.folder / config.proto
    if descriptor_set is not None and proto is not None:
        where = "" if settings.descriptor_set or settings.proto else document.where("proto")
        raise ConfigError.one(where, "give the protos once: --descriptor-set FILE or --proto DIR")
    if descriptor_set is not None:
        return load_descriptor_set(descriptor_set)
    if proto is not None:
        return compile_protos(proto)
    raise ConfigError.one(
        "", "no protos given; use --descriptor-set FILE, --proto DIR, or name one in --config FILE"
    )


class Gateway:
    """A gateway with its sockets. Make it on the running event loop.

    Args:
        settings: what the operator gave.
        loaded: the same, read and checked.
        listeners: told of every event, beside the metrics.
        clock: for everything that waits.
        rng: for everything that draws.
    """

    def __init__(
        self,
        settings: Settings,
        loaded: Loaded,
        *,
        listeners: Sequence[Listener] = (),
        clock: Clock | None = None,
        rng: Rng | None = None,
    ) -> None:
        self._clock = clock if clock is not None else SystemClock()
        self._rng = rng if rng is not None else system_rng()
        self._schema = loaded.schema
        config = loaded.document.config
        self._is_worker = settings.workers is not None
        self._working = False
        self._grace_s = seconds(config.drain.grace) if config.drain.HasField("grace") else 30.0
        listeners_at, ops_listen = _listen_addresses(settings, loaded.document)
        gate = Gate()
        metrics = Metrics(lambda: gate.inside, self.upstream_states)
        served = list(dict.fromkeys(one.method.service for one in loaded.resolved.methods))
        health = Health(served)
        self._tracing = tracing_of(loaded.document, self._clock)
        more = listeners if self._tracing is None else (*listeners, self._tracing)
        self._events = Events((metrics, health.note, *more))
        guard = overload_guard(config)
        self._sampler = (
            None
            if guard is None
            else OverloadSampler(guard, self._clock, self._events, MemoryReader())
        )
        self._edge = Edge(loaded.document, self._clock, self._rng, self._events)
        methods = loaded.resolved.methods
        self._stores = Stores(
            state_options(config.state),
            self._clock,
            self._rng,
            self._events,
            keeps_answers=keeps_answers(method.policy for method in methods),
            keeps_records=loaded.resolved.has_operations
            or any(method.policy.serialize.across_processes for method in methods)
            or config.state.HasField("durable")
            or keeps_records((method.policy, method.origins) for method in methods),
        )
        self._around = Surroundings(
            clock=self._clock,
            rng=self._rng,
            events=self._events,
            overload=guard,
            trusted=TrustedPeers(peers) if (peers := config.criticality.trusted_peers) else None,
            answers=self._stores.answers,
            records=self._stores.records,
            operations=self._stores.operations,
            tickets=self._stores.tickets,
            traced=self._tracing is not None,
            **self._edge.surroundings(),
        )
        self._upstreams: dict[str, Upstream] = {}
        for name, upstream in loaded.resolved.upstreams.items():
            one = Upstream(name, upstream.options(), self._clock, self._rng, self._events)
            one.connect()
            self._upstreams[name] = one
        pipelines = Pipelines(
            loaded.schema, loaded.resolved, self._upstreams, self._around, config.identity
        )
        own = own_targets(
            config,
            self._around,
            self._edge,
            self._stores,
            self.upstream_states,
            pipelines,
        )
        reflection = Reflection(
            (self._schema.pool, own_pool()),
            dict.fromkeys((*served, HEALTH, *REFLECTION, *(method.service for method in own))),
            {one.name: one.services for one in listeners_at if one.services is not None},
        )
        local = health.targets() | reflection.targets() | own

        def end_streams() -> None:
            health.end_watches()
            reflection.end_streams()
            for end in self._around.ending_streams:
                end()

        own_options = self._edge.own_options([*local, UNSERVED], loaded.resolved.catalog)
        unserved = local_pipeline(UNSERVED, UnservedTarget(), own_options[UNSERVED], self._around)
        self.dispatch = Dispatch(
            [
                *pipelines.build(),
                *(
                    local_pipeline(method, target, own_options[method], self._around)
                    for method, target in local.items()
                ),
            ]
        )
        self._workers = Workers(
            self._stores.operations,
            pipelines.kept.works,
            self._clock,
            self._rng,
            self._events,
            WorkerOptions(concurrency=_workers(config, settings)),
        )
        pipelines.kept.wake = self._workers.wake
        self._server = (
            None
            if self._is_worker
            else Server(
                ServerOptions(
                    listeners=listeners_at,
                    connections=connection_options(config.connections),
                    max_request_bytes=max(m.policy.sizes.max_request_bytes for m in methods),
                    wait_s=seconds(config.drain.wait),
                    grace_s=self._grace_s,
                ),
                partial(
                    handler_for,
                    self.dispatch,
                    gate,
                    self._clock,
                    unserved,
                    traced_handlers(self._tracing, self._rng),
                ),
                gate,
                health,
                end_streams,
                self._clock,
                self._events,
            )
        )
        self._ops = (
            OpsServer(ops_listen, lambda: health.serving or self._working, metrics.page)
            if ops_listen is not None
            else None
        )

    def upstream_states(self) -> list[UpstreamState]:
        """Return the state of each upstream now."""
        return [upstream.state() for upstream in self._upstreams.values()]

    @property
    def address(self) -> str:
        """HOST:PORT of the gRPC listener, the first where there are several."""
        return self.addresses[0]

    @property
    def addresses(self) -> list[str]:
        """HOST:PORT of each gRPC listener."""
        return [] if self._server is None else [str(one) for one in self._server.addresses]

    @property
    def kept_at(self) -> str:
        """Where keys and operations are kept, "" where nothing is sure to need that."""
        return self._stores.records.where

    @property
    def ops_address(self) -> str | None:
        """HOST:PORT of the ops port, None where it is off."""
        return str(self._ops.address) if self._ops is not None else None

    async def start(self) -> None:
        """Bind both ports and serve.

        Raises:
            ConfigError: a port cannot be listened on; nothing is left open.
        """
        try:
            if self._ops is not None:
                await self._ops.start()
            if self._server is not None:
                await self._server.start()
            for upstream in self._upstreams.values():
                upstream.start()
            if self._sampler is not None:
                self._sampler.start()
            await self._edge.start()
            await self._stores.start()
            self._workers.start()
            self._working = self._is_worker
        except BaseException:
            await self._close()
            raise

    async def stop(self) -> None:
        """Drain, then close everything."""
        self._working = False
        await self._workers.drain()
        grace_ends_at = self._clock.now() + self._grace_s
        if self._server is not None:
            await self._server.drain()
        await self._workers.settled(grace_ends_at)
        await self._workers.end()
        for end in self._around.ending:
            await end(grace_ends_at)
        await self._close()

    async def _close(self) -> None:
        if self._ops is not None:
            await self._ops.stop()
        if self._sampler is not None:
            await self._sampler.stop()
        await self._edge.stop()
        await self._stores.stop()
        if self._tracing is not None:
            await self._tracing.close()
        for upstream in self._upstreams.values():
            await upstream.close()


def _workers(config: GatewayConfig, settings: Settings) -> int:
    said = state_options(config.state).workers
    return said if settings.workers is None else settings.workers


def overload_guard(config: GatewayConfig) -> OverloadGuard | None:
    """Return the guard of the process, None where it is off."""
    overload, options = config.overload, OverloadOptions()
    if overload.disabled:
        return None
    if overload.HasField("max_loop_lag"):
        options = replace(options, max_loop_lag_s=seconds(overload.max_loop_lag))
    if overload.HasField("max_memory_share"):
        options = replace(options, max_memory_share=overload.max_memory_share)
    return OverloadGuard(options)
