"""Timestamp, Duration and FieldMask against protobuf's own methods."""

import random

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from property.shapes import EDGES

from gateway.transcode.mapping import times

NANOS = (0, 1, 999, 1_000, 10_000, 999_999, 1_000_000, 20_000_000, 123_456_789, 999_999_999)


def outcome(call, *args):
    try:
        return call(*args)
    except Exception:
        return "refused"


def test_times_are_printed_and_read_back_as_protobuf_does():
    rng = random.Random(1)
    for _ in range(3_000):
        time = Timestamp(
            seconds=rng.randint(-62_135_596_800, 253_402_300_799), nanos=rng.choice(NANOS)
        )
        text = time.ToJsonString()
        assert times.time_text(time) == text
        assert Timestamp(**times.read_time(text)) == time


def test_durations_are_printed_and_read_back_as_protobuf_does():
    rng = random.Random(1)
    for _ in range(3_000):
        sign = rng.choice((1, -1))
        duration = Duration(
            seconds=sign * rng.choice((0, 1, rng.randrange(315_576_000_001))),
            nanos=sign * rng.choice(NANOS),
        )
        text = duration.ToJsonString()
        assert times.duration_text(duration) == text
        assert Duration(**times.read_duration(text)) == duration


@pytest.mark.parametrize(
    ("kind", "read"),
    [
        (Timestamp, times.read_time),
        (Duration, times.read_duration),
        (FieldMask, times.read_mask),
    ],
)
def test_whatever_a_reader_takes_it_takes_as_protobuf_does(kind, read):
    taken = 0
    for value in EDGES:
        found = outcome(read, value)
        if found == "refused":
            continue  # the reference decides
        expected = kind()
        expected.FromJsonString(value)
        assert kind(**found) == expected, value
        taken += 1
    assert taken >= 5


@pytest.mark.parametrize(
    "paths",
    [
        [],
        [""],
        ["a"],
        ["a_b", "c.d_e"],
        ["a", "", "b"],
        ["Upper"],
        ["a__b"],
        ["a_"],
        ["a_", "b"],
        ["_a"],
        ["a_1"],
        ["é", "_é"],
        ["É"],
        ["_É"],
        ["ß", "_ß"],
        ["é_"],
        ["é_1"],
        ["é,b", "_c"],
        ["_", "é"],
    ],
)
def test_masks_are_printed_or_refused_as_protobuf_does(paths):
    mask = FieldMask(paths=paths)
    assert outcome(times.mask_text, mask) == outcome(mask.ToJsonString)


@pytest.mark.parametrize(
    ("seconds", "nanos"),
    [(1, -1), (-1, 1), (0, 10**9), (0, -(10**9)), (315576000001, 0), (-315576000001, 0)],
)
def test_durations_out_of_range_are_refused(seconds, nanos):
    with pytest.raises(ValueError):
        times.duration_text(Duration(seconds=seconds, nanos=nanos))


def test_days_are_kept_in_a_bounded_memory():
    for year in range(1, 3_000):
        times.time_text(Timestamp(seconds=(year - 1) * 31_556_952 - 62_135_596_800))
        times.read_time(f"{year:04d}-01-01T00:00:00Z")
    assert times._day_s.cache_info().currsize <= 1_024
    assert times._day_text.cache_info().currsize <= 1_024
