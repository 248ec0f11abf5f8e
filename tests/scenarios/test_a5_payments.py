"""Row A5: a timeout followed by a client's retry never charges twice: over a ledger that ignores
keys and can be asked, over one that honours them, and over one that does neither."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from fakes.clock import FakeClock, FakeRng
from panel.v1 import payments_pb2, payments_pb2_grpc
from scenarios.downstreams import PANEL_UPSTREAMS, Downstream, eventually
from scenarios.gateways import (
    ANYBODY,
    callers,
    descriptors,
    failure_of,
    gateway_over,
    through_backoffs,
)
from scenarios.operations import durable
from support.gateways import Running, seawall_process

Code = grpc.StatusCode
CARD, PAYEER, CRYPTO = "CreateCheckout", "CreatePayeerPayment", "CreateCryptoInvoice"
PATHS = {
    CARD: "/.netlify/functions/payments",
    PAYEER: "/.netlify/functions/payeer",
    CRYPTO: "/.netlify/functions/crypto-payments",
}
LEDGERS = {CARD: "payments", PAYEER: "payeer", CRYPTO: "crypto"}
ALL = pytest.mark.parametrize("method", PATHS)
KNOWN = pytest.mark.parametrize("method", [CARD, PAYEER])


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def running(
    functions: Downstream, clock: FakeClock, tmp_path: Path
) -> AsyncIterator[Running]:
    urls, rng = dict.fromkeys(PANEL_UPSTREAMS, functions.url), FakeRng([0.5])
    async with gateway_over("panel", urls, tmp_path, clock=clock, rng=rng) as running:
        yield running


def pay(
    channel: grpc.aio.Channel,
    method: str,
    key: str | None = "k1",
    order: str = "ord-7",
    timeout_s: float | None = None,
) -> Any:
    request = payments_pb2.CreatePaymentRequest(order_id=order, amount_cents=1999)
    stub = payments_pb2_grpc.PaymentServiceStub(channel)
    metadata = () if key is None else (("idempotency-key", key),)
    return getattr(stub, method)(request, metadata=metadata, timeout=timeout_s)


def booked(functions: Downstream, method: str) -> list[str]:
    ledgers: dict[str, list[str]] = functions.ask("GET", "/_demo/ledger")[1]
    return ledgers[LEDGERS[method]]


@ALL
async def test_a_timeout_and_a_retry_charge_once(
    method: str, running: Running, functions: Downstream
) -> None:
    functions.set_faults({"path": PATHS[method], "latency_s": 1.0})
    late = await failure_of(pay(running.channel, method, timeout_s=0.3))
    assert late.code == Code.DEADLINE_EXCEEDED
    payment = await pay(running.channel, method)
    assert (payment.order_id, payment.amount_cents) == ("ord-7", 1999)
    assert await pay(running.channel, method) == payment
    assert booked(functions, method) == ["ord-7"]


@ALL
async def test_a_double_click_charges_once(
    method: str, running: Running, functions: Downstream
) -> None:
    functions.set_faults({"path": PATHS[method], "latency_s": 0.2})
    paid = await asyncio.gather(*(pay(running.channel, method) for _ in range(20)))
    assert len({payment.payment_id for payment in paid}) == 1
    assert booked(functions, method) == ["ord-7"]


@KNOWN
@pytest.mark.parametrize(
    "fault", [{"drop": True, "acts": True}, {"status": 500, "acts": True}, {"status": 503}]
)
async def test_a_lost_answer_and_a_retry_charge_once(
    fault: dict[str, object],
    method: str,
    running: Running,
    functions: Downstream,
    clock: FakeClock,
) -> None:
    functions.set_faults({"verb": "POST", "path": PATHS[method], "count": 1, **fault})
    codes = []
    for _ in range(3):
        call = pay(running.channel, method)
        await through_backoffs(call, running, clock)
        codes.append(await call.code())
        if codes[-1] == Code.OK:
            break
    assert codes[-1] == Code.OK
    assert set(codes[:-1]) <= {Code.UNAVAILABLE, Code.INTERNAL}
    assert (await call).order_id == "ord-7"
    assert booked(functions, method) == ["ord-7"]


async def test_where_nobody_can_know_it_is_said_and_not_sent_again(
    running: Running, functions: Downstream
) -> None:
    functions.set_faults({"path": PATHS[CRYPTO], "drop": True, "acts": True, "count": 1})
    assert (await failure_of(pay(running.channel, CRYPTO))).code == Code.UNAVAILABLE
    for _ in range(3):
        failure = await failure_of(pay(running.channel, CRYPTO))
        assert (failure.code, failure.reason) == (Code.ABORTED, "OUTCOME_UNKNOWN")
    assert booked(functions, CRYPTO) == ["ord-7"]
    assert (await pay(running.channel, CRYPTO, "k2", "ord-8")).order_id == "ord-8"


@ALL
async def test_what_did_not_reach_the_ledger_is_charged_by_the_retry(
    method: str, running: Running, functions: Downstream
) -> None:
    functions.set_faults({"verb": "POST", "path": PATHS[method], "status": 429, "count": 1})
    assert (await failure_of(pay(running.channel, method))).code == Code.RESOURCE_EXHAUSTED
    assert (await pay(running.channel, method)).order_id == "ord-7"
    assert booked(functions, method) == ["ord-7"]


@ALL
async def test_another_payment_with_the_key_is_refused(method: str, running: Running) -> None:
    await pay(running.channel, method)
    failure = await failure_of(pay(running.channel, method, order="ord-8"))
    assert (failure.code, failure.reason) == (Code.INVALID_ARGUMENT, "KEY_REUSED")


async def test_a_payment_without_a_key_is_refused(running: Running, functions: Downstream) -> None:
    failure = await failure_of(pay(running.channel, CARD, None))
    assert (failure.code, failure.reason) == (Code.INVALID_ARGUMENT, "KEY_REQUIRED")
    assert booked(functions, CARD) == []


@KNOWN
async def test_a_gateway_that_is_killed_and_a_retry_by_another_charge_once(
    method: str, functions: Downstream, tmp_path: Path
) -> None:
    config = tmp_path / "seawall.yaml"
    config.write_text(
        f"descriptor_set: {descriptors('panel')}\n{durable(tmp_path)}\n"
        f"{callers(root='admin')}\n{ANYBODY}\n"
    )
    upstreams = (f"--upstream={name}={functions.url}" for name in PANEL_UPSTREAMS)
    arguments = ("--config", str(config), *upstreams)
    functions.set_faults({"verb": "POST", "path": PATHS[method], "latency_s": 1.0, "count": 1})
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with (
        seawall_process(*arguments, tmp_path=tmp_path / "one") as one,
        seawall_process(*arguments, tmp_path=tmp_path / "two") as two,
    ):
        async with grpc.aio.insecure_channel(one.address) as channel:
            lost = asyncio.ensure_future(failure_of(pay(channel, method)))
            await eventually(lambda: functions.stats()["concurrency"]["current"] == 1)
            one.process.send_signal(signal.SIGKILL)
            one.process.wait()
            assert (await lost).code == Code.UNAVAILABLE
        async with grpc.aio.insecure_channel(two.address) as channel:
            # The claim of the dead runs out first: ten seconds.
            payment = await pay(channel, method, timeout_s=28)
            assert payment.order_id == "ord-7"
    assert booked(functions, method) == ["ord-7"]


@ALL
async def test_a_retry_by_another_gateway_while_the_first_is_at_work_charges_once(
    method: str, functions: Downstream, tmp_path: Path
) -> None:
    functions.set_faults({"verb": "POST", "path": PATHS[method], "latency_s": 1.0, "count": 1})
    urls = dict.fromkeys(PANEL_UPSTREAMS, functions.url)
    state = durable(tmp_path)
    config = f"{state}\n{callers(root='admin')}\n{ANYBODY}\n"
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    async with (
        gateway_over("panel", urls, tmp_path / "one", config=config) as one,
        gateway_over("panel", urls, tmp_path / "two", config=config) as two,
    ):
        first = asyncio.ensure_future(pay(one.channel, method, timeout_s=10))
        await eventually(lambda: functions.stats()["concurrency"]["current"] == 1)
        second = pay(two.channel, method, timeout_s=10)
        assert await second == await first
        assert dict(await second.trailing_metadata())["idempotency-replayed"] == "true"
    assert booked(functions, method) == ["ord-7"]


async def test_payments_are_listed(running: Running) -> None:
    await pay(running.channel, CARD)
    stub = payments_pb2_grpc.PaymentServiceStub(running.channel)
    listed = await stub.ListPayments(payments_pb2.ListPaymentsRequest())
    assert [payment.order_id for payment in listed.payments] == ["ord-7"]
