"""What callers read: paths, keys, and never more than a client's trailers hold."""

import pytest
from support.constrained import Constrained, compiled

from gateway.core.errors import CallError
from gateway.ingress.status import to_trailers
from gateway.interceptors.validate import violated

LONG = "x" * 5000


@pytest.fixture(scope="module")
def keyed() -> Constrained:
    texts = "map<string, N> texts = 1 [(buf.validate.field).map.keys.string.max_len = 5000];"
    numbers = "map<int64, string> numbers = 2 [(buf.validate.field).map.keys.int64.gt = 0];"
    flags = "map<bool, N> flags = 3;"
    echo = (
        "string echo = 4 [(buf.validate.field).cel = {id: 'x' "
        "expression: \"this == '' ? '' : 'it is ' + this\"}];"
    )
    nested = "message N { string a = 1 [(buf.validate.field).required = true]; }"
    unsaid = "string unsaid = 5 [(buf.validate.field).cel_expression = \"this != 'x'\"];"
    many = "repeated N many = 6;"
    return Constrained(
        compiled(f"message M {{ {texts} {numbers} {flags} {echo} {unsaid} {many} }} {nested}")
    )


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("a b", 'texts["a b"].a'),
        ("Zoë", 'texts["Zoë"].a'),
        ('a"b\\', 'texts["a\\"b\\\\"].a'),
        ("a\n\x1b[31m", 'texts["a\\n\\u001b[31m"].a'),
        ("\u202e", 'texts["\\u202e"].a'),
    ],
)
def test_a_key_stands_in_the_path_so_that_nothing_can_be_hidden_in_it(
    keyed: Constrained, key: str, path: str
) -> None:
    message = keyed.new()
    message.texts[key].SetInParent()
    assert keyed.told(message) == [(path, "value is required")]


def test_keys_of_other_kinds_are_written_as_json(keyed: Constrained) -> None:
    message = keyed.new()
    message.numbers[-3] = "x"
    message.flags[True].SetInParent()
    assert keyed.told(message) == [
        ("numbers[-3]", "the key: must be greater than 0"),
        ("flags[true].a", "value is required"),
    ]


def test_a_sentence_with_the_callers_words_is_one_short_line(keyed: Constrained) -> None:
    assert keyed.told(echo="a\r\nb") == [("echo", "it is a b")]
    ((_, sentence),) = keyed.told(echo=LONG)
    assert len(sentence) == 200
    assert sentence.endswith("…")


def test_a_rule_without_words_is_told_by_itself(keyed: Constrained) -> None:
    assert keyed.told(unsaid="x") == [("unsaid", "\"this != 'x'\" returned false")]


def test_a_long_key_does_not_make_a_long_path(keyed: Constrained) -> None:
    message = keyed.new()
    message.texts["ß" * 5000].SetInParent()
    ((path, _),) = keyed.told(message)
    assert len(path) == 200


def test_no_more_than_twenty_are_told(keyed: Constrained) -> None:
    assert [path for path, _ in keyed.told(many=[{}] * 50)] == [f"many[{i}].a" for i in range(20)]


@pytest.mark.parametrize("letter", ["x", "ß", "\U0001f600", "\n", "%"])
def test_whatever_callers_send_the_end_of_the_call_fits_their_trailers(
    keyed: Constrained, letter: str
) -> None:
    message = keyed.new(echo=letter * 5000, many=[{}] * 20)
    for i in range(20):
        message.texts[f"{i}{letter * 400}"].SetInParent()
    error = violated(keyed.constraints.violations(message))
    assert isinstance(error, CallError)
    _, sentence, trailers = to_trailers(error, 1)
    size = sum(len(name) + len(value) * 4 / 3 for name, value in trailers)
    assert size + 3 * len(sentence.encode()) < 8 * 1024
