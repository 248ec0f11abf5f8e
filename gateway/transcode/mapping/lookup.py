"""How a reader finds the JSON of its fields, where looking each up by its name will not do.

Rules:
1. A field has two names, and an object may use either. With both in one object the
   order counts, so the reference decides.
2. Keys that are not known are ignored, unless they look like extensions.
3. Of a oneof one field may be there; null is absent, except where null is a value.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor

from gateway.transcode.mapping.kinds import keeps_null
from gateway.transcode.mapping.scalars import UnusualError

Read = Callable[[Any, int], Any]


def tidy(message: Descriptor, names: Mapping[int, str]) -> Callable[[Any], dict[str, Any]]:
    """Return what gives an object the known names and nothing else.

    Args:
        message: whose fields the object has.
        names: the known one of each field, by number.
    """
    known = {field.name: names[field.number] for field in message.fields}
    known |= {field.json_name: names[field.number] for field in message.fields}

    def tidied(js: Any) -> dict[str, Any]:
        if js.__class__ is not dict:
            raise UnusualError
        out: dict[str, Any] = {}
        for key, value in js.items():
            name = known.get(key)
            if name is None:
                if key[:1] == "[":  # an extension, or nothing that may stand there
                    raise UnusualError
            elif name in out:
                raise UnusualError
            else:
                out[name] = value
        return out

    return tidied


def by_keys(
    message: Descriptor, readers: Mapping[int, Read]
) -> Callable[[dict[str, Any], int], dict[str, Any]]:
    """Return what makes keyword arguments of an object, going by its keys.

    Args:
        message: whose fields the object has.
        readers: of one field's JSON, by number; they take the depth too.
    """
    fields: dict[str, tuple[str, Read, bool, str | None]] = {}
    for spelling in ("name", "json_name"):
        for field in message.fields:
            oneof = field.containing_oneof
            group = oneof.name if oneof is not None and len(oneof.fields) > 1 else None
            read = readers[field.number]
            fields[getattr(field, spelling)] = (field.name, read, keeps_null(field), group)

    def arguments(js: dict[str, Any], depth: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        groups: list[str] = []
        for key, value in js.items():
            known = fields.get(key)
            if known is None:
                if key[:1] == "[":
                    raise UnusualError
                continue
            name, read, null, group = known
            if name in out:
                raise UnusualError
            if value is None and not null:
                out[name] = None
                continue
            if group is not None:
                if group in groups:
                    raise UnusualError
                groups.append(group)
            out[name] = read(value, depth)
        return out

    return arguments


def one_of_each(message: Descriptor) -> Iterator[str]:
    """Yield the lines that refuse two fields of one oneof; `v0`, `v1`, … hold the JSON."""
    places = {field.number: i for i, field in enumerate(message.fields)}
    for oneof in message.oneofs:
        if len(oneof.fields) < 2:
            continue
        given = [
            f"(v{places[f.number]} is not {'MISSING' if keeps_null(f) else None})"
            for f in oneof.fields
        ]
        yield f"    if {' + '.join(given)} > 1:"
        yield "        raise UnusualError"
