"""Which metadata of a call an answer may depend on, and what is its caller's."""

from collections.abc import Callable, Iterable, Set
from hashlib import blake2b

from gateway.config.credentials import is_credential
from gateway.core.call import Call

_SAYS_NOTHING = frozenset(("traceparent", "tracestate", "baggage", "x-request-id"))
"""What follows a call, and changes no answer."""
_CREDENTIALS = frozenset(("authorization", "cookie"))


def counted_metadata(
    forwarded: Iterable[str],
    vary: Iterable[str],
    of_identity: Set[str],
    *,
    withheld: Set[str] = frozenset(),
    shared: bool,
) -> frozenset[str]:
    """Return the keys of metadata that tell equal calls apart, in lower case.

    Args:
        forwarded: what goes to the upstream as headers.
        vary: what else counts.
        of_identity: keys that identity providers read credentials from.
        withheld: keys that are not forwarded after all.
        shared: the answer does not depend on who asks: credentials do not count.
    """
    sent = {name.lower() for name in forwarded} - withheld - _SAYS_NOTHING
    if shared:
        sent = {name for name in sent if not _is_credential(name, of_identity)}
    return frozenset(sent | {name.lower() for name in vary})


def _is_credential(name: str, of_identity: Set[str]) -> bool:
    return name in _CREDENTIALS or name in of_identity or is_credential(name)


def caller_of_call(of_identity: Set[str]) -> Callable[[Call], bytes]:
    """Return what tells callers apart: who they are, else the credential that they send.

    What it returns is a digest of the latter: nothing can be read from it.
    """
    keys = _CREDENTIALS | of_identity

    def caller(call: Call) -> bytes:
        if call.identity is not None:
            return b"i" + call.identity.key.encode()
        digest = blake2b(digest_size=20)
        found = False
        for key, value in sorted(p for p in call.metadata if p[0] in keys):
            found = True
            data = value if isinstance(value, bytes) else value.encode()
            digest.update(f"{key}\0{len(data)}\0".encode())
            digest.update(data)
        return b"c" + digest.digest() if found else b""

    return caller
