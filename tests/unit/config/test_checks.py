"""Bounds and names that hold at every level."""

from typing import Any

import pytest
from google.protobuf import json_format
from seawall.config.v1.config_pb2 import GatewayConfig
from seawall.policy.v1.policy_pb2 import MethodPolicy, RetryPolicy, UpstreamPolicy

from gateway.config import builtin
from gateway.config.checks import (
    config_mistakes,
    method_mistakes,
    reference_mistakes,
    upstream_mistakes,
)
from gateway.config.url import url_mistake


def of_method(plain: dict[str, Any]) -> dict[str, str]:
    return dict(method_mistakes(json_format.ParseDict(plain, MethodPolicy())))


def of_upstream(plain: dict[str, Any]) -> dict[str, str]:
    return dict(upstream_mistakes(json_format.ParseDict(plain, UpstreamPolicy())))


def of_config(plain: dict[str, Any]) -> dict[str, str]:
    return dict(config_mistakes(json_format.ParseDict(plain, GatewayConfig())))


def nested(path: str, value: Any) -> dict[str, Any]:
    for part in reversed(path.split(".")):
        value = {part: value}
    plain: dict[str, Any] = value
    return plain


def test_the_built_in_policies_are_free_of_mistakes() -> None:
    for policy in (builtin.METHOD, builtin.STREAM):
        named = MethodPolicy()
        named.CopyFrom(policy)
        named.rate_limits["any"].CopyFrom(named.rate_limits.pop(""))
        assert not list(method_mistakes(named))
    assert not list(upstream_mistakes(builtin.UPSTREAM))


@pytest.mark.parametrize(
    ("path", "low", "high", "below", "above"),
    [
        ("retry.max_attempts", 1, 20, 0, 21),
        ("retry.backoff_multiplier", 1, 100, 0.99, 100.5),
        ("sizes.max_request_bytes", 1, 2**31 - 1, 0, 2**31),
        ("sizes.max_response_bytes", 1, 2**31 - 1, 0, 2**31),
        ("sizes.max_error_bytes", 1, 2**31 - 1, 0, 2**31),
        ("sizes.max_json_depth", 1, 250, 0, 251),
    ],
)
def test_numbers_keep_their_bounds(
    path: str, low: float, high: float, below: float, above: float
) -> None:
    assert of_method(nested(path, low)) == {}
    assert of_method(nested(path, high)) == {}
    for wrong in (below, above):
        assert "must be" in of_method(nested(path, wrong))[path]


def test_a_multiplier_that_is_no_number_is_refused() -> None:
    assert "retry.backoff_multiplier" in of_method(nested("retry.backoff_multiplier", "NaN"))


@pytest.mark.parametrize(
    "path", ["deadline.margin", "retry.initial_backoff", "retry.max_retry_after"]
)
def test_these_durations_may_be_zero_and_not_less(path: str) -> None:
    assert of_method(nested(path, "0s")) == {}
    assert of_method(nested(path, "-0.5s")) == {path: "must be 0s or more, found -0.5s"}


@pytest.mark.parametrize(
    "path",
    [
        "deadline.default",
        "deadline.maximum",
        "retry.max_backoff",
        "retry.per_attempt_timeout",
        "stream.idle_timeout",
    ],
)
def test_these_durations_are_more_than_zero(path: str) -> None:
    assert of_method(nested(path, "0.001s")) == {}
    for wrong in ("0s", "-1s"):
        assert "must be more than 0s" in of_method(nested(path, wrong))[path]


def test_every_duration_of_a_policy_is_checked() -> None:
    def durations(descriptor: Any, at: str = "") -> list[str]:
        found = []
        for field in descriptor.fields:
            kind = field.message_type
            if kind is None or field.is_repeated:
                continue
            path = f"{at}{field.name}"
            is_duration = kind.full_name == "google.protobuf.Duration"
            found += [path] if is_duration else durations(kind, f"{path}.")
        return found

    for path in durations(MethodPolicy.DESCRIPTOR):
        assert path in of_method(nested(path, "-1s"))
    for path in durations(UpstreamPolicy.DESCRIPTOR):
        assert path in of_upstream(nested(path, "-1s"))
    for path in ("ceilings.deadline", "ceilings.max_backoff", "drain.wait", "drain.grace"):
        assert path in of_config(nested(path, "-1s"))


def test_a_duration_that_protobuf_does_not_allow_is_refused() -> None:
    policy = MethodPolicy()
    policy.deadline.default.nanos = 2_000_000_000
    policy.deadline.maximum.seconds = 2**62
    assert dict(method_mistakes(policy)) == {
        "deadline.default": "is not a valid duration",
        "deadline.maximum": "is not a valid duration",
    }


def test_one_level_does_not_contradict_itself() -> None:
    assert of_method({"deadline": {"default": "5s", "maximum": "5s"}}) == {}
    assert of_method({"deadline": {"default": "6s", "maximum": "5s"}}) == {
        "deadline.default": "is longer than deadline.maximum, which is 5s"
    }
    assert of_method({"retry": {"initial_backoff": "3s", "max_backoff": "2s"}}) == {
        "retry.initial_backoff": "is longer than retry.max_backoff, which is 2s"
    }


def test_statuses_and_codes_exist() -> None:
    wrong = of_method(
        {
            "retry": {"retryable_http_statuses": [400, 599, 399, 600]},
            "errors": {
                "status_codes": {299: "ABORTED", 300: "ABORTED", 404: "OK", 405: "GONE", 600: "X"}
            },
        }
    )
    assert set(wrong) == {
        "retry.retryable_http_statuses[2]",
        "retry.retryable_http_statuses[3]",
        "errors.status_codes.299",
        "errors.status_codes.404",
        "errors.status_codes.405",
        "errors.status_codes.600",
    }
    assert wrong["errors.status_codes.405"] == "'GONE' is not an error status of gRPC"


def test_headers_that_the_gateway_computes_are_refused() -> None:
    wrong = of_method(
        {"headers": {"forward_request": ["x-a", "Host"], "forward_response": ["a b"]}}
    )
    assert set(wrong) == {"headers.forward_request[1]", "headers.forward_response[0]"}


@pytest.mark.parametrize("name", ["", "-a", "a.b", "a b", "ä", "a/b"])
def test_names_of_upstreams_are_plain(name: str) -> None:
    assert set(of_method({"upstream": name})) == {"upstream"}
    assert set(of_upstream({"name": name})) == {"name"}
    assert f"upstreams.{name}" in of_config({"upstreams": {name: {}}})


def test_what_another_version_wrote_is_refused_and_not_ignored() -> None:
    policy = MethodPolicy()
    policy.retry.MergeFromString(b"\xf8\x07\x01")  # field 127
    policy.MergeFromString(b"\xf0\x07\x01")  # field 126
    assert dict(method_mistakes(policy)) == {
        "MethodPolicy": "holds field 126, which this version of seawall does not know",
        "retry": "holds field 127, which this version of seawall does not know",
    }


def test_enum_values_without_a_meaning_are_refused() -> None:
    for number in (0, 99):
        policy = MethodPolicy(retry=RetryPolicy(jitter=number))
        assert dict(method_mistakes(policy)) == {
            "retry.jitter": "must be one of FULL, EQUAL, NONE, PROPORTIONAL, DECORRELATED, "
            f"found {number}"
        }


def test_pools_and_files_keep_their_bounds() -> None:
    assert of_upstream({"pool": {"max_connections": 65535, "idle_timeout": "1s"}}) == {}
    assert set(of_upstream({"pool": {"max_connections": 0}})) == {"pool.max_connections"}
    assert set(of_upstream({"pool": {"max_connections": 65536}})) == {"pool.max_connections"}
    assert set(of_upstream({"tls": {"ca_file": ""}})) == {"tls.ca_file"}


def test_every_part_of_a_file_is_checked_under_its_key() -> None:
    bad = {"retry": {"max_attempts": 0}}
    wrong = of_config(
        {
            "defaults": {"method": bad, "upstream": {"pool": {"max_connections": 0}}},
            "upstreams": {
                "a": {"url": "a:80", "policy": {"pool": {"max_connections": 0}}, "methods": bad}
            },
            "services": {"x.Y": {"policy": bad, "methods": {"Z": bad}}},
            "ceilings": {"max_attempts": 0, "max_request_bytes": 0, "deadline": "0s"},
            "drain": {"wait": "0s", "grace": "0s"},
        }
    )
    assert set(wrong) == {
        "defaults.method.retry.max_attempts",
        "defaults.upstream.pool.max_connections",
        "upstreams.a.url",
        "upstreams.a.policy.pool.max_connections",
        "upstreams.a.methods.retry.max_attempts",
        "services.x.Y.policy.retry.max_attempts",
        "services.x.Y.methods.Z.retry.max_attempts",
        "ceilings.max_attempts",
        "ceilings.max_request_bytes",
        "ceilings.deadline",
    }


def test_what_would_do_nothing_is_refused() -> None:
    wrong = of_config(
        {
            "defaults": {"upstream": {"name": "x"}},
            "upstreams": {
                "a": {
                    "url": "http://a",
                    "policy": {"url": "http://b", "name": "b"},
                    "methods": {"upstream": "b"},
                }
            },
        }
    )
    assert set(wrong) == {
        "defaults.upstream.name",
        "upstreams.a.policy.url",
        "upstreams.a.policy.name",
        "upstreams.a.methods.upstream",
    }


@pytest.mark.parametrize(
    "url",
    [
        "http://a",
        "https://a:8443/prefix/",
        "http://127.0.0.1:1",
        "http://[::1]:80/x",
        "http://[fe80::1%eth0]",
        "http://münchen.example",
        "HTTP://host",
        "http://a_b.c-d:65535",
    ],
)
def test_urls_that_can_be_called(url: str) -> None:
    assert url_mistake(url) == ""


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "is not a URL"),
        ("orders:8080", "is not a URL"),
        ("http:/a", "is not a URL"),
        ("ftp://a", "the scheme must be http or https"),
        ("http://", "names no host"),
        ("http://:80", "names no host"),
        ("http:///path", "names no host"),
        ("http://a:0", "port 0"),
        ("http://a:65536", "is not a URL"),
        ("http://a:x", "is not a URL"),
        ("http://[::1", "is not a URL"),
        ("http://a b", "no spaces"),
        ("http://a/b\tc", "no spaces"),
        ("http://a\n", "no spaces"),
        ("http://a/\\b", "backslashes"),
        ("http://a%41", "is not the name or address of a host"),
        ("http://é..", "is not the name or address of a host"),
        ("http://a..b", "is not the name or address of a host"),
        ("http://.", "is not the name or address of a host"),
        ("http://" + "a" * 70, "is not the name or address of a host"),
        ("http://a/%zz", "must be percent-encoded"),
        ("http://a/../b", "must not hold '.' or '..' segments"),
        ("http://[a]", "is not"),
        ("http://a[::1]", "is not"),
        ("http://a/?", "no query"),
        ("http://a#b", "no query and no fragment"),
        ("http://u:p@a", "must not hold credentials"),
    ],
)
def test_urls_that_cannot_be_called_say_why(url: str, why: str) -> None:
    assert why in url_mistake(url)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://user:s3cret@a",
        "user:s3cret@a",
        "http://user:s3cret@a:x",
        "http://a?key=s3cret",
        "http://a:x/s3cret",
        "http://a b?key=s3cret",
    ],
)
def test_no_sentence_about_a_url_shows_a_secret(url: str) -> None:
    assert url_mistake(url)
    assert "s3cret" not in url_mistake(url)


@pytest.mark.parametrize("key", ["key_metadata", "key_field"])
@pytest.mark.parametrize(
    "name",
    [
        *("authorization", "proxy-authorization", "cookie", "x-api-key", "x-auth-token"),
        *("api_key", "password", "client_secret", "credentials.value", "access_token", "X-JWT"),
    ],
)
def test_a_credential_is_no_key_of_a_breaker(key: str, name: str) -> None:
    assert "is a credential" in of_method({"breaker": {key: name}})[f"breaker.{key}"]


@pytest.mark.parametrize("name", ["x-tenant", "partition_key", "author", "session", "id"])
def test_other_names_are_keys_of_breakers(name: str) -> None:
    assert of_method({"breaker": {"key_metadata": name}}) == {}
    assert of_method({"breaker": {"key_field": name}}) == {}


def test_a_fixed_credential_in_a_proto_is_a_mistake() -> None:
    policy = json_format.ParseDict(
        {
            "headers": {"set": {"x-api-key": "abc", "accept": "application/json"}},
            "request": {"query": {"access_token": "abc", "version": "2"}},
        },
        MethodPolicy(),
    )
    found = dict(reference_mistakes(policy))
    assert set(found) == {"headers.set.x-api-key", "request.query.access_token"}
    assert all("reads like a secret" in text for text in found.values())
