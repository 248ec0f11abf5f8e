r"""Where one JSON value ends, over any number of parts.

1. An object or array ends with the bracket that closes its first one; brackets are
   counted, and those inside strings are not. Whether kinds match, and what stands
   between brackets, is left to whoever reads the value.
2. A string ends with the first quote that no backslash takes.
3. Anything else (a number, a literal, garbage) ends before the first white space,
   comma, bracket or quote, or at the end of the body.

A value that lies in one part and is nested no deeper than `_FAST_DEPTH` is found by one
regular expression; the rest is counted, a step a bracket. No pattern goes back over
what it has passed, so that the time is linear in the bytes.
"""

import re

SPACE = b" \t\r\n"

_FAST_DEPTH = 5
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_PLAIN = rb'[^"{}\[\]]*+(?:' + _STRING + rb'[^"{}\[\]]*+)*+'


def _nested(depth: int) -> bytes:
    value = rb"[{\[]" + _PLAIN + rb"[}\]]"
    for _ in range(depth):
        value = rb"[{\[]" + _PLAIN + rb"(?:" + value + _PLAIN + rb")*+[}\]]"
    return value


_WHOLE = re.compile(_nested(_FAST_DEPTH), re.DOTALL)
_TO_BRACKET = re.compile(_PLAIN + rb"([{}\[\]])", re.DOTALL)
_TO_OPEN_QUOTE = re.compile(_PLAIN, re.DOTALL)
_IN_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_IN_SCALAR = re.compile(rb'[^ \t\r\n\x1e,:"{}\[\]]*+')


class ValueEnd:
    """Finds the end of one value after another; `begin` each, then `find` until it ends."""

    __slots__ = ("_depth", "_escaped", "_fresh", "_in_string", "is_scalar")

    def __init__(self) -> None:
        self.is_scalar = False
        """Whether the value under way is one of rule 3, which ends before what ends it."""

    def begin(self, first: int) -> None:
        """Begin with a value whose first byte is `first`; `find` is given that byte too."""
        self._fresh = True
        self._depth = 0
        self._in_string = self._escaped = False
        self.is_scalar = first not in b'"{['

    def find(self, part: bytes, at: int) -> int:
        """Return the index behind the value's last byte, -1 where it goes on behind `part`.

        Args:
            part: of the body.
            at: where the value begins in it, 0 where it began in an earlier part.
        """
        if self.is_scalar:
            end = _IN_SCALAR.match(part, at).end()  # type: ignore[union-attr]  # matches nothing too
            return end if end < len(part) else -1
        if self._fresh and at < len(part):
            self._fresh = False
            if (whole := _WHOLE.match(part, at)) is not None:
                return whole.end()
            if part[at] == 0x22:
                self._in_string = True
                at += 1
        return self._count(part, at)

    def _count(self, part: bytes, at: int) -> int:
        size, depth = len(part), self._depth
        if self._in_string:
            at = self._leave_string(part, at)
            if at < 0:
                return -1
            if not depth:
                return at
        while (found := _TO_BRACKET.match(part, at)) is not None:
            at = found.end()
            if part[at - 1] in b"{[":
                depth += 1
            else:
                depth -= 1
                if not depth:
                    return at
        self._depth = depth
        at = _TO_OPEN_QUOTE.match(part, at).end()  # type: ignore[union-attr]  # matches nothing too
        if at < size:  # at the quote of a string that goes on behind the part
            self._in_string = True
            self._leave_string(part, at + 1)
        return -1

    def _leave_string(self, part: bytes, at: int) -> int:
        """Return the index behind the string's closing quote, -1 where it goes on."""
        if self._escaped and at < len(part):
            self._escaped = False
            at += 1
        end = _IN_STRING.match(part, at).end()  # type: ignore[union-attr]  # matches nothing too
        if end < len(part):
            if part[end] == 0x22:
                self._in_string = False
                return end + 1
            self._escaped = True  # a backslash, as the last byte of the part
        return -1
