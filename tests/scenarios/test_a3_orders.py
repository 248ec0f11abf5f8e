"""Row A3: OrderService, and a polling stampede on a backend that slows down.

What bounds the load today, and is shown here: the deadline (nobody waits beyond
it, and the backend is told to stop), few attempts with full jitter, and the pool's
`max_connections`. Equal reads are not yet coalesced and no breaker opens: a backend
that fails at once still gets every caller's every attempt.
"""

import asyncio
import time
from collections.abc import AsyncIterator

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.rpc import error_details_pb2, status_pb2
from panel.v1 import catalog_pb2, catalog_pb2_grpc, orders_pb2, orders_pb2_grpc
from scenarios.downstreams import Downstream, eventually
from seawall_client.failure import FieldViolation, read_failure

Code = grpc.StatusCode
Order = orders_pb2.Order

ORDERS = "/.netlify/functions/orders"
CLIENTS = 50
MAX_CONNECTIONS = 16
LIST_ATTEMPTS, GET_ATTEMPTS = 2, 3


@pytest.fixture
def orders(channel: grpc.Channel) -> orders_pb2_grpc.OrderServiceStub:
    return orders_pb2_grpc.OrderServiceStub(channel)


@pytest.fixture
async def clients(gateway_address: str) -> AsyncIterator[list[orders_pb2_grpc.OrderServiceStub]]:
    """Fifty clients, each with a connection of its own."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(gateway_address, options) for _ in range(CLIENTS)]
    await asyncio.gather(*(channel.channel_ready() for channel in channels))
    yield [orders_pb2_grpc.OrderServiceStub(channel) for channel in channels]
    await asyncio.gather(*(channel.close() for channel in channels))


def new_order(**fields) -> orders_pb2.CreateOrderRequest:
    given = {"customer_id": "cus-9", "service_id": "svc-logo", "quantity": 2} | fields
    return orders_pb2.CreateOrderRequest(order=Order(**given))


def get(order_id: str) -> orders_pb2.GetOrderRequest:
    return orders_pb2.GetOrderRequest(order_id=order_id)


def placed_by(orders: orders_pb2_grpc.OrderServiceStub, customer_id: str) -> list[Order]:
    request = orders_pb2.ListOrdersRequest(customer_id=customer_id)
    return list(orders.ListOrders(request).orders)


# What the service does


def test_an_order_is_placed_read_changed_and_deleted(panel: Downstream, orders) -> None:
    placed = orders.CreateOrder(new_order(note="in blue"))
    assert placed.order_id == "ord-2001"
    assert placed.total_cents == 36_000
    assert placed.state == Order.PENDING
    assert placed.created_at.seconds > 1_700_000_000
    assert orders.GetOrder(get("ord-2001")) == placed

    changed = orders.UpdateOrder(
        orders_pb2.UpdateOrderRequest(
            order=Order(order_id="ord-2001", quantity=3, state=Order.COMPLETED),
            update_mask=FieldMask(paths=["quantity", "note"]),
        )
    )
    assert (changed.quantity, changed.total_cents, changed.note) == (3, 54_000, "")
    assert changed.state == Order.PENDING  # not in the mask
    assert orders.GetOrder(get("ord-2001")) == changed

    orders.DeleteOrder(orders_pb2.DeleteOrderRequest(order_id="ord-2001"))
    with pytest.raises(grpc.RpcError) as caught:
        orders.GetOrder(get("ord-2001"))
    assert caught.value.code() == Code.NOT_FOUND


def test_orders_are_listed_page_by_page(panel: Downstream, orders) -> None:
    found, token = [], ""
    for _ in range(3):
        page = orders.ListOrders(orders_pb2.ListOrdersRequest(page_size=8, page_token=token))
        assert 0 < len(page.orders) <= 8
        found += [order.order_id for order in page.orders]
        token = page.next_page_token
    assert token == ""
    assert found[0] == "ord-1001"
    assert len(found) == len(set(found)) == 20


def test_orders_of_one_customer_are_listed(panel: Downstream, orders) -> None:
    orders.CreateOrder(new_order(customer_id="cus-a"))
    orders.CreateOrder(new_order(customer_id="cus-b"))
    assert [order.order_id for order in placed_by(orders, "cus-b")] == ["ord-2002"]


# Error details


def test_a_missing_order_is_told_in_the_services_own_words(panel: Downstream, orders) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        orders.GetOrder(get("ord-missing"))
    failure = read_failure(caught.value)
    assert failure.code == Code.NOT_FOUND
    assert failure.message == "upstream 'panel' answered 404: order 'ord-missing' was not found"
    assert (failure.reason, failure.origin) == ("UPSTREAM_STATUS", "upstream")
    assert (failure.upstream, failure.http_status, failure.attempts) == ("panel", 404, 1)
    assert not failure.should_retry
    assert panel.seen(f"GET {ORDERS}/ord-missing") == 1
    (details,) = [v for k, v in caught.value.trailing_metadata() if k == "grpc-status-details-bin"]
    resource = error_details_pb2.ResourceInfo()
    assert status_pb2.Status.FromString(details).details[0].Unpack(resource)
    assert (resource.resource_type, resource.resource_name) == ("panel/order", "ord-missing")


@pytest.mark.parametrize(
    ("wrong", "violation"),
    [
        ({"quantity": 0}, ("order.quantity", "must be a whole number, 1 or more")),
        ({"customer_id": ""}, ("order.customer_id", "is needed")),
        ({"service_id": "svc-none"}, ("order.service_id", "is not in the catalog")),
    ],
)
def test_the_service_names_the_field_at_fault(
    panel: Downstream, orders, wrong: dict, violation: tuple[str, str]
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        orders.CreateOrder(new_order(**wrong))
    failure = read_failure(caught.value)
    assert failure.code == Code.INVALID_ARGUMENT
    assert FieldViolation(*violation) in failure.violations
    assert panel.seen(f"POST {ORDERS}") == 1


def test_a_long_retry_after_is_told_and_not_waited_for(panel: Downstream, orders) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        orders.GetOrder(get("ord-limited"))
    failure = read_failure(caught.value)
    assert failure.code == Code.RESOURCE_EXHAUSTED
    assert failure.retry_delay_s == 30
    assert failure.should_retry
    assert failure.title
    assert panel.seen(f"GET {ORDERS}/ord-limited") == 1


# Retry


def test_a_read_that_fails_twice_succeeds(panel: Downstream, orders) -> None:
    assert orders.GetOrder(get("ord-flaky")).order_id == "ord-flaky"
    assert panel.seen(f"GET {ORDERS}/ord-flaky") == GET_ATTEMPTS
    assert panel.stats()["statuses"] == {"503": 2, "200": 1}


def test_a_read_is_given_up_after_its_attempts(panel: Downstream, orders) -> None:
    panel.set_faults({"path": f"{ORDERS}/ord-1001", "status": 502})
    with pytest.raises(grpc.RpcError) as caught:
        orders.GetOrder(get("ord-1001"))
    failure = read_failure(caught.value)
    assert (failure.code, failure.attempts) == (Code.UNAVAILABLE, GET_ATTEMPTS)
    assert panel.seen(f"GET {ORDERS}/ord-1001") == GET_ATTEMPTS


@pytest.mark.parametrize("fault", [{"drop": True}, {"status": 503}])
def test_an_order_that_may_have_been_placed_is_not_placed_again(
    panel: Downstream, orders, fault: dict
) -> None:
    panel.set_faults({"verb": "POST", "path": ORDERS, "acts": True, **fault})
    with pytest.raises(grpc.RpcError) as caught:
        orders.CreateOrder(new_order())
    failure = read_failure(caught.value)
    assert (failure.code, failure.attempts) == (Code.UNAVAILABLE, 1)
    assert "not idempotent" in failure.message
    assert panel.seen(f"POST {ORDERS}") == 1
    assert len(placed_by(orders, "cus-9")) == 1


def test_a_refused_order_is_placed_when_the_service_says(panel: Downstream, orders) -> None:
    panel.set_faults({"verb": "POST", "status": 429, "retry_after_s": 1, "count": 1})
    started_at = time.monotonic()
    orders.CreateOrder(new_order())
    assert time.monotonic() - started_at >= 1
    assert panel.seen(f"POST {ORDERS}") == 2
    assert len(placed_by(orders, "cus-9")) == 1


def test_a_change_whose_answer_is_lost_is_sent_again(panel: Downstream, orders) -> None:
    panel.set_faults({"verb": "PATCH", "drop": True, "acts": True, "count": 1})
    order = Order(order_id="ord-1001", note="call first")
    changed = orders.UpdateOrder(orders_pb2.UpdateOrderRequest(order=order))
    assert changed.note == "call first"
    assert panel.seen(f"PATCH {ORDERS}/ord-1001") == 2


def test_a_deletion_whose_answer_is_lost_ends_with_not_found(panel: Downstream, orders) -> None:
    panel.set_faults({"verb": "DELETE", "drop": True, "acts": True, "count": 1})
    with pytest.raises(grpc.RpcError) as caught:
        orders.DeleteOrder(orders_pb2.DeleteOrderRequest(order_id="ord-1001"))
    failure = read_failure(caught.value)
    assert (failure.code, failure.attempts) == (Code.NOT_FOUND, 2)


def test_calls_succeed_again_as_soon_as_the_service_does(panel: Downstream, orders) -> None:
    panel.set_faults({"drop": True})
    with pytest.raises(grpc.RpcError) as caught:
        orders.GetOrder(get("ord-1001"))
    assert caught.value.code() == Code.UNAVAILABLE
    panel.set_faults()
    assert orders.GetOrder(get("ord-1001")).order_id == "ord-1001"


# Deadline


async def test_a_deadline_ends_the_call_and_the_services_work(panel: Downstream, orders) -> None:
    started_at = time.monotonic()
    with pytest.raises(grpc.RpcError) as caught:
        orders.GetOrder(get("ord-slow"), timeout=0.5)
    assert time.monotonic() - started_at < 5
    failure = read_failure(caught.value)
    assert (failure.code, failure.reason) == (Code.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
    assert failure.attempts == 1
    await eventually(lambda: panel.idle)
    assert panel.stats()["clients_gone"] == 1
    assert panel.seen(f"GET {ORDERS}/ord-slow") == 1


# The stampede


async def poll(client, timeout_s: float | None = None) -> Code:
    try:
        await client.ListOrders(orders_pb2.ListOrdersRequest(), timeout=timeout_s)
    except grpc.aio.AioRpcError as error:
        return error.code()
    return Code.OK


async def test_a_slow_service_never_works_for_more_callers_than_the_pool_holds(
    panel: Downstream, clients
) -> None:
    panel.set_faults({"path": ORDERS, "latency_s": 0.3})
    for _ in range(2):  # everybody refreshes at once, twice
        codes = await asyncio.gather(*(poll(client) for client in clients))
        assert codes == [Code.OK] * CLIENTS
    stats = panel.stats()
    assert stats["total"] == 2 * CLIENTS
    assert stats["concurrency"]["peak"] == MAX_CONNECTIONS


async def test_both_services_share_one_pool(panel: Downstream, gateway_address: str) -> None:
    panel.set_faults({"latency_s": 0.3})
    async with grpc.aio.insecure_channel(gateway_address) as channel:
        orders = orders_pb2_grpc.OrderServiceStub(channel)
        catalog = catalog_pb2_grpc.CatalogServiceStub(channel)
        changed = catalog_pb2.Service(service_id="svc-logo", price_cents=1)
        change = catalog_pb2.UpdateServiceRequest(service=changed)
        # Neither of them alone would fill it.
        await asyncio.gather(
            *(orders.ListOrders(orders_pb2.ListOrdersRequest()) for _ in range(10)),
            *(catalog.UpdateService(change) for _ in range(10)),
        )
    assert panel.stats()["concurrency"]["peak"] == MAX_CONNECTIONS


async def test_a_failing_service_is_left_alone_before_each_caller_has_asked_it(
    panel: Downstream, clients
) -> None:
    panel.set_faults({"path": ORDERS, "status": 503})
    codes = await asyncio.gather(*(poll(client) for client in clients))
    assert codes == [Code.UNAVAILABLE] * CLIENTS
    stats = panel.stats()
    assert stats["total"] < CLIENTS  # the breaker opens, and the rest is refused at once
    assert stats["concurrency"]["peak"] <= MAX_CONNECTIONS


async def test_nobody_waits_beyond_the_deadline_for_a_service_that_hangs(
    panel: Downstream, clients
) -> None:
    panel.set_faults({"path": ORDERS, "latency_s": 60})
    started_at = time.monotonic()
    codes = await asyncio.gather(*(poll(client, timeout_s=1.0) for client in clients))
    # Those for whom there is no time left in the queue are told so, the others of their end.
    assert set(codes) <= {Code.DEADLINE_EXCEEDED, Code.RESOURCE_EXHAUSTED}
    assert Code.DEADLINE_EXCEEDED in codes
    assert time.monotonic() - started_at < 10
    await eventually(lambda: panel.idle)
    assert panel.stats()["total"] <= CLIENTS  # those who got no connection sent nothing


async def test_half_of_the_requests_failing_is_less_than_half_of_the_polls(
    panel: Downstream, clients
) -> None:
    panel.set_faults({"path": ORDERS, "status": 503, "share": 0.5})
    codes = [await poll(client) for client in clients for _ in range(2)]
    # Two attempts: a quarter is expected to fail. The panel's draws are seeded.
    assert 10 <= codes.count(Code.UNAVAILABLE) <= 40
    assert codes.count(Code.OK) + codes.count(Code.UNAVAILABLE) == 2 * CLIENTS
