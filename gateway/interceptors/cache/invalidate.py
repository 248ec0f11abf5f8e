"""A call that changes something makes kept answers old, before its caller hears of it.

Rules:
1. A call that may have had an effect invalidates its tags: one that succeeded, and one that
   failed or was cancelled after an attempt was begun, unless every attempt is known not to
   have been acted on.
2. Its caller is answered when that is done: who reads after the answer, reads what is new.
3. A call that is cancelled is not held up: its tags are invalidated beside its end.
"""

import asyncio
from collections.abc import Callable, Sequence

from gateway.core.call import Call, CallNext
from gateway.core.errors import Sent
from gateway.core.outcome import Outcome
from gateway.state.answers import AnswerStore

_WITHOUT_EFFECT = frozenset((Sent.NOT_SENT, Sent.REFUSED))


class InvalidateInterceptor:
    """Once a call of one method.

    Args:
        store: keeps answers.
        tags_of: returns the tags that a decoded call makes old.
    """

    name = "invalidate"

    def __init__(self, store: AnswerStore, tags_of: Callable[[Call], Sequence[str]]) -> None:
        self._store = store
        self._tags_of = tags_of
        self._beside: set[asyncio.Task[None]] = set()

    async def __call__(self, call: Call, call_next: CallNext) -> Outcome:
        """Run the call, then invalidate."""
        tags = self._tags_of(call)
        try:
            outcome = await call_next(call)
        except BaseException:
            if call.attempts:
                task = asyncio.get_running_loop().create_task(self._store.invalidate(tags))
                self._beside.add(task)
                task.add_done_callback(self._beside.discard)
            raise
        error = outcome.error
        if error is None or (call.attempts and error.sent not in _WITHOUT_EFFECT):
            await self._store.invalidate(tags)
        return outcome
