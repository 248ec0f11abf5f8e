"""Files that are read again when they change: certificates, keys.

Rules:
1. Looking costs a `stat` a file, every `interval_s`. What is compared is where a path leads
   (device, inode), the size and the time of the last change, so that a link that is set to
   another file, as Kubernetes does with secrets, is a change too. A file that is missing is
   a change once, and again when it is back.
2. After a change `read` is called. It tells whether what it found is in use now. Where it is
   not, it is called again at every look: a certificate and its key are two files, and
   between the writing of the one and the other they do not fit.
3. Nothing here raises: `read` keeps what it had and says so itself.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.core.clock import Clock

_log = logging.getLogger(__name__)

_Look = tuple[tuple[int, int, int, int] | None, ...]


class WatchedFiles:
    """Calls `read` after any of `paths` changed. Make it once they have been read.

    Args:
        paths: of the files.
        read: reads them all; returns whether what it read is in use now.
        clock: for the time between looks.
        interval_s: that time, in seconds.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        read: Callable[[], bool],
        clock: Clock,
        interval_s: float = 1.0,
    ) -> None:
        self._paths = tuple(paths)
        self._read = read
        self._clock = clock
        self._interval_s = interval_s
        self._seen = self._look()
        self._settled = True
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

    def look(self) -> None:
        """Look now."""
        seen = self._look()
        if seen == self._seen and self._settled:
            return
        self._seen = seen
        try:
            self._settled = self._read()
        except Exception:
            _log.exception("a file that has changed could not be read again")
            self._settled = False

    async def _watch(self) -> None:
        while True:
            await self._clock.sleep(self._interval_s)
            self.look()

    def _look(self) -> _Look:
        return tuple(map(_signature, self._paths))


def _signature(path: Path) -> tuple[int, int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
