import json

import pytest
from fakes.clock import FakeClock
from support.calls import Script, new_call
from transcode.v1 import kinds_pb2 as pb
from unit.transcode.schema import POOL, bindings, method, rule

from gateway.core.errors import CallError, Origin, Reason, Violation
from gateway.core.outcome import Kind
from gateway.core.status import Code
from gateway.transcode.binding import Writing, compile_bindings
from gateway.transcode.codec import JsonCodec
from gateway.transcode.encode import (
    EncodeInterceptor,
    Prepared,
    RequestEncoder,
    RequestOptions,
)
from gateway.transcode.habits import EnumCase, Habits, Timestamps, ValueHabits


def encoder(request=pb.Request, **rule) -> RequestEncoder:
    return RequestEncoder(bindings(request, pb.Document, **rule), JsonCodec(POOL))


def encode(message, **rule) -> Prepared:
    return encoder(type(message), **rule).encode(message)


def refusal(message, **rule) -> CallError:
    with pytest.raises(CallError) as raised:
        encode(message, **rule)
    return raised.value


def test_path_and_query_are_encoded():
    message = pb.Request(name="a/b c", left="x&y=z#?", snake_case_name="ä+ ")
    prepared = encode(message, get="/v1/{name}:find")
    assert prepared.target == "/v1/a%2Fb%20c:find?left=x%26y%3Dz%23%3F&snakeCaseName=%C3%A4%2B%20"
    assert prepared.body is None


def test_query_is_absent_where_nothing_is_set():
    assert encode(pb.Request(name="a"), get="/v1/{name}").target == "/v1/a"


def test_nested_path_field_is_sent_once():
    message = pb.Request(scalars=pb.Scalars(an_int32=5, a_bool=True))
    prepared = encode(message, get="/v1/{scalars.an_int32}/x")
    assert prepared.target == "/v1/5/x?scalars.aBool=true"


def test_default_is_sent_in_the_path():
    message = pb.Request(scalars=pb.Scalars())
    assert encode(message, get="/v1/{scalars.an_int32}").target == "/v1/0"


def test_empty_string_in_the_path_is_refused_by_its_field():
    error = refusal(pb.Request(), get="/v1/{snakeCaseName}")
    assert error.code is Code.INVALID_ARGUMENT
    assert error.reason is Reason.INVALID_REQUEST
    assert error.origin is Origin.CALLER
    text = "the field 'snake_case_name' is empty, or has an empty path segment"
    assert error.message == text
    assert error.violations == (Violation("snake_case_name", text),)


def test_absent_message_on_the_path_is_refused_by_its_field():
    error = refusal(pb.Request(), get="/v1/{scalars.an_int32}")
    assert error.message == "the field 'scalars.an_int32' is needed and not set"
    assert [violation.field for violation in error.violations] == ["scalars.an_int32"]


def test_value_that_leaves_its_pattern_is_refused_by_its_field():
    error = refusal(pb.Request(name="shops/1/2"), get="/v1/{name=shops/*}")
    assert error.message == "the field 'name' does not match 'shops/*'"


def test_value_without_a_text_is_refused_by_its_field():
    message = pb.Request(name="n")
    message.known.time.seconds = 10**15
    error = refusal(message, get="/v1/{name}")
    assert error.code is Code.INVALID_ARGUMENT
    assert error.message.startswith("the field 'known.time' cannot be sent: ")
    assert [violation.field for violation in error.violations] == ["known.time"]
    assert refusal(message, get="/v1/{known.time}").violations[0].field == "known.time"


def test_message_without_a_json_form_is_an_invalid_request():
    message = pb.Document(id="i")
    message.any.type_url = "type.googleapis.com/nope.v1.Nope"
    error = refusal(message, post="/v1/{id}", body="*")
    assert error.code is Code.INVALID_ARGUMENT
    assert error.message.startswith("the request has no JSON form: ")
    assert "nope.v1.Nope" in error.message


def test_star_body_is_the_message_without_its_path_fields():
    message = pb.Request(name="n", left="l", inner=pb.Request(name="m", left="k"))
    prepared = encode(message, post="/v1/{name}/{inner.name}", body="*")
    assert prepared.target == "/v1/n/m"
    assert json.loads(prepared.body) == {"left": "l", "inner": {"left": "k"}}


def test_star_body_of_a_message_that_the_path_carries_is_an_empty_object():
    prepared = encode(pb.Request(name="n"), post="/v1/{name}", body="*")
    assert prepared.body == b"{}"


def test_field_body_is_the_field_and_the_rest_is_query():
    message = pb.Request(name="n", left="l", inner=pb.Request(name="m", left="i"))
    prepared = encode(message, patch="/v1/{inner.name}", body="inner")
    assert prepared.target == "/v1/m?name=n&left=l"
    assert json.loads(prepared.body) == {"left": "i"}


def test_unset_field_body_is_an_empty_object():
    assert encode(pb.Request(name="n"), post="/v1/{name}", body="scalars").body == b"{}"


def test_repeated_field_body_is_an_array():
    message = pb.Batch(id="i", rows=[pb.Scalars(a_bool=True), pb.Scalars()])
    prepared = encode(message, post="/v1/{id}", body="rows")
    assert json.loads(prepared.body) == [{"aBool": True}, {}]


def test_scalar_field_body_is_a_scalar():
    assert encode(pb.Request(name="n"), post="/v1", body="name").body == b'"n"'


BY_NAME_OR_LEFT = {
    "get": "/v1/names/{name=shops/*}",
    "additionalBindings": [
        {"get": "/v1/lefts/{left}"},
        {"post": "/v1/inner/{inner.name}", "body": "*"},
    ],
}


@pytest.mark.parametrize(
    ("message", "verb", "target"),
    [
        (pb.Request(name="shops/1", left="x"), "GET", "/v1/names/shops/1?left=x"),
        (pb.Request(name="other", left="x"), "GET", "/v1/lefts/x?name=other"),
        (pb.Request(name="", left="x"), "GET", "/v1/lefts/x"),
        (pb.Request(inner=pb.Request(name="m")), "POST", "/v1/inner/m"),
    ],
)
def test_first_binding_that_fits_is_used(message, verb, target):
    prepared = encode(message, **BY_NAME_OR_LEFT)
    assert (prepared.binding.verb, prepared.target) == (verb, target)


def test_without_a_fitting_binding_the_first_one_says_why():
    error = refusal(pb.Request(name="other"), **BY_NAME_OR_LEFT)
    assert error.message == "the field 'name' does not match 'shops/*'"


async def test_interceptor_prepares_the_call_once_and_goes_on():
    call = new_call(FakeClock())
    call.message = pb.Request(name="n")
    call_next = Script(None)
    outcome = await EncodeInterceptor(encoder(get="/v1/{name}"))(call, call_next)
    assert outcome.kind is Kind.SUCCESS
    assert call.prepared.target == "/v1/n"
    assert call_next.attempts == 1


async def test_interceptor_refuses_without_an_attempt():
    call = new_call(FakeClock())
    call.message = pb.Request()
    call_next = Script(None)
    outcome = await EncodeInterceptor(encoder(get="/v1/{name}"))(call, call_next)
    assert outcome.kind is Kind.IGNORED
    assert outcome.error.code is Code.INVALID_ARGUMENT
    assert call_next.attempts == 0


def test_fixed_parameters_and_headers_are_sent_with_every_request() -> None:
    options = RequestOptions(query={"api version": "2024&6"}, headers={"x-key": "k"})
    made = bindings(pb.Request, pb.Document, get="/v1/{name}")
    encoder = RequestEncoder(made, JsonCodec(POOL), options)
    prepared = encoder.encode(pb.Request(name="a", left="l"))
    assert prepared.target == "/v1/a?left=l&api%20version=2024%266"
    assert encoder.encode(pb.Request(name="a")).target == "/v1/a?api%20version=2024%266"
    assert prepared.headers == {"x-key": "k"}


def test_a_fixed_header_goes_along_with_those_of_fields_which_are_sent_nowhere_else() -> None:
    writing = Writing(header_fields={"etag": "left", "x-deep": "inner.name"})
    made = compile_bindings(
        method(pb.Request, pb.Document), rule(post="/v1/{name}", body="inner"), {}, writing
    )
    encoder = RequestEncoder(made, JsonCodec(POOL), RequestOptions(headers={"x-key": "k"}))
    message = pb.Request(name="a", left="l", inner=pb.Request(name="deep", mixedCase="m"))
    prepared = encoder.encode(message)
    assert prepared.headers == {"x-key": "k", "etag": "l", "x-deep": "deep"}
    assert prepared.target == "/v1/a"
    assert prepared.body == b'{"mixedCase":"m"}'


def test_a_form_has_what_the_json_body_would_have() -> None:
    options = RequestOptions(as_form=True)
    message = pb.Request(name="a", left="l", inner=pb.Request(scalars=pb.Scalars(an_int32=5)))
    whole = RequestEncoder(
        bindings(pb.Request, pb.Document, post="/v1/{name}", body="*"), JsonCodec(POOL), options
    ).encode(message)
    assert (whole.body, whole.content_type) == (
        b"left=l&inner[scalars][anInt32]=5",
        "application/x-www-form-urlencoded",
    )
    field = RequestEncoder(
        bindings(pb.Request, pb.Document, post="/v1/{name}", body="inner"), JsonCodec(POOL), options
    ).encode(message)
    assert field.body == b"scalars[anInt32]=5"
    assert field.target == "/v1/a?left=l"


def test_queries_are_written_by_the_same_habits_as_bodies() -> None:
    habits = Habits(
        original_names=True,
        values=ValueHabits(enum_case=EnumCase.LOWER_SNAKE, timestamps=Timestamps.EPOCH_SECONDS),
    )
    made = compile_bindings(
        method(pb.Request, pb.Document), rule(get="/v1/{name}"), {}, Writing(habits=habits)
    )
    message = pb.Request(name="a", snake_case_name="s")
    message.scalars.a_color = pb.BLUE
    message.known.time.FromJsonString("2026-01-31T09:30:00.5Z")
    message.lists.times.add().FromJsonString("1969-12-31T23:59:59.750Z")
    target = RequestEncoder(made, JsonCodec(POOL)).encode(message).target
    assert target == (
        "/v1/a?scalars.a_color=blue&lists.times=-0.25&known.time=1769851800.5&snake_case_name=s"
    )


def test_a_fixed_parameter_goes_before_what_the_request_says() -> None:
    options = RequestOptions(query={"left": "fixed"})
    made = bindings(pb.Request, pb.Document, get="/v1/{name}")
    encoder = RequestEncoder(made, JsonCodec(POOL), options)
    assert encoder.encode(pb.Request(name="a", left="mine")).target == "/v1/a?left=fixed"
