"""One method's interceptors around its target: what `chain.py` orders, composed.

An interceptor that does not wait (core.call.Preparation) costs a pipeline no coroutine.
"""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass

from gateway.core.call import Call, CallNext, Interceptor, MethodInfo, Preparation, Target
from gateway.core.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One method's interceptors around its target; `run` is all of them composed."""

    method: MethodInfo
    interceptors: tuple[Interceptor, ...]
    target: Target
    run: CallNext
    enter: CallNext
    """Where calls that the gateway makes on behalf of others come in: behind decoding."""

    @property
    def shape(self) -> tuple[str, ...]:
        """The names of the interceptors, outermost first."""
        return tuple(interceptor.name for interceptor in self.interceptors)


class Named:
    """An interceptor that is only shown (`explain`)."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def __call__(self, call: Call, call_next: CallNext) -> Outcome:
        """Let the call go on."""
        return await call_next(call)


async def _refusal(outcome: Outcome) -> Outcome:
    return outcome


def _bind(interceptor: Interceptor, call_next: CallNext) -> CallNext:
    if isinstance(interceptor, Preparation):
        prepare = interceptor.prepare

        def prepared(call: Call) -> Awaitable[Outcome]:
            refused = prepare(call)
            return call_next(call) if refused is None else _refusal(refused)

        return prepared
    intercept = interceptor.__call__

    def bound(call: Call) -> Awaitable[Outcome]:  # hands on the coroutine, adds no frame
        return intercept(call, call_next)

    return bound


def _compose(interceptors: Sequence[Interceptor], run: CallNext) -> CallNext:
    for interceptor in reversed(interceptors):
        run = _bind(interceptor, run)
    return run


def compose(
    method: MethodInfo,
    outer: Sequence[Interceptor],
    inner: Sequence[Interceptor],
    target: Target,
    own: Sequence[Interceptor] = (),
) -> Pipeline:
    """Return the interceptors around `target`, the first outermost.

    Args:
        method: what they are for.
        outer: what calls of the gateway's own do not pass.
        inner: what they do.
        target: answers.
        own: what only calls of the gateway's own pass, before `inner`.
    """
    run = _compose(inner, target.__call__)
    return Pipeline(method, (*outer, *inner), target, _compose(outer, run), _compose(own, run))
