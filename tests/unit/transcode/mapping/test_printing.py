"""What the generated printers print, where habits, wide messages and extensions differ."""

import json

import orjson
import pytest
from google.protobuf import descriptor_pb2, json_format
from google.protobuf.timestamp_pb2 import Timestamp
from transcode.v1 import kinds_pb2 as kinds
from transcode.v1 import old_shapes_pb2 as old
from transcode.v1 import shapes_pb2 as pb
from unit.transcode.mapping.dynamic import message_class, pool_of
from unit.transcode.mapping.test_parsing import COLORS
from unit.transcode.schema import POOL

from gateway.transcode.codec import CodecError, JsonCodec
from gateway.transcode.habits import EnumCase, Habits, Timestamps, ValueHabits

CODEC = JsonCodec(POOL)


def plain(message, skip=(), **habits):
    return JsonCodec(POOL, **habits).printer(message.DESCRIPTOR, skip).to_plain(message)


def habitual(message, **values):
    return plain(message, habits=Habits(values=ValueHabits(**values)))


def test_fields_come_in_the_order_of_their_numbers():
    message = pb.Names(value="v", two="t", field_name1="f", renamed="r")
    assert list(plain(message)) == ["fieldName1", "other name", "two", "value"]
    wide = pb.Shapes(unpacked_int32=[1], single_int32=1, optional_bool=False)
    assert list(plain(wide)) == ["singleInt32", "optionalBool", "unpackedInt32"]


def test_text_is_what_orjson_dumps():
    message = pb.Shapes(single_string="ä", single_bytes=b"\xfb\xff", single_int64=5)
    text = CODEC.printer(message.DESCRIPTOR).to_json(message)
    assert text == '{"singleInt64":"5","singleString":"ä","singleBytes":"+/8="}'.encode()
    assert orjson.loads(text) == json_format.MessageToDict(message)


@pytest.mark.parametrize(
    "number", [0.1, 1 / 3, 16777217.0, 1e-45, 3.4028234663852886e38, -0.0, 5.0, 1e10, 123456.79]
)
def test_32_bit_numbers_are_as_short_as_can_be(number):
    message = pb.Shapes(optional_float=number)
    printed = plain(message)["optionalFloat"]
    assert json.dumps(printed) == json.dumps(json_format.MessageToDict(message)["optionalFloat"])
    assert pb.Shapes(optional_float=printed) == message


def test_original_names_are_printed_where_the_habit_is():
    message = pb.Names(field_name1="a", renamed="b", self=pb.Names(js=1))
    printed = plain(message, habits=Habits(original_names=True))
    assert printed == json_format.MessageToDict(message, preserving_proto_field_name=True)
    read = JsonCodec(POOL, habits=Habits(original_names=True))
    assert read.parser(pb.Names, pb.Names.DESCRIPTOR).from_plain(printed) == message


def test_integers_of_64_bits_are_numbers_where_the_habit_is():
    message = pb.Known(int64_wrapper={"value": 2**53 + 1}, uint64_wrappers=[{"value": 2**64 - 1}])
    assert habitual(message, int64_as_numbers=True) == {
        "int64Wrapper": 2**53 + 1,
        "uint64Wrappers": [2**64 - 1],
    }
    maps = pb.Maps(int64_int64={-5: 6})
    assert habitual(maps, int64_as_numbers=True) == {"int64Int64": {"-5": 6}}


@pytest.mark.parametrize(
    ("habits", "expected"),
    [
        ({}, ["ORDER_STATE_UNSPECIFIED", "ORDER_STATE_IN_TRANSIT", "LOST", "its-own", 9]),
        ({"strip_enum_prefix": True}, ["UNSPECIFIED", "IN_TRANSIT", "LOST", "its-own", 9]),
        (
            {"strip_enum_prefix": True, "enum_case": EnumCase.LOWER_KEBAB},
            ["unspecified", "in-transit", "lost", "its-own", 9],
        ),
    ],
)
def test_enum_is_printed_as_the_habit_writes_it(habits, expected):
    pool = pool_of(COLORS)
    order = message_class(pool, "made.v1.Order")(states=[0, 1, 2, 3, 9])
    codec = JsonCodec(pool, habits=Habits(values=ValueHabits(**habits)))
    printed = codec.printer(order.DESCRIPTOR).to_plain(order)
    assert printed == {"states": expected}
    if not habits:
        assert printed == json_format.MessageToDict(order)


@pytest.mark.parametrize(
    ("timestamps", "seconds", "nanos", "printed"),
    [
        (Timestamps.EPOCH_SECONDS, 5, 0, "5"),
        (Timestamps.EPOCH_SECONDS, -1, 500_000_000, "-0.5"),
        (Timestamps.EPOCH_SECONDS, 1_700_000_000, 123_000_000, "1700000000.123"),
        (Timestamps.EPOCH_MILLISECONDS, 1_700_000_000, 123_000_000, "1700000000123"),
        (Timestamps.EPOCH_MILLISECONDS, 0, 1_500_000, "1.5"),
        (Timestamps.EPOCH_MILLISECONDS, -1, 0, "-1000"),
        (Timestamps.RFC3339, 0, 1_000, '"1970-01-01T00:00:00.000001Z"'),
    ],
)
def test_time_is_printed_as_the_habit_writes_it(timestamps, seconds, nanos, printed):
    time = Timestamp(seconds=seconds, nanos=nanos)
    found = habitual(pb.Known(time=time, times=[time]), timestamps=timestamps)
    assert json.dumps(found) == f'{{"time": {printed}, "times": [{printed}]}}'


@pytest.mark.parametrize("timestamps", list(Timestamps))
def test_time_out_of_range_is_refused_in_every_habit(timestamps):
    for time in (Timestamp(seconds=253402300800), Timestamp(nanos=-1)):
        with pytest.raises(CodecError, match="time"):
            habitual(pb.Known(time=time), timestamps=timestamps)


def test_habit_of_one_field_leaves_the_others_alone():
    def of_field(field, values):
        if field.name == "times":
            return ValueHabits(timestamps=Timestamps.EPOCH_SECONDS)
        return values

    message = pb.Known(time=Timestamp(), times=[Timestamp(seconds=5)])
    printed = plain(message, habits=Habits(of_field=of_field))
    assert printed == {"time": "1970-01-01T00:00:00Z", "times": [5]}


def test_extensions_and_groups_are_printed():
    message = old.OldShapes(needed=1, group={"inside": 2}, many=[{"count": 3}])
    message.Extensions[old.added_text] = "a"
    message.Extensions[old.added_part].id = 5
    message.Extensions[old.Scope.scoped] = 1.5
    assert plain(message) == json_format.MessageToDict(message)
    assert plain(message)["[transcode.v1.Scope.scoped]"] == 1.5


def test_text_of_proto2_that_is_no_utf8_is_printed_as_json_format_does():
    message = old.OldShapes.FromString(b"\x08\x01\x12\x01\xff")
    assert plain(message) == json_format.MessageToDict(message)


def test_skipped_paths_are_left_out_of_narrow_and_wide_messages():
    message = pb.Shapes(single_int32=1, single_message={"number": 1, "long_name": "x"})
    message.recursive.single_message.number = 5
    skip = [("singleInt32",), ("singleMessage", "longName"), ("recursive", "singleMessage")]
    assert plain(message, skip) == {"singleMessage": {"number": 1}, "recursive": {}}
    assert plain(message, [("single_message", "number")])["singleMessage"] == {"longName": "x"}


def test_message_wider_than_most_is_printed_as_json_format_does():
    message = descriptor_pb2.FileOptions(java_package="a", optimize_for=2)
    assert plain(message) == json_format.MessageToDict(message)


@pytest.mark.parametrize(
    ("message", "field", "expected"),
    [
        (pb.Shapes(), "optional_int32", None),
        (pb.Shapes(optional_int32=0), "optional_int32", 0),
        (pb.Shapes(), "single_enum", "SEASON_UNSPECIFIED"),
        (pb.Shapes(), "repeated_int32", []),
        (pb.Shapes(), "single_message", {}),
        (pb.Maps(), "string_message", {}),
        (pb.Known(), "time", None),
        (pb.Known(), "times", []),
        (pb.Known(), "string_wrapper", None),
        (pb.Known(string_wrapper={}), "string_wrapper", ""),
        (pb.Known(), "struct", {}),
        (pb.Known(), "list", []),
        (pb.Known(), "value", None),
        (pb.Known(), "any", {}),
        (pb.Known(), "null", None),
        (pb.Choice(), "a_string", None),
        (pb.Choice(a_string=""), "a_string", ""),
        (old.OldShapes(), "text", None),
    ],
)
def test_field_by_itself_is_printed_with_its_empty_value(message, field, expected):
    printer = CODEC.field_printer(message.DESCRIPTOR.fields_by_name[field])
    assert printer.to_plain(message) == expected
    assert json.loads(printer.to_json(message)) == expected


def test_value_of_a_field_has_the_field_s_habits():
    field = pb.Known.DESCRIPTOR.fields_by_name["times"]
    codec = JsonCodec(POOL, habits=Habits(values=ValueHabits(timestamps=Timestamps.EPOCH_SECONDS)))
    message = pb.Known(times=[Timestamp(seconds=5)])
    assert codec.field_printer(field).to_json(message) == b"[5]"


def test_refusal_names_the_field():
    message = kinds.Document(right={"known": {"time": Timestamp(seconds=10**15)}})
    with pytest.raises(CodecError, match=r"Timestamp is not valid.* at right\.known\.time$"):
        plain(message)
    message = pb.Maps()
    message.string_message["a"].repeated_message.add().back.single_int32 = 1
    message.string_value["b"].list_value.values.add().number_value = float("nan")
    with pytest.raises(CodecError, match=r"NaN.* at stringValue\.b$"):
        plain(message)


def test_nesting_beyond_what_orjson_dumps_is_refused():
    message = pb.Choice()
    inner = message
    for _ in range(400):
        inner = inner.inner
        inner.left = "x"
    with pytest.raises(CodecError):
        CODEC.printer(pb.Choice.DESCRIPTOR).to_json(message)
