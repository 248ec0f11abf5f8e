import asyncio

import pytest
from fakes.clock import FakeClock
from support.calls import Recorder

from gateway.core.criticality import Criticality
from gateway.core.events import Events, OverloadChanged
from gateway.interceptors.overload.guard import OverloadGuard, OverloadOptions
from gateway.interceptors.overload.sampler import OverloadSampler


class Sampled:
    def __init__(self, read_memory_share=None) -> None:
        self.clock = FakeClock()
        self.guard = OverloadGuard(OverloadOptions())
        self.heard = Recorder()
        self.sampler = OverloadSampler(
            self.guard, self.clock, Events([self.heard]), read_memory_share
        )

    async def run(self, late_s: float, samples: int) -> None:
        for _ in range(samples):
            self.clock.advance(0.05 + late_s)  # nothing else ran meanwhile
            for _ in range(3):
                await asyncio.sleep(0)


@pytest.fixture
async def sampled():
    one = Sampled()
    one.sampler.start()
    await asyncio.sleep(0)
    yield one
    await one.sampler.stop()


async def test_timers_that_fire_in_time_change_nothing(sampled):
    await sampled.run(0.0, 100)
    assert sampled.heard == []
    assert sampled.guard.least is Criticality.SHEDDABLE


async def test_a_loop_that_stays_late_sheds_and_recovers_and_says_so(sampled):
    await sampled.run(0.25, 5)
    assert sampled.guard.least is Criticality.CRITICAL
    await sampled.run(0.0, 60)
    assert sampled.heard == [
        OverloadChanged("critical", "the event loop is 0.25 s late"),
        OverloadChanged("sheddable_plus", "the event loop is 0.25 s late"),
        OverloadChanged("sheddable", "it keeps up again"),
    ]


async def test_one_long_pause_sheds_nothing(sampled):
    await sampled.run(0.0, 5)
    await sampled.run(3.0, 1)
    await sampled.run(0.0, 5)
    assert sampled.heard == []


async def test_memory_is_read_once_in_a_second():
    reads = []
    one = Sampled(lambda: reads.append(one.clock.now()) or 0.92)
    one.sampler.start()
    await asyncio.sleep(0)
    await one.run(0.0, 61)
    await one.sampler.stop()
    assert len(reads) in (3, 4)
    assert one.heard == [OverloadChanged("sheddable_plus", "92% of the memory is used")]


async def test_stopping_ends_the_task_and_its_timer():
    one = Sampled()
    one.sampler.start()
    one.sampler.start()  # harmless
    await asyncio.sleep(0)
    assert one.clock.pending == 1
    await one.sampler.stop()
    await one.sampler.stop()
    assert one.clock.pending == 0
    assert len(asyncio.all_tasks()) == 1
