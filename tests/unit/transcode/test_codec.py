import json

import pytest
from google.protobuf import any_pb2, json_format, struct_pb2, timestamp_pb2, wrappers_pb2
from google.protobuf.empty_pb2 import Empty
from transcode.v1 import kinds_pb2 as pb
from unit.transcode.schema import POOL

from gateway.transcode.codec import CodecError, JsonCodec

CODEC = JsonCodec(POOL)


def parse(text: str | bytes, field: str | None = None) -> pb.Document:
    body = text if isinstance(text, bytes) else text.encode()
    return CODEC.parse(body, pb.Document(), field)


def field_json(message, name: str):
    return json.loads(CODEC.field_to_json(message, message.DESCRIPTOR.fields_by_name[name]))


def why(text: str | bytes, field: str | None = None) -> str:
    with pytest.raises(CodecError) as raised:
        parse(text, field)
    return str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", {}),
        ('{"scalars": {"anInt64": "9007199254740993"}}', {"scalars": {"an_int64": 2**53 + 1}}),
        ('{"scalars": {"anInt64": 9007199254740993}}', {"scalars": {"an_int64": 2**53 + 1}}),
        ('{"scalars": {"an_int32": 1, "aDouble": "NaN"}}', None),
        ('{"scalars": {"aFloat": "-Infinity", "aDouble": "Infinity"}}', None),
        ('{"scalars": {"anInt32": 1e2}}', {"scalars": {"an_int32": 100}}),
        ('{"scalars": {"someBytes": "-_-_"}}', {"scalars": {"some_bytes": b"\xfb\xff\xbf"}}),
        ('{"scalars": {"someBytes": "+/+/"}}', {"scalars": {"some_bytes": b"\xfb\xff\xbf"}}),
        ('{"scalars": {"aColor": "CRIMSON"}}', {"scalars": {"a_color": 1}}),
        ('{"scalars": {"aColor": 99}}', {"scalars": {"a_color": 99}}),
        ('{"scalars": null, "id": null}', {}),
        ('{"unknown": [{"a": [1, {}]}], "scalars": {"nope": {}}}', {"scalars": {}}),
        ('{"value": null}', {"value": {"null_value": 0}}),
        ('{"byNumber": {"-5": "x"}, "byFlag": {"true": "RED"}}', None),
        ('{"known": {"time": "2024-01-01T00:00:00+01:00", "mask": "a.b,cD"}}', None),
        ('{"list": [1, "a", [], {}], "free": {"a": {"b": null}}, "value": [1]}', None),
        ('{"any": {"@type": "type.googleapis.com/transcode.v1.Scalars", "aBool": true}}', None),
        ('{"any": {"@type": "x/google.protobuf.Duration", "value": "1s"}}', None),
        ('{"children": [{"children": [{"id": "a"}]}], "right": {"left": "l"}}', None),
    ],
)
def test_json_is_parsed_as_json_format_does(text, message):
    parsed = parse(text)
    reference = json_format.Parse(text, pb.Document(), ignore_unknown_fields=True)
    assert parsed.SerializeToString() == reference.SerializeToString()
    if message is not None:
        assert parsed == pb.Document(**message)


@pytest.mark.parametrize(
    "text",
    ["", " ", "{", '{"id": "a"', '{"id": "a",}', "{'id': 1}", '{"id": NaN}', "{}{}", "nope"],
)
def test_malformed_json_is_said_to_be_malformed(text):
    assert why(text).startswith("the JSON is malformed: ")


@pytest.mark.parametrize("text", [b'{"id": "\xff"}', b'{"id": "\xc3"}', b"\xff\xfe{\x00}\x00"])
def test_invalid_utf8_is_malformed(text):
    assert why(text).startswith("the JSON is malformed: ")


def test_lone_surrogate_is_malformed():
    assert why(r'{"id": "\ud800"}').startswith("the JSON is malformed: ")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("[]", "an array"),
        ('[{"id": "a"}]', "an array"),
        ('"id"', "a string"),
        ("5", "a number"),
        ("1.5", "a number"),
        ("true", "a boolean"),
        ("null", "null"),
    ],
)
def test_message_is_an_object(text, kind):
    assert why(text) == f"expected a JSON object, found {kind}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"scalars": "text"}', "expected a JSON object, found a string at scalars"),
        ('{"scalars": []}', "expected a JSON object, found an array at scalars"),
        ('{"scalars": ["x"]}', "expected a JSON object, found an array at scalars"),
        ('{"children": ["x"]}', "expected a JSON object, found a string at children"),
        ('{"children": [{"right": [1]}]}', "… found an array at children.right"),
        ('{"by_name": {"a": "x"}}', "expected a JSON object, found a string at by_name"),
        ('{"byName": {"a": []}}', "expected a JSON object, found an array at byName"),
        ('{"lists": 5}', "expected a JSON object, found a number at lists"),
    ],
)
def test_nested_message_is_an_object_too(text, message):
    assert why(text).endswith(message.removeprefix("… "))


@pytest.mark.parametrize(
    "text",
    [
        '{"children": {}}',
        '{"children": "x"}',
        '{"children": [null]}',
        '{"byName": []}',
        '{"id": 5}',
        '{"id": {}}',
        '{"id": []}',
        '{"scalars": {"anInt32": 2147483648}}',
        '{"scalars": {"anInt32": 1.5}}',
        '{"scalars": {"anInt32": true}}',
        '{"scalars": {"aUint64": -1}}',
        '{"scalars": {"aBool": "true"}}',
        '{"scalars": {"aBool": 1}}',
        '{"scalars": {"someBytes": 1}}',
        '{"known": {"time": "yesterday"}}',
        '{"known": {"time": 5}}',
        '{"known": {"duration": "5"}}',
        '{"known": {"duration": {}}}',
        '{"byNumber": {"x": "y"}}',
        '{"byFlag": {"yes": 1}}',
        '{"left": "l", "right": {}}',
        '{"free": []}',
        '{"list": {}}',
        '{"any": 5}',
        '{"any": []}',
        '{"any": {"x": 1}}',
        '{"any": {"@type": 5}}',
        '{"any": {"@type": "nope"}}',
        '{"any": {"@type": "x/google.protobuf.Duration"}}',
        '{"any": {"@type": "x/transcode.v1.Scalars", "anInt32": "x"}}',
        '{"any": {"@type": "x/transcode.v1.Legacy"}}',
    ],
)
def test_json_that_does_not_fit_is_refused(text):
    with pytest.raises(CodecError):
        parse(text)


def test_refusal_is_short_and_names_the_field():
    text = why('{"scalars": {"anInt64": "%s"}}' % ("9" * 10_000))
    assert text.startswith("Failed to parse scalars field: Failed to parse anInt64 field: ")
    assert len(text) <= 300


def test_refusal_quotes_no_markup():
    assert "<" not in why('{"scalars": {"anInt32": "<html><body>secret</body></html>"}}')


@pytest.mark.parametrize("field", ["children", "list", "byName", "free"])
@pytest.mark.parametrize("depth", [150, 900, 5_000, 100_000])
def test_deep_nesting_is_refused(field, depth):
    opening, closing = {
        "children": ('{"children": [', "]}"),
        "list": ("[", "]"),
        "byName": ('{"right":', "}"),
        "free": ('{"a":', "}"),
    }[field]
    inner = opening * depth + ("{}" if field in ("byName", "children") else "1") + closing * depth
    text = inner if field in ("byName", "children") else f'{{"{field}": {inner}}}'
    with pytest.raises(CodecError):
        parse(text)


def test_deep_nesting_of_unknown_fields_is_ignored_or_refused():
    parse('{"x":' * 500 + "1" + "}" * 500)
    with pytest.raises(CodecError):
        parse('{"x":' * 5_000 + "1" + "}" * 5_000)


def test_depth_cap_is_the_one_given():
    shallow = JsonCodec(POOL, max_depth=3)
    shallow.parse(b'{"children": [{"children": [{}]}]}', pb.Document())
    with pytest.raises(CodecError, match="3"):
        shallow.parse(b'{"children": [{"children": [{"children": [{}]}]}]}', pb.Document())


@pytest.mark.parametrize(
    ("text", "field", "message"),
    [
        ('[{"id": "a"}, {}]', "children", {"children": [{"id": "a"}, {}]}),
        ("[]", "children", {}),
        ('"a"', "id", {"id": "a"}),
        ('{"a": {"aBool": true}}', "byName", {"by_name": {"a": {"a_bool": True}}}),
        ("null", "scalars", {}),
        ("{}", "scalars", {"scalars": {}}),
    ],
)
def test_value_of_one_field_is_parsed(text, field, message):
    assert parse(text, field) == pb.Document(**message)


@pytest.mark.parametrize(
    ("text", "field"), [("{}", "children"), ("[]", "scalars"), ("5", "id"), ('"x"', "scalars")]
)
def test_value_that_does_not_fit_its_field_is_refused(text, field):
    with pytest.raises(CodecError):
        parse(text, field)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('"1970-01-01T00:00:01Z"', timestamp_pb2.Timestamp(seconds=1)),
        ('"text"', wrappers_pb2.StringValue(value="text")),
        ("5", wrappers_pb2.Int32Value(value=5)),
        ("[1]", struct_pb2.ListValue(values=[struct_pb2.Value(number_value=1)])),
        ("null", struct_pb2.Value(null_value=0)),
        ("{}", Empty()),
        ('{"x": 1}', Empty()),
    ],
)
def test_well_known_message_has_its_own_json(text, message):
    assert CODEC.parse(text.encode(), type(message)()) == message


@pytest.mark.parametrize("text", ["[]", '["x"]', '"x"', "5", "null"])
@pytest.mark.parametrize("kind", [Empty, struct_pb2.Struct])
def test_array_or_scalar_is_no_empty_message(text, kind):
    with pytest.raises(CodecError):
        CODEC.parse(text.encode(), kind())


def test_message_is_printed_as_json_format_does():
    message = pb.Document(id="ä", scalars=pb.Scalars(an_int64=5, a_double=float("nan")))
    message.free["a"] = 1
    message.any.Pack(pb.Scalars(a_bool=True))
    assert json.loads(CODEC.to_json(message)) == json_format.MessageToDict(message)


def test_skipped_paths_are_left_out():
    message = pb.Document(id="i", left="l", scalars=pb.Scalars(an_int32=1, a_bool=True))
    text = CODEC.to_json(message, [("id",), ("scalars", "anInt32"), ("known", "time"), ("nope",)])
    assert json.loads(text) == {"left": "l", "scalars": {"aBool": True}}


def _out_of_range(message: pb.Document) -> None:
    message.known.time.seconds = 10**15


def _unknown_any(message: pb.Document) -> None:
    message.any.type_url = "type.googleapis.com/nope.v1.Nope"


def _damaged_any(message: pb.Document) -> None:
    message.any.type_url = "type.googleapis.com/transcode.v1.Scalars"
    message.any.value = b"\xff\xff\xff"


def _value_that_is_nan(message: pb.Document) -> None:
    message.value.number_value = float("nan")


def _endless_any(message: pb.Document) -> None:
    for _ in range(2_000):
        outer = any_pb2.Any()
        outer.Pack(message.any)
        message.any.CopyFrom(outer)


@pytest.mark.parametrize(
    "spoil", [_out_of_range, _unknown_any, _damaged_any, _value_that_is_nan, _endless_any]
)
def test_message_without_a_json_form_is_refused(spoil):
    message = pb.Document()
    spoil(message)
    with pytest.raises(CodecError):
        CODEC.to_json(message)
    with pytest.raises(CodecError):
        CODEC.field_to_json(message, pb.Document.DESCRIPTOR.fields_by_name["children"])


@pytest.mark.parametrize(
    ("name", "empty"),
    [
        ("id", ""),
        ("scalars", {}),
        ("children", []),
        ("by_name", {}),
        ("free", {}),
        ("list", []),
        ("value", None),
        ("any", {}),
        ("left", None),
    ],
)
def test_unset_field_is_printed_as_its_empty_value(name, empty):
    assert field_json(pb.Document(), name) == empty


@pytest.mark.parametrize("name", ["time", "duration", "mask", "string_value", "bool_value"])
def test_unset_well_known_field_is_null_and_not_its_default(name):
    assert field_json(pb.WellKnown(), name) is None


def test_set_field_is_printed():
    message = pb.Document(id="i", left="", children=[pb.Document(id="a")])
    message.by_name["x"].a_bool = True
    assert field_json(message, "id") == "i"
    assert field_json(message, "left") == ""
    assert field_json(message, "children") == [{"id": "a"}]
    assert field_json(message, "by_name") == {"x": {"aBool": True}}
    known = pb.WellKnown(time=timestamp_pb2.Timestamp())
    assert field_json(known, "time") == "1970-01-01T00:00:00Z"
    assert field_json(pb.Scalars(an_int64=5), "an_int64") == "5"
    assert field_json(pb.Scalars(), "an_int64") == "0"
    assert field_json(pb.Scalars(), "a_color") == "COLOR_UNSPECIFIED"
