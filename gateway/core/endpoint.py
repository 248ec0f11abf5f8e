"""The seam between an attempt and the endpoints of its upstream.

`interceptors/endpoint.py` asks for one, `downstream/endpoints/` knows them; neither
imports the other.
"""

from collections.abc import Sequence
from typing import Protocol

from gateway.core.http import HttpClient
from gateway.core.outcome import Outcome


class Endpoint(Protocol):
    """One address of an upstream. What a target sends goes through its client."""

    address: str
    """HOST:PORT, for people."""
    client: HttpClient


class Endpoints(Protocol):
    """The endpoints of one upstream."""

    def choose(
        self, tried: Sequence[Endpoint], now: float, *, timed: bool = True
    ) -> Endpoint | None:
        """Return where the next attempt goes, and count it as under way.

        Args:
            tried: endpoints of the call's earlier attempts, avoided where others are well.
            now: monotonic seconds.
            timed: whether it tells something if the attempt lasts long; not of a stream.

        Returns:
            None where no endpoint can be used: the attempt is refused.
        """

    def refusal_s(self, now: float) -> float | None:
        """Return when it makes sense to come back, in seconds, after `choose` gave None."""

    def ended(
        self, endpoint: Endpoint, outcome: Outcome | None, duration_s: float | None, now: float
    ) -> None:
        """Take note that an attempt there is over; no outcome where it was cancelled.

        Args:
            endpoint: as `choose` gave it.
            outcome: how it ended.
            duration_s: how long it took; None where it was not `timed`.
            now: monotonic seconds.
        """
