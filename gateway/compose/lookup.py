"""What became of a call whose answer never came: another method is asked.

Rules:
1. The method reads only. Its request is made of the call's request and of its key.
2. NOT_FOUND says that the call had no effect; so does a field that is empty where one is named.
3. Any other answer says that it had, and is turned into the call's own.
4. Any other failure says nothing: it is raised.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from gateway.compose.mapping import MessageMapping
from gateway.compose.part import Entry, EntryOf, Part
from gateway.core.call import Call
from gateway.core.clock import Clock
from gateway.core.flight import Landing
from gateway.core.outcome import SUCCESS
from gateway.core.status import Code

KEY: Final = "key"
"""What a request field says to be filled with the idempotency key."""
_TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class LookupOptions:
    """See seawall.policy.v1.LookupPolicy.

    Args:
        method: full name of the method that is asked.
        request: makes its request of the call's.
        key_fields: fields of its request that take the key.
        is_found: whether its answer says that the call had an effect.
        response: makes the call's response of its answer.
    """

    method: str
    request: MessageMapping
    key_fields: tuple[str, ...] = ()
    is_found: Callable[[Any], bool] = lambda _answer: True
    response: MessageMapping


class MethodLookup:
    """Asks a method.

    Args:
        options: of the call's method.
        entry_of: returns the entry of the method that is asked; at the first question.
        clock: for its end.
    """

    def __init__(self, options: LookupOptions, entry_of: EntryOf, clock: Clock) -> None:
        self._options = options
        self._entry_of = entry_of
        self._entry: Entry | None = None
        self._clock = clock

    async def __call__(self, call: Call, key: str) -> Landing | None:
        """Return the answer of a call that had its effect, None for one that had none.

        Raises:
            CallError: nobody can say.
        """
        options = self._options
        if self._entry is None:
            self._entry = self._entry_of(options.method)
        entry = self._entry
        request = entry.request_type()
        options.request.fill(call.message, request)
        for field in options.key_fields:
            setattr(request, field, key)
        part = Part(call, entry.method, request, self._clock.now() + _TIMEOUT_S)
        outcome = await part.run(entry.run, self._clock)
        error = outcome.error
        if error is not None:
            if error.code is Code.NOT_FOUND:
                return None
            raise error
        answer = entry.response_type.FromString(part.answer)
        if not options.is_found(answer):
            return None
        made = options.response.make(answer)
        return Landing(SUCCESS, made.SerializePartialToString())
