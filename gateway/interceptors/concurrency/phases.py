"""What the adaptive limit is doing, and what it does next: the table of its transitions.

adaptive.py has the rules, findings.py the questions that a window answers.
"""

import enum
from collections.abc import Mapping

from gateway.interceptors.concurrency.findings import Finding


class Phase(enum.Enum):
    """What the limit is doing."""

    RAMPING = "ramping"
    """It grows from one, after an outage, or from where most attempts failed."""
    DOUBLING = "doubling"
    """It grows from what it was at the start, or after the upstream changed."""
    STEADY = "steady"
    """It follows latency."""
    LOWERED = "lowered"
    """It was cut, which has to prove itself."""
    DIPPED = "dipped"
    """It is low for one window, to see how long answers take without a queue."""
    RAISED = "raised"
    """It is higher than it was, to see whether latency follows."""
    CONFIRMED = "confirmed"
    """Latency did not follow, so it is higher still: chance is not believed twice."""


class Act(enum.Enum):
    """What is done to the limit on the way to the next phase."""

    KEEP = "keep"
    DOUBLE = "double"
    GROW = "grow"
    LOWER = "lower"
    """Cut it, and remember what was seen before the first cut."""
    DIP = "dip"
    """Cut it to where there should be no queue, and remember what was seen."""
    DEEPEN = "deepen"
    """Halve it, and return later to where answers take what is tolerated."""
    RAISE = "raise"
    """Raise it, to where it was before a cut at least, and remember what was seen."""
    RAISE_ON = "raise on"
    """Raise it further, and go on comparing with what was seen before the first time."""
    RETURN = "return"
    """Set it to where the question began."""
    CLIMB = "climb"
    """Double it, up to what it was before the outage."""
    ARRIVE = "arrive"
    """Set it to what it was before the outage."""
    FALL_BACK = "fall back"
    """Halve it, and remember what it was."""
    STEP_BACK = "step back"
    """Halve it, down to where the ramp may begin."""
    STOP = "stop"
    """Halve it, down to the least limit."""


TRANSITIONS: Mapping[tuple[Phase, Finding], tuple[Phase, Act]] = {
    (Phase.RAMPING, Finding.ROOM): (Phase.RAMPING, Act.CLIMB),
    (Phase.RAMPING, Finding.ARRIVED): (Phase.DOUBLING, Act.ARRIVE),
    (Phase.RAMPING, Finding.DROPPING): (Phase.RAMPING, Act.STEP_BACK),
    (Phase.RAMPING, Finding.CROWDED): (Phase.STEADY, Act.STOP),
    (Phase.DOUBLING, Finding.UNUSED): (Phase.DOUBLING, Act.KEEP),
    (Phase.DOUBLING, Finding.ROOM): (Phase.DOUBLING, Act.DOUBLE),
    (Phase.DOUBLING, Finding.CROWDED): (Phase.LOWERED, Act.LOWER),
    (Phase.DOUBLING, Finding.DROPPING): (Phase.LOWERED, Act.LOWER),
    (Phase.DOUBLING, Finding.UNSURE): (Phase.DIPPED, Act.DIP),
    (Phase.DOUBLING, Finding.CORNERED): (Phase.RAISED, Act.RAISE),
    (Phase.STEADY, Finding.UNUSED): (Phase.STEADY, Act.KEEP),
    (Phase.STEADY, Finding.ROOM): (Phase.STEADY, Act.GROW),
    (Phase.STEADY, Finding.CROWDED): (Phase.LOWERED, Act.LOWER),
    (Phase.STEADY, Finding.DROPPING): (Phase.LOWERED, Act.LOWER),
    (Phase.STEADY, Finding.UNSURE): (Phase.DIPPED, Act.DIP),
    (Phase.STEADY, Finding.CORNERED): (Phase.RAISED, Act.RAISE),
    (Phase.LOWERED, Finding.UNUSED): (Phase.STEADY, Act.KEEP),
    (Phase.LOWERED, Finding.OURS): (Phase.STEADY, Act.KEEP),
    (Phase.LOWERED, Finding.OPEN): (Phase.LOWERED, Act.LOWER),
    (Phase.LOWERED, Finding.NOT_OURS): (Phase.RAISED, Act.RAISE),
    (Phase.DIPPED, Finding.UNUSED): (Phase.STEADY, Act.RETURN),
    (Phase.DIPPED, Finding.OURS): (Phase.STEADY, Act.RETURN),
    (Phase.DIPPED, Finding.CROWDED): (Phase.STEADY, Act.KEEP),
    (Phase.DIPPED, Finding.FASTER): (Phase.DIPPED, Act.DEEPEN),
    (Phase.DIPPED, Finding.OPEN): (Phase.STEADY, Act.RETURN),
    (Phase.DIPPED, Finding.NOT_OURS): (Phase.RAISED, Act.RAISE),
    (Phase.RAISED, Finding.UNUSED): (Phase.STEADY, Act.KEEP),
    (Phase.RAISED, Finding.OURS): (Phase.STEADY, Act.RETURN),
    (Phase.RAISED, Finding.NOT_OURS): (Phase.CONFIRMED, Act.RAISE_ON),
    (Phase.CONFIRMED, Finding.UNUSED): (Phase.STEADY, Act.KEEP),
    (Phase.CONFIRMED, Finding.OURS): (Phase.STEADY, Act.RETURN),
    (Phase.CONFIRMED, Finding.NOT_OURS): (Phase.DOUBLING, Act.KEEP),
    **{
        (phase, Finding.FAILING): (Phase.RAMPING, Act.FALL_BACK)
        for phase in Phase
        if phase is not Phase.RAMPING
    },
    # OPEN under RAISED and CONFIRMED, and where a lowered limit cannot fall, lets the window go on.
}
"""From a phase and what a window says to the next phase, and what is done on the way."""

QUESTIONS = frozenset((Phase.LOWERED, Phase.DIPPED, Phase.RAISED, Phase.CONFIRMED))
"""Phases in which what is seen is compared with what was seen before."""
