"""What the generated readers take by themselves, and where the reference has to decide."""

import orjson
import pytest
from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp
from transcode.v1 import kinds_pb2 as kinds
from transcode.v1 import shapes_pb2 as pb
from unit.transcode.mapping.dynamic import message_class, pool_of
from unit.transcode.schema import POOL

from gateway.transcode.codec import CodecError, JsonCodec
from gateway.transcode.habits import EnumCase, Habits, Timestamps, ValueHabits

CODEC = JsonCodec(POOL)


def parser(kind, **options):
    return JsonCodec(POOL, **options).parser(kind, kind.DESCRIPTOR)


def habitual(kind, **values):
    return parser(kind, habits=Habits(values=ValueHabits(**values)))


@pytest.mark.parametrize("max_depth", [1, 2, 3, 7, 100])
@pytest.mark.parametrize(
    ("kind", "opening", "bottom", "closing"),
    [
        (pb.Shapes, '{"recursive":', "{}", "}"),
        (pb.Shapes, '{"repeatedMessage":[{"back":', "{}", "}]}"),
        (pb.Choice, '{"inner":', '{"aWrapper":"x"}', "}"),
        (pb.Choice, '{"inner":', '{"aStruct":{"a":1}}', "}"),
        (pb.Choice, '{"inner":', '{"aStruct":{}}', "}"),
        (pb.Choice, '{"inner":', '{"aValue":1}', "}"),
        (pb.Choice, '{"inner":', '{"aValue":[]}', "}"),
        (pb.Choice, '{"inner":', '{"aMessage":{"named":{"a":{}}}}', "}"),
        (kinds.Document, '{"children":[', '{"lists":{"times":["1970-01-01T00:00:00Z"]}}', "]}"),
        (kinds.Document, '{"right":', '{"lists":{"times":[]}}', "}"),
        (pb.Known, '{"any":{"@type":"x/transcode.v1.Known","any":', "{}", "}}"),
        (pb.Known, '{"any":{"@type":"x/google.protobuf.Any","value":', "{}", "}}"),
        (pb.Known, '{"value":{"a":[', "1", "]}}"),
        (pb.Known, '{"list":[[', "1", "]]}"),
    ],
)
def test_nesting_is_accepted_as_deep_as_json_format_does(kind, opening, bottom, closing, max_depth):
    read = parser(kind, max_depth=max_depth)
    verdicts = set()
    for depth in range(min(max_depth, 60) + 3):
        text = opening * depth + bottom + closing * depth
        expected = kind()
        try:
            json_format.ParseDict(
                orjson.loads(text),
                expected,
                ignore_unknown_fields=True,
                descriptor_pool=POOL,
                max_recursion_depth=max_depth,
            )
        except Exception:
            verdicts.add(False)
            with pytest.raises(CodecError):
                read.parse(text.encode())
        else:
            verdicts.add(True)
            assert read.parse(text.encode()) == expected, text
    assert False in verdicts or max_depth == 100
    assert True in verdicts or max_depth <= 3


def test_names_of_both_forms_are_read_and_mixed():
    read = CODEC.parser(pb.Names, pb.Names.DESCRIPTOR)
    text = b'{"fieldName1":"a","field_name_2":"b","Leading":"c","from":"d","@js":1,"self":{"js":2}}'
    message = read.parse(text)
    assert message == json_format.Parse(text, pb.Names())
    assert message.field_name1 == "a"
    assert message.field_name_2 == "b"


def test_later_of_two_names_counts_as_it_does_for_json_format():
    read = CODEC.parser(pb.Names, pb.Names.DESCRIPTOR)
    for text in (
        b'{"fieldName1":"a","field_name1":"b"}',
        b'{"field_name1":"b","fieldName1":"a"}',
        b'{"fieldName1":"a","field_name1":null}',
    ):
        assert read.parse(text) == json_format.Parse(text, pb.Names())


@pytest.mark.parametrize("key", ["[transcode.v1.added_text]", "[nope]", "[]"])
def test_extension_of_a_message_without_extensions_is_refused(key):
    with pytest.raises(CodecError, match="does not have extensions"):
        CODEC.parser(pb.Names, pb.Names.DESCRIPTOR).from_plain({key: 1})


COLORS = """
package: "made.v1" syntax: "proto3" dependency: "google/protobuf/json_enumvalue_options.proto"
enum_type { name: "OrderState"
  options { allow_alias: true }
  value { name: "ORDER_STATE_UNSPECIFIED" number: 0 }
  value { name: "ORDER_STATE_IN_TRANSIT" number: 1 }
  value { name: "ORDER_STATE_ON_ITS_WAY" number: 1 }
  value { name: "LOST" number: 2 }
  value { name: "ORDER_STATE_OWN" number: 3 options { [pb.enumvalue.json] { string: "its-own" } } }
}
message_type { name: "Order"
  field { name: "state" number: 1 type: TYPE_ENUM type_name: ".made.v1.OrderState" label: LABEL_OPTIONAL }
  field { name: "states" number: 2 type: TYPE_ENUM type_name: ".made.v1.OrderState" label: LABEL_REPEATED }
}
"""  # noqa: E501


@pytest.mark.parametrize(
    ("habits", "text", "number"),
    [
        ({"strip_enum_prefix": True}, "IN_TRANSIT", 1),
        ({"strip_enum_prefix": True}, "ON_ITS_WAY", 1),
        ({"strip_enum_prefix": True}, "ORDER_STATE_IN_TRANSIT", 1),
        ({"strip_enum_prefix": True}, "LOST", 2),
        ({"strip_enum_prefix": True, "enum_case": EnumCase.LOWER_KEBAB}, "in-transit", 1),
        ({"strip_enum_prefix": True, "enum_case": EnumCase.PASCAL}, "InTransit", 1),
        ({"enum_case": EnumCase.LOWER_CAMEL}, "orderStateInTransit", 1),
        ({"enum_case": EnumCase.LOWER_SNAKE}, "lost", 2),
        ({"enum_case": EnumCase.LOWER_SNAKE}, "in_transit", 0),
        ({}, "its-own", 3),
        ({}, "ORDER_STATE_OWN", 3),
        ({"enum_case": EnumCase.LOWER_SNAKE}, "its-own", 3),
    ],
)
def test_enum_is_read_as_the_habit_writes_it_and_as_the_proto_does(habits, text, number):
    pool = pool_of(COLORS)
    order = message_class(pool, "made.v1.Order")
    codec = JsonCodec(pool, habits=Habits(values=ValueHabits(**habits)))
    read = codec.parser(order, order.DESCRIPTOR)
    assert read.from_plain({"state": text}).state == number
    # The reference knows the habits too: 1.5 is odd.
    message = read.from_plain({"state": text, "states": [text, 1.5]})
    assert (message.state, message.states) == (number, [number, 1] if number else [1])


@pytest.mark.parametrize(
    ("timestamps", "plain", "seconds", "nanos"),
    [
        (Timestamps.EPOCH_SECONDS, 1_700_000_000, 1_700_000_000, 0),
        (Timestamps.EPOCH_SECONDS, "1700000000", 1_700_000_000, 0),
        (Timestamps.EPOCH_SECONDS, 1_700_000_000.123, 1_700_000_000, 123_000_000),
        (Timestamps.EPOCH_SECONDS, "1700000000.123456789", 1_700_000_000, 123_456_789),
        (Timestamps.EPOCH_SECONDS, -0.5, -1, 500_000_000),
        (Timestamps.EPOCH_SECONDS, -62_135_596_800, -62_135_596_800, 0),
        (Timestamps.EPOCH_SECONDS, "2024-01-01T00:00:00+01:00", 1_704_063_600, 0),
        (Timestamps.EPOCH_SECONDS, "2024-1-1T00:00:00Z", 1_704_067_200, 0),
        (Timestamps.EPOCH_MILLISECONDS, 1_700_000_000_123, 1_700_000_000, 123_000_000),
        (Timestamps.EPOCH_MILLISECONDS, "-1", -1, 999_000_000),
        (Timestamps.EPOCH_MILLISECONDS, 1.5, 0, 1_500_000),
        (Timestamps.EPOCH_MILLISECONDS, 1e3, 1, 0),
        (Timestamps.EPOCH_MILLISECONDS, "2024-01-01T00:00:00Z", 1_704_067_200, 0),
    ],
)
def test_time_is_read_as_the_habit_writes_it_and_as_the_mapping_does(
    timestamps, plain, seconds, nanos
):
    expected = Timestamp(seconds=seconds, nanos=nanos)
    read = habitual(pb.Known, timestamps=timestamps)
    assert read.from_plain({"time": plain}).time == expected
    odd = {"time": plain, "times": [plain], "null": 0.0}
    message = read.from_plain(odd)
    assert (message.time, list(message.times)) == (expected, [expected])


@pytest.mark.parametrize("timestamps", [Timestamps.EPOCH_SECONDS, Timestamps.EPOCH_MILLISECONDS])
@pytest.mark.parametrize(
    "plain",
    [
        True,
        [],
        {},
        10**18,
        -(10**17),
        1e300,
        "1e999999999",
        "9" * 30,
        "NaN",
        "",
        "yesterday",
        2**63,
    ],
)
def test_what_is_no_time_of_the_habit_is_refused(timestamps, plain):
    read = habitual(pb.Known, timestamps=timestamps)
    with pytest.raises(CodecError, match="time"):
        read.from_plain({"time": plain})


def test_habit_of_one_field_leaves_the_others_alone():
    def of_field(field, values):
        if field.name == "times":
            return ValueHabits(timestamps=Timestamps.EPOCH_SECONDS)
        return values

    read = parser(pb.Known, habits=Habits(of_field=of_field))
    assert read.from_plain({"times": [5]}).times[0].seconds == 5
    with pytest.raises(CodecError):
        read.from_plain({"time": 5})


def test_habits_reach_into_any():
    read = habitual(pb.Known, timestamps=Timestamps.EPOCH_SECONDS)
    plain = {"any": {"@type": "x/transcode.v1.Known", "time": 5}}
    expected = pb.Known(time=Timestamp(seconds=5)).SerializeToString()
    assert read.from_plain(plain).any.value == expected
    assert read.from_plain(plain | {"null": 0.0}).any.value == expected


def test_messages_of_another_pool_are_read():
    pool = pool_of(COLORS)
    order = message_class(pool, "made.v1.Order")
    message = JsonCodec(pool).parser(order, order.DESCRIPTOR).parse(b'{"states":["LOST",1]}')
    assert isinstance(message, order)
    assert list(message.states) == [2, 1]


def test_any_of_many_types_keeps_no_more_than_its_share():
    codec = JsonCodec(POOL)
    read = codec.parser(pb.Known, pb.Known.DESCRIPTOR)
    for i in range(1_100):
        read.from_plain({"any": {"@type": f"{i}/transcode.v1.Names"}})
    assert len(codec._readers._packed) == 1_024


def test_warm_leaves_nothing_to_be_generated():
    codec = JsonCodec(POOL)
    read = codec.parser(kinds.Document, kinds.Document.DESCRIPTOR)
    printer = codec.printer(kinds.Document.DESCRIPTOR)
    codec.warm()
    before = [dict(part._source.names) for part in (codec._readers, codec._printers)]
    plain = {"children": [{"scalars": {"anInt64": "5"}, "known": {"duration": "1s"}}]}
    assert printer.to_plain(read.from_plain(plain)) == plain
    after = [part._source.names for part in (codec._readers, codec._printers)]
    assert before == after
