"""A stand-in for Stripe behind the gateway: forms in, and JSON that is not protobuf's out."""

import asyncio
import json
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import Any

import grpc
import pytest
from e2e.details import Failure, failure
from stripe.v1 import stripe_pb2 as pb
from stripe.v1.stripe_pb2_grpc import StripeServiceStub
from support.gateways import GatewayProcess

Code = grpc.StatusCode
_KEY = "Bearer sk_test_12345"


class Stub:
    """The service's stub, called with a key."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = StripeServiceStub(channel)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._stub, name)
        return lambda request: method(request, metadata=[("authorization", _KEY)])


@pytest.fixture
async def channel(stripe_gateway: GatewayProcess) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(stripe_gateway.address) as channel:
        yield channel


@pytest.fixture
def stub(channel: grpc.aio.Channel) -> Stub:
    return Stub(channel)


@pytest.fixture
async def direct(localstripe_url: str):
    """Asks localstripe itself, past the gateway."""

    def ask(path: str, form: Sequence[tuple[str, str]] | None) -> Any:
        body = None if form is None else urllib.parse.urlencode(form).encode()
        request = urllib.request.Request(f"{localstripe_url}{path}", body)
        request.add_header("Authorization", _KEY)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    async def asked(path: str, form: Sequence[tuple[str, str]] | None = None) -> Any:
        return await asyncio.to_thread(ask, path, form)

    return asked


@pytest.fixture
async def empty(localstripe_url: str) -> None:
    """Nothing is left of the tests before."""
    request = urllib.request.Request(f"{localstripe_url}/_config/data", method="DELETE")
    (await asyncio.to_thread(urllib.request.urlopen, request)).close()


async def failed(call: Awaitable[object]) -> Failure:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return failure(caught.value)


# Forms


async def test_a_form_carries_what_is_nested_in_brackets(stub, direct) -> None:
    made = await stub.CreateCustomer(
        pb.CreateCustomerRequest(
            name="Ada Marlowe",
            email="ada@shop.example",
            address=pb.Address(line1="42 Harbour Street", city="Falmouth", country="GB"),
            metadata={"channel": "web", "tier": "gold"},
            preferred_locales=["en", "kw", "fr"],
            balance=-250,
        )
    )
    kept = await direct(f"/v1/customers/{made.id}")
    assert kept["address"] == {"line1": "42 Harbour Street", "city": "Falmouth", "country": "GB"}
    assert kept["metadata"] == {"channel": "web", "tier": "gold"}
    assert kept["preferred_locales"] == ["en", "kw", "fr"]
    assert kept["account_balance"] == made.account_balance == 250
    assert made.address.city == "Falmouth"
    assert dict(made.metadata) == kept["metadata"]
    assert list(made.preferred_locales) == kept["preferred_locales"]


@pytest.mark.parametrize(
    "text",
    [
        "a=b&c=d",
        "1 + 1 = 100 %",
        "naïve ☃ \U0001f30a",
        "metadata[x]=y",
        "line one\nline two\r\n",
        '"quoted"; \\slashed/ #?',
    ],
)
async def test_text_that_means_something_in_forms_arrives_as_it_was(stub, direct, text) -> None:
    made = await stub.CreateCustomer(
        pb.CreateCustomerRequest(name=text, metadata={"said": text, "odd key &=+": "v"})
    )
    kept = await direct(f"/v1/customers/{made.id}")
    assert kept["name"] == made.name == text
    assert kept["metadata"] == dict(made.metadata) == {"said": text, "odd key &=+": "v"}


async def test_what_is_not_set_is_not_in_the_form(stub, direct) -> None:
    without = await stub.CreateCustomer(pb.CreateCustomerRequest(name="a"))
    empty = await stub.CreateCustomer(pb.CreateCustomerRequest(name="a", description=""))
    assert (await direct(f"/v1/customers/{without.id}"))["description"] is None
    assert (await direct(f"/v1/customers/{empty.id}"))["description"] == ""
    assert (without.HasField("description"), empty.HasField("description")) == (False, True)


async def test_a_list_of_messages_is_numbered_in_the_form(stub, direct) -> None:
    product = await stub.CreateProduct(
        pb.CreateProductRequest(name="Berth", type=pb.PRODUCT_TYPE_SERVICE)
    )
    tiers = [pb.Tier(up_to="10", unit_amount=500), pb.Tier(up_to="inf", unit_amount=400)]
    made = await stub.CreatePlan(
        pb.CreatePlanRequest(
            product=product.id,
            currency="eur",
            interval=pb.INTERVAL_MONTH,
            interval_count=3,
            billing_scheme=pb.BILLING_SCHEME_TIERED,
            tiers_mode=pb.TIERS_MODE_GRADUATED,
            tiers=tiers,
        )
    )
    assert list(made.tiers) == tiers
    kept = await direct(f"/v1/plans/{made.id}")
    assert [tier["up_to"] for tier in kept["tiers"]] == ["10", "inf"]
    assert kept["interval_count"] == made.interval_count == 3


# Answers


async def test_enum_values_are_in_lower_case_and_without_their_prefix(stub, direct) -> None:
    made = await stub.CreateProduct(
        pb.CreateProductRequest(
            name="Lamp", type=pb.PRODUCT_TYPE_GOOD, active=False, attributes=["size", "colour"]
        )
    )
    kept = await direct(f"/v1/products/{made.id}")
    assert (kept["type"], made.type) == ("good", pb.PRODUCT_TYPE_GOOD)
    assert (kept["active"], made.active) == (False, False)
    assert kept["attributes"] == list(made.attributes) == ["size", "colour"]


async def test_times_are_seconds_since_1970(stub, direct) -> None:
    made = await stub.CreateCustomer(pb.CreateCustomerRequest(name="Ada"))
    kept = await direct(f"/v1/customers/{made.id}")
    assert type(kept["created"]) is int
    assert (made.created.seconds, made.created.nanos) == (kept["created"], 0)
    assert await stub.GetCustomer(pb.GetCustomerRequest(id=made.id)) == made


async def test_a_page_follows_the_one_that_it_names(stub, empty) -> None:
    names = [f"customer {n}" for n in range(5)]
    for name in names:
        await stub.CreateCustomer(pb.CreateCustomerRequest(name=name))
    found: list[str] = []
    last, pages, more = "", 0, True
    while more:
        page = await stub.ListCustomers(pb.ListCustomersRequest(limit=2, starting_after=last))
        assert (page.total_count, page.url) == (5, "/v1/customers")
        found += [customer.name for customer in page.data]
        last, pages, more = page.data[-1].id, pages + 1, page.has_more
    assert (found, pages) == (names, 3)


async def test_a_list_without_its_envelope_is_the_field_that_the_policy_names(stub, empty) -> None:
    assert list((await stub.ListProducts(pb.ListProductsRequest())).products) == []
    made = [
        await stub.CreateProduct(pb.CreateProductRequest(name=name, active=active))
        for name, active in (("Lamp", True), ("Rope", False), ("Chart", True))
    ]
    assert list((await stub.ListProducts(pb.ListProductsRequest())).products) == made
    active = await stub.ListProducts(pb.ListProductsRequest(active=True, limit=5))
    assert [product.name for product in active.products] == ["Lamp", "Chart"]


async def test_an_update_adds_to_what_is_there(stub) -> None:
    made = await stub.CreateCustomer(
        pb.CreateCustomerRequest(name="Ada", email="ada@shop.example", metadata={"a": "1"})
    )
    await stub.UpdateCustomer(
        pb.UpdateCustomerRequest(id=made.id, name="Ada M.", metadata={"b": "2"})
    )
    now = await stub.GetCustomer(pb.GetCustomerRequest(id=made.id))
    assert (now.name, now.email, dict(now.metadata)) == (
        "Ada M.",
        "ada@shop.example",
        {"a": "1", "b": "2"},
    )


async def test_what_is_deleted_is_not_found(stub) -> None:
    made = await stub.CreateCustomer(pb.CreateCustomerRequest(name="Ada"))
    deleted = await stub.DeleteCustomer(pb.DeleteCustomerRequest(id=made.id))
    assert deleted == pb.DeletedCustomer(id=made.id, deleted=True)
    error = await failed(stub.GetCustomer(pb.GetCustomerRequest(id=made.id)))
    assert error.code is Code.NOT_FOUND
    assert error.message == "upstream 'stripe' answered 404: Not Found"


# A payment


async def card(stub: Stub, number: str) -> pb.PaymentMethod:
    details = pb.CardDetails(number=number, exp_month=4, exp_year=2042, cvc="123")
    return await stub.CreatePaymentMethod(
        pb.CreatePaymentMethodRequest(type=pb.PAYMENT_METHOD_TYPE_CARD, card=details)
    )


async def intent(stub: Stub, **more: str) -> pb.PaymentIntent:
    return await stub.CreatePaymentIntent(
        pb.CreatePaymentIntentRequest(
            amount=1099, currency="eur", capture_method=pb.CAPTURE_METHOD_AUTOMATIC, **more
        )
    )


async def test_a_payment_goes_through_its_states(stub) -> None:
    bare = await intent(stub)
    assert bare.status == pb.PAYMENT_INTENT_STATUS_REQUIRES_PAYMENT_METHOD
    visa = await card(stub, "4242424242424242")
    assert (visa.type, visa.card.last4, visa.card.exp_month) == (
        pb.PAYMENT_METHOD_TYPE_CARD,
        "4242",
        4,
    )
    made = await intent(stub, payment_method=visa.id)
    assert made.status == pb.PAYMENT_INTENT_STATUS_REQUIRES_CONFIRMATION
    assert (made.amount, made.capture_method) == (1099, pb.CAPTURE_METHOD_AUTOMATIC)
    paid = await stub.ConfirmPaymentIntent(pb.ConfirmPaymentIntentRequest(id=made.id))
    assert paid.status == pb.PAYMENT_INTENT_STATUS_SUCCEEDED


async def test_a_declined_card_is_told_in_the_service_s_words(stub) -> None:
    declined = await card(stub, "4000000000000341")
    made = await intent(stub, payment_method=declined.id)
    error = await failed(stub.ConfirmPaymentIntent(pb.ConfirmPaymentIntentRequest(id=made.id)))
    assert error.code is Code.FAILED_PRECONDITION
    assert error.metadata["http_status"] == "402"
    assert error.message == "upstream 'stripe' answered 402: Your card was declined."


async def test_a_fixed_query_parameter_brings_the_customer_that_the_answer_is_cut_to(stub) -> None:
    customer = await stub.CreateCustomer(pb.CreateCustomerRequest(name="Ada"))
    made = await intent(stub, customer=customer.id)
    assert made.customer == customer.id
    assert await stub.GetPayer(pb.GetPayerRequest(id=made.id)) == customer


# Errors


async def test_a_call_without_a_key_is_unauthenticated(channel) -> None:
    error = await failed(StripeServiceStub(channel).ListCustomers(pb.ListCustomersRequest()))
    assert error.code is Code.UNAUTHENTICATED
    assert error.message == "upstream 'stripe' answered 401: Unauthorized"


async def test_a_request_that_the_service_refuses_is_an_invalid_argument(stub) -> None:
    error = await failed(stub.CreateProduct(pb.CreateProductRequest()))
    assert error.code is Code.INVALID_ARGUMENT
    assert error.message == "upstream 'stripe' answered 400: Bad request"
