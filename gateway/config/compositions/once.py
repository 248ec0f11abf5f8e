"""Bulk reads and lookups to options, with every mistake in them."""

from collections.abc import Callable, Iterable
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from seawall.policy.v1.policy_pb2 import DeduplicationPolicy

from gateway.compose.batch import BatchOptions
from gateway.compose.lookup import KEY, LookupOptions
from gateway.compose.mapping import MessageMapping, compile_mapping, field_of, held_by
from gateway.config.compositions.place import Place
from gateway.config.values import seconds


def is_batched(place: Place) -> bool:
    """Tell whether single reads of a method are made in bulk."""
    return (
        place.policy.HasField("batch")
        and not place.policy.batch.disabled
        and bool(place.policy.batch.method)
    )


def is_looked_up(place: Place) -> bool:
    """Tell whether a method asks another one what became of a call."""
    said = place.policy.deduplication
    return not said.disabled and said.on_unknown == DeduplicationPolicy.LOOKUP


def batch_options(place: Place) -> BatchOptions | None:
    """Return the options of bulk reads, None where they cannot be built."""
    said = place.policy.batch
    if place.streams or not place.effective.reads_only:
        place.add("batch", "only reads of one message each way are made in bulk")
        return None
    called = place.called("batch.method", said.method)
    if called is None:
        return None
    single, bulk = place.effective.descriptor, called.descriptor
    key = _path(place, "batch.key", single.input_type, said.key)
    keys = _field(place, "batch.keys", bulk.input_type, said.keys)
    items = _field(place, "batch.items", bulk.output_type, said.items)
    if key is None or keys is None or items is None:
        return None
    if key.message_type is not None:
        place.add("batch.key", f"{key.full_name} is {held_by(key)}; a key is a single value")
        return None
    if not keys.is_repeated or held_by(keys, element=True) != held_by(key):
        place.add("batch.keys", f"{keys.full_name} is {held_by(keys)}, not repeated {held_by(key)}")
    if not held_by(items).startswith("repeated ") or items.message_type is None:  # or a map
        place.add("batch.items", f"{items.full_name} is {held_by(items)}; items are messages")
        return None
    item = items.message_type
    item_key = _path(place, "batch.item_key", item, said.item_key)
    if item_key is not None and held_by(item_key) != held_by(key):
        place.add(
            "batch.item_key", f"{item_key.full_name} is {held_by(item_key)}, not {held_by(key)}"
        )
    if said.item or said.response:
        if not said.response:
            answer = _whole(place, item, single.output_type, said.item)
        else:
            answer = place.filling(
                "batch.response", item, single.output_type, said.response, said.item
            )
    else:
        answer = place.mapping("batch.item", item, single.output_type, {})
    rest = _explicit(single.input_type, bulk.input_type, _shared(single, bulk, said))
    place.can_be_sent("batch.method", called, rest)
    if answer is None or item_key is None:
        return None
    return BatchOptions(
        method=said.method,
        key=said.key,
        keys=said.keys,
        rest=rest,
        items=said.items,
        item_key=said.item_key,
        answer=answer,
        new_answer=message_factory.GetMessageClass(single.output_type),
        window_s=seconds(said.window),
        max_keys=said.max_keys,
    )


def _whole(place: Place, item: Descriptor, response: Descriptor, path: str) -> Any:
    """Return what makes the response of a message within an item."""
    field = _path(place, "batch.item", item, path)
    if field is None:
        return None
    if field.message_type is None:
        place.add("batch.response", f"must be said: which field takes {field.full_name}")
        return None
    fields = {one.name: f"{path}.{one.name}" for one in field.message_type.fields}
    return place.mapping("batch.item", item, response, fields)


def _shared(single: Any, bulk: Any, said: Any) -> dict[str, str]:
    """Return the fields that both requests have, but for the keys."""
    there = single.input_type.fields_by_name
    return {
        field.name: field.name
        for field in bulk.input_type.fields
        if field.name in there
        and field.name not in (said.keys, said.key)
        and held_by(there[field.name]) == held_by(field)
    }


def lookup_options(place: Place) -> LookupOptions | None:
    """Return the options of a lookup, None where it cannot be built."""
    said = place.policy.deduplication.lookup
    if not said.method:
        place.add(
            "deduplication.on_unknown",
            "LOOKUP needs deduplication.lookup.method: which method tells what became of a call",
        )
        return None
    called = place.called("deduplication.lookup.method", said.method)
    if called is None:
        return None
    if not called.reads_only:
        place.add("deduplication.lookup.method", f"{said.method} must have no side effects")
    own, other = place.effective.descriptor, called.descriptor
    at = "deduplication.lookup.request"
    of_key = tuple(sorted(name for name, path in said.request.items() if path == KEY))
    for name in of_key:
        field = _field(place, f"{at}.{name}", other.input_type, name)
        if field is not None and held_by(field) != "string":
            place.add(f"{at}.{name}", f"{field.full_name} is {held_by(field)}; a key is a string")
    fields = {name: path for name, path in said.request.items() if path != KEY}
    request = (
        place.mapping(at, own.input_type, other.input_type, fields)
        if fields or not of_key
        else _explicit(own.input_type, other.input_type, _none(own, other))
    )
    place.can_be_sent(at, called, request, _filling(other.input_type, of_key))
    response = place.mapping(
        "deduplication.lookup.response",
        other.output_type,
        place.effective.answer,
        said.response,
    )
    is_found = _found(place, other.output_type, said.found)
    if request is None or response is None or is_found is None:
        return None
    return LookupOptions(
        method=said.method,
        request=request,
        key_fields=of_key,
        is_found=is_found,
        response=response,
    )


def _explicit(source: Descriptor, target: Descriptor, fields: dict[str, str]) -> MessageMapping:
    """Return what takes these fields, and nothing where there are none."""
    return compile_mapping(source, target, fields) if fields else _filling(target, ())


def _filling(target: Descriptor, fields: Iterable[str]) -> MessageMapping:
    """Return what takes nothing, for a message whose `fields` are filled elsewhere."""
    new = message_factory.GetMessageClass(target)
    return MessageMapping(new, (), identity=False, fills=frozenset(fields))


def _none(own: Any, other: Any) -> dict[str, str]:
    """Return the fields of one name and type, for a request that is made of the key alone."""
    there = own.input_type.fields_by_name
    return {
        field.name: field.name
        for field in other.input_type.fields
        if field.name in there and held_by(there[field.name]) == held_by(field)
    }


def _found(place: Place, answer: Descriptor, path: str) -> Callable[[Any], bool] | None:
    if not path:
        return lambda _answer: True
    if _path(place, "deduplication.lookup.found", answer, path, repeated=True) is None:
        return None
    *heads, last = path.split(".")

    def is_found(message: Any) -> bool:
        for head in heads:
            if not message.HasField(head):
                return False
            message = getattr(message, head)
        value = getattr(message, last)
        if hasattr(value, "ByteSize"):
            return bool(message.HasField(last))
        return bool(value)

    return is_found


def _field(place: Place, path: str, message: Descriptor, name: str) -> FieldDescriptor | None:
    if not name:
        place.add(path, f"must be said: a field of {message.full_name}")
        return None
    try:
        return field_of(message, name)
    except LookupError as error:
        place.add(path, str(error.args[0]))
    return None


def _path(
    place: Place, at: str, message: Descriptor, path: str, *, repeated: bool = False
) -> FieldDescriptor | None:
    """Return the field at the end of a path, None where that is a mistake."""
    found: FieldDescriptor | None = None
    kind: Descriptor | None = message
    for name in path.split("."):
        if kind is None or (found is not None and found.is_repeated):
            place.add(at, f"{path!r} leads nowhere")
            return None
        found = _field(place, at, kind, name)
        if found is None:
            return None
        kind = found.message_type
    if found is not None and found.is_repeated and not repeated:
        place.add(at, f"{found.full_name} is repeated")
        return None
    return found
