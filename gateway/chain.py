"""The order of interceptors, in one list, composed once a method.

Outermost first. What stands further out sees less and costs less: a call is
refused before it is decoded where that is possible, and everything from `retry`
inwards happens once an attempt. A pipeline holds only what its policy asks for.

A method whose caller streams has the same order, with two differences: decode and encode
are those of a stream, and where each of its messages is a request of its own, `each`
runs what stands behind it once a message.
"""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass

from gateway.config.effective import MethodOptions
from gateway.core.call import Call, CallNext, Interceptor, MethodInfo, Preparation, Target
from gateway.core.clock import Clock, Rng
from gateway.core.events import Events
from gateway.core.outcome import Outcome
from gateway.interceptors.access import AccessInterceptor
from gateway.interceptors.attempt import AttemptInterceptor
from gateway.interceptors.deadline import DeadlineInterceptor
from gateway.interceptors.decode import DecodeInterceptor, DecodeStreamInterceptor
from gateway.interceptors.each import EachInterceptor
from gateway.interceptors.retry import RetryInterceptor
from gateway.transcode.encode import EncodeInterceptor, EncodeStreamInterceptor, RequestEncoder


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One method's interceptors around its target; `run` is all of them composed."""

    method: MethodInfo
    interceptors: tuple[Interceptor, ...]
    target: Target
    run: CallNext

    @property
    def shape(self) -> tuple[str, ...]:
        """The names of the interceptors, outermost first."""
        return tuple(interceptor.name for interceptor in self.interceptors)


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


def compose(method: MethodInfo, interceptors: Sequence[Interceptor], target: Target) -> Pipeline:
    """Return `interceptors` around `target`, the first outermost."""
    run: CallNext = target.__call__
    for interceptor in reversed(interceptors):
        run = _bind(interceptor, run)
    return Pipeline(method, tuple(interceptors), target, run)


def rest_interceptors(
    options: MethodOptions, encoder: RequestEncoder, clock: Clock, rng: Rng, events: Events
) -> list[Interceptor]:
    """Return the interceptors of a method that a REST service answers: THE ORDER."""
    retry = options.retry
    streamed = options.method.client_streaming
    each = streamed and options.method.server_streaming and not options.rest.stream.one_body
    return [
        AccessInterceptor(clock, events),
        DeadlineInterceptor(options.deadline, clock),
        (DecodeStreamInterceptor if streamed else DecodeInterceptor)(options.decode),
        *([EachInterceptor()] if each else []),
        (EncodeStreamInterceptor if streamed and not each else EncodeInterceptor)(encoder),
        *([RetryInterceptor(retry, clock, rng, events)] if retry.max_attempts > 1 else []),
        AttemptInterceptor(options.attempt, clock, events),
    ]


def rest_pipeline(
    options: MethodOptions,
    encoder: RequestEncoder,
    target: Target,
    clock: Clock,
    rng: Rng,
    events: Events,
) -> Pipeline:
    """Return the pipeline of a method that a REST service answers."""
    interceptors = rest_interceptors(options, encoder, clock, rng, events)
    return compose(options.method, interceptors, target)


def local_pipeline(method: MethodInfo, target: Target, clock: Clock, events: Events) -> Pipeline:
    """Return the pipeline of a method that the gateway answers itself."""
    return compose(method, [AccessInterceptor(clock, events)], target)
