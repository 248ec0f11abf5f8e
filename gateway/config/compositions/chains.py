"""Fallback policies to options, with every mistake in them."""

from collections.abc import Callable, Sequence
from typing import Any

from google.protobuf import json_format, message_factory
from google.protobuf.message import EncodeError
from seawall.policy.v1.policy_pb2 import FallbackStep

from gateway.compose.chain import (
    FallbackOptions,
    FixedStep,
    MethodStep,
    Step,
    UpstreamStep,
)
from gateway.config.compositions.place import Place, seconds_of
from gateway.config.effective import EffectiveMethod
from gateway.core.errors import Reason
from gateway.core.status import Code

_MAX_STEPS = 10
_MAX_NAME = 100
_KINDS = ("method", "upstream", "answer")

IsIdempotent = Callable[[EffectiveMethod], bool]


def fallback_options(place: Place, is_idempotent: IsIdempotent) -> FallbackOptions | None:
    """Return the options of a fallback chain, None where it cannot be built."""
    policy = place.policy.fallback
    if len(policy.steps) > _MAX_STEPS:
        text = f"there may be {_MAX_STEPS} at most, found {len(policy.steps)}"
        place.add("fallback.steps", text)
    codes, reasons = _causes(place, policy.on)
    steps: list[Step] = []
    for i, said in enumerate(policy.steps):
        at = f"fallback.steps[{i}]"
        if i and policy.steps[i - 1].HasField("answer"):
            place.add(at, "stands behind a fixed answer, and would never be tried")
        step = _step(place, at, said, is_idempotent)
        if step is not None:
            steps.append(step)
    return FallbackOptions(
        steps=tuple(steps),
        codes=codes,
        reasons=reasons,
        primary_timeout_s=seconds_of(policy, "primary_timeout"),
        idempotent=is_idempotent(place.effective),
    )


def _causes(place: Place, names: Sequence[str]) -> tuple[frozenset[Code], frozenset[Reason]]:
    """Return statuses and reasons; what is the name of both is a status."""
    if not names:
        place.add("fallback.on", "is empty, so that no step would ever be tried")
    codes = frozenset(Code[name] for name in names if name in Code.__members__)
    reasons = frozenset(Reason(name) for name in names if name not in Code.__members__)
    return codes, reasons


def _step(place: Place, at: str, said: FallbackStep, is_idempotent: IsIdempotent) -> Step | None:
    kinds = [kind for kind in _KINDS if said.HasField(kind)]
    if len(kinds) != 1:
        found = " and ".join(kinds) or "none"
        place.add(at, f"takes exactly one of {', '.join(_KINDS)}; found {found}")
        return None
    if kinds != ["method"]:
        for name in ("request", "response"):
            if getattr(said, name):
                place.add(f"{at}.{name}", "says something of another method, which is not named")
    name = said.name if said.HasField("name") else said.method or said.upstream or "fixed"
    if not (name and name.isascii() and name.isprintable() and name == name.strip()):
        place.add(f"{at}.name", "travels as metadata, which takes printable ASCII only")
    elif len(name) > _MAX_NAME:
        place.add(f"{at}.name", f"may have {_MAX_NAME} characters at most")
    if kinds == ["method"]:
        return _method_step(place, at, said, name, is_idempotent)
    if kinds == ["upstream"]:
        return _upstream_step(place, f"{at}.upstream", said.upstream, name, is_idempotent)
    return _fixed_step(place, f"{at}.answer", said.answer, name)


def _method_step(
    place: Place, at: str, said: FallbackStep, name: str, is_idempotent: IsIdempotent
) -> MethodStep | None:
    called = place.called(f"{at}.method", said.method)
    if called is None:
        return None
    own, other = place.effective.descriptor, called.descriptor
    request = place.mapping(f"{at}.request", own.input_type, other.input_type, said.request)
    place.can_be_sent(f"{at}.request", called, request)
    response = place.mapping(f"{at}.response", other.output_type, own.output_type, said.response)
    if request is None or response is None:
        return None
    return MethodStep(
        name=name,
        method=said.method,
        request=request,
        response=response,
        idempotent=is_idempotent(called),
    )


def _upstream_step(
    place: Place, path: str, upstream: str, name: str, is_idempotent: IsIdempotent
) -> UpstreamStep | None:
    effective = place.effective
    if not effective.bindings:
        place.add(path, "the method has no upstream of its own that another could stand for")
    elif upstream == effective.upstream:
        place.add(path, f"{upstream!r} is the method's own upstream")
    else:
        other = place.served.elsewhere.get((effective.method.full_name, upstream))
        if other is None:  # the method streams, which was told
            return None
        return UpstreamStep(name=name, upstream=upstream, idempotent=is_idempotent(other))
    return None


def _fixed_step(place: Place, path: str, text: str, name: str) -> FixedStep | None:
    output = place.effective.descriptor.output_type
    message: Any = message_factory.GetMessageClass(output)()
    try:
        json_format.Parse(text, message, descriptor_pool=place.served.schema.pool)
        return FixedStep(name=name, answer=message.SerializeToString())
    except (json_format.ParseError, EncodeError) as error:
        why = " ".join(str(error).split())[:200]
        place.add(path, f"is no JSON of {output.full_name}: {why}")
    return None
