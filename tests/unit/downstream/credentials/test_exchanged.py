"""Tokens in exchange for callers': whose, for how long, and who gets none."""

import asyncio

import pytest
from unit.downstream.credentials.tokens import asking, until

from gateway.core.errors import Origin, Reason
from gateway.core.status import Code
from gateway.downstream.credentials import Caller, exchanged
from gateway.downstream.credentials.bearer import bearer_token

EXCHANGE = Caller.EXCHANGE


def of(name: str) -> tuple[str, str]:
    return ("authorization", f"Bearer {name}")


async def test_each_caller_has_its_own_which_is_kept():
    async with asking(EXCHANGE) as (made, server):
        assert await made.bearer(of("alice")) == "of-alice-1"
        assert await made.bearer(of("bob")) == "of-bob-2"
        assert await made.bearer(of("alice")) == "of-alice-1"
        assert made.source.at_hand([of("bob")]) == {"authorization": "Bearer of-bob-2"}
        assert len(server.forms) == 2


async def test_no_caller_s_token_is_kept():
    async with asking(EXCHANGE) as (made, _):
        await made.bearer(of("alice-and-her-secret"))
        assert not any(b"alice" in key for key in made.source._kept)


async def test_one_token_is_exchanged_once_for_who_comes_at_once():
    async with asking(EXCHANGE) as (made, server):
        got = await asyncio.gather(*(made.bearer(of("alice")) for _ in range(5)))
        assert got == ["of-alice-1"] * 5
        assert len(server.forms) == 1


async def test_who_stops_waiting_stops_nobody_else():
    async with asking(EXCHANGE) as (made, server):
        server.hold = asyncio.Event()
        first, second = (asyncio.create_task(made.bearer(of("alice"))) for _ in range(2))
        await until(lambda: server.forms)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        server.hold.set()
        assert await second == "of-alice-1"


@pytest.mark.parametrize("expires_in", [100, None])
async def test_one_is_used_until_a_margin_before_its_end_and_never_beyond(expires_in):
    async with asking(EXCHANGE) as (made, server):
        server.expires_in = expires_in
        await made.bearer(of("alice"))
        life_s = expires_in or 60
        made.clock.advance(life_s * 0.9 - 0.1)
        assert await made.bearer(of("alice")) == "of-alice-1"
        made.clock.advance(0.2)
        assert await made.bearer(of("alice")) == "of-alice-2"


async def test_its_time_counts_from_the_question():
    async with asking(EXCHANGE, timeout_s=1000.0) as (made, server):
        server.expires_in, server.hold = 100, asyncio.Event()
        waiting = asyncio.create_task(made.bearer(of("alice")))
        await until(lambda: server.forms)
        made.clock.advance(80)
        server.hold.set()
        await waiting
        made.clock.advance(10)
        assert made.source.at_hand([of("alice")]) is None


async def test_no_more_are_kept_than_allowed_and_the_one_unused_longest_goes():
    async with asking(EXCHANGE, max_tokens=2) as (made, server):
        for name in ("alice", "bob", "alice", "carol"):
            await made.bearer(of(name))
        assert len(made.source) == 2
        assert made.source.at_hand([of("alice")])
        assert made.source.at_hand([of("bob")]) is None
        assert len(server.forms) == 3


async def test_who_waited_gets_its_token_though_it_is_not_kept_any_more():
    async with asking(EXCHANGE, max_tokens=1) as (made, _):
        names = [f"caller{i}" for i in range(20)]
        got = await asyncio.gather(*(made.bearer(of(name)) for name in names))
        assert [token.rpartition("-")[0] for token in got] == [f"of-{name}" for name in names]


@pytest.mark.parametrize(
    "metadata",
    [
        [],
        [("authorization", "Basic YTpi")],
        [("authorization", "Bearer ")],
        [("authorization", b"Bearer x")],
        [("x-api-key", "Bearer x")],
        [of("alice"), of("bob")],
        [("authorization", "Bearer alice, Bearer bob")],
    ],
)
async def test_a_caller_without_one_bearer_token_is_refused(metadata):
    async with asking(EXCHANGE) as (made, server):
        error = await made.refusal(*metadata)
        assert made.source.at_hand(metadata).code is Code.UNAUTHENTICATED
        assert (error.code, error.reason) == (Code.UNAUTHENTICATED, Reason.UNAUTHENTICATED)
        assert error.origin is Origin.CALLER
        assert server.forms == []


@pytest.mark.parametrize("value", ["Bearer t", "bearer t", "BEARER   t "])
def test_the_scheme_is_read_in_any_case(value: str):
    assert bearer_token([("authorization", value)]) == "t"


@pytest.mark.parametrize("code", ["invalid_grant", "invalid_request"])
async def test_a_token_that_the_server_does_not_accept_refuses_its_caller_alone(code: str):
    async with asking(EXCHANGE) as (made, server):
        server.status, server.body = 400, {"error": code}
        error = await made.refusal(of("alice-s3cret"))
        assert error.code is Code.UNAUTHENTICATED
        assert "s3cret" not in error.message
        await made.refusal(of("alice-s3cret"))
        assert len(server.forms) == 1  # for five seconds
        server.status, server.body = 200, None
        assert await made.bearer(of("bob")) == "of-bob-2"
        made.clock.advance(5)
        assert await made.bearer(of("alice-s3cret")) == "of-alice-s3cret-3"


async def test_a_server_that_fails_is_asked_for_nobody_until_its_pause_is_over():
    async with asking(EXCHANGE) as (made, server):
        await made.bearer(of("known"))
        server.status, server.body = 401, {"error": "invalid_client"}
        error = await made.refusal(of("alice"))
        assert (error.code, error.reason) == (Code.UNAVAILABLE, Reason.CREDENTIAL_UNAVAILABLE)
        assert error.retry_after_s == pytest.approx(1.0)
        assert (await made.refusal(of("bob"))).reason is Reason.CREDENTIAL_UNAVAILABLE
        assert len(server.forms) == 2
        assert await made.bearer(of("known")) == "of-known-1"  # which is there already
        server.status, server.body = 200, None
        made.clock.advance(1.0)
        assert await made.bearer(of("bob")) == "of-bob-3"


async def test_one_that_the_upstream_does_not_accept_is_exchanged_anew_once_in_a_while():
    async with asking(EXCHANGE) as (made, _):
        alice = [of("alice")]
        given = await made.source.obtain(alice)
        made.source.rejected(given, alice)
        assert await made.bearer(of("alice")) == "of-alice-2"
        made.source.rejected(given, alice)  # a late answer to the first
        made.source.rejected(await made.source.obtain(alice), alice)  # too soon
        assert await made.bearer(of("alice")) == "of-alice-2"
        made.clock.advance(5)
        made.source.rejected(await made.source.obtain(alice), alice)
        assert await made.bearer(of("alice")) == "of-alice-3"


async def test_the_end_ends_questions_and_who_waits_is_refused():
    async with asking(EXCHANGE) as (made, server):
        server.hold = asyncio.Event()
        waiting = asyncio.create_task(made.refusal(of("alice")))
        await until(lambda: server.forms)
        await made.credentials.close()
        assert (await waiting).reason is Reason.CREDENTIAL_UNAVAILABLE


async def test_on_nobody_s_behalf_the_same_server_gives_the_upstream_s_own():
    async with asking(EXCHANGE) as (made, server):
        assert await made.credentials.own.obtain() == {"authorization": "Bearer own-1"}
        assert server.forms[0]["grant_type"] == "client_credentials"


async def test_who_has_no_client_has_nothing_of_its_own():
    async with asking(EXCHANGE, client_id="", client_secret="") as (made, _):
        assert made.credentials.own is None
        assert await made.bearer(of("alice")) == "of-alice-1"


async def cancelled(*tasks: asyncio.Task[object]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_calls_that_are_made_and_cancelled_leave_few_questions_behind():
    async with asking(EXCHANGE) as (made, server):
        server.hold = asyncio.Event()
        for first in range(0, 60, 20):
            numbers = range(first, first + 20)
            tasks = [asyncio.create_task(made.bearer(of(f"junk{n}"))) for n in numbers]
            await until(lambda: server.forms)
            await cancelled(*tasks)
        await until(lambda: len(made.source._questions) == exchanged.MAX_UNATTENDED)
        assert made.source._unattended == exchanged.MAX_UNATTENDED
        server.hold.set()
        assert await made.bearer(of("alice")) is not None
        await until(lambda: not made.source._questions)
        assert made.source._unattended == 0


async def test_one_that_goes_on_alone_may_be_waited_for_again():
    async with asking(EXCHANGE) as (made, server):
        server.hold = asyncio.Event()
        for _ in range(3):
            waiting = asyncio.create_task(made.bearer(of("alice")))
            await until(lambda: server.forms)
            await cancelled(waiting)
        assert made.source._unattended == 1
        again = asyncio.create_task(made.bearer(of("alice")))
        server.hold.set()
        assert await again == "of-alice-1"
        assert len(server.forms) == 1


async def test_waiting_for_a_place_is_no_failure_of_the_server(monkeypatch):
    async with asking(EXCHANGE, timeout_s=5.0) as (made, server):
        server.hold = asyncio.Event()
        tasks = [asyncio.create_task(made.bearer(of(f"user{n}"))) for n in range(40)]
        await until(lambda: len(server.forms) == 16)
        made.clock.advance(4.0)
        server.hold.set()
        got = await asyncio.gather(*tasks)
        assert len(set(got)) == 40
        assert made.source.at_hand([of("other")]) is None, "it is not spared"


async def test_too_many_questions_are_refused_and_nobody_else_notices(monkeypatch):
    monkeypatch.setattr(exchanged, "MAX_QUESTIONS", 3)
    async with asking(EXCHANGE) as (made, server):
        server.hold = asyncio.Event()
        tasks = [asyncio.create_task(made.bearer(of(f"user{n}"))) for n in range(3)]
        await until(lambda: len(server.forms) == 3)
        refused = await made.source.obtain([of("one-more")])
        assert refused.code is Code.UNAVAILABLE
        assert refused.retry_after_s == 1.0
        assert "too many callers" in refused.message
        server.hold.set()
        assert len(set(await asyncio.gather(*tasks))) == 3
