"""datasette over a real SQLite file behind the gateway, as a typed service."""

from collections.abc import Awaitable

import grpc
import pytest
from e2e.details import Failure, failure
from e2e.thirdparty import ORDERS
from google.protobuf import json_format
from thirdparty.datasette.v1 import datasette_pb2 as pb
from thirdparty.datasette.v1.datasette_pb2_grpc import ShopServiceStub

Code = grpc.StatusCode


@pytest.fixture
def stub(channel: grpc.aio.Channel) -> ShopServiceStub:
    return ShopServiceStub(channel)


async def failed(call: Awaitable[object]) -> Failure:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return failure(caught.value)


def row(order: pb.Order) -> tuple[object, ...]:
    note = order.note if order.HasField("note") else None
    return order.id, order.customer, order.total, note, order.paid


async def test_rows_are_typed_messages_with_null_as_absent_and_all_64_bits(stub) -> None:
    answer = await stub.ListOrders(pb.ListOrdersRequest(shape=pb.objects))
    assert tuple(row(order) for order in answer.rows) == ORDERS
    assert answer.filtered_table_rows_count == len(ORDERS)
    assert answer.primary_keys == ["id"]


async def test_pages_follow_one_another_by_their_token(stub) -> None:
    ids, token, pages = [], "", 0
    while True:
        page = await stub.ListOrders(
            pb.ListOrdersRequest(shape=pb.objects, page_size=2, page_token=token)
        )
        ids += [order.id for order in page.rows]
        token, pages = page.next, pages + 1
        if not token:
            break
    assert ids == [order[0] for order in ORDERS]
    assert pages == 3


async def test_filters_and_order_are_query_parameters(stub) -> None:
    answer = await stub.ListOrders(
        pb.ListOrdersRequest(
            shape=pb.objects, customer="ann", total_at_least=10, order_by_descending="total"
        )
    )
    assert [order.total for order in answer.rows] == [30.25, 10.5]


async def test_facets_are_a_map_of_messages(stub) -> None:
    answer = await stub.ListOrders(
        pb.ListOrdersRequest(shape=pb.objects, facets=["customer", "paid"])
    )
    by_customer = {
        json_format.MessageToDict(bucket.value): bucket.count
        for bucket in answer.facet_results["customer"].results
    }
    by_paid = {
        json_format.MessageToDict(bucket.value): bucket.count
        for bucket in answer.facet_results["paid"].results
    }
    assert by_customer == {"ann": 3, "bob": 1, "cleo": 1}
    assert by_paid == {1: 3, 0: 2}


async def test_an_array_at_the_top_is_the_field_of_response_body(stub) -> None:
    answer = await stub.ExportOrders(pb.ExportOrdersRequest(shape=pb.array))
    assert tuple(row(order) for order in answer.orders) == ORDERS


async def test_one_row_is_found_by_its_key(stub) -> None:
    answer = await stub.GetOrder(pb.GetOrderRequest(row="2.json", shape=pb.objects))
    assert [row(order) for order in answer.rows] == [ORDERS[1]]


async def test_rows_of_any_table_are_structs(stub) -> None:
    answer = await stub.ListRows(
        pb.ListRowsRequest(database="shop", table="orders.json", shape=pb.objects)
    )
    assert [one["customer"] for one in answer.rows] == [order[1] for order in ORDERS]


async def test_an_sql_query_travels_with_its_parameter(stub) -> None:
    sql = (
        "select customer, sum(total) as total, count(*) as orders from orders "
        "where customer = :customer and total < 20 group by customer"
    )
    answer = await stub.Query(pb.QueryRequest(sql=sql, shape=pb.objects, customer="ann"))
    assert list(answer.rows) == [pb.QueryResponse.Totals(customer="ann", total=17.75, orders=2)]


@pytest.mark.parametrize(
    ("database", "table", "said"),
    [
        ("shop", "nope.json", "Table not found"),
        ("nope", "orders.json", "Database not found"),
    ],
)
async def test_a_404_is_not_found_in_the_service_s_own_words(
    stub, database: str, table: str, said: str
) -> None:
    error = await failed(stub.ListRows(pb.ListRowsRequest(database=database, table=table)))
    assert error.code is Code.NOT_FOUND
    assert error.metadata["http_status"] == "404"
    assert error.message == f"upstream 'datasette' answered 404: {said}"


async def test_a_missing_row_is_not_found(stub) -> None:
    error = await failed(stub.GetOrder(pb.GetOrderRequest(row="77.json", shape=pb.objects)))
    assert error.code is Code.NOT_FOUND
    assert error.message == "upstream 'datasette' answered 404: Record not found"


async def test_a_slash_in_a_value_leads_to_no_other_table(stub) -> None:
    request = pb.ListRowsRequest(database="shop", table="nope/orders.json")
    error = await failed(stub.ListRows(request))
    # datasette takes the whole for one name and redirects to its own spelling of it.
    assert error.metadata["http_status"] == "302"
    request = pb.ListRowsRequest(database="shop", table="nope/../orders.json")
    assert (await failed(stub.ListRows(request))).code is Code.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("select nope from orders", "no such column: nope"),
        ("delete from orders", "Statement must be a SELECT"),
    ],
)
async def test_a_400_is_an_invalid_argument_in_the_service_s_own_words(
    stub, sql: str, said: str
) -> None:
    error = await failed(stub.Query(pb.QueryRequest(sql=sql, shape=pb.objects)))
    assert error.code is Code.INVALID_ARGUMENT
    assert error.message == f"upstream 'datasette' answered 400: {said}"


async def test_a_500_is_internal_in_the_service_s_own_words(stub) -> None:
    error = await failed(stub.ListOrders(pb.ListOrdersRequest(shape=pb.objects, order_by="nope")))
    assert error.code is Code.INTERNAL
    assert error.message == "upstream 'datasette' answered 500: Cannot sort table by nope"


async def test_rows_in_another_shape_than_declared_are_an_error(stub) -> None:
    error = await failed(stub.ListOrders(pb.ListOrdersRequest()))
    assert (error.code, error.reason) == (Code.INTERNAL, "UPSTREAM_INVALID_ANSWER")
    assert "rows" in error.message
