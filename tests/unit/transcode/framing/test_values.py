import re
import time

import orjson
import pytest
from unit.transcode.framing.parts import messages_of

from gateway.core.errors import CallError, Origin, Reason, Sent
from gateway.core.status import Code
from gateway.transcode.framing import value
from gateway.transcode.framing.value import ValueEnd
from gateway.transcode.framing.values import JsonArray, JsonValues


def array(*parts: bytes, max_bytes: int = 100) -> list[bytes]:
    return messages_of(JsonArray(max_bytes), parts)


def values(*parts: bytes, max_bytes: int = 100) -> list[bytes]:
    return messages_of(JsonValues(max_bytes), parts)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"[]", []),
        (b" [ \n]\t", []),
        (b"[1]", [b"1"]),
        (b"[1,2 , 3]", [b"1", b"2", b"3"]),
        (b'[{"a":[1,{"b":"]}"}]},[],{}]', [b'{"a":[1,{"b":"]}"}]}', b"[]", b"{}"]),
        (b'["a,b","\\"","\\\\","[{"]', [b'"a,b"', b'"\\""', b'"\\\\"', b'"[{"']),
        (b"[true,null,-1.5e+3]", [b"true", b"null", b"-1.5e+3"]),
        (b"\xef\xbb\xbf[1]", [b"1"]),
        (b"[" * 50 + b"]" * 50, [b"[" * 49 + b"]" * 49]),
    ],
)
def test_elements_of_an_array_are_messages(body, found):
    assert array(body) == found
    assert array(*(body[i : i + 1] for i in range(len(body)))) == found


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"", []),
        (b" \n", []),
        (b"1", [b"1"]),
        (b"1 2\n3", [b"1", b"2", b"3"]),
        (b'{"a":1}{"a":2}\n{\n"a":3\n}', [b'{"a":1}', b'{"a":2}', b'{\n"a":3\n}']),
        (b"[1,2][3]", [b"[1,2]", b"[3]"]),
        (b'"a""b"', [b'"a"', b'"b"']),
        (b"\x1e{}\n\x1e[]\n", [b"{}", b"[]"]),
        (b"\xef\xbb\xbf{}", [b"{}"]),
        (b"<html> oops", [b"<html>", b"oops"]),
    ],
)
def test_values_one_after_another_are_messages(body, found):
    assert values(body) == found
    assert values(*(body[i : i + 1] for i in range(len(body)))) == found


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"{}", "is no JSON array"),
        (b"\xef\xbb[]", "are no text"),
        (b"\xef[", "are no text"),
        (b"[,]", "',' where an element"),
        (b"[1,]", "']' where an element"),
        (b"[1,,2]", "',' where an element"),
        (b"[}", "'}' where an element"),
        (b"[:", "':' where an element"),
        (b"[1 2]", "no comma"),
        (b'[{}"a"]', "no comma"),
        (b"[1}", "no comma"),
        (b"[] []", "behind its JSON array"),
        (b"[1]x", "behind its JSON array"),
    ],
)
def test_what_is_no_array_is_an_error(body, told):
    with pytest.raises(CallError) as raised:
        array(body)
    error = raised.value
    assert told in error.message
    assert (error.code, error.reason) == (Code.INTERNAL, Reason.UPSTREAM_INVALID_ANSWER)
    assert (error.origin, error.sent) == (Origin.UPSTREAM, Sent.ANSWERED)
    assert not error.transient


@pytest.mark.parametrize("body", [b"", b" ", b"[", b"[1", b"[1,", b"[1,2", b'["a', b'[{"a":1}'])
def test_an_array_that_does_not_end_was_cut_short(body):
    with pytest.raises(CallError) as raised:
        array(body)
    assert "ends before its JSON array does" in raised.value.message
    assert (raised.value.code, raised.value.reason) == (Code.UNAVAILABLE, Reason.UPSTREAM_RESET)
    assert raised.value.sent is Sent.UNKNOWN


@pytest.mark.parametrize("body", [b"{", b'"a', b'{"a":"}', b"[[]", b'1 {"a'])
def test_a_value_that_does_not_end_was_cut_short(body):
    with pytest.raises(CallError) as raised:
        values(body)
    assert "in the middle of a JSON value" in raised.value.message


@pytest.mark.parametrize("byte", b",:]}")
def test_no_value_begins_with_punctuation(byte):
    with pytest.raises(CallError) as raised:
        values(b"1\n" + bytes([byte]))
    assert "where a JSON value begins" in raised.value.message


def test_an_element_is_there_with_its_last_byte_and_a_number_with_what_follows():
    framing = JsonArray(100)
    assert list(framing.feed(b'[{"a":1}')) == [b'{"a":1}']
    assert list(framing.feed(b',"x"')) == [b'"x"']
    assert list(framing.feed(b",12")) == []
    assert list(framing.feed(b"3")) == []
    assert list(framing.feed(b" ")) == [b"123"]
    assert list(framing.feed(b"]")) == []


def test_elements_before_an_error_are_given_first():
    found = []
    with pytest.raises(CallError):
        found.extend(JsonArray(100).feed(b"["))
        for element in JsonArray(100).feed(b"[1,{},[] x"):
            found.append(element)  # noqa: PERF402
    assert found == [b"1", b"{}", b"[]"]


@pytest.mark.parametrize("framing", [JsonArray, JsonValues])
@pytest.mark.parametrize("size", [1, 7, 100])
@pytest.mark.parametrize("element", [b'"%s"', b"{%s}", b"1%s"])
def test_a_message_over_the_cap_is_an_error_wherever_the_parts_end(framing, size, element):
    fits, too_long = (element % (b"1" * (20 - len(element) + 2 + more)) for more in (0, 1))
    body = b"[" + fits + b"," if framing is JsonArray else fits + b"\n"
    cut = [(body + too_long)[i : i + size] for i in range(0, len(body + too_long), size)]
    found = []
    with pytest.raises(CallError) as raised:
        made = framing(20)
        for part in [*cut, b" "]:
            for message in made.feed(part):
                found.append(message)  # noqa: PERF402
    assert raised.value.reason is Reason.UPSTREAM_ANSWER_TOO_LARGE
    assert found == [fits]


def test_an_endless_element_is_given_up_at_the_cap():
    framing = JsonArray(10_000)
    assert list(framing.feed(b'["')) == []
    fed = 0
    with pytest.raises(CallError):
        while True:
            assert list(framing.feed(b"x" * 100)) == []
            fed += 100
    assert fed == 9_900


def test_nesting_of_any_depth_costs_no_stack_and_no_memory():
    framing = JsonArray(10_000_000)
    deep = b"[" * 1_000_000
    assert list(framing.feed(b"[" + deep)) == []
    (found,) = framing.feed(b"]" * 1_000_000)
    assert len(found) == 2_000_000


def test_time_is_linear_in_the_bytes():
    def took(depth: int) -> float:
        body = b'{"a":["x",' * depth + b'"'  # each level fails, and must not be tried twice
        began = time.perf_counter()
        for _ in range(5):
            list(JsonValues(10**9).feed(body))
        return time.perf_counter() - began

    took(1_000)
    small, large = min(took(2_000) for _ in range(3)), min(took(20_000) for _ in range(3))
    assert large < 10 * 10 * small


def test_the_short_way_and_the_long_way_agree(monkeypatch):
    plain = {"a": [1, ']\\"', {"b": [[], {}, [[[[[["deep"]]]]]]]}], "c": "é"}
    body = b",".join(orjson.dumps({"n": n, "v": plain}) for n in range(20))
    body = b"[" + body + b"]"
    short = array(body, max_bytes=1_000)
    monkeypatch.setattr(value, "_WHOLE", re.compile(b"(?!)"))
    assert array(body, max_bytes=1_000) == short
    assert [orjson.loads(text)["n"] for text in short] == list(range(20))


def test_brackets_are_counted_and_not_compared():
    end = ValueEnd()
    end.begin(ord("{"))
    assert end.find(b'{"a":1],', 0) == 7
