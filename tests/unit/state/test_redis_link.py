"""One connection, many questions: against a server that answers when the test says so."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop
from fakes.clock import FakeClock
from redis.asyncio import Connection
from support.redis import RedisServer

from gateway.core.clock import SystemClock
from gateway.state.redis_link import BUSY_ANSWERS, PATIENCE, Link
from gateway.state.redis_question import LinkOptions, Script, bulk

SCRIPT = Script(b"return ARGV[1]")
TIMEOUT_S = 0.005


class Server:
    """Takes commands and answers nothing by itself."""

    def __init__(self) -> None:
        self.commands: list[list[bytes]] = []
        self.reads: list[int] = []
        self.writer: asyncio.StreamWriter | None = None
        self.gone = False

    async def __aenter__(self) -> "Server":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        if self.writer is not None:
            self.writer.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        buffer = b""
        while data := await reader.read(1 << 20):
            buffer += data
            before = len(self.commands)
            while (found := _command(buffer)) is not None:
                command, buffer = found
                self.commands.append(command)
            self.reads.append(len(self.commands) - before)
        self.gone = True
        writer.close()

    def say(self, *replies: bytes) -> None:
        assert self.writer is not None
        self.writer.write(b"".join(replies))


def _command(buffer: bytes) -> tuple[list[bytes], bytes] | None:
    if not buffer.startswith(b"*"):
        return None
    head, _, rest = buffer.partition(b"\r\n")
    arguments = []
    for _ in range(int(head[1:])):
        length, sep, rest = rest.partition(b"\r\n")
        if not sep or len(rest) < int(length[1:]) + 2:
            return None
        arguments.append(rest[: int(length[1:])])
        rest = rest[int(length[1:]) + 2 :]
    return arguments, rest


async def until(claim: Callable[[], Any]) -> None:
    async def poll() -> None:
        while not claim():
            await asyncio.sleep(0.001)

    await asyncio.wait_for(poll(), 10)


class Case:
    def __init__(self, server: Server, clock: FakeClock, link: Link, ends: list[str]) -> None:
        self.server = server
        self.clock = clock
        self.link = link
        self.ends = ends

    def ask(self, text: bytes = b"x") -> "asyncio.Future[bytes | None]":
        answer = self.link.ask(2, bulk(b"0") + bulk(text))
        assert answer is not None
        return answer

    async def asked(self, count: int) -> None:
        await until(lambda: len(self.server.commands) >= count)


@asynccontextmanager
async def linked(**options: Any) -> AsyncIterator[Case]:
    async with Server() as server:
        connection = Connection(
            host="127.0.0.1", port=server.port, protocol=2, driver_info=None, socket_timeout=None
        )
        await connection.connect()
        clock = FakeClock()
        ends: list[str] = []
        link = Link(
            connection, SCRIPT, clock, LinkOptions(timeout_s=TIMEOUT_S, **options), ends.append
        )
        try:
            yield Case(server, clock, link, ends)
        finally:
            await link.close()
            assert not connection.is_connected
            assert clock.pending == 0


async def test_questions_of_one_turn_are_written_together() -> None:
    async with linked() as case:
        answers = [case.ask(b"%d" % i) for i in range(10)]
        await case.asked(10)
        assert case.server.reads == [10]
        assert case.server.commands[3] == [b"EVALSHA", SCRIPT.sha, b"0", b"3"]
        case.server.say(*(bulk(b"%d" % i) for i in range(10)))
        assert await asyncio.gather(*answers) == [b"%d" % i for i in range(10)]


async def test_a_cancelled_question_leaves_the_connection_whole() -> None:
    async with linked() as case:
        first, second = case.ask(), case.ask()
        await case.asked(2)

        async def caller() -> None:
            await first

        task = asyncio.create_task(caller())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        case.server.say(bulk(b"first"), bulk(b"second"))
        assert await second == b"second"
        assert case.link.waiting == 0


async def test_an_answer_in_pieces_outlives_the_caller_that_waited_for_it() -> None:
    async with linked() as case:
        first, second = case.ask(), case.ask()
        await case.asked(2)
        whole = bulk(b"first")
        case.server.say(whole[:6])
        await asyncio.sleep(0.01)
        first.cancel()
        case.server.say(whole[6:], bulk(b"second"))
        assert await second == b"second"


async def test_what_is_given_up_before_it_was_written_is_not_written() -> None:
    async with linked() as case:
        first = case.ask(b"first")
        first.cancel()
        second = case.ask(b"second")
        await case.asked(1)
        case.server.say(bulk(b"2"))
        assert await second == b"2"
        assert [command[-1] for command in case.server.commands] == [b"second"]


async def test_a_late_question_has_no_answer_and_the_next_one_has_its_own() -> None:
    async with linked() as case:
        late = case.ask()
        await case.asked(1)
        case.clock.advance(TIMEOUT_S)
        assert await late is None
        second = case.ask()
        case.server.say(bulk(b"late"), bulk(b"second"))
        assert await second == b"second"
        assert case.ends == []


async def test_each_question_has_its_own_time() -> None:
    async with linked() as case:
        first = case.ask()
        case.clock.advance(TIMEOUT_S * 0.6)
        second = case.ask()
        case.clock.advance(TIMEOUT_S * 0.6)
        assert first.done()
        assert not second.done()
        case.clock.advance(TIMEOUT_S * 0.6)
        assert await second is None


async def test_late_questions_in_a_row_end_the_link_and_free_all_that_wait() -> None:
    async with linked(max_failures=3) as case:
        late = [case.ask()]
        for i in range(2):
            await case.asked(i + 1)
            case.clock.advance(TIMEOUT_S)
            late.append(case.ask())
        await case.asked(3)
        case.clock.advance(TIMEOUT_S / 2)
        others = [case.ask() for _ in range(5)]
        await case.asked(8)
        assert case.ends == []
        case.clock.advance(TIMEOUT_S / 2)
        assert await asyncio.gather(*late, *others) == [None] * 8
        assert case.ends == ["it does not answer in time"]
        assert case.link.ask(2, b"") is None
        await until(lambda: case.server.gone)


async def test_of_questions_under_way_together_one_failure_counts() -> None:
    async with linked(max_failures=2) as case:
        for text in (b"late", b"-OOM no memory\r\n"):
            asked_before = len(case.server.commands)
            answers = [case.ask() for _ in range(50)]
            case.clock.advance(TIMEOUT_S / 2)
            answers += [case.ask() for _ in range(50)]
            await case.asked(asked_before + 100)
            if text == b"late":
                case.clock.advance(TIMEOUT_S)
                case.server.say(bulk(b"late") * 100)
            else:
                case.clock.advance(TIMEOUT_S / 4)
                case.server.say(text * 100)
            assert await asyncio.gather(*answers) == [None] * 100
            await until(lambda: case.link.waiting == 0)
            assert case.ends == []
            answer = case.ask()
            await case.asked(asked_before + 101)
            case.server.say(bulk(b"well"))
            assert await answer == b"well"


async def test_nobody_has_to_wait_for_a_server_to_be_found_silent() -> None:
    async with linked(max_failures=3) as case:
        for i in range(3):
            assert case.ends == []
            answer = case.ask()
            await case.asked(i + 1)
            answer.cancel()
            case.clock.advance(TIMEOUT_S)
        assert case.ends == ["it does not answer in time"]


async def test_an_answer_in_time_begins_the_count_of_failures_anew() -> None:
    async with linked(max_failures=2) as case:
        for i in range(4):
            late = case.ask()
            await case.asked(2 * i + 1)
            case.clock.advance(TIMEOUT_S)
            assert await late is None
            answer = case.ask()
            case.server.say(bulk(b"late"), bulk(b"in time"))
            assert await answer == b"in time"
        assert case.ends == []


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_time_in_which_the_event_loop_stood_still_is_not_the_servers(new_loop: Any) -> None:
    async def main(server: RedisServer) -> None:
        connection = Connection(
            host="127.0.0.1", port=server.port, protocol=2, driver_info=None, socket_timeout=None
        )
        await connection.connect()
        link = Link(
            connection, SCRIPT, SystemClock(), LinkOptions(timeout_s=TIMEOUT_S), lambda _: None
        )
        try:
            await _eval(link, b"warm")
            for _ in range(5):
                answers = [link.ask(2, bulk(b"0") + bulk(b"x")) for _ in range(20)]
                for _ in range(3):
                    await asyncio.sleep(0)
                time.sleep(0.03)  # noqa: ASYNC251 - that it blocks is the point
                assert [answer and await answer for answer in answers] == [b"x"] * 20
        finally:
            await link.close()

    with RedisServer() as server, asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main(server))


async def _eval(link: Link, text: bytes) -> None:
    answer = link.ask(2, bulk(b"0") + bulk(text))
    assert answer is not None
    await answer


async def test_so_many_questions_wait_and_no_more() -> None:
    async with linked(max_waiting=3) as case:
        answers = [case.ask() for _ in range(3)]
        assert case.link.ask(2, b"") is None
        await case.asked(3)
        answers[0].cancel()
        assert case.link.ask(2, b"") is None  # its answer is still to be read
        case.server.say(bulk(b"1"))
        await until(lambda: case.link.waiting == 2)
        answers.append(case.ask())
        case.server.say(bulk(b"2"), bulk(b"3"), bulk(b"4"))
        assert await asyncio.gather(*answers[1:]) == [b"2", b"3", b"4"]


async def test_a_script_that_the_server_forgot_is_sent_with_the_question() -> None:
    async with linked() as case:
        answer = case.ask(b"x")
        await case.asked(1)
        case.server.say(b"-NOSCRIPT No matching script.\r\n")
        await case.asked(2)
        assert case.server.commands[1] == [b"EVAL", SCRIPT.text, b"0", b"x"]
        case.server.say(bulk(b"x"))
        assert await answer == b"x"


async def test_who_has_gone_is_not_asked_for_again() -> None:
    async with linked() as case:
        answer = case.ask()
        await case.asked(1)
        answer.cancel()
        case.server.say(b"-NOSCRIPT No matching script.\r\n")
        await until(lambda: case.link.waiting == 0)
        case.clock.advance(TIMEOUT_S)
        other = case.ask(b"other")
        await case.asked(2)
        assert case.server.commands[1][-1] == b"other"
        case.server.say(bulk(b"y"))
        assert await other == b"y"


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (b"-READONLY You can't write against a read only replica.\r\n", "it is a replica"),
        (b"-MOVED 1 10.0.0.9:1\r\n", "Redis Cluster is not supported"),
        (b"-LOADING Redis is loading\r\n", "it is loading its data"),
        (b"-NOAUTH Authentication required.\r\n", "it refuses the credentials"),
        (b"-NOPERM no\r\n", "it does not permit the user what is needed"),
    ],
)
async def test_a_server_that_is_none_to_ask_ends_the_link(reply: bytes, why: str) -> None:
    async with linked() as case:
        answers = [case.ask() for _ in range(3)]
        await case.asked(3)
        case.server.say(reply)
        assert await asyncio.gather(*answers) == [None] * 3
        await until(lambda: case.ends)
        assert len(case.ends) == 1
        assert case.ends[0].startswith(why)


async def test_errors_in_a_row_end_the_link() -> None:
    async with linked(max_failures=2) as case:
        for _ in range(2):
            assert case.ends == []
            answer = case.ask()
            case.server.say(b"-OOM command not allowed\r\n")
            assert await answer is None
        assert case.ends == ["it has no memory left"]


async def test_an_error_that_nobody_knows_is_told_by_its_code_alone() -> None:
    async with linked(max_failures=1) as case:
        answer = case.ask()
        await case.asked(1)
        case.server.say(b"-WEIRD secret words\r\n")
        assert await answer is None
        assert case.ends == ["it answers with an error (WEIRD)"]


async def test_a_closed_connection_frees_all_that_wait() -> None:
    async with linked() as case:
        answers = [case.ask() for _ in range(3)]
        await case.asked(3)
        assert case.server.writer is not None
        case.server.writer.close()
        assert await asyncio.gather(*answers) == [None] * 3
        assert case.ends == ["it closed the connection"]


async def test_an_answer_that_nobody_asked_for_ends_the_link() -> None:
    async with linked() as case:
        answer = case.ask()
        await case.asked(1)
        case.server.say(bulk(b"1"), bulk(b"2"))
        assert await answer == b"1"
        await until(lambda: case.ends)
        assert case.ends == ["it said what nobody asked for"]


async def test_closing_frees_all_that_wait_and_tells_nobody() -> None:
    async with linked() as case:
        answers = [case.ask() for _ in range(3)]
        await case.link.close()
        assert await asyncio.gather(*answers) == [None] * 3
        assert case.link.ask(2, b"") is None
        assert case.ends == []


async def test_behind_its_own_burst_a_question_waits_on_while_the_server_answers() -> None:
    async with linked() as case:
        answers = [case.ask(b"%d" % i) for i in range(60)]
        await case.asked(60)
        for first in range(0, 60, 10):
            case.server.say(*(bulk(b"%d" % i) for i in range(first, first + 10)))
            await until(lambda last=first + 9: answers[last].done())  # type: ignore[misc]
            case.clock.advance(TIMEOUT_S)
        assert await asyncio.gather(*answers) == [b"%d" % i for i in range(60)]
        assert case.ends == []


async def test_behind_a_burst_a_server_that_stops_costs_two_timeouts_at_most() -> None:
    async with linked() as case:
        answers = [case.ask(b"%d" % i) for i in range(60)]
        await case.asked(60)
        case.server.say(*(bulk(b"%d" % i) for i in range(10)))
        await until(lambda: answers[9].done())
        case.clock.advance(TIMEOUT_S)
        assert not answers[10].done()
        case.clock.advance(TIMEOUT_S)
        assert await asyncio.gather(*answers[10:]) == [None] * 50


async def test_a_server_that_answers_slowly_is_waited_for_no_longer() -> None:
    async with linked() as case:
        answers = [case.ask(b"%d" % i) for i in range(20)]
        await case.asked(20)
        case.server.say(*(bulk(b"%d" % i) for i in range(BUSY_ANSWERS - 1)))
        await until(lambda: answers[BUSY_ANSWERS - 2].done())
        case.clock.advance(TIMEOUT_S)
        assert await answers[BUSY_ANSWERS - 1] is None


async def test_no_burst_is_waited_for_longer_than_patience_allows() -> None:
    async with linked(max_failures=100) as case:
        answers = [case.ask(b"%d" % i) for i in range(PATIENCE * 10 + 50)]
        await case.asked(len(answers))
        for first in range(0, PATIENCE * 10 + 10, 10):
            case.server.say(*(bulk(b"%d" % i) for i in range(first, first + 10)))
            await until(lambda last=first + 9: answers[last].done())  # type: ignore[misc]
            case.clock.advance(TIMEOUT_S)
        assert await answers[-1] is None
