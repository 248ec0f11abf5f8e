"""The adaptive limit keeps its bounds, whatever attempts tell it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.interceptors.concurrency.adaptive import AdaptiveLimit
from gateway.interceptors.concurrency.baselines import Baselines
from gateway.interceptors.concurrency.options import AdaptiveOptions
from gateway.interceptors.concurrency.phases import Phase

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("answered"), st.sampled_from((0.01, 0.1, 0.5, 5.0)), st.integers(1, 60)),
        st.tuples(st.just("dropped"), st.sampled_from((0.001, 0.5)), st.integers(1, 60)),
        st.tuples(st.just("pause"), st.sampled_from((0.2, 3.0, 60.0)), st.just(1)),
        st.tuples(st.just("restart"), st.just(0.0), st.just(1)),
    ),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(
    steps=STEPS,
    min_limit=st.sampled_from((1, 4, 16)),
    max_limit=st.sampled_from((16, 200)),
    initial_limit=st.integers(1, 300),
    share=st.sampled_from((0.1, 1.0)),
)
def test_the_limit_keeps_its_floor_and_its_ceiling(
    steps, min_limit, max_limit, initial_limit, share
):
    options = AdaptiveOptions(min_limit=min_limit, max_limit=max_limit, initial_limit=initial_limit)
    baselines, now = Baselines(), 0.0
    limit = AdaptiveLimit(options, baselines, now)
    ramped = False
    for what, value, count in steps:
        for _ in range(count):
            in_flight = max(1, int(limit.limit * share))
            if what == "answered":
                now += 0.005
                limit.answered(baselines.of("get"), value, in_flight, now)
            elif what == "dropped":
                now += 0.005
                limit.dropped(value, in_flight, now)
            elif what == "pause":
                now += value
            else:
                limit.restart(now)
                assert limit.limit == 1
                ramped = True
            assert 1 <= limit.limit <= max_limit
            # Only what began after an outage may be below the floor.
            assert limit.limit >= min_limit or ramped
            if limit.phase is not Phase.RAMPING and limit.limit >= min_limit:
                ramped = False
