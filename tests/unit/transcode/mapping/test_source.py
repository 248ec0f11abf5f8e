"""Functions are written at their first call, and know each other by name."""

import pytest

from gateway.transcode.mapping.source import Source


def test_functions_may_call_each_other_before_they_are_written():
    source = Source({})
    written = []

    def write(other):
        def lines(name):
            written.append(name)
            yield f"def {name}(n):"
            below = source.function("f", other, write(1 - other))
            yield f"    return n if n == 0 else {below}(n - 1)"

        return lines

    name = source.function("f", 0, write(1))
    assert written == []
    assert source.get(name)(5) == 0
    assert len(written) == 2
    assert source.function("f", 0, write(1)) == name


def test_warm_writes_what_the_written_need():
    source = Source({"one": 1})
    inner = []

    def outer_lines(name):
        inner.append(source.function("inner", "x", lambda n: [f"def {n}():", "    return one"]))
        return [f"def {name}():", f"    return {inner[0]}()"]

    outer = source.function("outer", "x", outer_lines)
    source.warm()
    assert source.names[inner[0]].__code__.co_filename == f"<json mapping: {inner[0]}>"
    assert source.names[outer]() == 1


def test_a_constant_of_a_key_is_kept_once():
    source = Source({})
    assert source.shared("a", 1, "x") == source.shared("a", 1, "y")
    assert source.constant("a", "x") != source.constant("a", "x")


def test_an_error_in_writing_is_raised_again_at_the_next_call():
    source = Source({})

    def broken(_name):
        raise KeyError("nope")

    name = source.function("f", 1, broken)
    for _ in range(2):
        with pytest.raises(KeyError):
            source.names[name]()
