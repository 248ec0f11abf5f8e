"""What a configuration file may not say, by the paths of its keys."""

import ipaddress
from collections.abc import Iterator
from pathlib import Path

from seawall.config.v1.config_pb2 import Ceilings, GatewayConfig
from seawall.policy.v1.policy_pb2 import MethodPolicy

from gateway.config.catalog import catalog_mistakes
from gateway.config.checks.method import method_mistakes
from gateway.config.checks.upstream import upstream_mistakes
from gateway.config.identity import auth_mistakes, identity_mistakes, listener_auth_mistakes
from gateway.config.rate_limit_service import service_mistakes
from gateway.config.state import state_mistakes
from gateway.config.tracing import tracing_mistakes
from gateway.config.url import url_mistake
from gateway.config.values import Mistake, name_mistakes, under, walk


def ceiling_mistakes(ceilings: Ceilings) -> Iterator[Mistake]:
    """Yield what is wrong with the ceilings."""
    yield from walk(ceilings, "")
    for field, value in ceilings.ListFields():
        if field.message_type is None and value < 1:
            yield field.name, "must be at least 1"


def config_mistakes(config: GatewayConfig, folder: Path = Path()) -> Iterator[Mistake]:
    """Yield what is wrong with a configuration file, by the paths of its keys.

    Args:
        config: the file.
        folder: where its relative paths start.
    """
    yield from under("defaults.method", _level_mistakes(config.defaults.method, config))
    yield from _edge_mistakes(config, folder)
    yield from under("defaults.upstream", upstream_mistakes(config.defaults.upstream))
    if config.defaults.upstream.HasField("name"):
        yield "defaults.upstream.name", "all upstreams cannot share one name"
    yield from under("ceilings", ceiling_mistakes(config.ceilings))
    yield from under("drain", walk(config.drain, ""))
    yield from under("overload", walk(config.overload, ""))
    for i, network in enumerate(config.criticality.trusted_peers):
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            yield f"criticality.trusted_peers[{i}]", str(error)
    for name in sorted(config.upstreams):
        upstream = config.upstreams[name]
        at = f"upstreams.{name}"
        yield from ((at, text) for _, text in name_mistakes(at, name))
        yield from under(f"{at}.methods", _level_mistakes(upstream.methods, config))
        yield from under(f"{at}.policy", upstream_mistakes(upstream.policy))
        if upstream.HasField("url") and (wrong := url_mistake(upstream.url)):
            yield f"{at}.url", wrong
        if upstream.HasField("url") and upstream.policy.HasField("url"):
            yield f"{at}.policy.url", f"is given twice; {at}.url says it too"
        if upstream.policy.HasField("name"):
            yield f"{at}.policy.name", "the key is the name already; leave this out"
        if upstream.methods.HasField("upstream"):
            yield (
                f"{at}.methods.upstream",
                "these are the methods of this upstream; say it in `services` or `defaults`",
            )
    for name in sorted(config.services):
        service = config.services[name]
        at = f"services.{name}"
        yield from under(f"{at}.policy", _level_mistakes(service.policy, config))
        for method in sorted(service.methods):
            policy = service.methods[method]
            yield from under(f"{at}.methods.{method}", _level_mistakes(policy, config))


def _level_mistakes(policy: MethodPolicy, config: GatewayConfig) -> Iterator[Mistake]:
    yield from method_mistakes(policy)
    yield from auth_mistakes(policy.auth, config.identity)


def _edge_mistakes(config: GatewayConfig, folder: Path) -> Iterator[Mistake]:
    yield from under("identity", walk(config.identity, ""))
    yield from identity_mistakes(config.identity, folder)
    yield from listener_auth_mistakes(config.listeners, config.identity)
    yield from service_mistakes(config)
    yield from under("errors", catalog_mistakes(config.errors))
    yield from under("state", state_mistakes(config.state))
    yield from under("tracing", tracing_mistakes(config.tracing, folder))
