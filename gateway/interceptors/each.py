"""Each message of a caller's stream as a call of its own; the answers in order.

For bidirectional methods whose upstream answers once a request body has ended.

1. A message becomes a call with the metadata, the peer and the deadline of the stream.
   What stands further in (encode, retry, attempts) sees that call only.
2. One at a time: the next message is taken from the caller when the answers to the one
   before have gone to it. Answers are therefore in the order of the messages, and a
   caller that sends faster than the upstream answers is held back by gRPC itself.
3. A message is repeated by the rules of any call: what was delivered of its own answer
   forbids it, the answers to earlier messages do not.
4. The first message that fails for good ends the stream with its error. So does one that
   cannot be decoded; a stream without messages is a success without answers.
5. An answer may be empty, one message or many. Trailing metadata is the last answer's.
6. Attempts of all messages count as attempts of the stream.
"""

from gateway.core.call import Call, CallNext
from gateway.core.errors import CallError
from gateway.core.outcome import SUCCESS, Outcome, failed


class EachInterceptor:
    """Runs the rest of the pipeline once a message."""

    name = "each"

    async def __call__(self, call: Call, call_next: CallNext) -> Outcome:
        """Answer one message after another."""
        message = call.message
        while message is not None:
            one = _One(call, message)
            outcome = await call_next(one)
            call.trailing_metadata = one.trailing_metadata
            if outcome.error is not None:
                return outcome
            try:
                message = await anext(call.requests, None)
            except CallError as error:
                return failed(error)
        return SUCCESS


class _One(Call):
    """The call of one message; the stream is told what its deadline must know."""

    __slots__ = ("_attempts", "_stream")

    def __init__(self, stream: Call, message: object) -> None:
        self._stream = stream
        self._attempts = 0
        super().__init__(
            stream.method,
            stream.send,
            arrived_at=stream.arrived_at,
            metadata=stream.metadata,
            peer=stream.peer,
            deadline_at=stream.client_deadline_at,
        )
        self.deadline_at = stream.deadline_at
        self.expiry = stream.expiry
        self.message = message

    @property
    def attempts(self) -> int:
        """Attempts begun for this message."""
        return self._attempts

    @attempts.setter
    def attempts(self, count: int) -> None:
        self._stream.attempts += count - self._attempts
        self._attempts = count
