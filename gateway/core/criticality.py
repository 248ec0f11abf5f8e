"""How important a call is, for what cannot serve all of them.

The levels are those of Google's Site Reliability Engineering, chapter 21; the numbers
those of seawall.policy.v1.Criticality.
"""

import enum


class Criticality(enum.IntEnum):
    """More is more important."""

    SHEDDABLE = 1
    SHEDDABLE_PLUS = 2
    CRITICAL = 3
    CRITICAL_PLUS = 4
