"""ShouldRateLimit: descriptors are matched to limits, and all of them are one decision.

Rules (names: Envoy's rate limit service):
1. A limit speaks of a descriptor that has the limit's entries and no others, in their
   order. An entry of the limit without a value takes any, and each has a count of its own.
2. Everything that a request asks about is one decision: where one limit has no room, none
   counts it. Its descriptor is OVER_LIMIT, and so is the whole.
3. A descriptor that no limit speaks of is OK. So is everything of a domain that is not
   configured; the gateway's log says so once for each of the first `_MAX_TOLD` such names.
4. `hits_addend` of a descriptor goes before that of the request; 0 is 1. More than a limit
   ever allows is OVER_LIMIT.
5. Limits that a descriptor brings along are INVALID_ARGUMENT: who asks does not decide.
6. A count is kept by the values of its entries, in a store that others may look into. Those
   that may be secrets by their keys' names, those of keys that identity providers read
   credentials from, and those longer than `_MAX_SHOWN` stand there as a digest.
"""

import hashlib
import logging
from collections.abc import Collection, Mapping, Sequence
from math import inf
from typing import Any

from gateway.config.credentials import may_be_secret
from gateway.core.call import Call
from gateway.core.errors import CallError, invalid_request
from gateway.core.events import Events, LimitExceeded
from gateway.core.outcome import SUCCESS, Outcome, failed
from gateway.ingress.local import parse
from gateway.ingress.rate_limit_service.messages import Request, Response
from gateway.state.described import DescribedLimit
from gateway.state.limits import Decision, Hit, LimitStore, Verdict

_log = logging.getLogger(__name__)

_MAX_DESCRIPTORS = 100
_MAX_SHOWN = 64
"""Characters of a value that is kept as it is."""
_DIGITS = 32
"""Of a digest: 128 bits."""
_MAX_TOLD = 100
_MAX_NAME = 100
"""Characters of a domain's name in the log."""
_OK, _OVER_LIMIT = 1, 2
_UNITS = {1.0: 1, 60.0: 2, 3600.0: 3, 86400.0: 4, 604800.0: 7}


class Domain:
    """The limits of one domain, found by the keys of a descriptor.

    Args:
        limits: of the domain.
        credentials: keys in lower case whose values are credentials, whatever their names say.
    """

    def __init__(self, limits: Sequence[DescribedLimit], credentials: Collection[str] = ()) -> None:
        self._by_keys: dict[tuple[str, ...], list[DescribedLimit]] = {}
        for one in limits:
            self._by_keys.setdefault(tuple(key for key, _ in one.entries), []).append(one)
        self._hidden = {
            key
            for one in limits
            for key, wanted in one.entries
            if wanted is None and (may_be_secret(key) or key.lower() in credentials)
        }

    def of(self, entries: Sequence[tuple[str, str]]) -> list[tuple[DescribedLimit, str]]:
        """Return the limits that speak of a descriptor, each with the key of its count."""
        found = []
        for one in self._by_keys.get(tuple(key for key, _ in entries), ()):
            own = []
            for (key, wanted), (_, value) in zip(one.entries, entries, strict=True):
                if wanted is None:
                    own.append(_counted(value, hidden=key in self._hidden))
                elif wanted != value:
                    break
            else:
                found.append((one, "|".join(own)))
        return found


def _counted(value: str, *, hidden: bool) -> str:
    """Return what a value is counted by; two values never share it."""
    if not hidden and len(value) <= _MAX_SHOWN:
        return f"{len(value)}:{value}"
    return f"sha256:{hashlib.sha256(value.encode()).hexdigest()[:_DIGITS]}"


class RateLimitTarget:
    """Answers ShouldRateLimit.

    Args:
        domains: by name.
        store: counts.
        events: told of what is over its limit.
    """

    def __init__(self, domains: Mapping[str, Domain], store: LimitStore, events: Events) -> None:
        self._domains = domains
        self._store = store
        self._events = events
        self._told: set[str] = set()

    async def __call__(self, call: Call) -> Outcome:
        """Answer one request."""
        try:
            request = parse(Request, call.request)
            asked = self._asked(request)
        except CallError as error:
            return failed(error)
        hits = [hit for _, _, found in asked for _, hit in found]
        decision = await self._store.take(hits) if hits else Decision(True, ())
        response = self._response(call, asked, decision)
        await call.send(response.SerializeToString())
        return SUCCESS

    def _asked(self, request: Any) -> list[tuple[int, Any, list[tuple[DescribedLimit, Hit]]]]:
        if not request.domain:
            raise invalid_request("the request names no domain", "domain")
        if not request.descriptors:
            raise invalid_request("the request has no descriptor", "descriptors")
        if len(request.descriptors) > _MAX_DESCRIPTORS:
            raise invalid_request(f"at most {_MAX_DESCRIPTORS} descriptors", "descriptors")
        domain = self._domains.get(request.domain)
        if domain is None:
            self._tell_unknown(request.domain)
        asked = []
        for i, described in enumerate(request.descriptors):
            if described.HasField("limit"):
                raise invalid_request(
                    "limits are those of the gateway's configuration", f"descriptors[{i}].limit"
                )
            cost = request.hits_addend or 1
            if described.HasField("hits_addend"):
                cost = described.hits_addend.value or 1
            entries = [(entry.key, entry.value) for entry in described.entries]
            found = domain.of(entries) if domain is not None else []
            asked.append((i, described, [(one, Hit(one.limit, key, cost)) for one, key in found]))
        return asked

    def _tell_unknown(self, domain: str) -> None:
        name = domain[:_MAX_NAME]
        if name in self._told or len(self._told) >= _MAX_TOLD:
            return
        self._told.add(name)
        _log.warning(
            "rate limits of the domain %r are asked for, and rate_limit_service.domains does not "
            "have it: every answer is OK",
            name,
        )

    def _response(
        self,
        call: Call,
        asked: Sequence[tuple[int, Any, list[tuple[DescribedLimit, Hit]]]],
        decision: Decision,
    ) -> Any:
        response = Response(overall_code=_OK if decision.allowed else _OVER_LIMIT)
        verdicts = iter(decision.verdicts)
        for _, _, found in asked:
            status = response.statuses.add(code=_OK)
            tightest: tuple[DescribedLimit, Verdict] | None = None
            for one, hit in found:
                verdict = next(verdicts, None)
                if verdict is None:  # not counted: the store does not answer
                    if not decision.allowed:
                        status.code = _OVER_LIMIT
                    continue
                if not verdict.allowed:
                    self._events.emit(LimitExceeded(call, hit.limit.name, hit.limit.shadow))
                    if hit.limit.shadow:
                        continue
                    status.code = _OVER_LIMIT
                if not hit.limit.shadow and (tightest is None or _tighter(verdict, tightest[1])):
                    tightest = one, verdict
            if tightest is not None:
                _tell(status, *tightest)
        return response


def _tighter(one: Verdict, other: Verdict) -> bool:
    return (one.allowed, one.remaining) < (other.allowed, other.remaining)


def _tell(status: Any, one: DescribedLimit, verdict: Verdict) -> None:
    limit = one.limit
    status.current_limit.requests_per_unit = limit.requests
    status.current_limit.unit = _UNITS.get(limit.per_s, 0)
    status.current_limit.name = one.label
    status.limit_remaining = max(0, verdict.remaining)
    back_s = verdict.retry_after_s if not verdict.allowed else verdict.reset_s
    if back_s != inf:
        nanos = round(max(0.0, back_s) * 1e9)
        status.duration_until_reset.seconds = nanos // 10**9
        status.duration_until_reset.nanos = nanos % 10**9
