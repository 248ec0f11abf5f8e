"""The compiled codec against google.protobuf.json_format, over every shape there is.

Print the count of cases: `pytest -m full tests/property/test_codec.py -s`.
"""

import copy
import json
import random
from collections import Counter
from typing import Any

import orjson
import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from property.shapes import EXTENSIONS, TYPES, Draw, Spoil
from unit.transcode.schema import POOL

from gateway.transcode.codec import CodecError, JsonCodec
from gateway.transcode.habits import EnumCase, Habits, Timestamps, ValueHabits
from gateway.transcode.mapping.kinds import (
    Kind,
    Shape,
    kind_of,
    kind_of_message,
    shape_of,
    value_of,
)
from gateway.transcode.mapping.scalars import MappingError

CODEC = JsonCodec(POOL)
PRINTERS = {kind: CODEC.printer(kind.DESCRIPTOR) for kind in TYPES}
PARSERS = {kind: CODEC.parser(kind, kind.DESCRIPTOR) for kind in TYPES}
FAILED = "failed"
EXTENSIONS_BY_KEY = {f"[{extension.full_name}]": extension for extension in EXTENSIONS}


def expected_plain(message: Message) -> Any:
    try:
        return json_format.MessageToDict(message, descriptor_pool=POOL)
    except Exception:
        return FAILED


def printed(message: Message) -> Any:
    try:
        return PRINTERS[type(message)].to_plain(message)
    except CodecError:
        return FAILED


def same(one: Any, other: Any, ordered: bool = True) -> bool:
    """Tell whether two values are equal with their types, signs and orders of keys."""
    return json.dumps(one, sort_keys=not ordered) == json.dumps(other, sort_keys=not ordered)


def wire(message: Message) -> bytes:
    return message.SerializePartialToString(deterministic=True)


def expected_message(plain: Any, kind: type[Message]) -> Any:
    message = kind()
    if not fits_objects(plain, kind.DESCRIPTOR):
        return FAILED
    try:
        json_format.ParseDict(plain, message, ignore_unknown_fields=True, descriptor_pool=POOL)
    except Exception:
        return FAILED
    return wire(message)


def fits_objects(plain: Any, message: Descriptor) -> bool:
    """Tell whether objects are objects, which json_format does not ask."""
    if not isinstance(plain, dict):
        return False
    fields = {f.name: f for f in message.fields} | {f.json_name: f for f in message.fields}
    for name, value in plain.items():
        field = fields.get(name)
        if field is None and message.is_extendable and name[:1] == "[":
            field = EXTENSIONS_BY_KEY.get(name)
        kind = kind_of(value_of(field)) if field is not None else None
        if value is None or kind not in (Kind.MESSAGE, Kind.ANY):
            continue
        items = [value]
        if shape_of(field) is not Shape.ONE:
            if not isinstance(value, dict if shape_of(field) is Shape.MAP else list):
                continue  # refused by json_format
            items = list(value.values()) if isinstance(value, dict) else value
        inner = value_of(field).message_type
        fits = (
            fits_in_any if kind is Kind.ANY else lambda item, inner=inner: fits_objects(item, inner)
        )
        if not all(map(fits, items)):
            return False
    return True


def fits_in_any(plain: Any) -> bool:
    try:
        held = POOL.FindMessageTypeByName(plain["@type"].split("/")[-1])
    except Exception:
        return True
    if kind_of_message(held) is not Kind.MESSAGE:
        return fits_in_any(plain.get("value")) if kind_of_message(held) is Kind.ANY else True
    return fits_objects(plain, held)


def parsed(text: bytes, kind: type[Message]) -> Any:
    try:
        return wire(PARSERS[kind].parse(text))
    except CodecError:
        return FAILED


def check_print(message: Message, count: Counter) -> Any:
    expected = expected_plain(message)
    found = printed(message)
    assert same(found, expected), (message, found, expected)
    count["printed" if expected is not FAILED else "not printed"] += 1
    return expected


def check_parse(text: bytes, kind: type[Message], count: Counter) -> None:
    expected = expected_message(orjson.loads(text), kind)
    found = parsed(text, kind)
    if found != expected:
        assert FAILED not in (found, expected), (kind, text, found, expected)
        # Maps inside an Any have no order.
        one, other = kind.FromString(found), kind.FromString(expected)
        assert same(expected_plain(one), expected_plain(other), ordered=False), (
            kind,
            text,
            one,
            other,
        )
    count["parsed" if expected is not FAILED else "not parsed"] += 1


def compare(seeds: range) -> Counter:
    count: Counter = Counter()
    for seed in seeds:
        rng = random.Random(seed)
        kind = TYPES[seed % len(TYPES)]
        draw = Draw(seed, rng.choice((0.1, 0.3, 0.8)), rng.choice((0.0, 0.0, 0.0, 0.1)))
        message = draw.message(kind)
        plain = check_print(message, count)
        if plain is FAILED:
            continue
        text = orjson.dumps(plain)
        check_parse(text, kind, count)
        check_parse(
            orjson.dumps(Spoil(rng).spoil(copy.deepcopy(plain), kind.DESCRIPTOR)), kind, count
        )
    return count


def test_codec_agrees_with_json_format():
    count = compare(range(600))
    assert min(count[verdict] for verdict in ("printed", "parsed", "not parsed")) > 50
    assert count["not printed"] > 3


HABITS = (
    Habits(original_names=True, values=ValueHabits(timestamps=Timestamps.EPOCH_MILLISECONDS)),
    Habits(
        values=ValueHabits(
            strip_enum_prefix=True,
            enum_case=EnumCase.LOWER_KEBAB,
            timestamps=Timestamps.EPOCH_SECONDS,
            int64_as_numbers=True,
        )
    ),
)


def by_reference(codec: JsonCodec, plain: Any, kind: type[Message]) -> Any:
    message = kind()
    try:
        codec._reference.parse(plain, message)
    except MappingError:
        return FAILED
    return message


def compare_habits(seeds: range) -> Counter:
    """Print and read by habits, also the standard form, also what does not fit."""
    count: Counter = Counter()
    codecs = [JsonCodec(POOL, habits=habits) for habits in HABITS]
    for seed in seeds:
        rng = random.Random(seed)
        kind = TYPES[seed % len(TYPES)]
        message = Draw(seed, 0.4, whole_times=True).message(kind)
        standard = PRINTERS[kind].to_plain(message)
        if expected_message(standard, kind) is FAILED:
            continue  # a list of NullValue is printed, but not read
        expected = PARSERS[kind].from_plain(standard)
        codec = rng.choice(codecs)
        parser = codec.parser(kind, kind.DESCRIPTOR)
        plain = orjson.loads(codec.printer(kind.DESCRIPTOR).to_json(message))
        spoilt = Spoil(rng).spoil(copy.deepcopy(plain), kind.DESCRIPTOR)
        for given in (standard, plain):
            for found in (parser.from_plain(given), by_reference(codec, given, kind)):
                assert same(expected_plain(found), expected_plain(expected), ordered=False), given
        try:
            found = expected_plain(parser.from_plain(spoilt))
        except CodecError:
            found = FAILED
        reference = by_reference(codec, spoilt, kind)
        if reference is not FAILED:
            reference = expected_plain(reference)
        assert same(found, reference, ordered=False), (found, reference, spoilt)
        count["fits" if found is not FAILED else "does not fit"] += 1
    return count


def test_habits_read_what_they_print_and_the_standard_form():
    count = compare_habits(range(300))
    assert min(count.values()) > 30


@pytest.mark.full
@pytest.mark.timeout(600)
def test_habits_read_what_they_print_and_the_standard_form_in_five_thousand_messages():
    count = compare_habits(range(2_000_000, 2_005_000))
    print(f"\n{dict(count)}, {count.total()} messages under habits")


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(4))
def test_codec_agrees_with_json_format_in_twenty_thousand_messages(part):
    count = compare(range(1_000_000 + part * 5_500, 1_000_000 + (part + 1) * 5_500))
    assert count["printed"] >= 5_000
    print(f"\n{dict(count)}, {count.total()} cases")
