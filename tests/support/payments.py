"""Payments: a service, a ledger that books each charge, and callers that may come twice."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import grpc
from aiohttp import web
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from .gateways import GatewayProcess, seawall_process
from .upstream import Upstream

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
        self.max_pause_s = 0.0
        self.http = Upstream(self._answer)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "GET":
            order = request.rel_url.path.rpartition("/")[2]
            if order not in self.booked:
                return web.json_response({"message": "no charge"}, status=404)
            return web.json_response({"id": f"of-{order}"})
        order = (await request.json())["order"]
        await self._pause()
        key = request.headers.get("idempotency-key")
        self.keys.append(key)
        if not (self.honours and key in self.known):
            self.booked.append(order)
            if key is not None:
                self.known[key] = f"r{len(self.booked)}"
        receipt = self.known[key] if key is not None and self.honours else f"r{len(self.booked)}"
        await self._pause()
        await self.gate.wait()
        return web.json_response({"id": receipt}, status=self.status)

    async def _pause(self) -> None:
        if self.max_pause_s:
            await asyncio.sleep(random.uniform(0, self.max_pause_s))


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
