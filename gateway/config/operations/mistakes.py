"""What policies may not say of durable operations."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from seawall.policy.v1.policy_pb2 import MethodPolicy, OperationPoll, UpstreamPolicy

from gateway.config.credentials import is_credential
from gateway.config.merge import Origins
from gateway.config.operations.said import OPERATION, answer_of, has_operations, is_later
from gateway.config.protection import field_mistake
from gateway.config.upstream_credentials import caller_of
from gateway.config.values import KEYS, Mistake
from gateway.downstream.credentials import Caller
from gateway.operations.path import path_parts

if TYPE_CHECKING:
    from gateway.config.effective import EffectiveMethod, EffectiveUpstream


def operation_mistakes(policy: MethodPolicy) -> Iterator[Mistake]:
    """Yield what one level may not say, by paths below the policy."""
    said = policy.operation
    poll = said.poll
    if poll.path and (wrong := path_mistake(poll.path)):
        yield "operation.poll.path", wrong
    for name in ("state", "result"):
        text = getattr(poll, name)
        if text and not KEYS.fullmatch(text):
            yield f"operation.poll.{name}", "must be keys joined by dots"
    names: set[str] = set()
    for i, step in enumerate(said.steps):
        name = step.name or step.method.rpartition("/")[2]
        if name in names:
            yield f"operation.steps[{i}].name", f"{name!r} is taken; give each step its own"
        names.add(name)


def path_mistake(path: str) -> str:
    """Return why a path is none, "" where it is."""
    try:
        path_parts(path)
    except ValueError as error:
        return str(error)
    return ""


def merged_operation_mistakes(
    method: MethodDescriptor,
    policy: MethodPolicy,
    origins: Origins,
    upstream: UpstreamPolicy | None,
    *,
    bound: bool,
) -> Iterator[Mistake]:
    """Yield what is wrong once all levels are merged.

    Args:
        method: its descriptor.
        policy: merged.
        origins: of its values.
        upstream: that answers it, None for a method made of others.
        bound: whether it has a google.api.http.
    """
    if not has_operations(policy, origins):
        return
    said = policy.operation
    own = any(
        path.startswith("operation.") and at.startswith("method") for path, at in origins.items()
    )
    if method.client_streaming or method.server_streaming:
        if own:
            yield "operation", "the method streams; only one of one message each way has this"
        return
    if is_later(method, policy, origins):
        yield from _later_mistakes(method, policy, origins, bound=bound)
    elif said.accepted_in:
        yield from _accepted_mistakes(method, said.accepted_in)
        if said.HasField("poll"):
            yield "operation.poll", "is for methods that answer with google.longrunning.Operation"
        if said.steps:
            yield "operation.steps", "is for methods that answer with google.longrunning.Operation"
    else:
        yield (
            "operation",
            f"{method.full_name} answers with {method.output_type.full_name}: let it return "
            f"{OPERATION} (with operation_info), or name in accepted_in the field that takes "
            "the operation where the upstream is away",
        )
        return
    if said.order_by and (wrong := field_mistake(method.input_type, said.order_by)):
        yield "operation.order_by", wrong
    if upstream is not None and (wrong := _needs_callers(policy, upstream)):
        yield "operation", wrong


def _later_mistakes(
    method: MethodDescriptor, policy: MethodPolicy, origins: Origins, *, bound: bool
) -> Iterator[Mistake]:
    said = policy.operation
    if answer_of(method, policy, origins) is None:
        yield (
            "operation",
            "the method needs `option (google.longrunning.operation_info) = {response_type: …}` "
            "with a message that these protos have",
        )
    if said.accepted_in:
        yield "operation.accepted_in", "every call of this method answers with an operation already"
    if said.steps and bound:
        yield "operation.steps", "the method carries google.api.http too; one of the two must go"
    is_made = policy.HasField("fan_out") or policy.HasField("scatter")
    if not (said.steps or bound or is_made):  # the file has taken back what the proto said
        yield "operation.steps", "there are none, and the method carries no google.api.http"
    if said.steps and said.HasField("poll"):
        yield "operation.poll", "is for the method's own binding, and there are steps in its place"
    yield from _poll_mistakes(said.poll)


def _poll_mistakes(poll: OperationPoll) -> Iterator[Mistake]:
    if (poll.succeeded or poll.failed) and not poll.state:
        yield "operation.poll.state", "must say where these states stand"
    both = {one.lower() for one in poll.succeeded} & {one.lower() for one in poll.failed}
    if both:
        yield "operation.poll.failed", f"{sorted(both)[0]!r} is a success too; one must go"


def _accepted_mistakes(method: MethodDescriptor, name: str) -> Iterator[Mistake]:
    field: FieldDescriptor | None = method.output_type.fields_by_name.get(name)
    if field is None:
        known = ", ".join(sorted(method.output_type.fields_by_name)) or "none"
        yield (
            "operation.accepted_in",
            f"{method.output_type.full_name} has no field {name!r}; it has {known}",
        )
        return
    kind: Any = field.message_type
    of_name = field.type == FieldDescriptor.TYPE_STRING
    if field.is_repeated or not (of_name or (kind is not None and kind.full_name == OPERATION)):
        yield "operation.accepted_in", f"{name!r} must be a string or {OPERATION}, and one"


def step_mistakes(
    methods: "Sequence[EffectiveMethod]",
    steps_of: Mapping[str, Sequence[str]],
    upstreams: "Mapping[str, EffectiveUpstream]",
) -> Iterator[tuple[str, str]]:
    """Yield the place and the sentence of steps that could not be made on nobody's behalf.

    Args:
        methods: all that are served.
        steps_of: full names of the methods that a method's operations call, by its own.
        upstreams: in use, by name.
    """
    known = {method.method.full_name: method for method in methods}
    for name, steps in steps_of.items():
        for step in dict.fromkeys(steps):
            called = known.get(step)
            upstream = None if called is None else upstreams.get(called.upstream)
            if called is None or upstream is None:
                continue
            if wrong := _needs_callers(called.policy, upstream.policy):
                yield known[name].where, f"{name}: operation.steps: {step}: {wrong}"


def _needs_callers(policy: MethodPolicy, upstream: UpstreamPolicy) -> str:
    caller = caller_of(upstream)
    if caller is Caller.EXCHANGE:
        return (
            f"the upstream {upstream.name!r} is called with what callers' credentials are "
            "exchanged for, and an operation is made on nobody's behalf: give the upstream a "
            "credential of its own (credentials, caller: STRIP)"
        )
    forwarded = [name for name in policy.headers.forward_request if _carries(name.lower())]
    if caller is Caller.FORWARD and forwarded:
        return (
            f"the upstream {upstream.name!r} is sent its callers' {forwarded[0]!r}, and an "
            "operation is made on nobody's behalf: give the upstream a credential of its own, or "
            "say credentials: {caller: STRIP} where it needs none"
        )
    return ""


def _carries(name: str) -> bool:
    return name in ("authorization", "cookie") or is_credential(name)
