"""What the upstream does and when: faults, capacity, seed. Knows no sockets.

Rules:
1. Times are seconds since the start of a run. A fault holds from `from_s` until
   `until_s`; before the start (warm-up) only those hold whose `from_s` is minus
   infinity.
2. What is random is drawn from the seed, the name of the call and how many times that
   call has come already, never from the order of arrival: the second attempt of call
   C000017 has the same fate whoever sends it and whenever.
3. A fault without `endpoints` holds for all of them.
"""

import dataclasses
import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

FaultKind = Literal["errors", "resets", "spikes", "slow", "fewer_workers", "ramp", "away"]

ALWAYS = -math.inf
NEVER = math.inf


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One thing that goes wrong.

    Args:
        kind: which.
            errors: a share of the attempts is answered 503, after the service time.
            resets: a share of the answers ends in a reset in the middle of its body.
            spikes: a share of the attempts takes `least` to `most` times as long.
            slow: every attempt takes `least` times as long.
            fewer_workers: that share of the workers is left.
            ramp: capacity grows in a line from that share to all of it.
            away: the listener is closed, its connections are reset.
        from_s: when it begins.
        until_s: when it ends.
        share: as the kind says.
        least: as the kind says.
        most: as the kind says.
        endpoints: indices of those it holds for; empty for all.
    """

    kind: FaultKind
    from_s: float = ALWAYS
    until_s: float = NEVER
    share: float = 0.0
    least: float = 1.0
    most: float = 1.0
    endpoints: tuple[int, ...] = ()

    def holds(self, endpoint: int, at_s: float) -> bool:
        """Tell whether it holds for an endpoint at a moment."""
        ours = not self.endpoints or endpoint in self.endpoints
        return ours and self.from_s <= at_s < self.until_s

    def factor(self, at_s: float) -> float:
        """Return how many times as long an attempt takes; 1 where it does not matter."""
        if self.kind == "slow":
            return self.least
        if self.kind == "ramp":
            done = (at_s - self.from_s) / (self.until_s - self.from_s)
            return 1.0 / (self.share + (1.0 - self.share) * done)
        return 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Capacity:
    """What one endpoint can do.

    Args:
        workers: requests served at once.
        service_s: what one takes, drawn uniformly from 20 % around it.
        max_queued: requests that wait, first in, first out; what comes beyond is
            answered 503 at once.
    """

    workers: int
    service_s: float
    max_queued: int

    @property
    def per_s(self) -> float:
        """Requests a second."""
        return self.workers / self.service_s


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one attempt. Attributes: service_s. failed: 503. cut: reset in its body."""

    service_s: float
    failed: bool
    cut: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """All that the simulator is told.

    Args:
        seed: of every draw.
        capacity: of each endpoint.
        faults: what goes wrong.
    """

    seed: int
    capacity: Capacity
    faults: tuple[Fault, ...] = ()

    def fate(self, endpoint: int, call: str, nth: int, at_s: float) -> Fate:
        """Return what becomes of the nth attempt of a call that is begun at a moment."""
        draw = _draws(self.seed, call, nth)
        service_s = self.capacity.service_s * (0.8 + 0.4 * next(draw))
        failed = cut = False
        for fault in self.faults:
            # Drawn in any case, so that no fault's end shifts the draws of another.
            chance, size = next(draw), next(draw)
            if not fault.holds(endpoint, at_s):
                continue
            service_s *= fault.factor(at_s)
            if chance >= fault.share:
                continue
            if fault.kind == "errors":
                failed = True
            elif fault.kind == "resets":
                cut = True
            elif fault.kind == "spikes":
                service_s *= fault.least + (fault.most - fault.least) * size
        return Fate(service_s, failed, cut and not failed)

    def workers(self, endpoint: int, at_s: float) -> int:
        """Return how many workers an endpoint has at a moment, at least one."""
        workers = float(self.capacity.workers)
        for fault in self.faults:
            if fault.kind == "fewer_workers" and fault.holds(endpoint, at_s):
                workers *= fault.share
        return max(1, round(workers))

    def away(self, endpoint: int, at_s: float) -> bool:
        """Tell whether an endpoint refuses connections at a moment."""
        return any(f.kind == "away" and f.holds(endpoint, at_s) for f in self.faults)

    def edges(self) -> list[float]:
        """Return the moments after the start at which anything begins or ends."""
        moments = {moment for fault in self.faults for moment in (fault.from_s, fault.until_s)}
        return sorted(moment for moment in moments if math.isfinite(moment))

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON that `from_json` reads; infinities as null."""
        found = dataclasses.asdict(self)
        for fault in found["faults"]:
            for name in ("from_s", "until_s"):
                if math.isinf(fault[name]):
                    fault[name] = None
        return found

    @staticmethod
    def from_json(found: dict[str, Any]) -> "Plan":
        """Return what `as_json` wrote."""
        faults = []
        for fault in found["faults"]:
            begins, ends = fault["from_s"], fault["until_s"]
            changed = {
                "from_s": ALWAYS if begins is None else begins,
                "until_s": NEVER if ends is None else ends,
                "endpoints": tuple(fault["endpoints"]),
            }
            faults.append(Fault(**(fault | changed)))
        capacity = Capacity(**found["capacity"])
        return Plan(seed=found["seed"], capacity=capacity, faults=tuple(faults))


def _draws(seed: int, call: str, nth: int) -> Iterator[float]:
    """Yield uniform numbers from 0 to 1 that depend on nothing but the arguments."""
    block = 0
    while True:
        digest = hashlib.blake2b(f"{seed}/{call}/{nth}/{block}".encode(), digest_size=64).digest()
        for at in range(0, 64, 8):
            yield int.from_bytes(digest[at : at + 8], "big") / 2**64
        block += 1
