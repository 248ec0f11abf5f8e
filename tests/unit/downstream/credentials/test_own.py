"""An upstream's own token: when it is asked for, who waits, and what happens without it."""

import asyncio

import pytest
from unit.downstream.credentials.tokens import asking, until

from gateway.core.errors import Origin, Reason, Sent
from gateway.core.status import Code
from gateway.downstream.credentials.own import FixedCredential


async def test_the_first_token_is_asked_for_when_it_is_needed_and_then_kept():
    async with asking() as (made, server):
        assert made.source.at_hand(()) is None
        assert server.forms == []
        assert await made.bearer() == "own-1"
        assert made.source.at_hand(()) == {"authorization": "Bearer own-1"}
        assert await made.bearer() == "own-1"
        assert len(server.forms) == 1


async def test_who_comes_at_once_waits_for_one_question():
    async with asking() as (made, server):
        assert await asyncio.gather(*(made.bearer() for _ in range(5))) == ["own-1"] * 5
        assert len(server.forms) == 1


async def test_who_stops_waiting_stops_nobody_else():
    async with asking() as (made, server):
        server.hold = asyncio.Event()
        first, second = asyncio.create_task(made.bearer()), asyncio.create_task(made.bearer())
        await until(lambda: server.forms)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        server.hold.set()
        assert await second == "own-1"
        assert server.upstream.disconnects == 0


async def test_an_answer_that_nobody_waits_for_any_more_is_the_next_calls():
    async with asking() as (made, server):
        server.hold = asyncio.Event()
        only = asyncio.create_task(made.bearer())
        await until(lambda: server.forms)
        only.cancel()
        await asyncio.gather(only, return_exceptions=True)
        server.hold.set()
        await until(lambda: made.source.at_hand(()))
        assert await made.bearer() == "own-1"


async def test_another_is_asked_for_beside_calls_before_the_end():
    async with asking() as (made, server):
        await made.bearer()
        made.clock.advance(2519)
        assert len(server.forms) == 1
        made.clock.advance(1)  # 70 % of an hour
        assert made.source.at_hand(()) == {"authorization": "Bearer own-1"}
        await until(lambda: made.source.at_hand(()) == {"authorization": "Bearer own-2"})
        assert len(server.forms) == 2


async def test_a_token_that_nobody_uses_is_let_go():
    async with asking() as (made, server):
        await made.bearer()
        made.clock.advance(2520)
        await until(lambda: made.source.at_hand(()) == {"authorization": "Bearer own-2"})
        made.source._used = False
        made.clock.advance(3600)
        assert made.source.at_hand(()) is None
        assert len(server.forms) == 2
        assert await made.bearer() == "own-3"


async def test_one_that_is_used_after_it_was_due_is_renewed_then():
    async with asking() as (made, server):
        await made.bearer()
        made.source._used = False
        made.clock.advance(3000)
        assert len(server.forms) == 1
        assert await made.bearer() == "own-1"
        await until(lambda: made.source.at_hand(()) == {"authorization": "Bearer own-2"})


async def test_while_renewing_fails_the_old_one_is_used_until_its_end_and_no_longer():
    async with asking() as (made, server):
        await made.bearer()
        server.status = 500
        made.clock.advance(2520)
        await until(lambda: len(server.forms) == 2 and made.source._question is None)
        assert made.source.at_hand(()) == {"authorization": "Bearer own-1"}
        made.clock.advance(1.0)  # the pause
        await until(lambda: len(server.forms) == 3 and made.source._question is None)
        assert made.source.at_hand(()) == {"authorization": "Bearer own-1"}
        made.clock.advance(3570 - 2521)
        await until(lambda: made.source._question is None)
        assert (await made.refusal()).reason is Reason.CREDENTIAL_UNAVAILABLE


async def test_once_renewing_succeeds_again_the_new_one_is_used():
    async with asking() as (made, server):
        await made.bearer()
        server.status = 500
        made.clock.advance(2520)
        await until(lambda: len(server.forms) == 2 and made.source._question is None)
        server.status = 200
        made.clock.advance(1.0)
        await until(lambda: made.source.at_hand(()) == {"authorization": "Bearer own-3"})


async def test_a_server_that_fails_is_not_asked_again_before_its_pause_is_over():
    async with asking() as (made, server):
        server.status = 500
        error = await made.refusal()
        assert (error.code, error.reason) == (Code.UNAVAILABLE, Reason.CREDENTIAL_UNAVAILABLE)
        assert (error.origin, error.sent, error.transient) == (
            Origin.GATEWAY,
            Sent.NOT_SENT,
            True,
        )
        assert error.retry_after_s == pytest.approx(1.0)
        assert error.upstream == "shop"
        made.clock.advance(0.75)
        again = await made.refusal()
        assert again.retry_after_s == pytest.approx(0.25)
        assert "answered 500" in again.message
        assert len(server.forms) == 1
        server.status = 200
        made.clock.advance(0.25)
        assert await made.bearer() == "own-2"


async def test_a_server_that_says_when_is_asked_then():
    async with asking() as (made, server):
        server.status, server.headers = 429, {"Retry-After": "7"}
        assert (await made.refusal()).retry_after_s == pytest.approx(7)


async def test_a_question_takes_its_time_and_no_longer():
    async with asking(timeout_s=2.0) as (made, server):
        server.hold = asyncio.Event()
        waiting = asyncio.create_task(made.refusal())
        await until(lambda: server.forms)
        made.clock.advance(1.9)
        await asyncio.sleep(0.01)
        assert not waiting.done()
        made.clock.advance(0.2)
        error = await waiting
        assert error.message.endswith("its token server did not answer within 2 s")
        await until(lambda: server.upstream.disconnects == 1)


async def test_a_token_that_the_upstream_does_not_accept_is_asked_for_anew():
    async with asking() as (made, _):
        given = await made.source.obtain(())
        made.source.rejected(given, ())
        assert await made.bearer() == "own-2"
        made.source.rejected(given, ())  # a late answer to the first
        assert await made.bearer() == "own-2"
        made.source.rejected(await made.source.obtain(()), ())  # too soon
        assert await made.bearer() == "own-2"
        made.clock.advance(5)
        made.source.rejected(await made.source.obtain(()), ())
        assert await made.bearer() == "own-3"


async def test_the_end_ends_a_question_and_who_waits_for_it_is_refused():
    async with asking() as (made, server):
        server.hold = asyncio.Event()
        waiting = asyncio.create_task(made.refusal())
        await until(lambda: server.forms)
        await made.credentials.close()
        assert (await waiting).reason is Reason.CREDENTIAL_UNAVAILABLE
        assert made.clock.pending == 0


async def test_no_timer_is_left_behind():
    async with asking() as (made, _):
        await made.bearer()
        assert made.clock.pending >= 1
        await made.credentials.close()
        assert made.clock.pending == 0


async def test_a_credential_that_never_changes_is_there_at_once():
    fixed = FixedCredential({"x-api-key": "k"})
    given = await fixed.obtain()
    fixed.rejected(given)
    assert await fixed.obtain() == {"x-api-key": "k"}
