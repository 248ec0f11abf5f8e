"""What one listener shows of the protos, for reflection.

Rules:
1. A listener that serves everything shows all there is: whatever is in the pools.
2. One that serves some services alone shows these, the files that they are in with all that
   those import, and what the gateway's errors are made of. Another service of the same file is
   taken out of it; what only other services need is not found.
3. What is looked for is answered from the first pool that shows it.
"""

import functools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

_MEMBERS = (
    ("FindServiceByName", "methods_by_name"),
    ("FindMessageTypeByName", "fields_by_name"),
    ("FindEnumTypeByName", "values_by_name"),
)


class Shown:
    """Finds files, each with all that it imports, as they travel. Raises KeyError for others.

    Args:
        pools: the served protos, then the gateway's own.
        services: full names of what is served.
        of_all: whether everything in the pools is shown.
    """

    def __init__(
        self, pools: Sequence[DescriptorPool], services: frozenset[str], *, of_all: bool = True
    ) -> None:
        self.services = services
        self._pools = tuple(pools)
        self._only = None if of_all else services
        self._files: frozenset[str] = frozenset()
        if not of_all:
            served = [_first(self._pools, "FindFileContainingSymbol", one) for one in services]
            self._files = frozenset(file.name for file in _closure(served))

    def file(self, name: str) -> list[bytes]:
        """Return a file by its name."""
        return self._spelled(self._find("FindFileByName", name))

    def symbol(self, symbol: str) -> list[bytes]:
        """Return the file of a symbol; that of a method, field or value is what contains it."""
        try:
            found = self._find("FindFileContainingSymbol", symbol)
        except KeyError:
            parent, _, member = symbol.rpartition(".")
            if not parent:
                raise
            found = self._find("FindFileContainingSymbol", parent)
            if not self._has_member(parent, member):
                raise KeyError(symbol) from None
        if self._only is not None and any(
            symbol == name or symbol.startswith(f"{name}.")
            for name in _services(found)
            if name not in self._only
        ):
            raise KeyError(symbol)
        return self._spelled(found)

    def extension(self, type_name: str, number: int) -> list[bytes]:
        """Return the file of an extension."""
        for extension in self._extensions(type_name):
            if extension.number == number:
                return self._spelled(extension.file)
        raise KeyError(type_name)

    def numbers(self, type_name: str) -> list[int]:
        """Return the numbers of a type's extensions."""
        return sorted({extension.number for extension in self._extensions(type_name)})

    def _extensions(self, type_name: str) -> list[Any]:
        found: list[Any] = []
        known = False
        for pool in self._pools:
            try:
                message = pool.FindMessageTypeByName(type_name)
            except KeyError:
                continue
            if self._shows(pool, message.file):
                known = True
                all_of_pool: Iterable[Any] = pool.FindAllExtensions(message)
                found += [one for one in all_of_pool if self._shows(pool, one.file)]
        if not known:
            raise KeyError(type_name)
        return found

    def _find(self, lookup: str, name: str) -> FileDescriptor:
        for pool in self._pools:
            try:
                found: FileDescriptor = getattr(pool, lookup)(name)
            except KeyError:
                continue
            if self._shows(pool, found):
                return found
        raise KeyError(name)

    def _shows(self, pool: DescriptorPool, file: FileDescriptor) -> bool:
        if self._only is None or file.name in self._files:
            return True
        return pool is self._pools[-1] and not file.services_by_name

    def _has_member(self, parent: str, member: str) -> bool:
        for pool in self._pools:
            for lookup, members in _MEMBERS:
                try:
                    if member in getattr(getattr(pool, lookup)(parent), members):
                        return True
                except KeyError:
                    continue
        return False

    def _spelled(self, file: FileDescriptor) -> list[bytes]:
        return [spelled(one, self._only) for one in _closure([file])]


def _first(pools: Sequence[DescriptorPool], lookup: str, name: str) -> FileDescriptor:
    for pool in pools:
        try:
            found: FileDescriptor = getattr(pool, lookup)(name)
        except KeyError:
            continue
        return found
    raise KeyError(name)


def _closure(files: Iterable[FileDescriptor]) -> Iterator[FileDescriptor]:
    """Yield files and what they import, each once, the first ones first."""
    seen: set[str] = set()
    waiting = list(files)
    while waiting:
        one = waiting.pop()
        if one.name not in seen:
            seen.add(one.name)
            yield one
            waiting.extend(one.dependencies)


def _services(file: FileDescriptor) -> list[str]:
    return [service.full_name for service in file.services_by_name.values()]


@functools.lru_cache(maxsize=1024)
def spelled(file: FileDescriptor, only: frozenset[str] | None = None) -> bytes:
    """Return a file with the JSON name of every field.

    What Python packages bring along has them left out, and clients then print
    `retry_delay` where the JSON mapping says `retryDelay`.

    Args:
        file: it.
        only: the services that stay in it, None for all.
    """
    proto = FileDescriptorProto.FromString(file.serialized_pb)
    if only is not None:
        for i in reversed(range(len(proto.service))):
            if ".".join(filter(None, (proto.package, proto.service[i].name))) not in only:
                del proto.service[i]
    waiting: list[Any] = list(proto.message_type)
    while waiting:
        message = waiting.pop()
        waiting += message.nested_type
        for field in message.field:
            if not field.json_name:
                head, *rest = field.name.split("_")
                field.json_name = head + "".join(part[:1].upper() + part[1:] for part in rest)
    written: bytes = proto.SerializeToString()
    return written
