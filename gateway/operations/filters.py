"""The filter of ListOperations: a small part of AIP-160.

`done = true`, `state = WAITING`, `method = "panel.v1.ContactService/Submit"`, joined by AND. A
colon does for the equals sign.
"""

import re
from typing import Final, NamedTuple

from gateway.core.errors import invalid_request
from gateway.state.operations import OPEN, State

_TERM: Final = re.compile(r"""\s*(\w+)\s*(?:=|:)\s*("[^"]*"|'[^']*'|[\w./-]+)\s*""")
_METHOD: Final = re.compile(r"[\w./-]*", re.ASCII)
_AND: Final = re.compile(r"AND\b\s*")
_MAX: Final = 1000
_HOW: Final = 'join terms by AND: done = true, state = WAITING, method = "shop.v1.Orders/Create"'


class Filter(NamedTuple):
    """What is listed.

    Args:
        method: full name, "" for all.
        states: any of them; empty for all.
    """

    method: str = ""
    states: tuple[State, ...] = ()


def parse_filter(text: str) -> Filter:
    """Return what a filter says.

    Raises:
        CallError: INVALID_ARGUMENT.
    """
    if len(text) > _MAX:
        raise invalid_request(f"the filter has more than {_MAX} characters", "filter")
    method, states = "", frozenset(State)
    at = 0
    while text[at:].strip():
        if at:
            joined = _AND.match(text, at)
            if joined is None:
                raise _malformed(text[at:])
            at = joined.end()
            if not text[at:].strip():
                raise _malformed("AND")
        term = _TERM.match(text, at)
        if term is None:
            raise _malformed(text[at:])
        name, value = term[1], term[2].strip("\"'")
        if name == "method":
            if _METHOD.fullmatch(value) is None:
                raise invalid_request(
                    f"the filter's method is a full name, not {value[:40]!r}: {_HOW}", "filter"
                )
            method = value
        elif name in ("done", "state"):
            states &= _states(name, value)
        else:
            raise invalid_request(f"the filter knows no {name[:40]!r}: {_HOW}", "filter")
        at = term.end()
    if states == frozenset(State):
        return Filter(method)
    return Filter(method, tuple(sorted(states)))


def _states(name: str, value: str) -> frozenset[State]:
    if name == "done":
        if value.lower() not in ("true", "false"):
            raise invalid_request(
                f"the filter's done is true or false, not {value[:40]!r}", "filter"
            )
        ended = frozenset(State) - OPEN
        return ended if value.lower() == "true" else OPEN
    try:
        return frozenset((State(value.lower()),))
    except ValueError:
        known = ", ".join(one.value.upper() for one in State)
        raise invalid_request(f"the filter's state is one of {known}", "filter") from None


def _malformed(rest: str) -> Exception:
    return invalid_request(f"the filter cannot be read at {rest.strip()[:40]!r}: {_HOW}", "filter")
