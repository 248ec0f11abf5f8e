"""What the gateway's own rejections travel as: a status, and when to come back."""

import grpc
import pytest
from fakes.clock import FakeClock, FakeRng
from google.rpc import error_details_pb2, status_pb2
from seawall.error.v1.error_pb2 import UserMessage

from gateway.core.errors import CallError
from gateway.ingress.status import to_trailers
from gateway.interceptors.auth.errors import identity_unavailable
from gateway.interceptors.breaker.circuit import Circuit
from gateway.interceptors.breaker.errors import breaker_open
from gateway.interceptors.breaker.options import BreakerOptions
from gateway.interceptors.concurrency.errors import concurrency_limit
from gateway.interceptors.concurrency.line import Refusal, Why
from gateway.interceptors.endpoint import no_endpoint
from gateway.interceptors.overload.guard import OverloadGuard, OverloadOptions, overloaded
from gateway.interceptors.pacing.refusal import Refusal as PaceRefusal
from gateway.interceptors.pacing.refusal import paced
from gateway.interceptors.rate_limit.answer import rate_limited, store_unavailable
from gateway.interceptors.serialize import serialized
from gateway.interceptors.webhook.errors import answered_before, under_way
from gateway.state.limits import Limit, Verdict

Code = grpc.StatusCode


def open_breaker() -> CallError:
    clock = FakeClock()
    circuit = Circuit(
        BreakerOptions(
            consecutive_failures=1, open_time_s=5, max_open_time_s=5, open_time_jitter=0
        ),
        "shop",
        clock,
        FakeRng(),
    )
    with pytest.raises(OSError):
        circuit.call(_fail)
    return breaker_open("shop", "shop", circuit, clock.now())


def _fail() -> None:
    raise OSError


def limited(requests: int, retry_after_s: float) -> CallError:
    limit = Limit(name="a:logins", requests=requests)
    return rate_limited([(limit, Verdict(False, 0, retry_after_s, retry_after_s))])


FULL = Refusal(Why.FULL, 0.0, 8, 4, 0.1, 1.0)
CASES = [
    (open_breaker(), Code.UNAVAILABLE, "BREAKER_OPEN", 5.0),
    (no_endpoint("shop", "", 2.5), Code.UNAVAILABLE, "NO_ENDPOINT", 2.5),
    (no_endpoint("shop", "", None), Code.UNAVAILABLE, "NO_ENDPOINT", None),
    (overloaded(OverloadGuard(OverloadOptions())), Code.UNAVAILABLE, "OVERLOADED", None),
    (concurrency_limit("shop", FULL, 8, 0.25), Code.RESOURCE_EXHAUSTED, "CONCURRENCY_LIMIT", 0.25),
    (
        paced("shop", 5.0, PaceRefusal(0.5, "x"), learned=False),
        Code.RESOURCE_EXHAUSTED,
        "PACED",
        0.5,
    ),
    (serialized("x"), Code.RESOURCE_EXHAUSTED, "SERIALIZED", None),
    (limited(5, 41.5), Code.RESOURCE_EXHAUSTED, "RATE_LIMITED", 41.5),
    (store_unavailable(), Code.UNAVAILABLE, "STORE_UNAVAILABLE", 1.0),
    (identity_unavailable("accounts", 3), Code.UNAVAILABLE, "IDENTITY_UNAVAILABLE", 3.0),
    (under_way(), Code.ABORTED, "REPLAYED", 1.0),
    (answered_before(), Code.ALREADY_EXISTS, "REPLAYED", None),
]


@pytest.mark.parametrize(("error", "code", "reason", "delay_s"), CASES)
def test_a_rejection_has_its_status_and_tells_when_to_come_back(
    error: CallError, code: grpc.StatusCode, reason: str, delay_s: float | None
) -> None:
    status, _, trailers = to_trailers(error, 0)
    assert status is code
    value = trailers[0][1]
    assert isinstance(value, bytes)
    found = {}
    for packed in status_pb2.Status.FromString(value).details:
        for kind in (
            error_details_pb2.ErrorInfo,
            error_details_pb2.RetryInfo,
            error_details_pb2.QuotaFailure,
            UserMessage,
        ):
            detail = kind()
            if packed.Unpack(detail):
                found[kind] = detail
    info, said = found[error_details_pb2.ErrorInfo], found[UserMessage]
    assert (info.reason, info.domain) == (reason, "seawall")
    assert info.metadata["origin"] == ("caller" if reason == "REPLAYED" else "gateway")
    assert info.metadata["attempts"] == "0"
    retry = found.get(error_details_pb2.RetryInfo)
    assert (retry is None) is (delay_s is None)
    if retry is not None and delay_s is not None:
        assert retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9 == delay_s
        assert said.retry_delay == retry.retry_delay
        assert said.action.startswith("Try again in")
    assert said.should_retry is error.transient
    assert (error_details_pb2.QuotaFailure in found) is (reason == "RATE_LIMITED")
