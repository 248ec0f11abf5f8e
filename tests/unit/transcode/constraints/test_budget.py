"""Every rule at the top of budget.py, and that the loop is held no longer than they say."""

import contextlib
import time
from typing import Any

import pytest
from support.constrained import Constrained, compiled

from gateway.core.errors import CallError, Origin
from gateway.core.status import Code
from gateway.transcode.constraints.budget import MOST, Budget

CEL = '{id: "%s" message: "m" expression: "this %s"}'
FIELD = "(buf.validate.field)"
N_OF = f"message N {{ int32 a = 1 [{FIELD}.cel = {CEL % ('x', '>= 0')}]; }}"
ITEMS = f"{FIELD}.repeated.items"


def budget_of(text: str, name: str = "M") -> tuple[Any, Budget]:
    schema = compiled(text)
    descriptor = schema.pool.FindMessageTypeByName(f"t.v1.{name}")
    return schema.new_message(descriptor), Budget(descriptor)


def on(rule: str) -> str:
    return f"option (buf.validate.message).cel = {CEL % (rule, '!= null')};"


ITEM = b"\x0a\x02\x08\x01"
INT = b"\x08\x01"


@pytest.mark.parametrize(
    ("text", "one", "expected"),
    [
        # Items, with an expression each.
        (
            f"message M {{ repeated int32 n=1 [{ITEMS}.cel={CEL % ('x', '> 0')}]; }}",
            INT,
            MOST,
        ),
        (
            f"message M {{ repeated int32 n=1 [{ITEMS}={{cel: [{CEL % ('x', '> 0')}, "
            f"{CEL % ('y', '> 0')}]}}]; }}",
            INT,
            MOST // 2,
        ),
        # Messages, with an expression of a field, of the message, and of both.
        (f"message M {{ repeated N n = 1; }} {N_OF}", ITEM, MOST * 10 // 11),
        (
            f"message M {{ repeated N n = 1; }} message N {{ int32 a = 1; {on('x')} }}",
            ITEM,
            MOST * 10 // 11,
        ),
        (f"message M {{ repeated N n = 1; }} {N_OF[:-1]} {on('y')} }}", ITEM, MOST * 10 // 21),
        # Messages inside one with an expression.
        (
            f"message M {{ repeated N n = 1; {on('x')} }} message N {{ int32 a = 1; }}",
            ITEM,
            (MOST - 1) * 10 // 2,
        ),
        (
            f"message M {{ repeated N n = 1 [{FIELD}.cel={CEL % ('x', '.size() > 0')}]; }} "
            "message N { int32 a = 1; }",
            ITEM,
            (MOST - 1) * 10 // 2,
        ),
        # Messages that hold others.
        (
            f"message M {{ repeated O o = 1; }} message O {{ N n = 1; }} {N_OF}",
            b"\x0a\x04\x0a\x02\x08\x01",
            MOST * 10 // 12,
        ),
    ],
)
def test_so_many_may_stand_in_one_message(text: str, one: bytes, expected: int) -> None:
    new, held = budget_of(text)
    assert not held.is_exceeded_by(new.FromString(one * (expected - 1)))
    assert held.is_exceeded_by(new.FromString(one * (expected + 1)))


@pytest.mark.parametrize(
    "text",
    [
        f"message M {{ repeated N n = 1; }} message N {{ int32 a = 1 [{FIELD}.int32.gt=0]; }}",
        f"message M {{ repeated N n = 1; O o = 2; }} message N {{ int32 a = 1; }} "
        f"message O {{ int32 a = 1; {on('x')} }}",
    ],
)
def test_what_asks_for_no_expression_is_not_bounded(text: str) -> None:
    new, held = budget_of(text)
    assert not held.is_exceeded_by(new.FromString(ITEM * (20 * MOST)))


def test_keys_and_values_of_maps_count() -> None:
    rules = f"{{keys: {{cel: {CEL % ('x', '> 0')}}}, values: {{cel: {CEL % ('y', '> 0')}}}}}"
    new, held = budget_of(f"message M {{ map<int32, int32> n = 1 [{FIELD}.map = {rules}]; }}")
    assert not held.is_exceeded_by(new(n=dict.fromkeys(range(MOST // 2), 1)))
    assert held.is_exceeded_by(new(n=dict.fromkeys(range(MOST // 2 + 1), 1)))


def test_messages_in_maps_count() -> None:
    new, held = budget_of(f"message M {{ map<int32, N> n = 1; }} {N_OF}")
    message = new()
    for i in range(MOST):
        message.n[i].a = 1
    assert held.is_exceeded_by(message)
    del message.n[0]
    for i in range(1, MOST // 10):
        del message.n[i]
    assert not held.is_exceeded_by(message)


def test_so_do_messages_inside_messages_in_maps() -> None:
    new, held = budget_of(
        f"message M {{ map<int32, O> o = 1; }} message O {{ repeated N n = 1; }} {N_OF}"
    )
    message = new()
    message.o[1].MergeFromString(ITEM * (MOST // 2))
    assert not held.is_exceeded_by(message)
    message.o[2].MergeFromString(ITEM * (MOST // 2))
    assert held.is_exceeded_by(message)


def test_rules_that_users_define_count() -> None:
    own = (
        'syntax = "proto2"; package own; import "buf/validate/validate.proto";\n'
        "extend buf.validate.Int32Rules { optional int32 not = 80048952 "
        "[(buf.validate.predefined).cel = {id: 'own' message: 'm' expression: 'this != rule'}]; }"
    )
    text = f'import "own.proto"; message M {{ repeated int32 n=1 [{FIELD}.repeated.items.int32.'
    schema = compiled(text + "(own.not) = 7]; }", own=own)
    descriptor = schema.pool.FindMessageTypeByName("t.v1.M")
    new, held = schema.new_message(descriptor), Budget(descriptor)
    assert not held.is_exceeded_by(new(n=[1] * MOST))
    assert held.is_exceeded_by(new(n=[1] * (MOST + 1)))


def test_types_that_hold_themselves_are_counted_at_every_depth() -> None:
    text = f"message M {{ repeated M m = 1; int32 a = 2; {on('x')} }}"
    new, held = budget_of(text)
    message = new()
    inner = message
    for _ in range(50):
        inner = inner.m.add()
    for _ in range(MOST // 5):
        inner.m.add()
    # 50 messages look at each of those that are inside all of them.
    assert held.is_exceeded_by(message)
    flat = new(m=[{}] * (MOST // 5))
    assert not held.is_exceeded_by(flat)


def test_a_short_message_is_not_walked_through() -> None:
    class Untouched:
        def __init__(self, size: int) -> None:
            self._size = size

        def ByteSize(self) -> int:
            return self._size

    _, held = budget_of(f"message M {{ repeated N n = 1; }} {N_OF}")
    assert not held.is_exceeded_by(Untouched(100_000))
    with pytest.raises(AttributeError):
        held.is_exceeded_by(Untouched(1_000_000))


def test_who_sends_too_much_is_told_so_and_nothing_is_evaluated() -> None:
    many = Constrained(compiled(f"message M {{ repeated N n = 1; }} {N_OF}"))
    with pytest.raises(CallError) as raised:
        many.told(many.new.FromString(ITEM * MOST))
    error = raised.value
    assert (error.code, error.origin) == (Code.INVALID_ARGUMENT, Origin.CALLER)
    assert "send fewer items at once" in error.message
    assert many.told(many.new.FromString(ITEM * 1000)) == []


@pytest.mark.parametrize("item", [b"\x0a\x00", ITEM])
def test_four_megabytes_hold_the_loop_no_longer_than_what_is_allowed(item: bytes) -> None:
    text = f"message M {{ repeated N n = 1; }} message N {{ int32 a = 1; {on('x')} }}"
    many = Constrained(compiled(text))

    def taken(message: Any) -> float:
        began = time.perf_counter()
        with contextlib.suppress(CallError):
            many.told(message)
        return time.perf_counter() - began

    allowed = many.new.FromString(item * (MOST // 2))
    beyond = many.new.FromString(item * (4 * 1024 * 1024 // len(item)))
    assert min(taken(beyond) for _ in range(2)) < min(taken(allowed) for _ in range(2))
