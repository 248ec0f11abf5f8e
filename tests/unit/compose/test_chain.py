import pytest
from unit.compose.calls import failing

from gateway.compose.chain import (
    Chain,
    FallbackOptions,
    FixedStep,
    UpstreamStep,
    primary_ends_at,
    shares_of,
    step_ends_at,
)
from gateway.core.errors import Reason, Sent
from gateway.core.status import Code


@pytest.mark.parametrize(
    ("timeout_s", "remaining_s", "share", "took_s"),
    [
        (None, 2.0, 2, 1.0),
        (None, 2.0, 1, 1.9),  # something is left to answer with
        (0.3, 2.0, 1, 0.3),
        (9.0, 2.0, 2, 1.9),
        (9.0, 1.0, 2, 0.95),
    ],
)
def test_the_method_itself_has_its_own_time(timeout_s, remaining_s, share, took_s):
    ends_at = primary_ends_at(timeout_s, 100.0, 100.0 + remaining_s, share)
    assert ends_at == pytest.approx(100.0 + took_s)


SAFE = UpstreamStep(name="safe", upstream="a", idempotent=True)
UNSAFE = UpstreamStep(name="unsafe", upstream="b")
FIXED = FixedStep(name="fixed", answer=b"")
UNLISTED = {"codes": frozenset((Code.UNAVAILABLE,))}


@pytest.mark.parametrize(
    ("steps", "more", "primary", "shares"),
    [
        ([SAFE], {}, 2, (1,)),
        ([SAFE, SAFE], {}, 2, (2, 1)),
        ([SAFE, SAFE, FIXED], {}, 2, (2, 1, 1)),
        ([UNSAFE, SAFE], {}, 2, (1, 1)),  # nothing is called behind what may have acted
        ([SAFE], {"idempotent": False}, 1, (1,)),
        ([SAFE, SAFE], {"idempotent": False}, 1, (2, 1)),  # the method was never sent
        ([FIXED], {}, 1, (1,)),
        ([], {}, 1, ()),
        ([SAFE, SAFE], UNLISTED, 1, (1, 1)),
        ([SAFE], {**UNLISTED, "reasons": frozenset((Reason.ATTEMPT_TIMEOUT,))}, 2, (1,)),
        ([SAFE], {**UNLISTED, "reasons": frozenset((Reason.DEADLINE_EXCEEDED,))}, 2, (1,)),
        ([SAFE], {**UNLISTED, "reasons": frozenset((Reason.BREAKER_OPEN,))}, 1, (1,)),
    ],
)
def test_time_is_divided_where_running_out_of_it_leads_to_a_call(steps, more, primary, shares):
    options = FallbackOptions(steps=steps, **{"idempotent": True, **more})
    found = shares_of(options)
    assert (found.primary, found.steps) == (primary, shares)


@pytest.mark.parametrize(
    ("share", "remaining_s", "took_s"), [(1, 1.0, 0.95), (2, 1.0, 0.475), (2, 10.0, 4.95)]
)
def test_a_step_has_its_share_of_what_remains(share, remaining_s, took_s):
    ends_at = step_ends_at(100.0, 100.0 + remaining_s, share)
    assert ends_at == pytest.approx(100.0 + took_s)


@pytest.mark.parametrize(
    ("code", "goes_on"),
    [
        (Code.UNAVAILABLE, True),
        (Code.DEADLINE_EXCEEDED, True),
        (Code.RESOURCE_EXHAUSTED, True),
        (Code.INTERNAL, True),
        (Code.NOT_FOUND, False),
        (Code.INVALID_ARGUMENT, False),
        (Code.CANCELLED, False),
        (Code.UNKNOWN, False),
    ],
)
def test_what_is_fallen_back_from_where_nothing_is_declared(code, goes_on):
    assert Chain(FallbackOptions(steps=())).goes_on(failing(code), idempotent=True) is goes_on


@pytest.mark.parametrize(
    ("code", "reason", "goes_on"),
    [
        (Code.NOT_FOUND, Reason.UPSTREAM_STATUS, True),
        (Code.UNAVAILABLE, Reason.BREAKER_OPEN, True),
        (Code.UNAVAILABLE, Reason.UPSTREAM_STATUS, False),
    ],
)
def test_statuses_and_reasons_can_be_declared(code, reason, goes_on):
    options = FallbackOptions(
        steps=(), codes=frozenset((Code.NOT_FOUND,)), reasons=frozenset((Reason.BREAKER_OPEN,))
    )
    error = failing(code, reason=reason)
    assert Chain(options).goes_on(error, idempotent=True) is goes_on


@pytest.mark.parametrize("sent", list(Sent))
@pytest.mark.parametrize("idempotent", [True, False])
def test_what_may_have_acted_is_remembered(sent, idempotent):
    chain = Chain(FallbackOptions(steps=()))
    chain.goes_on(failing(sent=sent), idempotent=idempotent)
    assert chain.acted is (not idempotent and sent in (Sent.UNKNOWN, Sent.ANSWERED))
    before = chain.acted
    chain.goes_on(failing(sent=Sent.NOT_SENT), idempotent=True)
    assert chain.acted is before
