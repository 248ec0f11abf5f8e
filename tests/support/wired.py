"""The pipelines of one upstream as a gateway builds them, over a target and a time of the test."""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from fakes.clock import FakeClock, FakeRng
from unit.config.conftest import Given, get, schema_of

from gateway.chain import Surroundings
from gateway.config.resolve import Resolved
from gateway.core.call import Call, Metadata
from gateway.core.clock import Rng
from gateway.core.events import Event, Events
from gateway.core.outcome import SUCCESS, Outcome
from gateway.pipeline import Pipeline, compose
from gateway.pipelines import Pipelines
from gateway.upstream import Upstream
from support.calls import Recorder

PROTO = "service A {\n" + get("One") + get("Two") + "}\n"
WITHOUT_SOCKETS = "reachability: {disabled: true}"
Target = Callable[[Call], Awaitable[Outcome]]


@functools.cache
def _resolved(yaml: str, url: str) -> Resolved:
    with TemporaryDirectory() as folder:
        return Given(Path(folder)).served(PROTO, yaml, upstreams={"": url})


class Wired:
    """The methods One and Two of one upstream, from the arrival of a call to its target.

    Args:
        upstream: YAML of its policy.
        method: YAML of the policy of both methods.
        clock: stands still where it is not given.
        rng: draws.
        url: where it is, for who wants sockets; it has to be closed then.
    """

    def __init__(
        self,
        upstream: str = "",
        method: str = "",
        *,
        clock: FakeClock | None = None,
        rng: Rng | None = None,
        url: str = "",
    ) -> None:
        more = upstream if url else ", ".join(filter(None, (upstream, WITHOUT_SOCKETS)))
        resolved = _resolved(
            f"defaults: {{upstream: {{{more}}}, method: {{{method}}}}}", url or "http://nowhere"
        )
        self.clock = clock or FakeClock()
        self.heard = Recorder()
        self.times: list[tuple[float, Event]] = []
        """The same with when it was."""
        events, rng = Events([self.heard, self._note]), rng or FakeRng()
        self.upstream = Upstream(
            "default", resolved.upstreams["default"].options(), self.clock, rng, events
        )
        if url:
            self.upstream.connect()
        self.answer: Target = self._succeed
        self.begun: list[tuple[float, Call]] = []
        """When each attempt reached the upstream, and of which call."""
        schema = schema_of(PROTO)
        around = Surroundings(clock=self.clock, rng=rng, events=events)
        self.pipelines: dict[str, Pipeline] = {
            built.method.name: compose(built.method, built.interceptors, (), self._attempt)
            for built in Pipelines(schema, resolved, {"default": self.upstream}, around).build()
        }
        (descriptor,) = {method.descriptor.input_type for method in resolved.methods}
        self._new_item = schema.new_message(descriptor)

    def _note(self, event: Event) -> None:
        self.times.append((self.clock.now(), event))

    async def _attempt(self, call: Call) -> Outcome:
        self.begun.append((self.clock.now(), call))
        return await self.answer(call)

    @staticmethod
    async def _succeed(_call: Call) -> Outcome:
        return SUCCESS

    def new_call(
        self,
        method: str = "One",
        *,
        name: str = "",
        timeout_s: float | None = None,
        metadata: Metadata = (),
    ) -> Call:
        async def sink(_payload: bytes) -> None:
            pass

        now = self.clock.now()
        return Call(
            self.pipelines[method].method,
            sink,
            arrived_at=now,
            deadline_at=None if timeout_s is None else now + timeout_s,
            metadata=metadata,
            request=self._new_item(id="1", name=name).SerializeToString(),
        )

    async def run(self, call: Call | None = None) -> Outcome:
        call = call or self.new_call()
        return await self.pipelines[call.method.name].run(call)

    def begin(self, call: Call | None = None) -> asyncio.Task[Outcome]:
        return asyncio.create_task(self.run(call))


async def turns(count: int = 10) -> None:
    """Let what is ready go on."""
    for _ in range(count):
        await asyncio.sleep(0)
