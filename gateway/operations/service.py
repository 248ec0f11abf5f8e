"""google.longrunning.Operations: what callers ask of their operations (AIP-151).

Rules:
1. Only the caller who began an operation sees it; to everybody else there is none.
2. Wait returns as the operation stands when it ends, when the time asked for is over, or when the
   gateway begins to drain: never later than the call's deadline, nor than ten minutes, and after
   30 s where nothing says when.
3. Cancel ends what waits, and asks what runs to end. Delete is of what has ended.
4. Pages are newest first. A page token goes on where the page before ended, under the same
   filter.
"""

import base64
import hashlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from google.longrunning import operations_pb2
from google.protobuf import empty_pb2

from gateway.core.call import Call, MethodInfo
from gateway.core.clock import Clock
from gateway.core.deadline import Expired, Expiry
from gateway.core.errors import CallError, Origin, Reason, invalid_request, refused
from gateway.core.events import Events, OperationEnded
from gateway.core.flight import Landing
from gateway.core.outcome import failed
from gateway.core.status import Code
from gateway.core.stored import pack
from gateway.operations.accept import owner_digest
from gateway.operations.effects import cancelled_error, was_begun
from gateway.operations.filters import parse_filter
from gateway.operations.message import OperationMessages
from gateway.operations.naming import COLLECTION, id_of
from gateway.state.operations import OPEN, Kept, OperationQuery, OperationStore
from gateway.state.records import StoreUnavailable

SERVICE: Final = "google.longrunning.Operations"
MAX_PAGE: Final = 1000
_PAGE: Final = 100
_MAX_PAGE_BYTES: Final = 3 * 1024 * 1024
"""Clients take messages of 4 MiB unless they are told otherwise; one operation is always sent."""
_USUAL_WAIT_S: Final = 30.0
_LONGEST_WAIT_S: Final = 600.0
_FIRST_LOOK_S: Final = 0.05
_LAST_LOOK_S: Final = 1.0
_EARLIER_S: Final = 0.1
"""Before the call's deadline, so that the answer arrives."""

_p: Any = operations_pb2


class OperationsService:
    """Answers for the operations of one store.

    Args:
        store: of operations.
        owner: returns what tells a call's caller apart.
        messages: makes answers.
        clock: for waiting.
        events: told of what ends here.
        wake: tells workers of this process that something is due.
    """

    def __init__(
        self,
        store: OperationStore,
        owner: Callable[[Call], bytes],
        messages: OperationMessages,
        clock: Clock,
        events: Events,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._owner = owner
        self._messages = messages
        self._clock = clock
        self._events = events
        self._wake = wake
        self._is_over = False

    def end(self) -> None:
        """Let nobody wait any longer; for the end of the process."""
        self._is_over = True

    def methods(self) -> dict[str, tuple[Any, Callable[[Call, Any], Any]]]:
        """Return the request's class and the answer's maker of each method."""
        return {
            "GetOperation": (_p.GetOperationRequest, self.get),
            "ListOperations": (_p.ListOperationsRequest, self.list),
            "WaitOperation": (_p.WaitOperationRequest, self.wait),
            "CancelOperation": (_p.CancelOperationRequest, self.cancel),
            "DeleteOperation": (_p.DeleteOperationRequest, self.delete),
        }

    def _of(self, call: Call) -> bytes:
        return owner_digest(self._owner(call))

    async def get(self, call: Call, request: Any) -> Any:
        """Return an operation.

        Raises:
            CallError: there is none.
        """
        return self._told(await self._kept(request.name, self._of(call)))

    def _told(self, kept: Kept) -> Any:
        if self._messages.is_known(kept):
            return self._messages.message(kept)
        raise CallError(
            Code.UNIMPLEMENTED,
            Reason.INVALID_REQUEST,
            f"the operation has succeeded, but this gateway does not serve {kept.method} and "
            "cannot read its answer; ask one that does",
        )

    async def _kept(self, name: str, owner: bytes) -> Kept:
        operation = _id(name)
        try:
            kept = await self._store.get(operation, owner)
        except StoreUnavailable as error:
            raise _unavailable(error) from None
        if kept is None:
            raise _unknown(name)
        return kept

    async def list(self, call: Call, request: Any) -> Any:
        """Return a page of the caller's operations.

        Raises:
            CallError: filter or page token cannot be read.
        """
        return await self._list(self._of(call), request)

    async def list_all(self, _call: Call, request: Any) -> Any:
        """Return a page of everybody's operations: for operators.

        Raises:
            CallError: filter or page token cannot be read.
        """
        return await self._list(None, request)

    async def retry(self, _call: Call, request: Any) -> Any:
        """Let a dead letter have all its attempts again: for operators.

        Raises:
            CallError: there is none.
        """
        operation = _id(request.name)
        try:
            retried = await self._store.retry(operation)
            kept = await self._store.get(operation, None) if retried else None
        except StoreUnavailable as error:
            raise _unavailable(error) from None
        if kept is None:
            raise CallError(
                Code.NOT_FOUND,
                Reason.OPERATION_UNKNOWN,
                f"there is no {request.name} among the dead letters",
                origin=Origin.CALLER,
            )
        self._wake()
        return self._messages.message(kept)

    async def _list(self, owner: bytes | None, request: Any) -> Any:
        if request.name not in ("", COLLECTION):
            raise invalid_request(f"the name must be {COLLECTION!r}", "name")
        if request.page_size < 0:
            raise invalid_request("the page_size must not be negative", "page_size")
        size = min(request.page_size or _PAGE, MAX_PAGE)
        wanted = parse_filter(request.filter)
        query = OperationQuery(
            owner,
            wanted.method,
            wanted.states,
            _after(request.page_token, request.filter),
            size + 1,
            _MAX_PAGE_BYTES,
        )
        try:
            found = await self._store.find(query)
            more = len(found) > size
            if found and not more:  # it may be its size that ended the page
                rest = query._replace(after=found[-1].number, limit=1)
                more = bool(await self._store.find(rest))
        except StoreUnavailable as error:
            raise _unavailable(error) from None
        answer = _p.ListOperationsResponse(
            operations=[self._messages.message(kept) for kept in found[:size]]
        )
        if more:
            answer.next_page_token = _token(found[:size][-1].number, request.filter)
        return answer

    async def wait(self, call: Call, request: Any) -> Any:
        """Return an operation once it has ended, or as it stands when the time is over.

        Raises:
            CallError: there is none.
        """
        owner, now = self._of(call), self._clock.now()
        asked_s = request.timeout.seconds + request.timeout.nanos / 1e9
        limit_s = asked_s if request.HasField("timeout") else _USUAL_WAIT_S
        if limit_s < 0:
            raise invalid_request("the timeout must not be negative", "timeout")
        until = min(now + min(limit_s, _LONGEST_WAIT_S), call.deadline_at - _EARLIER_S)
        kept = await self._kept(request.name, owner)
        look_s = _FIRST_LOOK_S
        with suppress(Expired), Expiry(self._clock, until):
            while kept.state in OPEN and not self._is_over:
                await self._clock.sleep(look_s)
                look_s = min(look_s * 1.5, _LAST_LOOK_S)
                kept = await self._kept(request.name, owner)
        return self._told(kept)

    async def cancel(self, call: Call, request: Any) -> Any:
        """Cancel an operation.

        Raises:
            CallError: there is none.
        """
        try:
            done = await self._store.cancel(
                _id(request.name), self._of(call), lambda kept: pack(Landing(failed(_end_of(kept))))
            )
        except StoreUnavailable as error:
            raise _unavailable(error) from None
        if done is None:
            raise _unknown(request.name)
        if done.ended:
            self._tell(done.kept)
        return empty_pb2.Empty()

    def _tell(self, kept: Kept) -> None:
        service, _, name = kept.method.rpartition("/")
        age_s = max(0.0, kept.changed_at - kept.accepted_at)
        why = _end_of(kept).message
        method = MethodInfo(service, name)
        self._events.emit(
            OperationEnded(method, kept.id, kept.state.value, kept.attempts, age_s, why)
        )

    async def delete(self, call: Call, request: Any) -> Any:
        """Delete an operation that has ended.

        Raises:
            CallError: there is none, or it has not ended.
        """
        try:
            kept = await self._store.delete(_id(request.name), self._of(call))
        except StoreUnavailable as error:
            raise _unavailable(error) from None
        if kept is None:
            raise _unknown(request.name)
        if kept.state in OPEN:
            raise CallError(
                Code.FAILED_PRECONDITION,
                Reason.INVALID_REQUEST,
                "the operation has not ended; cancel it first",
                origin=Origin.CALLER,
            )
        return empty_pb2.Empty()


def _id(name: str) -> str:
    operation = id_of(name)
    if operation is None:
        raise invalid_request(
            "the name is no operation's: 'operations/' and the 26 letters and digits of one",
            "name",
        )
    return operation


def _end_of(kept: Kept) -> CallError:
    """Return what one that waited answers, once it is cancelled."""
    return cancelled_error(begun=was_begun(kept, kept.attempts))


def _unknown(name: str) -> CallError:
    return CallError(
        Code.NOT_FOUND,
        Reason.OPERATION_UNKNOWN,
        f"there is no {name}, or it is another caller's, or it is not kept any more",
        origin=Origin.CALLER,
    )


def _unavailable(error: StoreUnavailable) -> CallError:
    return refused(
        Code.UNAVAILABLE,
        Reason.STORE_UNAVAILABLE,
        f"operations cannot be looked up: {error.why}",
        retry_after_s=error.retry_after_s,
    )


_NUMBERS: Final = 2**63
"""More than there are: a number beyond would be a mistake of the database's."""


def _seal(number: int, wanted: str) -> str:
    return hashlib.sha256(f"{number}\0{wanted}".encode()).hexdigest()[:16]


def _token(number: int, wanted: str) -> str:
    return base64.urlsafe_b64encode(f"{number}.{_seal(number, wanted)}".encode()).decode()


def _after(token: str, wanted: str) -> int:
    """Return where a page begins.

    Raises:
        CallError: the token is none of this filter's.
    """
    if not token:
        return 0
    try:
        number, _, seal = base64.urlsafe_b64decode(token).decode().partition(".")
        if seal == _seal(int(number), wanted) and 0 < int(number) < _NUMBERS:
            return int(number)
    except ValueError:
        pass
    raise invalid_request("the page_token is none of a page with this filter", "page_token")
