"""`rate_limit_service` of the configuration."""

import pytest
from google.protobuf import json_format
from seawall.config.v1.config_pb2 import GatewayConfig

from gateway.config.rate_limit_service import described_limits, service_mistakes
from gateway.state.limits import Algorithm

LIMIT = {"entries": [{"key": "path"}], "limit": {"requests": 5}}


def config(*limits: object, enabled: bool = True) -> GatewayConfig:
    plain = {"enabled": enabled, "domains": {"edge": {"limits": limits}}}
    return json_format.ParseDict({"rate_limit_service": plain}, GatewayConfig())


def test_what_is_not_said_is_built_in() -> None:
    (found,) = described_limits(config(LIMIT))["edge"]
    assert found.label == "path"
    assert found.entries == (("path", None),)
    assert (found.limit.per_s, found.limit.algorithm) == (60, Algorithm.SLIDING_WINDOW)
    assert list(service_mistakes(config(LIMIT))) == []


def test_limits_of_one_domain_have_counts_of_their_own() -> None:
    other = {"name": "named", "entries": [{"key": "a", "value": ""}], "limit": {"requests": 1}}
    one, two = described_limits(config(LIMIT, other))["edge"]
    assert one.limit.name != two.limit.name
    assert (two.label, two.entries) == ("named", (("a", ""),))


@pytest.mark.parametrize(
    ("limit", "path"),
    [
        ({"limit": {"requests": 5}}, "entries"),
        ({"entries": [{"value": "x"}], "limit": {"requests": 5}}, "entries[0].key"),
        ({"entries": [{"key": "x"}]}, "limit.requests"),
        ({"entries": [{"key": "x"}], "limit": {"requests": 5, "by": ["peer"]}}, "limit.by"),
        ({"entries": [{"key": "x"}], "limit": {"disabled": True}}, "limit.disabled"),
        ({"entries": [{"key": "x"}], "limit": {"requests": 5, "burst": 2}}, "limit.burst"),
    ],
)
def test_each_mistake_is_told_with_its_path(limit: object, path: str) -> None:
    at = "rate_limit_service.domains.edge.limits[0]"
    assert [p for p, _ in service_mistakes(config(limit))] == [f"{at}.{path}"]


def test_domains_without_the_service_are_a_mistake() -> None:
    (mistake,) = service_mistakes(config(LIMIT, enabled=False))
    assert mistake[0] == "rate_limit_service.enabled"


def test_the_same_limit_twice_is_a_mistake() -> None:
    (mistake,) = service_mistakes(config(LIMIT, LIMIT))
    assert mistake[0] == "rate_limit_service.domains.edge.limits[1].entries"
