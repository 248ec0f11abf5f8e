"""Who a call is by: what counts, in which order. One rule a method and listener.

Rules:
1. Every credential that the rule knows a reader for is looked at, and one that is refused
   refuses the call, whatever else it carries. Nobody becomes anonymous by a bad credential.
2. A metadata key has one value: of two nobody knows which one the next hop believes.
3. Where credentials name several callers, a token goes before an API key, and both before a
   certificate: the machine that holds the connection may speak for many callers. Roles are
   those of the caller that counts, never added up.
4. A certificate is looked at where nothing else names a caller: the listener has verified it,
   and it need not be a caller's.
5. Roles make a caller needed: OPTIONAL with roles takes no anonymous call.
6. A key that is withdrawn, ends or loses the role ends the streams that were begun with it. The
   end of a token or of a certificate does not: what began in its time goes on.
"""

from gateway.core.call import Call
from gateway.core.errors import CallError
from gateway.core.identity import Identity
from gateway.interceptors.auth.api_keys import ApiKeys
from gateway.interceptors.auth.certificates import unknown_certificate
from gateway.interceptors.auth.errors import permission_denied, unauthenticated
from gateway.interceptors.auth.found import Found, Later
from gateway.interceptors.auth.options import AuthOptions, ListenerAuth, Mode
from gateway.interceptors.auth.providers import Providers


class Rule:
    """What a call needs.

    Args:
        options: what the method says.
        listener: what the listener says of all that is served on it.
        providers: all that there are.
    """

    def __init__(self, options: AuthOptions, listener: ListenerAuth, providers: Providers) -> None:
        self.mode = options.mode if listener.mode is None else listener.mode
        self.roles = options.roles
        self._anonymous = self.mode is Mode.OPTIONAL and not self.roles
        said = [names for names in (options.providers, listener.providers) if names]
        names = frozenset.intersection(*said) if said else None
        self._readers, self._certificates = providers.choose(names)
        self._withdrawable = {
            key: reader for key, reader in self._readers.items() if isinstance(reader, ApiKeys)
        }
        hints = [reader.hint for _, reader in sorted(self._readers.items())]
        if self._certificates:
            hints.append("a client certificate")
        self._missing = (
            f"the call has no credential; send {' or '.join(hints)}"
            if hints
            else "the call has no credential, and none is taken for it here"
        )

    def identify(self, call: Call) -> Found | None:
        """Tell whose call it is; None where it carries no credential."""
        best: Identity | None = None
        rank, later = 0, False
        seen: tuple[str, ...] = ()
        readers = self._readers
        for key, value in call.metadata:
            if key not in readers:
                continue
            if key in seen:
                return unauthenticated(f"'{key}' is given more than once")
            seen += (key,)
            reader = readers[key]
            found = reader.identify(value)
            if isinstance(found, Identity):
                if best is None or reader.rank < rank:
                    best, rank = found, reader.rank
            elif isinstance(found, CallError):
                return found
            else:
                later = True
        if later:
            return Later.LATER
        return best if best is not None else self._certified(call.certificate)

    async def settle(self, call: Call) -> Identity | CallError | None:
        """Tell it after a wait, where `identify` said LATER."""
        best: Identity | None = None
        rank = 0
        for key, value in call.metadata:
            reader = self._readers.get(key)
            if reader is None:
                continue
            found = reader.identify(value)
            if isinstance(found, Later):
                found = await reader.settle(value)
            if isinstance(found, CallError):
                return found
            if best is None or reader.rank < rank:
                best, rank = found, reader.rank
        return best if best is not None else self._certified(call.certificate)

    def refuse(self, identity: Identity | None) -> CallError | None:
        """Return why a caller may not call this, None where it may."""
        if identity is None:
            return None if self._anonymous else unauthenticated(self._missing)
        if self.roles and self.roles.isdisjoint(identity.roles):
            return permission_denied(self.roles)
        return None

    def may_be_withdrawn(self, call: Call) -> bool:
        """Tell whether a credential of the call can end before it does by itself."""
        return any(key in self._withdrawable for key, _ in call.metadata)

    def withdrawn(self, call: Call) -> CallError | None:
        """Return why a call that was let in may go on no longer, None while it may."""
        for key, value in call.metadata:
            reader = self._withdrawable.get(key)
            if reader is None:
                continue
            found = reader.identify(value)
            if isinstance(found, CallError):
                return found
            if call.identity is not None and call.identity.metadata == key:
                return self.refuse(found)
        return None

    def _certified(self, names: tuple[str, ...]) -> Identity | CallError | None:
        if not names or not self._certificates:
            return None
        for provider in self._certificates:
            found = provider.identify(names)
            if found is not None:
                return found
        return unknown_certificate()
