"""Targets that the gateway answers itself: health, reflection.

They keep the same contract as a REST target and sit behind the same pipeline.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from inspect import isawaitable
from typing import Any

from gateway.core.call import Call
from gateway.core.errors import CallError, invalid_request
from gateway.core.outcome import SUCCESS, Outcome, failed


def parse(message_class: Any, payload: bytes, name: str = "") -> Any:
    """Parse a request.

    Args:
        message_class: of the request.
        payload: it.
        name: full name of the message for whoever sent none, "" for that of its class.

    Raises:
        CallError: INVALID_ARGUMENT where it is malformed.
    """
    try:
        return message_class.FromString(payload)
    except Exception:
        told = name or message_class.DESCRIPTOR.full_name
        raise invalid_request(f"the request is not a valid {told} message") from None


class LocalUnary:
    """One message in, one out.

    Args:
        message_class: of the request.
        answer: returns the response message, or something to await it from; raises
            CallError.
    """

    def __init__(self, message_class: Any, answer: Callable[[Any], Any]) -> None:
        self._message_class = message_class
        self._answer = answer

    async def __call__(self, call: Call) -> Outcome:
        """Answer the call."""
        try:
            answer = self._answer(parse(self._message_class, call.request))
            if isawaitable(answer):
                answer = await answer
        except CallError as error:
            return failed(error)
        await call.send(answer.SerializeToString())
        return SUCCESS


class LocalCall:
    """One message in, one out, by what knows who calls.

    Args:
        message_class: of the request.
        answer: returns the response message; raises CallError.
    """

    def __init__(self, message_class: Any, answer: Callable[[Call, Any], Awaitable[Any]]) -> None:
        self._message_class = message_class
        self._answer = answer

    async def __call__(self, call: Call) -> Outcome:
        """Answer the call."""
        try:
            answer = await self._answer(call, parse(self._message_class, call.request))
        except CallError as error:
            return failed(error)
        await call.send(answer.SerializeToString())
        return SUCCESS


class LocalStream:
    """A stream out; requests one or many.

    `end` closes what waits for a caller's next request, so that an idle stream does not
    hold up a drain: the stream then ends with OK.

    Args:
        message_class: of each request.
        answers: yields response messages for the stream of requests.
        name: full name of a request's message for its callers, "" for that of its class.
    """

    def __init__(
        self,
        message_class: Any,
        answers: Callable[[AsyncIterator[Any]], AsyncIterator[Any]],
        name: str = "",
    ) -> None:
        self._message_class = message_class
        self._name = name
        self._answers = answers
        self._waiting: set[asyncio.Task[object]] = set()
        self._ended = False

    def end(self) -> None:
        """End every stream that waits for a request, now and from now on."""
        self._ended = True
        for task in self._waiting:
            task.cancel()

    async def __call__(self, call: Call) -> Outcome:
        """Answer until the answers end."""
        try:
            async for answer in self._answers(self._requests(call)):
                await call.send(answer.SerializeToString())
        except CallError as error:
            return failed(error)
        return SUCCESS

    async def _requests(self, call: Call) -> AsyncIterator[Any]:
        if not call.method.client_streaming:
            yield parse(self._message_class, call.request, self._name)
            return
        while (payload := await self._next(call.requests)) is not None:
            yield parse(self._message_class, payload, self._name)

    async def _next(self, requests: AsyncIterator[bytes]) -> bytes | None:
        task = asyncio.current_task()
        if self._ended or task is None:
            return None
        self._waiting.add(task)
        try:
            return await anext(requests, None)
        except asyncio.CancelledError:
            if not self._ended:
                raise
            task.uncancel()
            return None
        finally:
            self._waiting.discard(task)
