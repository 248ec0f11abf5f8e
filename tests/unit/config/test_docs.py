"""docs/configuration.md says everything, and nothing that is not so."""

import re
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from seawall.config.v1.config_pb2 import GatewayConfig

from gateway.config import builtin
from gateway.config.document import MAX_DEPTH, MAX_FILE_BYTES, read_document
from gateway.config.references import MAX_FILE_BYTES as MAX_REFERENCE_BYTES
from gateway.config.resolve import Resolved

from .conftest import CA_PEM, Given, get

PAGE = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text()
PROTOS = (
    'import "google/rpc/status.proto";\n'
    "service Orders {\n"
    + get("GetOrder")
    + get("CreateOrder")
    + get("WatchOrders", returns="stream Item")
    + "rpc Chat(stream Item) returns (stream Item) "
    + '{ option (google.api.http) = {post: "/v1/chat" body: "*"}; }'
    + "rpc GetOverview(Item) returns (Overview);\n"
    + "rpc GetOrders(Ids) returns (Results);\n"
    + "}\nmessage Overview { Item order = 1; string state = 2; }\n"
    + "message Ids { repeated string ids = 1; }\n"
    + "message Result { Item order = 1; google.rpc.Status status = 2; }\n"
    + "message Results { repeated Result results = 1; }\n"
    + "service Payments {\n"
    + get("GetPayment")
    + "}\n"
)


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    text: str = found
    return text


@pytest.fixture
def example(given: Given) -> Resolved:
    for name, text in (("secrets/payments-url", "https://pay\n"), ("certs/ca.pem", CA_PEM)):
        path = given.folder / name
        path.parent.mkdir()
        path.write_text(text)
    return given.served(PROTOS, block("yaml"), upstreams={})


def test_the_example_serves(example: Resolved) -> None:
    assert {name: upstream.policy.url for name, upstream in example.upstreams.items()} == {
        "orders": "http://localhost:8080/api",
        "payments": "https://pay",
    }
    payments = example.methods[-1].policy
    assert payments.retry.disabled
    assert list(payments.headers.forward_request) == []


def test_the_example_has_every_field(example: Resolved, given: Given) -> None:
    said = json_format.MessageToDict(
        read_document(given.folder / "seawall.yaml", {}).config, preserving_proto_field_name=True
    )

    def keys(plain: Any) -> set[str]:
        if isinstance(plain, dict):
            return set(plain) | {key for value in plain.values() for key in keys(value)}
        return {key for value in plain for key in keys(value)} if isinstance(plain, list) else set()

    def fields(descriptor: Any) -> set[str]:
        found = set()
        for field in descriptor.fields:
            kind = field.message_type
            if not (kind is not None and kind.GetOptions().map_entry and descriptor is kind):
                found.add(field.name)
            if kind is not None and not kind.full_name.startswith("google."):
                found |= fields(kind)
        return found - {"key", "value"}

    # A folder or a set, not both.
    assert fields(GatewayConfig.DESCRIPTOR) - keys(said) == {"proto"}
    assert "`proto: protos`" in block("yaml")


def test_what_explain_says_of_the_example_is_so(example: Resolved, given: Given) -> None:
    (method,) = (m for m in example.methods if m.method.name == "GetOrder")
    plain = json_format.MessageToDict(method.policy, preserving_proto_field_name=True)
    rows = block("text").splitlines()
    assert len(rows) > 4
    for row in rows:
        path, shown, origin = re.split(r" {2,}", row)
        value: Any = plain
        for part in path.split("."):
            value = value[part]
        assert shown == (", ".join(value) if isinstance(value, list) else str(value))
        assert origin == method.origins[path].replace(f"{given.folder}/", "")


def test_the_table_of_built_in_values_is_what_is_built_in() -> None:
    def leaves(plain: Any, at: str = "") -> dict[str, str]:
        found: dict[str, str] = {}
        for key, value in plain.items():
            if isinstance(value, dict):
                found |= leaves(value, f"{at}{key}.")
            else:
                shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
                found[at + key] = shown
        return found

    def built_in(message: Any) -> dict[str, str]:
        return leaves(json_format.MessageToDict(message, preserving_proto_field_name=True))

    method = built_in(builtin.METHOD) | built_in(builtin.UPSTREAM)
    stream = built_in(builtin.STREAM)
    table = PAGE.partition("## Built-in values")[2]
    rows = re.findall(r"^\| `([\w.]+)` \| (.*?) ?\| (.*?) ?\|$", table, re.MULTILINE)
    assert {path: value for path, value, _ in rows if value} == method
    assert {path: value for path, _, value in rows if value} == {
        path: value for path, value in stream.items() if method.get(path) != value
    }


def test_the_limits_that_the_page_names_are_so() -> None:
    assert f"at most {MAX_REFERENCE_BYTES} bytes" in " ".join(PAGE.split())
    assert f"{MAX_FILE_BYTES // 2**20} MiB and {MAX_DEPTH} levels" in " ".join(PAGE.split())
