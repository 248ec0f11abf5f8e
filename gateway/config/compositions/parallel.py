"""Fan-out and scatter policies to options, with every mistake in them."""

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from seawall.policy.v1.policy_pb2 import FanOutBranch, FanOutPolicy

from gateway.compose.fan_out import BranchOptions, FanOutOptions, Need
from gateway.compose.mapping import MessageMapping, field_of, held_by
from gateway.compose.scatter import ScatterOptions
from gateway.config.compositions.place import Place, seconds_of
from gateway.config.effective import EffectiveMethod

_MAX_BRANCHES = 64
_STATUS = "google.rpc.Status"


def fan_out_options(place: Place) -> FanOutOptions | None:
    """Return the options of a fan-out, None where it cannot be built."""
    policy = place.policy.fan_out
    if not 1 <= len(policy.branches) <= _MAX_BRANCHES:
        text = f"there must be 1 to {_MAX_BRANCHES}, found {len(policy.branches)}"
        place.add("fan_out.branches", text)
        return None
    _find_filled_twice(place, policy)
    quorum = _quorum(place, policy)
    branches = [
        _branch(place, f"fan_out.branches[{i}]", said) for i, said in enumerate(policy.branches)
    ]
    return FanOutOptions(
        branches=tuple(branch for branch in branches if branch is not None),
        new_answer=message_factory.GetMessageClass(place.effective.descriptor.output_type),
        quorum=quorum,
        reserve_s=seconds_of(policy, "reserve"),
        max_response_bytes=place.policy.sizes.max_response_bytes,
    )


def _quorum(place: Place, policy: FanOutPolicy) -> int:
    voters = sum(branch.need == FanOutBranch.QUORUM for branch in policy.branches)
    if not policy.HasField("quorum"):
        return voters
    if not voters:
        place.add("fan_out.quorum", "no branch has `need: QUORUM`")
    elif not 1 <= policy.quorum <= voters:
        place.add(
            "fan_out.quorum",
            f"must be 1 to {voters}, as many branches have `need: QUORUM`; found {policy.quorum}",
        )
    return policy.quorum


def _find_filled_twice(place: Place, policy: FanOutPolicy) -> None:
    fields = place.effective.descriptor.output_type.fields_by_name
    filled: dict[str, str] = {}
    for i, branch in enumerate(policy.branches):
        at = f"fan_out.branches[{i}]"
        field = fields.get(branch.field)
        if field is None:
            continue
        oneof = field.containing_oneof
        key = branch.field
        if oneof is not None and len(oneof.fields) > 1:
            key = f"oneof {oneof.name}"
        if key in filled:
            place.add(f"{at}.field", f"{filled[key]} fills {key!r} already")
        filled.setdefault(key, at)


def _branch(place: Place, at: str, said: FanOutBranch) -> BranchOptions | None:
    descriptor = place.effective.descriptor
    called = place.called(f"{at}.method", said.method)
    timeout_s = seconds_of(said, "timeout")
    field = _field(place, f"{at}.field", descriptor.output_type, said.field)
    if called is None:
        return None
    other = called.descriptor
    request = place.mapping(f"{at}.request", descriptor.input_type, other.input_type, said.request)
    place.can_be_sent(f"{at}.request", called, request)
    taken: str = getattr(said, "from")
    answer = None
    if field is not None:
        path = f"{at}.from" if taken else f"{at}.field"
        output = descriptor.output_type
        answer = place.filling(path, other.output_type, output, said.field, taken)
    if request is None or answer is None:
        return None
    return BranchOptions(
        method=said.method,
        field=said.field,
        request=request,
        answer=answer,
        need=Need(said.need or Need.REQUIRED.value),
        timeout_s=float("inf") if timeout_s is None else timeout_s,
    )


def scatter_options(place: Place) -> ScatterOptions | None:
    """Return the options of a scatter, None where it cannot be built."""
    policy, descriptor = place.policy.scatter, place.effective.descriptor
    called = place.called("scatter.method", policy.method)
    items = _repeated(place, "scatter.items", descriptor.input_type, policy.items)
    results = _repeated(place, "scatter.results", descriptor.output_type, policy.results)
    item_timeout_s = seconds_of(policy, "item_timeout")
    status = policy.status or "status"
    request = _item_request(place, items, called)
    answer = None if results is None else _result(place, results, called, status)
    if request is None or answer is None:
        return None
    return ScatterOptions(
        method=policy.method,
        items=policy.items,
        results=policy.results,
        new_answer=message_factory.GetMessageClass(descriptor.output_type),
        of_item=request[0],
        of_request=request[1],
        answer=answer,
        status=status,
        max_parallel=policy.max_parallel if policy.HasField("max_parallel") else 8,
        item_timeout_s=float("inf") if item_timeout_s is None else item_timeout_s,
        max_items=policy.max_items if policy.HasField("max_items") else 100,
        reserve_s=seconds_of(policy, "reserve"),
        max_response_bytes=place.policy.sizes.max_response_bytes,
    )


def _item_request(
    place: Place, items: FieldDescriptor | None, called: EffectiveMethod | None
) -> tuple[MessageMapping, MessageMapping | None] | None:
    """Return what makes a call's request: of the item, and of what all items share."""
    of_item: dict[str, str] = {}
    shared: dict[str, str] = {}
    for target, path in place.policy.scatter.request.items():
        root, _, inner = path.partition(".")
        if root == "item":
            of_item[target] = inner
        else:
            shared[target] = path
    if shared and not of_item:
        place.add("scatter.request", "takes nothing of 'item', so that all calls are the same")
        return None
    if items is None or called is None:
        return None
    at, request = "scatter.request", called.descriptor.input_type
    own = place.mapping(at, items, request, of_item)
    if not shared:
        place.can_be_sent(at, called, own)
        return None if own is None else (own, None)
    rest = place.mapping(at, place.effective.descriptor.input_type, request, shared)
    place.can_be_sent(at, called, own, rest)
    return None if own is None or rest is None else (own, rest)


def _result(
    place: Place, results: FieldDescriptor, called: EffectiveMethod | None, status: str
) -> MessageMapping | None:
    """Return what fills one result."""
    message = results.message_type
    if message is None:
        text = f"{results.full_name} is {held_by(results)}; a result is a message"
        place.add("scatter.results", text)
        return None
    field = _field(place, "scatter.status", message, status)
    if field is not None and held_by(field) != _STATUS:
        place.add("scatter.status", f"{field.full_name} is {held_by(field)}, not {_STATUS}")
    if called is None:
        return None
    filled = place.policy.scatter.result or "result"
    return place.filling("scatter.result", called.descriptor.output_type, message, filled)


def _field(place: Place, path: str, message: Descriptor, name: str) -> FieldDescriptor | None:
    if not name:
        place.add(path, f"names no field of {message.full_name}")
        return None
    try:
        return field_of(message, name)
    except LookupError as error:
        place.add(path, str(error.args[0]))
    return None


def _repeated(place: Place, path: str, message: Descriptor, name: str) -> FieldDescriptor | None:
    field = _field(place, path, message, name)
    if field is None or held_by(field).startswith("repeated "):
        return field
    place.add(path, f"{field.full_name} is {held_by(field)}, not repeated")
    return None
