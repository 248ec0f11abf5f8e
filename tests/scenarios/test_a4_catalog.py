"""Row A4: CatalogService for two audiences.

Without its cache so far: a slow or failing backend is met with retries and the
deadline; nothing stale is served, and every read reaches the backend.
"""

import time

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from panel.v1 import catalog_pb2, catalog_pb2_grpc
from scenarios.downstreams import Downstream, eventually
from seawall_client.failure import FieldViolation, read_failure

Code = grpc.StatusCode
Service = catalog_pb2.Service

SERVICES = "/.netlify/functions/services"


@pytest.fixture
def catalog(channel: grpc.Channel) -> catalog_pb2_grpc.CatalogServiceStub:
    return catalog_pb2_grpc.CatalogServiceStub(channel)


def listed(catalog, audience: str = "", timeout_s: float | None = None) -> dict[str, Service]:
    request = catalog_pb2.ListServicesRequest(audience=audience)
    services = catalog.ListServices(request, timeout=timeout_s).services
    return {service.service_id: service for service in services}


def test_a_service_is_added_changed_and_deleted(panel: Downstream, catalog) -> None:
    added = catalog.CreateService(
        catalog_pb2.CreateServiceRequest(
            service=Service(name="Poster", category="Design", price_cents=5_000_000_000)
        )
    )
    assert (added.service_id, added.price_cents) == ("svc-1", 5_000_000_000)  # beyond 32 bits
    assert listed(catalog)["svc-1"] == added

    changed = catalog.UpdateService(
        catalog_pb2.UpdateServiceRequest(
            service=Service(service_id="svc-1", price_cents=7_000, hidden=True, name="ignored"),
            update_mask=FieldMask(paths=["price_cents", "hidden"]),
        )
    )
    assert changed == Service(
        service_id="svc-1", name="Poster", category="Design", price_cents=7_000, hidden=True
    )
    assert "svc-1" not in listed(catalog)
    assert listed(catalog, "admin")["svc-1"] == changed

    shown = catalog.UpdateService(
        catalog_pb2.UpdateServiceRequest(
            service=Service(service_id="svc-1"), update_mask=FieldMask(paths=["hidden"])
        )
    )
    assert not shown.hidden  # a default in the mask is a value

    catalog.DeleteService(catalog_pb2.DeleteServiceRequest(service_id="svc-1"))
    assert "svc-1" not in listed(catalog, "admin")
    with pytest.raises(grpc.RpcError) as caught:
        catalog.DeleteService(catalog_pb2.DeleteServiceRequest(service_id="svc-1"))
    assert caught.value.code() == Code.NOT_FOUND


def test_each_audience_sees_its_own_catalog(panel: Downstream, catalog) -> None:
    customer, admin = listed(catalog, "customer"), listed(catalog, "admin")
    assert set(admin) - set(customer) == {"svc-migration"}
    assert all(service.cost_cents == 0 for service in customer.values())
    assert all(service.cost_cents > 0 for service in admin.values())
    assert listed(catalog) == customer


def test_an_unknown_audience_is_refused_by_name(panel: Downstream, catalog) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        listed(catalog, "everybody")
    failure = read_failure(caught.value)
    assert failure.code == Code.INVALID_ARGUMENT
    assert failure.violations == (FieldViolation("audience", "must be customer or admin"),)


def test_a_list_survives_two_failures(panel: Downstream, catalog) -> None:
    panel.set_faults({"path": SERVICES, "drop": True, "count": 2})
    assert listed(catalog)
    assert panel.seen(f"GET {SERVICES}") == 3


def test_a_service_that_may_have_been_added_is_not_added_again(panel: Downstream, catalog) -> None:
    panel.set_faults({"verb": "POST", "status": 503, "acts": True})
    with pytest.raises(grpc.RpcError) as caught:
        catalog.CreateService(
            catalog_pb2.CreateServiceRequest(service=Service(name="Poster", price_cents=1))
        )
    assert read_failure(caught.value).attempts == 1
    assert panel.seen(f"POST {SERVICES}") == 1
    assert [s.name for s in listed(catalog).values()].count("Poster") == 1


def test_a_change_that_fails_is_sent_again(panel: Downstream, catalog) -> None:
    panel.set_faults({"verb": "PATCH", "status": 503, "acts": True, "count": 2})
    service = Service(service_id="svc-logo", price_cents=20_000)
    catalog.UpdateService(catalog_pb2.UpdateServiceRequest(service=service))
    assert panel.seen(f"PATCH {SERVICES}/svc-logo") == 3
    assert listed(catalog)["svc-logo"].price_cents == 20_000


async def test_a_slow_catalog_is_waited_for_as_long_as_its_policy_says(
    panel: Downstream, catalog
) -> None:
    panel.set_faults({"path": SERVICES, "latency_s": 60})
    started_at = time.monotonic()
    with pytest.raises(grpc.RpcError) as caught:
        listed(catalog)  # with no deadline of the caller
    assert 3 <= time.monotonic() - started_at < 20
    assert caught.value.code() == Code.DEADLINE_EXCEEDED
    await eventually(lambda: panel.idle)


def test_the_callers_own_deadline_is_kept(panel: Downstream, catalog) -> None:
    panel.set_faults({"path": SERVICES, "latency_s": 60})
    started_at = time.monotonic()
    with pytest.raises(grpc.RpcError) as caught:
        listed(catalog, timeout_s=0.3)
    assert time.monotonic() - started_at < 3
    assert read_failure(caught.value).reason == "DEADLINE_EXCEEDED"
