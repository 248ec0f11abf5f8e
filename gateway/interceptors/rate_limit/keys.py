"""What a call is counted by: the parts of a limit's `by`, as one key.

Rules:
1. Without parts all calls have one key.
2. A caller is known by its identity; where nobody knows it, by its peer address behind an
   "@", which no identity begins with: a caller without a credential is not counted as
   nobody, and not as somebody else.
3. What is missing (a metadata key, a field that is not set or has its default) is the value
   "": whoever leaves it out is counted with all others who do. Several values of a metadata
   key are one, joined as they are sent on. Bytes are written in hex.
4. Values may hold anything, so in front of each but the last stands how long it is: no two
   lists of values make the same key.
"""

import enum
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from gateway.core.call import Call

KeyOf = Callable[[Call], str]


class Source(enum.Enum):
    """Where a part of a key is read."""

    METHOD = "method"
    CALLER = "caller"
    PEER = "peer"
    METADATA = "metadata"
    FIELD = "field"


class Part(NamedTuple):
    """One part of a key; `name` is a metadata key in lower case, or the path of a field."""

    source: Source
    name: str = ""


def key_of(parts: Sequence[Part], peer: KeyOf) -> KeyOf:
    """Return what makes the key of a call.

    Args:
        parts: what has a count of its own, together.
        peer: returns the address of a call (`core.peer.PeerAddress`).
    """
    readers = tuple(_reader(part, peer) for part in parts)
    if not readers:
        return _nothing
    if len(readers) == 1:
        return readers[0]
    if len(readers) == 2:
        first, second = readers

        def both(call: Call) -> str:
            value = first(call)
            return f"{len(value)}:{value}{second(call)}"

        return both
    *before, last = readers

    def joined(call: Call) -> str:
        values = [read(call) for read in before]
        return "".join([f"{len(value)}:{value}" for value in values]) + last(call)

    return joined


def _nothing(_call: Call) -> str:
    return ""


def _reader(part: Part, peer: KeyOf) -> KeyOf:
    match part.source:
        case Source.METHOD:
            return _method
        case Source.CALLER:
            return _caller(peer)
        case Source.PEER:
            return peer
        case Source.METADATA:
            return _metadata(part.name)
        case Source.FIELD:
            return _field(part.name)


def _method(call: Call) -> str:
    return call.method.full_name


def _caller(peer: KeyOf) -> KeyOf:
    def read(call: Call) -> str:
        identity = call.identity
        return "@" + peer(call) if identity is None else identity.key

    return read


def _metadata(name: str) -> KeyOf:
    def read(call: Call) -> str:
        found: str | None = None
        for key, value in call.metadata:
            if key == name:
                text = value if isinstance(value, str) else value.hex()
                found = text if found is None else f"{found}, {text}"
        return found or ""

    return read


def _field(path: str) -> KeyOf:
    get = attrgetter(path)

    def read(call: Call) -> str:
        value: Any = get(call.message) if call.message is not None else None
        if not value:
            return ""
        return value.hex() if isinstance(value, bytes) else str(value)

    return read
