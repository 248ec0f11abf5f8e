import asyncio

import pytest
from fakes.clock import FakeClock
from support.calls import Recorder, answered, new_call, refused

from gateway.core.call import Call
from gateway.core.criticality import Criticality
from gateway.core.deadline import Expired, Expiry
from gateway.core.errors import Origin, Reason
from gateway.core.events import CallRefused, Events, PacingChanged
from gateway.core.outcome import SUCCESS, Kind, Outcome, failed
from gateway.core.status import Code
from gateway.interceptors.pacing.interceptor import PacingInterceptor
from gateway.interceptors.pacing.pacer import Pacer, PacingOptions


class Paced:
    """An upstream behind a pacer: when what was sent, and what it answers."""

    def __init__(self, *, auto_jump: bool = True, **options) -> None:
        self.clock = FakeClock(auto_jump=auto_jump)
        self.pacer = Pacer(PacingOptions(**options), "shop")
        self.heard = Recorder()
        self.sent: list[float] = []
        self.calls: list[Call] = []
        self.answer: Outcome = SUCCESS
        self._events = Events([self.heard])

    def interceptor(self) -> PacingInterceptor:
        return PacingInterceptor(self.pacer, self.clock, self._events)

    async def upstream(self, call: Call) -> Outcome:
        self.sent.append(self.clock.now() - 1000)
        self.calls.append(call)
        return self.answer

    def call(self, timeout_s: float | None = None) -> Call:
        return new_call(self.clock, timeout_s=timeout_s)

    async def run(self, call: Call | None = None) -> Outcome:
        return await self.interceptor()(call or self.call(), self.upstream)

    def begin(self, call: Call | None = None) -> asyncio.Task[Outcome]:
        return asyncio.create_task(self.run(call))

    async def teach(self, retry_after_s: float | None = None) -> None:
        """Let the upstream teach a rate; it refuses everything where it tells a time."""
        for _ in range(20 if retry_after_s is None else 0):
            await self.run()
            await self.clock.sleep(0.1)
        self.answer = failed(answered(429, retry_after_s))
        while not self.pacer.learned:
            await self.clock.sleep(0 if retry_after_s is None else 0.1)
            await self.run()
        self.answer = SUCCESS
        self.sent.clear()


async def test_without_a_rate_nothing_waits():
    paced = Paced()
    outcomes = await asyncio.gather(*[paced.run() for _ in range(100)])
    assert outcomes == [SUCCESS] * 100
    assert paced.clock.slept == []
    assert paced.heard == []


async def test_calls_wait_for_their_turn_in_the_order_of_arrival():
    paced = Paced(requests=2)
    calls = [paced.call() for _ in range(5)]
    outcomes = await asyncio.gather(*map(paced.run, calls))
    assert outcomes == [SUCCESS] * 5
    assert paced.sent == pytest.approx([0, 0.5, 1, 1.5, 2])
    assert paced.calls == calls
    assert paced.pacer.queued == 0
    assert paced.clock.pending == 0


async def test_retries_and_hedges_spend_the_same_allowance():
    paced = Paced(requests=1)
    call = paced.call()
    paced.answer = failed(answered(503))
    await paced.run(call)
    await paced.run(call)  # a retry
    await asyncio.gather(paced.run(call), paced.run(paced.call()))  # a hedge beside another call
    assert paced.sent == pytest.approx([0, 1, 2, 3])


async def test_methods_of_one_upstream_share_its_pacer():
    paced = Paced(requests=1)
    one, other = paced.interceptor(), paced.interceptor()
    await asyncio.gather(
        one(paced.call(), paced.upstream),
        other(paced.call(), paced.upstream),
        one(paced.call(), paced.upstream),
    )
    assert paced.sent == pytest.approx([0, 1, 2])


async def test_one_that_cannot_go_before_its_deadline_is_refused_at_once():
    paced = Paced(requests=1, per_s=10.0)
    await paced.run()
    call = paced.call()
    call.deadline_at = paced.clock.now() + 5
    outcome = await paced.run(call)
    assert paced.sent == [0]
    assert outcome.kind is Kind.IGNORED
    assert outcome.error is not None
    assert outcome.error.code is Code.RESOURCE_EXHAUSTED
    assert outcome.error.reason is Reason.PACED
    assert outcome.error.origin is Origin.GATEWAY
    assert outcome.error.retry_after_s == 10
    assert outcome.error.upstream == "shop"
    assert outcome.error.message == (
        "upstream 'shop' is sent 0.1 requests a second, and its turn would come after its deadline"
    )
    assert paced.heard == [CallRefused(call, "pacing", outcome.error)]
    assert paced.clock.now() == 1000


async def test_a_full_line_is_refused_with_the_delay():
    paced = Paced(requests=1, max_queued=2, auto_jump=False)
    tasks = [paced.begin() for _ in range(3)]
    await asyncio.sleep(0)
    outcome = await paced.run()
    assert outcome.error is not None
    assert outcome.error.reason is Reason.PACED
    assert outcome.error.retry_after_s == 3
    for task in tasks[1:]:
        task.cancel()
    await asyncio.wait(tasks)


@pytest.mark.parametrize("cancelled", [1, 2, 3])
async def test_a_cancelled_wait_gives_its_turn_to_the_next_and_holds_nobody_up(cancelled):
    paced = Paced(requests=1, auto_jump=False)
    tasks = [paced.begin() for _ in range(4)]
    for _ in range(3):
        await asyncio.sleep(0)
    tasks[cancelled].cancel()
    for _ in range(3):
        await asyncio.sleep(0)
    assert paced.pacer.queued == 2
    for _ in range(3):
        paced.clock.advance(1)
        for _ in range(5):
            await asyncio.sleep(0)
    assert paced.sent == pytest.approx([0, 1, 2])
    assert tasks[cancelled].cancelled()
    assert paced.clock.pending == 0
    assert paced.pacer.queued == 0


async def test_a_wait_ends_with_the_calls_deadline():
    paced = Paced(requests=1, per_s=100.0)
    await paced.run()

    async def waits() -> None:
        with Expiry(paced.clock, paced.clock.now() + 5):
            await paced.run()

    with pytest.raises(Expired):
        await waits()
    assert paced.pacer.queued == 0
    assert paced.clock.pending == 0


async def test_a_thousand_cancelled_waits_leave_nothing():
    paced = Paced(requests=1, auto_jump=False)
    tasks = [paced.begin() for _ in range(1000)]
    for _ in range(3):
        await asyncio.sleep(0)
    for task in tasks[1:]:
        task.cancel()
    await asyncio.wait(tasks)
    assert paced.pacer.queued == 0
    assert paced.clock.pending == 0
    paced.clock.advance(1)
    assert await paced.run() is SUCCESS


async def test_answers_of_429_teach_a_rate_and_it_is_told_once():
    paced = Paced()
    await paced.teach()
    assert paced.pacer.active
    changes = [event for event in paced.heard if isinstance(event, PacingChanged)]
    assert len(changes) == 1
    assert changes[0].upstream == "shop"
    assert changes[0].requests_per_s == paced.pacer.rate_per_s
    assert "answers were 429" in changes[0].why


async def test_nothing_is_sent_before_a_taught_pause_is_over():
    paced = Paced()
    await paced.teach(retry_after_s=7.0)
    taught_at = paced.clock.now() - 1000
    await asyncio.gather(*[paced.run() for _ in range(3)])
    assert paced.sent[0] == pytest.approx(taught_at + 7)


async def test_a_pause_holds_up_those_that_wait_and_refuses_the_late_at_once():
    paced = Paced(requests=10)
    pacing = paced.interceptor()
    ended: dict[int, tuple[float, Outcome]] = {}

    async def answers_late(call: Call) -> Outcome:
        await paced.upstream(call)
        await paced.clock.sleep(1.5)
        return failed(answered(429, 20)) if paced.sent[-1] < 20 else SUCCESS

    async def run(number: int, call: Call) -> None:
        outcome = await pacing(call, answers_late)
        ended[number] = paced.clock.now() - 1000, outcome

    calls = [paced.call() for _ in range(40)]
    calls[35].deadline_at = calls[37].deadline_at = paced.clock.now() + 8
    await asyncio.gather(*[run(number, call) for number, call in enumerate(calls)])

    [taught] = [event for event in paced.heard if isinstance(event, PacingChanged)]
    taught_at = ended[35][0]
    assert "nothing is sent for 20 s" in taught.why
    assert taught_at < 4  # not when their deadline comes
    assert ended[37][0] == taught_at
    for number in (35, 37):
        error = ended[number][1].error
        assert error is not None
        assert error.reason is Reason.PACED
        assert error.retry_after_s is not None
        assert error.retry_after_s >= 20
        assert calls[number] not in paced.calls
    assert not [at for at in paced.sent if taught_at < at < taught_at + 20]
    assert len([at for at in paced.sent if at >= taught_at + 20]) >= 3


@pytest.mark.parametrize(
    "outcome",
    [
        failed(answered(503)),
        failed(answered(404)),
        failed(refused()),
        SUCCESS,
    ],
)
async def test_other_answers_teach_nothing(outcome):
    paced = Paced()
    paced.answer = outcome
    for _ in range(100):
        await paced.run()
        await paced.clock.sleep(0.1)
    assert not paced.pacer.active


async def test_nothing_is_learnt_where_that_is_off():
    paced = Paced(learn=False)
    paced.answer = failed(answered(429, 5))
    for _ in range(100):
        await paced.run()
        await paced.clock.sleep(0.1)
    assert not paced.pacer.active
    assert paced.heard == []


async def test_what_was_never_sent_costs_no_allowance():
    paced = Paced(requests=1)
    paced.answer = failed(refused())
    for _ in range(10):
        await paced.run()
    assert paced.sent == [0] * 10


async def test_a_forgotten_rate_is_told_and_costs_nothing_more():
    paced = Paced()
    await paced.teach()
    paced.heard.clear()
    await paced.clock.sleep(31)
    await paced.run()
    assert [type(event) for event in paced.heard] == [PacingChanged]
    assert paced.heard[0].requests_per_s is None
    assert not paced.pacer.active


class Metered:
    """An upstream that takes so many a second, with a bucket, and answers 429 to the others."""

    def __init__(self, clock: FakeClock, per_s: float, bucket: int) -> None:
        self._clock, self._per_s, self._bucket = clock, per_s, bucket
        self._left = float(bucket)
        self._at = clock.now()
        self.through: list[float] = []
        self.refused: list[float] = []

    async def __call__(self, _call: Call) -> Outcome:
        await self._clock.sleep(0.02)
        now = self._clock.now()
        self._left = min(self._bucket, self._left + (now - self._at) * self._per_s)
        self._at = now
        if self._left < 1:
            self.refused.append(now)
            return failed(answered(429))
        self._left -= 1
        self.through.append(now)
        return SUCCESS


async def test_it_settles_a_little_below_what_the_upstream_takes():
    paced = Paced()
    upstream = Metered(paced.clock, per_s=25, bucket=5)
    pacing = paced.interceptor()
    tasks = []
    for _ in range(40 * 50):
        call = paced.call()
        call.deadline_at = paced.clock.now() + 2
        tasks.append(asyncio.create_task(pacing(call, upstream)))
        await paced.clock.sleep(1 / 50)
    await asyncio.wait(tasks)
    settled_at = 1000 + 10
    through = sum(at > settled_at for at in upstream.through)
    refusals = sum(at > settled_at for at in upstream.refused)
    assert 0.75 * 25 * 30 < through <= 25 * 32
    assert refusals < 0.05 * through


async def test_a_flood_of_sheddable_calls_keeps_no_critical_one_waiting():
    paced = Paced(requests=10)
    served = dict.fromkeys(Criticality, 0)

    async def run(criticality: Criticality) -> None:
        call = paced.call(timeout_s=5)
        call.criticality = criticality
        if await paced.run(call) is SUCCESS:
            served[criticality] += 1

    tasks = []
    for n in range(200):  # twice of what goes, one in ten critical
        criticality = Criticality.SHEDDABLE if n % 10 else Criticality.CRITICAL_PLUS
        tasks.append(asyncio.create_task(run(criticality)))
        await paced.clock.sleep(0.05)
    await asyncio.gather(*tasks)
    assert served[Criticality.CRITICAL_PLUS] == 20
    assert served[Criticality.SHEDDABLE] > 80
    assert (paced.pacer.queued, paced.clock.pending) == (0, 0)


async def test_a_displaced_call_is_refused_at_once_and_told():
    paced = Paced(requests=1, max_queued=1, auto_jump=False)
    calls = [paced.call() for _ in range(3)]
    calls[1].criticality = Criticality.SHEDDABLE
    tasks = []
    for call in calls:
        tasks.append(paced.begin(call))
        await asyncio.sleep(0)
    outcome = await tasks[1]
    assert outcome.error is not None
    assert outcome.error.reason is Reason.PACED
    assert outcome.error.message.endswith("a more critical one took its place in the line")
    assert paced.heard == [CallRefused(calls[1], "pacing", outcome.error)]
    for _ in range(3):
        await asyncio.sleep(0)
    paced.clock.advance(1)
    assert await tasks[2] is SUCCESS
    assert paced.calls == [calls[0], calls[2]]
    assert paced.clock.pending == 0


async def test_one_tenants_quota_does_not_stop_the_others():
    paced = Paced()
    pacing = paced.interceptor()
    refused: list[float] = []

    async def upstream(call: Call) -> Outcome:
        await paced.clock.sleep(0.02)
        return failed(answered(429, 60)) if call.metadata else SUCCESS

    async def run(call: Call) -> None:
        outcome = await pacing(call, upstream)
        if outcome.error is not None and outcome.error.reason is Reason.PACED:
            refused.append(paced.clock.now() - 1000)

    tasks = []
    for n in range(40 * 50):
        call = new_call(paced.clock, timeout_s=5, metadata=() if n % 8 else (("tenant", "greedy"),))
        tasks.append(asyncio.create_task(run(call)))
        await paced.clock.sleep(0.02)
    await asyncio.gather(*tasks)
    assert len(refused) < 0.1 * len(tasks)
    assert not [at for at in refused if at > 15]
    assert not [e for e in paced.heard if isinstance(e, PacingChanged) and "nothing is" in e.why]
