"""Reads one answer at a time from the bytes of a connection.

The half of a connection that knows HTTP/1.1 and no sockets: llhttp calls back, and
what it says is checked and collected here. `connection.py` feeds it.

Rules:
1. 100, 102, 103 and the like are passed over, sixteen of them at most. 101 is an
   answer without a body, and the connection's last.
2. Framing is strict (RFC 9112, section 6): one length or one `chunked`, never both.
   What is not HTTP, a head above its limit, and more than 128 headers stop it.
3. An answer to HEAD, a 1xx, 204 and 304 have no body, whatever their headers say. A
   body without a length ends with the connection.
4. A body is collected up to a limit (*whole*), or handed out in parts (*streamed*). An
   answer with a content coding is streamed whatever was asked for, so that what is
   undone stays bounded.
5. Above the limit a 2xx is a failure, as soon as its length says so; of any other
   answer what fits is kept, and the answer is done.
6. Names are lower case; repeated headers are joined by ", " (RFC 9110, section 5.3),
   of Set-Cookie the first is kept. Trailers are not looked at.
7. A byte behind the answer stops it, and the answer stands.
"""

import httptools

from gateway.downstream import errors
from gateway.downstream.wire import NAMES

STOPPED = (httptools.HttpParserError, httptools.HttpParserUpgrade)
"""What `_parser.feed_data` raises where it stops."""
_MAX_INFORMATIONAL = 16
_MAX_HEADERS = 128
_MAX_PARTS = 512


class AnswerParser:
    """The answer that arrives.

    Args:
        upstream: its name, for errors.
        max_header_bytes: of an answer's head, informational ones before it included.
    """

    __slots__ = (
        "_arriving",
        "_begun_bytes",
        "_expects_no_body",
        "_head_done",
        "_informational",
        "_keep",
        "_limit",
        "_max_body",
        "_max_error",
        "_max_header_bytes",
        "_parsed",
        "_parser",
        "_parts",
        "_repeated",
        "_size",
        "_until_close",
        "_upstream",
        "done",
        "failure",
        "headers",
        "status",
        "whole",
    )

    def __init__(self, upstream: str, max_header_bytes: int) -> None:
        self._upstream = upstream
        self._max_header_bytes = max_header_bytes
        self._arriving: dict[str, str] = {}
        self._repeated = 0
        self._keep = True
        self.headers: dict[str, str] = {}
        """The answer's."""
        self.failure: Exception | None = None
        self.done = False
        """The answer has arrived to its end."""
        self._new_parser()

    def _expect(self, *, no_body: bool, max_body: int | None, max_error: int) -> None:
        """Forget the last answer and wait for the next."""
        self.done = self._head_done = self._parsed = self._until_close = False
        self.whole = max_body is not None
        self._max_body = max_body or 0
        self._max_error = max_error
        self._expects_no_body = no_body
        self._begun_bytes = self._informational = self._size = 0
        self._parts: list[bytes] = []

    def _renew(self) -> None:
        """Be ready for the next answer, once this one is done."""
        if not self._parsed:
            self._new_parser()  # this one still waits for a body that HEAD has not
        if self._arriving:
            self._arriving = {}
        self._parts = []

    def _new_parser(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        # Some servers pad the size of a chunk; it can mean nothing else.
        self._parser.set_dangerous_leniencies(lenient_spaces_after_chunk_size=True)

    # What llhttp calls

    def on_message_begin(self) -> None:
        """Refuse bytes behind an answer."""
        if self.done:
            raise _Stop

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header, or a trailer, which is not looked at."""
        key = NAMES.get(name) or name.decode("latin-1").lower()
        headers = self._arriving
        if key not in headers:
            headers[key] = value.decode("latin-1")
            return
        self._repeated += 1
        if self._repeated > _MAX_HEADERS:
            raise _Stop
        if key != "set-cookie":
            headers[key] += ", " + value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Decide what becomes of the body."""
        headers, self._arriving, self._repeated = self._arriving, {}, 0
        status = self._parser.get_status_code()
        if status < 200 and status != 101:
            self._informational += 1
            if status < 100 or self._informational > _MAX_INFORMATIONAL:
                raise _Stop
            return
        if len(headers) > _MAX_HEADERS or (
            self._begun_bytes > self._max_header_bytes
            and sum(len(k) + len(v) + 4 for k, v in headers.items()) > self._max_header_bytes
        ):
            raise _Stop
        self.status = status
        self.headers = headers
        self._head_done = True
        self._keep = self._parser.should_keep_alive() and status != 101
        fine = 200 <= status < 300
        if self.whole and "content-encoding" not in headers:
            self._limit = self._max_body if fine else self._max_error
        else:
            self.whole = False
        if self._expects_no_body:
            self.done = True
        elif "transfer-encoding" in headers:
            if headers["transfer-encoding"].lower() != "chunked":
                raise _Stop
        elif "content-length" not in headers:
            self._until_close = not self._keep
        elif self.whole and fine and int(headers["content-length"]) > self._limit and status != 204:
            self.failure = errors.too_large(self._upstream, self._limit)
            raise _Stop

    def on_body(self, body: bytes) -> None:
        """Collect a part of the body."""
        if self.done:  # an answer to HEAD has none
            raise _Stop
        self._size += len(body)
        parts = self._parts
        parts.append(body)
        if len(parts) > _MAX_PARTS:  # tiny chunks: each costs more than it holds
            self._parts = [b"".join(parts)]
        if self.whole and self._size > self._limit:
            if 200 <= self.status < 300:
                self.failure = errors.too_large(self._upstream, self._limit)
            else:
                self.done = True  # what is kept of an error has arrived
            raise _Stop

    def on_message_complete(self) -> None:
        """End the answer, unless it was an informational one."""
        if self._head_done:
            self._parsed = self.done = True


class _Stop(Exception):
    """Makes the parser stop where it is."""
