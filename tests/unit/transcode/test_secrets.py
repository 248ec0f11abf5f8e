"""Credentials that were sent are cut out of what an upstream says."""

import base64
import json

import pytest

from gateway.transcode.secrets import scrubbed, scrubbed_json, sent_secrets

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


@pytest.mark.parametrize("name", ["idempotency-key", "x-author", "x-idempotency-key"])
def test_what_only_sounds_like_a_secret_is_told(name: str) -> None:
    assert sent_secrets({}, [(name, "ord-1001")]) == ()


def test_parameters_that_are_credentials_are_cut_out_and_others_are_told() -> None:
    target = "/v1/rates?access_key=abc%2Fdef1&city=Amsterdam&sort_key=created_at&appid=1234567"
    secrets = sent_secrets({}, (), target)
    assert scrubbed(b'"abc/def1" or 1234567', secrets) == b'"(hidden)" or (hidden)'
    assert scrubbed(b"Amsterdam created_at", secrets) == b"Amsterdam created_at"


def test_metadata_that_a_provider_reads_is_a_credential_whatever_it_is_called() -> None:
    assert sent_secrets({}, [("x-partner", "of-shop")]) == ()
    assert b"of-shop" in sent_secrets({}, [("x-partner", "of-shop")], "", {"x-partner"})


@pytest.mark.parametrize("token", ['"message":', '{"code"', "code12", 'a"b\\c\u00e9"', "9012345"])
def test_no_secret_breaks_the_json_that_it_is_cut_out_of(token: str) -> None:
    error = {"code": 5, "message": f"no {token}!", "code12": [1, {"in": token, "n": 9012345}]}
    found = scrubbed_json(error, sent_secrets({}, [("x-token", token)]))
    assert found["message"] == "no (hidden)!"
    assert found["code"] == 5
    assert token not in json.dumps([found["message"], list(found)])


def test_json_of_any_depth_is_looked_through() -> None:
    deep: object = "of-shop"
    for _ in range(900):
        deep = [deep]
    found = scrubbed_json({"message": "of-shop", "deep": deep}, (b"of-shop",))
    assert found["message"] == "(hidden)"
    assert "of-shop" not in json.dumps(found)


def test_what_holds_none_is_the_same_object() -> None:
    body = b"nothing here"
    assert scrubbed(body, sent_secrets({"authorization": "Bearer abcdef123"}, ())) is body
