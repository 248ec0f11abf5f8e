"""What no level may exceed."""

import pytest

from .conftest import Given, get

SERVICE = "service A {\n" + get("Get") + get("Watch", returns="stream Item") + "}"


def test_ceilings_clamp_every_level_and_say_so(given: Given) -> None:
    yaml = """
defaults: {method: {sizes: {max_request_bytes: 2000}}}
services:
  shop.v1.A:
    policy: {retry: {max_attempts: 9}}
    methods: {Get: {deadline: {default: 20s, maximum: 50s}, retry: {max_backoff: 8s}}}
ceilings:
  deadline: 10s
  max_attempts: 4
  max_backoff: 0.05s
  max_request_bytes: 1000
  max_response_bytes: 3000
"""
    method = given.served(SERVICE, yaml).methods[0]
    policy, file = method.policy, given.folder / "seawall.yaml"
    assert policy.deadline.default.seconds == policy.deadline.maximum.seconds == 10
    assert policy.retry.max_attempts == 4
    assert policy.retry.initial_backoff.nanos == policy.retry.max_backoff.nanos == 50_000_000
    assert policy.sizes.max_request_bytes == 1000
    assert policy.sizes.max_response_bytes == 3000
    assert {path: o for path, o in method.origins.items() if o.startswith("ceiling")} == {
        "deadline.default": f"ceiling ({file}:8), was method ({file}:6)",
        "deadline.maximum": f"ceiling ({file}:8), was method ({file}:6)",
        "retry.max_attempts": f"ceiling ({file}:9), was service ({file}:5)",
        "retry.initial_backoff": f"ceiling ({file}:10), was built-in",
        "retry.max_backoff": f"ceiling ({file}:10), was method ({file}:6)",
        "sizes.max_request_bytes": f"ceiling ({file}:11), was defaults ({file}:2)",
        "sizes.max_response_bytes": f"ceiling ({file}:12), was built-in",
    }


def test_ceilings_clamp_what_the_proto_says(given: Given) -> None:
    body = "service A {\n" + get("Get", "option (seawall.policy.v1.method).retry.max_attempts = 7;")
    (method,) = given.served(body + "}", "ceilings: {max_attempts: 2}").methods
    assert method.policy.retry.max_attempts == 2
    assert method.origins["retry.max_attempts"].endswith("was method (shop.proto:7)")


def test_what_lies_at_or_under_its_ceiling_stays(given: Given) -> None:
    yaml = "ceilings: {deadline: 15s, max_attempts: 3, max_request_bytes: 18446744073709551615}"
    get_, watch = given.served(SERVICE, yaml).methods
    assert get_.policy.deadline.default.seconds == 15
    assert get_.origins["deadline.default"] == "built-in"
    assert get_.origins["retry.max_attempts"] == "built-in"
    assert get_.policy.sizes.max_request_bytes == 4 * 1024 * 1024
    assert watch.policy.deadline.default.seconds == 15
    assert watch.origins["deadline.default"].endswith("was built-in")


def test_a_ceiling_brings_nothing_where_the_mechanism_is_off(given: Given) -> None:
    yaml = "defaults: {method: {retry: {disabled: true}}}\nceilings: {max_attempts: 2}"
    method = given.served(SERVICE, yaml).methods[0]
    assert not method.policy.retry.HasField("max_attempts")


@pytest.mark.parametrize(
    ("said", "path", "bound"),
    [
        ("deadline: {maximum: 5s}", "deadline.default", "deadline.maximum"),
        ("deadline: {default: 90s}", "deadline.default", "deadline.maximum"),
        ("retry: {max_backoff: 0.01s}", "retry.initial_backoff", "retry.max_backoff"),
    ],
)
def test_a_policy_keeps_to_its_own_bounds_and_says_so(
    given: Given, said: str, path: str, bound: str
) -> None:
    method = given.served(SERVICE, f"defaults: {{method: {{{said}}}}}").methods[0]
    group, name = path.split(".")
    values = getattr(method.policy, group)
    assert getattr(values, name) == getattr(values, bound.split(".")[1])
    assert method.origins[path].startswith(f"{bound}, ")
    assert "was " in method.origins[path]


def test_methods_of_which_the_same_is_said_keep_their_own_policies_apart(given: Given) -> None:
    body = (
        "service A {\n"
        + get("One")
        + get("Two")
        + get("Own", "option (seawall.policy.v1.method).deadline.default.seconds = 3;")
    )
    one, two, own = given.served(body + "}", "ceilings: {deadline: 10s}").methods
    assert one.policy is two.policy
    assert own.policy.deadline.default.seconds == 3
    assert one.policy.deadline.default.seconds == 10
