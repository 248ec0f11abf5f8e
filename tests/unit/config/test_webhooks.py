"""What a webhook's policy may not say, and where its parts are read."""

import base64
import hashlib
import hmac

import pytest
from fakes.clock import FakeClock
from google.protobuf import json_format
from seawall.policy.v1.policy_pb2 import MethodPolicy
from support.calls import Script, new_call

from gateway.config.webhooks import (
    effective_webhook_mistakes,
    webhook_mistakes,
    webhook_options,
)
from gateway.core.call import Call
from gateway.core.errors import Reason
from gateway.core.events import Events
from gateway.interceptors.webhook import WebhookInterceptor

from .conftest import schema_of

BODY = (
    "message Event { bytes body = 1; string signature = 2; int64 sent_at = 3; Inner inner = 4; "
    "repeated string more = 5; bool flag = 6; string text = 7; string sent = 8; bytes mac = 9; }\n"
    "message Inner { bytes data = 1; }\n"
    "service Hooks { rpc Deliver(Event) returns (Item) "
    '{ option (google.api.http) = {post: "/v1/hooks" body: "*"}; } }\n'
)
SECRET = "0123456789abcdef"


def policy(**webhook: object) -> MethodPolicy:
    return json_format.ParseDict({"webhook": webhook}, MethodPolicy())


def request_type():
    (service,) = schema_of(BODY).services()
    return service.methods_by_name["Deliver"].input_type


GOOD = {"body_field": "body", "signature_metadata": "x-sig", "secrets": [SECRET]}


@pytest.mark.parametrize(
    ("said", "path"),
    [
        ({"signature_metadata": "a", "signature_field": "b"}, "webhook.signature_field"),
        ({"timestamp_metadata": "a", "timestamp_field": "b"}, "webhook.timestamp_field"),
        ({"signature_metadata": "no header"}, "webhook.signature_metadata"),
        ({"secrets": ["0123456789abcdef", "short"]}, "webhook.secrets[1]"),
        ({"secrets": [f"{SECRET}{i}" for i in range(9)]}, "webhook.secrets"),
        ({"signature_metadata": "x-sig-bin"}, "webhook.signature_metadata"),
        ({"max_remembered": 0}, "webhook.max_remembered"),
        ({"prefix": "sha256=\n"}, "webhook.prefix"),
    ],
)
def test_one_level_may_not_say(said: dict[str, object], path: str) -> None:
    assert [p for p, _ in webhook_mistakes(policy(**said).webhook)] == [path]


@pytest.mark.parametrize(
    ("said", "path"),
    [
        ({"secrets": []}, "webhook.secrets"),
        ({"body_field": ""}, "webhook.body_field"),
        ({"signature_metadata": ""}, "webhook.signature_metadata"),
        ({"body_field": "flag"}, "webhook.body_field"),
        ({"body_field": "more"}, "webhook.body_field"),
        ({"body_field": "inner"}, "webhook.body_field"),
        ({"body_field": "inner.nothing"}, "webhook.body_field"),
        ({"signature_metadata": "", "signature_field": "sent_at"}, "webhook.signature_field"),
        ({"timestamp_field": "flag"}, "webhook.timestamp_field"),
        ({"scheme": "STRIPE", "prefix": "sha256="}, "webhook.prefix"),
    ],
)
def test_all_levels_together_may_not_come_to(said: dict[str, object], path: str) -> None:
    merged = policy(**(GOOD | said))
    assert [p for p, _ in effective_webhook_mistakes(merged, request_type())] == [path]


@pytest.mark.parametrize("said", [{}, {"body_field": "inner.data", "timestamp_field": "sent_at"}])
def test_what_is_complete_is_no_mistake(said: dict[str, object]) -> None:
    merged = policy(**(GOOD | said))
    assert list(webhook_mistakes(merged.webhook)) == []
    assert list(effective_webhook_mistakes(merged, request_type())) == []


def test_what_is_off_makes_nothing() -> None:
    merged = policy(disabled=True)
    assert list(effective_webhook_mistakes(merged, request_type())) == []
    assert webhook_options(merged.webhook) is None


def test_a_stream_has_no_signature() -> None:
    merged = policy(**GOOD)
    found = list(effective_webhook_mistakes(merged, request_type(), client_streaming=True))
    assert [path for path, _ in found] == ["webhook"]


def test_no_mistake_shows_a_secret() -> None:
    said = policy(secrets=["hunter2"], prefix="\n", max_remembered=0).webhook
    assert "hunter2" not in repr(list(webhook_mistakes(said)))


RAW = '{"id": "evt_1",  "name": "Zoë"}'
BUILT_IN = {"tolerance": "300s", "max_remembered": 10, "secrets": [SECRET]}
PLAIN = {"body_field": "body", "signature_metadata": "X-Hub-Signature-256", "prefix": "sha256="}


def mac(payload: bytes) -> bytes:
    """HMAC-SHA256 as RFC 2104 writes it, with a key that is shorter than a block."""
    key = SECRET.encode().ljust(64, b"\0")
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in key) + payload).digest()
    return hashlib.sha256(bytes(b ^ 0x5C for b in key) + inner).digest()


async def verdict(
    said: dict[str, object], metadata: list[tuple[str, str | bytes]], **fields: object
) -> Reason | None:
    """Return why a call with such a message is refused, None where it goes on."""
    clock = FakeClock()
    found = webhook_options(policy(**(BUILT_IN | said)).webhook)
    assert found is not None
    descriptor = schema_of(BODY)
    (service,) = descriptor.services()
    new = descriptor.new_message(service.methods_by_name["Deliver"].input_type)
    call: Call = new_call(clock, metadata=metadata)
    call.message = new(**fields)
    outcome = await WebhookInterceptor(*found, clock, Events())(call, Script(None))
    return None if outcome.error is None else outcome.error.reason


NOW = f"{FakeClock().wall():.0f}"
RAW_BYTES = RAW.encode()
TIMED = NOW.encode() + b"." + RAW_BYTES
HEADER = [("x-hub-signature-256", f"sha256={mac(RAW_BYTES).hex()}")]


def test_the_tests_own_hmac_is_the_standard_librarys() -> None:
    assert mac(TIMED) == hmac.digest(SECRET.encode(), TIMED, "sha256")


@pytest.mark.parametrize(
    ("said", "metadata", "fields"),
    [
        (PLAIN, HEADER, {"body": RAW_BYTES}),
        (PLAIN | {"body_field": "text"}, HEADER, {"text": RAW}),
        (PLAIN | {"body_field": "inner.data"}, HEADER, {"inner": {"data": RAW_BYTES}}),
        (
            {"body_field": "body", "signature_field": "signature", "encoding": "BASE64"},
            [],
            {"body": RAW_BYTES, "signature": base64.b64encode(mac(RAW_BYTES)).decode()},
        ),
        (
            {"body_field": "body", "signature_field": "mac", "timestamp_field": "sent_at"},
            [],
            {"body": RAW_BYTES, "mac": mac(TIMED).hex().encode(), "sent_at": int(NOW)},
        ),
        (
            {"body_field": "body", "signature_field": "signature", "timestamp_metadata": "X-At"},
            [("x-at", NOW)],
            {"body": RAW_BYTES, "signature": mac(TIMED).hex()},
        ),
        (
            {"body_field": "body", "signature_metadata": "stripe-signature", "scheme": "STRIPE"},
            [("stripe-signature", f"t={NOW},v1={mac(TIMED).hex()},v0=x")],
            {"body": RAW_BYTES},
        ),
        (PLAIN, [("x-hub-signature-256", f"sha256={mac(b'').hex()}")], {}),
    ],
)
async def test_what_is_signed_is_read_where_the_policy_says(
    said: dict[str, object], metadata: list[tuple[str, str | bytes]], fields: dict[str, object]
) -> None:
    assert await verdict(said, metadata, **fields) is None
    if fields:
        changed = {
            name: {"data": b"other"} if name == "inner" else "other" if name == "text" else value
            for name, value in fields.items()
        }
        changed = changed | ({"body": RAW_BYTES + b" "} if "body" in fields else {})
        assert await verdict(said, metadata, **changed) is Reason.SIGNATURE_INVALID


@pytest.mark.parametrize(
    "metadata",
    [
        [],
        [*HEADER, *HEADER],  # of two nobody knows which one is meant
        [("x-hub-signature-256", HEADER[0][1].encode())],
        [("x-hub-signature", HEADER[0][1])],
    ],
)
async def test_where_there_is_not_one_signature_there_is_none(
    metadata: list[tuple[str, str | bytes]],
) -> None:
    assert await verdict(PLAIN, metadata, body=RAW_BYTES) is Reason.SIGNATURE_INVALID
