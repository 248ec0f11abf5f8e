"""What a webhook's policy may not say, and where its parts are read."""

import pytest
from google.protobuf import json_format
from seawall.policy.v1.policy_pb2 import MethodPolicy

from gateway.config.webhooks import (
    effective_webhook_mistakes,
    webhook_mistakes,
    webhook_options,
)

from .conftest import schema_of

BODY = (
    "message Event { bytes body = 1; string signature = 2; int64 sent_at = 3; Inner inner = 4; "
    "repeated string more = 5; bool flag = 6; }\nmessage Inner { bytes data = 1; }\n"
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
