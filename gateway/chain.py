"""The order of interceptors, in one list, composed once a method.

Outermost first. What stands further out sees less and costs less: a call is
refused before it is decoded where that is possible, and everything from `retry`
inwards happens once an attempt. A pipeline holds only what its policy asks for.

Of what stands around an attempt, what refuses at once comes before what waits: a call
is not queued for an upstream whose breaker is open. The breaker is asked twice, because
it may have opened while the attempt waited; only the second time takes a permit.

A method whose caller streams has the same order, with two differences: decode and encode
are those of a stream, and where each of its messages is a request of its own, `each`
runs what stands behind it once a message. Streams are not hedged and take no place of a
limit on concurrency, which is about requests that end.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from gateway.config.effective import MethodOptions
from gateway.config.limits.declared import DeclaredLimit, Stage, stage
from gateway.core.call import Call, Interceptor, MethodInfo, Target
from gateway.core.catalog import ErrorNames
from gateway.interceptors.access import AccessInterceptor
from gateway.interceptors.arrival import ArrivalInterceptor
from gateway.interceptors.attempt import AttemptInterceptor, TracedAttemptInterceptor
from gateway.interceptors.auth import AuthInterceptor, AuthOptions, Mode
from gateway.interceptors.breaker import BreakerCheckInterceptor, BreakerPermitInterceptor
from gateway.interceptors.cache import CacheInterceptor, InvalidateInterceptor
from gateway.interceptors.coalesce import CoalesceInterceptor
from gateway.interceptors.concurrency import ConcurrencyInterceptor, ShedInterceptor
from gateway.interceptors.credentials import CredentialInterceptor
from gateway.interceptors.deadline import DeadlineInterceptor
from gateway.interceptors.decode import DecodeInterceptor, DecodeStreamInterceptor
from gateway.interceptors.deduplicate import DeduplicateInterceptor, Lookup
from gateway.interceptors.each import EachInterceptor
from gateway.interceptors.endpoint import EndpointInterceptor
from gateway.interceptors.overload.interceptor import OverloadInterceptor
from gateway.interceptors.pacing.interceptor import PacingInterceptor
from gateway.interceptors.rate_limit import (
    ArrivalLimitInterceptor,
    LimitOf,
    LocalRateLimitInterceptor,
    RateLimitInterceptor,
    key_of,
)
from gateway.interceptors.retry import HedgeInterceptor, RetryInterceptor
from gateway.interceptors.serialize import (
    KeyedTurns,
    SerializeInterceptor,
    SerializeOptions,
    Turns,
)
from gateway.interceptors.validate import ValidateInterceptor
from gateway.interceptors.webhook import WebhookInterceptor
from gateway.pipeline import Pipeline, compose
from gateway.state.answers import AnswerStore, Marks
from gateway.state.limits import LimitStore
from gateway.state.memory_limits import MemoryLimits
from gateway.state.turns import StoredTurns
from gateway.surroundings import Surroundings as Surroundings
from gateway.transcode.encode import EncodeInterceptor, EncodeStreamInterceptor, RequestEncoder
from gateway.upstream import Upstream


def edge_interceptors(
    options: MethodOptions,
    around: Surroundings,
    shed: Sequence[Interceptor] = (),
    *,
    each: bool = False,
) -> list[Interceptor]:
    """Return what every method that is served has first, up to where it is decoded.

    Limits stand as far out as what they count by is known: those of addresses keep away
    from auth, those of callers stand behind it. Where a method has both, one decision behind
    auth is on all of them, and in front of it stands what counts calls that never get there.
    """
    return [
        AccessInterceptor(around.clock, around.events, options.names),
        ArrivalInterceptor(options.criticality, around.trusted),
        *([OverloadInterceptor(around.overload, around.events)] if around.overload else []),
        DeadlineInterceptor(options.deadline, around.clock),
        *shed,
        *_limit_interceptors(options.limits, Stage.ARRIVAL, around, each=each),
        *_auth_interceptors(options.auth, around),
        *_limit_interceptors(options.limits, Stage.CALLER, around, each=each),
    ]


def message_interceptors(
    options: MethodOptions, around: Surroundings, *, each: bool = False
) -> list[Interceptor]:
    """Return what looks at a request before anything is done with it: behind decode.

    Who signed it is asked first: what is forged costs nobody a place.
    """
    found: list[Interceptor] = []
    if options.webhook is not None:
        found.append(WebhookInterceptor(*options.webhook, around.clock, around.events))
    if options.check is not None:
        found.append(ValidateInterceptor(options.check, around.events))
    return found + _limit_interceptors(options.limits, Stage.MESSAGE, around, each=each)


def own_interceptors(options: MethodOptions, around: Surroundings) -> list[Interceptor]:
    """Return what calls of the gateway's own pass first: their requests keep constraints too.

    Who may call, signatures and limits are the matter of the call that they are part of.
    """
    if options.check is None:
        return []
    return [ValidateInterceptor(options.check, around.events, of_part=True)]


def _auth_interceptors(options: AuthOptions, around: Surroundings) -> list[Interceptor]:
    said = (options.mode, *(listener.mode for listener in around.listeners.values()))
    if around.providers is None or not set(said) & {Mode.REQUIRED, Mode.OPTIONAL}:
        return []
    return [AuthInterceptor(options, around.providers, around.events, around.listeners)]


def _limit_interceptors(
    limits: Sequence[DeclaredLimit], here: Stage, around: Surroundings, *, each: bool = False
) -> list[Interceptor]:
    """Return what counts calls at one stage.

    Args:
        limits: of the method.
        here: the stage.
        around: the store and what is told.
        each: the decision is on each message of a stream, and stands behind `each`.
    """
    if not limits:
        return []
    decided = None if each else stage(limits)
    if decided is not here:
        if here is not Stage.ARRIVAL:
            return []
        # What is refused before the decision counts for the limits that are known here.
        limits = [one for one in limits if stage([one]) is Stage.ARRIVAL]
        if not limits:
            return []
        keyed, store = _counted(limits, around)
        return [ArrivalLimitInterceptor(keyed, store, around.clock, around.events)]
    return _decision(limits, around)


def _counted(
    limits: Sequence[DeclaredLimit], around: Surroundings
) -> tuple[list[LimitOf], LimitStore]:
    store = around.limits
    assert store is not None  # one a process: limits of one level share their counts
    return [(one.limit, key_of(one.by, around.peer)) for one in limits], store


def _decision(limits: Sequence[DeclaredLimit], around: Surroundings) -> list[Interceptor]:
    if not limits:
        return []
    keyed, store = _counted(limits, around)
    if isinstance(store, MemoryLimits):
        return [LocalRateLimitInterceptor(keyed, store, around.events)]
    return [RateLimitInterceptor(keyed, store, around.events)]


def rest_interceptors(
    options: MethodOptions,
    encoder: RequestEncoder,
    upstream: Upstream,
    around: Surroundings,
    fallback: Interceptor | None = None,
    shared: "Shared | None" = None,
    accept: Interceptor | None = None,
) -> tuple[list[Interceptor], list[Interceptor]]:
    """Return the interceptors of a method that a REST service answers: THE ORDER.

    In two parts: what is for callers only, and what the gateway's own calls on their
    behalf (fallbacks, parts of composed answers) pass too.
    """
    clock, events = around.clock, around.events
    method = options.method
    streamed = method.client_streaming
    each = streamed and method.server_streaming and not options.rest.stream.one_body
    limiter = None if method.server_streaming or streamed else upstream.limiter
    outer: list[Interceptor] = [
        *edge_interceptors(
            options,
            around,
            # What a fallback could answer is not refused before it is asked.
            [ShedInterceptor(limiter, clock, events)] if limiter and fallback is None else (),
            each=each,
        ),
        (DecodeStreamInterceptor if streamed else DecodeInterceptor)(options.decode),
        *message_interceptors(options, around, each=each),
    ]
    inner: list[Interceptor] = [
        *([EachInterceptor(), *_decision(options.limits, around)] if each else []),
        *sharing_interceptors(options, around, shared),
        *([accept] if accept is not None else []),
        *_serialize_interceptors(options, around),
        *([fallback] if fallback is not None else []),
        (EncodeStreamInterceptor if streamed and not each else EncodeInterceptor)(encoder),
        *attempt_interceptors(options, upstream, around),
    ]
    return outer, inner


def composed_interceptors(
    options: MethodOptions,
    around: Surroundings,
    fallback: Interceptor | None = None,
    shared: "Shared | None" = None,
    accept: Interceptor | None = None,
) -> tuple[list[Interceptor], list[Interceptor]]:
    """Return the interceptors of a method that other methods' answers make up.

    In two parts, as for `rest_interceptors`. Nothing is sent by the method itself: retries
    and limits are those of the methods that it calls.
    """
    outer = [
        *edge_interceptors(options, around),
        DecodeInterceptor(options.decode),
        *message_interceptors(options, around),
    ]
    inner = [
        *sharing_interceptors(options, around, shared),
        *([accept] if accept is not None else []),
        *_serialize_interceptors(options, around),
    ]
    return outer, [*inner, *([fallback] if fallback is not None else [])]


@dataclass(frozen=True, kw_only=True, slots=True)
class Shared:
    """What shares the answers of a method by calling others.

    Args:
        batch: makes many single reads one bulk call.
        lookup: finds out what became of a call.
    """

    batch: Interceptor | None = None
    lookup: Lookup | None = None


def sharing_interceptors(
    options: MethodOptions, around: Surroundings, shared: Shared | None = None
) -> list[Interceptor]:
    """Return what makes one call of several, and keeps answers: behind decode, before retries.

    Deduplication stands furthest out: one key spans whatever is done for a call.
    """
    clock, rng, events = around.clock, around.rng, around.events
    shared = shared if shared is not None else Shared()
    found: list[Interceptor] = []
    once, cache, joint = options.deduplication, options.cache, options.coalescing
    if once is not None and around.records is not None:
        deduplicate = DeduplicateInterceptor(
            once.options,
            around.records,
            once.key_of,
            once.fingerprint_of,
            once.place,
            clock,
            rng,
            events,
            shared.lookup,
        )
        around.ending.append(deduplicate.end)
        found.append(deduplicate)
    store = around.answers
    if store is not None:
        if options.invalidation is not None:
            found.append(InvalidateInterceptor(store, options.invalidation))
        if cache is not None:
            found.append(
                CacheInterceptor(
                    cache.options,
                    store,
                    cache.key_of,
                    cache.ttl_of,
                    cache.tags_of,
                    clock,
                    rng,
                    events,
                )
            )
    if joint is not None:
        marks = _marks_of(store, joint.tags_of) if store is not None else None
        found.append(CoalesceInterceptor(joint.options, joint.key_of, clock, events, marks))
    if shared.batch is not None:
        found.append(shared.batch)
    return found


def _marks_of(
    store: AnswerStore, tags_of: Callable[[Call], Sequence[str]] | None
) -> Callable[[Call], Awaitable[Marks]] | None:
    if tags_of is None:
        return None
    return lambda call: store.marks(tags_of(call))


def _serialize_interceptors(options: MethodOptions, around: Surroundings) -> list[Interceptor]:
    if options.serialize is None:
        return []
    said, key_of = options.serialize
    turns = around.turns.get(said.name)
    if turns is None:
        turns = around.turns[said.name] = _turns(said, around)
    return [SerializeInterceptor(turns, key_of, around.events)]


def _turns(said: SerializeOptions, around: Surroundings) -> Turns:
    if not said.across_processes or around.tickets is None:
        return KeyedTurns(said)
    shared = StoredTurns(
        said.name,
        around.tickets,
        around.clock,
        around.rng,
        max_queued=said.max_queued,
        max_keys=said.max_keys,
    )
    around.ending.append(lambda _until: shared.settled())
    return shared


def attempt_interceptors(
    options: MethodOptions, upstream: Upstream, around: Surroundings
) -> list[Interceptor]:
    """Return what stands around each attempt, from the retries inwards."""
    clock, rng, events = around.clock, around.rng, around.events
    method, retry, hedge = options.method, options.retry, options.hedge
    limiter = None if method.server_streaming or method.client_streaming else upstream.limiter
    breakers = [upstream.breaker] if upstream.breaker is not None else []
    if options.breaker is not None:
        breakers.append(upstream.declared(options.breaker))
    found: list[Interceptor] = []
    if retry.max_attempts > 1:
        found.append(RetryInterceptor(retry, clock, rng, events, upstream.budget))
    if hedge is not None:
        found.append(HedgeInterceptor(hedge, clock, events, upstream.budget))
    found += [BreakerCheckInterceptor(one, clock, events) for one in breakers]
    if upstream.credential_source is not None:
        found.append(CredentialInterceptor(upstream.credential_source, events))
    if upstream.pacer is not None:
        found.append(PacingInterceptor(upstream.pacer, clock, events))
    if limiter is not None:
        found.append(ConcurrencyInterceptor(limiter, clock, events))
    if upstream.chooses:
        found.append(EndpointInterceptor(upstream.endpoints, upstream.name, clock, events))
    found += [BreakerPermitInterceptor(one, clock, events) for one in breakers]
    attempt = TracedAttemptInterceptor if around.traced else AttemptInterceptor
    found.append(attempt(options.attempt, clock, events))
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnOptions:
    """What holds for a method that the gateway answers itself."""

    auth: AuthOptions = field(default_factory=lambda: AuthOptions(mode=Mode.NONE))
    limits: tuple[DeclaredLimit, ...] = ()
    names: ErrorNames | None = None


def local_pipeline(
    method: MethodInfo, target: Target, options: OwnOptions, around: Surroundings
) -> Pipeline:
    """Return the pipeline of a method that the gateway answers itself."""
    outer = [
        AccessInterceptor(around.clock, around.events, options.names),
        *_limit_interceptors(options.limits, Stage.ARRIVAL, around),
        *_auth_interceptors(options.auth, around),
        *_limit_interceptors(options.limits, Stage.CALLER, around),
    ]
    return compose(method, outer, (), target)
