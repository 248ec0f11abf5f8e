"""The cases: what goes wrong, for how long, and under which load.

Each is a record with its own text. Everything that is random in it is drawn from the
seed (`plan.py`, `calls.py`), so every contestant of a repetition meets the same
arrivals and the same fate for the same attempt of the same call.

The capacity of all endpoints together is 80 calls a second (90 with three of them),
which is less than a quarter of what the slowest contestant can do: what is measured is
how they treat an upstream, not how quick they are.
"""

from dataclasses import dataclass, replace

from bench.chaos.plan import Capacity, Fault, Plan

ONE = Capacity(workers=8, service_s=0.1, max_queued=80)
"""80/s. A full queue is one second of work, as long as most deadlines here."""
OF_THREE = Capacity(workers=3, service_s=0.1, max_queued=30)
"""30/s each, 90/s together."""

EVERYBODY = ("critical",)
THREE_CLASSES = ("critical", "sheddable_plus", "sheddable")


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One case.

    Args:
        letter: as `--only-case` takes it.
        title: a few words.
        doc: what happens, in sentences.
        seconds: length of a run.
        per_s: calls a second that the clients begin.
        deadline_s: of each call.
        capacity: of each endpoint.
        endpoints: how many there are.
        faults: what goes wrong.
        fault_s: from when until when it does; no end where it lasts as long as the run.
        classes: criticalities, in equal shares; one for all where it does not matter.
        clients_retry: whether the clients have a retry policy of their own.
    """

    letter: str
    title: str
    doc: str
    seconds: float
    per_s: float
    deadline_s: float
    capacity: Capacity = ONE
    endpoints: int = 1
    faults: tuple[Fault, ...]
    fault_s: tuple[float, float | None] = (0.0, None)
    classes: tuple[str, ...] = EVERYBODY
    clients_retry: bool = False

    def plan(self, seed: int) -> Plan:
        """Return what the simulator is told."""
        return Plan(seed=seed, capacity=self.capacity, faults=self.faults)

    def lasting(self, seconds: float) -> "Case":
        """Return the case with all its moments moved so that a run takes `seconds`."""
        scale = seconds / self.seconds
        faults = tuple(
            replace(fault, from_s=fault.from_s * scale, until_s=fault.until_s * scale)
            for fault in self.faults
        )
        begins_s, ends_s = self.fault_s
        fault_s = (begins_s * scale, None if ends_s is None else ends_s * scale)
        return replace(self, seconds=seconds, faults=faults, fault_s=fault_s)


CASES = (
    Case(
        letter="a",
        title="10 % random 503",
        doc="Every tenth attempt, at random, is answered 503 after its service time. The "
        "upstream is half idle: whoever tries again is served.",
        seconds=10,
        per_s=40,
        deadline_s=2,
        faults=(Fault(kind="errors", share=0.1),),
    ),
    Case(
        letter="b",
        title="one of three dead",
        doc="One of three endpoints refuses every connection, from before the start to the "
        "end. The other two are half idle.",
        seconds=10,
        per_s=30,
        deadline_s=1,
        capacity=OF_THREE,
        endpoints=3,
        faults=(Fault(kind="away", endpoints=(1,)),),
    ),
    Case(
        letter="c",
        title="one of three 20x slower",
        doc="From the second second on, one of three endpoints takes 20 times as long: two "
        "seconds, twice the deadline. It answers well otherwise, and its health check too.",
        seconds=12,
        per_s=30,
        deadline_s=1,
        capacity=OF_THREE,
        endpoints=3,
        faults=(Fault(kind="slow", from_s=2, least=20, endpoints=(1,)),),
        fault_s=(2, None),
    ),
    Case(
        letter="d",
        title="away for 10 s",
        doc="The listener closes at 5 s, its connections are reset, and it comes back on the "
        "same port at 15 s with a quarter of its capacity, which grows in a line to all of it "
        "within three seconds (cold caches). For the first of these the load is more than it "
        "can do.",
        seconds=20,
        per_s=40,
        deadline_s=1,
        faults=(
            Fault(kind="away", from_s=5, until_s=15),
            Fault(kind="ramp", from_s=15, until_s=18, share=0.25),
        ),
        fault_s=(5, 15),
    ),
    Case(
        letter="e",
        title="brown-out to half",
        doc="Half of the workers are gone from 4 s to 11 s: 40 calls a second can be served "
        "and 60 arrive.",
        seconds=16,
        per_s=60,
        deadline_s=1,
        faults=(Fault(kind="fewer_workers", from_s=4, until_s=11, share=0.5),),
        fault_s=(4, 11),
    ),
    Case(
        letter="f",
        title="twice the capacity",
        doc="160 calls a second arrive and 80 can be served, all the time. A third each says "
        "of itself that it is critical, sheddable_plus and sheddable (x-criticality).",
        seconds=12,
        per_s=160,
        deadline_s=1,
        faults=(),
        classes=THREE_CLASSES,
    ),
    Case(
        letter="g",
        title="spikes on 1 %",
        doc="One attempt in a hundred takes 20 to 50 times as long: two to five seconds, "
        "where the deadline is two.",
        seconds=15,
        per_s=30,
        deadline_s=2,
        faults=(Fault(kind="spikes", share=0.01, least=20, most=50),),
    ),
    Case(
        letter="h",
        title="clients that retry",
        doc="The clients have a retry policy of their own (four attempts on UNAVAILABLE, 50 ms "
        "of backoff that doubles). From 4 s to 9 s three of four workers are gone: 20 calls a "
        "second can be served, 40 arrive, and every refusal is called again. What counts is "
        "how many attempts come of one call.",
        seconds=14,
        per_s=40,
        deadline_s=2,
        faults=(Fault(kind="fewer_workers", from_s=4, until_s=9, share=0.25),),
        fault_s=(4, 9),
        clients_retry=True,
    ),
    Case(
        letter="i",
        title="resets in 5 % of bodies",
        doc="One answer in twenty breaks off in the middle of its body by a reset of the "
        "connection, after status and headers.",
        seconds=10,
        per_s=40,
        deadline_s=2,
        faults=(Fault(kind="resets", share=0.05),),
    ),
    Case(
        letter="j",
        title="rolling restart",
        doc="Three endpoints restart one after the other at 3, 5 and 7 s, each away for one "
        "second; what is in flight there is reset.",
        seconds=12,
        per_s=30,
        deadline_s=1,
        capacity=OF_THREE,
        endpoints=3,
        faults=tuple(
            Fault(kind="away", from_s=3.0 + 2 * index, until_s=4.0 + 2 * index, endpoints=(index,))
            for index in range(3)
        ),
        fault_s=(3, 8),
    ),
)
