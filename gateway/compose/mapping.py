"""From one message to another by {field of the target: path into the source}.

Compiled and checked when the gateway starts, used by all composed methods.

Rules:
1. A target is one field; a source is a dotted path through single messages. The empty
   path is the source itself.
2. Both hold the same: scalars of one kind, enums and messages of one full name, lists
   lists, maps maps of equal keys and values. (int32, sint32 and sfixed32 are one kind,
   they differ on the wire only; string and bytes are two.) Lists of messages of two types fit
   where the types have fields with the same name and type: each element is made of its like.
3. What is unset leaves its target unset: a message on the way that is absent, a field
   with presence that is not set, one without presence that holds its default.
4. Where no fields are given: the source itself if it is of the target's type, else every
   field that both have with the same name and type.
5. Values are copied. Only a source that is the target as it stands is handed on itself.
6. All mistakes are told, not the first.
"""

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor

_F = FieldDescriptor
_SCALARS = {
    _F.CPPTYPE_INT32: "int32",
    _F.CPPTYPE_INT64: "int64",
    _F.CPPTYPE_UINT32: "uint32",
    _F.CPPTYPE_UINT64: "uint64",
    _F.CPPTYPE_DOUBLE: "double",
    _F.CPPTYPE_FLOAT: "float",
    _F.CPPTYPE_BOOL: "bool",
    _F.CPPTYPE_STRING: "string",
}

Copy = Callable[[Any, Any], None]
"""Copies what it is made for from its first argument to its second."""


class MappingError(ValueError):
    """Fields that are not there, or do not fit; `mistakes` has (target, sentence) of each."""

    def __init__(self, mistakes: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(text for _, text in mistakes))
        self.mistakes = tuple(mistakes)


def held_by(field: FieldDescriptor, *, element: bool = False) -> str:
    """Return what a field holds, "repeated string"; equal exactly where values fit.

    Args:
        field: of any message.
        element: what one element of it is instead.
    """
    kind = field.message_type
    if field.is_repeated and not element:
        if kind is not None and kind.GetOptions().map_entry:
            key, value = kind.fields_by_name["key"], kind.fields_by_name["value"]
            return f"map<{held_by(key)}, {held_by(value)}>"
        return f"repeated {held_by(field, element=True)}"
    if kind is not None:
        return str(kind.full_name)
    if field.enum_type is not None:
        return str(field.enum_type.full_name)
    return "bytes" if field.type == _F.TYPE_BYTES else _SCALARS[field.cpp_type]


def field_of(message: Descriptor, name: str) -> FieldDescriptor:
    """Return a field by its name.

    Raises:
        LookupError: there is none; its text is a sentence.
    """
    field = message.fields_by_name.get(name)
    if field is None:
        close = difflib.get_close_matches(name, list(message.fields_by_name), n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise LookupError(f"{message.full_name} has no field {name!r}{hint}")
    return field


class MessageMapping:
    """Makes and fills messages of one type; from `compile_mapping`.

    Attributes:
        identity: it hands on the source as it stands.
        new: the class of the target.
        fills: the fields of the target that it may set; all of them where `identity`.
    """

    __slots__ = ("_copies", "fills", "identity", "new")

    def __init__(
        self, new: Any, copies: Sequence[Copy], *, identity: bool, fills: frozenset[str]
    ) -> None:
        self.new = new
        self.fills = fills
        self._copies = tuple(copies)
        self.identity = identity

    def make(self, source: Any) -> Any:
        """Return the message made of `source`: itself where nothing changes (rule 5)."""
        if self.identity:
            return source
        target = self.new()
        for copy in self._copies:
            copy(source, target)
        return target

    def fill(self, source: Any, target: Any) -> None:
        """Add what is taken of `source` to `target`."""
        if self.identity:
            target.MergeFrom(source)
        for copy in self._copies:
            copy(source, target)


def compile_mapping(
    source: Descriptor | FieldDescriptor, target: Descriptor, fields: Mapping[str, str]
) -> MessageMapping:
    """Return what makes `target` of `source`.

    Args:
        source: a message type; or a repeated field, for one element of it.
        target: a message type.
        fields: field of `target` to path into `source`; empty for rule 4.

    Raises:
        MappingError: with every mistake.
    """
    new = message_factory.GetMessageClass(target)
    if not fields:
        message = source.message_type if isinstance(source, FieldDescriptor) else source
        if message is None:
            text = f"{_of(source)} has no fields; say which field of {target.full_name} takes it"
            raise MappingError([("", text)])
        if message.full_name == target.full_name:
            return MessageMapping(new, (), identity=True, fills=frozenset(target.fields_by_name))
        fields = _same(message, target)
    copies, mistakes = [], []
    for name in sorted(fields):
        try:
            copies.append(_copy(source, fields[name], field_of(target, name)))
        except LookupError as error:
            mistakes.append((name, str(error.args[0])))
    if mistakes:
        raise MappingError(mistakes)
    return MessageMapping(new, copies, identity=False, fills=frozenset(fields))


def _same(source: Descriptor, target: Descriptor) -> dict[str, str]:
    there = source.fields_by_name
    return {
        field.name: field.name
        for field in target.fields
        if field.name in there and held_by(there[field.name]) == held_by(field)
    }


def _of(source: Descriptor | FieldDescriptor) -> str:
    if isinstance(source, FieldDescriptor):
        return f"an element of {source.full_name}, a {held_by(source, element=True)},"
    return str(source.full_name)


def _copy(source: Descriptor | FieldDescriptor, path: str, target: FieldDescriptor) -> Copy:
    """Return what copies from one path to one field.

    Raises:
        LookupError: a part is missing, leads nowhere, or holds something else.
    """
    if not path:
        whole = (
            held_by(source, element=True)
            if isinstance(source, FieldDescriptor)
            else source.full_name
        )
        if whole != held_by(target):
            raise LookupError(f"{target.full_name} is {held_by(target)}, not {whole}")
        return _whole(target)
    message = source.message_type if isinstance(source, FieldDescriptor) else source
    if message is None:
        raise LookupError(f"{_of(source)} has no fields, so {path!r} leads nowhere")
    *heads, last = path.split(".")
    for head in heads:
        field = field_of(message, head)
        if field.is_repeated or field.message_type is None:
            raise LookupError(f"{field.full_name} is {held_by(field)}, so {path!r} leads nowhere")
        message = field.message_type
    field = field_of(message, last)
    if (listed := _elements(field, target)) is not None:
        return _behind(tuple(heads), listed) if heads else listed
    if held_by(field) != held_by(target):
        raise LookupError(
            f"{target.full_name} is {held_by(target)}, and {field.full_name} is {held_by(field)}"
        )
    copy = _field(field, target)
    return _behind(tuple(heads), copy) if heads else copy


def _elements(field: FieldDescriptor, target: FieldDescriptor) -> Copy | None:
    """Return what copies a list of messages to one of another type; None for anything else."""
    kind, into_kind = field.message_type, target.message_type
    if not (field.is_repeated and target.is_repeated) or kind is None or into_kind is None:
        return None
    is_map = kind.GetOptions().map_entry or into_kind.GetOptions().map_entry
    if is_map or kind.full_name == into_kind.full_name:
        return None
    fields = _same(kind, into_kind)
    copies = [_copy(kind, path, field_of(into_kind, name)) for name, path in fields.items()]
    if not copies:
        return None
    name, into_name = field.name, target.name

    def elements(source: Any, into: Any) -> None:
        for one in getattr(source, name):
            made = getattr(into, into_name).add()
            for copy in copies:
                copy(one, made)

    return elements


def _whole(target: FieldDescriptor) -> Copy:
    name = target.name
    if target.message_type is not None:
        return lambda source, into: getattr(into, name).CopyFrom(source)
    return lambda source, into: setattr(into, name, source)


def _field(field: FieldDescriptor, target: FieldDescriptor) -> Copy:
    name, into_name = field.name, target.name
    if field.is_repeated:
        return lambda source, into: getattr(into, into_name).MergeFrom(getattr(source, name))
    if field.message_type is not None:

        def message(source: Any, into: Any) -> None:
            if source.HasField(name):
                getattr(into, into_name).CopyFrom(getattr(source, name))

        return message
    if field.has_presence:

        def scalar(source: Any, into: Any) -> None:
            if source.HasField(name):
                setattr(into, into_name, getattr(source, name))

        return scalar

    def implicit(source: Any, into: Any) -> None:
        if value := getattr(source, name):
            setattr(into, into_name, value)

    return implicit


def _behind(heads: Sequence[str], copy: Copy) -> Copy:
    def behind(source: Any, into: Any) -> None:
        for head in heads:
            if not source.HasField(head):
                return
            source = getattr(source, head)
        copy(source, into)

    return behind
