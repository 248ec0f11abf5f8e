"""A signed request on its way: held against its signature, and let through once.

Stands right behind decode, before anything that counts or looks at the request: what is
forged costs nobody anything. A stream has no signature: what its later messages say is
nobody's word, and the configuration refuses it there.
"""

from collections.abc import Callable
from typing import NamedTuple

from gateway.core.call import Call, CallNext
from gateway.core.clock import Clock
from gateway.core.errors import CallError
from gateway.core.events import CallRefused, Events
from gateway.core.outcome import Outcome, failed
from gateway.interceptors.webhook import errors
from gateway.interceptors.webhook.options import WebhookOptions
from gateway.interceptors.webhook.replays import Replays, Standing
from gateway.interceptors.webhook.signature import Refused, Signed, verify


class WebhookReaders(NamedTuple):
    """Where a decoded call has what is needed; "" and b"" where it has nothing."""

    body: Callable[[Call], bytes]
    signature: Callable[[Call], str]
    timestamp: Callable[[Call], str]


class WebhookInterceptor:
    """Lets signed requests through, each once.

    Args:
        options: of the method.
        readers: what of a call is looked at.
        clock: for timestamps.
        events: told of refusals.
    """

    name = "webhook"

    def __init__(
        self, options: WebhookOptions, readers: WebhookReaders, clock: Clock, events: Events
    ) -> None:
        self._options = options
        self._readers = readers
        self._clock = clock
        self._events = events
        self._replays = Replays(options.max_remembered)

    async def __call__(self, call: Call, call_next: CallNext) -> Outcome:
        """Run the call where its signature is right and new."""
        # One look at the clock: what is young enough to be let in is not too old to be known.
        wall = self._clock.wall()
        found = self._verified(call, wall)
        if isinstance(found, Refused):
            return self._refused(call, errors.not_signed(found.why))
        standing = self._replays.begin(found.digest, wall)
        if standing is Standing.ANSWERED:
            return self._refused(call, errors.answered_before())
        if standing is Standing.RUNNING:
            return self._refused(call, errors.under_way())
        answered = False
        try:
            outcome = await call_next(call)
            answered = outcome.error is None
            return outcome
        finally:
            if answered:
                until = found.until
                if until is None:
                    until = self._clock.wall() + self._options.tolerance_s
                self._replays.answered(found.digest, until)
            else:
                self._replays.failed(found.digest)

    def _verified(self, call: Call, wall: float) -> Signed | Refused:
        readers = self._readers
        return verify(
            self._options,
            readers.body(call),
            readers.signature(call),
            readers.timestamp(call),
            wall,
        )

    def _refused(self, call: Call, error: CallError) -> Outcome:
        self._events.emit(CallRefused(call, self.name, error))
        return failed(error)
