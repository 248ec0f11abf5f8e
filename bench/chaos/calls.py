"""The calls that the clients make: when each begins, its name, its criticality."""

import random
from collections.abc import Sequence
from typing import NamedTuple

from bench.chaos.cases import Case


class Arrival(NamedTuple):
    """One call to come. Attributes: at_s since the start. call: its name. criticality."""

    at_s: float
    call: str
    criticality: str


class Ended(NamedTuple):
    """One call that was made.

    Attributes:
        at_s: when it was to begin.
        began_s: when it did.
        ended_s: when it ended.
        status: name of its gRPC status; WRONG_ANSWER for OK with another call's answer.
        criticality: as it said.
    """

    at_s: float
    began_s: float
    ended_s: float
    status: str
    criticality: str

    @property
    def good(self) -> bool:
        """Whether it was answered."""
        return self.status == "OK"

    @property
    def took_s(self) -> float:
        """How long it took from the moment it was to begin."""
        return self.ended_s - self.at_s


def arrivals(case: Case, seed: int) -> list[Arrival]:
    """Return the calls of a run: Poisson arrivals from the seed."""
    rng = random.Random(f"{seed}/{case.letter}")
    found: list[Arrival] = []
    at_s = rng.expovariate(case.per_s)
    while at_s < case.seconds:
        found.append(Arrival(at_s, f"C{len(found):06d}", rng.choice(case.classes)))
        at_s += rng.expovariate(case.per_s)
    return found


def worst_lag_s(calls: Sequence[Ended]) -> float:
    """Return how late the client was at most to begin a call."""
    return max((call.began_s - call.at_s for call in calls), default=0.0)
