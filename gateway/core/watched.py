"""Files that are read again when they change: certificates, keys.

Rules:
1. Looking costs a `stat` a file, every `interval_s`. What is compared is where a path leads
   (device, inode), the size, and the times of the last change of content and of rights, so
   that a link that is set to another file, as Kubernetes does with secrets, is a change too.
   A file that is missing is a change once, and again when it is back.
2. A change is believed when two looks in a row see the same: a file that somebody is writing
   is not read half.
3. Then `read` is called. What takes long it does in a thread, and is awaited: looking goes on
   when it is done. What was there before is in use until then.
4. `read` tells whether it is done with what it found, be that in use or of no use. Where it is
   not, it is called again at every look: a file that could not be opened, a certificate that
   counts from tomorrow on.
5. Nothing here raises: `read` keeps what it had and says so itself.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from gateway.core.clock import Clock

_log = logging.getLogger(__name__)

Read = Callable[[], bool | Awaitable[bool]]

_Signature = tuple[int, ...]
_Look = tuple[_Signature | None, ...]


class WatchedFiles:
    """Calls `read` after any of `paths` changed. Make it once they have been read.

    Args:
        paths: of the files.
        read: reads them all; returns whether it is done with what it read, or what tells that
            once it is awaited.
        clock: for the time between looks.
        interval_s: that time, in seconds.
    """

    def __init__(
        self, paths: Sequence[Path], read: Read, clock: Clock, interval_s: float = 1.0
    ) -> None:
        self._paths = tuple(paths)
        self._read = read
        self._clock = clock
        self._interval_s = interval_s
        self._seen = self._last = self._look()
        self._done = True
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look, on the running event loop."""
        if self._paths and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._watch())

    async def stop(self) -> None:
        """Look no more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def look(self) -> None:
        """Look now, and return once what has changed was read."""
        before, self._last = self._last, self._look()
        if self._last != before or (self._last == self._seen and self._done):
            return
        self._seen = self._last
        try:
            done = self._read()
            self._done = done if isinstance(done, bool) else await done
        except Exception:
            _log.exception("a file that has changed could not be read again")
            self._done = False

    async def _watch(self) -> None:
        while True:
            await self._clock.sleep(self._interval_s)
            await self.look()

    def _look(self) -> _Look:
        return tuple(map(_signature, self._paths))


def _signature(path: Path) -> _Signature | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
