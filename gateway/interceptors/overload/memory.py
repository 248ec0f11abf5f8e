"""How much of the memory that the process may have it has.

What it has are its resident pages (/proc/self/statm); what it may have is the smallest
limit of its control group and of those above it:

1. cgroup v2: `memory.max`, a number of bytes or "max".
2. cgroup v1: `memory.limit_in_bytes`, with a number near 2^63 for none.
3. The path in /proc/self/cgroup is the host's where a container has no cgroup namespace,
   and then does not exist inside; the mount's own root is the container's group.
4. Where a file is missing or says something else, there is no limit.
"""

import mmap
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_NO_LIMIT_BYTES = 1 << 60
"""Nobody means a limit by more than this; v1 writes "none" as 2^63 less a page."""


def resident_bytes(statm: str, page_bytes: int) -> int | None:
    """Return the resident size that /proc/PID/statm tells (proc(5)), in bytes."""
    fields = statm.split()
    return int(fields[1]) * page_bytes if len(fields) > 1 and fields[1].isdecimal() else None


def limit_bytes(text: str) -> int | None:
    """Return the limit that a cgroup's file tells, v1 or v2; None for no limit."""
    text = text.strip()
    if not text.isdecimal():
        return None
    limit = int(text)
    return limit if 0 < limit < _NO_LIMIT_BYTES else None


def limit_files(cgroups: str) -> Iterator[PurePosixPath]:
    """Yield where limits may stand, below /sys/fs/cgroup, as /proc/self/cgroup has it.

    Its lines are "ID:CONTROLLERS:PATH" (cgroups(7)); v2 has no controllers.
    """
    for line in cgroups.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not path:
            continue
        if not controllers:
            mount, name = PurePosixPath(), "memory.max"
        elif "memory" in controllers.split(","):
            mount, name = PurePosixPath("memory"), "memory.limit_in_bytes"
        else:
            continue
        group = PurePosixPath(path.lstrip("/"))
        for above in (group, *group.parents):
            yield mount / above / name


class MemoryReader:
    """Reads the share in use; files that are no disk's, in some fifty microseconds.

    Args:
        root: of the file system.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._statm = root / "proc/self/statm"
        groups = root / "sys/fs/cgroup"
        cgroups = _read(root / "proc/self/cgroup")
        files = (groups / name for name in limit_files(cgroups))
        self._limits = [file for file in files if _read(file)]

    def __call__(self) -> float | None:
        """Return the share of the limit that is in use; None where there is no limit."""
        limits = [limit_bytes(_read(file)) for file in self._limits]
        limit = min((limit for limit in limits if limit is not None), default=None)
        used = None if limit is None else resident_bytes(_read(self._statm), mmap.PAGESIZE)
        return None if used is None or limit is None else used / limit


def _read(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""
