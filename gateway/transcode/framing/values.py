"""JSON values one after another: a JSON array's elements, or values with nothing around.

`JsonArray`:
1. White space, "[", elements separated by commas, "]", white space, the end.
2. An element is given with its last byte; a number or literal with what follows it.
3. A comma with no element before or behind it, anything behind "]" and anything but
   "[" at the beginning are errors; a body that ends before "]" was cut short.

`JsonValues`:
4. Values may be separated by white space, and need not be: lines of JSON, values over
   many lines and a body of a single value are all read. No value at all is no message.
5. RFC 7464's record separator (0x1E) counts as white space.

In both, a byte order mark may stand in front, and whether an element is JSON is left to
whoever reads it.
"""

import enum
import re
from codecs import BOM_UTF8
from collections.abc import Iterator

from gateway.transcode.framing.contract import cut_short, misframed, too_long
from gateway.transcode.framing.value import ValueEnd

_SPACES = re.compile(rb"[ \t\r\n]*+")
_GAPS = re.compile(rb"[ \t\r\n\x1e]*+")


class _Values:
    """What both have in common: a value that is kept until it is whole."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._end = ValueEnd()
        self._kept = bytearray()
        self._inside = False
        self._mark: bytes | None = BOM_UTF8
        self.finished = False

    def _is_mark(self, byte: int) -> bool:
        """Tell whether `byte` belongs to a byte order mark in front of everything."""
        if self._mark is None:
            return False
        if byte == self._mark[0]:
            self._mark = self._mark[1:] or None
            return True
        if self._mark != BOM_UTF8:
            raise misframed("begins with bytes that are no text")
        self._mark = None
        return False

    def _take(self, part: bytes, at: int) -> tuple[bytes | None, int]:
        """Return the value that begins or goes on at `at`, None if not whole, and its end."""
        if not self._inside:
            self._inside = True
            self._end.begin(part[at])
        end = self._end.find(part, at)
        stop = end if end >= 0 else len(part)
        if len(self._kept) + stop - at > self._max_bytes:
            raise too_long(self._max_bytes)
        if end < 0:
            self._kept += part[at:]
            return None, stop
        self._inside = False
        value = part[at:end]
        if self._kept:
            value = bytes(self._kept) + value
            self._kept.clear()
        return value, end


class JsonValues(_Values):
    """Values with nothing around them.

    Args:
        max_bytes: of a value.
    """

    def feed(self, part: bytes) -> Iterator[bytes]:
        """Yield the values that end in `part`."""
        at, size = 0, len(part)
        while at < size:
            if not self._inside:
                at = _GAPS.match(part, at).end()  # type: ignore[union-attr]  # matches nothing too
                if at == size:
                    return
                if self._is_mark(part[at]):
                    at += 1
                    continue
                if part[at] in b",:}]":
                    raise misframed(f"has {chr(part[at])!r} where a JSON value begins")
            value, at = self._take(part, at)
            if value is not None:
                yield value

    def end(self) -> Iterator[bytes]:
        """Yield the last value, where only the end could say that it is whole."""
        if self._inside:
            if not self._end.is_scalar:
                raise cut_short("in the middle of a JSON value")
            self._inside = False
            yield bytes(self._kept)


class _At(enum.Enum):
    ARRAY = enum.auto()
    FIRST = enum.auto()
    ELEMENT = enum.auto()
    COMMA = enum.auto()
    END = enum.auto()


class JsonArray(_Values):
    """The elements of one array.

    Args:
        max_bytes: of an element.
    """

    def __init__(self, max_bytes: int) -> None:
        super().__init__(max_bytes)
        self._at = _At.ARRAY

    def feed(self, part: bytes) -> Iterator[bytes]:
        """Yield the elements that end in `part`."""
        at, size = 0, len(part)
        while at < size:
            if not self._inside:
                at = _SPACES.match(part, at).end()  # type: ignore[union-attr]  # matches nothing too
                if at == size:
                    return
                if not self._begins(part[at]):
                    at += 1
                    continue
            value, at = self._take(part, at)
            if value is not None:
                self._at = _At.COMMA
                yield value

    def _begins(self, byte: int) -> bool:
        """Tell whether an element begins with `byte`; it belongs to the array if not."""
        match self._at:
            case _At.ARRAY:
                if not self._is_mark(byte):
                    if byte != 0x5B:
                        raise misframed("is no JSON array")
                    self._at = _At.FIRST
                return False
            case _At.COMMA:
                if byte not in b",]":
                    raise misframed("has no comma between two elements of its JSON array")
                self._at = _At.ELEMENT if byte == 0x2C else _At.END
                return False
            case _At.END:
                raise misframed("has something behind its JSON array")
            case _At.FIRST if byte == 0x5D:
                self._at = _At.END
                return False
        if byte in b",:}]":
            raise misframed(f"has {chr(byte)!r} where an element of its JSON array begins")
        return True

    def end(self) -> Iterator[bytes]:
        """Make sure that the array has ended."""
        if self._at is not _At.END:
            raise cut_short("before its JSON array does")
        yield from ()
