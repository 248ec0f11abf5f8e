"""Processes that take places of one limit at the same time.

    python -m support.limit_processes REDIS_URL GCRA|SLIDING_WINDOW PROCESSES CALLS REQUESTS ROUNDS

Every round has a fresh limit of REQUESTS places, none of which comes back meanwhile. Prints
a line of JSON for each round: calls that were allowed, and those that were not exact.
"""

import asyncio
import json
import os
import sys
from multiprocessing.connection import Connection, Pipe

from gateway.core.clock import SystemClock, system_rng
from gateway.core.events import Events
from gateway.state.guarded import GuardedLimits, GuardOptions
from gateway.state.limits import Algorithm, Hit, Limit, StoreFailure
from gateway.state.redis_client import RedisClient
from gateway.state.redis_limits import RedisLimits
from gateway.state.redis_question import LinkOptions
from gateway.state.redis_url import parse_redis_url

_PER_S = {Algorithm.SLIDING_WINDOW: 3600.0, Algorithm.GCRA: 4_000_000.0}
_AT_ONCE = 50


async def take_all(
    pipe: Connection, url: str, algorithm: Algorithm, calls: int, places: int
) -> None:
    clock = SystemClock()
    shared = RedisLimits(RedisClient(parse_redis_url(url)), clock, LinkOptions(timeout_s=60.0))
    options = GuardOptions(open_timeout_s=60.0)
    store = GuardedLimits(shared, clock, system_rng(), Events(), options)
    await store.start()
    pipe.send("ready")
    while (number := pipe.recv()) is not None:
        limit = Limit(
            name=f"race:{algorithm.name}.{number}",
            requests=places,
            per_s=_PER_S[algorithm],
            algorithm=algorithm,
            on_store_failure=StoreFailure.CLOSED,
        )
        pipe.send(await _round(store, limit, calls))
    await store.close()


async def _round(store: GuardedLimits, limit: Limit, calls: int) -> tuple[int, int]:
    hits = [Hit(limit, "everybody")]

    async def caller() -> list[tuple[bool, bool]]:
        decisions = [await store.take(hits) for _ in range(calls // _AT_ONCE)]
        return [(decision.allowed, decision.mode == "exact") for decision in decisions]

    said = [one for of in await asyncio.gather(*(caller() for _ in range(_AT_ONCE))) for one in of]
    return sum(allowed for allowed, _ in said), sum(not exact for _, exact in said)


def main() -> None:
    url, name, processes, calls, places, rounds = sys.argv[1:]
    assert int(calls) % _AT_ONCE == 0
    pipes = []
    for _ in range(int(processes)):
        ours, theirs = Pipe()
        if os.fork() == 0:
            asyncio.run(take_all(theirs, url, Algorithm[name], int(calls), int(places)))
            os._exit(0)
        theirs.close()
        pipes.append(ours)
    for pipe in pipes:
        assert pipe.recv() == "ready"
    for number in range(int(rounds)):
        for pipe in pipes:
            pipe.send(number)
        said = [pipe.recv() for pipe in pipes]
        print(json.dumps([sum(part) for part in zip(*said, strict=True)]), flush=True)
    for pipe in pipes:
        pipe.send(None)


if __name__ == "__main__":
    main()
