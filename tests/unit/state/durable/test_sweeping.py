from collections.abc import Iterator

import pytest
from fakes.clock import FakeClock, FakeRng

from gateway.state.durable.sweeping import BATCH, Sweeper
from gateway.state.records import StoreUnavailable


async def _swept(draw: float, answers: Iterator[int | Exception]) -> list[float]:
    """Return when batches were deleted, in seconds from the start."""
    clock = FakeClock(auto_jump=True)
    asked: list[float] = []

    async def sweep(limit: int) -> int:
        assert limit == BATCH
        asked.append(round(clock.now() - 1000.0, 3))
        answer = next(answers, None)
        if answer is None:
            await clock.sleep(1e9)
            return 0
        if isinstance(answer, Exception):
            raise answer
        return answer

    sweeper = Sweeper(sweep, clock, FakeRng([draw]), every_s=60.0)
    sweeper.start()
    sweeper.start()  # one is enough
    while next(iter(asked[-1:]), 0) < 200:
        await clock.sleep(1.0)
    await sweeper.close()
    return asked


@pytest.mark.parametrize(("draw", "every_s"), [(0.0, 45.0), (0.5, 60.0), (0.999, 74.97)])
async def test_sweeps_come_at_random_around_a_minute(draw: float, every_s: float) -> None:
    asked = await _swept(draw, iter([0] * 10))
    assert asked[:2] == pytest.approx([every_s, 2 * every_s])


async def test_a_sweep_goes_on_until_a_batch_is_not_full() -> None:
    asked = await _swept(0.5, iter([BATCH, BATCH, 7, 0, 0, 0]))
    assert asked[:4] == pytest.approx([60.0, 60.05, 60.1, 120.1])


@pytest.mark.parametrize("error", [StoreUnavailable("it is away"), ZeroDivisionError()])
async def test_what_fails_is_swept_the_next_time(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    asked = await _swept(0.5, iter([error, 0, 0, 0]))
    assert asked[:2] == pytest.approx([60.0, 120.0])
    assert bool(caplog.records) is not isinstance(error, StoreUnavailable)
