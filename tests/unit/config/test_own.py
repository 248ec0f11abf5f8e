"""What holds for health, reflection and the others, by the rules at the top of own.py."""

import pytest

from gateway.config.own import METHODS, check_own, own_policies, own_served
from gateway.config.problems import Problems
from gateway.core.call import MethodInfo
from gateway.core.errors import ConfigError

from .conftest import Given

CHECK = MethodInfo("grpc.health.v1.Health", "Check")
WATCH = MethodInfo("grpc.health.v1.Health", "Watch")
DEFAULTS = """
defaults:
  method:
    auth: {mode: OPTIONAL}
    rate_limits: {all: {requests: 1}}
    criticality: SHEDDABLE
"""


def mistakes(given: Given, yaml: str) -> list[str]:
    problems = Problems()
    check_own(given.document(yaml), problems)
    try:
        problems.raise_if_any()
    except ConfigError as error:
        return [str(p).replace(f"{given.folder}/", "") for p in error.problems]
    return []


def test_auth_of_the_defaults_holds_and_their_limits_do_not(given: Given) -> None:
    policy, origins = own_policies(given.document(DEFAULTS), [CHECK])[CHECK]
    assert policy.auth.mode == policy.auth.OPTIONAL
    assert origins["auth.mode"].startswith("defaults (")
    assert not policy.rate_limits
    assert policy.criticality == 3  # CRITICAL, as built in


def test_what_their_own_service_says_goes_before_and_a_method_before_that(given: Given) -> None:
    yaml = DEFAULTS + (
        "services:\n  grpc.health.v1.Health:\n"
        "    policy: {auth: {mode: NONE}, rate_limits: {probes: {requests: 9}}}\n"
        "    methods: {Watch: {auth: {mode: REQUIRED}}}\n"
    )
    found = own_policies(given.document(yaml), [CHECK, WATCH])
    assert found[CHECK][0].auth.mode == found[CHECK][0].auth.NONE
    assert found[CHECK][0].rate_limits["probes"].requests == 9
    assert found[CHECK][0].rate_limits["probes"].per.seconds == 60
    assert found[WATCH][0].auth.mode == found[WATCH][0].auth.REQUIRED


def test_what_says_nothing_of_them_is_a_mistake(given: Given) -> None:
    yaml = (
        "services:\n  grpc.health.v1.Health:\n    policy: {retry: {max_attempts: 2}}\n"
        "    methods: {Chek: {auth: {mode: NONE}}, Check: {headers: {set: {a: b}}}}\n"
    )
    assert mistakes(given, yaml) == [
        "seawall.yaml:3: services.grpc.health.v1.Health.policy.retry: says nothing of a service "
        "that the gateway answers itself; auth and rate_limits do",
        "seawall.yaml:4: services.grpc.health.v1.Health.methods.Check.headers: says nothing of a "
        "service that the gateway answers itself; auth and rate_limits do",
        "seawall.yaml:4: services.grpc.health.v1.Health.methods.Chek: there is no method 'Chek'; "
        "did you mean 'Check'?",
    ]


@pytest.mark.parametrize("enabled", [False, True])
def test_some_are_served_only_where_they_are_enabled(given: Given, enabled: bool) -> None:
    text = str(enabled).lower()
    domains = "domains: {e: {limits: [{entries: [{key: a}], limit: {requests: 1}}]}}"
    yaml = f"admin: {{enabled: {text}}}\nrate_limit_service: {{enabled: {text}, {domains}}}\n"
    served = own_served(given.document(yaml), operations=enabled)
    optional = {"seawall.admin.v1.AdminService", "envoy.service.ratelimit.v3.RateLimitService"}
    optional.add("google.longrunning.Operations")
    assert served == set(METHODS) - (set() if enabled else optional)


@pytest.mark.parametrize(
    ("limit", "what"),
    [
        ("{per: 1s}", "rate_limits.a.requests: must be said"),
        ("{requests: 1, burst: 2}", "rate_limits.a.burst: is for 'algorithm: GCRA' only"),
        ("{requests: 1, by: ['field:service']}", "rate_limits.a.by: its requests are not looked"),
    ],
)
def test_limits_of_own_services_are_looked_at_as_a_whole(
    limit: str, what: str, given: Given
) -> None:
    check = f"{{Check: {{rate_limits: {{a: {limit}}}}}}}"
    yaml = f"services: {{grpc.health.v1.Health: {{methods: {check}}}}}\n"
    (mistake,) = mistakes(given, yaml)
    assert mistake.startswith(f"seawall.yaml:1: grpc.health.v1.Health/Check: {what}")
