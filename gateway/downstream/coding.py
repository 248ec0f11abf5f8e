"""Undoing content codings part by part, so that memory stays bounded.

Nobody asked for a compressed answer; some upstreams send one all the same. A small
one may stand for gigabytes, which is why no more is undone than is taken.

Rules:
1. gzip, deflate (RFC 9110, section 8.4.1), br (RFC 7932) and zstd (RFC 8878); one
   of them. Any other, and one on top of another, is refused.
2. A part that is handed out has about 64 KiB, whatever stands for it.
3. A coding's own memory is bounded: 8 MiB of window for zstd (RFC 9659), 16 MiB
   for br, 32 KiB for the others.
4. gzip and zstd may have several members behind each other, and gzip zeros behind its
   last. What is damaged, is cut short, or has garbage behind it is an error; nothing at
   all is an empty body.
5. A member that stands for nothing costs work and counts against no limit: more than
   `_MAX_EMPTY` in a row are an error. Input goes in by `_SLICE`, so that a member does
   not copy all that follows it.
"""

import zlib
from collections.abc import Awaitable, Callable
from typing import Protocol

import brotli
from backports import zstd

_PART = 64 * 1024
_SLICE = 16 * 1024
_MAX_EMPTY = 16
_ZSTD_OPTIONS: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 23}
_FOREIGN = (zlib.error, brotli.error, zstd.ZstdError)


class DamagedError(ValueError):
    """What arrived is not the coding that it is called."""


class _Machine(Protocol):
    """Undoes one member of a coding."""

    hungry: bool
    """Whether nothing more comes out without more going in."""
    ended: bool
    rest: bytes
    """What followed the member."""
    padding: bytes
    """What may stand between members and means nothing."""

    def undo(self, data: bytes) -> bytes:
        """Take `data`, which may be empty where it is not hungry; return some output."""


class _Zlib:
    padding = b"\0"

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # finds either header
        self._left = self.rest = b""
        self.hungry, self.ended = True, False

    def undo(self, data: bytes) -> bytes:
        inflate = self._inflate
        out = inflate.decompress(self._left + data if self._left else data, _PART)
        self._left, self.ended = inflate.unconsumed_tail, inflate.eof
        # A full part may leave output behind that needs no further input.
        self.hungry = not self._left and len(out) < _PART
        self.rest = inflate.unused_data if self.ended else b""
        return out


class _Brotli:
    rest = padding = b""

    def __init__(self) -> None:
        self._machine = brotli.Decompressor()
        self.hungry, self.ended = True, False

    def undo(self, data: bytes) -> bytes:
        if self.ended:
            raise brotli.error("there is more behind its end")
        out: bytes = self._machine.process(data, output_buffer_limit=_PART)
        self.ended = self._machine.is_finished()
        self.hungry = len(out) < _PART and self._machine.can_accept_more_data()
        return out


class _Zstd:
    padding = b""

    def __init__(self) -> None:
        self._machine = zstd.ZstdDecompressor(options=_ZSTD_OPTIONS)
        self.rest = b""
        self.hungry, self.ended = True, False

    def undo(self, data: bytes) -> bytes:
        out = self._machine.decompress(data, _PART)
        self.ended = self._machine.eof
        self.hungry = self._machine.needs_input
        self.rest = self._machine.unused_data if self.ended else b""
        return out


_MACHINES: dict[str, Callable[[], _Machine]] = {
    "gzip": _Zlib,
    "x-gzip": _Zlib,
    "deflate": _Zlib,
    "br": _Brotli,
    "zstd": _Zstd,
}
NO_CODING = ("identity", "")


class Undone:
    """The body behind a compressed one.

    Args:
        received: returns the next part as it arrived, b"" at the end.
        coding: the value of Content-Encoding.

    Raises:
        DamagedError: it is a coding that is not understood.
    """

    def __init__(self, received: Callable[[], Awaitable[bytes]], coding: str) -> None:
        name = coding.strip().lower()
        if name not in _MACHINES:
            text = f"its body is encoded as {name[:40]!r}, which was not asked for"
            raise DamagedError(text)
        self._received = received
        self._coding = name
        self._new = _MACHINES[name]
        self._machine: _Machine | None = None  # between members
        self._padding = b""
        self._waiting = b""
        self._at = 0
        self._empty = 0

    async def next_part(self) -> bytes:
        """Return the next part; b"" at the end.

        Raises:
            DamagedError: it is not compressed so, or cut short.
        """
        while True:
            machine = self._machine
            if self._at >= len(self._waiting) and (machine is None or machine.hungry):
                self._waiting, self._at = await self._received(), 0
                if not self._waiting:
                    if machine is not None:
                        raise DamagedError(f"its {self._coding} body is cut short")
                    return b""
            if out := self._undo():
                return out

    def _undo(self) -> bytes:
        data = self._waiting[self._at : self._at + _SLICE]
        if self._machine is None:
            padded = len(data) - len(data.lstrip(self._padding)) if self._padding else 0
            if padded:
                self._at += padded
                return b""
            self._machine = self._new()
        machine = self._machine
        if not machine.hungry:
            data = b""  # what went in before comes out first
        self._at += len(data)
        try:
            out = machine.undo(data)
        except _FOREIGN as error:
            raise DamagedError(f"its {self._coding} body is damaged: {error}") from error
        self._empty = 0 if out else self._empty
        if machine.ended:
            self._at -= len(machine.rest)
            self._machine, self._padding = None, machine.padding
            self._empty += 1
            if self._empty > _MAX_EMPTY:
                raise DamagedError(f"its {self._coding} body is made of members without content")
        return out
