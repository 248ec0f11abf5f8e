"""Finds out who calls, and whether they may. Stands before everything that asks who."""

from collections.abc import Awaitable, Mapping

from gateway.core.call import Call, CallNext
from gateway.core.errors import CallError
from gateway.core.events import CallRefused, Events
from gateway.core.identity import Identity
from gateway.core.outcome import Outcome, failed
from gateway.interceptors.auth.found import Later
from gateway.interceptors.auth.lease import Lease, WithdrawnError
from gateway.interceptors.auth.options import AuthOptions, ListenerAuth, Mode
from gateway.interceptors.auth.providers import Providers
from gateway.interceptors.auth.rule import Rule

_NOTHING_SAID = ListenerAuth()


class AuthInterceptor:
    """Sets `call.identity`, or refuses the call.

    A plain function that returns what the next one returns: only a call that waits for keys
    has a coroutine here, and a stream by a key that may be withdrawn (`lease.py`).

    Args:
        options: what the method says.
        providers: those of the process.
        events: are told what was refused.
        listeners: what listeners say, by the address that `call.listener` has.
    """

    name = "auth"

    def __init__(
        self,
        options: AuthOptions,
        providers: Providers,
        events: Events,
        listeners: Mapping[str, ListenerAuth] | None = None,
    ) -> None:
        self._events = events
        self._clock = providers.clock
        self._rule = Rule(options, _NOTHING_SAID, providers)
        self._rules = {
            address: Rule(options, said, providers) for address, said in (listeners or {}).items()
        }

    def __call__(self, call: Call, call_next: CallNext) -> Awaitable[Outcome]:
        """Let the call go on as somebody, or refuse it."""
        rule = self._rules.get(call.listener, self._rule)
        if rule.mode is Mode.NONE:
            return call_next(call)
        found = rule.identify(call)
        if isinstance(found, Identity) and not rule.roles:  # most calls, without another frame
            call.identity = found
            if call.method.server_streaming:
                return self._stream(rule, call, call_next)
            return call_next(call)
        if isinstance(found, Later):
            return self._settle(rule, call, call_next)
        error = self._decide(rule, call, found)
        if error is not None:
            return _refused(error)
        return self._stream(rule, call, call_next)

    async def _settle(self, rule: Rule, call: Call, call_next: CallNext) -> Outcome:
        error = self._decide(rule, call, await rule.settle(call))
        return failed(error) if error is not None else await self._stream(rule, call, call_next)

    def _stream(self, rule: Rule, call: Call, call_next: CallNext) -> Awaitable[Outcome]:
        """Let the call go on, for as long as its credential holds where it is a stream."""
        if not call.method.server_streaming or not rule.may_be_withdrawn(call):
            return call_next(call)
        return self._lease(rule, call, call_next)

    async def _lease(self, rule: Rule, call: Call, call_next: CallNext) -> Outcome:
        try:
            return await Lease(rule, call, self._clock).run(call_next)
        except WithdrawnError as withdrawn:
            self._events.emit(CallRefused(call, self.name, withdrawn.error))
            return failed(withdrawn.error)

    def _decide(
        self, rule: Rule, call: Call, found: Identity | CallError | None
    ) -> CallError | None:
        if isinstance(found, Identity):
            call.identity = found  # who was refused for want of a role is known too
        error = found if isinstance(found, CallError) else rule.refuse(found)
        if error is not None:
            self._events.emit(CallRefused(call, self.name, error))
        return error


async def _refused(error: CallError) -> Outcome:
    return failed(error)
