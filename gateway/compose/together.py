"""Coroutines beside each other, none of which outlives the call.

Rules:
1. All begin at once. It is over when all have ended, or the first has raised; what still
   runs then is cancelled and waited for, and what was raised goes on.
2. A cancellation from elsewhere cancels all of them, and goes on when all have ended. A
   second one does not shorten that.
"""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

from gateway.core.outcome import Outcome


class Lost(Exception):
    """The composed call cannot succeed any more; `outcome` is its end."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


async def run_together(coroutines: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run all of them to their ends.

    Raises:
        Exception: what the first that raised did.
    """
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    if not tasks:
        return
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        await _end(tasks)
    for task in tasks:
        if task in ended:
            task.result()


async def _end(tasks: Iterable[asyncio.Task[None]]) -> None:
    running = [task for task in tasks if not task.done()]
    for task in running:
        task.cancel()
    cancelled: asyncio.CancelledError | None = None
    while running:
        try:
            await asyncio.wait(running)
        except asyncio.CancelledError as error:
            cancelled = error
        running = [task for task in running if not task.done()]
    for task in tasks:
        if not task.cancelled():
            task.exception()  # looked at, so that nothing is said of it at the end
    if cancelled is not None:
        raise cancelled
