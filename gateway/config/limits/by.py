"""What calls are counted by: an entry of `by`, as text and as the part of a key.

A credential is no key: counts are kept by their keys, in memory and in the shared store.
"""

from collections.abc import Iterator, Sequence

from gateway.config.credentials import is_credential
from gateway.config.suggest import closest
from gateway.config.values import Mistake
from gateway.interceptors.rate_limit import Part, Source
from gateway.transcode.headers import check_header_name

_NAMED = {Source.METADATA: "NAME", Source.FIELD: "PATH"}
"""Sources that read one of several, and what stands behind their colon."""
_SOURCES = {source.value: source for source in Source}
_ENTRIES = tuple(f"{s.value}:{_NAMED[s]}" if s in _NAMED else s.value for s in Source)
_MAX_PARTS = 8
_FORWARDED = "x-forwarded-for"


def part_of(entry: str) -> Part | None:
    """Return what an entry of `by` reads, None where it is none."""
    kind, colon, name = entry.partition(":")
    source = _SOURCES.get(kind)
    if source is None:
        return None
    if source not in _NAMED:
        return None if colon else Part(source)
    if not name or name != name.strip():
        return None
    return Part(source, name.lower() if source is Source.METADATA else name)


def by_mistakes(path: str, by: Sequence[str]) -> Iterator[Mistake]:
    """Yield which entries cannot be read, or must not be keys.

    Args:
        path: of the limit.
        by: its entries.
    """
    if len(by) > _MAX_PARTS:
        yield f"{path}.by", f"at most {_MAX_PARTS}, found {len(by)}"
    seen: set[Part] = set()
    for i, entry in enumerate(by):
        at = f"{path}.by[{i}]"
        part = part_of(entry)
        if part is None:
            yield at, _unreadable(entry)
        elif part in seen:
            yield at, f"{entry!r} is given twice"
        elif wrong := _key_mistake(part):
            yield at, wrong
        if part is not None:
            seen.add(part)


def _key_mistake(part: Part) -> str:
    """Return why counts cannot be kept by a part, "" where they can."""
    name = part.name
    if part.source is Source.METADATA and name == _FORWARDED:
        return f"anybody can write {name!r}; name 'peer', which reads it as far as it is trusted"
    if name and is_credential(name):
        instead = (
            "name 'caller', who is known by it"
            if part.source is Source.METADATA
            else "name a field that says whom or what it is about"
        )
        return f"{name!r} is a credential, and counts are kept by their keys; {instead}"
    if part.source is Source.METADATA:
        return check_header_name(name, incoming=True) or ""
    return ""


def _unreadable(entry: str) -> str:
    kind, colon, _ = entry.partition(":")
    for source, what in _NAMED.items():
        if kind == source.value:
            return f"{entry!r} names nothing; write '{kind}:{what}'"
    if colon and kind in _SOURCES:
        return f"{kind!r} takes no name; write {kind!r}"
    text = closest(f"{kind}:NAME" if colon else entry, _ENTRIES)
    return f"{entry!r} is nothing that calls are counted by{text}"
