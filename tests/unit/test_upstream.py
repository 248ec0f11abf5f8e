"""What the machines of one upstream do together, as they are wired."""

import asyncio

import pytest
from fakes.clock import FakeClock
from support.calls import answered, refused, reset
from support.wired import Wired, turns
from unit.downstream.endpoints.sets import Server
from unit.downstream.endpoints.sets import turns as socket_turns

from gateway.core.call import Call
from gateway.core.errors import Reason
from gateway.core.events import BreakerChanged, HedgeSent, RetryScheduled
from gateway.core.outcome import SUCCESS, Outcome, failed

ONCE = "retry: {max_attempts: 1}"


def failing(error) -> object:
    async def fail(_call: Call) -> Outcome:
        return failed(error)

    return fail


def reasons(outcomes) -> list[Reason | None]:
    return [None if one.error is None else one.error.reason for one in outcomes]


def breaker_changes(wired: Wired) -> list[str]:
    return [event.after for event in wired.heard if isinstance(event, BreakerChanged)]


class Gate:
    """A target whose attempts end when told."""

    def __init__(self) -> None:
        self.inside: list[Call] = []
        self.most = 0
        self._opened = asyncio.Event()

    async def __call__(self, call: Call) -> Outcome:
        self.inside.append(call)
        self.most = max(self.most, len(self.inside))
        try:
            await self._opened.wait()
        finally:
            self.inside.remove(call)
        return SUCCESS

    def open(self) -> None:
        self._opened.set()

    async def let_all_go(self) -> None:
        self._opened.set()
        self._opened = asyncio.Event()
        await turns()


# After an outage


async def broken(wired: Wired) -> None:
    """Let the upstream fail until its breaker opens, and its open time pass."""
    wired.answer = failing(answered(503))
    while breaker_changes(wired)[-1:] != ["open"]:
        await wired.run()
    wired.clock.advance(0.5)


async def test_after_an_outage_the_limit_begins_at_one_and_grows_with_each_answer():
    wired = Wired(method=ONCE)
    limiter = wired.upstream.limiter
    assert limiter is not None
    await broken(wired)
    before = limiter.limit
    assert before > 8
    gate = wired.answer = Gate()
    tasks = [wired.begin() for _ in range(50)]
    await turns()
    assert limiter.limit == 1
    assert len(gate.inside) == 1  # the breaker alone would have let two through
    most = []
    for _ in range(10):
        most.append(len(gate.inside))
        wired.clock.advance(0.01)
        await gate.let_all_go()
    assert most[:5] == [1, 2, 4, 8, 16]
    assert limiter.limit >= before
    assert breaker_changes(wired)[-1] == "closed"
    gate.open()
    assert await asyncio.gather(*tasks) == [SUCCESS] * 50


async def test_it_begins_at_one_at_every_opening_anew():
    wired = Wired(method=ONCE)
    limiter = wired.upstream.limiter
    assert limiter is not None
    for _ in range(3):
        await broken(wired)
        gate = wired.answer = Gate()
        task = wired.begin()
        await turns()
        assert (limiter.limit, len(gate.inside)) == (1, 1)
        gate.open()
        await task


async def test_without_slow_start_the_limit_stays_as_it_is():
    wired = Wired("adaptive_concurrency: {slow_start: false}", ONCE)
    limiter = wired.upstream.limiter
    assert limiter is not None
    await broken(wired)
    before = limiter.limit
    await wired.run()
    assert breaker_changes(wired)[-2:] == ["half_open", "open"]
    assert limiter.limit == before > 1


async def test_an_upstream_that_can_be_connected_to_again_is_led_up_from_one():
    async with Server() as server:
        wired = Wired("breaker: {disabled: true}", ONCE, url=f"http://{server.address}")
        upstream, limiter = wired.upstream, wired.upstream.limiter
        assert limiter is not None

        async def away(call: Call) -> Outcome:
            # As its pool tells of a connection that failed.
            call.endpoint.connections._told(refused(), wired.clock.now())
            return failed(refused())

        wired.answer = away
        assert reasons([await wired.run() for _ in range(4)])[-1] is Reason.NO_ENDPOINT
        assert limiter.limit > 1
        wired.answer = Gate()
        async with asyncio.timeout(10):
            while not upstream.state().reachable:
                wired.clock.advance(0.05)
                await socket_turns(2)
        assert limiter.limit == 1
        tasks = [wired.begin() for _ in range(5)]
        await turns()
        assert len(wired.answer.inside) == 1
        wired.answer.open()
        assert await asyncio.gather(*tasks) == [SUCCESS] * 5
        await upstream.close()


class Outage:
    """An upstream of ten milliseconds that is out until a moment: how, is told."""

    def __init__(self, wired: Wired, out_for_s: float, how) -> None:
        self.back_at = wired.clock.now() + out_for_s
        self._clock = wired.clock
        self._how = how

    async def __call__(self, call: Call) -> Outcome:
        if self._clock.now() < self.back_at:
            return await self._how(self._clock, call)
        await self._clock.sleep(0.01)
        return SUCCESS


async def says_503(clock: FakeClock, _call: Call) -> Outcome:
    await clock.sleep(0.01)
    return failed(answered(503))


async def breaks_connections(_clock: FakeClock, _call: Call) -> Outcome:
    return failed(reset())


async def hangs(clock: FakeClock, _call: Call) -> Outcome:
    await clock.sleep(1e6)
    raise AssertionError("nobody waits so long")


@pytest.mark.parametrize("how", [says_503, breaks_connections, hangs])
@pytest.mark.parametrize("out_for_s", [3.0, 3.17, 3.29, 7.41])
async def test_with_all_that_is_built_in_a_recovered_upstream_is_in_use_within_half_a_second(
    how, out_for_s
):
    wired = Wired(clock=FakeClock(auto_jump=True))
    outage = wired.answer = Outage(wired, out_for_s, how)
    ends: dict[bool, list[float]] = {True: [], False: []}
    """When calls that were served, and those that were not, arrived after the recovery."""

    async def one(arrived_at: float) -> None:
        outcome = await wired.run(wired.new_call(timeout_s=1.0))
        ends[outcome is SUCCESS].append(arrived_at - outage.back_at)

    tasks = []
    for _ in range(int((out_for_s + 2) * 100)):  # a hundred calls a second
        tasks.append(asyncio.create_task(one(wired.clock.now())))
        await wired.clock.sleep(0.01)
    await asyncio.gather(*tasks)
    assert breaker_changes(wired)[0] == "open"
    assert breaker_changes(wired)[-1] == "closed"
    assert max(ends[False]) < 0.5
    assert len([at for at in ends[True] if at > 0.5]) >= 149


async def test_an_upstream_that_is_slower_than_a_probe_may_be_is_not_flooded():
    wired = Wired(clock=FakeClock(auto_jump=True))
    outage = Outage(wired, 3.0, says_503)
    inside: list[Call] = []
    most: list[tuple[float, int]] = []

    async def slow(call: Call) -> Outcome:
        if wired.clock.now() < outage.back_at:
            return await outage(call)
        inside.append(call)
        most.append((wired.clock.now() - outage.back_at, len(inside)))
        try:
            await wired.clock.sleep(0.6)
        finally:
            inside.remove(call)
        return SUCCESS

    wired.answer = slow
    tasks = []
    for _ in range(1000):
        tasks.append(wired.begin(wired.new_call(timeout_s=2.0)))
        await wired.clock.sleep(0.01)
    await asyncio.gather(*tasks)
    assert breaker_changes(wired)[-1] == "closed"
    # One more for each time that a probe may take, until two have been answered.
    assert max(count for at, count in most if at < 1.2) <= 5
    assert max(count for _, count in most) > 8  # and then it grows


async def offered(wired: Wired, until_s: float, timeout_s: float | None = None):
    """Offer fifty calls a second; return when each came, how it ended and how long it took."""
    began_at = wired.clock.now()
    ends: list[tuple[float, Reason | None, float]] = []

    async def one(came_at: float) -> None:
        outcome = await wired.run(wired.new_call(timeout_s=timeout_s))
        reason = None if outcome.error is None else outcome.error.reason
        ends.append((came_at - began_at, reason, wired.clock.now() - came_at))

    tasks = []
    for _ in range(int(until_s * 50)):
        tasks.append(asyncio.create_task(one(wired.clock.now())))
        await wired.clock.sleep(0.02)
    await asyncio.gather(*tasks)
    return ends


async def test_one_report_that_takes_long_does_not_hold_the_only_place_of_a_slow_start():
    wired = Wired("breaker: {disabled: true}", ONCE, clock=FakeClock(auto_jump=True))
    assert wired.upstream.limiter is not None
    wired.upstream.limiter.restart(wired.clock.now())

    async def answer(_call: Call) -> Outcome:
        await wired.clock.sleep(6.0 if len(wired.begun) == 1 else 0.005)
        return SUCCESS

    wired.answer = answer
    ends = await offered(wired, 2.0)
    assert {reason for _, reason, _ in ends} == {None}
    assert max(took_s for came_at, _, took_s in ends if came_at > 0) < 0.3


async def test_an_upstream_that_hangs_after_an_outage_is_told_by_the_breaker_and_at_once():
    wired = Wired(method=ONCE, clock=FakeClock(auto_jump=True))
    await broken(wired)
    inside = 0
    most = 0

    async def hang(_call: Call) -> Outcome:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        try:
            return await hangs(wired.clock, _call)
        finally:
            inside -= 1

    wired.answer = hang
    ends = [end for end in await offered(wired, 20.0) if end[0] > 1]
    told = [took_s for _, reason, took_s in ends if reason is Reason.BREAKER_OPEN]
    assert len(told) > 0.9 * len(ends)
    assert max(told) < 0.3  # nobody waits for the place of a probe that hangs
    assert Reason.CONCURRENCY_LIMIT not in {reason for _, reason, _ in ends}
    assert most <= 45  # one for each open time in the fifteen seconds that a call has


@pytest.mark.parametrize("hangs_for_s", [1.0, 3.0, 8.0])
async def test_a_black_hole_before_the_breaker_knows_is_over_half_a_second_after_its_end(
    hangs_for_s,
):
    wired = Wired(method=ONCE, clock=FakeClock(auto_jump=True))
    outage = Outage(wired, 1.0 + hangs_for_s, hangs)
    healthy_until = wired.clock.now() + 1.0

    async def answer(call: Call) -> Outcome:
        if wired.clock.now() >= healthy_until:
            return await outage(call)
        await wired.clock.sleep(0.01)
        return SUCCESS

    wired.answer = answer
    ends = await offered(wired, hangs_for_s + 5.0)
    after = [reason for came_at, reason, _ in ends if came_at > 1.0 + hangs_for_s + 0.5]
    assert len(after) > 150
    assert set(after) == {None}


# What an operator says of the breaker


@pytest.mark.parametrize(
    ("policy", "shown", "passed"),
    [
        ("mode: FORCED_OPEN", ["forced_open"], 0),
        ("mode: MONITOR_ONLY", ["monitor_only"], 100),
        ("disabled: true", [], 100),
    ],
)
async def test_an_operator_forces_a_breaker_open_or_turns_it_off(policy, shown, passed):
    wired = Wired(f"breaker: {{{policy}}}, adaptive_concurrency: {{disabled: true}}", ONCE)
    wired.answer = failing(answered(503))
    for _ in range(100):
        await wired.run()
    assert len(wired.begun) == passed
    assert [one.state for one in wired.upstream.state().breakers] == shown


async def test_the_methods_of_an_upstream_share_its_breaker():
    wired = Wired(method=ONCE)
    wired.answer = failing(answered(503))
    for number in range(20):
        await wired.run(wired.new_call(("One", "Two")[number % 2]))
    assert breaker_changes(wired) == ["open"]
    for name in ("One", "Two"):
        assert reasons([await wired.run(wired.new_call(name))]) == [Reason.BREAKER_OPEN]


# Pacing


PACED = "pacing: {requests: 2, per: 1s}"


async def test_first_attempts_and_retries_of_all_methods_spend_one_allowance():
    wired = Wired(PACED, clock=FakeClock(auto_jump=True))
    wired.answer = failing(answered(503))
    calls = [wired.new_call(name) for name in ("One", "Two", "One")]
    await asyncio.gather(*map(wired.run, calls))
    began = [at - 1000 for at, _ in wired.begun]
    assert len([one for one in wired.heard if isinstance(one, RetryScheduled)]) == 6
    assert began == pytest.approx([number / 2 for number in range(9)])


async def test_a_hedge_spends_the_same_allowance():
    wired = Wired(
        f"{PACED}, retry_budget: {{disabled: true}}",
        "hedge: {delay: 0.05s, max_share: 1}",
        clock=FakeClock(auto_jump=True),
    )

    async def slow_at_first(_call: Call) -> Outcome:
        if len(wired.begun) == 1:
            await wired.clock.sleep(10)
        return SUCCESS

    wired.answer = slow_at_first
    other = wired.begin(wired.new_call("Two"))
    await turns()
    await wired.run()
    await wired.run()
    await other
    assert [one.attempt for one in wired.heard if isinstance(one, HedgeSent)] == [2]
    assert [at - 1000 for at, _ in wired.begun] == pytest.approx([0, 0.5, 1.0, 1.5])


async def test_a_call_waits_for_its_turn_no_longer_than_its_deadline():
    wired = Wired("pacing: {requests: 1, per: 10s}", clock=FakeClock(auto_jump=True))
    await wired.run()
    late, patient = wired.new_call(timeout_s=5), wired.new_call(timeout_s=14)
    outcome = await wired.run(late)
    assert reasons([outcome]) == [Reason.PACED]
    assert wired.clock.now() == 1000  # at once
    assert await wired.run(patient) is SUCCESS
    assert wired.clock.now() == pytest.approx(1010)


# One at a time


async def test_calls_for_one_key_go_one_at_a_time_with_all_their_attempts_in_order_of_arrival():
    wired = Wired("", "serialize: {field: name}", clock=FakeClock(auto_jump=True))
    inside: list[str] = []

    async def answer(call: Call) -> Outcome:
        key = call.message.name
        assert key not in inside
        inside.append(key)
        await wired.clock.sleep(0.1)
        inside.remove(key)
        return failed(answered(503)) if call.attempts == 1 else SUCCESS

    wired.answer = answer
    calls = [wired.new_call(name=name) for name in ("a", "b", "a", "a")]
    assert await asyncio.gather(*map(wired.run, calls)) == [SUCCESS] * 4
    of_a = [call for _, call in wired.begun if call.message.name == "a"]
    assert of_a == [calls[0], calls[0], calls[2], calls[2], calls[3], calls[3]]
    assert wired.begun[1] == (1000.0, calls[1])  # another key waits for nobody


# Places


async def test_the_methods_of_an_upstream_share_its_places_and_its_queue():
    wired = Wired("bulkhead: {max_in_flight: 3, max_queued: 2}", ONCE)
    gate = wired.answer = Gate()
    tasks = [wired.begin(wired.new_call(("One", "Two")[number % 2])) for number in range(7)]
    await turns()
    assert len(gate.inside) == 3
    refusals = [task.result() for task in tasks if task.done()]
    assert reasons(refusals) == [Reason.CONCURRENCY_LIMIT] * 2
    assert [task.done() for task in tasks] == [False] * 5 + [True] * 2
    gate.open()
    await asyncio.gather(*tasks)
    assert (gate.most, len(wired.begun)) == (3, 5)


async def test_a_declared_bulkhead_holds_without_the_adaptive_limit():
    wired = Wired("bulkhead: {max_in_flight: 2}, adaptive_concurrency: {disabled: true}", ONCE)
    gate = wired.answer = Gate()
    tasks = [wired.begin() for _ in range(10)]
    await turns()
    assert len(gate.inside) == 2
    gate.open()
    await asyncio.gather(*tasks)
    assert (gate.most, len(wired.begun)) == (2, 10)


async def test_the_queue_is_the_gateways_and_the_upstream_sees_the_limit_alone():
    wired = Wired("adaptive_concurrency: {initial_limit: 5, max_limit: 5}", ONCE)
    gate = wired.answer = Gate()
    tasks = [wired.begin() for _ in range(5 + 64 + 10)]
    await turns()
    state = wired.upstream.state().concurrency
    assert state is not None
    assert (len(gate.inside), state.in_flight, state.queued) == (5, 5, 64)
    assert sum(task.done() for task in tasks) == 10
    gate.open()
    await asyncio.gather(*tasks)
    assert gate.most == 5


async def test_an_entry_without_time_for_an_answer_is_dropped_and_costs_no_place():
    wired = Wired("bulkhead: {max_in_flight: 1}", ONCE, clock=FakeClock(auto_jump=True))

    async def takes(_call: Call) -> Outcome:
        await wired.clock.sleep(0.4)
        return SUCCESS

    wired.answer = takes
    await wired.run()
    first = wired.begin(wired.new_call(timeout_s=2))
    await turns()
    late, patient = wired.new_call(timeout_s=0.6), wired.new_call(timeout_s=2)
    ends = await asyncio.gather(first, wired.run(late), wired.run(patient))
    assert reasons(ends) == [None, Reason.CONCURRENCY_LIMIT, None]
    assert late not in [call for _, call in wired.begun]


async def test_what_callers_say_by_x_criticality_decides_who_is_served_and_who_is_shed():
    wired = Wired("bulkhead: {max_in_flight: 1, max_queued: 2}", ONCE)
    gate = wired.answer = Gate()

    def begin(level: str) -> asyncio.Task[Outcome]:
        metadata = (("x-criticality", level),) if level else ()
        return wired.begin(wired.new_call(metadata=metadata))

    under_way = begin("")
    await turns()
    elder, younger = begin("sheddable"), begin("sheddable")
    await turns()
    important = begin("")  # as critical as its method: CRITICAL
    await turns()
    assert reasons([await younger]) == [Reason.CONCURRENCY_LIMIT]  # it made room
    assert reasons([await begin("sheddable")]) == [Reason.CONCURRENCY_LIMIT]
    assert not elder.done()
    await gate.let_all_go()
    assert under_way.done()
    assert [call.criticality.name for call in gate.inside] == ["CRITICAL"]
    await gate.let_all_go()
    assert important.done()
    assert [call.criticality.name for call in gate.inside] == ["SHEDDABLE"]
    await gate.let_all_go()
    assert await elder is SUCCESS
