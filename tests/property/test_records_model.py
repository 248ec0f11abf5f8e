"""Whatever processes do to records in whatever order, they do what a simple model does.

The model keeps a record a key in a dictionary; the store is a real file, opened three times as
by three processes. Time is one clock's.
"""

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any

from fakes.clock import FakeClock
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)
from support.durable import claim, reclaim

from gateway.core.events import Events
from gateway.state.durable.records import DurableRecords
from gateway.state.durable.store import Durable
from gateway.state.durable.url import SqliteUrl
from gateway.state.records import Record, Standing, State

PROCESSES = 3
KEYS = [bytes([n]) * 32 for n in range(3)]
PRINTS = [b"p" * 32, b"q" * 32]

_keys = st.sampled_from(KEYS)
_processes = st.integers(0, PROCESSES - 1)
_prints = st.sampled_from((PRINTS[0], PRINTS[0], PRINTS[0], PRINTS[1]))
_leases = st.sampled_from((1.0, 4.0))
_answers = st.binary(max_size=3)


class _Kept:
    """A record as the model sees it."""

    def __init__(self, fingerprint: bytes, token: int, now: float, lease: float, kept: float):
        self.fingerprint = fingerprint
        self.token = token
        self.again = False
        self.state = "claimed"
        self.lease_until = now + lease
        self.expires_at = now + max(lease, kept)
        self.answer = b""
        self.claims = 1

    def runs(self, now: float) -> bool:
        return self.state == "claimed" and self.lease_until > now

    def is_unknown(self, now: float) -> bool:
        return self.state == "unknown" or (self.state == "claimed" and not self.runs(now))


class Processes(RuleBasedStateMachine):
    tokens = Bundle("tokens")

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.mkdtemp()
        self.clock = FakeClock(start=1024.0)
        self.runner = asyncio.Runner()
        self.kept: dict[bytes, _Kept] = {}
        self.seen: set[int] = set()
        self.stores = []
        self.run(self._open())

    async def _open(self) -> None:
        url = SqliteUrl(path=Path(self.folder) / "a.db")
        for _ in range(PROCESSES):
            durable = Durable(url, self.clock, Events())
            await durable.open()
            self.stores.append((durable, DurableRecords(durable, self.clock)))

    def teardown(self) -> None:
        async def close() -> None:
            for durable, records in self.stores:
                await records.close()
                await durable.close()

        if hasattr(self, "runner"):
            self.run(close())
            self.runner.close()
            shutil.rmtree(self.folder)

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    def now(self) -> float:
        return self.clock.wall()

    def found(self, key: bytes) -> _Kept | None:
        """Return the record of a key; one that is over is none, and is still there."""
        kept = self.kept.get(key)
        return None if kept is None or self.is_over(kept) else kept

    def is_over(self, kept: _Kept) -> bool:
        return kept.expires_at <= self.now() and not kept.runs(self.now())

    def mine(self, key: bytes, token: int) -> _Kept | None:
        """Return the record of a key, even one that is over, if it is this token's."""
        kept = self.kept.get(key)
        return kept if kept is not None and kept.token == token else None

    def standing(self, kept: _Kept) -> tuple[Standing, int, bytes]:
        if kept.state == "done":
            return Standing.DONE, kept.token, kept.answer
        running = kept.runs(self.now())
        return (Standing.CLAIMED if running else Standing.UNKNOWN), kept.token, b""

    def fresh(self, token: int) -> int:
        assert token not in self.seen
        self.seen.add(token)
        return token

    @rule(
        target=tokens,
        who=_processes,
        key=_keys,
        told=_prints,
        lease=_leases,
        kept=st.sampled_from((1.0, 16.0, 64.0)),
    )
    def claim(self, who: int, key: bytes, told: bytes, lease: float, kept: float) -> Any:
        found = self.found(key)
        record: Record = self.run(
            claim(self.stores[who][1], key, told, lease_s=lease, retention_s=kept)
        )
        if found is None:
            assert record.standing is Standing.MINE
            token = self.fresh(record.token)
            self.kept[key] = _Kept(told, token, self.now(), lease, kept)
            return key, token
        if found.fingerprint != told:
            assert record == Record(Standing.OTHER_REQUEST)
        else:
            assert record[:3] == self.standing(found)
        return multiple()

    @rule(target=tokens, key=_keys, lease=_leases)
    def race(self, key: bytes, lease: float) -> Any:
        async def together() -> list[Record]:
            claims = [
                claim(records, key, PRINTS[0], lease_s=lease, retention_s=16.0)
                for _, records in self.stores * 2
            ]
            return await asyncio.gather(*claims)

        found = self.found(key)
        records = self.run(together())
        won = [record.token for record in records if record.standing is Standing.MINE]
        assert len(won) == (1 if found is None else 0)
        if not won:
            return multiple()
        self.kept[key] = _Kept(PRINTS[0], self.fresh(won[0]), self.now(), lease, 16.0)
        assert {record.token for record in records} == set(won)
        return key, won[0]

    @rule(target=tokens, who=_processes, of=tokens, lease=_leases)
    def reclaim(self, who: int, of: tuple[bytes, int], lease: float) -> Any:
        key, token = of
        found = self.found(key)
        new = self.run(reclaim(self.stores[who][1], key, token, lease_s=lease))
        if found is None or found.token != token or not found.is_unknown(self.now()):
            assert new is None
            return multiple()
        found.token = self.fresh(new)
        found.state, found.again = "claimed", True
        found.claims += 1
        found.lease_until = self.now() + lease
        found.expires_at = max(found.expires_at, found.lease_until)
        return key, new

    @rule(who=_processes, of=tokens, lease=_leases)
    def renew(self, who: int, of: tuple[bytes, int], lease: float) -> None:
        key, token = of
        kept = self.mine(key, token)
        holds = kept is not None and kept.state == "claimed"
        assert self.run(self.stores[who][1].renew(key, token, lease_s=lease)) is holds
        if kept is not None and holds:
            kept.lease_until = self.now() + lease

    @rule(who=_processes, of=tokens, answer=_answers)
    def complete(self, who: int, of: tuple[bytes, int], answer: bytes) -> None:
        key, token = of
        kept = self.mine(key, token)
        assert self.run(self.stores[who][1].complete(key, token, answer)) is (kept is not None)
        if kept is not None and kept.state != "done":
            kept.state, kept.answer = "done", answer

    @rule(who=_processes, of=tokens)
    def forget(self, who: int, of: tuple[bytes, int]) -> None:
        key, token = of
        kept = self.kept.get(key)
        told = self.run(self.stores[who][1].forget(key, token))
        if kept is None:
            assert told is True
            return
        assert told is (kept.token == token and kept.state != "done")
        if told and kept.state == "claimed":
            if kept.again:
                kept.state = "unknown"
            else:
                del self.kept[key]

    @rule(who=_processes, of=tokens)
    def give_up(self, who: int, of: tuple[bytes, int]) -> None:
        key, token = of
        kept = self.mine(key, token)
        holds = kept is not None and kept.state != "done"
        assert self.run(self.stores[who][1].give_up(key, token)) is holds
        if kept is not None and holds:
            kept.state = "unknown"

    @rule(who=_processes, key=_keys, answer=st.none() | _answers)
    def resolve(self, who: int, key: bytes, answer: bytes | None) -> None:
        found = self.found(key)
        holds = found is not None and found.is_unknown(self.now())
        assert self.run(self.stores[who][1].resolve(key, answer)) is holds
        if found is not None and holds:
            if answer is None:
                del self.kept[key]
            else:
                found.state, found.answer, found.token = "done", answer, -1
                record = self.run(self.stores[who][1].look(key))
                found.token = self.fresh(record.token)

    @rule(who=_processes)
    def sweep(self, who: int) -> None:
        over = [key for key, kept in self.kept.items() if self.is_over(kept)]
        assert self.run(self.stores[who][1].sweep()) == len(over)
        for key in over:
            del self.kept[key]

    @rule(seconds=st.sampled_from((0.5, 1.0, 4.0, 16.0)))
    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(of=consumes(tokens))
    def die(self, of: tuple[bytes, int]) -> None:
        """Whoever had the token is gone."""

    @invariant()
    def every_process_sees_what_the_model_sees(self) -> None:
        for key in KEYS:
            kept = self.found(key)
            for _, records in self.stores:
                record = self.run(records.look(key))
                if kept is None:
                    assert record is None
                else:
                    assert record is not None
                    assert record[:3] == self.standing(kept)

    @invariant()
    def operators_find_what_is_unknown(self) -> None:
        unknown = {
            (key, kept.claims, State.UNKNOWN)
            for key, kept in self.kept.items()
            if kept.is_unknown(self.now()) and not self.is_over(kept)
        }
        page = self.run(self.stores[0][1].find())
        assert {(found.key, found.claims, found.state) for found in page.records} == unknown


TestProcesses = Processes.TestCase
TestProcesses.settings = settings(
    max_examples=30,
    stateful_step_count=30,
    phases=(Phase.explicit, Phase.generate),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
