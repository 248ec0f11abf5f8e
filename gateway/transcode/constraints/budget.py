"""How many expressions one message may ask for, counted before the engine is asked.

The engine evaluates them on the event loop, cannot be interrupted, and lets no other thread go
on meanwhile: 4 MiB of small messages with an expression each take it from seconds to most of a
minute. What is more work than `MOST` expressions is refused:

1. Each expression (CEL) of each message, field, item, key and value is one, rules that users
   define among them. The other rules are compiled code, as quick as reading a value.
2. An expression of a message, and one of a field that holds messages, is given all that is
   inside, which is copied for it: a tenth for each message inside.
3. A message that is looked into is a tenth, whether or not it has expressions itself.
4. Turns of loops inside one expression are the engine's to count: ten thousand.
5. A message too short to hold so much, by its bytes, is not walked through.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.descriptor import Descriptor

from gateway.transcode.constraints.vocabulary import Expressions, expressions

MOST = 100_000
"""Expressions: a fifth of a second of the engine's, or a little more."""
_WHOLE = 10
"""Tenths."""
_DEEPEST = 100
"""Messages inside each other that protobuf parses."""


@dataclass(slots=True, eq=False)
class _Plan:
    """What of one message type is counted.

    Args:
        own: expressions of the message and of its fields.
        inside: those of them that look at the messages inside.
        each: expressions of every item, key or value of a field, by its name.
        leads: fields that hold messages, by name, with the plan of those.
        counts: something in it, however deep, has expressions.
    """

    own: int = 0
    inside: int = 0
    each: dict[str, int] = field(default_factory=dict)
    leads: dict[str, "_Plan"] = field(default_factory=dict)
    counts: bool = False

    @property
    def is_flat(self) -> bool:
        """Whether its own number is all that there is to count in one."""
        return not self.leads and not self.each


class Budget:
    """What messages of one type may ask for.

    Args:
        message: the type.
    """

    def __init__(self, message: Descriptor) -> None:
        plans: dict[str, _Plan] = {}
        self._plan = _plan_of(message, plans)
        changed = True
        while changed:  # through types that hold each other
            changed = False
            for plan in plans.values():
                if not plan.counts and any(inner.counts for inner in plan.leads.values()):
                    plan.counts = changed = True
        self._safe_bytes = _safe_bytes(list(plans.values())) if self._plan.counts else None

    def is_exceeded_by(self, message: Any) -> bool:
        """Tell whether a message asks for more work than is done at once."""
        if self._safe_bytes is None or message.ByteSize() <= self._safe_bytes:
            return False
        left = _WHOLE * (MOST - self._plan.own)
        waiting = [(message, self._plan, self._plan.inside)]
        while waiting:
            one, plan, looked = waiting.pop()
            for declared, value in one.ListFields():
                count = len(value) if declared.is_repeated else 1
                left -= _WHOLE * count * plan.each.get(declared.name, 0)
                inner = plan.leads.get(declared.name)
                if inner is not None and (looked or inner.counts):
                    left -= count * (1 + looked + _WHOLE * inner.own)
                    if left >= 0 and not inner.is_flat:
                        deeper = looked + inner.inside
                        waiting += [(held, inner, deeper) for held in _held(declared, value)]
                if left < 0:
                    return True
        return False


def _safe_bytes(plans: list[_Plan]) -> int:
    """Return how long a message may be that cannot ask for too much, whatever it holds."""
    looked = sum(plan.inside for plan in plans) * (_DEEPEST if _leads_back(plans) else 1)
    own = max(plan.own for plan in plans)
    each = max((max(plan.each.values(), default=0) for plan in plans), default=0)
    # The shortest message takes two bytes where it stands, the shortest item one.
    return 2 * _WHOLE * MOST // (1 + looked + _WHOLE * (own + 2 * each))


def _leads_back(plans: list[_Plan]) -> bool:
    """Tell whether a type holds itself, through others or not."""
    waiting = {id(plan): {id(inner) for inner in plan.leads.values()} for plan in plans}
    while waiting:
        ends = [plan for plan, leads in waiting.items() if not leads & waiting.keys()]
        if not ends:
            return True
        for plan in ends:
            del waiting[plan]
    return False


def _plan_of(message: Descriptor, plans: dict[str, _Plan]) -> _Plan:
    known = plans.get(message.full_name)
    if known is not None:
        return known
    plan = plans[message.full_name] = _Plan()
    for carrier in (message, *message.oneofs):
        plan.own += _expressions(carrier).own
    plan.inside = plan.own
    for declared in message.fields:
        found = _expressions(declared)
        plan.own += found.own
        if found.each:
            plan.each[declared.name] = found.each
        kind: Any = declared.message_type
        if kind is not None and kind.GetOptions().map_entry:
            kind = kind.fields_by_name["value"].message_type
        if kind is not None:
            plan.leads[declared.name] = _plan_of(kind, plans)
            plan.inside += found.own
    plan.counts = bool(plan.own or plan.each)
    return plan


def _expressions(carrier: Any) -> Expressions:
    return expressions(carrier.GetOptions()) if carrier.has_options else Expressions(0, 0)


def _held(declared: Any, value: Any) -> Iterator[Any]:
    """Yield the messages that a field holds."""
    if not declared.is_repeated:
        yield value
    elif declared.message_type.GetOptions().map_entry:
        yield from value.values()
    else:
        yield from value
