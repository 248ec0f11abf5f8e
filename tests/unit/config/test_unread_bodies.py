"""Rules of errors that look at bodies, at methods whose answers are made by others."""

import pytest

from gateway.config.compositions import unread_body_doubts

from .conftest import Given, get

PROTOS = (
    "service Orders {\n"
    + get("GetOrder")
    + get("GetOther")
    + "rpc GetOverview(Item) returns (Overview);\n"
    "rpc GetWhole(Item) returns (Whole);\nrpc GetMany(Many) returns (Found);\n}\n"
    'import "google/rpc/status.proto";\n'
    "message Overview { Item order = 1; }\nmessage Whole { Overview overview = 1; }\n"
    "message Many { repeated string id = 1; }\nmessage Found { repeated One one = 1; }\n"
    "message One { Item result = 1; google.rpc.Status status = 2; }\n"
)
RULE = "errors: {rules: [{reason: A, body: {code: x}}]}"
BY_STATUS = "errors: {rules: [{reason: A, http_statuses: [402]}]}"
PART = "{method: shop.v1.Orders/GetOrder, field: order}"


def told(given: Given, methods: dict[str, str], service: str = "{}") -> list[str]:
    rest = {
        "GetOverview": f"fan_out: {{branches: [{PART}]}}",
        "GetWhole": (
            "fan_out: {branches: [{method: shop.v1.Orders/GetOverview, field: overview}]}"
        ),
        "GetMany": (
            "scatter: {method: shop.v1.Orders/GetOrder, items: id, results: one, "
            "request: {id: item}}"
        ),
    }
    said = {
        name: ", ".join(filter(None, (rest.get(name, ""), methods.get(name, ""))))
        for name in (*rest, *methods)
    }
    yaml = "errors: {reasons: {A: {}}}\nservices:\n  shop.v1.Orders:\n"
    yaml += f"    policy: {service}\n    methods:\n"
    yaml += "".join(f"      {name}: {{{policy}}}\n" for name, policy in said.items())
    resolved = given.served(PROTOS, yaml)
    found = unread_body_doubts(resolved.methods, resolved.compositions)
    return [problem.text.partition(":")[0].rpartition("/")[2] for problem in found]


@pytest.mark.parametrize(
    ("methods", "names"),
    [
        ({"GetOverview": RULE}, ["GetOverview"]),
        ({"GetWhole": RULE}, ["GetWhole"]),
        ({"GetMany": RULE}, ["GetMany"]),
        ({"GetMany": RULE, "GetOrder": RULE}, ["GetMany"]),
        ({"GetOverview": RULE, "GetOther": RULE}, ["GetOverview"]),
        ({"GetOverview": RULE, "GetOrder": BY_STATUS}, ["GetOverview"]),
        ({"GetOverview": BY_STATUS}, []),
        ({"GetOverview": RULE, "GetOrder": RULE}, []),
        ({"GetWhole": RULE, "GetOrder": RULE}, []),
        ({"GetOrder": RULE}, []),
    ],
)
def test_a_rule_whose_body_no_part_keeps_is_told(
    methods: dict[str, str], names: list[str], given: Given
) -> None:
    assert told(given, methods) == names


def test_a_rule_that_a_service_says_for_the_parts_too_is_followed(given: Given) -> None:
    assert told(given, {}, f"{{{RULE}}}") == []


def test_a_part_that_may_fail_ends_no_call(given: Given) -> None:
    optional = f"fan_out: {{branches: [{PART[:-1]}, need: OPTIONAL}}]}}"
    yaml = (
        "errors: {reasons: {A: {}}}\nservices:\n  shop.v1.Orders:\n    methods:\n"
        f"      GetOrder: {{{RULE}}}\n      GetOverview: {{{optional}, {RULE}}}\n"
    )
    made = PROTOS.replace("rpc GetWhole(Item) returns (Whole);\n", "")
    made = made.replace("rpc GetMany(Many) returns (Found);\n", "")
    resolved = given.served(made, yaml)
    (one,) = unread_body_doubts(resolved.methods, resolved.compositions)
    assert one.text.startswith("shop.v1.Orders/GetOverview: errors.rules: ")
