"""Puts on an attempt the credential that its upstream is called with, where that is asked for.

Once an attempt, behind the breaker's check and before anything that hands out places or
permits: who waits for a token holds none, and no limit takes the wait for a slow upstream.
Where there is nothing to ask for (the caller's credential is forwarded, or the upstream's own
never changes), a pipeline has no such interceptor.

Rules:
1. A token that is at hand costs no wait. One that is not is waited for within the call's
   deadline; the wait ends with the call, and the question goes on for the next one.
2. Without a credential the attempt is refused, by the gateway, and nothing is sent: no
   breaker, limit or endpoint hears of it.
3. What is put on goes before headers that the caller or the policy says.
4. An attempt that the upstream answers with 401 has its token forgotten, so that the next
   attempt or call has another.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from gateway.core.call import Call, CallNext, Metadata
from gateway.core.errors import CallError
from gateway.core.events import CallRefused, Events
from gateway.core.outcome import Outcome, failed

_UNAUTHORIZED = 401


class CredentialSource(Protocol):
    """Credentials that may have to be waited for; `downstream/credentials` has them."""

    def at_hand(self, metadata: Metadata) -> Mapping[str, str] | CallError | None:
        """Return the headers to send now, a refusal, or None where they have to be waited for."""

    async def obtain(self, metadata: Metadata) -> Mapping[str, str] | CallError:
        """Return the headers to send, or why there are none."""

    def rejected(self, headers: Mapping[str, str], metadata: Metadata) -> None:
        """Take note that the upstream answered 401 to a request with `headers`."""


class CredentialInterceptor:
    """Around each attempt.

    Args:
        source: of the upstream.
        events: told of refusals.
    """

    name = "credentials"

    def __init__(self, source: CredentialSource, events: Events) -> None:
        self._source = source
        self._events = events

    async def __call__(self, call: Call, call_next: CallNext) -> Outcome:
        """Make the attempt with a credential, or refuse it."""
        source, metadata = self._source, call.metadata
        given = source.at_hand(metadata)
        if given is None:
            given = await source.obtain(metadata)
        if isinstance(given, CallError):
            self._events.emit(CallRefused(call, self.name, given))
            return failed(given)
        prepared = call.prepared
        call.prepared = replace(prepared, headers={**prepared.headers, **given})
        outcome = await call_next(call)
        error = outcome.error
        if error is not None and error.http_status == _UNAUTHORIZED:
            source.rejected(given, metadata)
        return outcome
