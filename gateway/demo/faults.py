"""What goes wrong with a request to a simulated downstream: a pure switchboard.

Knows no HTTP server and does nothing itself: asked about a request, it answers
with a `Mishap`, and the server does as it says.

Rules:
1. A fault concerns requests of its verb and at or below its path; those it
   concerns are counted, whatever happens to them.
2. Of those it strikes: the first `count`, or the first `count` of every `of`; a
   `share`, drawn from the seed; those that come while it is down (`flap`). All
   conditions that are given must hold.
3. The latencies of all faults that strike add up. The first that answers (status)
   or hangs up (drop) decides the rest.
4. Equal seeds, faults and orders of requests give equal mishaps: each fault draws
   from a sequence of its own, so that other paths' traffic does not shift it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any


class Draws:
    """A `core.clock.Rng` whose numbers follow from a seed and a name alone."""

    def __init__(self, seed: int, name: str) -> None:
        self._name = f"{seed}/{name}/"
        self._drawn = 0

    def random(self) -> float:
        """Return a number in [0, 1)."""
        digest = hashlib.blake2b(f"{self._name}{self._drawn}".encode(), digest_size=6).digest()
        self._drawn += 1
        return int.from_bytes(digest) / 2**48


class FaultError(ValueError):
    """A fault that cannot be; the sentence names the field."""


@dataclass(frozen=True, slots=True)
class Flap:
    """Turns: down for `down_s` seconds, then up for `up_s`, from when the fault was set."""

    down_s: float
    up_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One thing that goes wrong.

    Args:
        verb: of the requests it concerns; empty for all.
        path: of those, at or below it; empty for all.
        status: answers with this HTTP status, 400 to 599.
        retry_after_s: sends Retry-After with it, in whole seconds.
        drop: closes the connection without an answer.
        latency_s: waits before anything else.
        acts: whether the request takes effect before the fault hides that.
        count: only the first so many requests; None for all.
        of: begins anew after so many requests; needs `count`.
        share: of requests, 0 to 1.
        flap: only while down.
    """

    verb: str = ""
    path: str = ""
    status: int | None = None
    retry_after_s: int | None = None
    drop: bool = False
    latency_s: float = 0.0
    acts: bool = False
    count: int | None = None
    of: int | None = None
    share: float = 1.0
    flap: Flap | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        for wrong, text in (
            (self.path and not self.path.startswith("/"), "path: must begin with /"),
            (
                self.status is not None and not 400 <= self.status <= 599,
                "status: must be 400 to 599",
            ),
            (self.status is not None and self.drop, "drop: a dropped request has no status"),
            (
                self.retry_after_s is not None and self.status is None,
                "retry_after_s: needs a status, such as 429",
            ),
            (
                self.retry_after_s is not None and self.retry_after_s < 0,
                "retry_after_s: must not be negative",
            ),
            (not 0 <= self.latency_s <= 3600, "latency_s: must be 0 to 3600"),
            (self.count is not None and self.count < 1, "count: must be at least 1"),
            (
                self.of is not None and (self.count is None or self.of <= self.count),
                "of: must be greater than count",
            ),
            (not 0 <= self.share <= 1, "share: must be 0 to 1"),
            (
                self.flap is not None and not (self.flap.down_s > 0 and self.flap.up_s > 0),
                "flap: down_s and up_s must be greater than 0",
            ),
            (
                self.status is None and not self.drop and not self.latency_s,
                "does nothing; give it a status, drop or latency_s",
            ),
        ):
            if wrong:
                raise FaultError(text)

    def concerns(self, verb: str, path: str) -> bool:
        """Tell whether a request is one of those that may be struck."""
        if self.verb and self.verb != verb:
            return False
        prefix = self.path.rstrip("/")
        return path == prefix or path.startswith(f"{prefix}/")


@dataclass(frozen=True, slots=True)
class Mishap:
    """What happens to one request.

    Args:
        latency_s: to wait first.
        status: to answer with; None where the request is served.
        retry_after_s: to send with the status.
        drop: whether to close the connection instead.
        acts: whether the request takes effect all the same.
    """

    latency_s: float = 0.0
    status: int | None = None
    retry_after_s: int | None = None
    drop: bool = False
    acts: bool = True


class _Armed:
    """A fault with what it remembers."""

    def __init__(self, fault: Fault, rng: Draws, now: float) -> None:
        self.fault = fault
        self._rng = rng
        self._since = now
        self._concerned = 0

    def strikes(self, now: float) -> bool:
        """Count one more request that it concerns, and tell whether it strikes."""
        fault, number = self.fault, self._concerned
        self._concerned += 1
        if fault.of is not None:
            number %= fault.of
        if fault.count is not None and number >= fault.count:
            return False
        if fault.flap is not None:
            turn_s = (now - self._since) % (fault.flap.down_s + fault.flap.up_s)
            if turn_s >= fault.flap.down_s:
                return False
        return self._rng.random() < fault.share


class Switchboard:
    """The faults that are on.

    Args:
        seed: of every draw.
        lasting: faults of the system itself, such as those of its magic ids; they
            stay when the others are replaced.
        now: monotonic seconds.
    """

    def __init__(self, seed: int, lasting: Sequence[Fault] = (), *, now: float) -> None:
        self._seed = seed
        self._lasting = tuple(lasting)
        self.reset(now)

    @property
    def faults(self) -> tuple[Fault, ...]:
        """Those that were set, without the system's own."""
        return tuple(armed.fault for armed in self._set)

    def reset(self, now: float) -> None:
        """Turn off what was set, and forget which requests came."""
        self._own = self._armed("own", self._lasting, now)
        self._set: list[_Armed] = []

    def replace(self, faults: Sequence[Fault], now: float) -> None:
        """Set `faults` instead of those that were set before."""
        self._set = self._armed("set", faults, now)

    def _armed(self, kind: str, faults: Sequence[Fault], now: float) -> list[_Armed]:
        return [
            _Armed(fault, Draws(self._seed, f"{kind} fault {i}"), now)
            for i, fault in enumerate(faults)
        ]

    def meet(self, verb: str, path: str, now: float) -> Mishap:
        """Return what happens to a request; call it once for each.

        Args:
            verb: "GET".
            path: without the query.
            now: monotonic seconds.
        """
        latency_s = 0.0
        decides: Fault | None = None
        for armed in (*self._set, *self._own):
            fault = armed.fault
            if fault.concerns(verb, path) and armed.strikes(now):
                latency_s += fault.latency_s
                if decides is None and (fault.status is not None or fault.drop):
                    decides = fault
        if decides is None:
            return Mishap(latency_s)
        return Mishap(latency_s, decides.status, decides.retry_after_s, decides.drop, decides.acts)


def parse_fault(body: object) -> Fault:
    """Return the fault that a JSON object describes; its fields are those of `Fault`.

    Raises:
        FaultError: it is not one.
    """
    given = _object(body, [field.name for field in fields(Fault)])
    for name, kinds, text in (
        ("verb", (str,), "a string"),
        ("path", (str,), "a string"),
        ("status", (int,), "a whole number"),
        ("retry_after_s", (int,), "a whole number"),
        ("drop", (bool,), "true or false"),
        ("latency_s", (int, float), "a number"),
        ("acts", (bool,), "true or false"),
        ("count", (int,), "a whole number"),
        ("of", (int,), "a whole number"),
        ("share", (int, float), "a number"),
    ):
        _check(given, name, kinds, text)
    if "flap" in given:
        flap = _object(given["flap"], ["down_s", "up_s"], "flap: ")
        for name in ("down_s", "up_s"):
            if name not in flap:
                raise FaultError(f"flap: {name}: is needed")
            _check(flap, name, (int, float), "a number")
        given["flap"] = Flap(**flap)
    if "verb" in given:
        given["verb"] = given["verb"].upper()
    return Fault(**given)


def fault_to_json(fault: Fault) -> dict[str, Any]:
    """Return what `parse_fault` makes the same fault from; what is at its default is left out."""
    values = asdict(fault)
    return {f.name: values[f.name] for f in fields(Fault) if getattr(fault, f.name) != f.default}


def _object(body: object, known: Sequence[str], at: str = "") -> dict[str, Any]:
    if not isinstance(body, dict):
        raise FaultError(f"{at}must be an object")
    for name in body:
        if name not in known:
            raise FaultError(f"{at}{name}: is not known; known: {', '.join(known)}")
    return dict(body)


def _check(given: dict[str, Any], name: str, kinds: tuple[type, ...], text: str) -> None:
    if name not in given:
        return
    value = given[name]
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise FaultError(f"{name}: must be {text}")
