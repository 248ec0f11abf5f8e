"""Values that do nothing, and keys that are shown, are told; nothing else is."""

from pathlib import Path

import pytest

from gateway.config.effective import method_options

from .conftest import CA_PEM, Given, get

POST = (
    "  rpc Make(Item) returns (Item) "
    '{ option (google.api.http) = {post: "/v1/items" body: "*"}; }\n'
)
WATCH = (
    "  rpc Watch(Item) returns (stream Item) "
    '{ option (google.api.http) = {get: "/v1/watch/{id}"}; }\n'
)
PROTOS = "service Shop {\n" + get("Get") + POST + WATCH + "}\n"


def told(given: Given, yaml: str, protos: str = PROTOS) -> list[str]:
    resolved = given.served(protos, yaml, upstreams={})
    return [str(problem).replace(f"{given.folder}/", "") for problem in resolved.warnings]


def of_upstream(given: Given, policy: str, url: str = "http://a:80") -> list[str]:
    return told(given, f"upstreams:\n  main:\n    url: {url}\n    policy:\n      {policy}\n")


def of_method(given: Given, method: str, policy: str) -> list[str]:
    head = "upstreams: {main: {url: http://a}}\nservices:\n  shop.v1.Shop:\n    methods:\n"
    return told(given, f"{head}      {method}: {policy}\n")


@pytest.mark.parametrize(
    ("policy", "path", "why"),
    [
        (
            "{bulkhead: {max_queued: 5}, adaptive_concurrency: {disabled: true}}",
            "bulkhead.max_queued",
            "there is no bulkhead.max_in_flight, and adaptive_concurrency is disabled",
        ),
        ("{health_check: {interval: 1s}}", "health_check.interval", "there is no health_check.pa"),
        (
            "{outlier_detection: {consecutive_failures: 2}}",
            "outlier_detection.consecutive_failures",
            "there is one endpoint, and outlier_detection.minimum_endpoints is 2",
        ),
        (
            "{outlier_detection: {minimum_endpoints: 1}}",
            "outlier_detection.minimum_endpoints",
            "there is one endpoint, and outlier_detection.max_ejected_share is 0.5, less than one",
        ),
        (
            "{outlier_detection: {minimum_endpoints: 3}, endpoints: ['a:1', 'b:1']}",
            "outlier_detection.minimum_endpoints",
            "there are 2 endpoints, and outlier_detection.minimum_endpoints is 3",
        ),
        ("{load_balancing: {policy: LEAST_REQUEST}}", "load_balancing.policy", "there is one end"),
        ("{pacing: {burst: 5}}", "pacing.burst", "there is no pacing.requests"),
        ("{pacing: {per: 5s}}", "pacing.per", "there is no pacing.requests"),
        ("{breaker: {max_keys: 5}}", "breaker.max_keys", "an upstream has one breaker"),
        (
            "{breaker: {slow_call_duration: 1s}}",
            "breaker.slow_call_duration",
            "there is no breaker.slow_call_rate",
        ),
        ("{breaker: {window: 1s, window_calls: 9}}", "breaker.window", "breaker.window_calls cou"),
    ],
)
def test_what_an_upstream_has_for_nothing_is_told_with_its_line(
    given: Given, policy: str, path: str, why: str
) -> None:
    (line,) = of_upstream(given, policy)
    where = f"seawall.yaml:5: upstream main: {path} has no effect, because "
    assert line.startswith(f"{where}{why}")


def test_a_queue_of_a_pacing_that_is_off_is_told(given: Given) -> None:
    (line,) = of_upstream(given, "{pacing: {max_queued: 5, learn: false}}")
    assert "pacing.max_queued has no effect, because there is no pacing.requests, and" in line


def test_a_ca_of_an_upstream_without_tls_is_told(given: Given, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(CA_PEM)
    (line,) = of_upstream(given, "{tls: {ca_file: ca.pem}}")
    assert "tls.ca_file has no effect, because the URL is http" in line
    assert of_upstream(given, "{tls: {ca_file: ca.pem}}", "https://a") == []


@pytest.mark.parametrize(
    "policy",
    [
        "{bulkhead: {max_queued: 5}}",
        "{bulkhead: {max_queued: 5, max_in_flight: 9}, adaptive_concurrency: {disabled: true}}",
        "{bulkhead: {disabled: true}, adaptive_concurrency: {disabled: true}}",
        "{health_check: {interval: 1s, path: /up}}",
        "{outlier_detection: {consecutive_failures: 2}, endpoints: ['a:1', 'b:1']}",
        "{outlier_detection: {consecutive_failures: 2}, discovery: {mode: ADDRESSES}}",
        "{outlier_detection: {minimum_endpoints: 1, max_ejected_share: 1}}",
        "{outlier_detection: {disabled: true}}",
        "{load_balancing: {policy: LEAST_REQUEST}, discovery: {mode: ADDRESSES}}",
        "{pacing: {burst: 5, requests: 9, per: 2s, max_queued: 3}}",
        "{pacing: {max_queued: 5}}",
        "{pacing: {learn: false}}",
        "{breaker: {slow_call_duration: 1s, slow_call_rate: 0.5, window: 4s}}",
    ],
)
def test_what_an_upstream_has_for_something_is_not_told(given: Given, policy: str) -> None:
    assert of_upstream(given, policy) == []


@pytest.mark.parametrize(
    ("method", "policy", "path", "why"),
    [
        ("Make", "{hedge: {delay: 1s}}", "hedge.delay", "the method is not idempotent (HTTP verb"),
        ("Watch", "{hedge: {delay: 1s}}", "hedge.delay", "the method streams"),
        ("Get", "{hedge: {delay: 1s}, retry: {disabled: true}}", "hedge.delay", "retry.disabled"),
        ("Get", "{hedge: {delay: 1s}, retry: {max_attempts: 1}}", "hedge.delay", "retry.max_att"),
        ("Get", "{hedge: {delay: 1s, quantile: 0.9}}", "hedge.quantile", "hedge.delay goes befo"),
        ("Get", "{serialize: {max_queued: 3}}", "serialize.max_queued", "there is no serialize."),
        ("Get", "{fallback: {primary_timeout: 1s}}", "fallback.primary_timeout", "there are no f"),
        ("Get", "{breaker: {max_keys: 3}}", "breaker.max_keys", "neither breaker.key_metadata nor"),
        ("Get", "{cache: {stale_if_error: 5s}}", "cache.stale_if_error", "there is no cache.ttl"),
        ("Get", "{serialize: {}}", "serialize", "there is no serialize.field"),
    ],
)
def test_what_a_method_has_for_nothing_is_told_with_its_line(
    given: Given, method: str, policy: str, path: str, why: str
) -> None:
    (line,) = of_method(given, method, policy)
    where = f"seawall.yaml:5: shop.v1.Shop/{method}: {path} has no effect, because "
    assert line.startswith(f"{where}{why}")


@pytest.mark.parametrize(
    ("method", "policy"),
    [
        ("Get", "{hedge: {delay: 1s}}"),
        ("Get", "{hedge: {quantile: 0.9, min_delay: 1s}}"),
        ("Make", "{hedge: {disabled: true}}"),
        ("Make", "{hedge: {delay: 1s}, idempotency: IDEMPOTENT}"),
        ("Watch", "{serialize: {field: id, max_queued: 3}}"),
        ("Get", "{breaker: {max_keys: 3, key_field: id}}"),
        ("Get", "{fallback: {steps: [{answer: '{}'}], primary_timeout: 1s}}"),
        ("Watch", "{stream: {end_of_stream: bye}}"),
    ],
)
def test_what_a_method_has_for_something_is_not_told(
    given: Given, method: str, policy: str
) -> None:
    assert of_method(given, method, policy) == []


@pytest.mark.parametrize(
    "policy",
    ["hedge: {delay: 1s}", "stream: {end_of_stream: bye}", "fallback: {steps: [{answer: '{}'}]}"],
)
def test_what_does_something_for_one_of_a_service_is_not_told(given: Given, policy: str) -> None:
    head = "upstreams: {main: {url: http://a}}\nservices:\n  shop.v1.Shop:\n    policy:\n"
    assert told(given, f"{head}      {policy}\n") == []


def test_what_does_nothing_for_all_of_a_service_is_told_once(given: Given) -> None:
    head = "upstreams: {main: {url: http://a}}\nservices:\n  shop.v1.Shop:\n    policy:\n"
    lines = told(given, f"{head}      serialize: {{max_queued: 3}}\n")
    assert lines == [
        "seawall.yaml:5: shop.v1.Shop/Get: serialize.max_queued has no effect, because there is "
        "no serialize.field"
    ]


def test_proto_options_are_doubted_too_and_built_in_values_are_not(given: Given) -> None:
    option = "option (seawall.policy.v1.method) = { serialize: { max_queued: 3 } };"
    (line,) = told(
        given, "upstreams: {main: {url: http://a}}", f"service A {{\n{get('Get', option)}}}\n"
    )
    assert line.startswith("shop.proto:")
    assert told(given, "upstreams: {main: {url: http://a}}") == []


def test_a_policy_that_only_a_fallback_has_is_told_where_it_decides_nothing(given: Given) -> None:
    text = (
        "upstreams:\n"
        "  main: {url: http://a}\n"
        "  spare:\n"
        "    url: http://b\n"
        "    methods: {deadline: {default: 3s}, retry: {max_attempts: 2}}\n"
        "services:\n"
        "  shop.v1.Shop:\n"
        "    policy: {upstream: main}\n"
        "    methods: {Get: {fallback: {steps: [{upstream: spare}]}}}\n"
    )
    (line,) = told(given, text)
    assert line.startswith(
        "seawall.yaml:5: shop.v1.Shop/Get over spare: deadline.default has no effect, because "
        "calls reach spare as a fallback"
    )


def test_what_is_sent_by_other_methods_only_is_told(given: Given) -> None:
    option = (
        'option (seawall.policy.v1.method) = { fan_out: { branches: { method: "shop.v1.A/Get" '
        'field: "item" need: REQUIRED request: { key: "id" value: "id" } } } '
        "retry: { max_attempts: 2 } };"
    )
    protos = (
        "message All { Item item = 1; }\n"
        f"service A {{\n{get('Get')}  rpc Both(Item) returns (All) {{ {option} }}\n}}\n"
    )
    (line,) = told(given, "upstreams: {main: {url: http://a}}", protos)
    assert "shop.v1.A/Both: retry.max_attempts has no effect, because the methods that" in line


@pytest.mark.parametrize("method", ["Make", "Watch"])
def test_a_hedge_that_is_told_to_do_nothing_has_no_options(given: Given, method: str) -> None:
    head = "upstreams: {main: {url: http://a}}\nservices:\n  shop.v1.Shop:\n    methods:\n"
    resolved = given.served(
        PROTOS, f"{head}      {method}: {{hedge: {{delay: 1s}}}}\n", upstreams={}
    )
    (one,) = (m for m in resolved.methods if m.method.name == method)
    assert method_options(one, bytes, "").hedge is None


def test_a_key_whose_name_hints_at_a_secret_is_told(given: Given) -> None:
    (line,) = of_method(given, "Get", "{breaker: {key_metadata: x-tenant-key}}")
    assert line.startswith(
        "seawall.yaml:5: shop.v1.Shop/Get: breaker.key_metadata: the values of 'x-tenant-key' are "
        "shown in logs"
    )
    assert of_method(given, "Get", "{breaker: {key_metadata: x-tenant}}") == []


SPARE = "upstreams: {main: {url: http://a}, spare: {url: http://b}}\n"


def test_secrets_that_go_to_a_fallback_too_are_told(given: Given) -> None:
    yaml = SPARE + (
        "services: {shop.v1.Shop: {policy: {upstream: main}, methods: {Get: {"
        "headers: {set: {x-api-key: abc, x-tenant: acme}}, "
        "fallback: {steps: [{upstream: spare}]}}}}}\n"
    )
    found = [one for one in told(given, yaml) if "fallback 'spare'" in one]
    assert len(found) == 1
    assert "headers.set.x-api-key" in found[0]
    assert "abc" not in found[0]


def test_a_credential_that_is_forwarded_although_callers_are_stripped_is_told(
    given: Given,
) -> None:
    yaml = (
        "upstreams: {main: {url: http://a, policy: {credentials: {caller: STRIP}}}}\n"
        "defaults: {method: {headers: {forward_request: [x-auth-token, x-request-id]}}}\n"
    )
    found = [one for one in told(given, yaml) if "looks like a credential" in one]
    assert len(found) == 1, "it is said once, for all methods"
    assert "headers.forward_request[0]" in found[0]


@pytest.mark.parametrize(("secret", "doubted"), [("0123456789abcdef", True), ("${S}", False)])
def test_secrets_of_webhooks_in_the_file_itself_are_told(
    given: Given, secret: str, doubted: bool
) -> None:
    yaml = (
        "upstreams: {main: {url: http://a}}\nservices:\n  shop.v1.Shop:\n    methods:\n"
        "      Make: {webhook: {body_field: id, signature_metadata: x-s, secrets: "
        f"['{secret}']}}}}\n"
    )
    resolved = given.served(PROTOS, yaml, upstreams={}, environ={"S": "0123456789abcdef"})
    found = [str(one) for one in resolved.warnings if "webhook.secrets" in str(one)]
    assert len(found) == doubted
    assert "0123456789abcdef" not in "".join(found)


def test_policies_of_own_services_that_are_off_are_told(given: Given) -> None:
    yaml = (
        "upstreams: {main: {url: http://a}}\n"
        "services: {seawall.admin.v1.AdminService: {policy: {auth: {mode: NONE}}}}\n"
    )
    found = [one for one in told(given, yaml) if "AdminService" in one]
    assert found == [
        "seawall.yaml:2: services.seawall.admin.v1.AdminService: has no effect: the service is "
        "not served; admin.enabled turns it on"
    ]
    assert not [one for one in told(given, yaml + "admin: {enabled: true}\n") if "Admin" in one]


def test_a_limit_by_caller_where_nobody_is_known_is_told_once(given: Given) -> None:
    head = "upstreams: {main: {url: http://a}}\n"
    limits = "rate_limits: {calls: {requests: 9, per: 1s, by: [method, caller]}}"
    service = f"services:\n  shop.v1.Shop:\n    policy:\n      {limits}\n"
    (found,) = told(given, head + service)
    assert "rate_limits.calls.by[1]: nobody's name is known (there are no identity" in found
    assert ":5: shop.v1.Shop/Get: " in found
    identity = (
        "identity: {providers: {p: {api_keys: {keys: [{caller: a, sha256: '"
        + "0" * 64
        + "'}]}}}}\n"
    )
    assert told(given, head + identity + service) == []
    off = service + "      auth: {mode: NONE}\n"
    (found,) = told(given, head + identity + off)
    assert "(auth.mode is NONE)" in found


def test_a_cache_that_keeps_nothing_is_told_at_its_line(given: Given) -> None:
    (found,) = of_method(given, "Get", "{cache: {tags: [items]}}")
    assert "cache.tags: has no effect: cache.ttl is not said" in found
    assert found.startswith("seawall.yaml:")


@pytest.mark.parametrize(
    ("tag", "kept", "is_told"),
    [
        ("itm:1", "item:{id}", True),
        ("item:{id}", "item:{id}", False),
        ("item:all", "item:{id}", False),
        ("item:{id}", "item:all", False),
        ("item", "item:{id}", True),
    ],
)
def test_a_tag_that_no_answer_has_is_told(given: Given, tag: str, kept: str, is_told: bool) -> None:
    reads = f"Get: {{cache: {{ttl: 5s, tags: ['{kept}']}}}}"
    methods = f"{{{reads}, Make: {{invalidation: {{tags: ['{tag}']}}}}}}"
    lines = told(
        given,
        "upstreams: {main: {url: http://a}}\n"
        f"services:\n  shop.v1.Shop:\n    methods: {methods}\n",
    )
    found = [line for line in lines if "nothing becomes old" in line]
    assert bool(found) is is_told
