"""One attempt of an operation: the call of it, and what it leads to.

Rules:
1. The call is nobody's: no caller waits for it, its identity is the gateway's, and what goes to
   the upstream of its caller's metadata is what was kept. It has `attempt_timeout`.
2. The upstream gets the same key with each attempt. Whether a second attempt is made where the
   first may have acted is for `deduplication.on_unknown` where a level says it: then the call
   passes deduplication, by a record of its own. Else it is made: at least once.
3. How far it is lies in its progress, JSON, which is kept after each step.
"""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from gateway.core.call import Call, CallNext, MethodInfo
from gateway.core.clock import Clock
from gateway.core.deadline import Expired, Expiry
from gateway.core.errors import CallError, Reason, Sent
from gateway.core.flight import Landing
from gateway.core.outcome import failed
from gateway.core.status import Code
from gateway.core.stored import UnreadableError, unpack
from gateway.interceptors.deduplicate.ending import Ending, ending_of
from gateway.operations.options import OperationOptions
from gateway.state.operations import Claimed

Keep = Callable[[bytes], Awaitable[None]]
"""Keeps the progress of an operation; raises LostError where it is another worker's."""


class LostError(Exception):
    """The operation is another worker's by now."""


class WorkCall(Call):
    """The call of one attempt.

    Args:
        method: of the operation.
        message: its request.
        claimed: the operation.
        now: monotonic seconds.
        header: that carries its key to the upstream, "" for none.
    """

    __slots__ = ("answer", "doubtful", "header_key", "operation_id")

    def __init__(
        self, method: MethodInfo, message: Any, claimed: Claimed, now: float, header: str
    ) -> None:
        super().__init__(method, _no_sink, arrived_at=now, metadata=metadata_of(claimed.metadata))
        self.message = message
        self.answer = b""
        """The serialized answer, once there is one."""
        self.operation_id = claimed.kept.id
        self.header_key = claimed.header_key
        self.doubtful = _is_doubtful(claimed.kept.last_error)
        """Whether the attempt before this one, or the call at once, may have had its effect."""
        if header and claimed.header_key:
            self.added_headers = {header: claimed.header_key}

    async def send(self, payload: bytes) -> None:
        """Keep the answer."""
        self.sent += 1
        self.answer = payload


def _is_doubtful(last_error: bytes) -> bool:
    if not last_error:
        return False
    try:
        outcome = unpack(last_error).outcome
    except UnreadableError:
        return True
    return ending_of(outcome, attempts=1) is Ending.UNKNOWN


async def _no_sink(_payload: bytes) -> None:
    """Take what is sent nowhere."""


def metadata_of(kept: bytes) -> list[tuple[str, str | bytes]]:
    """Return metadata as it was kept."""
    return [(key, value) for key, value in json.loads(kept)] if kept else []


class Progress(NamedTuple):
    """How far an operation is.

    Args:
        steps: that are done, in order: their names and serialized answers (base64).
        poll: where its end is asked for, "" where nowhere.
    """

    steps: tuple[tuple[str, str], ...] = ()
    poll: str = ""

    def pack(self) -> bytes:
        """Return it as bytes."""
        told: dict[str, Any] = {}
        if self.steps:
            told["steps"] = [list(step) for step in self.steps]
        if self.poll:
            told["poll"] = self.poll
        return json.dumps(told, separators=(",", ":")).encode() if told else b""


def progress_of(data: bytes) -> Progress:
    """Return what `Progress.pack` was given; of damaged bytes, that nothing is done."""
    try:
        told = json.loads(data) if data else {}
        steps = tuple((str(name), str(answer)) for name, answer in told.get("steps", ()))
        return Progress(steps, str(told.get("poll", "")))
    except (ValueError, TypeError, AttributeError):
        return Progress()


class Attempted(NamedTuple):
    """How an attempt ended.

    Args:
        landing: its outcome and answer.
        progress: to be kept, where it is not over.
        again_in_s: when the upstream is to be asked for the end, None where it told the end.
    """

    landing: Landing
    progress: bytes = b""
    again_in_s: float | None = None


class Doing(Protocol):
    """Makes the attempt itself."""

    async def __call__(self, call: WorkCall, progress: Progress, keep: Keep) -> Attempted:
        """Return how it ended; failures are in the landing."""


class OneCall:
    """An attempt that is one call."""

    def __init__(self, run: CallNext) -> None:
        self._run = run

    async def __call__(self, call: WorkCall, progress: Progress, keep: Keep) -> Attempted:
        """Make it."""
        outcome = await self._run(call)
        return Attempted(Landing(outcome, call.answer, (), call.attempts))


@dataclass(frozen=True, slots=True)
class Work:
    """How operations of one method are made.

    Args:
        method: which.
        request: class of its request.
        options: of the method.
        do: makes an attempt.
    """

    method: MethodInfo
    request: Any
    options: OperationOptions
    do: Doing
    names: Sequence[str] = field(default=())
    """Of its steps."""

    async def attempt(self, claimed: Claimed, keep: Keep, clock: Clock) -> Attempted:
        """Make one attempt within its time.

        Raises:
            LostError: the operation is another worker's.
            CancelledError: the attempt is to end; nobody knows what it did.
        """
        progress = progress_of(claimed.kept.progress)
        try:
            message = self.request.FromString(claimed.request)
        except Exception:
            return _unread(claimed)
        now = clock.now()
        call = WorkCall(self.method, message, claimed, now, self.options.header)
        call.deadline_at = now + self.options.schedule.attempt_timeout_s
        latest = claimed.kept.progress

        async def keep_latest(data: bytes) -> None:
            nonlocal latest
            await keep(data)
            latest = data

        try:
            with Expiry(clock, call.deadline_at) as call.expiry:
                return await self.do(call, progress, keep_latest)
        except Expired:
            outcome = failed(self._too_slow(call))
        except CallError as error:
            outcome = failed(error)
        return Attempted(Landing(outcome, b"", (), call.attempts), latest)

    def _too_slow(self, call: Call) -> CallError:
        limit_s = self.options.schedule.attempt_timeout_s
        return CallError(
            Code.DEADLINE_EXCEEDED,
            Reason.ATTEMPT_TIMEOUT,
            f"an attempt of {self.method.full_name} did not end within {limit_s:g} s",
            sent=Sent.UNKNOWN if call.attempts else Sent.NOT_SENT,
            transient=True,
        )


def _unread(claimed: Claimed) -> Attempted:
    error = CallError(
        Code.INVALID_ARGUMENT,
        Reason.INVALID_REQUEST,
        "the kept request is no longer a message of the method: its proto has changed",
    )
    return Attempted(Landing(failed(error)), claimed.kept.progress)
