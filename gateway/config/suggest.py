"""Sentences for names that do not exist."""

import difflib
from collections.abc import Iterable

_SHOWN = 10


def closest(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'x'?", or "; known: …" where nothing is close."""
    names = list(known)
    if close := difflib.get_close_matches(name, names, n=1, cutoff=0.5):
        return f"; did you mean {close[0]!r}?"
    more = f", … ({len(names)} in all)" if len(names) > _SHOWN else ""
    return f"; known: {', '.join(names[:_SHOWN]) or 'none'}{more}"


def no_such(kind: str, name: str, known: Iterable[str]) -> str:
    """Return "there is no service 'x'; did you mean 'y'?"."""
    return f"there is no {kind} {name!r}{closest(name, known)}"
