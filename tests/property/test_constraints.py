"""What messages are held to, against the sentences of validate.proto written down as Python.

The rules are compiled from a proto; each has a plain function beside it that says what it
asks for. Values are drawn near the bounds.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.constrained import Constrained, compiled

from gateway.core.errors import CallError, Reason, Violation

Holds = Callable[[Any], bool]

texts = st.one_of(
    st.sampled_from(["", "a", "ab", "abc", "Zoë", "ß", "\U0001f600", "x-1"]), st.text()
)
numbers = st.one_of(st.integers(-4, 12), st.integers(-(2**31), 2**31 - 1))
floats = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, 3.0, 2.5, math.nan, math.inf]), st.floats(width=64)
)
octets = st.one_of(st.sampled_from([b"", b"ab", b"abc", b"\xff\x00", bytes(4)]), st.binary())

RULES: list[tuple[str, str, st.SearchStrategy[Any], Holds]] = [
    # field type, rules, values, what they ask for
    ("string", "string.min_len = 2", texts, lambda v: len(v) >= 2),
    ("string", "string.max_len = 2", texts, lambda v: len(v) <= 2),
    ("string", "string.len = 3", texts, lambda v: len(v) == 3),
    ("string", "string.min_bytes = 3", texts, lambda v: len(v.encode()) >= 3),
    ("string", "string.max_bytes = 3", texts, lambda v: len(v.encode()) <= 3),
    ("string", "string.const = 'ab'", texts, lambda v: v == "ab"),
    ("string", "string.prefix = 'a'", texts, lambda v: v.startswith("a")),
    ("string", "string.suffix = 'b'", texts, lambda v: v.endswith("b")),
    ("string", "string.contains = 'b'", texts, lambda v: "b" in v),
    ("string", "string.not_contains = 'b'", texts, lambda v: "b" not in v),
    ("string", "string = {in: ['ab', 'Zoë']}", texts, lambda v: v in ("ab", "Zoë")),
    ("string", "string = {not_in: ['ab', 'Zoë']}", texts, lambda v: v not in ("ab", "Zoë")),
    (
        "string",
        "string.pattern = '^[a-c]{1,2}$'",
        texts,
        lambda v: 0 < len(v) < 3 and set(v) <= set("abc"),
    ),
    ("string", "required = true", texts, bool),
    ("string", "string.min_len = 2, IGNORE_IF_ZERO_VALUE", texts, lambda v: not v or len(v) >= 2),
    ("string", "string.min_len = 2, IGNORE_ALWAYS", texts, lambda _v: True),
    ("bytes", "bytes.min_len = 3", octets, lambda v: len(v) >= 3),
    ("bytes", "bytes.prefix = 'ab'", octets, lambda v: v.startswith(b"ab")),
    ("bytes", "bytes.contains = 'b'", octets, lambda v: b"b" in v),
    ("bytes", "bytes.ip = true", octets, lambda v: len(v) in (4, 16)),
    ("int32", "int32.const = 3", numbers, lambda v: v == 3),
    ("int32", "int32 = {gt: 1, lte: 9}", numbers, lambda v: 1 < v <= 9),
    ("int32", "int32 = {gte: 1, lt: 9}", numbers, lambda v: 1 <= v < 9),
    ("int32", "int32 = {gt: 9, lt: 1}", numbers, lambda v: v < 1 or v > 9),
    ("int32", "int32 = {gte: 9, lte: 1}", numbers, lambda v: v <= 1 or v >= 9),
    ("int32", "int32 = {in: [1, 3]}", numbers, lambda v: v in (1, 3)),
    ("int32", "int32 = {not_in: [1, 3]}", numbers, lambda v: v not in (1, 3)),
    ("sint64", "sint64.gte = -3", numbers, lambda v: v >= -3),
    ("sfixed32", "sfixed32.lt = 3", numbers, lambda v: v < 3),
    ("double", "double = {gt: 1, lt: 3}", floats, lambda v: 1 < v < 3),
    ("double", "double.lte = 3", floats, lambda v: v <= 3),
    ("double", "double.finite = true", floats, math.isfinite),
    ("bool", "bool.const = true", st.booleans(), lambda v: v),
    ("E", "enum.defined_only = true", st.integers(-2, 7), lambda v: v in (0, 1, 5)),
    ("E", "enum = {not_in: [0, 2]}", st.integers(-2, 7), lambda v: v not in (0, 2)),
    ("repeated int32", "repeated.min_items = 2", st.lists(numbers), lambda v: len(v) >= 2),
    ("repeated int32", "repeated.max_items = 2", st.lists(numbers), lambda v: len(v) <= 2),
    ("repeated string", "repeated.unique = true", st.lists(texts), lambda v: len(set(v)) == len(v)),
    (
        "repeated int32",
        "repeated.items.int32.gt = 0",
        st.lists(numbers),
        lambda v: all(i > 0 for i in v),
    ),
    (
        "map<string, int32>",
        "map.max_pairs = 1",
        st.dictionaries(texts, numbers),
        lambda v: len(v) < 2,
    ),
    (
        "map<string, int32>",
        "map.keys.string.min_len = 2",
        st.dictionaries(texts, numbers),
        lambda v: all(len(k) >= 2 for k in v),
    ),
    (
        "map<string, int32>",
        "map.values.int32.lt = 3",
        st.dictionaries(texts, numbers),
        lambda v: all(i < 3 for i in v.values()),
    ),
]


def _proto() -> str:
    fields = []
    for i, (kind, rules, *_) in enumerate(RULES):
        said = rules.replace("IGNORE", "(buf.validate.field).ignore = IGNORE")
        fields.append(f"message M{i} {{ {kind} f = 1 [(buf.validate.field).{said}]; }}")
    return "enum E { ZERO = 0; ONE = 1; FIVE = 5; }\n" + "\n".join(fields)


@pytest.fixture(scope="module")
def types() -> list[Constrained]:
    schema = compiled(_proto())
    return [Constrained(schema, f"M{i}") for i in range(len(RULES))]


@pytest.mark.parametrize("i", range(len(RULES)), ids=[f"{kind} {rule}" for kind, rule, *_ in RULES])
@settings(max_examples=60)
@given(data=st.data())
def test_a_rule_asks_for_what_its_sentence_says(
    types: list[Constrained], i: int, data: Any
) -> None:
    value = data.draw(RULES[i][2])
    found = types[i].told(f=value)
    assert (not found) == bool(RULES[i][3](value)), (value, found)
    assert all(path.split("[")[0] == "f" and sentence for path, sentence in found)


EVERYTHING = """
message M {
  string id = 1 [(buf.validate.field).string = {min_len: 3, max_len: 40}];
  repeated M items = 2 [(buf.validate.field).repeated.max_items = 3];
  map<string, M> named = 3 [(buf.validate.field).map.keys.string.email = true];
  google.protobuf.Timestamp at = 4 [(buf.validate.field).timestamp.lt_now = true];
  google.protobuf.Duration took = 5 [(buf.validate.field).duration.gt = {seconds: 1}];
  google.protobuf.Int32Value boxed = 6 [(buf.validate.field).int32.gt = 3];
  bytes raw = 7 [(buf.validate.field).bytes.pattern = "^a"];
  repeated double numbers = 8 [(buf.validate.field).repeated = {unique: true}];
  oneof one {
    option (buf.validate.oneof).required = true;
    string uri = 9 [(buf.validate.field).string.uri = true];
    string host = 10 [(buf.validate.field).string.hostname = true];
  }
  option (buf.validate.message).cel = {
    id: "x" expression: "size(this.items) < 2 || this.id == 'many' ? '' : this.id + ' is not many'"
  };
}
"""


@pytest.fixture(scope="module")
def everything() -> Constrained:
    return Constrained(compiled(EVERYTHING))


def _answered(everything: Constrained, message: Any) -> Sequence[Violation]:
    try:
        return everything.constraints.violations(message)
    except CallError as error:
        if error.reason is not Reason.INVALID_REQUEST:
            raise
        return error.violations


@given(data=st.binary(max_size=300))
@example(b"\x22\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f")  # a time past every year
@example(b"\x3a\x01\xff")  # bytes that are no text
@example(b"\x12\x00" * 150)
@example((b"\x12\x00" * 150) + b"\x1a\x00" * 10 + b"\x0a\x01\x0a")
def test_whatever_is_sent_is_answered_and_within_bounds(
    everything: Constrained, data: bytes
) -> None:
    try:
        message = everything.new.FromString(data)
    except DecodeError:
        return
    found = _answered(everything, message)
    assert len(found) <= 20
    assert sum(len(v.field.encode()) + len(v.description.encode()) for v in found) <= 1600
    for violation in found:
        assert violation.description.isprintable()
        assert violation.field.isprintable()


@settings(max_examples=30)
@given(depth=st.integers(1, 90))
def test_depth_is_no_danger(everything: Constrained, depth: int) -> None:
    message = everything.new(id="abc", host="a.example", raw=b"a")
    inner = message
    for _ in range(depth):
        inner = inner.items.add(id="abc", host="a.example", raw=b"a")
    inner.id = "x"
    ((path, _),) = everything.told(message)
    assert path.startswith("items[0].items[0]"[: len("items[0]")])
