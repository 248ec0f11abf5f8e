"""Durable operations, from callers over the store to the upstream and back."""

from pathlib import Path

from support.works import Caller, page_of, press_and_gateway

METHODS = "{Print: {operation: {max_attempts: 3, initial_delay: 0.05s}}}"


async def test_a_call_is_answered_at_once_and_made_behind(tmp_path: Path) -> None:
    async with press_and_gateway(tmp_path, METHODS) as (press, running):
        press.gate.clear()
        caller = Caller(running.channel)
        begun = await caller.begin("hello")
        assert not begun.done
        assert begun.name.startswith("operations/")
        press.gate.set()
        ended = await caller.wait(begun.name)
        assert page_of(ended) == "p1"
        assert [text for _, text, _ in press.seen] == ["hello"]
