"""What a method says of its durable operations."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.compose.mapping import MessageMapping


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """See seawall.policy.v1.OperationPolicy. Seconds.

    Args:
        max_attempts: in all.
        initial_delay_s: before the second.
        multiplier: growth of the delay.
        max_delay_s: the longest delay.
        attempt_timeout_s: of one attempt.
        total_timeout_s: from its acceptance on.
        retention_s: of what has ended.
    """

    max_attempts: int = 10
    initial_delay_s: float = 5.0
    multiplier: float = 2.0
    max_delay_s: float = 300.0
    attempt_timeout_s: float = 120.0
    total_timeout_s: float = 604_800.0
    retention_s: float = 604_800.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """See seawall.policy.v1.OperationStep.

    Args:
        name: unique among the steps.
        method: full name.
        request: makes its request of the operation's.
        key_metadata: metadata by which the method is told an idempotency key.
    """

    name: str
    method: str
    request: MessageMapping
    key_metadata: str = "idempotency-key"


@dataclass(frozen=True, kw_only=True, slots=True)
class Poll:
    """See seawall.policy.v1.OperationPoll.

    Args:
        path: literal texts and, between them, paths into the 202's JSON; () for `location`.
        interval_s: between questions, where the upstream says nothing.
        state: keys that lead to the state, () where the status says it.
        succeeded: states, in lower case.
        failed: states, in lower case.
        result: keys that lead to the result.
        implied: nobody has said that it is: a 202 without a `location` on the same upstream is
            an answer like any other.
    """

    path: Sequence[str] = ()
    interval_s: float = 2.0
    state: Sequence[str] = ()
    succeeded: frozenset[str] = frozenset(("done", "succeeded", "success", "completed"))
    failed: frozenset[str] = frozenset(("failed", "error", "cancelled"))
    result: Sequence[str] = ()
    implied: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class OperationOptions:
    """Of one method.

    Args:
        schedule: of its attempts.
        max_pending: operations without an end.
        order_by: field path, "" for any order.
        steps: in order; empty for one call.
        steps_answer: makes the response of the last step's.
        poll: how a 202 is followed, None where it is an answer.
        accepted_in: field of the response that takes an operation, "" for a method that
            answers with one.
        response: class of what an operation answers.
        metadata: class of what it says of itself.
        header: that carries the key to the upstream, "" for none.
    """

    schedule: Schedule
    max_pending: int = 100_000
    order_by: str = ""
    steps: Sequence[Step] = ()
    steps_answer: MessageMapping | None = None
    poll: Poll | None = None
    accepted_in: str = ""
    response: Any
    metadata: Any
    header: str = "idempotency-key"
