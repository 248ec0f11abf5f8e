"""Callers by the names of their certificates, which the listener has verified.

Rules:
1. Names are looked at in the order URI, DNS, e-mail, common name; the first that is known
   names the caller. SPIFFE identities are URIs (SPIFFE X.509-SVID, 2).
2. A name of the configuration matches names of its own kind only: with "://", or behind
   "urn:", it is a URI, with "@" an e-mail address, otherwise a DNS name or a common name. Who
   may write any common name has not thereby any URI. Where the configuration has no names, a
   certificate's name counts if it looks like what it is: a common name "spiffe://a/b" is
   nobody's.
3. "*" stands for one whole label of a DNS name, or one whole segment of a URI's path, and for
   nothing less or more.
4. DNS names and the hosts of e-mail addresses know no case, URIs do.
5. A certificate without a name that is known is refused.
"""

import re
from collections import OrderedDict
from collections.abc import Iterator, Sequence

from gateway.core.errors import CallError
from gateway.core.identity import Identity
from gateway.interceptors.auth.errors import unauthenticated
from gateway.interceptors.auth.options import CertificateName, CertificatesOptions

KINDS = ("URI", "DNS", "email", "CN")
"""In their order."""
_MAX_REMEMBERED = 1000


def kinds_of(name: str) -> tuple[str, ...]:
    """Return which kinds of names a name of the configuration is compared with."""
    if "://" in name or name[:4].lower() == "urn:":
        return ("URI",)
    return ("email",) if "@" in name else ("DNS", "CN")


class Certificates:
    """The provider. `identify` remembers what it found, by the names of a certificate."""

    def __init__(self, options: CertificatesOptions) -> None:
        self.name = options.name
        self._all = not options.names
        self._exact: dict[tuple[str, str], frozenset[str]] = {}
        self._patterns: list[tuple[str, re.Pattern[str], frozenset[str]]] = []
        for known in options.names:
            self._add(known)
        self._remembered: OrderedDict[tuple[str, ...], Identity | None] = OrderedDict()

    def identify(self, names: tuple[str, ...]) -> Identity | None:
        """Tell whose certificate has these names; None where none of them is known."""
        try:
            return self._remembered[names]
        except KeyError:
            found = self._find(names)
        self._remembered[names] = found
        if len(self._remembered) > _MAX_REMEMBERED:
            self._remembered.popitem(last=False)
        return found

    def _add(self, known: CertificateName) -> None:
        for kind in kinds_of(known.name):
            name = _folded(kind, known.name)
            if "*" not in name:
                self._exact.setdefault((kind, name), known.roles)
                continue
            one = "[^/]+" if kind == "URI" else r"[^.]+"
            form = re.compile(one.join(map(re.escape, name.split("*"))))
            self._patterns.append((kind, form, known.roles))

    def _find(self, names: Sequence[str]) -> Identity | None:
        for kind, name in _in_order(names):
            roles = self._roles(kind, _folded(kind, name))
            if roles is not None:
                return Identity(name, self.name, roles)
        return None

    def _roles(self, kind: str, name: str) -> frozenset[str] | None:
        if self._all:
            return frozenset() if kind in kinds_of(name) else None
        if (roles := self._exact.get((kind, name))) is not None:
            return roles
        for pattern_kind, form, roles in self._patterns:
            if pattern_kind == kind and form.fullmatch(name):
                return roles
        return None


def unknown_certificate() -> CallError:
    """Return the error for a certificate that nobody knows."""
    return unauthenticated("the client's certificate has no name that is known here")


def _folded(kind: str, name: str) -> str:
    if kind == "URI":
        return name
    if kind != "email":
        return name.lower()
    local, at, host = name.rpartition("@")
    return f"{local}{at}{host.lower()}"


def _in_order(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    for kind in KINDS:
        start = f"{kind}:"
        for name in names:
            if name.startswith(start) and len(name) > len(start):
                yield kind, name[len(start) :]
