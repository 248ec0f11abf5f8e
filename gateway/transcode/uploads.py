"""A client stream as a request body, made while it is sent.

1. One line of JSON a message, each sent when the caller has sent it; of messages that
   are (or whose body field is) google.api.HttpBody, their data and nothing else.
2. The first message decided binding, path, query and, of an HttpBody, the content type.
3. The HTTP client asks for a part when the connection has room for it, and only then is
   the caller's next message taken: both sides hold each other back.
4. A message that cannot be decoded or sent ends the attempt with that error, also where
   an answer is being read or waited for: the task of the attempt is cancelled, which
   closes the connection, and `_uploading` makes the error of it.
5. A body is sent once. Each attempt begins a new one, with the first message again; an
   attempt behind one that asked for more is never made (`call.requests_spent`).
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from google.protobuf.descriptor import Descriptor

from gateway.core.call import Call
from gateway.core.errors import CallError
from gateway.core.http import HttpRequest
from gateway.transcode.answers import StreamTarget
from gateway.transcode.encode import Prepared, RequestEncoder
from gateway.transcode.target import RestParts, RestTarget


class Upload(AsyncIterator[bytes]):
    """The body of one attempt.

    Args:
        call: whose first message and further requests are sent; it has a first one.
        prepared: of the call.
        encoder: prints the messages.
        task: of the attempt; the HTTP client may make the body in another.

    Attributes:
        failure: why the body ended early, None where it did not.
        cancelled: whether `task` was cancelled for it.
    """

    def __init__(
        self,
        call: Call,
        prepared: Prepared,
        encoder: RequestEncoder,
        task: asyncio.Task[object],
    ) -> None:
        call.awaits_caller = False
        self.cancelled = False
        self._task = task
        self.failure: CallError | None = None
        self._binding = prepared.binding
        self._encoder = encoder
        self._call = call
        self._sent = 0

    async def __anext__(self) -> bytes:
        try:
            while True:
                call = self._call
                message = await anext(call.requests) if self._sent else call.message
                self._sent += 1
                if part := self._encoded(message):  # an empty one would end a chunked body
                    return part
        except CallError as error:
            self.failure = error
            if asyncio.current_task() is not self._task:
                self.cancelled = self._task.cancel()
            raise

    def _encoded(self, message: object) -> bytes:
        try:
            return self._encoder.encode_part(message, self._binding)
        except CallError as error:
            error.message = f"message {self._sent} of the stream cannot be sent: {error.message}"
            raise


class UploadTarget(RestTarget):
    """A stream of messages as one request, one message as its answer.

    An upstream that answers before the body has ended has its answer taken, and the rest
    of the caller's stream is not read.

    Args:
        parts: of the method.
        encoder: prints the messages.
    """

    def __init__(self, parts: RestParts, encoder: RequestEncoder) -> None:
        super().__init__(parts)
        self._encoder = encoder

    async def answer(self, call: Call, prepared: Prepared) -> None:
        """Send the request and hand on the one message of its answer."""
        request = self._request(call, prepared)
        with _uploading(call, request, prepared, self._encoder):
            await self._send_one(call, request, prepared)


class DuplexTarget(StreamTarget):
    """A stream of messages as one request, a stream as its answer, both at once.

    Args:
        parts: of the method.
        message: the response's type.
        encoder: prints the messages.
    """

    def __init__(self, parts: RestParts, message: Descriptor, encoder: RequestEncoder) -> None:
        super().__init__(parts, message)
        self._encoder = encoder

    async def answer(self, call: Call, prepared: Prepared) -> None:
        """Send the request and hand on the messages of its answer."""
        request = self._request(call, prepared)
        with _uploading(call, request, prepared, self._encoder):
            await self._send_for_stream(call, request, prepared)


@contextmanager
def _uploading(
    call: Call, request: HttpRequest, prepared: Prepared, encoder: RequestEncoder
) -> Iterator[None]:
    """Give `request` the caller's stream as its body; what is wrong with that comes first.

    A cancellation from elsewhere, before or at the same time, goes on as one.
    """
    raw = prepared.binding.body_is_raw
    request.headers["content-type"] = prepared.content_type if raw else "application/x-ndjson"
    if call.message is None:  # an empty stream; `prepared` has an empty body
        yield
        return
    task = asyncio.current_task()
    assert task is not None
    cancelling = task.cancelling()
    request.body = upload = Upload(call, prepared, encoder, task)
    try:
        yield
    except (CallError, asyncio.CancelledError) as ended:
        if upload.cancelled and task.uncancel() > cancelling:
            raise
        if upload.failure is None or (
            isinstance(ended, asyncio.CancelledError) and not upload.cancelled
        ):
            raise
        raise upload.failure from ended
