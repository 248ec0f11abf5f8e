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
5. An answer may be empty, one message or many. Trailing metadata is the stream's own (its
   limits) and the last answer's.
6. Attempts of all messages count as attempts of the stream. To rate limits each message is a
   call.
"""

from gateway.core.call import Call, CallNext, SubCall
from gateway.core.errors import CallError
from gateway.core.outcome import SUCCESS, Outcome, failed


class EachInterceptor:
    """Runs the rest of the pipeline once a message."""

    name = "each"

    async def __call__(self, call: Call, call_next: CallNext) -> Outcome:
        """Answer one message after another."""
        message, kept = call.message, tuple(call.trailing_metadata)
        while message is not None:
            one = SubCall(call, message=message)
            outcome = await call_next(one)
            call.trailing_metadata = [*kept, *one.trailing_metadata]
            call.counted = call.counted or one.counted
            if outcome.error is not None:
                return outcome
            try:
                message = await anext(call.requests, None)
            except CallError as error:
                return failed(error)
        return SUCCESS
