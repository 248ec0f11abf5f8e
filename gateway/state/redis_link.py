"""One connection to Redis that many calls ask at once.

Rules:
1. Questions that arrive in one turn of the event loop are written together, in order, and
   answers are read in that order by one reader. Who asked waits for nothing but its own
   answer: a question that is given up, because its time ran out or its caller went away, is
   read to its end all the same, so the connection is never half read.
2. What is given up before it was written is not written.
3. There is one connection: Redis runs one script at a time, and two would not be faster.
4. At most `max_waiting` questions have no answer; one more is not asked.
5. A question without an answer `timeout_s` after it was asked is late: who asked is told so.
   Time in which the event loop stood still is not the server's: answers that came meanwhile
   are read first. Nor is the time behind this process's own burst: while a server gives
   `BUSY_ANSWERS` and more in `timeout_s`, those behind them wait on, `PATIENCE` times as long
   at most. A server that stops answers nothing, and costs nobody more than before.
6. The link ends where the connection does, where the server says that it is none to ask
   (a replica, a cluster, still loading), and after `max_failures` in a row: questions that
   were late or answered with an error. Of those that were under way together one counts, so a
   server that pauses for a moment is not given up because many were asking. Then all that
   wait are told, and `on_end` once.
7. A script that the server does not know any more is sent as a whole, once, with the question.
"""

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import Callable

from redis import exceptions
from redis.asyncio import Connection

from gateway.core.clock import Clock, Timer
from gateway.state.redis_client import CONNECTION_FAILED, phrase, unwrapped
from gateway.state.redis_question import LinkOptions, Question, Script

BUSY_ANSWERS = 8
PATIENCE = 100
_STOOD_STILL_S = 0.003
"""A timer that is so late says that the event loop stood still."""
_ENDING = (
    exceptions.ReadOnlyError,
    exceptions.MovedError,
    exceptions.ClusterDownError,
    exceptions.ClusterCrossSlotError,
    exceptions.NoPermissionError,
)
"""Errors that the next question would get too."""


class Link:
    """Asks one script over one connection; see the rules of the module.

    Args:
        connection: is the link's from now on.
        script: is asked.
        clock: whose time counts.
        options: how long, how many.
        on_end: is told once why the link ended; not when it is closed.
    """

    def __init__(
        self,
        connection: Connection,
        script: Script,
        clock: Clock,
        options: LinkOptions,
        on_end: Callable[[str], None],
    ) -> None:
        self._connection = connection
        self._script = script
        self._clock = clock
        self._timeout_s = options.timeout_s
        self._max_waiting = options.max_waiting
        self._max_failures = options.max_failures
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._pending: list[Question] = []
        self._unanswered: deque[Question] = deque()
        self._watched: deque[Question] = deque()
        self._timer: Timer | None = None
        self._look_at = math.inf
        self._failures = 0
        self._failed_at = -math.inf
        self._answers = 0
        self._answers_seen = 0
        self._ended = False
        self._wake: asyncio.Future[None] | None = None
        self._writer = self._loop.create_task(self._write(), name="redis-writer")
        self._reader = self._loop.create_task(self._read(), name="redis-reader")

    @property
    def waiting(self) -> int:
        """Questions without an answer, those that nobody waits for any more with them."""
        return len(self._unanswered) + len(self._pending)

    def ask(self, arguments: int, body: bytes) -> "asyncio.Future[bytes | None] | None":
        """Return the answer to come; None at once, or as the answer, where there is none.

        Args:
            arguments: how many there are in `body`.
            body: the command from the number of keys on, as it is written.
        """
        if len(self._unanswered) + len(self._pending) >= self._max_waiting or self._ended:
            return None
        answer: asyncio.Future[bytes | None] = self._loop.create_future()
        now = self._clock.now()
        question = Question(answer, now, arguments, body)
        self._watched.append(question)
        if self._timer is None:
            self._look_again(now + self._timeout_s)
        self._put(question)
        return answer

    async def close(self) -> None:
        """End the link; what waits is told that there is no answer."""
        self._end("", told=False)
        await asyncio.gather(self._writer, self._reader, return_exceptions=True)
        await self._connection.disconnect(nowait=True)  # a reader that never began did not

    def _put(self, question: Question) -> None:
        self._pending.append(question)
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    # The connection

    async def _write(self) -> None:
        with contextlib.suppress(exceptions.RedisError, OSError):  # the reader says why
            while not self._ended:
                if not self._pending:
                    self._wake = self._loop.create_future()
                    await self._wake
                    self._wake = None
                commands = self._commands()
                if commands:
                    await self._connection.send_packed_command(commands, check_health=False)

    def _commands(self) -> list[bytes]:
        pending, self._pending = self._pending, []
        parts: list[bytes] = []
        for question in pending:
            if question.answer.done():
                question.settled = True
                continue
            head = self._script.whole if question.whole else self._script.by_sha
            parts.append(head(question.arguments))
            parts.append(question.body)
            self._unanswered.append(question)
        return [b"".join(parts)] if parts else parts

    async def _read(self) -> None:
        connection, unanswered = self._connection, self._unanswered
        why = "it closed the connection"
        try:
            while not self._ended:
                reply: bytes | exceptions.ResponseError
                try:
                    reply = await connection.read_response(
                        timeout=math.inf, disconnect_on_error=False
                    )
                except exceptions.ResponseError as error:
                    reply = unwrapped(error)
                if not unanswered:
                    why = "it said what nobody asked for"
                    break
                self._settle(unanswered.popleft(), reply)
        except exceptions.ConnectionError as error:
            # Some errors of the server are of this kind, LOADING among them.
            text = phrase(error)
            why = text if text != CONNECTION_FAILED else why
        except (exceptions.RedisError, OSError):
            why = "the connection broke"
        finally:
            self._end(why)
            await connection.disconnect(nowait=True)

    # Answers, and the lack of them

    def _settle(self, question: Question, reply: bytes | exceptions.ResponseError) -> None:
        self._answers += 1
        late = question.settled
        if isinstance(reply, exceptions.NoScriptError) and not question.whole:
            question.whole = True
            if question.answer.done():
                question.settled = True
            else:
                self._put(question)
            return
        question.settled = True
        watched = self._watched
        while watched and watched[0].settled:
            watched.popleft()
        if isinstance(reply, bytes):
            if not late:
                self._failures = 0
            if not question.answer.done():
                question.answer.set_result(reply)
            return
        self._give_up(question)
        if isinstance(reply, _ENDING):
            self._end(phrase(reply))
        else:
            self._failed(question, phrase(reply))

    def _give_up(self, question: Question) -> None:
        question.settled = True
        if not question.answer.done():
            question.answer.set_result(None)

    def _failed(self, question: Question, why: str) -> None:
        if question.asked_at < self._failed_at:
            return
        self._failed_at = self._clock.now()
        self._failures += 1
        if self._failures >= self._max_failures:
            self._end(why)

    def _look_again(self, at: float) -> None:
        self._look_at = at
        self._timer = self._clock.call_at(at, self._look)

    def _look(self) -> None:
        now = self._clock.now()
        if now > self._look_at + _STOOD_STILL_S:
            self._timer = self._clock.call_at(now, self._look_behind_answers)
        else:
            self._expire()

    def _look_behind_answers(self) -> None:
        # What was read meanwhile has woken the reader; this stands behind it.
        self._loop.call_soon(self._expire)

    def _expire(self) -> None:
        watched = self._watched
        now = self._clock.now()
        busy = self._answers - self._answers_seen >= BUSY_ANSWERS
        self._answers_seen = self._answers
        time_s = self._timeout_s * PATIENCE if busy else self._timeout_s
        while watched and (watched[0].settled or watched[0].asked_at + time_s <= now):
            question = watched.popleft()
            if not question.settled:
                self._give_up(question)
                self._failed(question, "it does not answer in time")
        if watched:
            look_at = watched[0].asked_at + self._timeout_s
            if busy:
                look_at = max(look_at, now + self._timeout_s)
            self._look_again(look_at)
        else:
            self._timer = None

    def _end(self, why: str, *, told: bool = True) -> None:
        if self._ended:
            return
        self._ended = True
        for question in (*self._unanswered, *self._pending):
            self._give_up(question)
        self._pending.clear()
        self._watched.clear()
        if self._timer is not None:
            self._timer.cancel()
        self._writer.cancel()
        if asyncio.current_task() is not self._reader:
            self._reader.cancel()
        if told:
            self._on_end(why)
