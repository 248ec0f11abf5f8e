"""The upstream's own credential: one that never changes, or a token that is asked for.

Where it stands: `interceptors/credentials.py`, health checks and work on nobody's behalf ask
here; `server.py` asks the authorization server. Beside the rules of `life.py`:

1. The first token is asked for when it is first needed. While it is used, another is asked
   for before it ends, beside calls; one that nobody used since it came is let go.
2. One question at a time, in a task of its own: whoever stops waiting for it, by a cancel or
   a deadline, stops nobody else, and its answer is the next call's.
3. Who has to wait and gets nothing is refused: UNAVAILABLE, CREDENTIAL_UNAVAILABLE, with the
   time until somebody asks again. The gateway refuses, not the upstream.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Protocol

from gateway.core.call import Metadata
from gateway.core.clock import Clock, Rng, Timer
from gateway.core.errors import CallError, Reason, refused
from gateway.core.status import Code
from gateway.downstream.credentials.life import Life, token_of
from gateway.downstream.credentials.server import Grant, TokenServer

_log = logging.getLogger(__name__)
Headers = Mapping[str, str]


class OwnCredential(Protocol):
    """What the upstream is sent on nobody's behalf."""

    async def obtain(self, metadata: Metadata = ()) -> Headers | CallError:
        """Return the headers to send, or why there are none."""

    def rejected(self, headers: Headers, metadata: Metadata = ()) -> None:
        """Take note that the upstream answered 401 to a request with `headers`."""


class FixedCredential:
    """One that never changes."""

    def __init__(self, headers: Headers) -> None:
        self._headers = headers

    async def obtain(self, _metadata: Metadata = ()) -> Headers | CallError:
        """Return the headers to send."""
        return self._headers

    def rejected(self, headers: Headers, metadata: Metadata = ()) -> None:
        """There is no other."""


def unavailable(upstream: str, why: str, retry_after_s: float | None) -> CallError:
    """Return the error for what has no credential.

    Args:
        upstream: its name.
        why: to stand behind "its token server", without secrets.
        retry_after_s: until somebody asks again.
    """
    return refused(
        Code.UNAVAILABLE,
        Reason.CREDENTIAL_UNAVAILABLE,
        f"the credential for upstream {upstream!r} cannot be had: its token server {why}",
        upstream=upstream,
        retry_after_s=retry_after_s,
    )


class OwnToken:
    """A token by client credentials. Must be made on the running event loop.

    Args:
        upstream: its name.
        server: whom to ask.
        clock: for lives and pauses.
        rng: spreads questions.
    """

    def __init__(self, upstream: str, server: TokenServer, clock: Clock, rng: Rng) -> None:
        self._upstream = upstream
        self._server = server
        self._clock = clock
        self._rng = rng
        self._life = Life()
        self._question: asyncio.Task[None] | None = None
        self._timer: Timer | None = None
        self._used = False
        self._closed = False

    def at_hand(self, _metadata: Metadata = ()) -> Headers | CallError | None:
        """Return the headers to send now, a refusal, or None where they have to be waited for."""
        now = self._clock.now()
        token = self._life.usable(now)
        if token is not None:
            self._used = True
            if now >= token.due_at and self._timer is None and self._life.may_ask(now):
                self._asked()  # nobody had used it when it was due
            return token.headers
        if self._question is None and not self._life.may_ask(now):
            return self._refusal(now)
        return None

    async def obtain(self, metadata: Metadata = ()) -> Headers | CallError:
        """Return the headers to send, or why there are none."""
        given = self.at_hand(metadata)
        if given is not None:
            return given
        await asyncio.wait((self._asked(),))  # goes on where this is cancelled
        given = self.at_hand(metadata)
        # Nothing where it came and was refused by the upstream, all at once: not again now.
        return self._refusal(self._clock.now()) if given is None else given

    def rejected(self, headers: Headers, _metadata: Metadata = ()) -> None:
        """Take note that the upstream answered 401 to a request with `headers`."""
        if self._life.forget(headers, self._clock.now()):
            self._disarm()

    async def close(self) -> None:
        """Ask no more."""
        self._closed = True
        self._disarm()
        if self._question is not None:
            self._question.cancel()
            await asyncio.gather(self._question, return_exceptions=True)

    def _refusal(self, now: float) -> CallError:
        pause = self._life.pause
        why = "is no longer asked" if self._closed else pause.why or "gave none that is accepted"
        return unavailable(self._upstream, why, max(0.0, pause.until - now))

    def _asked(self) -> asyncio.Task[None]:
        if self._question is None or self._question.done():
            self._question = asyncio.get_running_loop().create_task(self._ask())
            self._question.add_done_callback(self._answered)
        return self._question

    async def _ask(self) -> None:
        life, asked_at = self._life, self._clock.now()
        found = None if self._closed else await self._server.grant()
        if isinstance(found, Grant):
            life.obtained(token_of(found.token, found.life_s, asked_at, self._rng.random()))
            self._used = False
        elif found is not None:
            now = self._clock.now()
            life.pause.begin(found.why, found.retry_after_s, now, self._rng.random())

    def _answered(self, question: asyncio.Task[None]) -> None:
        if self._question is question:
            self._question = None
        if not question.cancelled() and (error := question.exception()) is not None:
            _log.error(
                "a token of upstream %s could not be asked for", self._upstream, exc_info=error
            )
            now, draw = self._clock.now(), self._rng.random()
            self._life.pause.begin("could not be asked", None, now, draw)
        self._arm()

    def _arm(self) -> None:
        self._disarm()
        if self._closed or self._life.usable(self._clock.now()) is None:
            return
        self._timer = self._clock.call_at(self._life.due_at, self._renew)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _renew(self) -> None:
        self._timer = None
        if self._used and not self._closed:
            self._asked()
