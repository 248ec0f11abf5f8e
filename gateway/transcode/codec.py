"""JSON to protobuf and back, by the protobuf JSON mapping.

The seam behind which the JSON step lives: encode and decode know only these
classes. Printers and parsers are generated from descriptors at their first use
(gateway.transcode.mapping) and go by one set of habits.

Equal to google.protobuf.json_format with unknown fields ignored, apart from this:
1. Text, arrays, numbers and booleans that stand for an object of fields are refused;
   json_format takes the former two for empty messages.
2. The text is read by orjson: of duplicate keys the last counts, NaN and Infinity
   without quotes are malformed, so are numbers beyond a double; nesting beyond 1,024
   is malformed even in unknown fields. Integers beyond 64 bits become doubles.
3. What is skipped in printing need not have a JSON form.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message

from gateway.transcode.habits import STANDARD, Habits
from gateway.transcode.mapping.parsing import Readers, build
from gateway.transcode.mapping.printing import Printers
from gateway.transcode.mapping.reference import Reference
from gateway.transcode.mapping.required import has_required, missing
from gateway.transcode.mapping.scalars import MappingError
from gateway.transcode.prose import quotable

_MAX_MESSAGE = 300
_dumps, _loads = orjson.dumps, orjson.loads


class CodecError(ValueError):
    """JSON that is not what the message declares, or a message that has none; says why."""

    def __init__(self, text: str) -> None:
        super().__init__(quotable(text, _MAX_MESSAGE))


class Printer:
    """Prints messages of one type, or one field of them; from `JsonCodec`."""

    __slots__ = ("_plain", "_reference")

    def __init__(self, plain: Callable[[Any], Any], reference: Reference) -> None:
        self._plain = plain
        self._reference = reference

    def to_json(self, message: Message) -> bytes:
        """Return `message` as JSON.

        Raises:
            CodecError: the message has no JSON form: a time past the year 9999, an Any
                of a type that is not known, …
        """
        try:
            return _dumps(self._plain(message))
        except Exception as error:  # whatever is wrong with it, the reference can say
            raise self._no_form(message, error) from None

    def to_plain(self, message: Message) -> Any:
        """Return `message` as dicts, lists, text, numbers, booleans and None.

        Raises:
            CodecError: as `to_json`.
        """
        try:
            return self._plain(message)
        except Exception as error:
            raise self._no_form(message, error) from None

    def _no_form(self, message: Message, error: Exception) -> CodecError:
        return CodecError(str(self._reference.why_not(message, error)))


class Parser:
    """Parses messages of one type; from `JsonCodec`."""

    __slots__ = ("_field", "_new", "_read", "_reference", "_required")

    def __init__(
        self,
        new_message: Callable[..., Any],
        read: Callable[[Any], Any],
        reference: Reference,
        field: str | None,
        required: bool,
    ) -> None:
        self._required = required
        self._new = new_message
        self._read = read
        self._reference = reference
        self._field = field

    def parse(self, body: bytes) -> Any:
        """Return the message that one JSON text is.

        Raises:
            CodecError: the JSON is malformed or does not fit the message.
        """
        try:
            plain = _loads(body)
        except orjson.JSONDecodeError as error:
            raise CodecError(f"the JSON is malformed: {error}") from error
        return self.from_plain(plain)

    def from_plain(self, plain: Any) -> Any:
        """Return the message that a JSON value is, as orjson read it; `plain` is not changed.

        Raises:
            CodecError: it does not fit the message.
        """
        if self._field is not None:
            plain = {self._field: plain}
        try:
            return build(self._new, self._read(plain))
        except MappingError as error:
            raise CodecError(str(error)) from None
        except Exception:  # whatever is odd about it, the reference decides
            return self._by_reference(plain)

    def to_wire(self, body: bytes) -> bytes:
        """Return the serialized message that one JSON text is.

        Raises:
            CodecError: as `parse`; or a required field is missing, which serializing
                a parsed message must not be left to find out.
        """
        try:
            plain = _loads(body)
        except orjson.JSONDecodeError as error:
            raise CodecError(f"the JSON is malformed: {error}") from error
        return self.to_wire_from_plain(plain)

    def to_wire_from_plain(self, plain: Any) -> bytes:
        """Return the serialized message that a JSON value is; as `to_wire`."""
        message = self.from_plain(plain)
        wire: bytes = (self.checked(message) if self._required else message).SerializeToString()
        return wire

    def checked(self, message: Any) -> Any:
        """Return a parsed message, which has its required fields.

        Raises:
            CodecError: it has not, and must not be serialized.
        """
        if self._required and (path := missing(message)) is not None:
            raise CodecError(f"the required field {path} is missing")
        return message

    def _by_reference(self, plain: Any) -> Any:
        message = self._new()
        try:
            self._reference.parse(plain, message)
        except MappingError as error:
            raise CodecError(str(error)) from error
        return message


class JsonCodec:
    """Makes printers and parsers for messages of one descriptor pool.

    Args:
        pool: where the types of google.protobuf.Any are looked up.
        max_depth: messages above each other that are accepted; a JSON value without a
            schema counts as one, and as two where it is an object or array.
        habits: how the JSON is written.
    """

    def __init__(
        self, pool: DescriptorPool, max_depth: int = 100, habits: Habits = STANDARD
    ) -> None:
        self._reference = Reference(pool, max_depth, habits)
        self._readers = Readers(pool, max_depth, habits)
        self._printers = Printers(pool, habits)

    def printer(self, message: Descriptor, skip: Iterable[Sequence[str]] = ()) -> Printer:
        """Return the printer of a message type.

        Args:
            message: the type.
            skip: JSON paths that are left out.
        """
        paths = frozenset(map(tuple, skip))
        return Printer(self._printers.printer(message, paths), self._reference)

    def field_printer(self, field: FieldDescriptor, skip: Iterable[Sequence[str]] = ()) -> Printer:
        """Return the printer of one field, which takes the message that has it.

        Args:
            field: a field.
            skip: JSON paths that are left out, from the field's own message on.

        Unset, the field is printed as its empty value: null of what can be absent, `{}`
        of any other message.
        """
        paths = frozenset(map(tuple, skip))
        return Printer(self._printers.field_printer(field, paths), self._reference)

    def parser(
        self,
        new_message: Callable[..., Any],
        message: Descriptor,
        field: FieldDescriptor | None = None,
    ) -> Parser:
        """Return the parser of a message type.

        Args:
            new_message: the class.
            message: the type.
            field: the field that the JSON is the value of; None for the message itself.
        """
        name = field.json_name if field is not None else None
        read = self._readers.reader(message)
        return Parser(new_message, read, self._reference, name, has_required(message))

    def warm(self) -> None:
        """Generate all that printers and parsers made so far can come to."""
        self._readers.warm()
        self._printers.warm()

    # For single messages; a lookup slower than the printers and parsers themselves.

    def to_json(self, message: Message, skip: Sequence[Sequence[str]] = ()) -> bytes:
        """Return `message` as JSON, without the JSON paths in `skip`; as `Printer.to_json`."""
        kind: Any = message.DESCRIPTOR
        return self.printer(kind, skip).to_json(message)

    def field_to_json(
        self, message: Message, field: FieldDescriptor, skip: Sequence[Sequence[str]] = ()
    ) -> bytes:
        """Return one field of `message` as JSON; as `field_printer`."""
        return self.field_printer(field, skip).to_json(message)

    def parse(self, body: bytes, into: Message, field: str | None = None) -> Message:
        """Fill an empty message from JSON and return it; as `Parser.parse`.

        Args:
            body: one JSON value.
            into: an empty message.
            field: JSON name of the field that the value is, None for the message.

        Raises:
            CodecError: as `Parser.to_wire`, so that the message can be serialized.
        """
        kind: Any = into.DESCRIPTOR
        read = self._readers.reader(kind)
        parser = Parser(type(into), read, self._reference, field, has_required(kind))
        into.MergeFrom(parser.checked(parser.parse(body)))
        return into
