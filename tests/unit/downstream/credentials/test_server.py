"""What an authorization server is asked, and what its answers mean."""

import base64
from urllib.parse import quote_plus

import orjson
import pytest
from unit.downstream.credentials.tokens import SECRET, asking

from gateway.core.errors import Reason
from gateway.core.http import HttpAnswer
from gateway.downstream.credentials import Caller, CredentialOptions, OAuth2Options
from gateway.downstream.credentials.server import Failure, Grant, _failure, read_grant

CALLER = ("authorization", "Bearer alice")


async def test_a_token_is_asked_for_by_a_form_and_the_client_told_by_basic():
    async with asking(scopes=("read", "write"), audience="orders") as (made, server):
        assert await made.bearer() == "own-1"
    assert server.upstream.requests == ["POST /token"]
    assert server.forms == [
        {"grant_type": "client_credentials", "scope": "read write", "audience": "orders"}
    ]
    (told,) = server.authorizations
    pair = base64.b64decode(told.removeprefix("Basic ")).decode()
    assert pair == f"gate%3Away:{quote_plus(SECRET)}"  # RFC 6749, 2.3.1
    (headers,) = server.upstream.headers
    assert headers["content-type"] == "application/x-www-form-urlencoded"
    assert headers["accept"] == "application/json"


async def test_an_exchange_names_the_callers_token_and_its_kind():
    async with asking(Caller.EXCHANGE, audience="orders") as (made, server):
        assert await made.bearer(CALLER) == "of-alice-1"
    assert server.forms == [
        {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": "alice",
            "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "audience": "orders",
        }
    ]


async def test_a_client_without_a_secret_is_told_in_the_form():
    async with asking(Caller.EXCHANGE, client_secret="") as (made, server):
        await made.bearer(CALLER)
    assert server.authorizations == [None]
    assert server.forms[0]["client_id"] == "gate:way"


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (200, b"", "sent an answer without a token"),
        (200, b"[]", "sent an answer without a token"),
        (200, b"<html>", "sent an answer without a token"),
        (200, b'{"access_token": ""}', "sent an answer without a token"),
        (200, b'{"access_token": 7}', "sent an answer without a token"),
        (200, {"access_token": "x" * 20_000}, "sent an answer without a token"),
        (200, {"access_token": "a\r\nb"}, "sent a token with a character that no header may"),
        (200, {"access_token": "a b"}, "sent a token with a character that no header may have"),
        (200, {"access_token": "a", "token_type": "mac"}, "sent a token that is not a bearer"),
        (200, {"access_token": "a", "expires_in": 0}, "sent a token that has ended already"),
        (200, b"x" * 70_000, "is larger than 65536 bytes"),
        (201, {"access_token": "a"}, "answered 201"),
        (302, b"", "answered 302"),
        (400, {"error": "invalid_scope"}, "answered 400 (invalid_scope)"),
        (401, {"error": "invalid_client"}, "answered 401 (invalid_client)"),
        (400, {"error": "s3cret", "error_description": "s3cret"}, "answered 400"),
        (500, b"s3cret", "answered 500"),
    ],
)
async def test_answers_without_a_token_say_what_they_are_and_quote_nothing(status, body, why):
    async with asking() as (made, server):
        server.status, server.body = status, body
        error = await made.refusal()
    assert error.reason is Reason.CREDENTIAL_UNAVAILABLE
    assert why in error.message
    assert "s3cret" not in error.message
    assert SECRET not in error.message


async def test_a_redirect_is_not_followed_with_the_secret():
    async with asking() as (made, server):
        server.status, server.headers = 307, {"Location": "/elsewhere"}
        await made.refusal()
        assert server.upstream.requests == ["POST /token"]


async def test_a_server_that_cannot_be_reached_is_told_by_its_place():
    async with asking(token_url="http://127.0.0.1:1/token") as (made, _):
        error = await made.refusal()
    place = "is not reachable at 127.0.0.1:1"
    assert f"the credential for upstream 'shop' cannot be had: its token server {place}" in (
        error.message
    )


@pytest.mark.parametrize(
    ("told", "life_s"),
    [(60, 60.0), ("60", 60.0), (1.5, 1.5), (None, None), ("soon", None), (True, None), ([], None)],
)
def test_a_life_is_a_number_or_a_text_of_one(told, life_s):
    body = b'{"access_token": "t", "token_type": "BEARER"}'
    if told is not None:
        body = orjson.dumps({"access_token": "t", "token_type": "BEARER", "expires_in": told})
    assert read_grant(HttpAnswer(200, {}, body)) == Grant("t", life_s)


@pytest.mark.parametrize("told", ["1e999", "nan", "-inf"])
def test_a_life_without_bounds_is_none(told):
    body = b'{"access_token": "t", "expires_in": "%s"}' % told.encode()
    assert read_grant(HttpAnswer(200, {}, body)) == Grant("t", None)


def test_nothing_that_is_kept_shows_a_secret():
    options = CredentialOptions(
        headers={"authorization": "Bearer hunter2"},
        oauth2=OAuth2Options(token_url="https://a", client_id="me", client_secret="hunter2"),
    )
    assert "hunter2" not in repr(options)
    assert "hunter2" not in repr(Grant("hunter2", 1.0))
    assert isinstance(read_grant(HttpAnswer(200, {}, b"{}")), Failure)


def _of_subject(status: int, code: str, *, exchanges: bool = True) -> bool:
    body = orjson.dumps({"error": code}) if code else b""
    return _failure(HttpAnswer(status, {}, body), exchanges).of_subject


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "invalid_grant"),
        (400, "invalid_request"),
        (400, "invalid_token"),
        (401, "invalid_grant"),
        (403, "access_denied"),
        (400, ""),
    ],
)
def test_a_refusal_of_an_exchange_is_of_the_token_that_was_sent(status: int, code: str) -> None:
    assert _of_subject(status, code)
    assert not _of_subject(status, code, exchanges=False)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "invalid_client"),
        (400, "unauthorized_client"),
        (400, "unsupported_grant_type"),
        (404, ""),
        (405, ""),
        (408, ""),
        (429, ""),
        (500, "server_error"),
        (503, "temporarily_unavailable"),
    ],
)
def test_what_refuses_the_gateway_or_fails_is_of_no_token(status: int, code: str) -> None:
    assert not _of_subject(status, code)
