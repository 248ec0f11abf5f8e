"""Every method's compositions, in one walk; each kind of policy has a module of its own."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from google.protobuf.descriptor import MethodDescriptor
from seawall.policy.v1.policy_pb2 import MethodPolicy

from gateway.compose.batch import BatchOptions
from gateway.compose.chain import FallbackOptions
from gateway.compose.fan_out import FanOutOptions
from gateway.compose.lookup import LookupOptions
from gateway.compose.scatter import ScatterOptions
from gateway.compose.watch import WatchOptions
from gateway.config.compositions.chains import fallback_options
from gateway.config.compositions.circles import circles
from gateway.config.compositions.later import is_kept, operation_options
from gateway.config.compositions.once import (
    batch_options,
    is_batched,
    is_looked_up,
    lookup_options,
)
from gateway.config.compositions.parallel import fan_out_options, scatter_options
from gateway.config.compositions.place import Place, Served
from gateway.config.compositions.watched import is_watched, watch_options
from gateway.config.effective import EffectiveMethod
from gateway.config.problems import Problems
from gateway.config.schema import Schema
from gateway.operations.options import OperationOptions


@dataclass(frozen=True, kw_only=True, slots=True)
class Composition:
    """What other methods have to do with one.

    Args:
        fan_out: makes its answer of others'.
        scatter: makes its answer of one other's.
        fallback: answers when it does not.
        batch: makes single reads of it in bulk.
        lookup: finds out what became of a call of it.
        operation: keeps its calls.
        watch: makes its stream of another's answers.
        idempotent: whether it is, as a whole.
        calls: full names of the methods that it calls, each once.
    """

    fan_out: FanOutOptions | None = None
    scatter: ScatterOptions | None = None
    fallback: FallbackOptions | None = None
    batch: BatchOptions | None = None
    lookup: LookupOptions | None = None
    operation: OperationOptions | None = None
    watch: WatchOptions | None = None
    idempotent: bool
    calls: tuple[str, ...]


def fallback_upstreams(method: MethodDescriptor, policy: MethodPolicy) -> Iterator[str]:
    """Yield the upstreams that a method has as fallbacks."""
    if not (policy.fallback.disabled or method.client_streaming or method.server_streaming):
        for step in policy.fallback.steps:
            if step.upstream:
                yield step.upstream


def compositions(
    methods: Sequence[EffectiveMethod],
    elsewhere: Mapping[tuple[str, str], EffectiveMethod],
    schema: Schema,
    problems: Problems,
) -> Mapping[str, Composition]:
    """Return what methods have to do with each other, by full name.

    Args:
        methods: all that are served.
        elsewhere: those over an upstream that is a fallback, by full name and upstream.
        schema: of their protos.
        problems: what is wrong; where anything is, the result must not be used.
    """
    served = Served(methods, elsewhere, schema)
    places = {name: Place(method, served, problems) for name, method in served.by_name.items()}
    calls = {name: tuple(dict.fromkeys(_calls(place))) for name, place in places.items()}
    led_back = set()
    for circle in circles(calls):
        led_back.add(circle[0])
        places[circle[0]].add(_kind(places[circle[0]]), f"leads back: {' → '.join(circle)}")
    if led_back:
        return {}
    _refuse_signed(places, calls)
    idempotent = _Idempotency(served, calls)
    found = {}
    for name, place in places.items():
        composition = _composition(place, idempotent, calls[name])
        if composition is not None:
            found[name] = composition
    return found


def _refuse_signed(places: Mapping[str, Place], calls: Mapping[str, Sequence[str]]) -> None:
    """Find methods that call one whose requests must be signed: no call but the sender's is."""
    for name, place in places.items():
        for part in calls[name]:
            called = places.get(part)
            if called is None or not called.policy.HasField("webhook"):
                continue
            if not called.policy.webhook.disabled:
                place.add(
                    _kind(place),
                    f"{part} has a webhook, and only its sender can sign a request; it cannot "
                    "be called by another method",
                )


def _composition(
    place: Place, idempotent: "_Idempotency", calls: tuple[str, ...]
) -> Composition | None:
    policy = place.policy
    made = [name for name in ("fan_out", "scatter") if policy.HasField(name)]
    falls_back, batched, looked_up = _falls_back(place), is_batched(place), is_looked_up(place)
    kept = is_kept(place)
    watched = is_watched(place)
    if not (made or falls_back or batched or looked_up or kept or watched):
        return None
    for name in made:
        if place.effective.bindings:
            place.add(name, "the method carries google.api.http too; one of the two must go")
        if place.streams:
            place.add(name, "the method streams; only one of one message each way has this")
    if len(made) > 1:
        place.add("scatter", "fan_out makes the answer already; one of the two must go")
    if falls_back and place.streams:
        place.add("fallback", "the method streams; only one of one message each way has this")
    return Composition(
        fan_out=fan_out_options(place) if "fan_out" in made else None,
        scatter=scatter_options(place) if "scatter" in made else None,
        fallback=fallback_options(place, idempotent.of) if falls_back else None,
        batch=batch_options(place) if batched else None,
        lookup=lookup_options(place) if looked_up else None,
        operation=operation_options(place) if kept else None,
        watch=watch_options(place) if watched else None,
        idempotent=idempotent.of(place.effective),
        calls=calls,
    )


def _falls_back(place: Place) -> bool:
    fallback = place.policy.fallback
    if fallback.disabled or not fallback.steps:
        return False
    # What a method that streams inherits is meant for the others.
    return not place.streams or place.origin("fallback.steps").startswith("method")


def _calls(place: Place) -> Iterator[str]:
    policy = place.policy
    for branch in policy.fan_out.branches:
        yield branch.method
    if policy.scatter.method:
        yield policy.scatter.method
    if is_batched(place):
        yield policy.batch.method
    if is_watched(place):
        yield policy.polling.method
    for made in policy.operation.steps:
        if made.method:
            yield made.method
    if is_looked_up(place) and policy.deduplication.lookup.method:
        yield policy.deduplication.lookup.method
    if _falls_back(place):
        for step in policy.fallback.steps:
            if step.method:
                yield step.method


def _kind(place: Place) -> str:
    policy = place.policy
    kinds = (name for name in ("fan_out", "scatter") if policy.HasField(name))
    if (made := next(kinds, "")) or _falls_back(place):
        return made or "fallback"
    if policy.operation.steps:
        return "operation.steps"
    if is_watched(place):
        return "polling.method"
    return "batch" if is_batched(place) else "deduplication.lookup"


class _Idempotency:
    """Whether methods are idempotent, those made of others too."""

    def __init__(self, served: Served, calls: Mapping[str, Sequence[str]]) -> None:
        self._served = served
        self._calls = calls

    def of(self, effective: EffectiveMethod) -> bool:
        if effective.bindings:
            return effective.idempotency[0]
        descriptor = effective.descriptor
        if effective.policy.idempotency:
            return effective.policy.idempotency != MethodPolicy.NOT_IDEMPOTENT
        if descriptor.has_options and descriptor.GetOptions().idempotency_level:
            return True
        called = (
            self._served.by_name.get(name) for name in self._calls[effective.method.full_name]
        )
        return all(one is not None and self.of(one) for one in called)
