"""The records of calls in the plainest words: a model of every durable store of them.

A dictionary under one clock. Stores are held to it (tests/property/test_records_model.py), and
it stands for one where only the mechanism is looked at.
"""

from dataclasses import dataclass

from fakes.clock import FakeClock

from gateway.state.records import Record, Standing, StoreUnavailable


@dataclass
class Kept:
    standing: Standing
    token: int
    method: str
    fingerprint: bytes
    lease_until: float
    kept_until: float
    answer: bytes = b""
    again: bool = False
    """Claimed after nobody knew what became of the claim before."""


class ModelRecords:
    """A `RecordStore` of one process's memory.

    Attributes:
        away: raise StoreUnavailable instead of answering; `after` the question was done.
    """

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.kept: dict[bytes, Kept] = {}
        self.away = False
        self.lost_answers = False
        self.asked: list[str] = []

    def _now(self, what: str) -> float:
        self.asked.append(what)
        if self.away:
            raise StoreUnavailable("it is away", 0.5)
        now = self.clock.now()
        for key, one in list(self.kept.items()):
            if one.standing is Standing.CLAIMED and now >= one.lease_until:
                one.standing = Standing.UNKNOWN
            if one.standing is not Standing.CLAIMED and now >= one.kept_until:
                del self.kept[key]
        return now

    def _told(self) -> None:
        if self.lost_answers:
            raise StoreUnavailable("its answer was lost", 0.5)

    def _record(self, one: Kept, now: float) -> Record:
        until = one.lease_until if one.standing is Standing.CLAIMED else one.kept_until
        return Record(one.standing, one.token, one.answer, until - now)

    async def claim(
        self,
        key: bytes,
        token: int,
        method: str,
        fingerprint: bytes,
        *,
        lease_s: float,
        retention_s: float,
    ) -> Record:
        now = self._now("claim")
        one = self.kept.get(key)
        if one is None:
            kept_until = now + max(retention_s, lease_s)
            self.kept[key] = Kept(
                Standing.CLAIMED, token, method, fingerprint, now + lease_s, kept_until
            )
            self._told()
            return Record(Standing.MINE, token, b"", lease_s)
        self._told()
        if one.fingerprint != fingerprint:
            return Record(Standing.OTHER_REQUEST)
        return self._record(one, now)

    async def look(self, key: bytes) -> Record | None:
        now = self._now("look")
        one = self.kept.get(key)
        return None if one is None else self._record(one, now)

    def _held(self, key: bytes, token: int, *standings: Standing) -> Kept | None:
        one = self.kept.get(key)
        return one if one and one.token == token and one.standing in standings else None

    async def renew(self, key: bytes, token: int, *, lease_s: float) -> bool:
        now = self._now("renew")
        if (one := self._held(key, token, Standing.CLAIMED)) is None:
            return False
        one.lease_until = now + lease_s
        self._told()
        return True

    async def complete(self, key: bytes, token: int, answer: bytes) -> bool:
        self._now("complete")
        one = self._held(key, token, Standing.CLAIMED, Standing.UNKNOWN)
        if one is None:
            return False
        one.standing, one.answer = Standing.DONE, answer
        self._told()
        return True

    async def forget(self, key: bytes, token: int) -> bool:
        self._now("forget")
        if (one := self._held(key, token, Standing.CLAIMED, Standing.UNKNOWN)) is None:
            return False
        if one.again:
            one.standing = Standing.UNKNOWN
        else:
            del self.kept[key]
        self._told()
        return True

    async def give_up(self, key: bytes, token: int) -> bool:
        self._now("give_up")
        if (one := self._held(key, token, Standing.CLAIMED)) is None:
            return False
        one.standing = Standing.UNKNOWN
        self._told()
        return True

    async def reclaim(self, key: bytes, token: int, another: int, *, lease_s: float) -> bool:
        now = self._now("reclaim")
        if (one := self._held(key, token, Standing.UNKNOWN)) is None:
            return False
        one.standing, one.token, one.lease_until = Standing.CLAIMED, another, now + lease_s
        one.kept_until = max(one.kept_until, one.lease_until)
        one.again = True
        self._told()
        return True
