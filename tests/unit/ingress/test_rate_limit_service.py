"""Every rule at the top of rate_limit_service/service.py, over counts in memory."""

from typing import Any

import pytest
from fakes.clock import FakeClock
from support.calls import Recorder

from gateway.core.call import Call, MethodInfo
from gateway.core.errors import Reason
from gateway.core.events import Events, LimitExceeded
from gateway.core.outcome import SUCCESS
from gateway.core.status import Code
from gateway.ingress.rate_limit_service import SERVICE, Domain, RateLimitTarget
from gateway.ingress.rate_limit_service.messages import Request, Response
from gateway.state.described import DescribedLimit
from gateway.state.limits import Limit
from gateway.state.memory_limits import MemoryLimits

OK, OVER = 1, 2
PATH = DescribedLimit(
    label="path", entries=(("path", None),), limit=Limit(name="e:path", requests=2, per_s=60)
)
FREE = DescribedLimit(
    label="free",
    entries=(("path", None), ("tenant", "free")),
    limit=Limit(name="e:free", requests=1, per_s=3600),
)
SHADOW = DescribedLimit(
    label="shadow",
    entries=(("shadow", None),),
    limit=Limit(name="e:shadow", requests=1, per_s=60, shadow=True),
)


class Asking:
    """A service, and who asks it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.events = Recorder()
        self.target = RateLimitTarget(
            {"edge": Domain([PATH, FREE, SHADOW])},
            MemoryLimits(self.clock),
            Events([self.events]),
        )

    async def ask(self, *descriptors: dict[str, Any], domain: str = "edge", hits: int = 0) -> Any:
        request = Request(domain=domain, descriptors=descriptors, hits_addend=hits)
        return await self.raw(request.SerializeToString())

    async def raw(self, request: bytes) -> Any:
        answers: list[bytes] = []

        async def sink(payload: bytes) -> None:
            answers.append(payload)

        method = MethodInfo(SERVICE, "ShouldRateLimit")
        outcome = await self.target(Call(method, sink, arrived_at=0.0, request=request))
        if outcome is not SUCCESS:
            return outcome.error
        return Response.FromString(answers[0])


@pytest.fixture
def asking() -> Asking:
    return Asking()


def described(**entries: str) -> dict[str, Any]:
    return {"entries": [{"key": key, "value": value} for key, value in entries.items()]}


async def test_each_value_has_a_count_of_its_own(asking: Asking) -> None:
    for _ in range(2):
        assert (await asking.ask(described(path="/a"))).overall_code == OK
    assert (await asking.ask(described(path="/a"))).overall_code == OVER
    assert (await asking.ask(described(path="/b"))).overall_code == OK


async def test_a_limit_speaks_of_its_entries_and_no_others(asking: Asking) -> None:
    await asking.ask(described(path="/a", tenant="free"))
    for other in (
        described(path="/a", tenant="paid"),
        described(tenant="free", path="/a"),
        described(path="/a", tenant="free", more="x"),
    ):
        answer = await asking.ask(other)
        assert answer.overall_code == OK
        assert not answer.statuses[0].HasField("current_limit")
    assert (await asking.ask(described(path="/a", tenant="free"))).overall_code == OVER


async def test_the_answer_says_how_the_limit_stands(asking: Asking) -> None:
    status = (await asking.ask(described(path="/a"))).statuses[0]
    limit = status.current_limit
    assert (limit.name, limit.requests_per_unit, limit.unit) == ("path", 2, 2)  # MINUTE
    assert status.limit_remaining == 1
    assert status.duration_until_reset.seconds == 60


async def test_all_descriptors_are_one_decision(asking: Asking) -> None:
    both = (described(path="/a"), described(path="/b", tenant="free"))
    assert (await asking.ask(*both)).overall_code == OK
    answer = await asking.ask(*both)
    assert answer.overall_code == OVER
    assert [status.code for status in answer.statuses] == [OK, OVER]
    assert answer.statuses[0].limit_remaining == 1  # it was not counted
    (event,) = [e for e in asking.events if isinstance(e, LimitExceeded)]
    assert (event.limit, event.shadow) == ("e:free", False)


async def test_a_shadow_counts_and_refuses_nothing(asking: Asking) -> None:
    for _ in range(3):
        answer = await asking.ask(described(shadow="x"))
        assert answer.overall_code == OK
        assert answer.statuses[0].code == OK
    assert [e.shadow for e in asking.events if isinstance(e, LimitExceeded)] == [True, True]


async def test_what_nobody_configured_is_ok(asking: Asking) -> None:
    answer = await asking.ask(described(path="/a"), domain="other")
    assert (answer.overall_code, answer.statuses[0].code) == (OK, OK)


async def test_an_unknown_domain_is_logged_once_and_not_without_end(
    asking: Asking, caplog: pytest.LogCaptureFixture
) -> None:
    for domain in ("other", "other", "edge", *(f"{i}" * 300 for i in range(300))):
        await asking.ask(described(path="/a"), domain=domain)
    assert len(caplog.records) == 100
    assert "the domain 'other'" in caplog.records[0].getMessage()
    assert all(len(record.getMessage()) < 300 for record in caplog.records)


@pytest.mark.parametrize(
    ("key", "value", "hidden"),
    [
        ("authorization", "Bearer hunter2", True),
        ("x-session", "hunter2", True),
        ("X-Partner", "hunter2", True),  # an identity provider reads it
        ("path", "hunter2" * 100, True),
        ("path", "hunter2", False),
    ],
)
async def test_counts_are_not_kept_by_what_may_be_a_secret(key, value, hidden) -> None:
    limit = DescribedLimit(label="x", entries=((key, None),), limit=Limit(name="x", requests=1))
    domain = Domain([limit], frozenset(("x-partner",)))
    (found,) = domain.of([(key, value)])
    (other,) = domain.of([(key, value + "!")])
    assert ("hunter2" not in found[1]) is hidden
    assert len(found[1]) < 80
    assert found[1] != other[1]


async def test_values_of_several_entries_are_told_apart() -> None:
    limit = DescribedLimit(
        label="x", entries=(("path", None), ("token", None)), limit=Limit(name="x", requests=1)
    )
    domain = Domain([limit])
    keys = {
        key
        for entries in ((("path", "a"), ("token", "b")), (("path", "a|b"), ("token", "")))
        for _, key in domain.of(entries)
    }
    assert len(keys) == 2


async def test_several_places_may_be_asked_for_at_once(asking: Asking) -> None:
    assert (await asking.ask(described(path="/a"), hits=2)).overall_code == OK
    assert (await asking.ask(described(path="/a"))).overall_code == OVER
    own = described(path="/b") | {"hits_addend": {"value": 2}}
    assert (await asking.ask(own, hits=1)).overall_code == OK
    assert (await asking.ask(described(path="/b"))).overall_code == OVER
    assert (await asking.ask(described(path="/c"), hits=3)).overall_code == OVER
    assert (await asking.ask(described(path="/c"))).overall_code == OK


async def test_places_come_back(asking: Asking) -> None:
    for _ in range(3):
        answer = await asking.ask(described(path="/a"))
    assert answer.overall_code == OVER
    back = answer.statuses[0].duration_until_reset
    asking.clock.advance(back.seconds + back.nanos / 1e9)
    assert (await asking.ask(described(path="/a"))).overall_code == OK


@pytest.mark.parametrize(
    "request_",
    [
        b"\xff",
        Request(descriptors=[described(path="/a")]).SerializeToString(),
        Request(domain="edge").SerializeToString(),
        Request(domain="edge", descriptors=[described(a="b")] * 101).SerializeToString(),
        Request(
            domain="edge",
            descriptors=[described(path="/a") | {"limit": {"requests_per_unit": 9, "unit": 1}}],
        ).SerializeToString(),
    ],
    ids=["no message", "no domain", "no descriptor", "too many", "a limit of its own"],
)
async def test_what_cannot_be_asked_is_the_callers_fault(asking: Asking, request_: bytes) -> None:
    error = await asking.raw(request_)
    assert (error.code, error.reason) == (Code.INVALID_ARGUMENT, Reason.INVALID_REQUEST)
