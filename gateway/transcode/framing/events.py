r"""Server-sent events: one message in each event's data.

The grammar of https://html.spec.whatwg.org/multipage/server-sent-events.html, read for
messages:

1. A line ends with "\r\n", "\n" or "\r"; a byte order mark at the beginning is dropped.
2. An empty line ends the event: its data, if it has any, is a message. A blank event
   (no data, or data that is empty) is none.
3. A line that begins with ":" is a comment. Otherwise the field's name ends at the first
   ":", and one space behind it is dropped.
4. "data" lines are joined by "\n". "event" is the event's name, the last one counts;
   without one it is "message". "id", "retry" and unknown fields are ignored: there is no
   reconnecting, which would be a second request.
5. Only events of the chosen names carry messages, where any are chosen.
6. Data equal to `end_of_stream`, whatever the event's name, ends the stream.
7. The specification discards an event that the body's end leaves open. Here no message
   may be lost in silence: where the last line has its end and only the empty line is
   missing, the event counts; data whose line has no end was cut short, which is an error
   (unless it is `end_of_stream`). Anything else that is left open is discarded.
8. Comments and skipped events are no messages: the idle timeout does not see them.
"""

from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator

from gateway.transcode.framing.contract import cut_short, too_long

_LF, _CR = b"\n", b"\r"


class ServerSentEvents:
    """The data of a body's events.

    Args:
        max_bytes: of a line, and of an event's data.
        names: of the events that carry messages; all if empty.
        end_of_stream: data that ends the stream; none if empty.
    """

    def __init__(self, max_bytes: int, names: Iterable[str] = (), end_of_stream: str = "") -> None:
        self._max_bytes = max_bytes
        self._names = frozenset(name.encode() for name in names)
        self._end_of_stream = end_of_stream.encode()
        self._rest = bytearray()
        self._first_line = True
        self._after_cr = False
        self._forget()
        self.finished = False

    def _forget(self) -> None:
        self._name = b""
        self._data: list[bytes] = []
        self._data_bytes = 0

    def feed(self, part: bytes) -> Iterator[bytes]:
        """Yield the data of the events that end in `part`."""
        begin, size = 0, len(part)
        if self._after_cr and size:
            self._after_cr = False
            begin = int(part.startswith(_LF))  # the other half of "\r\n"
        rest = self._rest
        lf = cr = -2  # where the next of each is; -1 for none
        while begin < size:
            if lf != -1 and lf < begin:
                lf = part.find(_LF, begin)
            if cr != -1 and cr < begin:
                cr = part.find(_CR, begin)
            end = lf if cr < 0 or 0 <= lf < cr else cr
            if end < 0:
                break
            self._check_room(len(rest) + end - begin)
            line = bytes(rest) + part[begin:end] if rest else part[begin:end]
            rest.clear()
            begin = end + 1
            if end == cr:
                if begin == size:
                    self._after_cr = True
                elif begin == lf:
                    begin += 1
            if (data := self._read(line)) is not None:
                yield data
            if self.finished:
                return
        self._check_room(len(rest) + size - begin)
        rest += part[begin:]

    def end(self) -> Iterator[bytes]:
        """Yield the last event's data, where only the empty line is missing."""
        last = bytes(self._rest)
        if self._first_line:
            last = last.removeprefix(BOM_UTF8)
        name, _, value = last.partition(b":")
        if name == b"data" and value and value.removeprefix(b" ") == self._end_of_stream:
            self.finished = True
        elif name and b"data".startswith(name):
            raise cut_short("in the middle of an event")
        elif (data := self._read(b"")) is not None:
            yield data

    def _check_room(self, size: int) -> None:
        if size > self._max_bytes:
            raise too_long(self._max_bytes)

    def _read(self, line: bytes) -> bytes | None:
        """Take one line; return the data of the event that it ends."""
        if self._first_line:
            self._first_line = False
            line = line.removeprefix(BOM_UTF8)
        if line:
            self._take_field(line)
            return None
        data, name = b"\n".join(self._data), self._name or b"message"
        self._forget()
        if not data:
            return None
        if data == self._end_of_stream:
            self.finished = True
            return None
        return data if not self._names or name in self._names else None

    def _take_field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            value = value.removeprefix(b" ")
            self._data_bytes += len(value) + 1
            self._check_room(self._data_bytes - 1)
            self._data.append(value)
        elif name == b"event":
            self._name = value.removeprefix(b" ")
