import pytest
from google.api import http_pb2
from google.protobuf import descriptor_pool
from shop.v1 import orders_pb2
from transcode.v1 import kinds_pb2 as pb
from unit.transcode.schema import bindings, method, mistakes

from gateway.transcode.binding import http_rule
from gateway.transcode.fields import Plans

COMPILED = descriptor_pool.Default().FindServiceByName("shop.v1.OrderService")


def binding(**rule):
    [only] = bindings(pb.Request, pb.Document, **rule)
    return only


@pytest.mark.parametrize("verb", ["get", "put", "post", "delete", "patch"])
def test_verb_and_path_come_from_the_pattern(verb):
    made = binding(**{verb: "/v1/{name}"})
    assert made.verb == verb.upper()
    assert made.template.text == "/v1/{name}"
    assert [reader.path for _, reader in made.variables] == ["name"]


@pytest.mark.parametrize(
    ("kind", "verb"), [("HEAD", "HEAD"), ("purge", "PURGE"), ("VERSION-CONTROL", "VERSION-CONTROL")]
)
def test_custom_kind_is_the_verb(kind, verb):
    assert binding(custom={"kind": kind, "path": "/v1/{name}"}).verb == verb


def test_method_without_the_option_has_no_rule():
    assert http_rule(method(pb.Request, pb.Document)) is None


def test_rule_is_read_from_the_option():
    rule = http_rule(COMPILED.methods_by_name["CancelOrder"])
    assert rule == http_pb2.HttpRule(post="/v1/orders/{order_id}:cancel", body="*")


def test_without_body_all_but_the_path_goes_to_the_query():
    made = binding(post="/v1/{name}")
    assert made.body is None
    assert made.body_text == ""
    message = pb.Request(name="n", left="l", scalars=pb.Scalars(an_int32=1))
    assert list(made.query.pairs(message)) == [("scalars.anInt32", "1"), ("left", "l")]


def test_field_body_leaves_the_rest_to_the_query():
    made = binding(post="/v1/{name}", body="scalars")
    assert made.body.name == made.body_text == "scalars"
    message = pb.Request(name="n", left="l", scalars=pb.Scalars(an_int32=1))
    assert list(made.query.pairs(message)) == [("left", "l")]


def test_field_body_is_found_by_its_json_name():
    assert binding(post="/v1", body="snakeCaseName").body_text == "snake_case_name"


def test_star_body_takes_everything_but_the_path():
    made = binding(post="/v1/{name}/{inner.snake_case_name}", body="*")
    assert made.body == made.body_text == "*"
    assert made.query is None
    assert made.body_skip == (("name",), ("inner", "snakeCaseName"))


def test_field_body_leaves_out_its_fields_in_the_path():
    made = binding(patch="/v1/{name}/{inner.name}/{inner.snake_case_name}", body="inner")
    assert made.body_skip == (("name",), ("snakeCaseName",))


def test_star_body_may_hold_what_a_query_cannot():
    [made] = bindings(pb.Unqueryable, pb.Document, post="/v1/{id}", body="*")
    assert made.query is None


def test_response_body_is_the_field_of_the_answer():
    assert binding(get="/v1", responseBody="children").response_body.name == "children"
    assert binding(get="/v1", responseBody="byName").response_body.name == "by_name"
    assert binding(get="/v1").response_body is None


def test_additional_bindings_follow_in_order():
    made = bindings(
        pb.Request,
        pb.Document,
        get="/v1/{name}",
        additionalBindings=[{"get": "/v1/by/{left}"}, {"post": "/v1", "body": "*"}],
    )
    assert [(one.verb, one.template.text) for one in made] == [
        ("GET", "/v1/{name}"),
        ("GET", "/v1/by/{left}"),
        ("POST", "/v1"),
    ]


def test_plans_are_shared_between_methods():
    plans: Plans = {}
    assert mistakes(pb.Request, pb.Document, plans, get="/v1/{name}") == []
    made = dict(plans)
    assert mistakes(pb.Request, pb.Scalars, plans, get="/v2/{name}") == []
    assert plans == made


@pytest.mark.parametrize(
    ("rule", "mistake"),
    [
        ({}, "the rule names no verb and path (get, put, post, delete, patch or custom)"),
        ({"get": ""}, "GET: the path is empty"),
        ({"custom": {"kind": "*", "path": "/v1"}}, 'custom kind "*" names no verb to send'),
        ({"custom": {"kind": "", "path": "/v1"}}, "custom kind '' is not an HTTP verb"),
        ({"custom": {"kind": "GE T", "path": "/v1"}}, "custom kind 'GE T' is not an HTTP verb"),
        ({"custom": {"kind": "GÉT", "path": "/v1"}}, "custom kind 'GÉT' is not an HTTP verb"),
        ({"custom": {"kind": "-X", "path": "/v1"}}, "custom kind '-X' is not an HTTP verb"),
        ({"get": "v1"}, 'GET "v1": column 1: a path template begins with "/"'),
        (
            {"get": "/v1/{nam}"},
            "GET \"/v1/{nam}\": column 6: transcode.v1.Request has no field 'nam'; "
            "did you mean 'name'?",
        ),
        (
            {"get": "/v1/{lists.strings}"},
            'GET "/v1/{lists.strings}": column 6: transcode.v1.Repeated.strings is repeated; '
            "a path takes a single value",
        ),
        (
            {"get": "/v1/{snake_case_name}/{snakeCaseName}"},
            'GET "/v1/{snake_case_name}/{snakeCaseName}": column 24: '
            "the field 'snake_case_name' is bound twice",
        ),
        (
            {"get": "/v1", "body": "*"},
            'GET has no body; remove body: "*" or use another verb',
        ),
        (
            {"custom": {"kind": "head", "path": "/v1"}, "body": "*"},
            'HEAD has no body; remove body: "*" or use another verb',
        ),
        (
            {"post": "/v1", "body": "scalar"},
            "body: transcode.v1.Request has no field 'scalar'; did you mean 'scalars'?",
        ),
        (
            {"post": "/v1", "body": "inner.name"},
            "body: transcode.v1.Request has no field 'inner.name'; did you mean 'inner'?",
        ),
        (
            {"get": "/v1", "responseBody": "nope"},
            "response_body: transcode.v1.Document has no field 'nope'",
        ),
        (
            {
                "get": "/v1",
                "additionalBindings": [{"get": "/v2", "additionalBindings": [{"get": "/v3"}]}],
            },
            "additional binding 1: additional bindings do not nest",
        ),
        (
            {"get": "/v1", "additionalBindings": [{"get": "/v2"}, {"get": "/v3/{"}]},
            'additional binding 2: GET "/v3/{": column 6: expected a field name, the template ends',
        ),
    ],
)
def test_mistake_is_one_sentence(rule, mistake):
    assert mistakes(pb.Request, pb.Document, **rule) == [mistake]


def test_all_mistakes_are_reported_at_once():
    found = mistakes(
        pb.Request,
        pb.Document,
        get="/v1/{nope}/{lists.strings}",
        body="scalar",
        responseBody="zzz",
        additionalBindings=[{"put": "v2"}, {"custom": {"kind": "*", "path": ""}}],
    )
    assert found == [
        "GET \"/v1/{nope}/{lists.strings}\": column 6: transcode.v1.Request has no field 'nope'",
        'GET "/v1/{nope}/{lists.strings}": column 13: transcode.v1.Repeated.strings is repeated; '
        "a path takes a single value",
        'GET has no body; remove body: "scalar" or use another verb',
        "body: transcode.v1.Request has no field 'scalar'; did you mean 'scalars'?",
        "response_body: transcode.v1.Document has no field 'zzz'",
        'additional binding 1: PUT "v2": column 1: a path template begins with "/"',
        'additional binding 2: custom kind "*" names no verb to send',
        "additional binding 2: *: the path is empty",
    ]


def test_everything_that_a_query_cannot_carry_is_named():
    assert sorted(mistakes(pb.Unqueryable, pb.Document, get="/v1/{id}")) == [
        f"{what}, which a query cannot carry; put it into the body"
        for what in (
            "google.protobuf.Struct.fields is a map",
            "transcode.v1.Behind.more is a repeated message",
            "transcode.v1.Unqueryable.labels is a map",
            "transcode.v1.Unqueryable.rows is a repeated message",
        )
    ]


def test_field_body_takes_what_a_query_cannot_carry():
    found = mistakes(orders_pb2.CreateOrderRequest, orders_pb2.Order, post="/v1", body="order")
    assert found == []


def test_unknown_body_field_is_the_only_mistake():
    found = mistakes(orders_pb2.CreateOrderRequest, orders_pb2.Order, post="/v1", body="ordr")
    assert found == ["body: shop.v1.CreateOrderRequest has no field 'ordr'; did you mean 'order'?"]
