"""Many calls with one key, at once, over many processes and one store: one charge."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from support.payments import Ledger, arguments, caller_of, process
from support.postgres import shared_server

ROUNDS = [1, pytest.param(50, marks=pytest.mark.full)]


@pytest.fixture(params=["sqlite", "postgresql"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/seawall.db"
    return shared_server().database()


@pytest.mark.parametrize("rounds", ROUNDS)
@pytest.mark.parametrize("processes", [1, 8])
async def test_one_charge(processes: int, rounds: int, state: str, tmp_path: Path) -> None:
    ledger = Ledger()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(ledger.http)
        args = arguments(tmp_path, ledger, state=state)
        callers = []
        for number in range(processes):
            gateway = stack.enter_context(process(args, tmp_path / str(number)))
            callers.append(await stack.enter_async_context(caller_of(gateway)))
        for turn in range(rounds):
            for calls in (20, 1000):
                order = f"{turn}-{calls}"
                request = b"\n" + bytes([len(order)]) + order.encode()
                found = await asyncio.gather(
                    *(
                        callers[n % processes].charge(order, request, timeout_s=60)
                        for n in range(calls)
                    )
                )
                receipt = f"r{len(ledger.booked)}"
                assert sorted(found) == [receipt] + [f"{receipt} again"] * (calls - 1)
                assert ledger.booked.count(order) == 1
        assert len(ledger.booked) == 2 * rounds
