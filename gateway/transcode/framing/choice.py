"""Which framing an answer has: by the policy, its Content-Type and its first byte.

1. A declared format is taken at its word, where the Content-Type does not contradict it:
   newline-delimited JSON may also come as JSON or text/plain, an array as JSON, events
   as text/event-stream only. An answer without a Content-Type contradicts nothing.
2. DETECT goes by the Content-Type: text/event-stream, the names of newline-delimited
   JSON, application/json-seq. For JSON, and where none is given, the first byte that is
   no white space decides: "[" begins an array of messages, unless a message is an array
   itself; anything else is one value after another.
3. An answer that may be a single value (one request of many, see ONE_EACH) can be that
   value as JSON, whatever is declared.
"""

import enum
from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.transcode.decode import invalid_answer, is_json, split_media_type
from gateway.transcode.framing.contract import Framing
from gateway.transcode.framing.events import ServerSentEvents
from gateway.transcode.framing.lines import Lines
from gateway.transcode.framing.values import JsonArray, JsonValues

_NDJSON = frozenset(
    (
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/x-jsonlines",
        "application/json-lines",
        "application/stream+json",
    )
)


class Format(enum.Enum):
    """Framing of a streamed answer; see seawall.policy.v1.StreamPolicy.Format."""

    NEWLINE_DELIMITED_JSON = 1
    SERVER_SENT_EVENTS = 2
    JSON_ARRAY = 3
    DETECT = 4


ACCEPT = {
    Format.NEWLINE_DELIMITED_JSON: "application/x-ndjson, application/json;q=0.9",
    Format.SERVER_SENT_EVENTS: "text/event-stream, application/json;q=0.5",
    Format.JSON_ARRAY: "application/json",
    # What streams comes first: a server that has the choice may collect an answer of
    # application/json before it sends the first byte.
    Format.DETECT: (
        "application/x-ndjson, text/event-stream;q=0.9, application/json;q=0.8, "
        "application/json-seq;q=0.7"
    ),
}
"""What a request for a stream accepts. Errors are JSON, so that it is never left out."""

_NAMES = {
    Format.NEWLINE_DELIMITED_JSON: "newline-delimited JSON",
    Format.SERVER_SENT_EVENTS: "text/event-stream",
    Format.JSON_ARRAY: "a JSON array",
    Format.DETECT: "a stream of JSON",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamOptions:
    """How the messages of a stream lie in bodies; see seawall.policy.v1.StreamPolicy.

    Args:
        format: of the answer.
        idle_timeout_s: longest wait for the next message.
        enveloped: whether messages are wrapped as grpc-gateway does; None to find out.
        events: names of server-sent events that carry messages; all if empty.
        end_of_stream: data of a server-sent event that ends the stream; none if empty.
        one_body: whether a bidirectional method sends all its messages as one body.
    """

    format: Format = Format.DETECT
    idle_timeout_s: float = float("inf")
    enveloped: bool | None = None
    events: tuple[str, ...] = ()
    end_of_stream: str = "[DONE]"
    one_body: bool = False


def choose_framing(
    options: StreamOptions,
    content_type: str,
    max_bytes: int,
    *,
    of_arrays: bool = False,
    may_be_single: bool = False,
) -> Framing:
    """Return the framing of an answer, by the rules above.

    Args:
        options: what is declared.
        content_type: of the answer, "" where it has none.
        max_bytes: of one message.
        of_arrays: a message is itself a JSON array.
        may_be_single: the answer may be one value.

    Raises:
        CallError: the Content-Type is not one of the format.
    """
    media_type, _ = split_media_type(content_type)
    json = not media_type or is_json(media_type)
    match options.format:
        case Format.NEWLINE_DELIMITED_JSON:
            if may_be_single and media_type and json:
                return JsonValues(max_bytes)
            if json or media_type == "text/plain" or media_type in _NDJSON:
                return Lines(max_bytes)
        case Format.SERVER_SENT_EVENTS:
            if media_type in ("", "text/event-stream"):
                return ServerSentEvents(max_bytes, options.events, options.end_of_stream)
            if may_be_single and json:
                return JsonValues(max_bytes)
        case Format.JSON_ARRAY:
            if json:
                return FirstByte(max_bytes) if may_be_single else JsonArray(max_bytes)
        case Format.DETECT:
            if media_type == "text/event-stream":
                return ServerSentEvents(max_bytes, options.events, options.end_of_stream)
            if media_type in _NDJSON:
                return Lines(max_bytes)
            if media_type == "application/json-seq":
                return JsonValues(max_bytes)
            if json:
                return JsonValues(max_bytes) if of_arrays else FirstByte(max_bytes)
    raise invalid_answer(f"with {media_type[:80]!r} instead of {_NAMES[options.format]}")


class FirstByte:
    """An array, or one value after another, as the first byte says.

    Args:
        max_bytes: of a message.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._chosen: Framing | None = None
        self.finished = False

    def feed(self, part: bytes) -> Iterator[bytes]:
        """Yield the messages that end in `part`."""
        if self._chosen is None:
            text = part.lstrip(b" \t\r\n" + BOM_UTF8)
            if not text:
                return iter(())
            begins_array = text.startswith(b"[")
            self._chosen = (JsonArray if begins_array else JsonValues)(self._max_bytes)
            part = text  # a byte order mark may have been cut anywhere
        return self._chosen.feed(part)

    def end(self) -> Iterator[bytes]:
        """Yield what the end of the body completes."""
        return self._chosen.end() if self._chosen is not None else iter(())
