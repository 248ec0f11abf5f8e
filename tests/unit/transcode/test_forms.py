"""Forms, what is nested in brackets."""

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.transcode.forms import form_body, form_pairs


@pytest.mark.parametrize(
    ("value", "body"),
    [
        ({"amount": 5, "currency": "eur"}, b"amount=5&currency=eur"),
        ({"card": {"number": "4242"}}, b"card[number]=4242"),
        ({"items": [{"price": 5}, {"price": 6}]}, b"items[0][price]=5&items[1][price]=6"),
        ({"a": {"b": {"c": [1, 2]}}}, b"a[b][c][0]=1&a[b][c][1]=2"),
        ({"on": True, "off": False, "ratio": 0.5}, b"on=true&off=false&ratio=0.5"),
        ({"none": None, "list": [], "object": {}, "x": ""}, b"x="),
        ({"a b&=": "c d+e/ü"}, b"a+b%26%3D=c+d%2Be%2F%C3%BC"),
        ({"meta": {"x][y": "1"}, "a[b": "2"}, b"meta[x%255D%255By]=1&a%255Bb=2"),
        ({}, b""),
    ],
)
def test_a_form_is_written_in_brackets(value: object, body: bytes) -> None:
    assert form_body(value) == body


_VALUES = st.recursive(
    st.text() | st.integers(-(2**53), 2**53) | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), _VALUES, max_size=4))
def test_what_a_server_reads_back_is_every_pair(value: dict[str, object]) -> None:
    read = parse_qsl(form_body(value).decode(), keep_blank_values=True)
    assert read == list(form_pairs(value))
