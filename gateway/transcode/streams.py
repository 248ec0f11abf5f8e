r"""Cutting a streamed body into messages, as it arrives.

Newline-delimited JSON: one value a line, "\n" or "\r\n", empty lines skipped, the
last line may lack its end. Memory is bounded by one message: the next chunk is
asked for only when the lines before it are gone, which is what holds the
upstream back.
"""

from collections.abc import AsyncGenerator, AsyncIterator

from gateway.core.errors import CallError, Origin, Reason, Sent
from gateway.core.status import Code


def _too_long(max_bytes: int) -> CallError:
    return CallError(
        Code.RESOURCE_EXHAUSTED,
        Reason.UPSTREAM_ANSWER_TOO_LARGE,
        f"a message of the upstream's stream is larger than {max_bytes} bytes",
        origin=Origin.UPSTREAM,
        sent=Sent.ANSWERED,
    )


async def lines(chunks: AsyncIterator[bytes], max_bytes: int) -> AsyncGenerator[bytes, None]:
    """Yield the lines that are not empty, without their ends.

    Raises:
        CallError: a line is longer than `max_bytes`.
    """
    rest = bytearray()
    async for chunk in chunks:
        begin = 0
        while (end := chunk.find(b"\n", begin)) >= 0:
            if len(rest) + end - begin > max_bytes:
                raise _too_long(max_bytes)
            line = bytes(rest) + chunk[begin:end] if rest else chunk[begin:end]
            rest.clear()
            begin = end + 1
            if line := line.strip():
                yield line
        rest += chunk[begin:]
        if len(rest) > max_bytes:
            raise _too_long(max_bytes)
    if last := bytes(rest).strip():
        yield last
