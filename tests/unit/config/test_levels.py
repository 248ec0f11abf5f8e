"""Which level wins: built-in < defaults < upstream < service < method, YAML before proto."""

import pytest

from gateway.config.effective import EffectiveMethod
from gateway.config.own import own_policies
from gateway.core.call import MethodInfo

from .conftest import HEAD_LINES, Given, get

ATTEMPTS = "retry: {max_attempts: %d}"
YAML = {
    "defaults": "defaults: {method: {retry: {max_attempts: 4}}}\n",
    "upstream": "upstreams: {shop: {url: 'http://a', methods: {retry: {max_attempts: 5}}}}\n",
    "service": "policy: {retry: {max_attempts: 7}}",
    "method": "methods: {Get: {retry: {max_attempts: 9}}}",
}
LEVELS = (
    # level, attempts, origin
    ("built-in", 3, "built-in"),
    ("defaults", 4, "defaults ("),
    ("upstream", 5, "upstream ("),
    ("proto service", 6, f"service (shop.proto:{HEAD_LINES + 1})"),
    ("service", 7, "service ("),
    ("proto method", 8, f"method (shop.proto:{HEAD_LINES + 4})"),
    ("method", 9, "method ("),
)


def served(given: Given, names: set[str]) -> EffectiveMethod:
    option = "option (seawall.policy.v1.%s).retry.max_attempts = %d;"
    service_option = option % ("service", 6) if "proto service" in names else ""
    method_option = option % ("method", 8) if "proto method" in names else ""
    proto = f"service A {{\n  {service_option}\n\n{get('Get', method_option)}}}"
    of_service = ", ".join(YAML[n] for n in ("service", "method") if n in names)
    yaml = "".join(YAML[n] for n in ("defaults", "upstream") if n in names)
    yaml += f"services: {{shop.v1.A: {{{of_service}}}}}\n"
    (method,) = given.served(proto, yaml).methods
    return method


@pytest.mark.parametrize("top", range(len(LEVELS)))
def test_each_level_beats_all_that_are_more_general(given: Given, top: int) -> None:
    method = served(given, {name for name, *_ in LEVELS[: top + 1]})
    _, attempts, origin = LEVELS[top]
    assert method.policy.retry.max_attempts == attempts
    assert method.origins["retry.max_attempts"].startswith(origin)
    if not origin.endswith(")") and origin != "built-in":
        assert "seawall.yaml:" in method.origins["retry.max_attempts"]


def test_what_a_level_does_not_speak_of_is_inherited(given: Given) -> None:
    method = served(given, {"defaults", "method"})
    assert method.policy.retry.max_backoff.seconds == 2
    assert method.origins["retry.max_backoff"] == "built-in"


def test_streaming_methods_have_other_built_in_values(given: Given) -> None:
    unary, stream = given.served(
        "service A {\n" + get("Get") + get("Watch", returns="stream Item") + "}"
    ).methods
    assert unary.policy.deadline.default.seconds == 15
    assert not unary.policy.HasField("stream")
    assert stream.policy.deadline.default.seconds == 3600
    assert stream.policy.deadline.maximum.seconds == 86400
    assert stream.policy.stream.format
    assert unary.policy.retry == stream.policy.retry


def test_an_empty_list_in_yaml_empties_what_is_built_in(given: Given) -> None:
    yaml = "services: {shop.v1.A: {methods: {Get: {headers: {forward_request: []}}}}}"
    one, two = given.served("service A {\n" + get("Get") + get("Other") + "}", yaml).methods
    assert list(one.policy.headers.forward_request) == []
    assert one.origins["headers.forward_request"].startswith("method (")
    assert "authorization" in two.policy.headers.forward_request


def test_retries_that_are_off_for_a_service_can_be_on_for_a_method(given: Given) -> None:
    yaml = """
defaults: {method: {retry: {max_backoff: 9s}}}
services: {shop.v1.A: {policy: {retry: {disabled: true}}, methods: {Get: {retry: {}}}}}
"""
    get_, other = given.served("service A {\n" + get("Get") + get("Other") + "}", yaml).methods
    assert other.policy.retry.disabled
    assert not get_.policy.retry.disabled
    assert get_.policy.retry.max_backoff.seconds == 2


def test_mistakes_of_options_have_their_place_and_are_all_told(given: Given) -> None:
    proto = (
        "service A {\n  option (seawall.policy.v1.service).retry.max_attempts = 0;\n"
        + get("Get", "option (seawall.policy.v1.method).sizes.max_json_depth = 5000;")
        + get("Other", 'option (seawall.policy.v1.method).headers.forward_request = "host";')
        + get("Stream", "option (seawall.policy.v1.method).stream.idle_timeout.seconds = 1;")
        + "}"
    )
    assert given.mistakes(proto) == [
        f"shop.proto:{HEAD_LINES + 1}: shop.v1.A: retry.max_attempts: must be 1 to 20, found 0",
        f"shop.proto:{HEAD_LINES + 3}: shop.v1.A.Get: sizes.max_json_depth: "
        "must be 1 to 250, found 5000",
        f"shop.proto:{HEAD_LINES + 4}: shop.v1.A.Other: headers.forward_request[0]: "
        "'host' is computed by the gateway and cannot be forwarded",
        f"shop.proto:{HEAD_LINES + 5}: shop.v1.A.Stream: stream: "
        "the method does not answer with a stream",
    ]


def test_yaml_may_not_give_a_stream_policy_to_a_unary_method(given: Given) -> None:
    yaml = "services:\n  shop.v1.A:\n    methods:\n      Get: {stream: {idle_timeout: 1s}}\n"
    assert given.mistakes("service A {\n" + get("Get") + "}", yaml) == [
        "seawall.yaml:4: services.shop.v1.A.methods.Get.stream: "
        "the method does not answer with a stream"
    ]


LIMIT = "rate_limits: {total: {requests: 5}}"
FORWARDED = "headers: {forward_request: [x-tenant]}"


@pytest.mark.parametrize("at", ["policy", "methods"])
def test_a_level_that_only_empties_something_is_a_level(given: Given, at: str) -> None:
    emptied = "{rate_limits: {}}" if at == "policy" else "{Get: {headers: {forward_request: []}}}"
    yaml = (
        f"defaults: {{method: {{{LIMIT}, {FORWARDED}}}}}\n"
        f"services: {{shop.v1.A: {{{at}: {emptied}}}}}\n"
    )
    (method,) = given.served("service A {\n" + get("Get") + "}", yaml).methods
    gone = at == "policy"
    assert sorted(name for name in method.policy.rate_limits if name) == ([] if gone else ["total"])
    assert list(method.policy.headers.forward_request) == (["x-tenant"] if gone else [])


def test_an_upstream_that_only_empties_something_does_so(given: Given) -> None:
    yaml = (
        "defaults: {upstream: {endpoints: ['a:1', 'b:1'], url: 'http://a'}}\n"
        "upstreams: {shop: {policy: {endpoints: []}}}\n"
    )
    resolved = given.served("service A {\n" + get("Get") + "}", yaml, upstreams={})
    assert list(resolved.upstreams["shop"].policy.endpoints) == []


def test_an_own_service_that_only_empties_its_limits_has_none(given: Given) -> None:
    yaml = (
        "services: {grpc.health.v1.Health: {policy: {rate_limits: {probes: {requests: 1}}}, "
        "methods: {Check: {rate_limits: {}}}}}\n"
    )
    check, watch = (MethodInfo("grpc.health.v1.Health", name) for name in ("Check", "Watch"))
    found = own_policies(given.document(yaml), [check, watch])
    assert sorted(name for name in found[check][0].rate_limits if name) == []
    assert sorted(name for name in found[watch][0].rate_limits if name) == ["probes"]


def test_what_is_wrong_once_levels_are_merged_is_told_once_where_it_was_said(
    given: Given,
) -> None:
    yaml = (
        "defaults:\n"
        "  method:\n"
        "    rate_limits:\n"
        "      total: {by: ['field:no_such_field'], requests: 1}\n"
    )
    proto = "service A {\n" + get("Get") + get("List") + get("Find") + "}"
    (mistake,) = given.mistakes(proto, yaml)
    assert mistake.startswith("seawall.yaml:4: shop.v1.A/Get and 2 more: rate_limits.total.by[0]: ")
