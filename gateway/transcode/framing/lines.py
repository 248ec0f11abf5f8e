r"""Newline-delimited JSON: one value a line.

1. A line ends with "\n" or "\r\n"; the last may lack its end.
2. White space around a line is dropped; a line of nothing else is no message. A byte
   order mark may stand in front.

Source: https://github.com/ndjson/ndjson-spec and https://jsonlines.org.
"""

from codecs import BOM_UTF8
from collections.abc import Iterator

from gateway.transcode.framing.contract import too_long


class Lines:
    """The lines of a body.

    Args:
        max_bytes: of a line, without its end.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._rest = bytearray()
        self._first = True
        self.finished = False

    def feed(self, part: bytes) -> Iterator[bytes]:
        """Yield the lines that end in `part`."""
        rest, max_bytes = self._rest, self._max_bytes
        begin = 0
        while (end := part.find(b"\n", begin)) >= 0:
            if len(rest) + end - begin > max_bytes:
                raise too_long(max_bytes)
            line = bytes(rest) + part[begin:end] if rest else part[begin:end]
            rest.clear()
            begin = end + 1
            if self._first:
                line = self._unmarked(line)
            if line := line.strip():
                yield line
        rest += part[begin:]
        if len(rest) > max_bytes:
            raise too_long(max_bytes)

    def end(self) -> Iterator[bytes]:
        """Yield the last line, where it lacks its end."""
        last = bytes(self._rest)
        if last := (self._unmarked(last) if self._first else last).strip():
            yield last

    def _unmarked(self, line: bytes) -> bytes:
        self._first = False
        return line.removeprefix(BOM_UTF8)
