"""Framings, for any messages and any cut of the bytes between them."""

from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.transcode.framing.parts import messages_of

from gateway.core.errors import CallError
from gateway.transcode.framing.events import ServerSentEvents
from gateway.transcode.framing.lines import Lines
from gateway.transcode.framing.values import JsonArray, JsonValues

MAX = 10_000

TEXT = st.text(st.sampled_from('ab"\\{}[]:,é\u2028 \n'), max_size=6)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.floats(-9, 9) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=12,
)
CUTS = st.lists(st.integers(0, 400), max_size=30)
SPACE = st.sampled_from([b"", b" ", b"\n", b"\r\n\t"])


def parts_of(body: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    return [body[a:b] for a, b in pairwise(edges)]


def for_any(*strategies: st.SearchStrategy[Any], examples: int = 300):
    return lambda test: settings(max_examples=examples, deadline=None)(given(*strategies)(test))


@pytest.mark.parametrize("option", [0, orjson.OPT_INDENT_2])
@for_any(st.lists(JSON, max_size=6), CUTS, SPACE)
def test_elements_of_an_array_come_back(option, values, cuts, space):
    texts = [orjson.dumps(value, option=option) for value in values]
    body = space + b"[" + space + (space + b"," + space).join(texts) + space + b"]" + space
    assert messages_of(JsonArray(MAX), parts_of(body, cuts)) == texts


@pytest.mark.parametrize("separator", [b"\n", b" ", b"\n\x1e"])
@for_any(st.lists(JSON, max_size=6), CUTS)
def test_values_one_after_another_come_back(separator, values, cuts):
    texts = [orjson.dumps(value) for value in values]
    assert messages_of(JsonValues(MAX), parts_of(separator.join(texts), cuts)) == texts
    assert messages_of(Lines(MAX), parts_of(b"\n".join(texts), cuts)) == texts


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
@for_any(st.lists(JSON, max_size=6), CUTS)
def test_data_of_events_comes_back(end, values, cuts):
    texts = [orjson.dumps(value, option=orjson.OPT_INDENT_2) for value in values]
    body = b"".join(
        b": c" + end + b"".join(b"data: " + line + end for line in text.split(b"\n")) + end
        for text in texts
    )
    assert messages_of(ServerSentEvents(MAX), parts_of(body, cuts)) == texts


GARBAGE = st.lists(
    st.sampled_from(
        [
            *(b"[", b"]", b"{", b"}", b",", b'"', b"\\", b"1", b" ", b"\n", b"\r", b":", b"\xef"),
            *(b"data: x", b"data", b"event: a", b"\xef\xbb\xbf", b"\x1e", b'"a"', b"null"),
        ]
    ),
    max_size=16,
).map(b"".join)


def outcome_of(framing: Any, parts: list[bytes]) -> tuple[list[bytes], str]:
    found: list[bytes] = []
    try:
        for part in parts:
            for message in framing.feed(part):
                found.append(message)  # noqa: PERF402
        for message in framing.end():
            found.append(message)  # noqa: PERF402
    except CallError as error:
        return found, error.message
    return found, ""


@pytest.mark.parametrize("framing", [Lines, JsonArray, JsonValues, ServerSentEvents])
@for_any(GARBAGE, CUTS, st.sampled_from([5, MAX]), examples=600)
def test_no_cut_changes_the_messages_or_the_error(framing, body, cuts, max_bytes):
    whole = outcome_of(framing(max_bytes), [body])
    assert outcome_of(framing(max_bytes), parts_of(body, cuts)) == whole
    assert outcome_of(framing(max_bytes), [body[i : i + 1] for i in range(len(body))]) == whole


@for_any(st.lists(JSON, min_size=1, max_size=4), st.data())
def test_an_array_that_is_cut_short_gives_what_was_whole_and_an_error(values, data):
    texts = [orjson.dumps(value) for value in values]
    body = b"[" + b",".join(texts) + b"]"
    length = data.draw(st.integers(0, len(body) - 1))
    found, error = outcome_of(JsonArray(MAX), [body[:length]])
    assert found == texts[: len(found)]
    assert "ends before its JSON array does" in error
