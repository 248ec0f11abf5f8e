"""What is wrong with the limits of a method only when all levels are merged."""

from collections.abc import Iterator

from google.protobuf.descriptor import Descriptor
from seawall.policy.v1.policy_pb2 import MethodPolicy, RateLimit

from gateway.config.limits.by import part_of
from gateway.config.limits.mistakes import MAX_PER_S
from gateway.config.protection import field_mistake
from gateway.config.values import Mistake, seconds
from gateway.interceptors.rate_limit import Source

_MAX_RATE_PER_S = 1_000_000
MAX_LIMITS = 16


def effective_limit_mistakes(
    policy: MethodPolicy, request: Descriptor, *, one_body: bool = False
) -> Iterator[Mistake]:
    """Yield what is wrong with the limits of a method.

    Args:
        policy: merged.
        request: the method's request message.
        one_body: the method takes a stream whose messages are one request.
    """
    on = [name for name in policy.rate_limits if not policy.rate_limits[name].disabled]
    if len(on) > MAX_LIMITS:
        yield (
            "rate_limits",
            f"at most {MAX_LIMITS} hold for one method, found {len(on)}: its callers are told "
            "how each of them stands",
        )
    for name in sorted(policy.rate_limits):
        said = policy.rate_limits[name]
        path = f"rate_limits.{name}"
        if said.disabled:
            continue
        if not said.HasField("requests"):
            yield f"{path}.requests", "must be said: how many calls may pass in each `per`"
        elif said.requests and seconds(said.per) > 0:
            yield from _rate_mistakes(path, said)
        for i, entry in enumerate(said.by):
            part = part_of(entry)
            if part is not None and part.source is Source.FIELD:
                wrong = field_mistake(request, part.name)
                if one_body:
                    wrong = (
                        "the messages of this stream are one request, which no field of one of "
                        "them stands for; count by caller, peer or metadata"
                    )
                if wrong:
                    yield f"{path}.by[{i}]", wrong


def _rate_mistakes(path: str, said: RateLimit) -> Iterator[Mistake]:
    per_s = seconds(said.per)
    if said.requests / per_s > _MAX_RATE_PER_S:
        yield f"{path}.requests", f"is more than {_MAX_RATE_PER_S} calls a second"
    if not said.burst:
        return
    if said.algorithm != RateLimit.GCRA:
        yield (
            f"{path}.burst",
            "is for 'algorithm: GCRA' only; a sliding window never lets more than `requests` pass",
        )
    elif said.burst * per_s / said.requests > MAX_PER_S:
        back_s = said.burst * per_s / said.requests
        yield f"{path}.burst", f"would take {back_s / 86_400:.4g} days to come back; at most 31"
