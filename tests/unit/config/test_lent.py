"""Composed methods that ask for less than what they are made of."""

import pytest

from .conftest import Given, get

PROTOS = (
    "service Orders {\n"
    + get("GetOrder")
    + get("GetSecret")
    + "rpc GetOverview(Item) returns (Overview);\n}\nmessage Overview { Item order = 1; }\n"
)
IDENTITY = (
    "identity: {providers: {keys: {api_keys: {keys: [{caller: a, sha256: " + "0" * 64 + ", "
    "roles: [admin, owner]}]}}}}\n"
)


def warnings(given: Given, overview: str, secret: str, identity: str = IDENTITY) -> list[str]:
    yaml = identity + (
        "services:\n  shop.v1.Orders:\n    methods:\n"
        f"      GetSecret: {{auth: {secret}}}\n"
        f"      GetOverview: {{auth: {overview}, fan_out: {{branches: "
        "[{method: shop.v1.Orders/GetSecret, field: order}]}}\n"
    )
    return [str(problem) for problem in given.served(PROTOS, yaml).warnings]


@pytest.mark.parametrize(
    ("overview", "secret", "less"),
    [
        ("{}", "{roles: [admin]}", "does not ask for a role of admin"),
        ("{roles: [owner]}", "{roles: [admin]}", "does not ask for a role of admin"),
        ("{roles: [admin, owner]}", "{roles: [admin]}", "does not ask for a role of admin"),
        ("{mode: NONE}", "{}", "does not ask for a credential"),
        ("{mode: OPTIONAL}", "{}", "does not ask for a credential"),
    ],
)
def test_a_part_that_asks_for_more_is_told(
    overview: str, secret: str, less: str, given: Given
) -> None:
    (warning,) = warnings(given, overview, secret)
    assert f"shop.v1.Orders/GetOverview: auth: {less}; shop.v1.Orders/GetSecret" in warning


@pytest.mark.parametrize(
    ("overview", "secret"),
    [
        ("{roles: [admin]}", "{roles: [admin]}"),
        ("{roles: [admin]}", "{roles: [admin, owner]}"),
        ("{}", "{}"),
        ("{}", "{mode: OPTIONAL}"),
        ("{mode: NONE}", "{mode: NONE}"),
        ("{roles: [admin]}", "{}"),
    ],
)
def test_what_asks_for_as_much_is_fine(overview: str, secret: str, given: Given) -> None:
    assert warnings(given, overview, secret) == []


@pytest.mark.parametrize(
    ("listener", "warned"),
    [
        ("auth: NONE", True),
        ("auth: NONE, services: [shop.v1.Orders]", True),
        ("auth: NONE, services: [grpc.health.v1.Health]", False),
        ("auth: OPTIONAL", False),
    ],
)
def test_a_listener_that_opens_what_asks_for_a_role_is_told(
    listener: str, warned: bool, given: Given
) -> None:
    yaml = IDENTITY + (
        f"listeners: [{{listen: '127.0.0.1:1', {listener}}}, {{listen: '127.0.0.1:2'}}]\n"
        "services: {shop.v1.Orders: {methods: {GetSecret: {auth: {roles: [admin]}}, "
        "GetOverview: {auth: {roles: [admin]}, fan_out: {branches: "
        "[{method: shop.v1.Orders/GetOrder, field: order}]}}}}}\n"
    )
    told = [str(problem) for problem in given.served(PROTOS, yaml).warnings]
    assert (len(told) == 1 and "NONE opens shop.v1.Orders/GetSecret" in told[0]) == warned
    assert warned or told == []


TWO = (
    "identity: {providers: {keys: {api_keys: {keys: [{caller: a, sha256: " + "0" * 64 + "}]}}, "
    "partners: {api_keys: {metadata: x-partner, keys: [{caller: b, sha256: " + "1" * 64 + "}]}}}}\n"
)


@pytest.mark.parametrize(
    ("overview", "secret", "told"),
    [
        ("{}", "{providers: [partners]}", True),
        ("{providers: [keys]}", "{providers: [partners]}", True),
        ("{providers: [keys, partners]}", "{providers: [partners]}", True),
        ("{providers: [partners]}", "{providers: [partners]}", False),
        ("{providers: [partners]}", "{}", False),
    ],
)
def test_a_part_that_hears_fewer_providers_is_told(
    overview: str, secret: str, told: bool, given: Given
) -> None:
    found = warnings(given, overview, secret, TWO)
    assert [("credential of partners" in one) for one in found] == [True] * told


@pytest.mark.parametrize(
    ("defaults", "whole", "part", "told"),
    [
        ("{}", "", "rate_limits: {a: {requests: 1}}", True),
        ("{}", "rate_limits: {b: {requests: 1}},", "rate_limits: {a: {requests: 1}}", True),
        ("{}", "rate_limits: {a: {requests: 1}},", "", False),
        ("{}", "", "rate_limits: {a: {requests: 1, shadow: true}}", False),
        ("{a: {requests: 9}}", "", "", False),
        ("{a: {requests: 9}}", "", "rate_limits: {a: {requests: 1}}", True),
    ],
)
def test_a_part_with_limits_that_the_whole_has_not_is_told(
    defaults: str, whole: str, part: str, told: bool, given: Given
) -> None:
    yaml = (
        f"defaults: {{method: {{rate_limits: {defaults}}}}}\n"
        "services:\n  shop.v1.Orders:\n    methods:\n"
        f"      GetSecret: {{{part}}}\n"
        f"      GetOverview: {{{whole} fan_out: {{branches: "
        "[{method: shop.v1.Orders/GetSecret, field: order}]}}\n"
    )
    found = [str(problem) for problem in given.served(PROTOS, yaml).warnings]
    assert [("do not count for them" in one) for one in found] == [True] * told


@pytest.mark.parametrize(
    "call",
    [
        "GetOverview: {fan_out: {branches: [{method: shop.v1.Orders/GetSecret, field: order}]}}",
        "GetOrder: {fallback: {steps: [{method: shop.v1.Orders/GetSecret}]}}",
    ],
)
def test_what_must_be_signed_by_its_sender_is_called_by_nobody_else(
    call: str, given: Given
) -> None:
    made = (
        ""
        if "GetOverview" in call
        else (
            "      GetOverview: {fan_out: {branches: [{method: shop.v1.Orders/GetOrder, "
            "field: order}]}}\n"
        )
    )
    yaml = (
        "services:\n  shop.v1.Orders:\n    methods:\n"
        "      GetSecret: {webhook: {body_field: id, signature_metadata: x-s, "
        "secrets: [0123456789abcdef]}}\n"
        f"      {call}\n{made}"
    )
    (mistake,) = given.mistakes(PROTOS, yaml)
    assert "GetSecret has a webhook, and only its sender can sign a request" in mistake
