"""Processes that claim keys of one durable store at the same time.

    python -m support.record_processes URL PROCESSES KEYS ROUNDS

Every round has fresh keys, which every process claims, in an order of its own. Prints a line of
JSON for each round: keys that were claimed, the most and the fewest times one was, how many
claims found the same token as the winner's, and seconds.

    python -m support.record_processes URL hold KEY LEASE_S

Claims KEY, prints its token, and waits to be killed.
"""

import asyncio
import hashlib
import json
import os
import random
import sys
import time
from collections import Counter
from multiprocessing.connection import Connection, Pipe

from gateway.core.clock import SystemClock
from gateway.core.events import Events
from gateway.state.durable.records import DurableRecords
from gateway.state.durable.store import Durable, DurableOptions
from gateway.state.durable.url import parse_durable_url
from gateway.state.records import Standing

from .durable import claim

_AT_ONCE = 20


def _key(*said: object) -> bytes:
    return hashlib.sha256(repr(said).encode()).digest()


def _store(url: str) -> Durable:
    options = DurableOptions(timeout_s=30.0, connections=4)
    return Durable(parse_durable_url(url), SystemClock(), Events(), options)


async def claim_all(pipe: Connection, url: str, keys: int) -> None:
    durable = _store(url)
    records = DurableRecords(durable, SystemClock())
    await durable.open()  # all at once, of a database that is empty at first
    pipe.send("ready")
    while (number := pipe.recv()) is not None:
        mine = [_key(number, n) for n in range(keys)]
        random.shuffle(mine)
        found: list[tuple[bytes, bool, int]] = []

        async def caller(part: list[bytes], found: list[tuple[bytes, bool, int]] = found) -> None:
            for key in part:
                record = await claim(records, key, lease_s=60, retention_s=60)
                assert record.standing in (Standing.MINE, Standing.CLAIMED)
                found.append((key, record.standing is Standing.MINE, record.token))

        await asyncio.gather(*(caller(mine[n::_AT_ONCE]) for n in range(_AT_ONCE)))
        pipe.send(found)
    await records.close()
    await durable.close()


async def hold(url: str, key: str, lease_s: float) -> None:
    durable = _store(url)
    records = DurableRecords(durable, SystemClock())
    record = await claim(records, bytes.fromhex(key), lease_s=lease_s, retention_s=60)
    print(record.token, flush=True)
    await asyncio.Event().wait()


def main() -> None:
    url, number, *rest = sys.argv[1:]
    if number == "hold":
        asyncio.run(hold(url, rest[0], float(rest[1])))
        return
    pipes = []
    for _ in range(int(number)):
        ours, theirs = Pipe()
        if os.fork() == 0:
            asyncio.run(claim_all(theirs, url, int(rest[0])))
            os._exit(0)
        theirs.close()
        pipes.append(ours)
    for pipe in pipes:
        assert pipe.recv() == "ready"
    for turn in range(int(rest[1])):
        began = time.monotonic()
        for pipe in pipes:
            pipe.send(turn)
        told = [one for pipe in pipes for one in pipe.recv()]
        won = Counter(key for key, mine, _ in told if mine)
        tokens = {(key, token) for key, _, token in told}
        seconds = time.monotonic() - began
        line = [len(won), max(won.values()), min(won.values()), len(tokens), round(seconds, 3)]
        print(json.dumps(line), flush=True)
    for pipe in pipes:
        pipe.send(None)


if __name__ == "__main__":
    main()
