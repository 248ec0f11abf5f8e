"""Entries and marks as bytes: state/cache/values.py."""

import os

import pytest

from gateway.core.flight import Landing
from gateway.core.outcome import SUCCESS
from gateway.state.answers import Entry
from gateway.state.cache.values import EntrySerializer

SERIALIZER = EntrySerializer()


@pytest.mark.parametrize("answer", [b"", b"x" * 100, b"x" * 100_000, os.urandom(5000)])
def test_an_entry_comes_back(answer: bytes) -> None:
    entry = Entry(
        Landing(SUCCESS, answer, (("x-a", "1"),)), 1.5, 2.5, 3, 4, 5, '"v1"', "a date", ("m", "n")
    )
    assert SERIALIZER.loads(SERIALIZER.dumps(entry)) == entry


def test_large_entries_are_compressed_and_small_ones_are_not() -> None:
    small, large = (
        Entry(Landing(SUCCESS, b"x" * 500), 0, 1),
        Entry(Landing(SUCCESS, b"x" * 9000), 0, 1),
    )
    assert len(SERIALIZER.dumps(small)) > 500
    assert len(SERIALIZER.dumps(large)) < 500


def test_a_mark_comes_back_and_nothing_is_nothing() -> None:
    assert SERIALIZER.loads(SERIALIZER.dumps("abc")) == "abc"
    assert SERIALIZER.loads(None) is None


@pytest.mark.parametrize(
    "data", [b"q", b"e", b"z", b"zxxx", b"e\x00\x00\x00\x02{}", b"e\xff\xff\xff\xff"]
)
def test_what_cannot_be_read_is_nothing(data: bytes) -> None:
    assert SERIALIZER.loads(data) is None


def test_what_would_become_too_large_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = Entry(Landing(SUCCESS, b"x" * 100_000), 0, 1)
    data = SERIALIZER.dumps(entry)
    monkeypatch.setattr("gateway.state.cache.values._MOST", 50_000)
    assert SERIALIZER.loads(data) is None
