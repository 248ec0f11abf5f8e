"""Credentials that are made of callers', kept for as long as they may be used.

Where it stands: `interceptors/credentials.py` asks here, `server.py` asks the authorization
server. Beside the rules of `life.py`:

1. The caller's credential is the bearer token of its `authorization` metadata (RFC 6750); a
   caller without one, or with several, is refused: UNAUTHENTICATED. So is one whose token
   the server does not accept.
2. What is kept is known by the SHA-256 of the caller's token. The token itself is held only
   while it is being exchanged.
3. At most `max_tokens` are kept, the one unused longest is forgotten; what has ended is never
   used. Nothing is asked for before a call needs it, and one question a token is under way.
4. So many questions are sent at once; others wait for a place, within their calls' deadlines,
   and that is no failure of the server. Beyond `MAX_QUESTIONS` a call is refused.
5. A question that was sent goes on where its callers stop waiting, for the next call; but only
   `MAX_UNATTENDED` do. Any other that nobody waits for ends, so that calls which are made and
   cancelled leave nothing behind.
6. A server that fails is not asked for anybody until its pause is over. That it does not
   accept one caller's token is no failure.
"""

import asyncio
import logging
from collections import OrderedDict
from hashlib import sha256

from gateway.core.call import Metadata
from gateway.core.clock import Clock, Rng
from gateway.core.errors import CallError, Origin, Reason
from gateway.core.status import Code
from gateway.downstream.credentials.bearer import bearer_token
from gateway.downstream.credentials.life import (
    DENIED_FOR_S,
    FORGET_INTERVAL_S,
    Pause,
    Token,
    token_of,
)
from gateway.downstream.credentials.own import Headers, unavailable
from gateway.downstream.credentials.server import MAX_CONNECTIONS, Grant, TokenServer

MAX_QUESTIONS = 1000
MAX_UNATTENDED = 4
_AT_ONCE = MAX_CONNECTIONS
_RETRY_AFTER_S = 1.0
_log = logging.getLogger(__name__)


class _Kept:
    """What is known of one caller's token: what it was exchanged for, or that it was refused."""

    __slots__ = ("ends_at", "forgotten_at", "token")

    def __init__(self, token: Token | None, ends_at: float) -> None:
        self.token = token
        self.ends_at = ends_at
        self.forgotten_at = float("-inf")


class _Question:
    """What is being asked for one caller's token."""

    __slots__ = ("abandoned", "sent", "task", "unattended", "waiting")

    def __init__(self) -> None:
        self.waiting = 0
        """Calls that wait for its answer."""
        self.sent = False
        """Whether it has a place: it is with the server."""
        self.abandoned = False
        """Whether it is ended because nobody waits."""
        self.unattended = False
        """Whether it goes on although nobody waits, or nobody did at a time."""
        self.task: asyncio.Task[_Kept | None]


class ExchangedTokens:
    """One token a caller's. Must be made on the running event loop.

    Args:
        upstream: its name.
        server: whom to ask.
        max_tokens: that are kept.
        clock: for lives and pauses.
        rng: spreads pauses.
    """

    def __init__(
        self, upstream: str, server: TokenServer, max_tokens: int, clock: Clock, rng: Rng
    ) -> None:
        self._upstream = upstream
        self._server = server
        self._max_tokens = max_tokens
        self._clock = clock
        self._rng = rng
        self._pause = Pause()
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()
        self._questions: dict[bytes, _Question] = {}
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._unattended = 0
        self._closed = False

    def at_hand(self, metadata: Metadata) -> Headers | CallError | None:
        """Return the headers to send now, a refusal, or None where they have to be waited for."""
        token = bearer_token(metadata)
        if token is None:
            return self._without_token()
        return self._known(sha256(token.encode()).digest())

    def _known(self, key: bytes) -> Headers | CallError | None:
        now = self._clock.now()
        kept = self._kept.get(key)
        if kept is not None and now < kept.ends_at:
            self._kept.move_to_end(key)
            return self._not_accepted() if kept.token is None else kept.token.headers
        if key not in self._questions and now < self._pause.until:
            return self._unavailable(now)
        return None

    async def obtain(self, metadata: Metadata) -> Headers | CallError:
        """Return the headers to send for a caller, or why there are none."""
        token = bearer_token(metadata)
        if token is None:
            return self._without_token()
        key = sha256(token.encode()).digest()
        given = self._known(key)
        if given is not None:
            return given
        question = self._asked(key, token)
        if question is None:
            return unavailable(
                self._upstream, "is asked for too many callers at once", _RETRY_AFTER_S
            )
        question.waiting += 1
        try:
            await asyncio.wait((question.task,))
        except asyncio.CancelledError:
            question.waiting -= 1
            if not question.waiting and not question.task.done():
                self._leave(question)
            raise
        # What it brought need not be kept any more by now.
        broken = question.task.cancelled() or question.task.exception() is not None
        kept = None if broken else question.task.result()
        if kept is None:
            return self._unavailable(self._clock.now())
        return self._not_accepted() if kept.token is None else kept.token.headers

    def rejected(self, headers: Headers, metadata: Metadata) -> None:
        """Take note that the upstream answered 401 to a request with `headers`."""
        token = bearer_token(metadata)
        kept = None if token is None else self._kept.get(sha256(token.encode()).digest())
        if kept is None or kept.token is None or kept.token.headers is not headers:
            return
        now = self._clock.now()
        if now >= kept.forgotten_at + FORGET_INTERVAL_S:
            kept.ends_at, kept.forgotten_at = now, now

    async def close(self) -> None:
        """Ask no more."""
        self._closed = True
        questions = [question.task for question in self._questions.values()]
        for question in questions:
            question.cancel()
        await asyncio.gather(*questions, return_exceptions=True)

    def __len__(self) -> int:
        return len(self._kept)

    def _asked(self, key: bytes, token: str) -> _Question | None:
        """Return the question for a token, begun where there is none; None where too many are."""
        known = self._questions.get(key)
        if known is not None and not known.task.done() and not known.abandoned:
            return known
        if len(self._questions) >= MAX_QUESTIONS:
            return None
        question = self._questions[key] = _Question()
        question.task = asyncio.get_running_loop().create_task(self._ask(key, token, question))
        question.task.add_done_callback(lambda _: self._answered(key, question))
        return question

    def _leave(self, question: _Question) -> None:
        """Let a question go on that nobody waits for, or end it."""
        if question.unattended:
            return
        if question.sent and self._unattended < MAX_UNATTENDED:
            question.unattended = True
            self._unattended += 1
            question.task.add_done_callback(lambda _: self._attended())
            return
        question.abandoned = True
        question.task.cancel()

    def _attended(self) -> None:
        self._unattended -= 1

    async def _ask(self, key: bytes, token: str, question: _Question) -> _Kept | None:
        async with self._places:
            if self._closed:
                return None
            question.sent = True
            return await self._exchange(key, token)

    async def _exchange(self, key: bytes, token: str) -> _Kept | None:
        asked_at = self._clock.now()
        found = await self._server.exchange(token)
        if isinstance(found, Grant):
            made = token_of(found.token, found.life_s, asked_at, 0.0)
            kept = self._keep(key, made, made.ends_at)
        elif found.of_subject:
            kept = self._keep(key, None, self._clock.now() + DENIED_FOR_S)
        else:
            now = self._clock.now()
            self._pause.begin(found.why, found.retry_after_s, now, self._rng.random())
            return None
        self._pause.end()
        return kept

    def _keep(self, key: bytes, token: Token | None, ends_at: float) -> _Kept:
        before = self._kept.pop(key, None)
        kept = self._kept[key] = _Kept(token, ends_at)
        if before is not None:
            kept.forgotten_at = before.forgotten_at
        while len(self._kept) > self._max_tokens:
            self._kept.popitem(last=False)
        return kept

    def _answered(self, key: bytes, question: _Question) -> None:
        if self._questions.get(key) is question:
            del self._questions[key]
        task = question.task
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a token could not be exchanged for %s", self._upstream, exc_info=error)
            now, draw = self._clock.now(), self._rng.random()
            self._pause.begin("could not be asked", None, now, draw)

    def _unavailable(self, now: float) -> CallError:
        why = "is no longer asked" if self._closed else self._pause.why or "could not be asked"
        return unavailable(self._upstream, why, max(0.0, self._pause.until - now))

    def _without_token(self) -> CallError:
        return self._unauthenticated(
            "is called with a credential that is made of the caller's, and the call has no "
            "bearer token; send one as the metadata 'authorization'"
        )

    def _not_accepted(self) -> CallError:
        return self._unauthenticated("has a token server that does not accept the caller's token")

    def _unauthenticated(self, why: str) -> CallError:
        return CallError(
            Code.UNAUTHENTICATED,
            Reason.UNAUTHENTICATED,
            f"upstream {self._upstream!r} {why}",
            origin=Origin.CALLER,
            upstream=self._upstream,
        )
