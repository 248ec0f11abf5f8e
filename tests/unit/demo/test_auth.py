"""The panel's auth function as other HTTP clients see it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from fakes.clock import FakeClock

from gateway.demo.auth import AUTH
from gateway.demo.panel import Panel
from gateway.demo.server import DownstreamApp

ANA = {"email": "ana@example.com", "password": "correct horse"}
BO = {"email": "Bo@example.com", "password": "eight letters", "displayName": "Bo"}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def client(clock: FakeClock) -> AsyncIterator[TestClient]:
    async with TestClient(TestServer(DownstreamApp(Panel(3, clock), 3, clock).build())) as client:
        yield client


async def act(
    client: TestClient, action: str, body: Any = None, token: str = ""
) -> tuple[int, Any]:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    given = {} if body is None else body
    answer = await client.post(f"{AUTH}?action={action}", json=given, headers=headers)
    return answer.status, await answer.json() if answer.status != 204 else None


async def test_a_session_is_begun_verified_and_ended(client: TestClient) -> None:
    status, session = await act(client, "login", ANA)
    assert status == 200
    assert session["expireTime"] == "2027-01-15T09:16:40Z"
    assert session["user"] == {
        "userId": "usr-1",
        "email": "ana@example.com",
        "displayName": "Ana",
        "role": "customer",
    }
    token = session["token"]
    assert await act(client, "verify", token=token) == (200, session["user"])
    assert (await act(client, "logout", token=token))[0] == 204
    assert (await act(client, "verify", token=token))[0] == 401
    assert (await act(client, "logout", token=token))[0] == 204  # over either way


async def test_a_session_ends_by_itself_after_an_hour(client: TestClient, clock: FakeClock) -> None:
    _, session = await act(client, "login", ANA)
    clock.advance(3599)
    assert (await act(client, "verify", token=session["token"]))[0] == 200
    clock.advance(1)
    assert (await act(client, "verify", token=session["token"]))[0] == 401


@pytest.mark.parametrize("wrong", [{"password": "x"}, {"email": "nobody@example.com"}])
async def test_a_wrong_address_and_a_wrong_password_are_told_alike(
    client: TestClient, wrong: dict[str, str]
) -> None:
    status, body = await act(client, "login", ANA | wrong)
    assert status == 401
    assert body["error"]["message"] == "the e-mail address or the password is not right"


async def test_an_account_is_opened_once_and_its_address_has_no_case(client: TestClient) -> None:
    status, session = await act(client, "signup", BO)
    assert (status, session["user"]["email"]) == (201, "bo@example.com")
    assert (await act(client, "signup", BO | {"email": "BO@example.com"}))[0] == 409
    assert (await act(client, "login", BO))[0] == 200


@pytest.mark.parametrize(
    ("action", "body", "text"),
    [
        ("login", {"email": "ana@example.com"}, "password is needed"),
        ("signup", BO | {"displayName": 7}, "display_name is needed"),
        ("signup", BO | {"password": "short"}, "password must have at least 8 characters"),
        ("guess", {}, "action must be login, signup, verify or logout"),
    ],
)
async def test_what_cannot_be_is_refused_by_its_field(
    client: TestClient, action: str, body: dict[str, Any], text: str
) -> None:
    status, said = await act(client, action, body)
    assert (status, said["error"]["message"]) == (400, text)


@pytest.mark.parametrize("authorization", ["", "Basic abc", "Bearer ", "Bearer ses-0"])
async def test_without_a_session_nobody_is_told_of(client: TestClient, authorization: str) -> None:
    headers = {"authorization": authorization} if authorization else {}
    answer = await client.post(f"{AUTH}?action=verify", json={}, headers=headers)
    assert answer.status == 401


async def test_equal_seeds_give_equal_tokens_and_a_reset_ends_them(
    client: TestClient, clock: FakeClock
) -> None:
    _, first = await act(client, "login", ANA)
    assert (await client.post("/_demo/reset")).status == 204
    assert (await act(client, "verify", token=first["token"]))[0] == 401
    _, again = await act(client, "login", ANA)
    assert again["token"] == first["token"]
