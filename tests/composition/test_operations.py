"""Durable operations, from callers over the store to the upstream and back."""

import asyncio
import base64
import hashlib
from pathlib import Path

import grpc
import pytest
from google.longrunning import operations_pb2 as lro
from google.rpc import code_pb2
from seawall.operations.v1.operations_pb2 import OperationMetadata
from support.payments import reason
from support.works import (
    PUBLISH,
    SUBMIT,
    Caller,
    Press,
    page_of,
    press_and_gateway,
    progress_of,
)

from gateway.core.errors import ConfigError
from gateway.core.events import (
    CallDeduplicated,
    OperationAccepted,
    OperationAttempted,
    OperationEnded,
)

QUICK = "max_attempts: 3, initial_delay: 0.05s, max_delay: 0.1s"
PLAIN = f"{{Print: {{operation: {{{QUICK}}}, retry: {{disabled: true}}}}}}"


async def until(press: Press, reached: int) -> None:
    for _ in range(500):
        if len(press.seen) >= reached:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"only {len(press.seen)} of {reached} reached it")


async def test_a_call_is_answered_at_once_and_made_behind(tmp_path: Path) -> None:
    async with press_and_gateway(tmp_path, PLAIN) as (press, running):
        press.gate.clear()
        caller = Caller(running.channel)
        begun = await caller.begin("hello")
        assert not begun.done
        assert begun.name.startswith("operations/")
        await until(press, 1)
        assert not (await caller.get(begun.name)).done
        press.gate.set()
        ended = await caller.wait(begun.name)
        assert page_of(ended) == "p1"
        assert page_of(await caller.get(begun.name)) == "p1"
        assert [text for _, text, _ in press.seen] == ["hello"]
        assert [event.operation for event in running.of(OperationAccepted)] == [begun.name[11:]]
        assert [(e.state, e.attempts) for e in running.of(OperationEnded)] == [("succeeded", 1)]


async def test_its_progress_has_the_type_that_the_method_declares(tmp_path: Path) -> None:
    async with press_and_gateway(tmp_path, PLAIN) as (_, running):
        caller = Caller(running.channel)
        ended = await caller.wait((await caller.begin("hello")).name)
        assert ended.metadata.type_url == "type.googleapis.com/work.v1.PrintProgress"
        assert ended.metadata.value == b"\x08\x01\x12\x13work.v1.Works/Print"


async def test_every_attempt_carries_the_same_key(tmp_path: Path) -> None:
    async with press_and_gateway(tmp_path, PLAIN) as (press, running):
        press.says(503)
        press.says(500)
        caller = Caller(running.channel)
        mine = await caller.begin("mine", "k1")
        assert page_of(await caller.wait(mine.name)) == "p1"
        assert [key for _, _, key in press.seen] == ["k1"] * 3
        other = await caller.begin("without")
        assert page_of(await caller.wait(other.name)) == "p2"
        assert press.seen[-1][2] == other.name.removeprefix("operations/")


async def test_the_same_key_is_the_same_operation(tmp_path: Path) -> None:
    async with press_and_gateway(tmp_path, PLAIN) as (press, running):
        caller = Caller(running.channel)
        names = {
            one.name for one in await asyncio.gather(*(caller.begin("a", "k1") for _ in range(50)))
        }
        assert len(names) == 1
        await caller.wait(names.pop())
        assert len(press.seen) == 1
        assert len(running.of(CallDeduplicated)) == 49
        assert (await caller.begin("a", "k2")).name not in names
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await caller.begin("b", "k1")
        assert (refused.value.code().name, reason(refused.value)) == (
            "INVALID_ARGUMENT",
            "KEY_REUSED",
        )


async def test_what_the_upstream_refuses_for_good_is_not_tried_again(tmp_path: Path) -> None:
    async with press_and_gateway(tmp_path, PLAIN) as (press, running):
        press.says(422, {"message": "no such paper"})
        caller = Caller(running.channel)
        ended = await caller.wait((await caller.begin("a")).name)
        assert ended.error.code == code_pb2.INVALID_ARGUMENT
        assert "no such paper" in ended.error.message
        assert len(press.seen) == 1
        assert [e.state for e in running.of(OperationEnded)] == ["failed"]


async def test_attempts_that_are_spent_make_a_dead_letter(tmp_path: Path) -> None:
    methods = f"{{Publish: {{}}, Print: {{operation: {{{QUICK}}}, retry: {{disabled: true}}}}}}"
    methods = methods.replace("Publish: {}, ", "")
    async with press_and_gateway(tmp_path, methods) as (press, running):
        for _ in range(3):
            press.says(503, {"message": "out of ink"})
        caller = Caller(running.channel)
        ended = await caller.wait((await caller.begin("a")).name)
        assert ended.error.code == code_pb2.UNAVAILABLE
        assert "tried 3 times" in ended.error.message
        assert "out of ink" in ended.error.message
        assert len(press.seen) == 3
        assert [(e.state, e.attempts) for e in running.of(OperationEnded)] == [("dead", 3)]


async def test_what_the_breaker_lets_not_through_is_no_attempt(tmp_path: Path) -> None:
    more = (
        "upstreams: {default: {policy: {breaker: {consecutive_failures: 1, open_time: 0.4s, "
        "max_open_time: 0.4s, open_time_jitter: 0, successes_to_close: 1, probes: 1}}}}\n"
    )
    async with press_and_gateway(tmp_path, PLAIN, more) as (press, running):
        press.says(503)
        caller = Caller(running.channel)
        ended = await caller.wait((await caller.begin("a")).name)
        assert page_of(ended) == "p1"
        assert len(press.seen) == 2
        assert [e.attempts for e in running.of(OperationEnded)] == [2]


async def test_only_who_began_it_sees_it(tmp_path: Path) -> None:
    async with press_and_gateway(tmp_path, PLAIN) as (_, running):
        alice = Caller(running.channel, ("authorization", "Bearer a"))
        bob = Caller(running.channel, ("authorization", "Bearer b"))
        name = (await alice.begin("a")).name
        assert page_of(await alice.wait(name)) == "p1"
        for ask in (bob.get, bob.wait):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await ask(name)
            assert reason(refused.value) == "OPERATION_UNKNOWN"
        for method, request in (
            (bob.operations.CancelOperation, lro.CancelOperationRequest(name=name)),
            (bob.operations.DeleteOperation, lro.DeleteOperationRequest(name=name)),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await method(request, metadata=bob.metadata)
            assert refused.value.code() is grpc.StatusCode.NOT_FOUND
        for caller, found in ((alice, [name]), (bob, [])):
            listed = await caller.operations.ListOperations(
                lro.ListOperationsRequest(name="operations"), metadata=caller.metadata
            )
            assert [one.name for one in listed.operations] == found


async def test_credentials_of_callers_are_kept_nowhere(tmp_path: Path) -> None:
    async with press_and_gateway(tmp_path, PLAIN) as (press, running):
        secret = "s3cr3t-of-alice"
        alice = Caller(
            running.channel, ("authorization", f"Bearer {secret}"), ("x-request-id", "r-17")
        )
        await alice.wait((await alice.begin("a")).name)
        assert press.headers[0]["x-request-id"] == "r-17"
        assert secret not in str(press.headers)
        files = list(tmp_path.glob("seawall.db*"))
        assert files
        kept = b"".join(file.read_bytes() for file in files)
        assert b"r-17" in kept
        assert secret.encode() not in kept


def forged(number: int) -> str:
    """Return a page token as anybody can make one."""
    seal = hashlib.sha256(f"{number}\0".encode()).hexdigest()[:16]
    return base64.urlsafe_b64encode(f"{number}.{seal}".encode()).decode()


async def test_they_are_listed_in_pages_by_filter(tmp_path: Path) -> None:
    async with press_and_gateway(tmp_path, PLAIN) as (press, running):
        caller = Caller(running.channel)
        press.says(422)
        names = []
        for text in ("a", "b", "c", "d", "e"):
            names.append((await caller.begin(text)).name)
            await caller.wait(names[-1])

        async def listed(**asked: object) -> lro.ListOperationsResponse:
            return await caller.operations.ListOperations(
                lro.ListOperationsRequest(name="operations", **asked)
            )

        first = await listed(page_size=2)
        second = await listed(page_size=2, page_token=first.next_page_token)
        third = await listed(page_size=2, page_token=second.next_page_token)
        pages = [[one.name for one in page.operations] for page in (first, second, third)]
        assert pages == [names[4:2:-1], names[2:0:-1], names[:1]]
        assert third.next_page_token == ""
        failed = await listed(filter="state = FAILED AND done = true")
        assert [one.name for one in failed.operations] == names[:1]
        assert not (await listed(filter="done=false")).operations
        assert len((await listed(filter='method = "work.v1.Works/Print"')).operations) == 5
        assert not (await listed(filter='method = "work.v1.Works/Publish"')).operations
        for wrong in (
            "done = maybe",
            "colour = red",
            "done = true OR done = false",
            "state = gone",
        ):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await listed(filter=wrong)
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await listed(page_size=2, page_token=first.next_page_token, filter="done = true")
        assert "page_token" in str(refused.value.details())
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await listed(page_token=forged(10**30))
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_what_is_not_served_here_is_not_told_as_a_failure(tmp_path: Path) -> None:
    async with press_and_gateway(tmp_path, PLAIN) as (_, running):
        name = (await Caller(running.channel).begin("a")).name
        await Caller(running.channel).wait(name)
    async with press_and_gateway(tmp_path, AWAY) as (_, running):
        caller = Caller(running.channel)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await caller.get(name)
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert "work.v1.Works/Print" in str(refused.value.details())
        (listed,) = (await caller.operations.ListOperations(lro.ListOperationsRequest())).operations
        assert listed.done
        assert listed.WhichOneof("result") is None


async def test_what_waits_is_cancelled_and_never_made(tmp_path: Path) -> None:
    slow = "{Print: {operation: {initial_delay: 60s}, retry: {disabled: true}}}"
    async with press_and_gateway(tmp_path, slow) as (press, running):
        press.says(503)
        caller = Caller(running.channel)
        name = (await caller.begin("a")).name
        await until(press, 1)
        while not (await caller.get(name)).metadata.value.startswith(b"\x08\x01"):
            await asyncio.sleep(0.01)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await caller.operations.DeleteOperation(lro.DeleteOperationRequest(name=name))
        assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        await caller.operations.CancelOperation(lro.CancelOperationRequest(name=name))
        ended = await caller.wait(name)
        assert ended.error.code == code_pb2.CANCELLED
        # It waited behind an attempt that failed with 503.
        assert "may have had its effect" in ended.error.message
        await caller.operations.CancelOperation(lro.CancelOperationRequest(name=name))
        assert [(e.state, e.attempts) for e in running.of(OperationEnded)] == [("cancelled", 1)]
        await caller.operations.DeleteOperation(lro.DeleteOperationRequest(name=name))
        with pytest.raises(grpc.aio.AioRpcError) as gone:
            await caller.get(name)
        assert reason(gone.value) == "OPERATION_UNKNOWN"
        assert len(press.seen) == 1


async def test_what_runs_is_asked_to_end(tmp_path: Path) -> None:
    async with press_and_gateway(tmp_path, PLAIN) as (press, running):
        press.gate.clear()
        caller = Caller(running.channel)
        name = (await caller.begin("a")).name
        await until(press, 1)
        await caller.operations.CancelOperation(lro.CancelOperationRequest(name=name))
        assert not (await caller.get(name)).done
        ended = await caller.wait(name)
        assert ended.error.code == code_pb2.CANCELLED
        assert "may have had its effect" in ended.error.message


async def test_wait_returns_as_it_stands_when_its_time_is_over(tmp_path: Path) -> None:
    async with press_and_gateway(tmp_path, PLAIN) as (press, running):
        press.gate.clear()
        caller = Caller(running.channel)
        name = (await caller.begin("a")).name
        assert not (await caller.wait(name, timeout_s=0)).done
        waiting = asyncio.ensure_future(caller.wait(name, timeout_s=10))
        await asyncio.sleep(0.05)
        press.gate.set()
        assert page_of(await waiting) == "p1"


STEPS = f"""{{
  Publish: {{operation: {{{QUICK}, steps: [
    {{method: work.v1.Works/Typeset}}, {{method: work.v1.Works/Bind}}]}}}},
  Typeset: {{deduplication: {{on_unknown: RESEND}}, retry: {{disabled: true}}}},
  Bind: {{deduplication: {{on_unknown: RESEND}}, retry: {{disabled: true}}}}}}"""


async def test_steps_are_made_in_order_and_not_twice(tmp_path: Path) -> None:
    async with press_and_gateway(tmp_path, STEPS) as (press, running):
        press.honours = True
        caller = Caller(running.channel)
        begun = await caller.begin("a", method=PUBLISH)
        press.gate.clear()
        press.gate.set()
        ended = await caller.wait(begun.name)
        assert page_of(ended) == "p2"
        assert press.done == [("/typesets", "a"), ("/binds", "a")]
        told = progress_of(ended)
        assert list(told.steps_done) == ["Typeset", "Bind"]
        assert (told.steps, told.state) == (2, OperationMetadata.SUCCEEDED)


async def test_a_step_that_fails_is_made_again_alone(tmp_path: Path) -> None:
    async with press_and_gateway(tmp_path, STEPS) as (press, running):
        press.honours = True
        caller = Caller(running.channel)
        press.answers = [(200, {"id": "t1"}, {}), (503, {}, {}), (500, {}, {})]
        ended = await caller.wait((await caller.begin("a", method=PUBLISH)).name)
        assert page_of(ended) == "p1"
        assert [path for path, _, _ in press.seen] == ["/typesets", "/binds", "/binds", "/binds"]
        keys = [key for _, _, key in press.seen]
        assert len(set(keys)) == 2
        assert len(set(keys[1:])) == 1


AWAY = f"""{{Submit: {{operation: {{accepted_in: operation, order_by: shelf, {QUICK}}},
  retry: {{disabled: true}}}}}}"""


async def submitted(caller: Caller, text: str, shelf: str = "", key: str | None = None) -> str:
    """Return the operation that a call was kept as, "" for one that was made."""
    call = caller.call(SUBMIT, text, key, shelf)
    answer = await call
    told = dict(await call.trailing_metadata()).get("seawall-operation", "")
    assert str(told) in answer.decode()
    return str(told)


async def test_a_call_is_kept_while_its_upstream_is_away(tmp_path: Path) -> None:
    async with press_and_gateway(tmp_path, AWAY) as (press, running):
        caller = Caller(running.channel)
        assert await submitted(caller, "now") == ""
        await press.leave()
        kept = await submitted(caller, "later")
        assert kept.startswith("operations/")
        await press.come_back()
        assert (await caller.wait(kept)).response.type_url.endswith("work.v1.Submitted")
        assert press.done == [("/submits", "now"), ("/submits", "later")]


async def test_an_unknown_outcome_is_kept_only_where_it_may_be_repeated(tmp_path: Path) -> None:
    async with press_and_gateway(tmp_path, AWAY) as (press, running):
        press.says(500)
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await submitted(Caller(running.channel), "a")
        assert reason(failed.value) == "UPSTREAM_STATUS"
        press.says(429)
        assert await submitted(Caller(running.channel), "a")
    resent = AWAY.replace("retry:", "deduplication: {on_unknown: RESEND}, retry:")
    (tmp_path / "two").mkdir()
    async with press_and_gateway(tmp_path / "two", resent) as (press, running):
        press.says(500)
        caller = Caller(running.channel)
        kept = await submitted(caller, "a", key="k1")
        assert (await caller.wait(kept)).done
        assert [key for _, _, key in press.seen] == ["k1", "k1"]
        assert await submitted(caller, "a", key="k1") == kept


async def test_calls_with_others_before_them_are_kept_behind_those(tmp_path: Path) -> None:
    ordered = AWAY.replace("initial_delay: 0.05s, max_delay: 0.1s", "initial_delay: 0.6s")
    async with press_and_gateway(tmp_path, ordered) as (press, running):
        caller = Caller(running.channel)
        await press.leave()
        first = await submitted(caller, "1", "s1")
        await press.come_back()
        second = await submitted(caller, "2", "s1")
        assert second
        assert await submitted(caller, "x", "s2") == ""
        third = await submitted(caller, "3", "s1")
        for kept in (first, second, third):
            assert (await caller.wait(kept)).done
        assert [text for _, text in press.done] == ["x", "1", "2", "3"]
        assert await submitted(caller, "4", "s1") == ""


POLLED = (
    f"{{Print: {{operation: {{{QUICK}, poll: {{interval: 0.05s}}}}, retry: {{disabled: true}}}}}}"
)


async def test_an_upstream_that_accepts_is_asked_at_its_location(tmp_path: Path) -> None:
    async with press_and_gateway(tmp_path, POLLED) as (press, running):
        press.says(202, location="/jobs/7?x=1")
        press.says(202)
        press.says(503)
        press.says(200, {"id": "p9"})
        caller = Caller(running.channel)
        ended = await caller.wait((await caller.begin("a")).name)
        assert page_of(ended) == "p9"
        assert [path for path, _, _ in press.seen] == ["/prints", "/jobs/7", "/jobs/7", "/jobs/7"]


async def test_a_location_on_another_host_is_not_asked(tmp_path: Path) -> None:
    async with press_and_gateway(tmp_path, POLLED) as (press, running):
        press.says(202, location="http://elsewhere.example/jobs/7")
        caller = Caller(running.channel)
        ended = await caller.wait((await caller.begin("a")).name)
        assert "another host" in ended.error.message
        assert len(press.seen) == 1


async def test_a_202_with_a_location_is_followed_without_a_word_of_it(tmp_path: Path) -> None:
    async with press_and_gateway(tmp_path, PLAIN) as (press, running):
        caller = Caller(running.channel)
        press.says(202, {"id": "is it"}, location="/jobs/7", retry_after="0")
        press.says(202, {}, retry_after="0")
        press.says(200, {"id": "p9"})
        assert page_of(await caller.wait((await caller.begin("a")).name)) == "p9"
        assert [path for path, _, _ in press.seen] == ["/prints", "/jobs/7", "/jobs/7"]
        press.says(202, {"id": "p8"})
        assert page_of(await caller.wait((await caller.begin("b")).name)) == "p8"
        press.says(202, {"id": "p7"}, location="http://elsewhere.example/jobs/7")
        assert page_of(await caller.wait((await caller.begin("c")).name)) == "p7"
        assert len(press.seen) == 5


BY_STATE = POLLED.replace(
    "interval: 0.05s",
    'interval: 0.05s, path: "/jobs/{job.id}", state: status, failed: [broken], result: page',
)


async def test_its_end_is_told_by_a_state_at_a_path(tmp_path: Path) -> None:
    async with press_and_gateway(tmp_path, BY_STATE) as (press, running):
        press.says(202, {"job": {"id": "a b"}})
        press.says(200, {"status": "printing"})
        press.says(200, {"status": "DONE", "page": {"id": "p9"}})
        caller = Caller(running.channel)
        ended = await caller.wait((await caller.begin("a")).name)
        assert page_of(ended) == "p9"
        assert [path for path, _, _ in press.seen][1:] == ["/jobs/a b"] * 2
        press.says(202, {"job": {"id": 7}})
        press.says(200, {"status": "broken"})
        ended = await caller.wait((await caller.begin("b")).name)
        assert ended.error.code == code_pb2.FAILED_PRECONDITION
        press.says(202, {})
        ended = await caller.wait((await caller.begin("c")).name)
        assert "job.id" in ended.error.message


async def test_an_empty_policy_is_enough(tmp_path: Path) -> None:
    async with press_and_gateway(tmp_path, "{Print: {operation: {}}}") as (_, running):
        caller = Caller(running.channel)
        assert page_of(await caller.wait((await caller.begin("a")).name)) == "p1"


async def test_whoever_waits_is_answered_when_the_gateway_drains(tmp_path: Path) -> None:
    async with press_and_gateway(tmp_path, PLAIN) as (press, running):
        press.gate.clear()
        caller = Caller(running.channel)
        name = (await caller.begin("a")).name
        await until(press, 1)
        waiting = asyncio.ensure_future(caller.wait(name, 15))
        await asyncio.sleep(0.1)
        stopping = asyncio.ensure_future(running.gateway.stop())
        assert not (await asyncio.wait_for(waiting, 5)).done
        press.gate.set()
        await stopping
        assert press.done == [("/prints", "a")]


async def test_steps_that_need_a_callers_credential_are_refused_at_the_start(
    tmp_path: Path,
) -> None:
    more = "upstreams: {default: {policy: {credentials: {caller: FORWARD}}}}\n"
    with pytest.raises(ConfigError) as refused:
        async with press_and_gateway(tmp_path, STEPS, more):
            pass
    assert "operation.steps: work.v1.Works/Typeset" in str(refused.value)
    with pytest.raises(ConfigError) as refused:
        async with press_and_gateway(tmp_path, PLAIN, more):
            pass
    assert "on nobody's behalf" in str(refused.value)


async def test_more_than_may_wait_are_refused(tmp_path: Path) -> None:
    methods = "{Print: {operation: {max_pending: 3}, retry: {disabled: true}}}"
    async with press_and_gateway(tmp_path, methods) as (press, running):
        press.gate.clear()
        caller = Caller(running.channel)
        for number in range(3):
            await caller.begin(f"t{number}")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await caller.begin("one more")
        assert (refused.value.code().name, reason(refused.value)) == (
            "RESOURCE_EXHAUSTED",
            "OPERATIONS_FULL",
        )
        press.gate.set()


async def test_without_the_store_nothing_is_accepted(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    async with press_and_gateway(tmp_path, PLAIN, durable=f"sqlite:///{folder}/sub/seawall.db") as (
        press,
        running,
    ):
        (tmp_path / "gone").write_text("a file, and no folder")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await Caller(running.channel).begin("a")
        assert reason(refused.value) == "STORE_UNAVAILABLE"
        assert not press.seen


async def test_work_that_an_upstream_has_accepted_is_not_told_as_never_sent(
    tmp_path: Path,
) -> None:
    async with press_and_gateway(tmp_path, POLLED.replace("interval: 0.05s", "interval: 60s")) as (
        press,
        running,
    ):
        press.says(202, location="/jobs/7")
        caller = Caller(running.channel)
        name = (await caller.begin("a")).name
        while not running.of(OperationAttempted):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        await caller.operations.CancelOperation(lro.CancelOperationRequest(name=name))
        ended = await caller.wait(name)
        assert "may have had its effect" in ended.error.message


async def test_steps_that_were_declared_otherwise_meanwhile_end_it(tmp_path: Path) -> None:
    slow = STEPS.replace(QUICK, "max_attempts: 9, initial_delay: 1s")
    async with press_and_gateway(tmp_path, slow) as (press, running):
        press.answers = [(200, {"id": "t1"}, {}), (503, {}, {})]
        name = (await Caller(running.channel).begin("a", method=PUBLISH)).name
        while not running.of(OperationAttempted):
            await asyncio.sleep(0.01)
    bound_first = slow.replace(
        "{method: work.v1.Works/Typeset}, {method: work.v1.Works/Bind}",
        "{method: work.v1.Works/Bind}, {method: work.v1.Works/Typeset}",
    )
    async with press_and_gateway(tmp_path, bound_first) as (press, running):
        ended = await Caller(running.channel).wait(name)
        assert "'Typeset' are done, and they are not the first" in ended.error.message
        assert press.seen == []


async def test_a_deleted_operation_is_not_made_again_by_its_key(tmp_path: Path) -> None:
    async with press_and_gateway(tmp_path, PLAIN) as (press, running):
        caller = Caller(running.channel)
        name = (await caller.begin("a", "k1")).name
        assert page_of(await caller.wait(name)) == "p1"
        await caller.operations.DeleteOperation(lro.DeleteOperationRequest(name=name))
        assert page_of(await caller.begin("a", "k1")) == "p1"
        assert len(press.done) == 1


async def test_what_was_looked_up_is_the_end(tmp_path: Path) -> None:
    policy = (
        f"{{Print: {{operation: {{{QUICK}}}, retry: {{disabled: true}}, "
        "deduplication: {on_unknown: LOOKUP, lookup: {method: work.v1.Works/Find}}}}"
    )
    async with press_and_gateway(tmp_path, policy) as (press, running):
        press.says(500)
        press.done.append(("/prints", "a"))  # it was done, and the answer was lost
        ended = await Caller(running.channel).wait((await Caller(running.channel).begin("a")).name)
        assert page_of(ended) == "of-a"
        assert [path for path, _, _ in press.seen] == ["/prints", "/prints/a"]


@pytest.mark.parametrize("key", [None, "k1"])
async def test_a_call_that_was_made_at_once_is_looked_up_before_it_is_made_again(
    tmp_path: Path, key: str | None
) -> None:
    policy = (
        f"{{Submit: {{operation: {{accepted_in: operation, {QUICK}}}, retry: {{disabled: true}}, "
        "deduplication: {on_unknown: LOOKUP, lookup: {method: work.v1.Works/Find}}}}"
    )
    async with press_and_gateway(tmp_path, policy) as (press, running):
        press.says(500)
        press.done.append(("/submits", "a"))  # it was done, and the answer was lost
        caller = Caller(running.channel)
        call = caller.call(SUBMIT, "a", key)
        await call
        name = dict(await call.trailing_metadata())["seawall-operation"]
        ended = await caller.wait(name)
        assert ended.done
        assert not ended.HasField("error")
        assert [path for path, _, _ in press.seen] == ["/submits", "/prints/a"]


async def test_a_location_may_be_relative_to_what_was_asked(tmp_path: Path) -> None:
    async with press_and_gateway(tmp_path, PLAIN) as (press, running):
        press.says(202, location="prints/jobs/7", retry_after="0")
        caller = Caller(running.channel)
        ended = await caller.wait((await caller.begin("a")).name)
        assert ended.done
        assert [path for path, _, _ in press.seen][:2] == ["/prints", "/prints/jobs/7"]


async def test_a_list_is_as_long_as_a_client_takes(tmp_path: Path) -> None:
    large = "x" * 1_500_000
    async with press_and_gateway(tmp_path, PLAIN) as (press, running):
        caller = Caller(running.channel)
        for number in range(5):
            press.says(200, {"id": f"{number}", "text": large})
            await caller.wait((await caller.begin(f"{number}")).name)
        found, token = 0, ""
        while True:
            page = await caller.operations.ListOperations(
                lro.ListOperationsRequest(page_token=token), timeout=20
            )
            found += len(page.operations)
            token = page.next_page_token
            if not token:
                break
        assert found == 5
