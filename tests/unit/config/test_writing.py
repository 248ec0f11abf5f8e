"""What policies say of how messages are written, held against the protos."""

import pytest
from google.protobuf import json_format

from gateway.config.shown import HIDDEN
from gateway.config.writing import habits_of, request_options
from gateway.transcode.habits import EnumCase, Timestamps, ValueHabits

from .conftest import Given

PROTOS = """
import "google/protobuf/timestamp.proto";
enum State { STATE_UNSPECIFIED = 0; STATE_OPEN = 1; }
message Order {
  string id = 1;
  State state = 2 [(seawall.policy.v1.field) = {strip_enum_prefix: true, enum_case: LOWER_SNAKE}];
  google.protobuf.Timestamp made = 3 [(seawall.policy.v1.field).timestamps = EPOCH_SECONDS];
  State other_state = 4;
  Item item = 5;
  string etag = 6;
}
service Orders {
  rpc PutOrder(Order) returns (Order) { option (google.api.http) = {put: "/v1/{id}", body: "*"}; }
  rpc PutName(Order) returns (Item) { option (google.api.http) = {put: "/v2/{id}", body: "etag"}; }
}
"""


def yaml(text: str) -> str:
    return f"services: {{shop.v1.Orders: {{methods: {{PutOrder: {{{text}}}}}}}}}"


def test_a_field_says_how_its_values_are_written(given: Given) -> None:
    method = given.served(PROTOS).methods[0]
    habits = habits_of(method.policy)
    fields = method.descriptor.input_type.fields_by_name
    assert habits.values_of(fields["state"]) == ValueHabits(
        strip_enum_prefix=True, enum_case=EnumCase.LOWER_SNAKE
    )
    assert habits.values_of(fields["made"]).timestamps is Timestamps.EPOCH_SECONDS
    assert habits.values_of(fields["other_state"]) == ValueHabits()


def test_what_a_field_leaves_open_the_method_says(given: Given) -> None:
    said = yaml("json: {values: {enum_case: PASCAL, int64_as_numbers: true}}")
    method = given.served(PROTOS, said).methods[0]
    fields = method.descriptor.input_type.fields_by_name
    values = habits_of(method.policy).values_of(fields["state"])
    assert values.enum_case is EnumCase.LOWER_SNAKE
    assert values.int64_as_numbers


def test_a_field_that_travels_as_a_header_leaves_the_body(given: Given) -> None:
    said = yaml("json: {field_names: PROTO_NAME}, headers: {request_fields: {If-Match: etag}}")
    (binding,) = given.served(PROTOS, said).methods[0].bindings
    assert [(name, reader.path) for name, reader in binding.headers] == [("if-match", "etag")]
    assert binding.body_skip == (("id",), ("etag",))


def test_the_response_field_goes_before_the_binding(given: Given) -> None:
    (binding,) = given.served(PROTOS, yaml("json: {response_field: item}")).methods[0].bindings
    assert binding.response_body is not None
    assert binding.response_body.name == "item"


@pytest.mark.parametrize(
    ("said", "mistake"),
    [
        ("json: {response_field: nope}", "json.response_field: shop.v1.Order has no field 'nope'"),
        (
            "headers: {request_fields: {x: nope}}",
            "headers.request_fields.x: shop.v1.Order has no field 'nope'",
        ),
        (
            "headers: {response_fields: {x: item}}",
            "headers.response_fields.x: shop.v1.Order.item is a message",
        ),
        ("headers: {set: {host: a}}", "headers.set.host: 'host' is computed by the gateway"),
        ('headers: {set: {x: "a\\nb"}}', "headers.set.x: must be printable ASCII"),
        (
            "headers: {set: {X: a}, request_fields: {x: id}}",
            "headers.set.X: is in headers.request_fields too",
        ),
        (
            "headers: {set: {x-a: a, X-A: b}}",
            "headers.set.x-a: is given twice, in another case",
        ),
        (
            "headers: {request_fields: {x: id}}",
            "headers.request_fields.x: 'id' travels in the path \"/v1/{id}\" already",
        ),
        ("json: {response_root: a..b}", "json.response_root: must be keys joined by dots"),
    ],
)
def test_what_cannot_be_is_a_mistake_with_its_place(given: Given, said: str, mistake: str) -> None:
    (found,) = given.mistakes(PROTOS, yaml(said))
    assert mistake in found
    assert "seawall.yaml:1" in found


def test_a_form_needs_a_message(given: Given) -> None:
    said = "services: {shop.v1.Orders: {policy: {request: {body_format: FORM}}}}"
    (found,) = given.mistakes(PROTOS, said)
    assert "PutName" in found
    assert "the body shop.v1.Order.etag is no object of fields" in found


def test_a_field_that_is_the_body_is_no_header_too(given: Given) -> None:
    methods = "{PutName: {headers: {request_fields: {x-etag: etag}}}}"
    (found,) = given.mistakes(PROTOS, f"services: {{shop.v1.Orders: {{methods: {methods}}}}}")
    assert "headers.request_fields.x-etag: 'etag' is the body already" in found


def test_a_fixed_header_of_one_level_does_not_swallow_a_field_of_another(given: Given) -> None:
    yaml = """
services:
  shop.v1.Orders:
    policy: {headers: {set: {If-Match: "*"}}}
    methods: {PutOrder: {headers: {request_fields: {if-match: etag}}}}
"""
    (found,) = given.mistakes(PROTOS, yaml)
    assert "headers.request_fields.if-match: headers.set sends that header" in found


@pytest.mark.parametrize("option", ["headers.set", "request.query"])
def test_a_reference_in_a_proto_is_a_mistake(given: Given, option: str) -> None:
    protos = PROTOS.replace(
        'body: "*"}; }',
        f'body: "*"}}; option (seawall.policy.v1.method).{option} = '
        '{key: "x-key" value: "${KEY}"}; }',
        1,
    )
    (found,) = given.mistakes(protos)
    assert f"{option}.x-key: references are followed in YAML only" in found


def test_a_stream_of_messages_is_no_form(given: Given) -> None:
    protos = """
    service Uploads { rpc Upload(stream Item) returns (Item) {
      option (google.api.http) = {post: "/v1/items" body: "*"}; } }
    """
    yaml = "services: {shop.v1.Uploads: {policy: {request: {body_format: FORM}}}}"
    (found,) = given.mistakes(protos, yaml)
    assert "request.body_format: a stream of messages is no form" in found


def test_headers_fill_no_fields_of_streams(given: Given) -> None:
    protos = """
    service Watches { rpc Watch(Item) returns (stream Item) {
      option (google.api.http) = {get: "/v1/items"}; } }
    """
    methods = "{Watch: {headers: {response_fields: {etag: id}}}}"
    yaml = f"services: {{shop.v1.Watches: {{methods: {methods}}}}}"
    (found,) = given.mistakes(protos, yaml)
    assert "headers.response_fields: the messages of a stream have no headers" in found


@pytest.mark.parametrize("name", ["Authorization", "x-api-key", "Cookie", "x-session-id"])
def test_a_header_that_may_hold_a_secret_is_not_shown(given: Given, name: str) -> None:
    said = yaml(f"headers: {{set: {{{name}: literal}}}}")
    assert given.served(PROTOS, said).methods[0].shown_policy.headers.set[name] == HIDDEN


@pytest.mark.parametrize(
    ("field", "mistake"),
    [
        (
            "string a = 1 [(seawall.policy.v1.field).timestamps = EPOCH_SECONDS];",
            "timestamps: says",
        ),
        ("int32 a = 1 [(seawall.policy.v1.field).int64_as_numbers = true];", "int64_as_numbers: s"),
        ("Item a = 1 [(seawall.policy.v1.field).enum_case = PASCAL];", "enum_case: says nothing"),
    ],
)
def test_an_option_that_says_nothing_of_its_field_is_a_mistake(
    given: Given, field: str, mistake: str
) -> None:
    protos = f"message Odd {{ {field} }}\n" + (
        "service S { rpc Get(Odd) returns (Odd) { option (google.api.http) = "
        '{post: "/v1", body: "*"}; } }'
    )
    (found,) = given.mistakes(protos)
    assert f"shop.v1.Odd.a: {mistake}" in found


def test_a_secret_is_sent_and_not_shown(given: Given) -> None:
    (given.folder / "key").write_text("sesame\n")
    said = yaml("headers: {set: {X-Key: file:key, x-plain: open}}, request: {query: {k: '${K}'}}")
    method = given.served(PROTOS, said, environ={"K": "secret"}).methods[0]
    options = request_options(method.policy)
    assert options.headers == {"x-key": "sesame", "x-plain": "open"}
    assert options.query == {"k": "secret"}
    shown = json_format.MessageToJson(method.shown_policy)
    assert "sesame" not in shown
    assert "secret" not in shown
    assert method.shown_policy.headers.set["X-Key"] == HIDDEN
    assert method.shown_policy.headers.set["x-plain"] == "open"


def test_no_secret_is_shown_however_many_there_are(given: Given) -> None:
    names = [f"name-{n}" for n in range(24)]
    headers = ", ".join(f"{name}: '${{V{n}}}'" for n, name in enumerate(names))
    environ = {f"V{n}": f"hush{n}" for n in range(24)}
    method = given.served(PROTOS, yaml(f"headers: {{set: {{{headers}}}}}"), environ=environ)
    shown = json_format.MessageToJson(method.methods[0].shown_policy)
    assert "hush" not in shown
    assert shown.count(HIDDEN) == 24


def test_a_form_of_no_fields_is_a_mistake(given: Given) -> None:
    protos = """
    import "google/protobuf/struct.proto";
    service Free { rpc Post(google.protobuf.Value) returns (Item) {
      option (google.api.http) = {post: "/v1" body: "*"}; } }
    """
    said = "services: {shop.v1.Free: {policy: {request: {body_format: FORM}}}}"
    (found,) = given.mistakes(protos, said)
    assert "no object of fields" in found
