"""One method's effective policy, and the options its mechanisms run on."""

from collections.abc import Callable, Set
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from google.protobuf.descriptor import Descriptor, MethodDescriptor
from seawall.config.v1.config_pb2 import Identity
from seawall.policy.v1.policy_pb2 import MethodPolicy, StreamPolicy, UpstreamPolicy

from gateway.config.catalog import Catalog
from gateway.config.checks import seconds
from gateway.config.credentials import may_be_secret
from gateway.config.identity import auth_options
from gateway.config.limits.declared import DeclaredLimit, declared_limits
from gateway.config.merge import Origins
from gateway.config.operations.said import answer_of, is_later
from gateway.config.protection import (
    DeclaredBreaker,
    KeyOf,
    UpstreamOptions,
    declared_breaker,
    field_key,
    hedge_options,
    serialize_options,
    upstream_options,
)
from gateway.config.sharing import (
    DeclaredCache,
    DeclaredCoalescing,
    DeclaredDeduplication,
    cache_options,
    coalescing_options,
    deduplication_options,
    invalidation_tags,
)
from gateway.config.sharing.tags import TagsOf
from gateway.config.shown import HIDDEN, hide_referenced
from gateway.config.upstream_credentials import hide_credentials, metadata_of_identities
from gateway.config.upstream_tls import oldest_tls
from gateway.config.webhooks import webhook_options
from gateway.core.call import MethodInfo
from gateway.core.catalog import ErrorNames
from gateway.core.criticality import Criticality
from gateway.core.status import Code
from gateway.downstream.options import ClientOptions
from gateway.interceptors.attempt import AttemptOptions
from gateway.interceptors.auth import AuthOptions, Mode
from gateway.interceptors.deadline import DeadlineOptions
from gateway.interceptors.decode import DecodeOptions
from gateway.interceptors.retry import HedgeOptions, Jitter, RetryOptions
from gateway.interceptors.serialize import SerializeOptions
from gateway.interceptors.validate import Check
from gateway.interceptors.webhook import WebhookOptions, WebhookReaders
from gateway.transcode.binding import Binding
from gateway.transcode.canonical import Canonical
from gateway.transcode.framing.choice import Format, StreamOptions
from gateway.transcode.target import RestOptions

_SAFE_VERBS = frozenset(("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"))
_READING_VERBS = frozenset(("GET", "HEAD"))
_Level = MethodPolicy.Idempotency


@dataclass(frozen=True, slots=True)
class EffectiveMethod:
    """A served method with what it is promised.

    Args:
        method: what it is called.
        descriptor: its descriptor.
        where: its place in the protos.
        bindings: how it is sent.
        upstream: who answers it.
        policy: all levels merged and clamped.
        origins: where each value of `policy` came from.
        referenced: values that came from the environment or a file.
        parts_idempotent: whether the methods that make up its answer are; None where it
            has an answer of its own.
    """

    method: MethodInfo
    descriptor: MethodDescriptor
    where: str
    bindings: tuple[Binding, ...]
    upstream: str
    policy: MethodPolicy
    origins: Origins
    referenced: frozenset[str] = frozenset()
    parts_idempotent: bool | None = None

    @property
    def shown_policy(self) -> MethodPolicy:
        """The policy as people may see it: fixed values may be secrets."""
        shown = MethodPolicy()
        shown.CopyFrom(self.policy)
        for i in range(len(shown.webhook.secrets)):
            shown.webhook.secrets[i] = HIDDEN
        for fixed in (shown.headers.set, shown.request.query):
            for key in list(fixed):  # what is walked must not change
                if may_be_secret(key):
                    fixed[key] = HIDDEN
        hide_referenced(shown, self.referenced)
        return shown

    @property
    def answer(self) -> Descriptor:
        """What the upstream's answer is read as: its operations', or its own response."""
        found = answer_of(self.descriptor, self.policy, self.origins)
        return self.descriptor.output_type if found is None else found

    @property
    def is_later(self) -> bool:
        """Whether every call is kept, and made later."""
        return is_later(self.descriptor, self.policy, self.origins)

    @property
    def sends_one_body(self) -> bool:
        """Whether a bidirectional method sends all its messages as one body."""
        both = self.method.client_streaming and self.method.server_streaming
        return both and self.policy.stream.requests == StreamPolicy.ONE_BODY

    @property
    def idempotency(self) -> tuple[bool, str]:
        """Whether a request of unknown effect may be sent again, and who says so."""
        said = self.policy.idempotency
        if said:
            return said != _Level.NOT_IDEMPOTENT, self.origins.get("idempotency", "")
        if self._declared_level:
            return True, f"idempotency_level ({self.where})"
        if self.parts_idempotent is not None:
            return self.parts_idempotent, "the methods that make up its answer"
        verbs = {binding.verb for binding in self.bindings}
        return verbs <= _SAFE_VERBS, f"HTTP verb {'/'.join(sorted(verbs))}"

    @property
    def reads_only(self) -> bool:
        """Whether a request has no side effects, so that no other can see that it was made.

        Said where `idempotency` is, in the same order.
        """
        said = self.policy.idempotency or self._declared_level
        if said:
            return said == _Level.NO_SIDE_EFFECTS  # the same number in both enums
        return bool(self.bindings) and all(one.verb in _READING_VERBS for one in self.bindings)

    @property
    def _declared_level(self) -> int:
        return self.descriptor.GetOptions().idempotency_level if self.descriptor.has_options else 0


@dataclass(frozen=True, slots=True)
class EffectiveUpstream:
    """An upstream with its merged policy.

    `referenced`: values that came from the environment or a file, and may be secrets.
    """

    name: str
    policy: UpstreamPolicy
    origins: Origins
    referenced: frozenset[str] = frozenset()

    @property
    def shown_policy(self) -> UpstreamPolicy:
        """The policy as people may see it: without secrets."""
        shown = UpstreamPolicy()
        shown.CopyFrom(self.policy)
        shown.url = self.shown_url
        hide_credentials(shown, HIDDEN, self.referenced)
        hide_referenced(shown, self.referenced, kept={"url"})
        return shown

    @property
    def shown_url(self) -> str:
        """The URL as people may see it: without its path where that may be a secret."""
        if self.policy.url not in self.referenced:
            return self.policy.url
        parts = urlsplit(self.policy.url)
        hidden = "/…" if parts.path.strip("/") else ""
        return f"{parts.scheme}://{parts.netloc}{hidden}"

    def options(self) -> UpstreamOptions:
        """Return the options of everything that its methods share."""
        return upstream_options(self.policy, self.client_options())

    def client_options(self) -> ClientOptions:
        """Return the options of its HTTP client."""
        pool = self.policy.pool
        return ClientOptions(
            name=self.name,
            url=self.policy.url,
            max_connections=pool.max_connections,
            connect_timeout_s=seconds(pool.connect_timeout),
            idle_timeout_s=seconds(pool.idle_timeout),
            max_age_s=seconds(pool.max_age),
            max_header_bytes=pool.max_header_bytes,
            max_redirects=self.policy.redirects.max_redirects,
            ca_file=self.policy.tls.ca_file or None,
            cert_file=self.policy.tls.cert_file or None,
            key_file=self.policy.tls.key_file or None,
            server_name=self.policy.tls.server_name or None,
            oldest_tls=oldest_tls(self.policy.tls),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class MethodOptions:
    """The options of every mechanism on a method's way, in the order of the chain."""

    method: MethodInfo
    deadline: DeadlineOptions
    decode: DecodeOptions
    retry: RetryOptions
    attempt: AttemptOptions
    rest: RestOptions = field(default_factory=RestOptions)
    criticality: Criticality = Criticality.CRITICAL
    hedge: HedgeOptions | None = None
    breaker: DeclaredBreaker | None = None
    serialize: tuple[SerializeOptions, KeyOf] | None = None
    auth: AuthOptions = field(default_factory=lambda: AuthOptions(mode=Mode.NONE))
    limits: tuple[DeclaredLimit, ...] = ()
    check: Check | None = None
    webhook: tuple[WebhookOptions, WebhookReaders] | None = None
    names: ErrorNames | None = None
    deduplication: DeclaredDeduplication | None = None
    cache: DeclaredCache | None = None
    invalidation: TagsOf | None = None
    coalescing: DeclaredCoalescing | None = None


def method_options(
    effective: EffectiveMethod,
    parse: Callable[[bytes], Any],
    user_agent: str,
    *,
    identity: Identity | None = None,
    check: Check | None = None,
    catalog: Catalog | None = None,
    withheld: Set[str] = frozenset(),
    canonical: Canonical | None = None,
) -> MethodOptions:
    """Return the options that an effective policy asks for.

    Args:
        effective: the method.
        parse: its request type's parser.
        user_agent: sent to the upstream.
        identity: who callers are, as the configuration says it.
        check: its requests' constraints, None where they have none.
        catalog: what failures are called.
        withheld: metadata that its upstream is never sent.
        canonical: makes fingerprints of requests.
    """
    policy, method = effective.policy, effective.method
    identity = identity if identity is not None else Identity()
    names = None if catalog is None else catalog.names_for(policy, method.service)
    serialize = serialize_options(policy.serialize, effective.origins, method.full_name)
    return MethodOptions(
        method=method,
        criticality=Criticality(policy.criticality or Criticality.CRITICAL),
        hedge=hedge_options(
            policy,
            effective.origins,
            idempotent=effective.idempotency[0],
            reads_only=effective.reads_only,
            unary=not (method.client_streaming or method.server_streaming),
        ),
        breaker=declared_breaker(policy, effective.origins, method.full_name, effective.upstream),
        serialize=None if serialize is None else (serialize, field_key(policy.serialize.field)),
        auth=auth_options(policy.auth, identity),
        limits=declared_limits(policy, effective.origins, method.full_name, effective.upstream),
        check=check,
        names=names,
        webhook=webhook_options(policy.webhook) if policy.HasField("webhook") else None,
        **_sharing_options(effective, metadata_of_identities(identity), withheld, canonical),
        deadline=DeadlineOptions(
            default_s=seconds(policy.deadline.default),
            maximum_s=seconds(policy.deadline.maximum),
            margin_s=seconds(policy.deadline.margin),
        ),
        decode=DecodeOptions(
            parse=parse,
            type_name=effective.descriptor.input_type.full_name,
            max_request_bytes=policy.sizes.max_request_bytes,
        ),
        retry=_retry_options(effective),
        attempt=AttemptOptions(
            timeout_s=_or_forever(policy.retry, "per_attempt_timeout"),
            upstream=effective.upstream,
        ),
        rest=RestOptions(
            max_response_bytes=policy.sizes.max_response_bytes,
            max_error_bytes=policy.sizes.max_error_bytes,
            status_codes={k: Code[v] for k, v in policy.errors.status_codes.items()},
            user_agent=user_agent,
            idempotent=effective.idempotency[0],
            keep_error_body=names is not None and names.reads_bodies,
            stream=_stream_options(policy.stream),
        ),
    )


def _sharing_options(
    effective: EffectiveMethod,
    of_identity: Set[str],
    withheld: Set[str],
    canonical: Canonical | None,
) -> dict[str, Any]:
    """Return what answers are shared, and what calls are made once."""
    policy, origins, name = effective.policy, effective.origins, effective.method.full_name
    streams = effective.method.client_streaming or effective.method.server_streaming
    request = effective.descriptor.input_type
    found: dict[str, Any] = {
        "invalidation": invalidation_tags(policy),
        "deduplication": deduplication_options(
            policy,
            origins,
            name,
            of_identity,
            canonical if canonical is not None else Canonical(),
            # A call that is kept is known again by its key whatever its method is.
            idempotent=effective.idempotency[0] and not effective.is_later,
            unary=not streams,
        ),
    }
    if effective.reads_only and not streams:
        found["cache"] = cache_options(policy, name, request, of_identity, withheld)
        found["coalescing"] = coalescing_options(policy, origins, name, of_identity, withheld)
    return found


def _stream_options(stream: StreamPolicy) -> StreamOptions:
    return StreamOptions(
        format=Format(stream.format or Format.DETECT.value),
        idle_timeout_s=_or_forever(stream, "idle_timeout"),
        enveloped=stream.enveloped if stream.HasField("enveloped") else None,
        events=tuple(stream.events),
        end_of_stream=stream.end_of_stream,
        one_body=stream.requests == StreamPolicy.ONE_BODY,
    )


def _retry_options(effective: EffectiveMethod) -> RetryOptions:
    retry = effective.policy.retry
    if retry.disabled:
        return RetryOptions(max_attempts=1)
    return RetryOptions(
        max_attempts=retry.max_attempts,
        initial_backoff_s=seconds(retry.initial_backoff),
        max_backoff_s=seconds(retry.max_backoff),
        multiplier=retry.backoff_multiplier,
        jitter=Jitter(retry.jitter or Jitter.FULL.value),
        retryable_http_statuses=frozenset(retry.retryable_http_statuses),
        max_retry_after_s=seconds(retry.max_retry_after),
        idempotent=effective.idempotency[0],
        pushback=retry.pushback,
    )


def _or_forever(message: Any, name: str) -> float:
    return seconds(getattr(message, name)) if message.HasField(name) else float("inf")
