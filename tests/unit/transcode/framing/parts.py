"""Feeding a framing a body in parts."""

from collections.abc import Iterable

from gateway.transcode.framing.contract import Framing


def messages_of(framing: Framing, parts: Iterable[bytes]) -> list[bytes]:
    """Return the messages of a body; stops where the framing says that it is finished."""
    found: list[bytes] = []
    for part in parts:
        found.extend(framing.feed(part))
        if framing.finished:
            return found
    found.extend(framing.end())
    return found
