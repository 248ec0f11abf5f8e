"""Row A4: the catalog of two audiences is kept, given stale while the backend is slow or gone, and
made old by every change before who changed it is answered."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from fakes.clock import FakeClock, FakeRng
from google.protobuf.field_mask_pb2 import FieldMask
from panel.v1 import catalog_pb2, catalog_pb2_grpc
from scenarios.downstreams import PANEL_UPSTREAMS, Downstream, eventually
from scenarios.gateways import failure_of, gateway_over, through_backoffs
from seawall_client.failure import FieldViolation
from support.gateways import Running

Code = grpc.StatusCode
Service = catalog_pb2.Service
SERVICES = "/.netlify/functions/services"
LIST = f"GET {SERVICES}"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def running(
    functions: Downstream, clock: FakeClock, tmp_path: Path
) -> AsyncIterator[Running]:
    urls, rng = dict.fromkeys(PANEL_UPSTREAMS, functions.url), FakeRng([0.0])
    async with gateway_over("panel", urls, tmp_path, clock=clock, rng=rng) as running:
        yield running


@pytest.fixture
def catalog(running: Running) -> Any:
    return catalog_pb2_grpc.CatalogServiceStub(running.channel)


async def listed(catalog: Any, audience: str = "", *who: tuple[str, str]) -> dict[str, Service]:
    return (await looked(catalog, audience, *who))[0]


async def looked(
    catalog: Any, audience: str = "", *who: tuple[str, str]
) -> tuple[dict[str, Service], str]:
    """List; return the services by their ids, and how fresh they are."""
    call = catalog.ListServices(catalog_pb2.ListServicesRequest(audience=audience), metadata=who)
    services = (await call).services
    state = str(dict(await call.trailing_metadata())["seawall-cache"])
    return {service.service_id: service for service in services}, state


def add(catalog: Any, name: str = "Poster", **more: Any):
    service = Service(name=name, price_cents=more.pop("price_cents", 1), **more)
    return catalog.CreateService(catalog_pb2.CreateServiceRequest(service=service))


def change(catalog: Any, price_cents: int):
    service = Service(service_id="svc-logo", price_cents=price_cents)
    return catalog.UpdateService(catalog_pb2.UpdateServiceRequest(service=service))


def delete(catalog: Any, service_id: str):
    return catalog.DeleteService(catalog_pb2.DeleteServiceRequest(service_id=service_id))


# What it says


async def test_a_service_is_added_changed_and_deleted(catalog: Any) -> None:
    added = await add(catalog, category="Design", price_cents=5_000_000_000)
    assert (added.service_id, added.price_cents) == ("svc-1", 5_000_000_000)  # beyond 32 bits
    assert (await listed(catalog))["svc-1"] == added

    changed = await catalog.UpdateService(
        catalog_pb2.UpdateServiceRequest(
            service=Service(service_id="svc-1", price_cents=7_000, hidden=True, name="ignored"),
            update_mask=FieldMask(paths=["price_cents", "hidden"]),
        )
    )
    assert changed == Service(
        service_id="svc-1", name="Poster", category="Design", price_cents=7_000, hidden=True
    )
    assert "svc-1" not in await listed(catalog)
    assert (await listed(catalog, "admin"))["svc-1"] == changed

    shown = await catalog.UpdateService(
        catalog_pb2.UpdateServiceRequest(
            service=Service(service_id="svc-1"), update_mask=FieldMask(paths=["hidden"])
        )
    )
    assert not shown.hidden  # a default in the mask is a value

    await delete(catalog, "svc-1")
    assert "svc-1" not in await listed(catalog, "admin")
    assert (await failure_of(delete(catalog, "svc-1"))).code == Code.NOT_FOUND


async def test_each_audience_sees_its_own_catalog(catalog: Any, functions: Downstream) -> None:
    customer, admin = await listed(catalog, "customer"), await listed(catalog, "admin")
    assert set(admin) - set(customer) == {"svc-migration"}
    assert all(service.cost_cents == 0 for service in customer.values())
    assert all(service.cost_cents > 0 for service in admin.values())
    assert await listed(catalog) == customer
    assert await listed(catalog, "customer") == customer
    assert await listed(catalog, "admin") == admin
    assert functions.seen(LIST) == 3


async def test_an_unknown_audience_is_refused_by_name(catalog: Any) -> None:
    failure = await failure_of(looked(catalog, "everybody"))
    assert failure.code == Code.INVALID_ARGUMENT
    assert failure.violations == (FieldViolation("audience", "must be customer or admin"),)


# What is kept


async def test_it_is_kept_for_a_minute(
    catalog: Any, functions: Downstream, clock: FakeClock
) -> None:
    assert (await looked(catalog))[1] == "fresh"
    clock.advance(59)
    assert (await looked(catalog))[1] == "cached"
    assert functions.seen(LIST) == 1


async def test_what_one_credential_sees_is_not_given_to_another(
    catalog: Any, functions: Downstream
) -> None:
    await listed(catalog, "admin", ("authorization", "Bearer of-an-administrator"))
    await listed(catalog, "admin", ("authorization", "Bearer of-somebody-else"))
    assert functions.seen(LIST) == 2


async def test_while_the_backend_is_slow_the_old_one_is_given_at_once(
    catalog: Any, functions: Downstream, clock: FakeClock
) -> None:
    await looked(catalog)
    clock.advance(61)
    functions.set_faults({"path": SERVICES, "latency_s": 1.0})
    for _ in range(20):
        assert (await looked(catalog))[1] == "stale"
    await eventually(lambda: functions.idle and functions.seen(LIST) == 2)
    functions.set_faults()
    await eventually(lambda: functions.idle)
    while (await looked(catalog))[1] == "stale":
        await asyncio.sleep(0.01)
    assert functions.seen(LIST) == 2


async def test_where_the_backend_is_gone_the_old_one_is_given_for_a_day(
    catalog: Any, functions: Downstream, clock: FakeClock, running: Running
) -> None:
    before = await listed(catalog)
    functions.set_faults({"path": SERVICES, "drop": True})
    clock.advance(20 * 3600)
    request = catalog_pb2.ListServicesRequest()
    call = catalog.ListServices(request)
    await through_backoffs(call, running, clock)
    assert {one.service_id: one for one in (await call).services} == before
    assert dict(await call.trailing_metadata())["seawall-cache"] == "stale"
    clock.advance(5 * 3600)
    gone = catalog.ListServices(request)
    await through_backoffs(gone, running, clock)
    assert (await failure_of(gone)).code == Code.UNAVAILABLE


async def test_every_change_makes_it_old_before_its_caller_is_answered(
    catalog: Any, functions: Downstream
) -> None:
    await listed(catalog)
    await listed(catalog, "admin")
    await add(catalog)
    assert "Poster" in {service.name for service in (await listed(catalog)).values()}
    assert "Poster" in {service.name for service in (await listed(catalog, "admin")).values()}
    await change(catalog, 4_711)
    assert (await listed(catalog))["svc-logo"].price_cents == 4_711
    await delete(catalog, "svc-logo")
    assert "svc-logo" not in await listed(catalog)
    assert functions.seen(LIST) == 6


# What fails


async def test_a_list_survives_two_failures(
    catalog: Any, functions: Downstream, clock: FakeClock, running: Running
) -> None:
    functions.set_faults({"path": SERVICES, "drop": True, "count": 2})
    call = catalog.ListServices(catalog_pb2.ListServicesRequest())
    await through_backoffs(call, running, clock)
    assert (await call).services
    assert functions.seen(LIST) == 3


async def test_a_service_that_may_have_been_added_is_not_added_again(
    catalog: Any, functions: Downstream
) -> None:
    functions.set_faults({"verb": "POST", "status": 503, "acts": True})
    assert (await failure_of(add(catalog))).attempts == 1
    assert functions.seen(f"POST {SERVICES}") == 1
    assert [one.name for one in (await listed(catalog)).values()].count("Poster") == 1


async def test_a_change_that_fails_is_sent_again(
    catalog: Any, functions: Downstream, clock: FakeClock, running: Running
) -> None:
    functions.set_faults({"verb": "PATCH", "status": 503, "acts": True, "count": 2})
    call = change(catalog, 20_000)
    await through_backoffs(call, running, clock)
    await call
    assert functions.seen(f"PATCH {SERVICES}/svc-logo") == 3
    assert (await listed(catalog))["svc-logo"].price_cents == 20_000


async def test_a_slow_catalog_is_waited_for_as_long_as_its_policy_says(
    catalog: Any, functions: Downstream, clock: FakeClock
) -> None:
    functions.set_faults({"path": SERVICES, "latency_s": 60})
    waiting = asyncio.ensure_future(failure_of(looked(catalog)))
    await eventually(lambda: functions.stats()["concurrency"]["current"] == 1)
    clock.advance(2.9)
    await asyncio.sleep(0.1)
    assert not waiting.done()
    clock.advance(0.2)
    assert (await waiting).code == Code.DEADLINE_EXCEEDED
    await eventually(lambda: functions.idle)
