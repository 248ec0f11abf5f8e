from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.durable import opened, recording
from support.postgres import PostgresServer, shared_server

from gateway.state.durable.records import DurableRecords
from gateway.state.durable.store import Durable


@pytest.fixture(scope="session")
def postgres() -> PostgresServer:
    return shared_server()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/seawall.db"
    return shared_server().database()


@pytest.fixture
async def durable(url: str) -> AsyncIterator[Durable]:
    async with opened(url, timeout_s=10.0) as durable:
        yield durable


@pytest.fixture
async def records(durable: Durable) -> AsyncIterator[DurableRecords]:
    async with recording(durable) as records:
        yield records
