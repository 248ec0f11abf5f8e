"""Paths, queries and JSON, for whatever a caller or an upstream may send."""

import json
import re
import struct
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

import orjson
import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from transcode.v1 import kinds_pb2 as pb
from unit.transcode.schema import POOL

from gateway.core.errors import CallError
from gateway.core.http import HttpAnswer
from gateway.transcode.codec import CodecError, JsonCodec
from gateway.transcode.decode import json_text
from gateway.transcode.failure import retry_after, upstream_failure
from gateway.transcode.fields import plan_query
from gateway.transcode.prose import quotable
from gateway.transcode.template import MismatchError, TemplateError, parse_template

CODEC = JsonCodec(POOL)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NASTY = st.lists(
    st.sampled_from(["/", ".", "..", "%", "%2F", "?", "#", ":", "a", "shops", " ", "ä", "\\", ""])
    | TEXT,
    max_size=6,
).map("".join)


def for_any(*strategies: st.SearchStrategy[Any]) -> Callable[[Any], Any]:
    """`given` without a limit on how long an example takes: the machine may be busy."""
    return lambda test: settings(deadline=None)(given(*strategies)(test))


# Paths


PATTERNS = st.lists(st.sampled_from(["*", "shops", "a.b", "a%20b"]), min_size=1, max_size=3).map(
    tuple
)


@for_any(NASTY | TEXT)
def test_single_segment_stays_one_segment_and_reads_back(value):
    try:
        path = parse_template("/v1/{x}:go").variables[0].expand(value)
    except MismatchError:
        parts = re.split(r"[/\\]", f"{value}/{unquote(value)}")
        assert not value or any(part.split(";")[0].strip() in (".", "..") for part in parts)
        return
    assert re.fullmatch(r"(?:[A-Za-z0-9\-._~]|%[0-9A-F]{2})+", path)
    assert path not in (".", "..")
    assert unquote(path) == value


@for_any(PATTERNS, st.booleans(), st.lists(NASTY | TEXT, max_size=4).map("/".join))
def test_expanded_path_has_the_segments_of_its_pattern_and_reads_back(pattern, rest, value):
    assume(pattern != ("*",) or rest)
    text = "/".join([*pattern, "**"] if rest else pattern)
    try:
        path = parse_template(f"/v1/{{x={text}}}").variables[0].expand(value)
    except MismatchError:
        return
    segments = path.split("/")
    assert len(segments) >= len(pattern) if rest else len(segments) == len(pattern)
    for wanted, segment in zip(pattern, segments, strict=False):
        assert wanted in ("*", segment) or unquote(wanted) == unquote(segment)
    for segment in segments:
        assert re.fullmatch(r"(?:[A-Za-z0-9\-._~]|%[0-9A-F]{2})+", segment)
        assert unquote(segment) not in (".", "..", "")
    assert unquote(path) == value


@for_any(PATTERNS, st.data())
def test_value_that_matches_its_pattern_is_always_sent(pattern, data):
    part = TEXT.filter(lambda t: "/" not in t and t not in ("", ".", ".."))
    value = "/".join(data.draw(part) if p == "*" else unquote(p) for p in pattern)
    path = parse_template(f"/{{x={'/'.join(pattern)}}}").variables[0].expand(value)
    assert unquote(path) == value


@for_any(st.text("/{}=*:.v1xy_%?ä ", max_size=16) | TEXT)
def test_any_text_is_a_template_or_a_mistake_with_its_column(text):
    try:
        template = parse_template(text)
    except TemplateError as error:
        column = error.column
        if not 1 <= column <= len(text) + 1:
            pytest.fail(f"column {column} of {text!r}")
        return
    assert len(template.literals) == len(template.variables) + 1
    for variable in template.variables:
        assert text[variable.column - 1 :].startswith(variable.path)


# Queries


def _values(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    kind = field.type
    if kind == FieldDescriptor.TYPE_ENUM:
        return st.sampled_from([0, 1, 7, -3, 99, -(2**31)])
    if kind == FieldDescriptor.TYPE_BOOL:
        return st.booleans()
    if kind == FieldDescriptor.TYPE_BYTES:
        return st.binary(max_size=8)
    if kind == FieldDescriptor.TYPE_STRING:
        return TEXT
    if kind == FieldDescriptor.TYPE_DOUBLE:
        return st.floats()
    if kind == FieldDescriptor.TYPE_FLOAT:
        return st.floats(width=32)
    unsigned = "UINT" in _kind_name(kind) or "_FIXED" in _kind_name(kind)
    bits = 64 if "64" in _kind_name(kind) else 32
    return (
        st.integers(0, 2**bits - 1)
        if unsigned
        else st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    )


def _kind_name(kind: int) -> str:
    names = [n for n in dir(FieldDescriptor) if n.startswith("TYPE_")]
    return next(n for n in names if getattr(FieldDescriptor, n) == kind)


WELL_KNOWN = {
    "google.protobuf.Timestamp": st.builds(
        lambda s, n: {"seconds": s, "nanos": n},
        st.integers(-62135596800, 253402300799),
        st.integers(0, 999_999_999),
    ),
    "google.protobuf.Duration": st.builds(
        lambda s, n: {"seconds": s, "nanos": n},
        st.integers(0, 315576000000),
        st.integers(0, 999_999_999),
    ),
    "google.protobuf.FieldMask": st.lists(st.sampled_from(["a", "a.b", "snake_case.x"])).map(
        lambda paths: {"paths": paths}
    ),
}


def _messages(descriptor: Any, depth: int = 2) -> st.SearchStrategy[dict[str, Any]]:
    known = WELL_KNOWN.get(descriptor.full_name)
    if known is not None:
        return known
    fields: dict[str, st.SearchStrategy[Any]] = {}
    for field in descriptor.fields:
        if field.message_type is not None:
            if depth == 0:
                continue
            one = _messages(field.message_type, depth - 1)
        else:
            one = _values(field)
        fields[field.name] = st.lists(one, max_size=3) if field.is_repeated else one
    members = [[f.name for f in o.fields] for o in descriptor.oneofs if len(o.fields) > 1]
    return st.fixed_dictionaries({}, optional=fields).map(
        lambda made: {
            name: value
            for name, value in made.items()
            if not any(name in group and _earlier(group, name, made) for group in members)
        }
    )


def _earlier(group: list[str], name: str, made: dict[str, Any]) -> bool:
    return any(other in made for other in group[: group.index(name)])


REQUESTS = _messages(pb.Request.DESCRIPTOR).map(lambda made: pb.Request(**made))


def flattened(plain: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """The pairs of a query, from the JSON of a message without maps."""
    for name, value in plain.items():
        if isinstance(value, dict):
            yield from flattened(value, f"{prefix}{name}.")
            continue
        for item in value if isinstance(value, list) else [value]:
            yield prefix + name, item if isinstance(item, str) else json.dumps(item)


@for_any(REQUESTS)
def test_query_is_the_flattened_json(message):
    pairs = list(plan_query(message.DESCRIPTOR, frozenset(), {}).pairs(message))
    assert pairs == list(flattened(json_format.MessageToDict(message)))


@for_any(REQUESTS)
def test_query_reads_back_as_it_was(message):
    pairs = list(plan_query(message.DESCRIPTOR, frozenset(), {}).pairs(message))
    query = "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in pairs)
    assert parse_qsl(query, keep_blank_values=True, strict_parsing=bool(pairs)) == pairs


@for_any(
    REQUESTS, st.sets(st.sampled_from(["name", "scalars", "lists", "inner", "choice", "left"]))
)
def test_skipped_fields_never_reach_the_query(message, skip):
    pairs = list(plan_query(message.DESCRIPTOR, frozenset(skip), {}).pairs(message))
    for name in skip & set(pb.Request.DESCRIPTOR.fields_by_name):
        message.ClearField(name)
    assert pairs == list(flattened(json_format.MessageToDict(message)))


@for_any(st.integers(0, 2**32 - 1))
def test_float_text_reads_back_as_the_same_float(bits):
    [value] = struct.unpack("f", struct.pack("I", bits))
    [(_, text)] = plan_query(pb.Repeated.DESCRIPTOR, frozenset(), {}).pairs(
        pb.Repeated(floats=[value])
    )
    back = float(text.replace("Infinity", "inf"))
    assert struct.pack("f", back) == struct.pack("f", value) or (back != back and value != value)


# JSON

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | TEXT,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *pb.Document.DESCRIPTOR.fields_by_camelcase_name,
                    *("an_int32", "aFloat", "aColor", "time", "mask", "stringValue", "times"),
                    *("@type", "value", "x", "true", "-5", "[ext]"),
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@for_any(PLAIN)
def test_any_json_is_a_message_or_a_refusal(plain):
    body = orjson.dumps(plain)
    try:
        parsed = CODEC.parse(body, pb.Document())
    except CodecError:
        return
    assert isinstance(plain, dict)
    expected = json_format.ParseDict(
        orjson.loads(body), pb.Document(), ignore_unknown_fields=True, descriptor_pool=POOL
    )
    assert parsed.SerializeToString(deterministic=True) == expected.SerializeToString(
        deterministic=True
    )


@for_any(st.binary(max_size=40))
def test_any_bytes_are_a_message_or_a_refusal(body):
    try:
        CODEC.parse(body, pb.Document())
    except CodecError:
        return


DOCUMENTS = _messages(pb.Document.DESCRIPTOR.fields_by_name["scalars"].message_type).map(
    lambda made: pb.Document(scalars=pb.Scalars(**made))
)


@for_any(DOCUMENTS)
def test_printed_message_parses_back(document):
    # json_format writes the largest float as 3.4028235e+38 and then finds that too large.
    assume(not 3.4028234e38 < abs(document.scalars.a_float) < float("inf"))
    text = CODEC.to_json(document)
    back = CODEC.parse(text, pb.Document())
    assert CODEC.to_json(back) == text
    document.scalars.ClearField("a_double")  # a NaN equals nothing, itself included
    document.scalars.ClearField("a_float")
    back.scalars.ClearField("a_double")
    back.scalars.ClearField("a_float")
    assert back == document


@for_any(st.binary(max_size=30), TEXT)
def test_any_content_type_gives_text_or_a_call_error(body, charset):
    headers = {"content-type": f"application/json; charset={charset}"}
    try:
        assert isinstance(json_text(headers, body, 200), bytes)
    except CallError:
        return


# Failures


@for_any(PLAIN, st.sampled_from(["application/json", "application/problem+json", "text/html"]))
def test_any_error_body_gives_one_printable_bounded_line(body, content_type):
    wrapped = {"error": body, "message": body, "details": body}
    for plain in (body, wrapped, {"details": [body], "title": "<html>"}):
        answer = HttpAnswer(500, {"content-type": content_type}, orjson.dumps(plain))
        error = upstream_failure(answer, "shop", {}, POOL, 0.0)
        assert error.message.isprintable()
        assert len(error.message) < 1100
        assert "<html" not in error.message


@for_any(TEXT | st.text("0123456789 :,-+GMTSunNov", max_size=32))
def test_any_retry_after_is_a_finite_time_or_nothing(value):
    seconds = retry_after(value, 784_111_777.0)
    assert seconds is None or 0 <= seconds < 1e12


@for_any(TEXT, st.integers(1, 20))
def test_quoted_text_is_printable_and_bounded(text, max_chars):
    quoted = quotable(text, max_chars)
    assert len(quoted) <= max_chars
    assert quoted.isprintable()
