import json

import pytest
from google.protobuf import any_pb2, json_format, struct_pb2, timestamp_pb2, wrappers_pb2
from google.protobuf.empty_pb2 import Empty
from transcode.v1 import kinds_pb2 as pb
from transcode.v1 import old_shapes_pb2 as old
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
        CODEC.printer(pb.Document.DESCRIPTOR).to_plain(message)
    assert field_json(message, "children") == []


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


DOCUMENT = CODEC.parser(pb.Document, pb.Document.DESCRIPTOR)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"id": "a", "unknown": {"x": [1]}, "scalars": {"anInt64": "5", "a_bool": true}}',
        '{"scalars": {"anInt32": "5", "anInt64": 5, "aUint32": 1.0, "aSint64": "1e3"}}',
        '{"scalars": {"aDouble": 1, "aFloat": "NaN", "someBytes": "-_-_", "aString": null}}',
        '{"scalars": {"aColor": "NOPE"}, "lists": {"colors": ["RED", "NOPE", 99]}}',
        '{"lists": {"times": ["2024-01-01T00:00:00.5+01:00"], "numbers": ["1", 2]}}',
        '{"known": {"duration": "-1.5s", "mask": "a.bC", "stringValue": "", "boolValue": null}}',
        '{"free": {"a": [1, null, {"b": "c"}]}, "value": null, "list": [[], {}]}',
        '{"any": {"@type": "x/transcode.v1.Scalars", "anInt32": 1}}',
        '{"any": {"@type": "x/google.protobuf.Duration", "value": "1s"}}',
        '{"byNumber": {"-5": "x"}, "byFlag": {"true": "NOPE"}, "by_name": {"a": {}}}',
        '{"left": "a", "right": null}',
    ],
)
def test_usual_json_needs_no_reference(text, monkeypatch):
    monkeypatch.setattr(CODEC._reference, "parse", None)
    reference = json_format.Parse(text, pb.Document(), ignore_unknown_fields=True)
    assert DOCUMENT.parse(text.encode()) == reference


def test_parser_and_printer_take_what_orjson_reads_and_dumps():
    plain = {"id": "a", "children": [{"right": {}}], "x": {"y": 1}}
    message = DOCUMENT.from_plain(plain)
    assert plain == {"id": "a", "children": [{"right": {}}], "x": {"y": 1}}
    assert CODEC.printer(pb.Document.DESCRIPTOR).to_plain(message) == {
        "id": "a",
        "children": [{"right": {}}],
    }
    assert pb.Document.FromString(DOCUMENT.to_wire(b'{"id": "a"}')) == pb.Document(id="a")
    assert DOCUMENT.to_wire_from_plain({"id": "a"}) == DOCUMENT.to_wire(b'{"id": "a"}')


def test_parser_of_a_field_takes_its_value():
    field = pb.Document.DESCRIPTOR.fields_by_name["children"]
    parser = CODEC.parser(pb.Document, pb.Document.DESCRIPTOR, field)
    assert parser.parse(b'[{"id": "a"}]') == pb.Document(children=[pb.Document(id="a")])
    with pytest.raises(CodecError):
        parser.parse(b"{}")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('{"again": {}, "counts": {"a": 1}, "needed": 1}', "again.needed"),
        ('{"counts": {"a": 1}}', "needed"),
    ],
)
def test_missing_required_field_is_named_and_ends_no_process(text, path):
    parser = CODEC.parser(old.Brittle, old.Brittle.DESCRIPTOR)
    with pytest.raises(CodecError, match=f"the required field {path} is missing"):
        parser.to_wire(text.encode())
    with pytest.raises(CodecError, match=f"the required field {path} of"):
        parse('{"any": {"@type": "x/transcode.v1.Brittle", %s' % (text[1:] + "}"))
    unusual = '{"scalars": {"aColor": 1.0}, "lists": {"colors": [1.5]}, '
    with pytest.raises(CodecError, match=f"the required field {path} of"):
        parse(unusual + '"any": {"@type": "x/transcode.v1.Brittle", %s' % (text[1:] + "}"))


def test_unusual_json_around_a_type_with_required_fields_is_still_read():
    held = '"any": {"@type": "x/transcode.v1.Brittle", "needed": 5, "counts": {"a": 1}}'
    parsed = parse(f'{{"lists": {{"colors": [1.5]}}, {held}}}')
    assert parsed.any.value == old.Brittle(needed=5, counts={"a": 1}).SerializeToString()


# Departures from json_format that are meant; they stand at the head of the module too.


@pytest.mark.parametrize("text", ['{"scalars": "text"}', '{"scalars": ["x"]}', '{"scalars": []}'])
def test_text_and_arrays_are_no_objects_as_they_are_for_json_format(text):
    json_format.Parse(text, pb.Document(), ignore_unknown_fields=True)
    with pytest.raises(CodecError, match="expected a JSON object"):
        parse(text)


def test_last_of_duplicate_keys_counts():
    with pytest.raises(json_format.ParseError):
        json_format.Parse('{"id": "a", "id": "b"}', pb.Document())
    assert parse('{"id": "a", "id": "b"}').id == "b"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e400"])
def test_numbers_that_are_no_json_are_malformed_even_in_unknown_fields(number):
    text = f'{{"unknown": {number}}}'
    json_format.Parse(text, pb.Document(), ignore_unknown_fields=True)
    with pytest.raises(CodecError, match="malformed"):
        parse(text)


def test_integers_beyond_64_bits_are_doubles():
    assert parse(f'{{"scalars": {{"aDouble": {2**80 + 1}}}}}').scalars.a_double == 2.0**80


def test_what_is_skipped_needs_no_json_form():
    message = pb.Document(id="i")
    message.known.time.seconds = 10**15
    assert CODEC.to_json(message, [("known", "time")]) == b'{"id":"i","known":{}}'


def test_the_deepest_that_can_be_declared_is_read() -> None:
    codec = JsonCodec(POOL, max_depth=250)
    text = b'{"right":' * 248 + b"{}" + b"}" * 248
    parser = codec.parser(pb.Document, pb.Document.DESCRIPTOR)
    message = parser.parse(text)
    assert codec.to_json(message) == text
    free = b'{"list":' + b"[" * 120 + b"]" * 120 + b"}"
    assert codec.to_json(parser.parse(free)) == free
