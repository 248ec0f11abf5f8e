"""An upstream that accepts work (202) and is asked for its end.

Rules:
1. The first call is made as every call of the method. What its answer is, is told to the
   operation in an envelope: the end, or where to ask. So it is known again where the answer was
   recorded by the call's key. An answer without an envelope is the end: it was looked up, or an
   operator has said it. No message begins like an envelope.
2. Without a word of it a 202 is followed where its `location` is on the same upstream, else it is
   the answer. It is asked by GET at the path that the policy makes of the 202's JSON, or at its
   `location`, which must be on the same upstream. A question has the method's retries, breaker
   and limits.
3. An answer is the end where the declared state says so, or, without one, where it is not 202.
   States that are neither an end nor a failure go on.
4. A question that fails is asked again after the interval, at least; what the upstream says of
   `retry-after` holds up to an hour. A failure that no other question would mend ends it.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote, urljoin, urlsplit

import orjson

from gateway.core.call import Call, CallNext
from gateway.core.errors import CallError, Origin, Reason, Sent
from gateway.core.flight import Landing
from gateway.core.http import HttpAnswer
from gateway.core.outcome import SUCCESS, Outcome
from gateway.core.status import Code
from gateway.operations.options import Poll
from gateway.operations.work import Attempted, Keep, Progress, WorkCall
from gateway.transcode.binding import Binding
from gateway.transcode.decode import invalid_answer, json_text
from gateway.transcode.encode import Prepared
from gateway.transcode.target import RestParts, RestTarget, UnaryTarget

_END: Final = b"\x00"
_GOES_ON: Final = b"\x01"
_LEAST_S: Final = 0.5
_LONGEST_ASKED_S: Final = 3600.0
_ENDED_BADLY: Final = Code.FAILED_PRECONDITION
"""The status of work that an upstream accepted, and that failed there: it tells no other."""
_MAX_PATH: Final = 4096


class AcceptedTarget(UnaryTarget):
    """Makes the call; its answer is an envelope."""

    def __init__(self, parts: RestParts, poll: Poll, url: str) -> None:
        super().__init__(parts)
        self._poll = poll
        self._origin = urlsplit(url)

    async def __call__(self, call: Call) -> Outcome:
        """Make one attempt."""
        options, prepared = self._options, call.prepared
        try:
            answer = await self._client_of(call).fetch(
                self._request(call, prepared),
                max_body_bytes=options.max_response_bytes,
                max_error_bytes=options.max_error_bytes,
            )
            call.answer_headers, call.answer_status = answer.headers, answer.status
            if not 200 <= answer.status < 300:
                raise self._failure(answer, call)
            if answer.status == 202 and self._is_followed(answer, prepared.target):
                told = {"at": self._where(answer, prepared.target), "after": _asked_s(answer)}
                await call.send(_GOES_ON + json.dumps(told).encode())
            else:
                await call.send(_END + self._decoder.decode(answer, prepared.binding))
        except CallError as error:
            return self._failed(error)
        return SUCCESS

    def _is_followed(self, answer: HttpAnswer, path: str) -> bool:
        """Tell whether a 202 is no answer yet."""
        if not self._poll.implied:
            return True
        try:
            return bool(_local(answer.headers.get("location", ""), self._origin, path))
        except CallError:
            return False

    def _where(self, answer: HttpAnswer, asked: str) -> str:
        """Return the path and query where the end is asked for; `asked` is that of the request.

        Raises:
            CallError: the answer does not say.
        """
        parts = self._poll.path
        if not parts:
            return _local(answer.headers.get("location", ""), self._origin, asked)
        value = _json(answer)
        path = ""
        for index, part in enumerate(parts):
            if index % 2 == 0:
                path += part
                continue
            found = _at(value, part.split("."))
            if not isinstance(found, str | int) or isinstance(found, bool) or found == "":
                raise invalid_answer(f"its body has no {part!r}, by which the end is asked", 202)
            path += quote(str(found), safe="")
        if len(path) > _MAX_PATH:
            raise invalid_answer("what it says of itself makes no URL", 202)
        return path


class EndTarget(RestTarget):
    """Asks for the end; its answer is an envelope."""

    def __init__(self, parts: RestParts, poll: Poll) -> None:
        super().__init__(parts)
        self._poll = poll

    async def answer(self, call: Call, prepared: Prepared) -> None:
        """Ask once."""
        options = self._options
        answer = await self._client_of(call).fetch(
            self._request(call, prepared),
            max_body_bytes=options.max_response_bytes,
            max_error_bytes=options.max_error_bytes,
        )
        call.answer_status = answer.status
        if not 200 <= answer.status < 300:
            raise self._failure(answer, call)
        poll = self._poll
        if not (poll.state or poll.result):
            if answer.status == 202:
                await call.send(_going_on(answer))
            else:
                await call.send(_END + self._decoder.decode(answer, prepared.binding))
            return
        value = _json(answer)
        if poll.state:
            state = _at(value, poll.state)
            told = str(state).lower()
            if told in poll.failed:
                raise _ended_badly(told, self._upstream)
            if told not in poll.succeeded:
                await call.send(_going_on(answer))
                return
        elif answer.status == 202:
            await call.send(_going_on(answer))
            return
        result = _at(value, poll.result)
        if result is None and poll.result:
            where = ".".join(poll.result)
            raise invalid_answer(f"its body has no {where!r}, where the result is", answer.status)
        await call.send(_END + self._decoder.decode_plain(result, prepared.binding, answer.status))


class PolledCall:
    """An attempt that is one call, and then one question each.

    Args:
        run: the call.
        ask: a question, of a call that is prepared.
        poll: options.
        binding: of the method, which the question's headers and errors follow.
        headers: that the policy fixes.
    """

    def __init__(
        self,
        run: CallNext,
        ask: CallNext,
        poll: Poll,
        binding: Binding,
        headers: dict[str, str],
    ) -> None:
        self._run = run
        self._ask = ask
        self._poll = poll
        self._binding = replace(binding, verb="GET", body=None, headers=())
        self._headers = headers

    async def __call__(self, call: WorkCall, progress: Progress, keep: Keep) -> Attempted:
        """Make the call, or ask for its end."""
        if not progress.poll:
            outcome = await self._run(call)
        else:
            call.prepared = Prepared(
                self._binding, progress.poll, None, "application/json", self._headers
            )
            call.added_headers = None
            call.repeatable = True
            outcome = await self._ask(call)
        goes_on = call.answer[:1] == _GOES_ON
        landing = Landing(outcome, call.answer.removeprefix(_END), (), call.attempts)
        if outcome.error is not None:
            if not progress.poll or _is_final(outcome.error):
                return Attempted(landing, progress.pack())
            asked_s = min(outcome.error.retry_after_s or 0.0, _LONGEST_ASKED_S)
            again_in_s = max(self._poll.interval_s, asked_s)
            return Attempted(landing, progress.pack(), again_in_s)
        if not goes_on:
            return Attempted(landing)
        told = json.loads(call.answer[1:])
        again_in_s = self._poll.interval_s if told["after"] is None else told["after"]
        # An upstream that asks for no pause gets one all the same.
        again_in_s = max(again_in_s, min(self._poll.interval_s, _LEAST_S))
        at = Progress(poll=told.get("at") or progress.poll)
        return Attempted(Landing(SUCCESS, b"", (), call.attempts), at.pack(), again_in_s)


def _is_final(error: CallError) -> bool:
    status = error.http_status
    return error.reason is Reason.UPSTREAM_INVALID_ANSWER or (
        error.origin is Origin.UPSTREAM
        and not error.transient
        and (status is None or (400 <= status < 500 and status not in (401, 403, 408, 425, 429)))
    )


def _going_on(answer: HttpAnswer) -> bytes:
    return _GOES_ON + json.dumps({"after": _asked_s(answer)}).encode()


def _asked_s(answer: HttpAnswer) -> float | None:
    """Return the seconds of `retry-after`; None where it says none."""
    text = answer.headers.get("retry-after", "").strip()
    return min(float(text), _LONGEST_ASKED_S) if text.isascii() and text.isdigit() else None


def _json(answer: HttpAnswer) -> Any:
    try:
        return orjson.loads(json_text(answer.headers, answer.body, answer.status))
    except orjson.JSONDecodeError as error:
        raise invalid_answer(f"the JSON is malformed: {error}", answer.status) from None


def _at(value: Any, keys: Sequence[str]) -> Any:
    for key in keys:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def _local(location: str, origin: Any, asked: str) -> str:
    """Return where a location leads below an upstream's URL.

    Args:
        location: a URI reference (RFC 9110, 10.2.2), which may be relative to the request.
        origin: the upstream's URL.
        asked: path of the request below that.
    """
    parts = urlsplit(location)
    if location and not (parts.scheme or parts.netloc):
        parts = urlsplit(urljoin(origin.path.rstrip("/") + asked, location))
    if not location or (parts.netloc and parts.netloc.lower() != origin.netloc.lower()):
        what = "no location" if not location else "a location on another host"
        raise invalid_answer(f"it says {what}, where its end would be asked for", 202)
    path = parts.path or "/"
    if not path.startswith("/") or len(location) > _MAX_PATH or not location.isascii():
        raise invalid_answer("its location is no path of this upstream", 202)
    base = origin.path.rstrip("/")
    if base and path.startswith(f"{base}/"):
        path = path[len(base) :]
    return f"{path}?{parts.query}" if parts.query else path


def _ended_badly(state: str, upstream: str) -> CallError:
    return CallError(
        _ENDED_BADLY,
        Reason.UPSTREAM_STATUS,
        f"the upstream accepted it, and it ended as {state!r}",
        origin=Origin.UPSTREAM,
        sent=Sent.ANSWERED,
        upstream=upstream,
    )
