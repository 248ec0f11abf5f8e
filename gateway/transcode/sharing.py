"""What makes two calls ask for the same thing: the key under which answers are shared.

Rules:
1. Calls are equal that are of one method, whose requests say the same, and whose metadata is
   the same as far as the answer may depend on it.
2. Callers share only with the same credential: who the caller is counts, and the credential
   as it is sent on; but not where the method says that its answer does not depend on it.
3. A key is a digest: nothing of request or credential can be read from it. Requests that say
   the same and have other bytes (unknown fields) have other keys, which costs a call.
"""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any

from gateway.core.call import Call

_DIGEST_BYTES = 20


class ShareKey:
    """Makes the key of a call.

    Args:
        name: of the method.
        metadata: keys that the answer may depend on, credentials among them where they count.
        by_caller: whether who calls counts.
        ignored: paths of fields that the answer does not depend on.
    """

    __slots__ = ("_by_caller", "_ignored", "_metadata", "_seed")

    def __init__(
        self,
        name: str,
        metadata: Iterable[str] = (),
        *,
        by_caller: bool = True,
        ignored: Sequence[str] = (),
    ) -> None:
        self._seed = blake2b(name.encode() + b"\0", digest_size=_DIGEST_BYTES)
        self._metadata = frozenset(key.lower() for key in metadata)
        self._by_caller = by_caller
        self._ignored = tuple(path.split(".") for path in ignored)

    def __call__(self, call: Call) -> bytes:
        """Return the key; the call is decoded."""
        digest = self._seed.copy()
        request = _without(call.message, self._ignored) if self._ignored else call.message
        _part(digest, request.SerializeToString(deterministic=True))
        if self._by_caller and call.identity is not None:
            _part(digest, call.identity.key.encode())
        if self._metadata:
            # The order of keys says nothing; that of one key's values does.
            for key, value in sorted(
                (pair for pair in call.metadata if pair[0] in self._metadata),
                key=lambda pair: pair[0],
            ):
                _part(digest, key.encode())
                _part(digest, value if isinstance(value, bytes) else value.encode())
        return digest.digest()


def _part(digest: Any, data: bytes) -> None:
    digest.update(len(data).to_bytes(8, "big"))
    digest.update(data)


def _without(message: Any, ignored: Sequence[Sequence[str]]) -> Any:
    copy = type(message)()
    copy.CopyFrom(message)
    for *way, name in ignored:
        holder = copy
        for step in way:
            if not holder.HasField(step):
                break
            holder = getattr(holder, step)
        else:
            holder.ClearField(name)
    return copy
