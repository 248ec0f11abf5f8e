"""Entries and marks as bytes, for caches outside of the process: a serializer for aiocache.

The first byte says what follows: "m" a mark; "e" an entry, "z" one that is compressed. Times
are wall seconds. What cannot be read (another version wrote it) reads as nothing.
"""

import json
import zlib
from typing import Any, Final

from aiocache.serializers import BaseSerializer

from gateway.core.stored import UnreadableError, pack, unpack
from gateway.state.answers import Entry

COMPRESSED_FROM: Final = 1024
"""Bytes from which an entry is compressed."""
_MOST: Final = 64 * 1024 * 1024
"""What a compressed entry may become."""
_TIMES: Final = ("given_at", "fresh_s", "revalidate_s", "error_s", "ask_s")


class EntrySerializer(BaseSerializer):  # type: ignore[misc]  # aiocache has no types
    """Turns what `CachedAnswers` keeps into bytes and back."""

    encoding = None
    DEFAULT_ENCODING = None

    def dumps(self, value: Any) -> bytes:
        """Return an `Entry` or a mark as bytes."""
        if not isinstance(value, Entry):
            return b"m" + str(value).encode()
        told = {name: getattr(value, name) for name in _TIMES}
        head = json.dumps(
            {**told, "etag": value.etag, "last_modified": value.last_modified, "marks": value.marks}
        ).encode()
        data = len(head).to_bytes(4, "big") + head + pack(value.landing)
        return b"e" + data if len(data) < COMPRESSED_FROM else b"z" + zlib.compress(data, 1)

    def loads(self, value: bytes | None) -> Any:
        """Return what `dumps` was given; None for nothing, and for what cannot be read."""
        if not value:
            return None
        kind, data = value[:1], bytes(value[1:])
        if kind == b"m":
            return data.decode("ascii", "replace")
        try:
            if kind == b"z":
                data = _decompressed(data)
            elif kind != b"e":
                return None
            size = int.from_bytes(data[:4], "big")
            told = json.loads(data[4 : 4 + size])
            return Entry(
                unpack(data[4 + size :]),
                **{name: float(told[name]) for name in _TIMES},
                etag=told["etag"],
                last_modified=told["last_modified"],
                marks=tuple(told["marks"]),
            )
        except (UnreadableError, ValueError, KeyError, TypeError, zlib.error):
            return None


def _decompressed(data: bytes) -> bytes:
    decompress = zlib.decompressobj()
    found = decompress.decompress(data, _MOST)
    if decompress.unconsumed_tail or not decompress.eof:
        raise ValueError("it is larger than any entry")
    return found
