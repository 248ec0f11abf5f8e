"""A kept operation as google.longrunning.Operation (AIP-151).

Rules:
1. `metadata` is of the method's `operation_info.metadata_type`: the fields that it has in common
   with seawall.operations.v1.OperationMetadata, by name and type, are filled. Where it names
   none it is that message itself.
2. `response` is of its `response_type`; `error` has the same details as the call would have had.
3. Where one that has succeeded is of a method that is not served here, its answer's type is not
   known: it has neither, since an error would say that it failed. Whoever asks for that one alone
   is told so.
"""

from collections.abc import Mapping
from typing import Any, Final

from google.longrunning import operations_pb2
from google.protobuf import timestamp_pb2
from google.rpc import status_pb2
from seawall.operations.v1.operations_pb2 import OperationMetadata

from gateway.compose.status import fill_status
from gateway.core.stored import UnreadableError, unpack
from gateway.operations.naming import name_of
from gateway.operations.options import OperationOptions
from gateway.operations.work import progress_of
from gateway.state.operations import NEVER, Kept, State

_TYPE_PREFIX: Final = "type.googleapis.com/"
_UNKNOWN_CODE: Final = 2
_STATES: Final = {
    State.WAITING: OperationMetadata.WAITING,
    State.RUNNING: OperationMetadata.RUNNING,
    State.SUCCEEDED: OperationMetadata.SUCCEEDED,
    State.FAILED: OperationMetadata.FAILED,
    State.DEAD: OperationMetadata.DEAD,
    State.CANCELLED: OperationMetadata.CANCELLED,
}


class OperationMessages:
    """Makes messages of operations.

    Args:
        options: of the methods that have any, by full name.
    """

    def __init__(self, options: Mapping[str, OperationOptions]) -> None:
        self._options = options

    def message(self, kept: Kept) -> operations_pb2.Operation:
        """Return an operation as it stands."""
        options = self._options.get(kept.method)
        told = operations_pb2.Operation(
            name=name_of(kept.id), done=kept.state not in (State.WAITING, State.RUNNING)
        )
        metadata = _metadata(kept, options)
        wanted = None if options is None else options.metadata
        told.metadata.type_url = _TYPE_PREFIX + OperationMetadata.DESCRIPTOR.full_name
        if wanted is not None and wanted.DESCRIPTOR.full_name != metadata.DESCRIPTOR.full_name:
            told.metadata.type_url = _TYPE_PREFIX + wanted.DESCRIPTOR.full_name
            told.metadata.value = _common(metadata, wanted).SerializeToString()
        else:
            told.metadata.value = metadata.SerializeToString()
        if told.done:
            self._fill_end(told, kept, options)
        return told

    def is_known(self, kept: Kept) -> bool:
        """Tell whether the answer of an operation can be told here."""
        return kept.state is not State.SUCCEEDED or kept.method in self._options

    def _fill_end(
        self, told: operations_pb2.Operation, kept: Kept, options: OperationOptions | None
    ) -> None:
        try:
            landing = unpack(kept.answer)
        except UnreadableError:
            told.error.code = _UNKNOWN_CODE
            told.error.message = "it has ended, but its answer cannot be read by this version"
            return
        if landing.outcome.error is not None:
            fill_status(landing.outcome.error, told.error)
            return
        if options is None:
            return
        told.response.type_url = _TYPE_PREFIX + options.response.DESCRIPTOR.full_name
        told.response.value = landing.answer


def _metadata(kept: Kept, options: OperationOptions | None) -> OperationMetadata:
    told = OperationMetadata(
        method=kept.method,
        state=_STATES[kept.state],
        create_time=_instant(kept.accepted_at),
        update_time=_instant(kept.changed_at),
        attempts=max(0, kept.attempts),
        cancel_requested=kept.cancelling,
        steps_done=[name for name, _ in progress_of(kept.progress).steps],
    )
    if options is not None:
        told.max_attempts = options.schedule.max_attempts
        told.steps = len(options.steps)
    if kept.state is State.WAITING and kept.due_at < NEVER / 2:
        told.next_attempt_time.CopyFrom(_instant(kept.due_at))
    if kept.expires_at:
        told.expire_time.CopyFrom(_instant(kept.expires_at))
    if kept.last_error:
        told.last_error.CopyFrom(last_error(kept))
    return told


def last_error(kept: Kept) -> status_pb2.Status:
    """Return why the last attempt failed."""
    status = status_pb2.Status()
    try:
        error = unpack(kept.last_error).outcome.error
    except UnreadableError:
        error = None
    if error is not None:
        fill_status(error, status)
    return status


def _instant(at: float) -> timestamp_pb2.Timestamp:
    nanos = round(at * 1e9)
    return timestamp_pb2.Timestamp(seconds=nanos // 10**9, nanos=nanos % 10**9)


def _common(metadata: OperationMetadata, wanted: Any) -> Any:
    """Return a message of another type with the fields that both have."""
    told = wanted()
    for field in wanted.DESCRIPTOR.fields:
        own = OperationMetadata.DESCRIPTOR.fields_by_name.get(field.name)
        if own is None or own.type != field.type or own.is_repeated != field.is_repeated:
            continue
        value = getattr(metadata, field.name)
        if field.message_type is not None:
            kind = own.message_type
            if kind is None or kind.full_name != field.message_type.full_name:
                continue
            if not metadata.HasField(field.name):
                continue
            # The other message may be of another pool.
            getattr(told, field.name).MergeFromString(value.SerializeToString())
        elif field.is_repeated:
            getattr(told, field.name).extend(value)
        elif field.enum_type is not None:
            name = OperationMetadata.State.Name(value)
            number = field.enum_type.values_by_name.get(name)
            if number is not None:
                setattr(told, field.name, number.number)
        else:
            setattr(told, field.name, value)
    return told
