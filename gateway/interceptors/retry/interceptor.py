"""Retries on the way of a call: from here inwards once an attempt, hedges aside.

`decision.py` says whether a failed attempt is repeated and `backoff.py` when. Beside them:

1. A call deposits in its upstream's budget when its first try is over, however it ended,
   if an attempt was made in it: what the gateway refused (a breaker that is open) put no
   load on the upstream, and earns no retries. A retry withdraws when it is scheduled. One
   of an attempt that was never sent needs no budget. With nothing left the failure is told
   as it is; a first attempt is always made.
2. A later attempt that the gateway itself refuses (a breaker opened meanwhile, a limit)
   does not hide what failed: the caller is told of the last failure of the upstream, then
   of the refusal, with its delay where the failure has none.
3. Callers that retry by themselves are told not to once attempts or budget are spent, and
   when to where that is known (`grpc-retry-pushback-ms`, gRFC A6).
"""

from dataclasses import replace

from gateway.core.call import Call, CallNext
from gateway.core.clock import Clock, Rng
from gateway.core.errors import CallError, Sent
from gateway.core.events import Events, RetryGivenUp, RetryScheduled
from gateway.core.outcome import Outcome
from gateway.interceptors.retry.backoff import backoff_s
from gateway.interceptors.retry.budget import RetryBudget
from gateway.interceptors.retry.decision import (
    EMPTY_BUDGET,
    Decision,
    decide,
    refused_by_gateway,
)
from gateway.interceptors.retry.options import RetryOptions

_NOT_AT_ALL_S = -1.0
_REFUSED = "the gateway refused the next attempt"


class RetryInterceptor:
    """Repeats attempts by the rules of `decision.py` and those above.

    Args:
        options: of the method.
        clock: waits.
        rng: draws the jitter.
        events: RetryScheduled and RetryGivenUp.
        budget: of the upstream, shared with its other methods; None for no bound.
    """

    name = "retry"

    def __init__(
        self,
        options: RetryOptions,
        clock: Clock,
        rng: Rng,
        events: Events,
        budget: RetryBudget | None = None,
    ) -> None:
        self._options = options
        self._clock = clock
        self._rng = rng
        self._events = events
        self._budget = budget

    async def __call__(self, call: Call, call_next: CallNext) -> Outcome:
        """Make attempts until one succeeds or none is left to make."""
        try:
            outcome = await call_next(call)
        finally:
            if self._budget is not None and call.attempts and not call.previous_attempts:
                self._budget.deposit(self._clock.now())
        tries, last_s = 1, 0.0
        while outcome.error is not None:
            drawn_s = backoff_s(self._options, tries, last_s, self._rng)
            decision = self._decide(call, outcome.error, tries, drawn_s)
            if decision.delay_s is None:
                return self._given_up(call, outcome, decision)
            self._events.emit(RetryScheduled(call, call.attempts, outcome, decision.delay_s))
            await self._clock.sleep(decision.delay_s)
            failure, outcome = outcome, await call_next(call)
            if outcome.error is not None and refused_by_gateway(outcome.error):
                return self._refused(call, failure, outcome.error)
            tries, last_s = tries + 1, drawn_s
        return outcome

    def _decide(self, call: Call, error: CallError, tries: int, drawn_s: float) -> Decision:
        now = self._clock.now()
        decision = decide(
            self._options,
            error,
            attempts=max(call.attempts, tries),
            sent=call.sent,
            now=now,
            deadline_at=call.deadline_at,
            drawn_s=drawn_s,
            spent=call.requests_spent,
            repeatable_call=call.repeatable,
        )
        if (
            decision.delay_s is not None
            and self._budget is not None
            and error.sent is not Sent.NOT_SENT
            and not self._budget.withdraw(now)
        ):
            return EMPTY_BUDGET
        return decision

    def _given_up(self, call: Call, outcome: Outcome, decision: Decision) -> Outcome:
        why = decision.why
        if why:
            self._events.emit(RetryGivenUp(call, call.attempts, outcome, why))
        error = outcome.error
        assert error is not None
        pushback_s = error.pushback_s
        if self._options.pushback and pushback_s is None:
            pushback_s = _NOT_AT_ALL_S if decision.spent else error.retry_after_s
        if not why and pushback_s is None:
            return outcome
        message = f"{error.message}; {why}" if why else error.message
        return Outcome(outcome.kind, replace(error, message=message, pushback_s=pushback_s))

    def _refused(self, call: Call, failure: Outcome, refusal: CallError) -> Outcome:
        """Return the failure before a later attempt's refusal, and tell of both."""
        self._events.emit(RetryGivenUp(call, call.attempts, failure, _REFUSED))
        error = failure.error
        assert error is not None
        retry_after_s = error.retry_after_s
        if retry_after_s is None:
            retry_after_s = refusal.retry_after_s
        joined = replace(
            error,
            message=f"{error.message}; then {refusal.message}",
            retry_after_s=retry_after_s,
            pushback_s=retry_after_s if self._options.pushback else error.pushback_s,
        )
        return Outcome(failure.kind, joined)
