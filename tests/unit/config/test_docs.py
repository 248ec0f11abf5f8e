"""docs/configuration.md says everything, and nothing that is not so."""

import re
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from seawall.config.v1.config_pb2 import GatewayConfig
from support.certificates import Authority

from gateway.config import builtin
from gateway.config.document import MAX_DEPTH, MAX_FILE_BYTES, Document, read_document
from gateway.config.listeners import listener_options
from gateway.config.references import MAX_FILE_BYTES as MAX_REFERENCE_BYTES
from gateway.config.resolve import Flags, Resolved, resolve
from gateway.config.tracing import tracing_options

from .conftest import CA_PEM, Given, get, schema_of

PAGE = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text()
JWKS = (
    '{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "1", "alg": "EdDSA", '
    '"x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}'
)
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


EDGE = (
    "message Signed { bytes body = 1; string signature = 2; int64 sent_at = 3; string id = 4; }\n"
    + "service Orders {\n"
    + get("CreateOrder")
    + "".join(
        f"rpc {name}(Signed) returns (Item) "
        f'{{ option (google.api.http) = {{post: "/v1/{name}" body: "*"}}; }}\n'
        for name in ("Deliver", "DeliverPlain", "DeliverOther")
    )
    + "}\n"
    + "".join(f"service {n} {{ {get('Get' + n)} }}\n" for n in ("Payments", "Mail", "Stock"))
)


KEPT = (
    'import "google/longrunning/operations.proto";\n'
    "enum Kind { KIND_UNSPECIFIED = 0; CARD = 1; }\n"
    "message GetOrderRequest { string id = 1; Kind kind = 2; string trace = 3; }\n"
    "message OrderOf { Item order = 1; }\n"
    "message Ids { repeated string ids = 1; }\n"
    "message Found { string id = 1; Item order = 2; }\n"
    "message FoundOrders { repeated Found found = 1; }\n"
    "message Find { string reference = 1; }\n"
    "message Pay { string id = 1; string request_id = 2; }\n"
    "service Orders {\n"
    + "".join(
        f"rpc {name}({takes}) returns ({gives}) {{ option (google.api.http) = {{{rule}}}; }}\n"
        for name, takes, gives, rule in (
            ("GetOrder", "GetOrderRequest", "OrderOf", 'get: "/v1/orders/{id}"'),
            ("BatchGetOrders", "Ids", "FoundOrders", 'get: "/v1/orders:batch"'),
            ("ListOrders", "Find", "FoundOrders", 'get: "/v1/orders"'),
            ("FindOrder", "Find", "OrderOf", 'get: "/v1/orders:find"'),
            ("CreateOrder", "Item", "OrderOf", 'post: "/v1/orders" body: "*"'),
            ("PayOrder", "Pay", "OrderOf", 'post: "/v1/orders/{id}:pay" body: "*"'),
            ("TakeEvent", "Event", "Item", 'post: "/v1/events" body: "*"'),
            ("NoteOrder", "Item", "Noted", 'post: "/v1/orders/{id}:note" body: "*"'),
        )
    )
    + "".join(
        f"rpc {name}(Item) returns (google.longrunning.Operation) {{ {rule}"
        'option (google.longrunning.operation_info) = {response_type: "OrderOf"}; }\n'
        for name, rule in (
            ("ShipOrder", 'option (google.api.http) = {post: "/v1/orders/{id}:ship"}; '),
            ("CloseOrder", ""),
        )
    )
    + "rpc FollowOrder(Item) returns (stream OrderOf);\n"
    + "}\nmessage Event { bytes body = 1; }\nmessage Noted { string operation = 1; }\n"
)


def block(language: str, number: int = 0) -> str:
    found = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    text: str = found[number]
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


def edge_document(given: Given) -> Document:
    authority = Authority("CA")
    pair = authority.issue("orders", dns=["orders"])
    for name, content in (
        ("certs/server.pem", pair.cert),
        ("certs/server.key", pair.key),
        ("certs/gateway.pem", pair.cert),
        ("certs/gateway.key", pair.key),
        ("certs/clients.pem", authority.pem),
        ("certs/jwks.json", JWKS.encode()),
        ("secrets/webhook-new", b"whsec_new_0123456789"),
        ("secrets/webhook-old", b"whsec_old_0123456789"),
        ("secrets/client", b"client-secret-0123456789"),
        ("keys.yaml", f"keys: [{{caller: other, sha256: {'0' * 64}}}]".encode()),
    ):
        path = given.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    return given.document(block("yaml", 1))


def test_the_example_of_the_edge_serves(given: Given) -> None:
    document = edge_document(given)
    schema = schema_of(EDGE)
    resolved = resolve(schema, document, Flags(), {})
    assert [str(problem) for problem in resolved.warnings] == []
    listeners = listener_options(document, None)
    assert [str(listener.listen) for listener in listeners] == ["0.0.0.0:50051", "0.0.0.0:50052"]


def test_the_example_of_kept_answers_serves(given: Given) -> None:
    document = given.document(block("yaml", 2))
    flags = Flags(upstreams={"": "http://orders"})
    resolved = resolve(schema_of(KEPT), document, flags, {})
    assert [str(problem) for problem in resolved.warnings] == []


def tracing_document(given: Given) -> Document:
    for name, text in (("secrets/collector", "collector-key-0123\n"), ("certs/ca.pem", CA_PEM)):
        (given.folder / name).parent.mkdir(exist_ok=True)
        (given.folder / name).write_text(text)
    return given.document(block("yaml", 3))


def test_the_example_of_traces_serves(given: Given) -> None:
    document = tracing_document(given)
    flags = Flags(upstreams={"": "http://orders"})
    resolved = resolve(schema_of(KEPT), document, flags, {})
    assert [str(problem) for problem in resolved.warnings] == []
    options = tracing_options(document.config.tracing, given.folder)
    assert options is not None
    assert (options.headers, options.ca) == (
        {"x-collector-key": "collector-key-0123"},
        CA_PEM.encode(),
    )


def test_the_example_has_every_field(example: Resolved, given: Given) -> None:
    said = [
        json_format.MessageToDict(config, preserving_proto_field_name=True)
        for config in (
            read_document(given.folder / "seawall.yaml", {}).config,
            edge_document(given).config,
            given.document(block("yaml", 2)).config,
            tracing_document(given).config,
        )
    ]

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
                found |= leaves(value, f"{at}{key or 'NAME'}.")
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
