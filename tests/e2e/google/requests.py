"""Requests that a certain binding sends, and requests that none does."""

import random
import re
from collections.abc import Iterator
from typing import Any

from e2e.google.libraries import HttpOption, Method
from e2e.google.messages import MessageMaker
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

_VARIABLE = re.compile(r"\{([^=}]+)(?:=([^}]+))?\}")


def variables(option: HttpOption) -> dict[str, str]:
    """Return the path variables of a binding and their patterns."""
    return {name: pattern or "*" for name, pattern in _VARIABLE.findall(option.uri)}


class RequestMaker:
    """Makes requests of one method after another.

    Args:
        rng: where every choice comes from.
        maker: fills what the path does not need.
    """

    def __init__(self, rng: random.Random, maker: MessageMaker) -> None:
        self._rng = rng
        self._maker = maker

    def request(self, method: Method, option: HttpOption, *, bare: bool = False) -> Message:
        """Return a request that `option` can send, and no other one with other variables.

        Args:
            method: whose request it is.
            option: one of its bindings.
            bare: leave all fields unset that the path does not need.
        """
        message = method.request()
        if not bare:
            self._maker.fill(message)
        own = variables(option)
        for other in method.options:
            for path in variables(other).keys() - own.keys():
                _clear(message, path)
        for path, pattern in own.items():
            self._set(message, path, pattern)
        return message

    def misfits(self, method: Method) -> Iterator[Message]:
        """Yield requests that no binding of `method` can send; none if one has no variable."""
        if not all(map(variables, method.options)):
            return
        yield method.request()
        first = method.options[0]
        for path, pattern in variables(first).items():
            for wrong in self._rng.sample(_misfits(pattern), 2):
                message = self.request(method, first)
                for other in method.options:
                    for name in variables(other).keys() - {path}:
                        _clear(message, name)
                if _put(message, path, wrong):
                    yield message

    def _set(self, message: Message, path: str, pattern: str) -> None:
        parts = []
        for part in pattern.split("/"):
            if part == "**":
                parts += [self._maker.segment() for _ in range(self._rng.randint(1, 3))]
            else:
                parts.append(self._maker.segment() if part == "*" else part)
        if not _put(message, path, "/".join(parts)):
            parent, field = _parent(message, path)
            setattr(parent, field.name, self._maker.scalar(field))


def _misfits(pattern: str) -> list[str]:
    wrong = ["", ".", ".."]
    if "/" in pattern:
        wrong += ["/", "nope"]
    if not pattern.startswith("*"):
        wrong += ["nope/x", "nope/x/y/z"]
    return wrong


def _parent(message: Any, path: str) -> tuple[Any, FieldDescriptor]:
    *heads, last = path.split(".")
    for head in heads:
        message = getattr(message, head)
    return message, message.DESCRIPTOR.fields_by_name[last]


def _put(message: Message, path: str, text: str) -> bool:
    parent, field = _parent(message, path)
    if field.type != FieldDescriptor.TYPE_STRING:
        return False
    setattr(parent, field.name, text)
    return True


def _clear(message: Message, path: str) -> None:
    parent, field = _parent(message, path)
    parent.ClearField(field.name)
