"""Credentials that were sent are cut out of what an upstream says."""

import base64
import json

import pytest

from gateway.transcode.secrets import scrubbed, sent_secrets

BASIC = base64.b64encode(b'gateway:pa/ss"wo\\rd').decode()


@pytest.mark.parametrize(
    ("header", "value", "quoted"),
    [
        ("authorization", "Bearer abcdef123", "abcdef123"),
        ("authorization", "Bearer abcdef123", "Bearer abcdef123"),
        ("authorization", f"Basic {BASIC}", BASIC),
        ("authorization", f"Basic {BASIC}", 'pa/ss"wo\\rd'),
        ("x-api-key", "key-of-shop", "key-of-shop"),
        ("cookie", "sid=1234567", "sid=1234567"),
        ("x-auth-token", "tok/en+1=", "tok%2Fen%2B1%3D"),
    ],
)
def test_what_was_sent_is_cut_out_however_it_is_written(
    header: str, value: str, quoted: str
) -> None:
    body = json.dumps({"message": f"the key {quoted} is not valid", "again": quoted}).encode()
    escaped = body.replace(b"/", b"\\/")
    for secrets in (sent_secrets({header: value}, ()), sent_secrets({}, [(header, value)])):
        for text in (body, escaped):
            found = json.loads(scrubbed(text, secrets))
            assert quoted not in found["message"]
            assert "(hidden)" in found["message"]
            assert "(hidden)" in found["again"]


def test_other_headers_and_short_values_are_no_secrets() -> None:
    assert sent_secrets({"x-request-id": "abcdefghij", "x-api-key": "12345"}, ()) == ()


def test_what_holds_none_is_the_same_object() -> None:
    body = b"nothing here"
    assert scrubbed(body, sent_secrets({"authorization": "Bearer abcdef123"}, ())) is body
