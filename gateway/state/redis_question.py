"""What is asked over one connection to Redis: a script, questions, and their bounds."""

import asyncio
import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkOptions:
    """Of one link.

    Args:
        timeout_s: seconds for one question.
        max_failures: in a row, after which nothing is asked any more.
        max_waiting: questions without an answer.
    """

    timeout_s: float = 0.005
    max_failures: int = 3
    max_waiting: int = 8192


class Question:
    """One run of the script that somebody waits for."""

    __slots__ = ("answer", "arguments", "asked_at", "body", "settled", "whole")

    def __init__(
        self, answer: "asyncio.Future[bytes | None]", asked_at: float, arguments: int, body: bytes
    ) -> None:
        self.answer = answer
        self.asked_at = asked_at
        self.arguments = arguments
        self.body = body
        self.settled = False  # answered, late, or never asked
        self.whole = False


class Script:
    """A Lua script, and the beginnings of commands that run it."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.sha = hashlib.sha1(text, usedforsecurity=False).hexdigest().encode()
        self._known: dict[int, bytes] = {}

    def by_sha(self, arguments: int) -> bytes:
        """Return EVALSHA as far as the script, for so many arguments behind it."""
        known = self._known.get(arguments)
        if known is None:
            known = self._known[arguments] = _head(b"EVALSHA", self.sha, arguments)
        return known

    def whole(self, arguments: int) -> bytes:
        """Return EVAL as far as the script."""
        return _head(b"EVAL", self.text, arguments)


def bulk(value: bytes) -> bytes:
    """Return one argument of a command as it is written (RESP)."""
    return b"$%d\r\n%s\r\n" % (len(value), value)


def _head(command: bytes, script: bytes, arguments: int) -> bytes:
    return b"*%d\r\n%s%s" % (arguments + 2, bulk(command), bulk(script))
