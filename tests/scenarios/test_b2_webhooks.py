"""Row B2: events that others send to the shop. Their raw bodies are signed; what is forged,
too old or sent twice does not reach the shop. (That an event is delivered once in a day, also
across a restart, is in test_b2_once_a_day.py.)"""

import asyncio
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from commerce.v1 import webhooks_pb2, webhooks_pb2_grpc
from fakes.clock import FakeClock, FakeRng
from scenarios.answers import told
from scenarios.downstreams import Downstream, eventually
from scenarios.gateways import as_, descriptors, gateway_over, key_of, sample
from scenarios.shop import (
    NEW_SECRET,
    OLD_SECRET,
    PARCEL_SECRET,
    PARCELS,
    PAYMENTS,
    config,
    encoded,
    event,
    parcel,
    request,
    stripe,
)
from support.gateways import Running, run_seawall, seawall_process

from gateway.core.clock import SystemClock
from gateway.core.events import CallRefused

Code = grpc.StatusCode
TOLERANCE_S = 300
SCHEMES = pytest.mark.parametrize(
    ("method", "path", "sign"),
    [("Deliver", PAYMENTS, stripe), ("DeliverParcelEvent", PARCELS, parcel)],
    ids=["stripe", "hmac"],
)
Sign = Callable[..., tuple[tuple[str, str], ...]]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def running(commerce: Downstream, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Running]:
    urls, text = {"shop": commerce.url}, config(tmp_path)
    rng = FakeRng([0.0])
    async with gateway_over(
        "commerce", urls, tmp_path, clock=clock, rng=rng, config=text
    ) as running:
        yield running


@pytest.fixture
def webhooks(running: Running) -> Any:
    return webhooks_pb2_grpc.WebhookServiceStub(running.channel)


# What is taken


@SCHEMES
async def test_a_signed_event_reaches_the_shop_byte_for_byte(
    commerce: Downstream, webhooks, clock: FakeClock, method: str, path: str, sign: Sign
) -> None:
    body = event()
    answer = await getattr(webhooks, method)(request(body), metadata=sign(body, clock.wall()))
    assert answer.event_id == "evt_1"
    (received,) = commerce.received()
    assert (received.path, received.body) == (path, body)
    assert received.headers["content-type"] == "application/json; charset=utf-8"


@SCHEMES
async def test_neither_signature_nor_key_goes_further(
    commerce: Downstream, webhooks, clock: FakeClock, method: str, path: str, sign: Sign
) -> None:
    body = event()
    who = (*as_("ada"), ("authorization", "Bearer of-the-sender"), ("x-request-id", "r-1"))
    signed = (*sign(body, clock.wall()), *who)
    await getattr(webhooks, method)(request(body), metadata=signed)
    (received,) = commerce.received()
    assert received.headers["x-request-id"] == "r-1"
    names = {name for name in received.headers if "signature" in name or "timestamp" in name}
    assert names | {"x-api-key", "authorization"} & set(received.headers) == set()


async def test_a_sender_needs_no_credential_but_its_signature(webhooks, clock: FakeClock) -> None:
    body = event()
    assert (await webhooks.Deliver(request(body), metadata=stripe(body, clock.wall()))).event_id
    refused = await told(webhooks.Deliver(request(body), metadata=as_("scheduler")))
    assert refused.code == Code.UNAUTHENTICATED


@pytest.mark.parametrize("secret", [NEW_SECRET, OLD_SECRET])
async def test_while_the_secret_is_changed_the_old_and_the_new_one_count(
    webhooks, clock: FakeClock, secret: str
) -> None:
    body = event()
    await webhooks.Deliver(request(body), metadata=stripe(body, clock.wall(), secret))


async def test_of_several_signatures_one_that_is_right_is_enough(
    webhooks, clock: FakeClock
) -> None:
    body = event()
    ((name, right),) = stripe(body, clock.wall())
    time, _, signed = right.partition(",")
    await webhooks.Deliver(request(body), metadata=((name, f"{time},v1={'0' * 64},{signed}"),))


@SCHEMES
async def test_clocks_may_differ_by_five_minutes(
    webhooks, clock: FakeClock, method: str, path: str, sign: Sign
) -> None:
    for number, off_s in enumerate((-TOLERANCE_S + 1, TOLERANCE_S - 1)):
        body = event(f"evt_{number}")
        signed = sign(body, clock.wall() + off_s)
        assert (await getattr(webhooks, method)(request(body), metadata=signed)).event_id


# What is not


def forged(body: bytes, at: float) -> dict[str, tuple[bytes, tuple[tuple[str, str], ...]]]:
    """Return events that nobody sent, and how each is signed."""
    ((name, right),) = stripe(body, at)
    other = event("evt_2")
    return {
        "another body": (other, stripe(body, at)),
        "one more space": (body + b" ", stripe(body, at)),
        "another secret": (body, stripe(body, at, "whsec_of_somebody_else_00")),
        "the parcel service's secret": (body, stripe(body, at, PARCEL_SECRET)),
        "another time": (body, ((name, right.replace(f"t={int(at)}", f"t={int(at) + 1}")),)),
        "no time": (body, ((name, right.partition(",")[2]),)),
        "two times": (body, ((name, f"t=1,{right}"),)),
        "an old scheme alone": (body, ((name, right.replace("v1=", "v0=")),)),
        "no signature": (body, ()),
        "two headers": (body, (*stripe(body, at), *stripe(body, at))),
        "nonsense": (body, ((name, "t=,v1=,,=;"),)),
        "no body": (b"", stripe(body, at)),
    }


@pytest.mark.parametrize("how", list(forged(b"", 0)))
async def test_a_forged_event_does_not_reach_the_shop(
    commerce: Downstream, running: Running, webhooks, clock: FakeClock, how: str
) -> None:
    body, signed = forged(event(), clock.wall())[how]
    refused = await told(webhooks.Deliver(request(body), metadata=signed))
    assert refused.code == Code.UNAUTHENTICATED
    assert {reason for _, reason in refused.reasons} == {"SIGNATURE_INVALID"}
    assert not refused.user.should_retry
    assert refused.user.action
    assert commerce.stats()["total"] == 0
    assert [event.mechanism for event in running.of(CallRefused)] == ["webhook"]


async def test_what_is_signed_for_one_door_does_not_open_the_other(
    commerce: Downstream, webhooks, clock: FakeClock
) -> None:
    body = event()
    for call in (
        webhooks.Deliver(request(body), metadata=parcel(body, clock.wall())),
        webhooks.DeliverParcelEvent(request(body), metadata=stripe(body, clock.wall())),
        webhooks.DeliverParcelEvent(request(body), metadata=parcel(body, clock.wall(), NEW_SECRET)),
    ):
        assert (await told(call)).code == Code.UNAUTHENTICATED
    assert commerce.stats()["total"] == 0


@SCHEMES
@pytest.mark.parametrize("off_s", [-TOLERANCE_S - 2, TOLERANCE_S + 2])
async def test_an_event_that_is_too_old_or_too_early_is_refused_and_told_so(
    commerce: Downstream,
    webhooks,
    clock: FakeClock,
    method: str,
    path: str,
    sign: Sign,
    off_s: int,
) -> None:
    body = event()
    signed = sign(body, clock.wall() + off_s)
    refused = await told(getattr(webhooks, method)(request(body), metadata=signed))
    assert refused.code == Code.UNAUTHENTICATED
    assert {reason for _, reason in refused.reasons} == {"SIGNATURE_INVALID"}
    assert "300 s are allowed" in refused.message
    assert commerce.stats()["total"] == 0


@SCHEMES
async def test_an_event_that_was_taken_is_not_taken_again(
    commerce: Downstream, webhooks, clock: FakeClock, method: str, path: str, sign: Sign
) -> None:
    body = event()
    signed = sign(body, clock.wall())
    deliver = getattr(webhooks, method)
    await deliver(request(body), metadata=signed)
    for pause_s in (0, 1, TOLERANCE_S - 2):
        clock.advance(pause_s)
        refused = await told(deliver(request(body), metadata=signed))
        assert refused.code == Code.ALREADY_EXISTS
        assert {reason for _, reason in refused.reasons} == {"REPLAYED"}
    clock.advance(2)  # forgotten by now, and too old
    refused = await told(deliver(request(body), metadata=signed))
    assert refused.code == Code.UNAUTHENTICATED
    assert commerce.seen(f"POST {path}") == 1


async def test_while_it_is_being_taken_a_second_one_is_told_to_wait(
    commerce: Downstream, webhooks, clock: FakeClock
) -> None:
    commerce.set_faults({"path": PAYMENTS, "latency_s": 0.5})
    body = event()
    signed = stripe(body, clock.wall())
    first = webhooks.Deliver(request(body), metadata=signed)
    await eventually(lambda: not commerce.idle)
    second = await told(webhooks.Deliver(request(body), metadata=signed))
    assert second.code == Code.ABORTED
    assert {reason for _, reason in second.reasons} == {"REPLAYED"}
    assert second.user.should_retry
    assert second.retry_delay_s > 0
    assert (await first).event_id == "evt_1"
    assert commerce.seen(f"POST {PAYMENTS}") == 1


@pytest.mark.parametrize("count", [20, 200])
async def test_of_many_at_once_one_is_taken(
    commerce: Downstream, webhooks, clock: FakeClock, count: int
) -> None:
    commerce.set_faults({"path": PAYMENTS, "latency_s": 0.2})
    body = event()
    signed = stripe(body, clock.wall())
    calls = [webhooks.Deliver(request(body), metadata=signed) for _ in range(count)]
    codes = [await call.code() for call in calls]
    assert codes.count(Code.OK) == 1
    assert set(codes) <= {Code.OK, Code.ABORTED, Code.ALREADY_EXISTS}
    assert commerce.seen(f"POST {PAYMENTS}") == 1


@pytest.mark.parametrize("fault", [{"status": 503}, {"status": 500}, {"drop": True}])
async def test_what_the_shop_did_not_take_may_be_sent_again_as_it_is(
    commerce: Downstream, webhooks, clock: FakeClock, fault: dict
) -> None:
    commerce.set_faults({"path": PAYMENTS, "count": 3, **fault})
    body = event()
    signed = stripe(body, clock.wall())
    failed = await told(webhooks.Deliver(request(body), metadata=signed))
    assert failed.code in (Code.UNAVAILABLE, Code.INTERNAL)
    assert failed.attempts == (1 if fault == {"status": 500} else 3)
    commerce.set_faults()
    assert (await webhooks.Deliver(request(body), metadata=signed)).event_id == "evt_1"


async def test_refusals_are_counted(running: Running, webhooks, clock: FakeClock) -> None:
    body = event()
    for _ in range(3):
        await told(webhooks.Deliver(request(body), metadata=()))
    ops = f"http://{running.gateway.ops_address}"
    labels = {"method": "Deliver", "mechanism": "webhook"}
    assert await asyncio.to_thread(sample, ops, "seawall_refusals_total", **labels) == 3


# Secrets


def test_secrets_of_senders_are_in_nothing_that_the_gateway_writes_or_shows(
    commerce: Downstream, tmp_path: Path
) -> None:
    path = tmp_path / "seawall.yaml"
    path.write_text(f"descriptor_set: {descriptors('commerce')}\n{config(tmp_path)}")
    given = ("--config", str(path), f"--upstream=shop={commerce.url}")
    now = SystemClock().wall()
    with seawall_process(
        *given, "--log-format", "json", "--log-level", "debug", tmp_path=tmp_path
    ) as seawall:
        with grpc.insecure_channel(seawall.address) as channel:
            webhooks = webhooks_pb2_grpc.WebhookServiceStub(channel)
            body = event()
            webhooks.Deliver(request(body), metadata=stripe(body, now), timeout=20)
            for signed in (stripe(body, now), stripe(body, now, "whsec_wrong_wrong"), ()):
                with pytest.raises(grpc.RpcError):
                    webhooks.Deliver(request(body), metadata=signed, timeout=20)
        with urllib.request.urlopen(f"{seawall.ops}/metrics", timeout=20) as response:
            metrics = response.read().decode()
        seawall.terminate()
        assert seawall.process.wait(60) == 0
        assert seawall.process.stdout is not None
        written = [seawall.process.stdout.read(), seawall.log.read_text(), metrics]
    assert "SIGNATURE_INVALID" in written[1]
    explain = ("explain", "commerce.v1.WebhookService/Deliver", *given)
    for command in (explain, (*explain, "--format", "json"), ("check", *given)):
        done = run_seawall(*command)
        assert done.returncode == 0, done.stderr
        written += [done.stdout, done.stderr]
    text = "\n".join(written)
    hidden = (NEW_SECRET, OLD_SECRET, PARCEL_SECRET, key_of("scheduler"))
    assert [form for secret in hidden for form in encoded(secret) if form in text] == []
    ((_, sent),) = stripe(event(), now)
    assert sent.partition("v1=")[2][:64] not in text


def test_a_gateway_without_the_secrets_does_not_start() -> None:
    done = run_seawall(
        "check",
        *("--descriptor-set", str(descriptors("commerce"))),
        *("--service", "commerce.v1.WebhookService"),
    )
    assert done.returncode == 1
    told_of = [
        line for line in done.stderr.splitlines() if "webhook.secrets: there are none" in line
    ]
    assert len(told_of) == 2
    assert all("commerce/v1/webhooks.proto:" in line for line in told_of)


def test_a_request_has_room_for_the_raw_body_alone() -> None:
    fields = webhooks_pb2.DeliverRequest.DESCRIPTOR.fields
    assert [field.name for field in fields] == ["payload"]
