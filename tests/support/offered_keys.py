"""A cache that is offered more than it may hold.

    python -m support.offered_keys KEYS MAX_BYTES

Offers so many different answers of mixed sizes, each with a tag of its own, and prints JSON: how
much the process has grown at most, what the cache says that it holds, how many it has, how long the
first tenth and the last took, and whether what was offered last is there.
"""

import asyncio
import itertools
import json
import random
import resource
import sys
import time
from pathlib import Path

from gateway.config.state import StateOptions
from gateway.core.clock import SystemClock
from gateway.core.events import Events
from gateway.core.flight import Landing
from gateway.core.outcome import SUCCESS
from gateway.state.answers import Entry
from gateway.stores import Stores

_PAGE = resource.getpagesize()


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE


async def offer(keys: int, max_bytes: int) -> None:
    rng = random.Random(7)
    stores = Stores(
        StateOptions(cache_max_bytes=max_bytes),
        SystemClock(),
        rng,
        Events(),
        keeps_answers=True,
        keeps_records=False,
    )
    answers = stores.answers
    assert answers is not None
    before = most = _resident()
    times = [time.perf_counter()]
    key = b""
    for number in range(keys):
        key = number.to_bytes(20, "big")
        tags = (f"order:{number}",)
        found = await answers.read(key, tags)
        landing = Landing(SUCCESS, rng.randbytes(rng.choice((40, 400, 4000))), (("age-of", "0"),))
        await answers.write(key, tags, Entry(landing, 0.0, 3600.0, marks=found.marks))
        if (number + 1) % (keys // 10) == 0:
            times.append(time.perf_counter())
            most = max(most, _resident())
    found = await answers.read(key, (f"order:{keys - 1}",))
    gone = await answers.read(bytes(20), ("order:0",))
    cache = answers._cache  # type: ignore[attr-defined]
    spans = [after - begun for begun, after in itertools.pairwise(times)]
    print(
        json.dumps(
            {
                "grown": most - before,
                "holds": cache.size,
                "entries": len(cache),
                "first_tenth_s": spans[1],
                "last_tenth_s": spans[-1],
                "last_is_there": found.entry is not None,
                "first_is_gone": gone.entry is None,
            }
        )
    )


if __name__ == "__main__":
    asyncio.run(offer(int(sys.argv[1]), int(sys.argv[2])))
