"""Calls that must not happen twice, from callers to a real ledger, over a real store on disk."""

import asyncio
import signal
from pathlib import Path

import grpc
import pytest
from support.gateways import gateway_for
from support.payments import ORDER, OTHER, PROTO, Ledger, arguments, caller_of, process


async def test_a_timeout_and_a_retry_never_charge_twice(tmp_path: Path) -> None:
    ledger = Ledger()
    async with ledger.http:
        with process(arguments(tmp_path, ledger), tmp_path / "one") as gateway:
            async with caller_of(gateway) as caller:
                ledger.gate.clear()
                assert await caller.charge(timeout_s=0.5) == "DEADLINE_EXCEEDED"
                retry = asyncio.ensure_future(caller.charge())
                await asyncio.sleep(0.2)
                ledger.gate.set()
                assert await retry == "r1 again"
                assert await caller.charge() == "r1 again"
                assert await caller.charge("k2", OTHER) == "r2"
        assert ledger.booked == ["o1", "o2"]
        assert ledger.keys == ["k1", "k2"]


async def test_a_caller_whose_time_runs_out_is_told_that_the_call_goes_on(tmp_path: Path) -> None:
    ledger = Ledger()
    async with ledger.http:
        with process(arguments(tmp_path, ledger), tmp_path / "one") as gateway:
            async with caller_of(gateway) as caller:
                ledger.gate.clear()
                charge = caller.channel.unary_unary("/pay.v1.Payments/Charge")

                async def told(*metadata: tuple[str, str]) -> str:
                    with pytest.raises(grpc.aio.AioRpcError) as raised:
                        await charge(ORDER, metadata=metadata, timeout=0.5)
                    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
                    return str(raised.value.details())

                assert "the call itself goes on" in await told(("idempotency-key", "k1"))
                assert "goes on" not in await told()
                ledger.gate.set()
                assert await caller.charge() == "r1 again"


async def test_answers_outlive_the_process(tmp_path: Path) -> None:
    ledger = Ledger()
    async with ledger.http:
        args = arguments(tmp_path, ledger)
        with process(args, tmp_path / "one") as gateway:
            async with caller_of(gateway) as caller:
                assert await caller.charge() == "r1"
        with process(args, tmp_path / "two") as gateway:
            async with caller_of(gateway) as caller:
                assert await caller.charge() == "r1 again"
                assert await caller.charge(request=OTHER) == "KEY_REUSED"
        assert ledger.booked == ["o1"]


@pytest.mark.parametrize(
    ("policy", "after", "booked"),
    [
        ("{}", "OUTCOME_UNKNOWN", ["o1"]),
        ("{deduplication: {on_unknown: RESEND}}", "r1", ["o1"]),
        (
            "{deduplication: {on_unknown: LOOKUP, lookup: {method: pay.v1.Payments/Find}}}",
            "of-o1 again",
            ["o1"],
        ),
    ],
)
async def test_a_gateway_that_is_killed_leaves_an_outcome_that_is_not_silently_repeated(
    policy: str, after: str, booked: list[str], tmp_path: Path
) -> None:
    ledger = Ledger(honours="RESEND" in policy)
    async with ledger.http:
        args = arguments(tmp_path, ledger, policy)
        with process(args, tmp_path / "one") as gateway:
            async with caller_of(gateway) as caller:
                ledger.gate.clear()
                lost = asyncio.ensure_future(caller.charge())
                while not ledger.keys:
                    await asyncio.sleep(0.01)
                gateway.process.send_signal(signal.SIGKILL)
                gateway.process.wait()
                assert await lost == "UNAVAILABLE"
                ledger.gate.set()
        with process(args, tmp_path / "two") as gateway:
            async with caller_of(gateway) as caller:
                # The claim of the dead runs out first: ten seconds.
                assert await caller.charge(timeout_s=30) == after
        assert ledger.booked == booked


async def test_a_drain_waits_for_calls_that_go_on_without_their_callers(tmp_path: Path) -> None:
    ledger = Ledger()
    async with ledger.http:
        args = arguments(tmp_path, ledger)
        with process(args, tmp_path / "one") as gateway:
            async with caller_of(gateway) as caller:
                ledger.gate.clear()
                assert await caller.charge(timeout_s=0.5) == "DEADLINE_EXCEEDED"
            gateway.process.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.5)
            assert gateway.process.poll() is None
            ledger.gate.set()
            assert await asyncio.to_thread(gateway.process.wait, 10) == 0
        with process(args, tmp_path / "two") as gateway:
            async with caller_of(gateway) as caller:
                assert await caller.charge() == "r1 again"
        assert ledger.booked == ["o1"]


async def test_a_hundred_at_once_are_one(tmp_path: Path) -> None:
    ledger = Ledger()
    async with ledger.http:
        with process(arguments(tmp_path, ledger), tmp_path / "one") as gateway:
            async with caller_of(gateway) as caller:
                found = await asyncio.gather(*(caller.charge() for _ in range(100)))
        assert sorted(found) == ["r1"] + ["r1 again"] * 99
        assert ledger.booked == ["o1"]


async def test_a_window_without_keys_lets_one_through_and_tells_the_others(
    tmp_path: Path,
) -> None:
    ledger = Ledger()
    policy = "{deduplication: {window: 60s, fields: [order]}}"
    async with ledger.http:
        with process(arguments(tmp_path, ledger, policy), tmp_path / "one") as gateway:
            async with caller_of(gateway) as caller:
                ledger.gate.clear()
                calls = [asyncio.ensure_future(caller.charge(None)) for _ in range(20)]
                await asyncio.sleep(0.5)
                ledger.gate.set()
                found = await asyncio.gather(*calls)
                assert sorted(found) == ["IN_PROGRESS"] * 19 + ["r1"]
                assert await caller.charge(None, ORDER + b"\x12\x01x") == "r1 again"
                assert await caller.charge(None, OTHER) == "r2"
        assert ledger.booked == ["o1", "o2"]


async def test_without_the_store_nothing_is_sent(tmp_path: Path) -> None:
    ledger = Ledger()
    missing = tmp_path / "no" / "such" / "folder" / "x.db"
    async with ledger.http:
        args = arguments(tmp_path, ledger, state=f"sqlite:///{missing}")
        with process(args, tmp_path / "one") as gateway:
            async with caller_of(gateway) as caller:
                assert await caller.charge() == "STORE_UNAVAILABLE"
                assert await caller.charge(None) == "r1", "without a key it is not needed"
        assert ledger.booked == ["o1"]


async def test_turned_off_a_key_is_a_header_like_any_other(tmp_path: Path) -> None:
    ledger = Ledger()
    async with ledger.http:
        args = arguments(tmp_path, ledger, "{deduplication: {disabled: true}}")
        with process(args, tmp_path / "one") as gateway:
            async with caller_of(gateway) as caller:
                assert [await caller.charge(), await caller.charge()] == ["r1", "r2"]
    assert ledger.keys == [None, None]


async def test_a_key_with_a_control_character_is_refused(tmp_path: Path) -> None:
    ledger = Ledger()
    protos = tmp_path / "protos"
    protos.mkdir()
    (protos / "pay.proto").write_text(PROTO)
    async with ledger.http:
        async with gateway_for(ledger.http.url, proto=protos) as gateway:
            call = gateway.channel.unary_unary("/pay.v1.Payments/Charge")
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await call(ORDER, metadata=(("idempotency-key", "x" * 256),), timeout=5)
            assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert "printable ASCII" in str(raised.value.details())
    assert ledger.booked == []
