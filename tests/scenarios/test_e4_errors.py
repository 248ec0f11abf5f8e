"""Row E4: whatever eBay, OpenAI, SerpAPI and Stripe answer, callers are told one of a named
set of reasons: with a title, a message, what to do, whether to try again, and when."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest
from fakes.clock import FakeClock, FakeRng
from market.v1 import (
    checkout_pb2,
    checkout_pb2_grpc,
    errors_pb2,
    pricing_pb2,
    pricing_pb2_grpc,
    search_pb2,
    search_pb2_grpc,
    vision_pb2,
    vision_pb2_grpc,
)
from scenarios.answers import Told, told
from scenarios.downstreams import MARKET_UPSTREAMS, Downstream, eventually
from scenarios.gateways import gateway_over
from seawall.error.v1 import error_pb2
from support.gateways import Running

Code = grpc.StatusCode
Market = Callable[..., grpc.aio.Call]

DOMAIN = "market.v1"
EBAY, OPENAI = "/buy/item_sales", "/v1/vision:identify"
SERPAPI, STRIPE = "/search.json", "/v1/payment_intents"
ALONE = "{fallback: {disabled: true}, cache: {disabled: true}}"
NOBODY_ELSE = (
    f"services: {{market.v1.PricingService: {{methods: {{GetComps: {ALONE}}}}}, "
    f"market.v1.VisionService: {{methods: {{Identify: {ALONE}}}}}}}"
)
"""YAML: what an API says of its failure is told, and nobody answers instead."""
APIS = {"ebay": EBAY, "openai": OPENAI, "serpapi": SERPAPI, "stripe": STRIPE}
NO_ANSWER = {"ebay": "EBAY", "openai": "OPENAI", "serpapi": "SERPAPI", "stripe": "STRIPE"}
GERMAN = (("accept-language", "de-CH, fr;q=0.9, en;q=0.5"),)


def call(channel: grpc.aio.Channel, api: str, what: str = "blue-card", **more: Any):
    """Begin a call that asks an API.

    Args:
        channel: to the gateway.
        api: its upstream's name.
        what: the words, the picture or the card.
        more: of the stub's method.
    """
    match api:
        case "ebay":
            request = pricing_pb2.GetCompsRequest(q=what)
            return pricing_pb2_grpc.PricingServiceStub(channel).GetComps(request, **more)
        case "openai":
            image = f"https://img.example/{what}.jpg"
            request = vision_pb2.IdentifyRequest(image_url=image)
            return vision_pb2_grpc.VisionServiceStub(channel).Identify(request, **more)
        case "serpapi":
            request = search_pb2.SearchRequest(q=what)
            return search_pb2_grpc.SearchServiceStub(channel).Search(request, **more)
        case "stripe":
            request = checkout_pb2.CreatePaymentRequest(
                amount=4200, currency="usd", payment_method=what
            )
            return checkout_pb2_grpc.CheckoutServiceStub(channel).CreatePayment(request, **more)
    raise AssertionError(api)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def running(market: Downstream, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Running]:
    urls = dict.fromkeys(MARKET_UPSTREAMS, market.url)
    rng = FakeRng([0.0])  # backoffs take no time
    async with gateway_over(
        "market", urls, tmp_path, clock=clock, rng=rng, config=NOBODY_ELSE
    ) as running:
        yield running


def entry(reason: str) -> error_pb2.ErrorEntry:
    """Return what the protos say of a reason."""
    value = errors_pb2.DESCRIPTOR.enum_types_by_name["ErrorReason"].values_by_name[
        f"ERROR_REASON_{reason}"
    ]
    return value.GetOptions().Extensions[error_pb2.entry]


def is_told_as(found: Told, reason: str, delay_s: float | None = None) -> None:
    """Hold what a caller was told against what the protos say of its reason.

    Args:
        found: what it was told.
        reason: that it must have.
        delay_s: when to come back where the API said so.
    """
    said = entry(reason)
    assert found.reasons == {(DOMAIN, reason)}
    if said.HasField("code"):
        assert found.code.name == said.code
    assert (found.user.title, found.user.action) == (said.title, said.action)
    assert found.user.text == said.message
    assert found.user.should_retry is said.should_retry
    if delay_s is None and said.HasField("retry_delay"):
        delay_s = said.retry_delay.seconds
    if said.should_retry:
        assert found.retry_delay_s == delay_s
        assert found.user.retry_delay.seconds == delay_s
    assert found.origin in ("upstream", "gateway")


# When all is well


async def test_each_api_is_asked_in_its_own_way(market: Downstream, running: Running) -> None:
    comps = await call(running.channel, "ebay")
    assert len(comps.comps) == 10
    assert comps.comps[0].price_cents > 0
    found = await call(running.channel, "openai")
    assert (found.title, 0.5 <= found.confidence <= 1) == ("Blue Card", True)
    offers = await call(running.channel, "serpapi")
    assert offers.results[0].link.startswith("https://")
    paid = await call(running.channel, "stripe", "pm_card")
    assert (paid.id, paid.status, paid.amount) == ("pi_1", "succeeded", 4200)
    assert market.stats()["statuses"] == {"200": 4}


# The named set


class Case(NamedTuple):
    """What goes wrong, and what it is called.

    Args:
        api: by its upstream's name.
        reason: in the catalog.
        fault: that the downstream is told to have; none where `what` is enough.
        what: is asked for.
        delay_s: where the API itself says when.
        code: where the catalog leaves it.
        attempts: requests that it took.
    """

    api: str
    reason: str
    fault: dict[str, Any] | None = None
    what: str = "blue-card"
    delay_s: float | None = None
    code: Code | None = None
    attempts: int | None = None


CASES = [
    Case("ebay", "RATE_LIMITED", {"status": 429, "retry_after_s": 45}, delay_s=45, attempts=1),
    Case("ebay", "RATE_LIMITED", {"status": 429}, attempts=1),
    Case("openai", "RATE_LIMITED", {"status": 429}, attempts=1),
    Case("serpapi", "RATE_LIMITED", what="throttled", attempts=1),
    Case("stripe", "RATE_LIMITED", {"status": 429, "retry_after_s": 20}, delay_s=20, attempts=1),
    *(
        Case(api, f"{NO_ANSWER[api]}_UNAVAILABLE", fault)
        for api in ("ebay", "openai", "serpapi")
        for fault in ({"status": 503}, {"status": 502}, {"status": 500}, {"drop": True})
    ),
    Case("ebay", "EBAY_UNAVAILABLE", {"status": 503}, attempts=6),
    Case("openai", "OPENAI_UNAVAILABLE", {"status": 503}, attempts=4),
    Case("serpapi", "SERPAPI_UNAVAILABLE", {"status": 503}, attempts=5),
    Case("stripe", "STRIPE_UNAVAILABLE", {"status": 503}, what="pm_card", attempts=1),
    *(Case(api, "TIMEOUT", {"status": 504}) for api in ("ebay", "openai", "serpapi")),
    Case("stripe", "CARD_DECLINED", what="pm_declined", attempts=1),
    Case("stripe", "INSUFFICIENT_FUNDS", what="pm_no_funds", attempts=1),
    Case("stripe", "PAYMENT_FAILED", what="pm_expired", attempts=1),
    Case("stripe", "PAYMENT_FAILED", {"status": 402}, attempts=1),
    Case("stripe", "PAYMENT_UNCERTAIN", {"status": 500}, code=Code.INTERNAL, attempts=1),
    Case("stripe", "PAYMENT_UNCERTAIN", {"status": 504}, code=Code.DEADLINE_EXCEEDED, attempts=1),
    Case(
        "stripe",
        "PAYMENT_UNCERTAIN",
        {"drop": True, "acts": True},
        what="pm_card",
        code=Code.UNAVAILABLE,
        attempts=1,
    ),
    Case("openai", "INVALID_IMAGE", what="blurred", attempts=1),
    Case("openai", "QUOTA_EXHAUSTED", what="broke", attempts=1),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.api}-{case.reason}")
async def test_a_failure_has_the_name_and_the_words_of_the_catalog(
    market: Downstream, running: Running, case: Case
) -> None:
    if case.fault is not None:
        market.set_faults({"path": APIS[case.api], **case.fault})
    found = await told(call(running.channel, case.api, case.what))
    is_told_as(found, case.reason, case.delay_s)
    assert found.origin == "upstream"
    if case.code is not None:
        assert found.code == case.code
    if case.attempts is not None:
        assert found.attempts == case.attempts


@pytest.mark.parametrize(
    ("api", "deadline_s", "reason"),
    [
        ("ebay", 30, "TIMEOUT"),
        ("serpapi", 30, "TIMEOUT"),
        ("openai", 90, "TIMEOUT"),
        ("stripe", 20, "PAYMENT_UNCERTAIN"),
    ],
)
async def test_an_api_that_hangs_is_told_as_such_at_the_deadline(
    market: Downstream, running: Running, clock: FakeClock, api: str, deadline_s: int, reason: str
) -> None:
    market.set_faults({"path": APIS[api], "latency_s": 600})
    waiting = call(running.channel, api)
    await eventually(lambda: not market.idle)
    clock.advance(deadline_s - 0.1)
    await asyncio.sleep(0.05)
    assert not waiting.done()
    clock.advance(0.1)
    found = await told(waiting)
    is_told_as(found, reason)
    assert found.code == Code.DEADLINE_EXCEEDED
    await eventually(lambda: market.idle)


@pytest.mark.parametrize("api", list(APIS))
async def test_an_api_that_cannot_be_connected_to_is_named(
    market: Downstream, tmp_path: Path, api: str
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        urls = dict.fromkeys(MARKET_UPSTREAMS, market.url)
        urls[api] = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        rng = FakeRng([0.0])
        async with gateway_over(
            "market", urls, tmp_path, clock=FakeClock(), rng=rng, config=NOBODY_ELSE
        ) as running:
            for _ in range(2):  # by connecting, and then by knowing that it cannot be reached
                found = await told(call(running.channel, api))
                assert found.reasons == {(DOMAIN, f"{NO_ANSWER[api]}_UNAVAILABLE")}
                assert found.user.action == entry(f"{NO_ANSWER[api]}_UNAVAILABLE").action
                assert (found.code, found.user.should_retry) == (Code.UNAVAILABLE, True)
    assert market.stats()["total"] == 0


async def test_an_open_breaker_is_the_apis_absence_too(market: Downstream, tmp_path: Path) -> None:
    urls = dict.fromkeys(MARKET_UPSTREAMS, market.url)
    config = (
        f"{NOBODY_ELSE}\nupstreams: {{ebay: {{policy: {{breaker: {{consecutive_failures: 2}}}}}}}}"
    )
    market.set_faults({"path": EBAY, "status": 503})
    rng = FakeRng([0.0])
    async with gateway_over(
        "market", urls, tmp_path, clock=FakeClock(), rng=rng, config=config
    ) as running:
        await told(call(running.channel, "ebay"))
        before = market.stats()["total"]
        found = await told(call(running.channel, "ebay"))
    assert market.stats()["total"] == before
    assert found.reasons == {(DOMAIN, "EBAY_UNAVAILABLE")}
    assert (found.origin, found.attempts) == ("gateway", 0)
    assert found.retry_delay_s is not None


# What is none of it


async def test_what_the_caller_did_wrong_keeps_the_apis_own_words(
    market: Downstream, running: Running
) -> None:
    found = await told(call(running.channel, "ebay", ""))
    assert found.code == Code.INVALID_ARGUMENT
    assert found.reasons == {("seawall", "UPSTREAM_STATUS")}
    assert "q is needed" in found.message


async def test_one_api_says_nothing_of_the_others(market: Downstream, running: Running) -> None:
    market.set_faults({"path": EBAY, "status": 503})
    await told(call(running.channel, "ebay"))
    for api in ("openai", "serpapi", "stripe"):
        await call(running.channel, api, "pm_card")


# Languages


async def test_words_are_in_the_callers_language_where_there_are_any(
    market: Downstream, running: Running
) -> None:
    found = await told(call(running.channel, "stripe", "pm_declined", metadata=GERMAN))
    assert found.reasons == {(DOMAIN, "CARD_DECLINED")}
    assert (found.user.title, found.user.text) == (
        "Die Karte wurde abgelehnt",
        "Die Bank hat die Zahlung nicht angenommen.",
    )
    assert found.user.action == "Bitte eine andere Karte verwenden oder bei der Bank nachfragen."
    assert (found.code, found.user.should_retry) == (Code.FAILED_PRECONDITION, False)
    assert found.language == "de"
    assert found.localized == "Die Bank hat die Zahlung nicht angenommen."


@pytest.mark.parametrize(
    "languages", ["fr, es;q=0.5", "", "*", "de;q=0, en", "x" * 2_000, "d e,,;"]
)
async def test_whoever_asks_for_no_language_that_there_is_gets_the_words_of_the_protos(
    market: Downstream, running: Running, languages: str
) -> None:
    who = (("accept-language", languages),)
    found = await told(call(running.channel, "stripe", "pm_declined", metadata=who))
    is_told_as(found, "CARD_DECLINED")


async def test_a_reason_without_german_words_is_told_in_its_own(
    market: Downstream, running: Running
) -> None:
    found = await told(call(running.channel, "stripe", "pm_no_funds", metadata=GERMAN))
    is_told_as(found, "INSUFFICIENT_FUNDS")


# The catalog in the file


async def test_the_configuration_says_it_otherwise_for_one_deployment(
    market: Downstream, tmp_path: Path
) -> None:
    urls = dict.fromkeys(MARKET_UPSTREAMS, market.url)
    config = """
errors:
  reasons:
    CARD_DECLINED:
      title: No luck with this card
      message: Your bank said no.
      action: Pay in the shop.
      should_retry: false
"""
    async with gateway_over("market", urls, tmp_path, config=config) as running:
        found = await told(call(running.channel, "stripe", "pm_declined"))
    assert {reason for _, reason in found.reasons} == {"CARD_DECLINED"}
    assert (found.user.title, found.user.action) == ("No luck with this card", "Pay in the shop.")


def test_every_reason_has_words_and_says_whether_to_try_again() -> None:
    values = errors_pb2.DESCRIPTOR.enum_types_by_name["ErrorReason"].values
    for value in values[1:]:
        said = value.GetOptions().Extensions[error_pb2.entry]
        for words in (said, *said.localized.values()):
            assert words.title, value.name
            assert words.message.endswith("."), value.name
            assert words.action.endswith("."), value.name
        assert said.HasField("should_retry"), value.name
        assert not said.HasField("retry_delay") or said.should_retry, value.name
