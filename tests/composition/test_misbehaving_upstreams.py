"""What callers see of upstreams that misbehave: status, reason, time, memory, connections.

The gateway is a process of its own, so that the growth of its memory can be read. Look at
the table with `pytest -s tests/composition/test_misbehaving_upstreams.py`.
"""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
import pytest_asyncio
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from shop.v1 import orders_pb2, orders_pb2_grpc
from support.gateways import PROTOS, GatewayProcess, seawall_process
from support.misbehaviour import Misbehaving

DEADLINE_S = 2.0
"""The gateway's; callers would wait longer."""
MAX_GROWTH_MIB = 48
"""What one answer may cost: its limit of 4 MiB some times over, and 16 MiB of br's window."""
CONFIG = """
defaults: {{method: {{retry: {{disabled: true}}, deadline: {{maximum: 2s}}}}}}
upstreams:
  raw: {{url: '{raw}'}}
  moving: {{url: '{raw}', policy: {{redirects: {{max_redirects: 3}}}}}}
  refused: {{url: 'http://127.0.0.1:{refused}'}}
  unresolved: {{url: 'http://nowhere.invalid'}}
  untrusted: {{url: '{tls}'}}
  shaking: {{url: '{shaking}', policy: {{pool: {{connect_timeout: 0.3s}}}}}}
services:
  shop.v1.OrderService:
    policy: {{upstream: raw}}
    methods:
      ReplaceOrder: {{upstream: refused}}
      UpdateOrder: {{upstream: unresolved}}
      CancelOrder: {{upstream: untrusted}}
      CreateOrder: {{upstream: shaking}}
      ListOrders: {{upstream: moving}}
"""


@dataclass(frozen=True)
class Row:
    """A misbehaviour and what becomes of it.

    Attributes:
        name: of the behaviour.
        status: the caller's.
        reason: the caller's, "" for success.
        at_deadline: whether it takes the whole deadline.
        kept: whether the connection may be used again.
        requests: that reach the upstream.
        method: called.
    """

    name: str
    status: str
    reason: str
    at_deadline: bool = False
    kept: bool = False
    requests: int = 1
    method: str = "GetOrder"


INVALID = ("INTERNAL", "UPSTREAM_INVALID_ANSWER")
RESET = ("UNAVAILABLE", "UPSTREAM_RESET")
TOO_LARGE = ("RESOURCE_EXHAUSTED", "UPSTREAM_ANSWER_TOO_LARGE")
LATE = ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED")
FINE = ("OK", "")
ROWS = [
    Row("good", *FINE, kept=True),
    Row("reset-mid-body", *RESET),
    Row("no-answer", *RESET, requests=2),  # a safe request on a kept connection
    Row("length-too-long", *RESET),
    Row("length-too-long-silent", *LATE, at_deadline=True),
    Row("silent", *LATE, at_deadline=True),
    Row("length-too-short", *INVALID),
    Row("bytes-behind", *FINE),
    Row("two-lengths", *INVALID),
    Row("length-and-chunked", *INVALID),
    Row("truncated-json", *INVALID, kept=True),
    Row("html", *INVALID, kept=True),
    Row("html-as-json", *INVALID, kept=True),
    Row("100-mb-length", *TOO_LARGE),
    Row("100-mb-chunked", *TOO_LARGE),
    Row("deep-json", *INVALID, kept=True),
    Row("deep-unknown-json", *INVALID, kept=True),
    Row("byte-a-second", *LATE, at_deadline=True),
    Row("endless-body", *TOO_LARGE),
    Row("endless-header", *INVALID),
    Row("endless-headers", *INVALID),
    Row("endless-trailer", *INVALID),
    Row("endless-continue", *INVALID),
    Row("gzip-bomb", *TOO_LARGE),
    Row("br-bomb", *TOO_LARGE),
    Row("zstd-bomb", *TOO_LARGE),
    Row("unknown-coding", *INVALID),
    Row("damaged-gzip", *INVALID),
    Row("invalid-utf-8", *INVALID, kept=True),
    Row("stale", *FINE, requests=2, kept=True),
    Row("100-continue", *FINE, kept=True),
    Row("redirect-loop", "INTERNAL", "UPSTREAM_STATUS", kept=True),
    Row("", "INTERNAL", "UPSTREAM_STATUS", kept=True, requests=4, method="ListOrders"),
    Row("refused", "UNAVAILABLE", "UPSTREAM_UNREACHABLE", requests=0, method="ReplaceOrder"),
    Row("unresolved", "UNAVAILABLE", "UPSTREAM_UNRESOLVED", requests=0, method="UpdateOrder"),
    Row("untrusted", "UNAVAILABLE", "UPSTREAM_TLS", requests=0, method="CancelOrder"),
    Row("no-handshake", "UNAVAILABLE", "UPSTREAM_UNREACHABLE", requests=0, method="CreateOrder"),
]


def memory_mib(pid: int, what: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(what + ":"):
            return int(line.split()[1]) / 1024
    raise AssertionError(what)


def forget_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def reason_of(error: grpc.aio.AioRpcError) -> str:
    status = rpc_status.from_call(error)
    assert status is not None, error.details()
    info = error_details_pb2.ErrorInfo()
    assert any(detail.Unpack(info) for detail in status.details)
    return info.reason


@dataclass
class Shop:
    upstream: Misbehaving
    gateway: GatewayProcess
    stub: orders_pb2_grpc.OrderServiceStub

    async def call(self, method: str, name: str) -> tuple[str, str]:
        """Return status and reason of one call."""
        request = {
            "GetOrder": orders_pb2.GetOrderRequest(order_id=name),
            "CancelOrder": orders_pb2.GetOrderRequest(order_id=name),
            "CreateOrder": orders_pb2.CreateOrderRequest(),
            "ListOrders": orders_pb2.ListOrdersRequest(),
            "ReplaceOrder": orders_pb2.Order(order_id=name),
            "UpdateOrder": orders_pb2.UpdateOrderRequest(order=orders_pb2.Order(order_id=name)),
        }[method]
        try:
            await getattr(self.stub, method)(request, timeout=10 * DEADLINE_S)
        except grpc.aio.AioRpcError as error:
            return error.code().name, reason_of(error)
        return "OK", ""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    tmp_path = tmp_path_factory.mktemp("misbehaving")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        async with Misbehaving() as upstream:
            config = tmp_path / "seawall.yaml"
            config.write_text(
                CONFIG.format(
                    raw=upstream.url,
                    tls=upstream.tls_url,
                    shaking=upstream.url.replace("http:", "https:"),
                    refused=taken.getsockname()[1],
                )
            )
            arguments = ("--proto", str(PROTOS), "--config", str(config), "--log-level", "error")
            process = seawall_process(*arguments, tmp_path=tmp_path)
            gateway = await asyncio.to_thread(process.__enter__)
            try:
                async with grpc.aio.insecure_channel(gateway.address) as channel:
                    made = Shop(upstream, gateway, orders_pb2_grpc.OrderServiceStub(channel))
                    await made.call("GetOrder", "good")
                    yield made
            finally:
                process.__exit__(None, None, None)


@pytest.fixture(scope="module", autouse=True)
def table() -> None:
    print(
        f"\n{'misbehaviour':24}{'status':20}{'reason':28}{'ms':>7}{'of 2 s':>8}{'MiB':>7}  reused"
    )


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name or "redirects-followed")
async def test_misbehaviour_is_a_clean_status_in_time_and_bounded_memory(shop: Shop, row: Row):
    upstream, pid = shop.upstream, shop.gateway.process.pid
    upstream.prepare(row.name)
    await shop.call("GetOrder", "good")  # there is a kept connection
    first = len(upstream.seen)
    forget_peak(pid)
    before = memory_mib(pid, "VmRSS")
    began = time.monotonic()

    status, reason = await shop.call(row.method, row.name)

    took_s = time.monotonic() - began
    growth = memory_mib(pid, "VmHWM") - before
    met = upstream.seen[first:]
    await shop.call("GetOrder", "good")
    reused = bool(met) and upstream.seen[-1].connection == met[-1].connection
    if row.method != "GetOrder" and met:  # another upstream's pool
        await shop.call(row.method, row.name)
        reused = upstream.seen[-1].connection == met[-1].connection
    name = row.name or "redirects-followed"
    print(
        f"{name:24}{status:20}{reason:28}{took_s * 1000:7.0f}{took_s / DEADLINE_S:8.2f}"
        f"{growth:7.1f}  {'yes' if reused else 'no'}"
    )
    assert (status, reason) == (row.status, row.reason)
    assert took_s <= DEADLINE_S * 1.5
    assert row.at_deadline == (took_s > DEADLINE_S * 0.9)
    assert growth <= MAX_GROWTH_MIB
    assert reused == row.kept
    assert len(met) == row.requests


@pytest.mark.asyncio(loop_scope="module")
async def test_nothing_stays_open_behind_them_but_kept_connections(shop: Shop):
    async with asyncio.timeout(10):
        while shop.upstream.open_connections > 3:
            await asyncio.sleep(0.01)
