"""Rate limits on the way of a call: counts it, and refuses it where a limit has no room.

Stands as far out as the keys of its limits allow; all limits of a method are one question.
What is refused before that is counted by `arrival.py`.
The store decides (`gateway.state`); keys and answers are in `keys.py` and `answer.py`.
"""

from collections.abc import Callable, Sequence
from math import ceil
from typing import Protocol

from gateway.core.call import Call, CallNext, Preparation
from gateway.core.events import CallRefused, Events, LimitExceeded
from gateway.core.outcome import Outcome, failed
from gateway.interceptors.rate_limit import answer
from gateway.state.limits import Decision, Hit, Limit, LimitStore, Verdict

LimitOf = tuple[Limit, Callable[[Call], str]]
"""A limit, and what makes the key of a call for it."""

NAME = "rate_limit"
_TOLD_MODES = frozenset(("open", "local_share"))


class LocalStore(Protocol):
    """A store that is asked without waiting."""

    def take_now(self, hits: Sequence[Hit]) -> Decision:
        """Count a call against each of `hits`, or against none."""


class _Counted:
    """The limits of one method: what is asked for a call, and what the answer means."""

    def __init__(self, limits: Sequence[LimitOf], events: Events) -> None:
        self.limits = tuple(limits)
        self._events = events
        # None for a shadow, which no caller is told of.
        self._names = [
            None if limit.shadow else answer.item_name(limit) for limit, _ in self.limits
        ]
        self._shadows = any(limit.shadow for limit, _ in limits)
        self._policy = answer.policy_field([limit for limit, _ in limits if not limit.shadow])

    def decide(self, call: Call, decision: Decision) -> Outcome | None:
        """Tell the caller and the events; return the outcome of a call that is refused."""
        call.counted = True
        allowed, verdicts, mode = decision
        told = call.trailing_metadata
        if self._policy:
            told.append((answer.POLICY, self._policy))
            if verdicts:
                told.append((answer.STATE, self._state(verdicts)))
        if mode in _TOLD_MODES:
            told.append((answer.MODE, mode))
        if not allowed:
            return self._refuse(call, decision)
        if self._shadows:
            for verdict, (limit, _) in zip(verdicts, self.limits, strict=False):
                if not verdict.allowed:
                    self._events.emit(LimitExceeded(call, limit.name, limit.shadow))
        return None

    def _state(self, verdicts: Sequence[Verdict]) -> str:
        if len(self._names) == 1:
            return f"{self._names[0]};r={verdicts[0][1]};t={ceil(verdicts[0][2])}"
        return ", ".join(
            [
                f"{name};r={verdict[1]};t={ceil(verdict[2])}"
                for name, verdict in zip(self._names, verdicts, strict=False)
                if name is not None
            ]
        )

    def _refuse(self, call: Call, decision: Decision) -> Outcome:
        refusing = [
            (limit, verdict)
            for verdict, (limit, _) in zip(decision.verdicts, self.limits, strict=False)
            if not verdict.allowed and not limit.shadow
        ]
        for limit, _ in refusing:
            self._events.emit(LimitExceeded(call, limit.name, shadow=False))
        error = answer.rate_limited(refusing) if refusing else answer.store_unavailable()
        self._events.emit(CallRefused(call, NAME, error))
        return failed(error)


class LocalRateLimitInterceptor(Preparation):
    """Counts in the memory of this process, and does not wait.

    Args:
        limits: of the method; at least one.
        store: of the process.
        events: are told of what is beyond a limit, and of what is refused.
    """

    name = NAME

    def __init__(self, limits: Sequence[LimitOf], store: LocalStore, events: Events) -> None:
        self._counted = _Counted(limits, events)
        self._limits = self._counted.limits
        self._take = store.take_now

    def prepare(self, call: Call) -> Outcome | None:
        """Let the call go on, or refuse it."""
        hits = [Hit(limit, key_of(call)) for limit, key_of in self._limits]
        return self._counted.decide(call, self._take(hits))


class RateLimitInterceptor:
    """Counts in a store that has to be asked. Holds nothing while it waits.

    Args:
        limits: of the method; at least one.
        store: takes no longer than its own timeout, and never fails.
        events: are told of what is beyond a limit, and of what is refused.
    """

    name = NAME

    def __init__(self, limits: Sequence[LimitOf], store: LimitStore, events: Events) -> None:
        self._counted = _Counted(limits, events)
        self._limits = self._counted.limits
        self._take = store.take

    async def __call__(self, call: Call, call_next: CallNext) -> Outcome:
        """Let the call go on, or refuse it."""
        hits = [Hit(limit, key_of(call)) for limit, key_of in self._limits]
        refused = self._counted.decide(call, await self._take(hits))
        return await call_next(call) if refused is None else refused
