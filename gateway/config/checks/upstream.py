"""What an UpstreamPolicy may not say, whoever says it."""

from collections.abc import Iterator

from seawall.policy.v1.policy_pb2 import UpstreamPolicy

from gateway.config.checks.method import breaker_mistakes
from gateway.config.upstream_credentials.mistakes import credential_mistakes
from gateway.config.upstream_tls import tls_mistakes
from gateway.config.url import endpoint_mistake, url_mistake
from gateway.config.values import Mistake, in_order, name_mistakes, under, walk

_MAX_ENDPOINTS = 256


def upstream_mistakes(policy: UpstreamPolicy) -> Iterator[Mistake]:
    """Yield what is wrong with an UpstreamPolicy."""
    yield from walk(policy, "")
    if policy.HasField("name"):
        yield from name_mistakes("name", policy.name)
    if policy.HasField("url") and (wrong := url_mistake(policy.url)):
        yield "url", wrong
    yield from under("tls", tls_mistakes(policy.tls))
    yield from under("credentials", credential_mistakes(policy.credentials))
    yield from in_order(policy)
    yield from breaker_mistakes(policy.breaker)
    for name in ("key_metadata", "key_field"):
        if getattr(policy.breaker, name):
            yield (
                f"breaker.{name}",
                "an upstream has one breaker; say it in the policy of its methods",
            )
    if policy.health_check.HasField("path") and not policy.health_check.path.startswith("/"):
        yield "health_check.path", 'must begin with "/"'
    if len(policy.endpoints) > _MAX_ENDPOINTS:
        yield "endpoints", f"at most {_MAX_ENDPOINTS}, found {len(policy.endpoints)}"
    for i, endpoint in enumerate(policy.endpoints):
        if wrong := endpoint_mistake(endpoint):
            yield f"endpoints[{i}]", wrong
