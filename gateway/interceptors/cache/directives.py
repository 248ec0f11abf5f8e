"""What headers of an answer say of keeping it (RFC 9111, 5.2.2 and 5.3; RFC 5861). Pure."""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import NamedTuple

_MOST_S = 2.0**31
"""RFC 9111, 1.2.2: what is larger is taken for this."""


class Directives(NamedTuple):
    """Seconds; None where nothing is said.

    Args:
        no_store: it must not be kept, or depends on what nobody can tell (`vary: *`).
        private: it is for whoever asked.
        no_cache: it must be asked for anew before it is served.
        must_revalidate: it must not be served stale.
        max_age_s: how long it is fresh, from when it was made.
        stale_while_revalidate_s: how long it may be served while it is asked for anew.
        stale_if_error_s: how long it may be served where asking fails.
        age_s: how old it was when it arrived.
    """

    no_store: bool = False
    private: bool = False
    no_cache: bool = False
    must_revalidate: bool = False
    max_age_s: float | None = None
    stale_while_revalidate_s: float | None = None
    stale_if_error_s: float | None = None
    age_s: float = 0.0


def directives(headers: Mapping[str, str], *, shared: bool) -> Directives:
    """Return what `headers`, with names in lower case, say.

    Args:
        headers: of the answer.
        shared: whether its entry is for all callers, so that `s-maxage` and
            `proxy-revalidate` count.
    """
    said = _cache_control(headers.get("cache-control", ""))
    max_age_s = _seconds(said, "max-age")
    if shared and "s-maxage" in said:
        max_age_s = _seconds(said, "s-maxage")
    if max_age_s is None and "expires" in headers:
        max_age_s = _expires_s(headers)
    return Directives(
        # RFC 9111, 4.1: an answer that depends on everything is nobody else's.
        no_store="no-store" in said or "*" in headers.get("vary", "").replace(" ", "").split(","),
        private="private" in said,
        no_cache="no-cache" in said,
        must_revalidate="must-revalidate" in said
        or (shared and ("proxy-revalidate" in said or "s-maxage" in said)),
        max_age_s=max_age_s,
        stale_while_revalidate_s=_seconds(said, "stale-while-revalidate"),
        stale_if_error_s=_seconds(said, "stale-if-error"),
        age_s=_whole(headers.get("age", "")) or 0.0,
    )


def _cache_control(text: str) -> dict[str, str]:
    """Return directives and their arguments; of one that is said twice, the first."""
    said: dict[str, str] = {}
    quoted, start = False, 0
    for at, character in enumerate(text + ","):
        if character == '"':
            quoted = not quoted
        elif character == "," and (not quoted or at == len(text)):
            name, _, value = text[start:at].partition("=")
            if name := name.strip().lower():
                said.setdefault(name, value.strip().strip('"'))
            start = at + 1
    return said


def _seconds(said: Mapping[str, str], name: str) -> float | None:
    """Return an argument in seconds; 0 for one that is none: it is stale then (4.2.1)."""
    return None if name not in said else _whole(said[name]) or 0.0


def _whole(text: str) -> float | None:
    text = text.strip()
    if not (text.isascii() and text.isdigit()):
        return None
    return min(float(text), _MOST_S) if len(text) < 20 else _MOST_S


def _expires_s(headers: Mapping[str, str]) -> float:
    """Return how long `expires` is after `date`; 0 where either is no date: it is stale."""
    try:
        expires = parsedate_to_datetime(headers["expires"])
        date = parsedate_to_datetime(headers["date"])
        return min(max(0.0, (expires - date).total_seconds()), _MOST_S)
    except (KeyError, ValueError, TypeError, OverflowError):
        return 0.0
