"""Which calls are traced."""

import pytest
from fakes.clock import FakeRng

from gateway.ingress.tracing import Sampler

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("traceparent", "sampled"),
    [
        (f"{TRACE}-01", True),
        (f"{TRACE}-03", True),
        (f"{TRACE}-00", False),
        (f"{TRACE}-02", False),
        (f" {TRACE}-01 ", True),
        (TRACE, False),
        (f"{TRACE}-zz", False),
        (f"{TRACE}-1", False),
        ("", False),
        ("-" * 400, False),
    ],
)
@pytest.mark.parametrize("ratio", [0.0, 1.0])
def test_callers_that_say_something_decide(traceparent: str, sampled: bool, ratio: float) -> None:
    sampler = Sampler(ratio, FakeRng([0.0]))
    assert sampler((("traceparent", traceparent),)) is sampled


def test_those_of_whom_nobody_says_anything_are_drawn() -> None:
    sampler = Sampler(0.25, FakeRng([0.24, 0.25, 0.9]))
    assert [sampler((("x", "y"),)), sampler(()), sampler(None)] == [True, False, False]
    assert not Sampler(0.0, FakeRng([0.0]))(())
    assert Sampler(1.0, FakeRng([0.999]))(())
