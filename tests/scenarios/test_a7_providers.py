"""Row A7: ProviderService. Imports are queued and paced within the provider's own quota, and
its failures stay its own.

The quota is the simulated provider's and is measured in its own process, so the pace runs
in real time here: a few seconds of requests, each of which does something.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import grpc
import pytest
from fakes.clock import FakeClock
from google.protobuf.field_mask_pb2 import FieldMask
from panel.v1 import orders_pb2, orders_pb2_grpc, providers_pb2, providers_pb2_grpc
from scenarios.downstreams import Downstream, eventually
from scenarios.gateways import State, breaker, failure_of, gateway_over, settled, upstream
from support.gateways import Running

from gateway.core.events import BreakerChanged, PacingChanged, RetryScheduled

Code = grpc.StatusCode
Provider = providers_pb2.Provider

PROVIDERS = "/.netlify/functions/providers"
NORTH = f"{PROVIDERS}/prv-north"
QUOTA = 10
IMPORTS = 15
PACE_S = 0.2
THRESHOLD = 5


@pytest.fixture
async def running(panel: Downstream, tmp_path: Path) -> AsyncIterator[Running]:
    async with gateway_over("panel", urls(panel), tmp_path) as running:
        yield running


@pytest.fixture
def providers(running: Running) -> providers_pb2_grpc.ProviderServiceStub:
    return providers_pb2_grpc.ProviderServiceStub(running.channel)


@pytest.fixture
def orders(running: Running) -> orders_pb2_grpc.OrderServiceStub:
    return orders_pb2_grpc.OrderServiceStub(running.channel)


def urls(panel: Downstream) -> dict[str, str]:
    """One host answers both: what is shown is not that there are two."""
    return {"panel": panel.url, "providers": panel.url}


def get(provider_id: str = "prv-north") -> providers_pb2.GetProviderRequest:
    return providers_pb2.GetProviderRequest(provider_id=provider_id)


def sync(provider_id: str = "prv-north") -> providers_pb2.SyncProviderRequest:
    return providers_pb2.SyncProviderRequest(provider_id=provider_id)


def new_provider() -> providers_pb2.CreateProviderRequest:
    """A request of which each call makes exactly one attempt: adding is not idempotent."""
    return providers_pb2.CreateProviderRequest(
        provider=Provider(name="Atelier", api_url="https://atelier.example/v2")
    )


def order() -> orders_pb2.GetOrderRequest:
    return orders_pb2.GetOrderRequest(order_id="ord-1001")


def queue_of(running: Running) -> Callable[[int], Callable[[], Awaitable[bool]]]:
    """Return what makes a condition: that so many requests wait for their turn."""

    def holds(count: int) -> Callable[[], Awaitable[bool]]:
        async def waiting() -> bool:
            return (await upstream(running.channel, "providers")).pacing.queued >= count

        return waiting

    return holds


# What the service does


async def test_a_provider_is_added_read_changed_imported_and_deleted(
    panel: Downstream, providers
) -> None:
    added = await providers.CreateProvider(new_provider())
    assert added == Provider(
        provider_id="prv-1", name="Atelier", api_url="https://atelier.example/v2"
    )
    assert await providers.GetProvider(get("prv-1")) == added
    changed = await providers.UpdateProvider(
        providers_pb2.UpdateProviderRequest(
            provider=Provider(provider_id="prv-1", name="Studio", api_url="ignored"),
            update_mask=FieldMask(paths=["name"]),
        )
    )
    assert (changed.name, changed.api_url) == ("Studio", "https://atelier.example/v2")
    synced = await providers.SyncProvider(sync("prv-1"))
    assert synced.service_count == 12
    assert synced.sync_time.seconds > 1_700_000_000
    listed = (await providers.ListProviders(providers_pb2.ListProvidersRequest())).providers
    assert [provider.provider_id for provider in listed] == [
        "prv-north",
        "prv-quill",
        "prv-loom",
        "prv-1",
    ]
    assert listed[-1] == synced
    await providers.DeleteProvider(providers_pb2.DeleteProviderRequest(provider_id="prv-1"))
    assert (await failure_of(providers.GetProvider(get("prv-1")))).code == Code.NOT_FOUND


async def test_a_part_of_a_catalog_can_be_imported(providers) -> None:
    request = sync()
    request.category = "Design"
    assert (await providers.SyncProvider(request)).service_count == 31


# The pace


async def hammer(address: str) -> list[int]:
    """Start more imports at once than the quota holds, over three connections."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(address, options) for _ in range(3)]
    stubs = [providers_pb2_grpc.ProviderServiceStub(channel) for channel in channels]
    try:
        calls = [stub.SyncProvider(sync()) for stub in stubs for _ in range(IMPORTS // 3)]
        return [provider.service_count for provider in await asyncio.gather(*calls)]
    finally:
        await asyncio.gather(*(channel.close() for channel in channels))


async def test_imports_all_at_once_never_meet_the_quota(
    panel: Downstream, running: Running
) -> None:
    hammering = asyncio.create_task(hammer(running.gateway.address))
    await settled(queue_of(running)(QUOTA))
    assert await hammering == [43] * IMPORTS
    stats = panel.stats()
    assert stats["statuses"] == {"200": IMPORTS}
    assert stats["requests"] == {f"POST {NORTH}": IMPORTS}
    assert running.of(RetryScheduled) == []


async def test_without_the_pace_the_same_imports_meet_the_quota(
    panel: Downstream, tmp_path: Path
) -> None:
    config = """
upstreams: {providers: {policy: {pacing: {disabled: true}}}}
services: {panel.v1.ProviderService: {policy: {retry: {disabled: true}}}}
"""
    async with gateway_over("panel", urls(panel), tmp_path, config=config) as running:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await hammer(running.gateway.address)
        assert caught.value.code() == Code.RESOURCE_EXHAUSTED
        await eventually(lambda: panel.idle)
    assert panel.stats()["statuses"]["429"] >= 1


async def test_who_cannot_wait_for_a_turn_is_told_at_once_when_there_is_one(
    panel: Downstream, running: Running, providers
) -> None:
    waiting = [providers.SyncProvider(sync()) for _ in range(IMPORTS)]
    await settled(queue_of(running)(QUOTA))
    failure = await failure_of(providers.GetProvider(get("prv-loom"), timeout=0.5))
    assert (failure.code, failure.reason) == (Code.RESOURCE_EXHAUSTED, "PACED")
    assert (failure.origin, failure.attempts) == ("gateway", 0)
    assert failure.should_retry
    assert 0.5 < failure.retry_delay_s <= IMPORTS * PACE_S
    for call in waiting:
        call.cancel()
    await eventually(lambda: panel.idle)
    assert panel.seen(f"GET {PROVIDERS}/prv-loom") == 0


async def test_orders_wait_for_no_providers_turn(running: Running, providers, orders) -> None:
    waiting = [providers.SyncProvider(sync()) for _ in range(IMPORTS)]
    await settled(queue_of(running)(QUOTA))
    for _ in range(20):
        await orders.GetOrder(order(), timeout=5)
    assert (await upstream(running.channel, "providers")).pacing.queued > 0
    for call in waiting:
        call.cancel()


async def test_a_provider_whose_quota_shrank_is_left_alone_for_as_long_as_it_asks(
    panel: Downstream, tmp_path: Path
) -> None:
    clock = FakeClock()
    # Six requests are refused before the gateway has learned: in the second after the first.
    over = {"verb": "POST", "path": NORTH, "status": 429, "retry_after_s": 2, "count": 6}
    panel.set_faults(over)

    def sent() -> int:
        requests = panel.stats()["requests"]
        return sum(n for request, n in requests.items() if PROVIDERS in request)

    async with gateway_over("panel", urls(panel), tmp_path, clock=clock) as running:
        providers = providers_pb2_grpc.ProviderServiceStub(running.channel)
        orders = orders_pb2_grpc.OrderServiceStub(running.channel)
        calls = [providers.SyncProvider(sync()) for _ in range(IMPORTS)]

        async def answered() -> None:
            """Wait until everything that was due has been sent and answered."""
            await orders.GetOrder(order())
            await eventually(lambda: panel.idle)

        for _ in range(over["count"] - 1):
            await answered()
            clock.advance(PACE_S)
        await eventually(lambda: running.of(PacingChanged) != [])
        assert sent() == over["count"]
        calls.append(providers.GetProvider(get("prv-loom"), timeout=60))
        await settled(queue_of(running)(IMPORTS - over["count"] + 1))
        clock.advance(1.99)
        await answered()
        assert sent() == over["count"]
        clock.advance(2)
        await eventually(lambda: sent() > over["count"])
        for call in calls:
            call.cancel()
        assert {event.upstream for event in running.of(PacingChanged)} == {"providers"}


# Failures that do not cascade


async def test_repeated_failures_open_the_breaker_of_providers_alone(
    panel: Downstream, running: Running, providers, orders
) -> None:
    panel.set_faults({"path": PROVIDERS, "status": 503})
    calls = [providers.CreateProvider(new_provider()) for _ in range(THRESHOLD)]
    for failure in await asyncio.gather(*map(failure_of, calls)):
        assert (failure.upstream, failure.http_status) == ("providers", 503)
    assert (await breaker(running.channel, "providers")).state == State.STATE_OPEN

    for call in (providers.SyncProvider(sync()), providers.GetProvider(get())):
        failure = await failure_of(call)
        assert (failure.code, failure.reason) == (Code.UNAVAILABLE, "BREAKER_OPEN")
        assert 8 < failure.retry_delay_s <= 11
    assert panel.stats()["statuses"] == {"503": THRESHOLD}

    for _ in range(20):
        await orders.GetOrder(order(), timeout=5)
    assert panel.stats()["statuses"] == {"503": THRESHOLD, "200": 20}
    assert (await breaker(running.channel, "panel")).state == State.STATE_CLOSED
    assert {event.upstream for event in running.of(BreakerChanged)} == {"providers"}


async def test_those_that_wait_for_a_turn_are_let_go_when_the_breaker_opens(
    panel: Downstream, running: Running, providers
) -> None:
    panel.set_faults({"path": PROVIDERS, "status": 503})
    calls = [providers.CreateProvider(new_provider()) for _ in range(IMPORTS)]
    failures = await asyncio.gather(*map(failure_of, calls))
    assert [failure.reason for failure in failures].count("BREAKER_OPEN") == IMPORTS - THRESHOLD
    assert panel.stats()["statuses"] == {"503": THRESHOLD}


async def test_a_provider_that_hangs_slows_no_order_down(
    panel: Downstream, running: Running, providers, orders
) -> None:
    panel.set_faults({"path": PROVIDERS, "latency_s": 60})
    hanging = [providers.SyncProvider(sync()) for _ in range(4)]
    await eventually(lambda: panel.stats()["concurrency"]["current"] == len(hanging))
    for _ in range(20):
        assert (await orders.GetOrder(order(), timeout=5)).order_id == "ord-1001"
    assert not any(call.done() for call in hanging)
    for call in hanging:
        call.cancel()
    await eventually(lambda: panel.idle)


async def test_providers_are_asked_again_once_their_breaker_lets_them(
    panel: Downstream, tmp_path: Path
) -> None:
    clock = FakeClock()
    panel.set_faults({"path": PROVIDERS, "status": 503})
    async with gateway_over("panel", urls(panel), tmp_path, clock=clock) as running:
        providers = providers_pb2_grpc.ProviderServiceStub(running.channel)
        for _ in range(THRESHOLD):
            await failure_of(providers.CreateProvider(new_provider()))
            clock.advance(PACE_S)
        assert (await failure_of(providers.GetProvider(get()))).reason == "BREAKER_OPEN"
        panel.set_faults()
        clock.advance(11)  # ten seconds, and what is drawn around them
        for _ in range(2):
            assert (await providers.GetProvider(get())).provider_id == "prv-north"
            clock.advance(PACE_S)
        assert (await breaker(running.channel, "providers")).state == State.STATE_CLOSED
