"""Undoing gzip and deflate, part by part, so that memory stays bounded.

Nobody asked for a compressed answer; some upstreams send one all the same. A
small one may stand for gigabytes, which is why no more is inflated than is taken.
"""

import zlib
from collections.abc import Awaitable, Callable

_PART = 64 * 1024


class DamagedError(ValueError):
    """What arrived is not the coding that it is called."""


class Inflated:
    """The body behind a compressed one.

    Args:
        received: returns the next part as it arrived, b"" at the end.
        coding: its name, for the error.
    """

    def __init__(self, received: Callable[[], Awaitable[bytes]], coding: str) -> None:
        self._received = received
        self._coding = coding
        self._inflate = _new()
        self._waiting = b""
        self._begun = False
        self._more = False

    async def next_part(self) -> bytes:
        """Return the next part, 64 KiB at most; b"" at the end.

        Raises:
            DamagedError: it is not compressed so, or cut short.
        """
        while True:
            if not self._waiting and not self._more:
                self._waiting = await self._received()
                if not self._waiting:
                    if self._begun and not self._inflate.eof:
                        raise DamagedError(f"its {self._coding} body is cut short")
                    return b""
            if out := self._take():
                return out

    def _take(self) -> bytes:
        if self._inflate.eof:
            # gzip may have several members (RFC 1952, section 2.2), and padding behind them.
            self._waiting = self._waiting.lstrip(b"\0")
            if not self._waiting:
                return b""
            self._inflate = _new()
        self._begun = True
        try:
            out = self._inflate.decompress(self._waiting, _PART)
        except zlib.error as error:
            raise DamagedError(f"its {self._coding} body is damaged: {error}") from error
        self._waiting = self._inflate.unused_data or self._inflate.unconsumed_tail
        # A full part may leave output behind that needs no further input.
        self._more = len(out) == _PART and not self._inflate.eof
        return out


def _new() -> "zlib._Decompress":
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # either header is recognised
