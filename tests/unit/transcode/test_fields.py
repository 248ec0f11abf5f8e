import json
import struct

import pytest
from google.protobuf import json_format
from transcode.v1 import kinds_pb2 as pb
from transcode.v1 import legacy_pb2

from gateway.transcode.fields import (
    FieldPathError,
    FieldReader,
    FieldValueError,
    Plans,
    find_field,
    plan_query,
)

REQUEST = pb.Request.DESCRIPTOR
MAX_FLOAT = struct.unpack("f", b"\xff\xff\x7f\x7f")[0]


def read(path: str, message: pb.Request) -> str | None:
    return FieldReader(REQUEST, path)(message)


def query(message, *skip: str) -> list[tuple[str, str]]:
    return list(plan_query(message.DESCRIPTOR, frozenset(skip), {}).pairs(message))


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("snake_case_name", "snake_case_name"),
        ("snakeCaseName", "snake_case_name"),
        ("SnakeCaseName", "snake_case_name"),
        ("snakecasename", "snake_case_name"),
        ("SNAKE_CASE_NAME", "snake_case_name"),
        ("otherName", "renamed"),
        ("renamed", "renamed"),
        ("mixedCase", "mixedCase"),
        ("mixed_case", "mixedCase"),
    ],
)
def test_field_is_found_by_any_of_its_names(name, found):
    assert find_field(REQUEST, name).name == found


def test_missing_field_suggests_the_closest():
    with pytest.raises(FieldPathError) as raised:
        find_field(REQUEST, "scalar")
    assert str(raised.value) == (
        "transcode.v1.Request has no field 'scalar'; did you mean 'scalars'?"
    )


def test_missing_field_without_a_close_one_suggests_nothing():
    with pytest.raises(FieldPathError, match=r"has no field 'zzz'$"):
        find_field(REQUEST, "zzz")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nope", "transcode.v1.Request has no field 'nope'"),
        ("scalars.nope", "transcode.v1.Scalars has no field 'nope'"),
        ("name.x", "transcode.v1.Request.name is a scalar, so 'name.x' leads nowhere"),
        (
            "lists.times.seconds",
            "transcode.v1.Repeated.times is repeated, so 'lists.times.seconds' leads nowhere",
        ),
        ("lists.strings", "transcode.v1.Repeated.strings is repeated; a path takes a single value"),
        (
            "scalars",
            "transcode.v1.Request.scalars is a message (transcode.v1.Scalars); "
            "a URL carries only scalars",
        ),
    ],
)
def test_path_that_cannot_be_read_is_refused(path, message):
    with pytest.raises(FieldPathError) as raised:
        FieldReader(REQUEST, path)
    assert str(raised.value).startswith(message)


def test_map_is_no_path_value():
    with pytest.raises(FieldPathError, match="labels is a map; a path takes a single value"):
        FieldReader(pb.Unqueryable.DESCRIPTOR, "labels")


def test_reader_knows_its_path_by_field_and_json_names():
    reader = FieldReader(REQUEST, "inner.snakeCaseName")
    assert reader.path == "inner.snake_case_name"
    assert reader.json_path == ("inner", "snakeCaseName")
    assert FieldReader(REQUEST, "renamed").json_path == ("otherName",)


def test_default_is_a_value():
    assert read("name", pb.Request()) == ""
    assert read("optionals.an_int32", pb.Request(optionals=pb.Optionals())) == "0"
    assert read("scalars.a_bool", pb.Request(scalars=pb.Scalars())) == "false"
    assert read("scalars.a_color", pb.Request(scalars=pb.Scalars())) == "COLOR_UNSPECIFIED"


def test_absent_message_on_the_way_makes_the_path_unset():
    assert read("scalars.an_int32", pb.Request()) is None
    assert read("inner.inner.name", pb.Request(inner=pb.Request())) is None
    deep = pb.Request(inner=pb.Request(inner=pb.Request(name="x")))
    assert read("inner.inner.name", deep) == "x"


def test_absent_well_known_message_is_unset_and_an_empty_one_is_a_value():
    assert read("known.time", pb.Request(known=pb.WellKnown())) is None
    message = pb.Request()
    message.known.int64_value.SetInParent()
    assert read("known.int64_value", message) == "0"


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("an_int32", -(2**31), "-2147483648"),
        ("an_int64", 2**63 - 1, "9223372036854775807"),
        ("a_uint64", 2**64 - 1, "18446744073709551615"),
        ("a_sint64", -(2**63), "-9223372036854775808"),
        ("a_fixed64", 2**64 - 1, "18446744073709551615"),
        ("a_bool", True, "true"),
        ("a_bool", False, "false"),
        ("a_string", "a/b ä", "a/b ä"),
        ("some_bytes", b"\xfb\xff\xfe", "+//+"),
        ("some_bytes", b"a", "YQ=="),
        ("a_color", 1, "RED"),
        ("a_color", 7, "BLUE"),
        ("a_color", -3, "NEGATIVE"),
        ("a_color", 99, "99"),
        ("a_color", -1, "-1"),
    ],
)
def test_scalar_is_written_as_the_json_mapping_says(field, value, text):
    message = pb.Request(scalars=pb.Scalars(**{field: value}))
    assert read(f"scalars.{field}", message) == text


def test_enum_alias_is_written_by_the_name_that_json_format_uses():
    message = pb.Request(scalars=pb.Scalars(a_color=pb.CRIMSON))
    plain = json_format.MessageToDict(message.scalars)
    assert read("scalars.a_color", message) == plain["aColor"]


DOUBLES = [
    *(0.0, -0.0, 1.0, -1.0, 0.1, 1e15, 1e16, 1e17, 123456789.0, 1e21, 1e22, 1e300, 5e-324),
    *(1.7976931348623157e308, 3.141592653589793, 1e-7, 0.1 + 0.2),
    *(float("inf"), float("-inf"), float("nan")),
]


@pytest.mark.parametrize("value", DOUBLES)
@pytest.mark.parametrize("kind", ["a_double", "a_float"])
def test_number_is_written_as_json_format_prints_it(kind, value):
    if kind == "a_float" and value - value == 0 and abs(value) > MAX_FLOAT:
        value = MAX_FLOAT
    message = pb.Optionals(a_double=value) if kind == "a_double" else pb.Scalars(a_float=value)
    [printed] = json_format.MessageToDict(
        message, always_print_fields_with_no_presence=False
    ).values() or [0.0]
    text = FieldReader(message.DESCRIPTOR, kind)(message)
    assert text == (printed if isinstance(printed, str) else json.dumps(printed))


@pytest.mark.parametrize(
    "bits", [0x3DCCCCCD, 0x00000001, 0x7F7FFFFF, 0x3F800001, 0x4B800001, 0x4479FFFF]
)
def test_float_has_no_more_digits_than_it_needs(bits):
    [value] = struct.unpack("f", struct.pack("I", bits))
    message = pb.Scalars(a_float=value)
    text = FieldReader(message.DESCRIPTOR, "a_float")(message)
    assert text == json.dumps(json_format.MessageToDict(message)["aFloat"])


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("time", "2024-02-29T12:00:00.500Z"),
        ("duration", "-1.500s"),
        ("mask", "name,scalars.aBool"),
        ("doubleValue", "1.5"),
        ("floatValue", "0.1"),
        ("int64Value", "-9223372036854775808"),
        ("uint64Value", "18446744073709551615"),
        ("int32Value", "-5"),
        ("uint32Value", "5"),
        ("boolValue", "true"),
        ("stringValue", "a b"),
        ("bytesValue", "+//+"),
    ],
)
def test_well_known_message_is_written_as_its_json_string(field, text):
    known = json_format.ParseDict({field: text if text != "true" else True}, pb.WellKnown())
    assert read(f"known.{field}", pb.Request(known=known)) == text
    assert query(pb.Request(known=known)) == [(f"known.{field}", text)]


def test_wrapped_number_is_written_like_a_plain_one():
    message = pb.Request(scalars=pb.Scalars(a_double=2.0), known=pb.WellKnown())
    message.known.double_value.value = 2.0
    assert read("known.double_value", message) == read("scalars.a_double", message) == "2.0"


def test_wrapped_false_is_a_value():
    message = pb.Request()
    message.known.bool_value.value = False
    assert read("known.bool_value", message) == "false"
    assert query(message) == [("known.boolValue", "false")]


def test_value_without_a_text_names_its_field():
    message = pb.Request()
    message.known.time.seconds = 10**15
    with pytest.raises(FieldValueError) as raised:
        read("known.time", message)
    assert raised.value.path == "known.time"
    with pytest.raises(FieldValueError) as raised:
        query(message)
    assert raised.value.path == "known.time"


def test_query_repeats_the_key_of_a_repeated_field():
    lists = pb.Repeated(strings=["a", "", "b&c"], colors=[1, 99, 0], bools=[True, False])
    assert query(pb.Request(lists=lists)) == [
        ("lists.bools", "true"),
        ("lists.bools", "false"),
        ("lists.strings", "a"),
        ("lists.strings", ""),
        ("lists.strings", "b&c"),
        ("lists.colors", "RED"),
        ("lists.colors", "99"),
        ("lists.colors", "COLOR_UNSPECIFIED"),
    ]


def test_query_repeats_well_known_messages():
    lists = pb.Repeated()
    lists.times.add(seconds=0)
    lists.times.add(seconds=1)
    lists.numbers.add(value=5)
    assert query(lists) == [
        ("times", "1970-01-01T00:00:00Z"),
        ("times", "1970-01-01T00:00:01Z"),
        ("numbers", "5"),
    ]


def test_query_uses_json_names_joined_by_dots():
    inner = pb.Request(snake_case_name="a", renamed="b", mixedCase="c")
    assert query(pb.Request(inner=inner, name="top")) == [
        ("name", "top"),
        ("inner.snakeCaseName", "a"),
        ("inner.otherName", "b"),
        ("inner.mixedCase", "c"),
    ]


def test_query_leaves_out_defaults_without_presence():
    assert query(pb.Request(scalars=pb.Scalars(), name="")) == []


def test_query_sends_optional_fields_that_are_set_to_their_defaults():
    optionals = pb.Optionals(
        an_int32=0, a_string="", a_bool=False, a_double=0.0, some_bytes=b"", a_color=0
    )
    assert query(optionals) == [
        ("anInt32", "0"),
        ("aString", ""),
        ("aBool", "false"),
        ("aDouble", "0.0"),
        ("someBytes", ""),
        ("aColor", "COLOR_UNSPECIFIED"),
    ]


def test_query_sends_the_set_member_of_a_oneof_even_if_it_is_a_default():
    assert query(pb.Request(right=0)) == [("right", "0")]


def test_query_skips_fields_that_travel_elsewhere():
    scalars = pb.Scalars(an_int32=1, a_string="s")
    message = pb.Request(
        name="n", scalars=scalars, inner=pb.Request(name="m", scalars=scalars, renamed="r")
    )
    assert query(message, "name", "scalars") == [
        ("inner.name", "m"),
        ("inner.scalars.anInt32", "1"),
        ("inner.scalars.aString", "s"),
        ("inner.otherName", "r"),
    ]
    assert query(message, "scalars.an_int32", "inner.scalars.a_string", "inner.name") == [
        ("name", "n"),
        ("scalars.aString", "s"),
        ("inner.scalars.anInt32", "1"),
        ("inner.otherName", "r"),
    ]


def test_skipping_in_one_plan_leaves_the_others_whole():
    plans: Plans = {}
    message = pb.Request(name="n", inner=pb.Request(name="m"))
    some = plan_query(REQUEST, frozenset({"inner.name"}), plans)
    every = plan_query(REQUEST, frozenset(), plans)
    assert list(some.pairs(message)) == [("name", "n")]
    assert list(every.pairs(message)) == [("name", "n"), ("inner.name", "m")]


def test_plan_of_a_recursive_type_refers_to_itself():
    plans: Plans = {}
    plan = plan_query(REQUEST, frozenset(), plans)
    assert plan_query(REQUEST, frozenset(), plans) is plan
    deep = message = pb.Request()
    for _ in range(50):
        deep = deep.inner
    deep.name = "x"
    assert list(plan.pairs(message)) == [("inner." * 50 + "name", "x")]


def test_plan_names_everything_that_no_query_carries():
    refusals = plan_query(pb.Unqueryable.DESCRIPTOR, frozenset(), {}).refusals()
    assert sorted(refusals) == [
        "google.protobuf.Struct.fields is a map, which a query cannot carry",
        "transcode.v1.Behind.more is a repeated message, which a query cannot carry",
        "transcode.v1.Unqueryable.labels is a map, which a query cannot carry",
        "transcode.v1.Unqueryable.rows is a repeated message, which a query cannot carry",
    ]


def test_plan_without_them_refuses_nothing():
    assert plan_query(REQUEST, frozenset(), {}).refusals() == []
    skip = frozenset({"labels", "rows", "behind", "free"})
    assert plan_query(pb.Unqueryable.DESCRIPTOR, skip, {}).refusals() == []


@pytest.mark.parametrize("order", [(pb.Ring, pb.Loop), (pb.Loop, pb.Ring)])
def test_every_type_of_a_ring_is_refused_whichever_comes_first(order):
    plans: Plans = {}
    for kind in order:
        assert plan_query(kind.DESCRIPTOR, frozenset(), plans).refusals() == [
            "transcode.v1.Ring.labels is a map, which a query cannot carry"
        ]


def test_extension_with_the_name_of_a_field_is_not_taken_for_it():
    message = legacy_pb2.Legacy(id="i", size=5)
    message.Extensions[legacy_pb2.note] = "not mine"
    assert query(message) == [("id", "i"), ("size", "5")]


def test_string_that_is_not_utf8_names_no_traceback():
    message = legacy_pb2.Legacy.FromString(b"\x0a\x01i\x12\x02\xff\xfe")
    with pytest.raises(FieldValueError) as raised:
        FieldReader(message.DESCRIPTOR, "note")(message)
    assert raised.value.path == "note"
