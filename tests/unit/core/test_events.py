import logging

from fakes.clock import FakeClock

from gateway.core.clock import Clock, SystemClock
from gateway.core.events import DrainStage, Events


def test_every_listener_is_told_in_order():
    told: list[tuple[int, object]] = []
    events = Events([lambda e: told.append((1, e)), lambda e: told.append((2, e))])
    event = DrainStage("HOLDING", 3)
    events.emit(event)
    assert told == [(1, event), (2, event)]


def test_a_listener_that_raises_spoils_nothing(caplog):
    told: list[object] = []

    def broken(_event: object) -> None:
        raise ValueError

    with caplog.at_level(logging.ERROR):
        Events([broken, told.append]).emit(DrainStage("HOLDING", 0))
    assert len(told) == 1
    assert "listener failed" in caplog.text


def test_both_clocks_are_clocks():
    clocks: list[Clock] = [SystemClock(), FakeClock()]
    for clock in clocks:
        assert clock.now() <= clock.now()
        assert clock.wall() > 1_700_000_000


async def test_the_systems_clock_runs_its_timers():
    clock = SystemClock()
    begun = clock.now()
    ran: list[float] = []
    clock.call_at(begun + 0.01, lambda: ran.append(clock.now()))
    cancelled = clock.call_at(begun + 0.01, lambda: ran.append(-1))
    cancelled.cancel()
    await clock.sleep(0.05)
    assert len(ran) == 1
    assert ran[0] >= begun + 0.009
