"""Durable operations to options, with every mistake in their steps."""

from google.protobuf import message_factory
from seawall.operations.v1.operations_pb2 import OperationMetadata
from seawall.policy.v1.policy_pb2 import OperationPolicy

from gateway.compose.mapping import MessageMapping
from gateway.config.compositions.place import Place
from gateway.config.operations.said import answer_of, has_operations, is_later, metadata_of
from gateway.config.values import seconds
from gateway.operations.options import OperationOptions, Poll, Schedule, Step
from gateway.operations.path import path_parts


def is_kept(place: Place) -> bool:
    """Tell whether calls of a method are kept, or may be."""
    effective = place.effective
    if place.streams or not has_operations(effective.policy, effective.origins):
        return False
    return bool(
        is_later(effective.descriptor, effective.policy, effective.origins)
        or effective.policy.operation.accepted_in
    )


def operation_options(place: Place) -> OperationOptions | None:
    """Return the options of a method's operations, None where they cannot be built."""
    effective, said = place.effective, place.policy.operation
    descriptor = effective.descriptor
    answer = answer_of(descriptor, effective.policy, effective.origins)
    metadata = metadata_of(descriptor)
    steps: list[Step] = []
    for index, one in enumerate(said.steps):
        step = _step(place, index, one.method, one.name, dict(one.request))
        if step is not None:
            steps.append(step)
    if answer is None or len(steps) < len(said.steps):
        return None
    steps_answer: MessageMapping | None = None
    if steps:
        last = place.called(f"operation.steps[{len(steps) - 1}].method", steps[-1].method)
        if last is None:
            return None
        steps_answer = place.mapping("operation.steps", last.descriptor.output_type, answer, {})
        if steps_answer is None:
            return None
    return OperationOptions(
        schedule=_schedule(said),
        max_pending=said.max_pending,
        order_by=said.order_by,
        steps=tuple(steps),
        steps_answer=steps_answer,
        poll=_poll(said),
        accepted_in=said.accepted_in,
        response=message_factory.GetMessageClass(answer),
        metadata=OperationMetadata
        if metadata is None
        else message_factory.GetMessageClass(metadata),
        header=place.policy.deduplication.header.lower(),
    )


def _step(place: Place, index: int, method: str, name: str, request: dict[str, str]) -> Step | None:
    at = f"operation.steps[{index}]"
    called = place.called(f"{at}.method", method)
    if called is None:
        return None
    made = place.mapping(
        f"{at}.request",
        place.effective.descriptor.input_type,
        called.descriptor.input_type,
        request,
    )
    place.can_be_sent(f"{at}.request", called, made)
    if made is None:
        return None
    return Step(
        name=name or called.method.name,
        method=method,
        request=made,
        key_metadata=called.policy.deduplication.metadata.lower(),
    )


def _schedule(said: OperationPolicy) -> Schedule:
    return Schedule(
        max_attempts=said.max_attempts,
        initial_delay_s=seconds(said.initial_delay),
        multiplier=said.delay_multiplier,
        max_delay_s=seconds(said.max_delay),
        attempt_timeout_s=seconds(said.attempt_timeout),
        total_timeout_s=seconds(said.total_timeout),
        retention_s=seconds(said.retention),
    )


def _poll(said: OperationPolicy) -> Poll | None:
    if not said.HasField("poll"):
        # What is kept only while its upstream is away answers as it does at once.
        return None if said.accepted_in or said.steps else Poll(implied=True)
    poll, built_in = said.poll, Poll()
    succeeded = frozenset(one.lower() for one in poll.succeeded)
    failed = frozenset(one.lower() for one in poll.failed)
    return Poll(
        path=path_parts(poll.path) if poll.path else (),
        interval_s=seconds(poll.interval) or built_in.interval_s,
        state=tuple(poll.state.split(".")) if poll.state else (),
        # What is said of a state beats what is built in.
        succeeded=succeeded or built_in.succeeded - failed,
        failed=failed or built_in.failed - succeeded,
        result=tuple(poll.result.split(".")) if poll.result else (),
    )
