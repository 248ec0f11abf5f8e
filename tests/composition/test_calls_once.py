"""Calls that must not happen twice, from callers to a real ledger, over a real store on disk."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import grpc
import pytest
from aiohttp import web
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from support.gateways import GatewayProcess, gateway_for, seawall_process
from support.upstream import Upstream

PROTO = """syntax = "proto3";
package pay.v1;
import "google/api/annotations.proto";
service Payments {
  rpc Charge(ChargeRequest) returns (Receipt) {
    option (google.api.http) = {post: "/charges" body: "*"};
  }
  rpc Find(FindRequest) returns (Receipt) {
    option (google.api.http) = {get: "/charges/{order}"};
  }
}
message ChargeRequest { string order = 1; string note = 2; }
message FindRequest { string order = 1; }
message Receipt { string id = 1; }
"""
ORDER = b"\n\x02o1"
OTHER = b"\n\x02o2"


class Ledger:
    """Books each charge, whatever keys it comes with, unless it honours them."""

    def __init__(self, *, honours: bool = False) -> None:
        self.honours = honours
        self.booked: list[str] = []
        self.keys: list[str | None] = []
        self.known: dict[str, str] = {}
        self.gate = asyncio.Event()
        self.gate.set()
        self.status = 200
        self.http = Upstream(self._answer)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "GET":
            order = request.rel_url.path.rpartition("/")[2]
            if order not in self.booked:
                return web.json_response({"message": "no charge"}, status=404)
            return web.json_response({"id": f"of-{order}"})
        order = (await request.json())["order"]
        key = request.headers.get("idempotency-key")
        self.keys.append(key)
        if not (self.honours and key in self.known):
            self.booked.append(order)
            if key is not None:
                self.known[key] = f"r{len(self.booked)}"
        receipt = self.known[key] if key is not None and self.honours else f"r{len(self.booked)}"
        await self.gate.wait()
        return web.json_response({"id": receipt}, status=self.status)


def arguments(tmp_path: Path, ledger: Ledger, policy: str = "{}", state: str = "") -> list[str]:
    protos = tmp_path / "protos"
    protos.mkdir(exist_ok=True)
    (protos / "pay.proto").write_text(PROTO)
    config = tmp_path / "seawall.yaml"
    durable = state or f"sqlite:///{tmp_path / 'seawall.db'}"
    config.write_text(
        f"state: {{durable: '{durable}'}}\n"
        f"services: {{pay.v1.Payments: {{methods: {{Charge: {policy}}}}}}}\n"
    )
    return ["--proto", str(protos), "--config", str(config), "--upstream", ledger.http.url]


class Caller:
    """Calls one gateway."""

    def __init__(self, address: str) -> None:
        self.channel = grpc.aio.insecure_channel(address)

    async def charge(
        self, key: str | None = "k1", request: bytes = ORDER, timeout_s: float = 10
    ) -> str:
        """Return the receipt, with "again" behind it where it is a replay, or the reason."""
        metadata = () if key is None else (("idempotency-key", key),)
        call = self.channel.unary_unary("/pay.v1.Payments/Charge")(
            request, metadata=metadata, timeout=timeout_s
        )
        try:
            answer = await call
        except grpc.aio.AioRpcError as error:
            return reason(error)
        told = dict(await call.trailing_metadata())
        return answer[2:].decode() + (" again" if "idempotency-replayed" in told else "")


def reason(error: grpc.aio.AioRpcError) -> str:
    status = rpc_status.from_call(error)
    info = error_details_pb2.ErrorInfo()
    if status is None or not any(detail.Unpack(info) for detail in status.details):
        return str(error.code().name)
    return str(info.reason)


@contextmanager
def process(args: list[str], folder: Path) -> Iterator[GatewayProcess]:
    folder.mkdir(exist_ok=True)
    with seawall_process(*args, tmp_path=folder) as started:
        yield started


@asynccontextmanager
async def caller_of(gateway: GatewayProcess) -> AsyncIterator[Caller]:
    caller = Caller(gateway.address)
    try:
        yield caller
    finally:
        await caller.channel.close()


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
