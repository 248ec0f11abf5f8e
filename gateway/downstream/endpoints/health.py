"""Whether an endpoint is well, by its own answers to a question that is asked for nothing else.

Rules:
1. An endpoint counts as well until it was asked. `unhealthy_threshold` bad answers in a
   row make it unwell, `healthy_threshold` good ones well again.
2. 200 to 299 is a good answer. Any other, none in time, and no connection are bad.
3. A question that found no place among the gateway's own connections is none; so is one
   for which the upstream's own credential cannot be had.
"""

from gateway.downstream.endpoints.options import HealthOptions


class Health:
    """One endpoint's.

    Args:
        options: thresholds.
    """

    __slots__ = ("_against", "_options", "well")

    def __init__(self, options: HealthOptions) -> None:
        self._options = options
        self._against = 0  # answers in a row that say the other thing
        self.well = True

    def answered(self, *, well: bool) -> bool:
        """Take note of an answer; return whether that changed anything."""
        if well is self.well:
            self._against = 0
            return False
        self._against += 1
        options = self._options
        needed = options.unhealthy_threshold if self.well else options.healthy_threshold
        if self._against < needed:
            return False
        self.well = well
        self._against = 0
        return True
