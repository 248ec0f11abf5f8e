"""What of a signed request is anybody's word."""

import pytest

from gateway.config.webhook_doubts import webhook_doubts

from .conftest import Given

PROTOS = """
import "google/api/httpbody.proto";
message Hook {
  bytes body = 1; string tenant = 2; string note = 3; string mac = 4; int64 sent = 5;
  string more = 6; Event event = 7;
}
message Event { bytes data = 1; string kind = 2; }
message Bare { bytes body = 1; string mac = 2; }
message Raw { google.api.HttpBody raw = 1; }
service Hooks {
  rpc Deliver(Hook) returns (Item) {
    option (google.api.http) = {post: "/v1/{tenant}/hook" body: "%s"};
  }
  rpc Alone(Bare) returns (Item) { option (google.api.http) = {post: "/v1/bare" body: "body"}; }
  rpc AsIs(Raw) returns (Item) { option (google.api.http) = {post: "/v1/raw" body: "raw"}; }
}
"""
KEYS = "secrets: [0123456789abcdef]"


def told(
    given: Given, webhook: str, method: str = "Deliver", body: str = "body", more: str = ""
) -> list[str]:
    yaml = (
        f"services: {{shop.v1.Hooks: {{methods: {{{method}: "
        f"{{{more}webhook: {{{KEYS}, {webhook}}}}}}}}}}}\n"
    )
    resolved = given.served(PROTOS % body, yaml)
    return [str(problem) for problem in webhook_doubts(resolved.methods)]


@pytest.mark.parametrize(
    ("webhook", "body", "ways"),
    [
        (
            "body_field: body, signature_metadata: x-sig",
            "body",
            ["tenant (in the path)", "note (in the query)", "mac (in the query)", "1 more"],
        ),
        (
            "body_field: body, signature_field: mac, timestamp_field: sent",
            "*",
            ["what stands in tenant (in the path) is"],
        ),
        (
            "body_field: event.data, signature_field: mac, timestamp_field: sent",
            "event",
            ["tenant (in the path)", "note (in the query)", "body (in the query)"],
        ),
    ],
)
def test_what_is_beside_the_signed_body_is_told_with_its_way(
    webhook: str, body: str, ways: list[str], given: Given
) -> None:
    (one,) = told(given, webhook, body=body)
    assert "shop.v1.Hooks/Deliver: webhook: only " in one
    assert all(way in one for way in ways), one
    signed = webhook.split(",")[0].removeprefix("body_field: ")
    assert f"{signed} (in" not in one
    assert ("mac (in" in one) == ("signature_field" not in webhook)
    assert "sent (in" not in one or "timestamp_field" not in webhook


@pytest.mark.parametrize(
    ("method", "webhook"),
    [
        ("Alone", "body_field: body, signature_field: mac"),
        ("AsIs", "body_field: raw.data, signature_metadata: x-sig"),
        ("Deliver", "body_field: body, signature_metadata: x-sig, disabled: true"),
    ],
)
def test_where_everything_is_signed_nothing_is_told(
    method: str, webhook: str, given: Given
) -> None:
    assert told(given, webhook, method) == []


def test_a_field_that_travels_as_a_header_is_told(given: Given) -> None:
    headers = "headers: {request_fields: {x-kind: event.kind}}, "
    webhook = "body_field: body, signature_field: mac"
    (one,) = told(given, webhook, body="*", more=headers)
    assert "what stands in tenant (in the path), event (in a header) is" in one
