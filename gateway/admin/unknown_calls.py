"""AdminService.ListUnknownCalls and ResolveUnknownCall: what nobody but a person can know."""

import re
from collections.abc import Mapping
from typing import Any, Final

from google.protobuf import duration_pb2
from google.protobuf.message import DecodeError, Message
from seawall.admin.v1 import admin_pb2

from gateway.core.errors import CallError, Origin, Reason, invalid_request, refused
from gateway.core.flight import Landing
from gateway.core.outcome import SUCCESS
from gateway.core.status import Code
from gateway.core.stored import pack
from gateway.state.records import RecordAdmin, StoreUnavailable

LIST_REQUEST = admin_pb2.ListUnknownCallsRequest
RESOLVE_REQUEST = admin_pb2.ResolveUnknownCallRequest
MAX_PAGE: Final = 1000
_PAGE: Final = 100
_METHOD: Final = re.compile(r"[\w./-]*", re.ASCII)
_NAME: Final = re.compile(r"unknown-calls/([0-9a-f]{64})")


async def list_unknown_calls(
    store: RecordAdmin, request: admin_pb2.ListUnknownCallsRequest
) -> admin_pb2.ListUnknownCallsResponse:
    """Answer ListUnknownCalls.

    Raises:
        CallError: INVALID_ARGUMENT for a page that there is not; UNAVAILABLE without the store.
    """
    if request.page_size < 0:
        raise invalid_request("the page_size must not be negative", "page_size")
    if _METHOD.fullmatch(request.method) is None:
        raise invalid_request("the method must be a full name, or nothing", "method")
    size = min(request.page_size or _PAGE, MAX_PAGE)
    try:
        page = await store.find(method=request.method, after=request.page_token, limit=size)
    except ValueError:
        raise invalid_request("the page_token is none of an earlier page", "page_token") from None
    except StoreUnavailable as error:
        raise _unavailable(error) from None
    return admin_pb2.ListUnknownCallsResponse(
        calls=[
            admin_pb2.UnknownCall(
                name=f"unknown-calls/{record.key.hex()}",
                method=record.method,
                claims=record.claims,
                age=_duration(record.began_s),
                unknown_for=_duration(record.changed_s),
                kept_for=_duration(record.left_s),
            )
            for record in page.records
        ],
        next_page_token=page.after,
    )


async def resolve_unknown_call(
    store: RecordAdmin,
    answers: Mapping[str, type[Message]],
    request: admin_pb2.ResolveUnknownCallRequest,
) -> admin_pb2.ResolveUnknownCallResponse:
    """Answer ResolveUnknownCall.

    Args:
        store: of records.
        answers: what methods answer, by their full names.
        request: which call, and what became of it.

    Raises:
        CallError: INVALID_ARGUMENT for a name or an outcome that is none; NOT_FOUND where there
            is no such call, or it is known by now; FAILED_PRECONDITION for an answer of a method
            that is not served here; UNAVAILABLE without the store.
    """
    name = _NAME.fullmatch(request.name)
    if name is None:
        raise invalid_request("the name must be one that ListUnknownCalls gives", "name")
    outcome = request.WhichOneof("outcome")
    if outcome is None:
        raise invalid_request("say either response or had_no_effect", "outcome")
    key, done = bytes.fromhex(name[1]), False
    try:
        method = await store.method_of(key)
        if method is not None:
            answer = None
            if outcome == "response":
                _check_answer(method, answers.get(method), request.response)
                answer = pack(Landing(SUCCESS, request.response.value))
            done = await store.resolve(key, answer)
    except StoreUnavailable as error:
        raise _unavailable(error) from None
    if not done:
        raise CallError(
            Code.NOT_FOUND,
            Reason.INVALID_REQUEST,
            "there is no such call, or it is known by now what became of it",
            origin=Origin.CALLER,
        )
    return admin_pb2.ResolveUnknownCallResponse()


def _check_answer(method: str, wanted: type[Message] | None, response: Any) -> None:
    """Refuse what callers of a method could not read; it could not be taken back."""
    if wanted is None:
        raise CallError(
            Code.FAILED_PRECONDITION,
            Reason.INVALID_REQUEST,
            f"{method} is not served here, so that its answer cannot be checked; ask a gateway "
            "that serves it",
            origin=Origin.CALLER,
        )
    name = wanted.DESCRIPTOR.full_name
    said = response.type_url.rpartition("/")[2]
    if said != name:
        raise invalid_request(f"{method} answers a {name}, not a {said or 'nameless'}", "response")
    try:
        wanted.FromString(response.value)
    except DecodeError:
        raise invalid_request(f"is no {name} that could be read", "response") from None


def _unavailable(error: StoreUnavailable) -> CallError:
    return refused(
        Code.UNAVAILABLE,
        Reason.STORE_UNAVAILABLE,
        f"the store of idempotency keys cannot be asked: {error.why}",
        retry_after_s=error.retry_after_s,
    )


def _duration(seconds: float) -> duration_pb2.Duration:
    nanos = max(0, round(seconds * 1e9))
    return duration_pb2.Duration(seconds=nanos // 10**9, nanos=nanos % 10**9)
