"""A call that may be hedged, and attempts that take their time."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from fakes.clock import FakeClock
from support.calls import METHOD, Recorder, Script

from gateway.core.call import Call
from gateway.core.errors import CallError
from gateway.core.events import Events, HedgeEnded, HedgeSent
from gateway.core.outcome import SUCCESS, Outcome, failed
from gateway.interceptors.retry import HedgeInterceptor, HedgeOptions, RetryBudget

DELAY_S = 0.05
FIXED = HedgeOptions(delay_s=DELAY_S, max_share=10.0, max_attempts=10, reads_only=True)
"""A known delay, and no share in the way."""
WRITING = replace(FIXED, reads_only=False)
"""The same for a method with side effects."""


class Bench:
    """A hedge interceptor on a fake clock, and what comes of its calls."""

    def __init__(
        self,
        options: HedgeOptions = FIXED,
        *,
        auto_jump: bool = True,
        budget: RetryBudget | None = None,
    ) -> None:
        self.clock = FakeClock(auto_jump=auto_jump)
        self.events = Recorder()
        self.hedge = HedgeInterceptor(options, self.clock, Events([self.events]), budget)
        self.delivered: list[bytes] = []
        self.ended: list[str] = []
        """How each attempt ended, in that order: its name, and "!" where it was cancelled."""

    def call(self, timeout_s: float = 60.0) -> Call:
        now = self.clock.now()
        call = Call(METHOD, self._sink, arrived_at=now, deadline_at=now + timeout_s)
        call.message, call.prepared = "message", "prepared"
        return call

    async def _sink(self, payload: bytes) -> None:
        self.delivered.append(payload)

    async def run(self, *ends: Callable[[Call], Awaitable[Outcome]]) -> Outcome:
        """Hedge one call whose first attempt and hedges end as told."""
        outcome = await self.hedge(self.call(), Script(*ends))
        self.check_clean()
        return outcome

    def check_clean(self) -> None:
        """Fail where a task or a timer outlived the call, or its cancellation was lost."""
        current = asyncio.current_task()
        assert current is not None
        assert current.cancelling() == 0
        assert asyncio.all_tasks() == {current}
        assert self.clock.pending == 0

    def attempt(
        self, name: str, duration_s: float, error: CallError | None = None
    ) -> Callable[[Call], Awaitable[Outcome]]:
        """Return an attempt that answers its name, or fails, after `duration_s`."""

        async def run(call: Call) -> Outcome:
            try:
                await self.clock.sleep(duration_s)
            except asyncio.CancelledError:
                await asyncio.sleep(0)  # what closes a connection may wait, too
                self.ended.append(f"{name}!")
                raise
            self.ended.append(name)
            if error is not None:
                return failed(error)
            await call.send(name.encode())
            return SUCCESS

        return run

    @property
    def sent(self) -> list[HedgeSent]:
        return [event for event in self.events if isinstance(event, HedgeSent)]

    @property
    def won(self) -> list[bool]:
        return [event.won for event in self.events if isinstance(event, HedgeEnded)]
