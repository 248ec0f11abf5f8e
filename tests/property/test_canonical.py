"""Fingerprints: the same for equal requests, however they were serialized; else another."""

import random

import pytest
from google.protobuf.internal.decoder import _DecodeVarint
from google.protobuf.message import Message
from property.shapes import TYPES, Draw

from gateway.transcode.canonical import Canonical

CANONICAL = Canonical()


def wire_fields(data: bytes) -> dict[int, list[bytes]]:
    """Return the serialized fields of a message, by number; one entry where it has groups."""
    found: dict[int, list[bytes]] = {}
    at = 0
    while at < len(data):
        begin = at
        tag, at = _DecodeVarint(data, at)
        match tag & 7:
            case 0:
                _, at = _DecodeVarint(data, at)
            case 1:
                at += 8
            case 2:
                size, at = _DecodeVarint(data, at)
                at += size
            case 5:
                at += 4
            case _:
                return {0: [data]}
        found.setdefault(tag >> 3, []).append(data[begin:at])
    return found


def in_another_order(message: Message, rng: random.Random) -> bytes:
    """Return the same message with its fields in another order, and an unknown one."""
    fields = wire_fields(message.SerializeToString())
    parts: list[bytes] = []
    queues = [list(queue) for queue in fields.values()]
    while queues:
        queue = rng.choice(queues)
        parts.append(queue.pop(0))
        if not queue:
            queues.remove(queue)
    unknown = bytes((0xC2, 0xF7, 0xFF, 0x0F, 1, 7))  # number 33553272, one byte long
    parts.insert(rng.randrange(len(parts) + 1), unknown)
    return b"".join(parts)


@pytest.mark.parametrize("seed", range(200))
def test_the_order_on_the_wire_and_unknown_fields_do_not_count(seed: int) -> None:
    rng = random.Random(seed)
    kind = TYPES[seed % len(TYPES)]
    message = Draw(seed, rng.choice((0.1, 0.4, 0.8)), 0.0).message(kind)
    other = kind.FromString(in_another_order(message, rng))
    assert CANONICAL.fingerprint(message) == CANONICAL.fingerprint(other)


def test_messages_that_differ_have_other_fingerprints() -> None:
    seen: dict[bytes, Message] = {}
    compared = 0
    for seed in range(900):
        kind = TYPES[seed % 3]
        message = Draw(seed, 0.3, 0.0).message(kind)
        key = kind.DESCRIPTOR.full_name.encode() + CANONICAL.fingerprint(message)
        before = seen.setdefault(key, message)
        if before is not message:
            compared += 1
            assert str(before) == str(message), "one fingerprint, two messages"
    assert compared < 300
    assert len(seen) > 500
