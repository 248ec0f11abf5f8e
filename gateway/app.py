"""The composition root: the only file that builds objects.

`load` turns what the operator gave into what is served, without a socket; that
much is what `seawall check`, `routes` and `explain` need. `Gateway` builds the
rest and runs it.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf.descriptor import Descriptor
from seawall.policy.v1.policy_pb2 import MethodPolicy

from gateway import __version__
from gateway.chain import Pipeline, local_pipeline, rest_pipeline
from gateway.config.checks import seconds
from gateway.config.document import Document, empty_document, read_document
from gateway.config.effective import EffectiveMethod, method_options
from gateway.config.resolve import Flags, Resolved, resolve
from gateway.config.schema import Schema, compile_protos, load_descriptor_set
from gateway.config.writing import habits_of, request_options
from gateway.core.call import MethodInfo
from gateway.core.clock import Clock, Rng, SystemClock, system_rng
from gateway.core.errors import ConfigError
from gateway.core.events import Events, Listener
from gateway.core.http import HttpClient
from gateway.dispatch import Dispatch
from gateway.downstream import new_client
from gateway.ingress.address import Address, parse_address
from gateway.ingress.gate import Gate
from gateway.ingress.handler import CallHandler
from gateway.ingress.health import SERVICE as HEALTH
from gateway.ingress.health import Health
from gateway.ingress.ops import OpsServer
from gateway.ingress.reflection import SERVICES as REFLECTION
from gateway.ingress.reflection import Reflection, own_pool
from gateway.ingress.server import Server, ServerOptions
from gateway.telemetry.metrics import Metrics
from gateway.transcode.codec import JsonCodec
from gateway.transcode.decode import AnswerDecoder
from gateway.transcode.encode import RequestEncoder
from gateway.transcode.habits import Habits
from gateway.transcode.header_fields import ResponseHeaderFields
from gateway.transcode.headers import HeaderForwarding
from gateway.transcode.kinds import rest_target
from gateway.transcode.target import RestParts

DEFAULT_LISTEN = "127.0.0.1:50051"
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
    """

    descriptor_set: Path | None = None
    proto: Path | None = None
    config: Path | None = None
    listen: str | None = None
    ops_listen: str | None = None
    flags: Flags = field(default_factory=Flags)


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
    _listen_addresses(settings, document)
    try:
        schema = _schema(settings, document)
        return Loaded(schema, document, resolve(schema, document, settings.flags, environ))
    except UnicodeDecodeError:
        # protobuf hands over names without looking at them; no proto file can hold such a one.
        where = str(settings.descriptor_set or document.config.descriptor_set)
        raise ConfigError.one(where, "holds a name that is not UTF-8: it is damaged") from None


def _listen_addresses(settings: Settings, document: Document) -> tuple[Address, Address | None]:
    """Return where to listen, for gRPC and for operations.

    Raises:
        ConfigError: with the flag, or the file and line, that names no address.
    """
    config = document.config

    def address(flag: str, given: str | None, key: str, said: str, default: str) -> Address | None:
        where = flag if given else f"{document.where(key)}: {key}"
        text = given or said or default
        return None if text == "off" and key == "ops_listen" else parse_address(text, where)

    listen = address("--listen", settings.listen, "listen", config.listen, DEFAULT_LISTEN)
    assert listen is not None
    return listen, address(
        "--ops-listen", settings.ops_listen, "ops_listen", config.ops_listen, DEFAULT_OPS_LISTEN
    )


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
        listen, ops_listen = _listen_addresses(settings, loaded.document)
        gate = Gate()
        metrics = Metrics(lambda: gate.inside)
        self._events = Events((metrics, *listeners))
        self._clients: dict[str, HttpClient] = {
            name: new_client(upstream.client_options(), self._clock, self._rng)
            for name, upstream in loaded.resolved.upstreams.items()
        }
        self._codecs: dict[tuple[int, Habits], JsonCodec] = {}
        methods = loaded.resolved.methods
        served = list(dict.fromkeys(method.method.service for method in methods))
        health = Health(served)
        reflection = Reflection((self._schema.pool, own_pool()), [*served, HEALTH, *REFLECTION])

        def end_streams() -> None:
            health.end_watches()
            reflection.end_streams()

        self.dispatch = Dispatch(
            [
                *(self._rest(method) for method in methods),
                *(
                    local_pipeline(method, target, self._clock, self._events)
                    for method, target in (health.targets() | reflection.targets()).items()
                ),
            ]
        )
        self._server = Server(
            ServerOptions(
                listen=listen,
                max_request_bytes=max(m.policy.sizes.max_request_bytes for m in methods),
                wait_s=seconds(config.drain.wait),
                grace_s=seconds(config.drain.grace) if config.drain.HasField("grace") else 30.0,
            ),
            CallHandler(self.dispatch, gate, self._clock),
            gate,
            health,
            end_streams,
            self._clock,
            self._events,
        )
        self._ops = (
            OpsServer(ops_listen, lambda: health.serving, metrics.page)
            if ops_listen is not None
            else None
        )

    def _rest(self, effective: EffectiveMethod) -> Pipeline:
        descriptor, policy = effective.descriptor, effective.policy
        codec = self._codec(policy.sizes.max_json_depth, habits_of(policy))
        request = self._schema.new_message(descriptor.input_type)
        options = method_options(effective, request.FromString, f"seawall/{__version__}")
        parts = RestParts(
            decoder=self._decoder(effective.method, descriptor.output_type, policy, codec),
            headers=HeaderForwarding(
                policy.headers.forward_request, policy.headers.forward_response
            ),
            client=self._clients[effective.upstream],
            options=options.rest,
            pool=self._schema.pool,
            clock=self._clock,
        )
        encoder = RequestEncoder(effective.bindings, codec, request_options(policy))
        target = rest_target(options.method, parts, descriptor.output_type, encoder)
        return rest_pipeline(options, encoder, target, self._clock, self._rng, self._events)

    def _codec(self, max_depth: int, habits: Habits) -> JsonCodec:
        known = self._codecs.get((max_depth, habits))
        if known is None:
            known = JsonCodec(self._schema.pool, max_depth, habits)
            self._codecs[max_depth, habits] = known
        return known

    def _decoder(
        self, method: MethodInfo, message: Descriptor, policy: MethodPolicy, codec: JsonCodec
    ) -> AnswerDecoder:
        new_message = self._schema.new_message(message)
        root = policy.json.response_root
        fields = {k.lower(): v for k, v in policy.headers.response_fields.items()}
        if method.server_streaming:
            fields = {}
        return AnswerDecoder(
            new_message,
            codec,
            root.split(".") if root else (),
            ResponseHeaderFields(message, fields, habits_of(policy), codec, new_message)
            if fields
            else None,
        )

    @property
    def address(self) -> str:
        """HOST:PORT of the gRPC listener."""
        return str(self._server.address)

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
            await self._server.start()
        except BaseException:
            await self._close()
            raise

    async def stop(self) -> None:
        """Drain, then close everything."""
        await self._server.drain()
        await self._close()

    async def _close(self) -> None:
        if self._ops is not None:
            await self._ops.stop()
        for client in self._clients.values():
            await client.close()
