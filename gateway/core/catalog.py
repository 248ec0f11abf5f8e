"""The error catalog: what failures are called, for machines and for people.

Rules:
1. A failure is looked at once, when its call is over: retries, breakers and fallbacks have
   decided by what it was.
2. The first of a method's rules that fits names its reason. All conditions of a rule must
   hold; values of a body are compared as text.
3. A reason has its own status, its own word on whether to come back, and a delay where
   nothing else tells one. What it does not say stays as it was. Who should not come back is
   told no delay and no action that says "again", and a client that retries by itself is told
   not to, whatever its own policy makes of the status.
4. Entries that are called like one of the gateway's own reasons reword it, whatever method
   it is told by; its name and its domain stay.
5. Words are those of the first language that the caller asks for (RFC 4647, lookup: a tag
   is shortened from its end); else the entry's own. What a language does not say is said in
   the entry's own words, and a sentence that is not in that language has no tag.
6. What the upstream answered is read here and goes no further.
"""

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.core.call import Call
from gateway.core.errors import CallError, KnownReason, Reason, Words
from gateway.core.own_words import final_action
from gateway.core.status import Code

DOMAIN = "seawall"
"""Whose the gateway's own reasons are."""
MAX_TITLE = 256
"""Bytes of a title in UTF-8: what is longer is cut on its way."""
MAX_SENTENCE = 512
"""Bytes of a sentence."""
_MAX_HEADER = 256
_MAX_RANGES = 16
_ACCEPT_LANGUAGE = "accept-language"
_INDEX = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One reason of the catalog.

    Args:
        name: "CARD_DECLINED".
        domain: whose it is.
        words: in the catalog's own language.
        language: the tag of that.
        code: the status, None for that of the failure.
        should_retry: whether to come back, None for what the failure says.
        retry_delay_s: when to, where the failure does not say.
        localized: words by tag, as it is written.
    """

    name: str
    domain: str
    words: Words = field(default_factory=Words)
    language: str = "en"
    code: Code | None = None
    should_retry: bool | None = None
    retry_delay_s: float | None = None
    localized: Mapping[str, Words] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class ErrorRule:
    """Which failures have the reason `entry`; what is empty says nothing.

    Args:
        entry: of the catalog.
        http_statuses: that the upstream answered.
        body: paths into what it answered, and the text that must be there.
        codes: statuses, any of which it has, or
        reasons: the gateway's own reasons.
    """

    entry: Entry
    http_statuses: frozenset[int] = frozenset()
    body: tuple[tuple[tuple[str, ...], str], ...] = ()
    codes: frozenset[Code] = frozenset()
    reasons: frozenset[Reason] = frozenset()

    def fits(self, error: CallError) -> bool:
        """Tell whether a failure has the reason."""
        if self.http_statuses and error.http_status not in self.http_statuses:
            return False
        if (self.codes or self.reasons) and not (
            error.code in self.codes or error.reason in self.reasons
        ):
            return False
        return all(_text_at(error.body, path) == text for path, text in self.body)


class ErrorNames:
    """Names the failures of one method.

    Args:
        rules: of the method.
        own: entries that reword the gateway's own reasons.
    """

    def __init__(
        self, rules: Sequence[ErrorRule] = (), own: Mapping[Reason, Entry] | None = None
    ) -> None:
        self._rules = tuple(rules)
        self._own = dict(own or {})

    @property
    def reads_bodies(self) -> bool:
        """Whether a rule looks at what the upstream answered."""
        return any(rule.body for rule in self._rules)

    def __call__(self, call: Call, error: CallError) -> None:
        """Name a failure that its caller is about to be told."""
        entry = next((rule.entry for rule in self._rules if rule.fits(error)), None)
        entry = entry or self._own.get(error.reason)
        error.body = None
        if entry is None:
            return
        if entry.code is not None:
            error.code = entry.code
        if entry.should_retry is not None:
            error.transient = entry.should_retry
            if not entry.should_retry:
                error.retry_after_s, error.pushback_s = None, -1
        if error.transient and error.retry_after_s is None:
            error.retry_after_s = entry.retry_delay_s
        language, words = _words_for(entry, _accepted(call))
        if not (error.transient or words.action):
            words = replace(words, action=final_action(error))
        error.known_as = KnownReason(
            name=entry.name, domain=entry.domain, words=words, language=language
        )


def _text_at(body: Any, path: Sequence[str]) -> str | None:
    for name in path:
        if isinstance(body, dict):
            body = body.get(name)
        elif isinstance(body, list) and _INDEX.fullmatch(name) and int(name) < len(body):
            body = body[int(name)]
        else:
            return None
    if isinstance(body, bool):
        return "true" if body else "false"
    if isinstance(body, str | int | float):
        return str(body)
    return None


def _accepted(call: Call) -> str:
    # Several fields of one name are one list (RFC 9110, 5.3).
    return ",".join(
        value
        for name, value in call.metadata
        if name == _ACCEPT_LANGUAGE and isinstance(value, str)
    )


def _words_for(entry: Entry, accepted: str) -> tuple[str, Words]:
    """Return the words for a caller, and the tag of their language where it was asked for."""
    if not accepted:
        return "", entry.words
    known = {tag.lower(): tag for tag in entry.localized}
    known.setdefault(entry.language.lower(), "")
    for wanted in ranges(accepted[:_MAX_HEADER]):
        tag = wanted
        while tag:
            if tag in known:
                chosen = known[tag]
                if not chosen:
                    return entry.language, entry.words
                said, usual = entry.localized[chosen], entry.words
                return chosen if said.message else "", Words(
                    said.title or usual.title,
                    said.message or usual.message,
                    said.action or usual.action,
                )
            tag = tag.rpartition("-")[0]
            if len(tag) > 2 and tag[-2] == "-":  # a single letter introduces what was cut
                tag = tag[:-2]
    return "", entry.words


@functools.lru_cache(maxsize=256)
def ranges(accepted: str) -> tuple[str, ...]:
    """Return the language ranges of `accept-language` (RFC 9110, 12.5.4), the best first."""
    found: list[tuple[float, str]] = []
    for item in accepted.split(",")[:_MAX_RANGES]:
        tag, _, quality = item.strip().partition(";")
        tag = tag.strip().lower()
        weight = _weight(quality.strip())
        if weight > 0 and tag and tag != "*" and all(c.isalnum() or c == "-" for c in tag):
            found.append((weight, tag))
    found.sort(key=lambda one: -one[0])
    return tuple(tag for _, tag in found)


def _weight(parameter: str) -> float:
    if not parameter:
        return 1.0
    name, _, value = parameter.partition("=")
    try:
        weight = float(value) if name.strip() in ("q", "Q") else 0.0
    except ValueError:
        return 0.0
    return weight if 0 <= weight <= 1 else 0.0
