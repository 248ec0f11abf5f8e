"""From levels to one effective policy, remembering where each value came from.

Rules:
1. Levels are given from general to specific; the more specific wins, field by field.
2. Messages merge; scalars, durations, repeated fields, maps and oneofs replace. A
   list or map that a level gives as empty replaces too: it is named in `emptied`. Maps
   whose values are messages merge key by key, each as a message would; a new key begins
   from what the built-in level has under the empty key, which is nobody's.
3. `disabled: true` ends inheritance: it clears what more general levels said of
   its mechanism, and what stands beside it waits. A level more specific still that
   says anything of the mechanism turns it on again, beginning from the built-in
   values.
4. A mechanism that a level names and says nothing of (`operation: {}`, `operation: {poll: {}}`)
   is spoken of by it: its path with a dot behind it is among the origins.
5. Nothing is merged in place: the levels stay as they were, and so does what was
   merged before.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

_TEMPLATE = ""
"""The key under which the built-in level has what every new key of a map begins from."""
_ATOMS = frozenset(("google.protobuf.Duration",))


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """What one level says. Two are the same only if they are one object.

    Args:
        name: "built-in", "defaults", "upstream", "service", "method", "flag".
        where: the file and line of it, or "".
        message: a policy, with only the fields set that the level speaks of.
        emptied: dotted paths of the lists and maps that it gives as empty.
        where_of: the file and line of one field by its path, where that is known.
    """

    name: str
    where: str
    message: Message
    emptied: frozenset[str] = frozenset()
    where_of: Callable[[str], str] | None = None
    origin: str = field(init=False)
    """Name and place, for people."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "origin", self._at(self.where))

    def origin_of(self, path: str) -> str:
        """Return name and place of one field, for people."""
        return self._at(self.where_of(path)) if self.where_of is not None else self.origin

    def _at(self, where: str) -> str:
        return f"{self.name} ({where})" if where else self.name


Origins = dict[str, str]
"""By dotted field path: where the value came from."""

Merged = tuple[Any, Origins]
"""The effective message and the origin of each of its fields; not to be changed."""


class Merger:
    """Merges stacks of levels; what several stacks begin with is merged once."""

    def __init__(self) -> None:
        self._known: dict[tuple[Level, ...], Merged] = {}

    def merge(self, levels: tuple[Level, ...]) -> Merged:
        """Return what `levels`, general first, come to.

        Args:
            levels: of one message type; the first is the built-in one.
        """
        known = self._known.get(levels)
        if known is None:
            builtin = levels[0]
            *_, last = levels
            before = self.merge(levels[:-1]) if len(levels) > 1 else (type(builtin.message)(), {})
            known = self._known[levels] = _under(before, last, builtin)
        return known


def merge(levels: Sequence[Level]) -> Merged:
    """Return what one stack of levels, general first, comes to."""
    return Merger().merge(tuple(levels))


def _under(before: Merged, level: Level, builtin: Level) -> Merged:
    message, origins = before
    effective = type(message)()
    effective.CopyFrom(message)
    merged = (effective, dict(origins))
    _apply(merged, effective, level.message, level, "", builtin)
    for path in level.emptied:
        _empty(merged, path, level)
    return merged


def _apply(
    merged: Merged, into: Any, said: Any, level: Level, at: str, builtin: Level | None
) -> None:
    origins = merged[1]
    for field_, value in said.ListFields():
        path = at + field_.name
        if _is_message(field_):
            known = None if builtin is None else getattr(builtin.message, field_.name)
            _apply_message(merged, getattr(into, field_.name), value, level, path, known, builtin)
            continue
        if _maps_to_messages(field_):
            _apply_map(merged, into, field_, value, level, path, builtin)
            continue
        if field_.is_repeated:
            into.ClearField(field_.name)
            getattr(into, field_.name).MergeFrom(value)
        elif field_.message_type is not None:
            getattr(into, field_.name).CopyFrom(value)
        else:
            setattr(into, field_.name, value)
        origins[path] = level.origin_of(path)


def _apply_message(
    merged: Merged,
    target: Any,
    value: Any,
    level: Level,
    path: str,
    known: Any,
    builtin: Level | None,
) -> None:
    """Apply what a level says of one message, which the built-in level knows as `known`."""
    if "disabled" in target.DESCRIPTOR.fields_by_name:
        origins = merged[1]
        if value.disabled:
            _forget(origins, path)
            target.Clear()
            target.disabled = True
            origins[f"{path}.disabled"] = level.origin_of(f"{path}.disabled")
            return
        if target.disabled:
            _forget(origins, path)
            target.Clear()
            if known is not None and builtin is not None:
                _apply(merged, target, known, builtin, f"{path}.", None)
                target.ClearField("disabled")
                origins.pop(f"{path}.disabled", None)
    target.SetInParent()
    is_mechanism = "disabled" in target.DESCRIPTOR.fields_by_name or "." in path
    if not value.ListFields() and is_mechanism:
        # Who writes `operation: {}` has spoken of it: the built-in values hold, by their word.
        merged[1][f"{path}."] = level.origin_of(path)
    _apply(merged, target, value, level, f"{path}.", None)


def _apply_map(
    merged: Merged,
    into: Any,
    field_: FieldDescriptor,
    values: Any,
    level: Level,
    at: str,
    builtin: Level | None,
) -> None:
    held = getattr(into, field_.name)
    begins = None
    if builtin is not None:
        templates = getattr(builtin.message, field_.name)
        begins = templates.get(_TEMPLATE)
    for key in sorted(values):
        if key == _TEMPLATE:
            continue
        path = f"{at}.{key}"
        if key not in held and begins is not None and builtin is not None:
            _apply(merged, held[key], begins, builtin, f"{path}.", None)
        _apply_message(merged, held[key], values[key], level, path, begins, builtin)


def _empty(merged: Merged, path: str, level: Level) -> None:
    into, origins = merged
    *parents, last = path.split(".")
    if "[" in path:
        return  # within an element: the whole list is what this level says it is
    for parent in parents:
        if isinstance(into, Message):
            into = getattr(into, parent)
        elif parent in into:  # a key of a map; values that are no messages are replaced whole
            into = into[parent]
        else:
            return
        if getattr(into, "disabled", False):
            return
    if level.name == "flag" and path not in origins:
        return  # nothing was said that it could take back
    into.ClearField(last)
    origins[path] = level.origin_of(path)


def _forget(origins: Origins, path: str) -> None:
    for known in [k for k in origins if k.startswith(f"{path}.")]:
        del origins[known]


def _is_message(field_: FieldDescriptor) -> bool:
    return (
        field_.message_type is not None
        and not field_.is_repeated
        and field_.message_type.full_name not in _ATOMS
    )


def _maps_to_messages(field_: FieldDescriptor) -> bool:
    entry = field_.message_type
    return (
        entry is not None
        and entry.GetOptions().map_entry
        and entry.fields_by_name["value"].message_type is not None
    )
