"""What is no mistake and hardly what was meant: values without effect, keys that are shown.

Rules:
1. A value has no effect where what it is for is not done: something that it needs is not
   said, or the calls that it speaks of are not made. Why is told with its place.
2. What one level says is meant for all that is below it: a value is doubted only where it
   does nothing for any of the methods and upstreams that have it from the same place.
3. Nobody is told of built-in values, and of `disabled`, which is there to do nothing.
4. A doubt stops nothing.

Each `_…_doubts` yields (path of a value or a group, why) of one method or upstream.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from seawall.config.v1.config_pb2 import Identity
from seawall.policy.v1.policy_pb2 import BreakerPolicy, MethodPolicy

from gateway.config.credentials import may_be_secret
from gateway.config.effective import EffectiveMethod, EffectiveUpstream
from gateway.config.identity import auth_doubts
from gateway.config.limits.doubts import limit_doubts
from gateway.config.merge import Origins
from gateway.config.origins import origin_of, place_of
from gateway.config.sharing import cached_doubts, cached_tags, invalidation_doubts, is_cached
from gateway.config.upstream_credentials import (
    caller_of,
    credential_doubts,
    fixed_header_doubts,
    forwarding_doubts,
    metadata_of_identities,
    withheld_names,
)
from gateway.core.errors import Problem
from gateway.downstream.endpoints import Discovery, EndpointOptions

Doubt = tuple[str, str]

_OF_SENDING = ("retry", "hedge", "breaker", "headers", "json", "request", "errors.status_codes")
"""Groups of a method's policy that say how it is sent."""
_OF_THE_CALL = ("deadline", "serialize", "fallback", "criticality")
"""Those that hold before anything is sent."""


_OF_KEPT = ("stale_while_revalidate", "stale_if_error", "negative_ttl", "ttl_field", "vary")
"""What a cache says of answers that are kept."""


def doubts(
    methods: Sequence[EffectiveMethod],
    elsewhere: Sequence[EffectiveMethod],
    upstreams: Sequence[EffectiveUpstream],
    identity: Identity | None = None,
) -> Iterator[Problem]:
    """Yield what is to be told, in the order of the methods and upstreams.

    Args:
        methods: all that are served.
        elsewhere: methods over upstreams that are fallbacks.
        upstreams: all that are in use.
        identity: who callers are, as the configuration says it.
    """
    known = identity if identity is not None else Identity()
    values = _Values()
    for method in methods:
        doubted = dict(_method_doubts(method)) | dict(auth_doubts(method.policy.auth, known))
        values.look(method.method.full_name, method.origins, doubted)
    for method in elsewhere:
        name = f"{method.method.full_name} over {method.upstream}"
        values.look(name, method.origins, dict(_reserve_doubts(method)))
    for upstream in upstreams:
        values.look(f"upstream {upstream.name}", upstream.origins, dict(_upstream_doubts(upstream)))
    yield from values.idle()
    for upstream in upstreams:
        for path, why in credential_doubts(upstream.policy, upstream.referenced):
            where = place_of(upstream.origins.get(path, ""))
            yield Problem(where, f"upstream {upstream.name}: {path}: {why}")
    yield from _sent_elsewhere(methods, elsewhere, upstreams, known)
    yield from _open_secrets(methods)
    tags = list(cached_tags(method.policy for method in methods))
    for doubt in (
        lambda policy: limit_doubts(policy, known),
        cached_doubts,
        lambda policy: invalidation_doubts(policy, tags),
    ):
        yield from _told_once(methods, doubt)
    seen: set[tuple[str, str]] = set()
    for method in (*methods, *elsewhere):
        yield from _shown_keys(method, seen)


def _sent_elsewhere(
    methods: Sequence[EffectiveMethod],
    elsewhere: Sequence[EffectiveMethod],
    upstreams: Sequence[EffectiveUpstream],
    identity: Identity,
) -> Iterator[Problem]:
    """Yield what looks like a credential, and reaches an upstream that it is hardly meant for."""
    of_identity = metadata_of_identities(identity)
    told: set[tuple[str, str]] = set()
    by_name = {upstream.name: upstream.policy for upstream in upstreams}
    found: list[tuple[EffectiveMethod, Doubt]] = []
    for method in methods:
        if (upstream := by_name.get(method.upstream)) is not None:
            withheld = withheld_names(caller_of(upstream), of_identity)
            found += [(method, doubt) for doubt in forwarding_doubts(method.policy, withheld)]
    for method in elsewhere:
        doubted = fixed_header_doubts(method.policy, method.upstream, method.referenced)
        found += [(method, doubt) for doubt in doubted]
    for method, (path, why) in found:
        where = place_of(method.origins.get(path, method.origins.get(path.partition("[")[0], "")))
        if (path, where) not in told:
            told.add((path, where))
            yield Problem(where, f"{method.method.full_name}: {path}: {why}")


def _open_secrets(methods: Sequence[EffectiveMethod]) -> Iterator[Problem]:
    """Yield secrets of webhooks that stand in the file itself."""
    told: set[str] = set()
    for method in methods:
        webhook = method.policy.webhook
        if webhook.disabled or all(one in method.referenced for one in webhook.secrets):
            continue
        where = place_of(origin_of(method.origins, "webhook.secrets"))
        if where not in told:
            told.add(where)
            yield Problem(
                where,
                f"{method.method.full_name}: webhook.secrets: stand in the file itself; ${{NAME}} "
                "or file:PATH keep them out of there",
            )


def _told_once(
    methods: Sequence[EffectiveMethod], doubts_of: Callable[[MethodPolicy], Iterable[Doubt]]
) -> Iterator[Problem]:
    """Yield doubts of merged policies, each once for a place."""
    told: set[tuple[str, str]] = set()
    for method in methods:
        for path, why in doubts_of(method.policy):
            where = place_of(origin_of(method.origins, path))
            if (path, where) not in told:
                told.add((path, where))
                yield Problem(where, f"{method.method.full_name}: {path}: {why}")


class _Values:
    """What is said, by its place, and whether it does anything anywhere."""

    def __init__(self) -> None:
        self._said: dict[int, list[tuple[str, str]]] = {}
        self._used: set[tuple[str, str]] = set()
        self._idle: dict[tuple[str, str], tuple[str, str]] = {}

    def look(self, name: str, origins: Origins, found: Mapping[str, str]) -> None:
        """Take note of one method or upstream.

        Args:
            name: of it, for people.
            origins: of its values; where they are shared, one object.
            found: why values and groups of it do nothing, by path.
        """
        said = self._said.get(id(origins))
        if said is None:
            said = self._said[id(origins)] = [
                (path, origin)
                for path, origin in origins.items()
                if origin != "built-in" and not path.endswith(".disabled")
            ]
        for path, origin in said:
            why = found.get(path) or found.get(path.partition(".")[0])
            if why is None:
                self._used.add((path, origin))
            else:
                self._idle.setdefault((path, origin), (name, why))

    def idle(self) -> Iterator[Problem]:
        """Yield what does nothing for anybody."""
        for (path, origin), (name, why) in self._idle.items():
            if (path, origin) in self._used:
                continue
            # An empty group, `serialize: {}`, is a path that ends with a dot.
            told = f"{name}: {path.rstrip('.')} has no effect, because {why}"
            if path == "auth.roles":  # it has one: nobody is let in
                told = f"{name}: nobody can call it: {path}: {why}"
            yield Problem(place_of(origin), told)


# Methods.


def _method_doubts(method: EffectiveMethod) -> Iterator[Doubt]:
    policy = method.policy
    streams = method.method.client_streaming or method.method.server_streaming
    if not method.bindings:
        for group in (*_OF_SENDING, "stream"):
            yield group, "the methods that make up the answer have policies of their own"
        yield from _serialize_doubts(policy)
        return
    yield from _sending_doubts(method)
    yield from _serialize_doubts(policy)
    if not is_cached(policy):
        for name in _OF_KEPT:
            yield f"cache.{name}", "there is no cache.ttl, so nothing is kept"
    if not policy.batch.method:
        yield "batch", "there is no batch.method"
    if streams:
        yield "fallback", "the method streams, and what streams has no fallback"
    elif not policy.fallback.steps:
        yield "fallback", "there are no fallback.steps"


def _sending_doubts(method: EffectiveMethod) -> Iterator[Doubt]:
    yield from _hedge_doubts(method)
    yield from _breaker_doubts(method.policy.breaker)
    if not method.policy.breaker.key_metadata and not method.policy.breaker.key_field:
        yield "breaker.max_keys", "neither breaker.key_metadata nor breaker.key_field is said"
    if not method.method.server_streaming:
        yield "stream", "the method does not answer with a stream"


def _reserve_doubts(method: EffectiveMethod) -> Iterator[Doubt]:
    yield from _sending_doubts(method)
    for group in _OF_THE_CALL:
        yield (
            group,
            f"calls reach {method.upstream} as a fallback, when the policy of "
            "their own upstream has decided that",
        )


def _hedge_doubts(method: EffectiveMethod) -> Iterator[Doubt]:
    hedge, retry = method.policy.hedge, method.policy.retry
    idempotent, who = method.idempotency
    if method.method.client_streaming or method.method.server_streaming:
        yield "hedge", "the method streams, and what streams is not sent twice"
    elif not idempotent:
        yield "hedge", f"the method is not idempotent ({who}), and must not be sent twice"
    elif retry.disabled or retry.max_attempts <= 1:
        by = "retry.disabled" if retry.disabled else "retry.max_attempts"
        yield "hedge", f"{by} says that it is sent once"
    elif hedge.HasField("delay"):
        for name in ("quantile", "min_delay"):
            yield f"hedge.{name}", "hedge.delay goes before it"


def _serialize_doubts(policy: MethodPolicy) -> Iterator[Doubt]:
    if not policy.serialize.field:
        yield "serialize", "there is no serialize.field"


def _breaker_doubts(breaker: BreakerPolicy) -> Iterator[Doubt]:
    if not breaker.slow_call_rate:
        yield "breaker.slow_call_duration", "there is no breaker.slow_call_rate"
    if breaker.window_calls:
        yield "breaker.window", "breaker.window_calls counts by number instead"


def _shown_keys(method: EffectiveMethod, seen: set[tuple[str, str]]) -> Iterator[Problem]:
    breaker = method.policy.breaker
    for name in ("key_metadata", "key_field"):
        said, path = getattr(breaker, name), f"breaker.{name}"
        at = (path, method.origins.get(path, ""))
        if said and at not in seen and may_be_secret(said):
            seen.add(at)
            yield Problem(
                place_of(at[1]),
                f"{method.method.full_name}: {path}: the values of {said!r} are shown in logs "
                "and by seawall.admin.v1; name another one if they are secrets",
            )


# Upstreams.


def _upstream_doubts(upstream: EffectiveUpstream) -> Iterator[Doubt]:
    policy, options = upstream.policy, upstream.options()
    yield from _breaker_doubts(policy.breaker)
    yield "breaker.max_keys", "an upstream has one breaker, without keys"
    if options.adaptive is None and not policy.bulkhead.max_in_flight:
        yield "bulkhead", "there is no bulkhead.max_in_flight, and adaptive_concurrency is disabled"
    if not policy.health_check.path:
        yield "health_check", "there is no health_check.path"
    if not policy.pacing.requests:
        for name in ("per", "burst"):
            yield f"pacing.{name}", "there is no pacing.requests"
        if options.pacing is None:
            yield "pacing.max_queued", "there is no pacing.requests, and pacing.learn is false"
    if policy.tls.ca_file and urlsplit(policy.url).scheme == "http":
        yield "tls", "the URL is http"
    yield from _endpoint_doubts(options.endpoints)


def _endpoint_doubts(options: EndpointOptions) -> Iterator[Doubt]:
    if options.mode is not Discovery.LOGICAL:
        return  # how many there will be, DNS decides
    count = max(1, len(options.addresses))
    there = "there is one endpoint" if count == 1 else f"there are {count} endpoints"
    if count == 1:
        yield "load_balancing", there
    outlier = options.outlier
    if outlier is None:
        return
    if count < outlier.minimum_endpoints:
        least = outlier.minimum_endpoints
        yield "outlier_detection", f"{there}, and outlier_detection.minimum_endpoints is {least}"
    elif count * outlier.max_ejected_share < 1:
        share = outlier.max_ejected_share
        yield (
            "outlier_detection",
            f"{there}, and outlier_detection.max_ejected_share is {share:g}, less than one of them",
        )
