"""Durable stores for tests, and time that passes in them."""

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import text

from gateway.core.clock import SystemClock
from gateway.core.events import Events
from gateway.state.durable.records import DurableRecords
from gateway.state.durable.store import Durable, DurableOptions
from gateway.state.durable.url import parse_durable_url
from gateway.state.records import Record

METHOD = "shop.v1.OrderService/CreateOrder"
PRINT, OTHER_PRINT = b"\x01" * 32, b"\x02" * 32


def new_key() -> bytes:
    return os.urandom(32)


def new_token() -> int:
    return 1 + secrets.randbits(62)


async def claim(
    records: DurableRecords,
    key: bytes,
    fingerprint: bytes = PRINT,
    *,
    lease_s: float = 10.0,
    retention_s: float = 100.0,
) -> Record:
    """Claim a key by a token of its own."""
    return await records.claim(
        key, new_token(), METHOD, fingerprint, lease_s=lease_s, retention_s=retention_s
    )


async def reclaim(
    records: DurableRecords, key: bytes, token: int, *, lease_s: float = 10.0
) -> int | None:
    """Claim what is unknown; return the new token, None where it is not."""
    another = new_token()
    return another if await records.reclaim(key, token, another, lease_s=lease_s) else None


@asynccontextmanager
async def opened(url: str, clock: Any = None, **options: Any) -> AsyncIterator[Durable]:
    durable = Durable(
        parse_durable_url(url), clock or SystemClock(), Events(), DurableOptions(**options)
    )
    try:
        yield durable
    finally:
        await durable.close()


@asynccontextmanager
async def recording(durable: Durable, clock: Any = None) -> AsyncIterator[DurableRecords]:
    records = DurableRecords(durable, clock or SystemClock())
    try:
        yield records
    finally:
        await records.close()


async def pass_time(durable: Durable, seconds: float) -> None:
    """Let everything that is kept be so much older."""
    columns = ("lease_until", "began_at", "changed_at", "expires_at")
    sets = ", ".join(f"{column} = {column} - :seconds" for column in columns)
    statement = text(f"UPDATE seawall_records SET {sets}")
    await durable.write(lambda connection: connection.execute(statement, {"seconds": seconds}))


async def count(durable: Durable) -> int:
    """Return how many records there are, whatever they say."""
    statement = text("SELECT count(*) FROM seawall_records")
    return int(await durable.read(lambda connection: connection.execute(statement).scalar_one()))
