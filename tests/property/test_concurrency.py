"""Places are conserved, whatever comes in whatever order."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.criticality import Criticality
from gateway.interceptors.concurrency.line import Refusal, Waiter
from gateway.interceptors.concurrency.options import AdaptiveOptions, BulkheadOptions
from gateway.interceptors.concurrency.places import Places, Verdict


class Asking(Waiter):
    """A waiter that keeps what was decided."""

    __slots__ = ("decisions", "number")

    def decide(self, refusal: Refusal | None) -> None:
        self.decisions.append(refusal)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("come"), st.sampled_from(Criticality), st.floats(0.01, 3.0)),
        st.tuples(st.just("end"), st.integers(0, 50), st.sampled_from(Verdict)),
        st.tuples(st.just("leave"), st.integers(0, 50), st.none()),
        st.tuples(st.just("expire"), st.integers(0, 50), st.none()),
        st.tuples(st.just("wait"), st.floats(0.0, 0.5), st.none()),
        st.tuples(st.just("wake"), st.integers(0, 50), st.none()),
        st.tuples(st.just("restart"), st.none(), st.none()),
    ),
    max_size=120,
)


class Model:
    """Drives places, and counts for itself."""

    def __init__(self, bulkhead: BulkheadOptions, adaptive: AdaptiveOptions | None) -> None:
        self.bulkhead = bulkhead
        self.adaptive = adaptive
        self.places = Places(bulkhead, adaptive, 0.0)
        self.now = 0.0
        self.came = 0
        self.under_way: list[tuple[float, int]] = []
        self.waiting: list[Asking] = []

    def come(self, criticality: Criticality, time_s: float) -> None:
        places = self.places
        if places.try_acquire():
            assert not self.waiting  # nobody is overtaken
            self.under_way.append((self.now, places.generation))
            return
        asking = Asking(places.times_of("get"), criticality, self.now + time_s, self.now)
        asking.decisions = []
        asking.number = self.came = self.came + 1
        full = places.would_refuse(criticality) and not places.would_look("get", self.now)
        refusal = places.join(asking, self.now)
        assert refusal is not None or not full
        if refusal is None:
            self.waiting.append(asking)

    def end(self, index: int, verdict: Verdict) -> None:
        if self.under_way:
            began_at, ticket = self.under_way.pop(index % len(self.under_way))
            self.places.release("get", self.now - began_at, verdict, self.now, ticket)

    def leave(self, index: int, _none: None) -> None:
        if self.waiting:
            assert self.places.leave(self.waiting.pop(index % len(self.waiting)))

    def expire(self, index: int, _none: None) -> None:
        if self.waiting:
            asking = self.waiting[index % len(self.waiting)]
            self.now = max(self.now, self.places.leaves_at(asking))
            self.places.expire(asking, self.now)
            assert asking.decisions

    def wake(self, index: int, _none: None) -> None:
        if self.waiting:
            asking = self.waiting[index % len(self.waiting)]
            self.now = max(self.now, self.places.wakes_at(asking))
            self.places.wake(asking, self.now)
            assert self.places.wakes_at(asking) > self.now or asking.decisions

    def wait(self, duration_s: float, _none: None) -> None:
        self.now += duration_s

    def restart(self, _none: None, _other: None) -> None:
        self.places.restart(self.now)

    def settle(self) -> None:
        """Take note of what was decided, and check that it was the turn of those served."""
        served = [one for one in self.waiting if one.decisions and one.decisions[0] is None]
        self.waiting = [one for one in self.waiting if not one.decisions]
        for one in served:
            assert len(one.decisions) == 1
            self.under_way.append((self.now, one.ticket))
            for other in self.waiting:
                assert (-other.criticality, other.number) > (-one.criticality, one.number)

    def check(self) -> None:
        places = self.places
        assert places.in_flight == len(self.under_way)
        assert places.queued == len(self.waiting) <= self.bulkhead.max_queued
        cap = self.bulkhead.max_in_flight
        assert cap is None or places.in_flight <= cap
        if self.adaptive is not None:
            assert 1 <= places.limit <= self.adaptive.max_limit
            assert places.in_flight <= self.adaptive.max_limit
        assert places.retry_after_s() > 0


@settings(max_examples=150, deadline=None)
@given(
    steps=STEPS,
    max_in_flight=st.one_of(st.none(), st.integers(1, 5)),
    max_queued=st.integers(0, 5),
    adaptive=st.booleans(),
)
def test_places_are_conserved(steps, max_in_flight, max_queued, adaptive):
    options = AdaptiveOptions(min_limit=1, initial_limit=3, max_limit=8)
    if max_in_flight is None:
        adaptive = True
    model = Model(
        BulkheadOptions(max_in_flight=max_in_flight, max_queued=max_queued),
        options if adaptive else None,
    )
    for step, one, other in steps:
        getattr(model, step)(one, other)
        model.settle()
        model.check()
    while model.under_way:
        model.end(0, Verdict.IGNORED)
        model.settle()
        model.check()
    # All places are back: nobody waits beside a free one, and as many can be taken.
    assert model.waiting == []
    assert model.places.in_flight == 0
    taken = 0
    while model.places.try_acquire():
        taken += 1
    assert taken == model.places.limit
