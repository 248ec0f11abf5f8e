"""The order of composition, and the contract that composing keeps."""

import asyncio
from pathlib import Path

import pytest
from fakes.clock import FakeClock
from support.calls import METHOD, Script, new_call
from support.gateways import PROTOS, TESTS, gateway_for
from support.upstream import Upstream, json_answer

from gateway.core.call import Call, CallNext
from gateway.core.outcome import SUCCESS, Outcome
from gateway.pipeline import compose

STREAMS = TESTS / "composition" / "protos"


async def shape_of(
    path: str, tmp_path, config: str = "{}", *, proto: Path = PROTOS
) -> tuple[str, ...]:
    async with (
        Upstream(json_answer({})) as upstream,
        gateway_for(upstream.url, proto=proto, config=config, tmp_path=tmp_path) as running,
    ):
        pipeline = running.gateway.dispatch.find(path)
        assert pipeline is not None
        return pipeline.shape


GET = "/shop.v1.OrderService/GetOrder"
EDGE = ("access", "arrival", "overload", "deadline")
ORDER = (
    *EDGE,
    *("decode", "serialize", "fallback", "encode"),
    *("retry", "hedge", "breaker_check", "breaker_check", "pacing", "concurrency"),
    *("endpoint", "breaker_permit", "breaker_permit", "attempt"),
)
EVERYTHING = """
services:
  shop.v1.OrderService:
    methods:
      GetOrder:
        serialize: {field: order_id}
        fallback: {steps: [{answer: "{}"}]}
        hedge: {delay: 1s}
        breaker: {key_field: order_id}
"""


async def test_a_rest_method_with_every_policy_has_the_whole_order(tmp_path):
    assert await shape_of(GET, tmp_path, EVERYTHING) == ORDER


OFF = {
    "overload": "overload: {disabled: true}",
    "retry": "defaults: {method: {retry: {disabled: true}}}",
    "hedge": "defaults: {method: {hedge: {disabled: true}}}",
    "breaker_check": "defaults: {upstream: {breaker: {disabled: true}}}",
    "breaker_permit": "defaults: {upstream: {breaker: {disabled: true}}}",
    "pacing": "defaults: {upstream: {pacing: {disabled: true}}}",
    "concurrency": "defaults: {upstream: {adaptive_concurrency: {disabled: true}}}",
    "shed": "defaults: {upstream: {adaptive_concurrency: {disabled: true}}}",
    "endpoint": "defaults: {upstream: {reachability: {disabled: true}}}",
}


@pytest.mark.parametrize("name", OFF)
async def test_a_mechanism_that_is_off_is_not_there(name: str, tmp_path):
    on, off = await shape_of(GET, tmp_path), await shape_of(GET, tmp_path, OFF[name])
    assert name in on
    assert name not in off


async def test_one_attempt_needs_no_retry(tmp_path):
    once = "defaults: {method: {retry: {max_attempts: 1}}}"
    assert "retry" not in await shape_of(GET, tmp_path, once)


async def test_what_nobody_asks_for_is_not_there(tmp_path):
    assert not {"serialize", "fallback", "each"} & set(await shape_of(GET, tmp_path))
    assert "hedge" not in await shape_of("/shop.v1.OrderService/CreateOrder", tmp_path)


OF_STREAMS = tuple(name for name in ORDER if name not in ("serialize", "fallback"))


def of_a_stream(*names: str) -> tuple[str, ...]:
    once = tuple(dict.fromkeys(names))
    return tuple(name for name in once if name not in ("hedge", "concurrency"))


@pytest.mark.parametrize("method", ["Upload", "Talk"])
async def test_a_client_stream_that_is_one_body_has_the_order_without_hedges_and_limits(
    method, tmp_path
):
    found = await shape_of(f"/feed.v1.FeedService/{method}", tmp_path, proto=STREAMS)
    assert found == of_a_stream(*OF_STREAMS)


async def test_each_message_of_a_bidirectional_stream_goes_through_what_stands_behind_each(
    tmp_path,
):
    found = await shape_of("/feed.v1.FeedService/Look", tmp_path, proto=STREAMS)
    assert found == of_a_stream(*EDGE, "decode", "each", *OF_STREAMS[5:])


async def test_what_the_gateway_answers_itself_goes_through_a_pipeline_too(tmp_path):
    assert await shape_of("/grpc.health.v1.Health/Check", tmp_path) == ("access",)


# The edge

IDENTITY = """
identity: {providers: {keys: {api_keys: {keys: [{caller: a, sha256: %s}]}}}}
""" % ("0" * 64)
WEBHOOK = "{body_field: order_id, signature_metadata: x-s, secrets: [0123456789abcdef]}"


def of_get_order(policy: str) -> str:
    return f"services: {{shop.v1.OrderService: {{methods: {{GetOrder: {policy}}}}}}}\n"


def by(*keys: str) -> str:
    return f"rate_limits: {{one: {{requests: 1, by: [{', '.join(keys)}]}}}}"


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (by("peer"), ("rate_limit", "auth", "decode", "webhook")),
        (by("caller", "peer"), ("auth", "rate_limit", "decode", "webhook")),
        (by("'field:order_id'", "caller"), ("auth", "decode", "webhook", "rate_limit")),
    ],
    ids=["address", "caller", "field"],
)
async def test_limits_stand_as_far_out_as_their_keys_are_known(
    limit: str, expected: tuple[str, ...], tmp_path: Path
):
    policy = of_get_order(f"{{{limit}, webhook: {WEBHOOK}}}")
    found = await shape_of(GET, tmp_path, IDENTITY + policy)
    assert found[: found.index("encode")] == (*EDGE, "shed", *expected)


async def test_limits_of_several_keys_are_one_decision(tmp_path: Path):
    limits = "{rate_limits: {a: {requests: 1, by: [peer]}, b: {requests: 1, by: [caller]}}}"
    found = await shape_of(GET, tmp_path, IDENTITY + of_get_order(limits))
    assert found.count("rate_limit") == 1
    assert found.index("arrival_limit") < found.index("auth") < found.index("rate_limit")


async def test_only_limits_that_are_known_at_arrival_stand_twice(tmp_path: Path):
    for limits in (by("caller"), by("caller", "peer"), by("peer"), by("'field:order_id'")):
        found = await shape_of(GET, tmp_path, IDENTITY + of_get_order(f"{{{limits}}}"))
        assert "arrival_limit" not in found
        assert found.count("rate_limit") == 1


async def test_the_decision_on_a_stream_of_requests_is_on_each_of_them(tmp_path: Path):
    limits = "{rate_limits: {a: {requests: 1, by: [peer]}, b: {requests: 1, by: ['field:shelf']}}}"
    policy = f"services: {{feed.v1.FeedService: {{methods: {{Look: {limits}}}}}}}\n"
    found = await shape_of("/feed.v1.FeedService/Look", tmp_path, policy, proto=STREAMS)
    assert found.count("rate_limit") == 1
    assert found.index("rate_limit") == found.index("each") + 1
    assert found.index("arrival_limit") < found.index("decode")


async def test_without_identities_nobody_is_asked_who_calls(tmp_path: Path):
    assert "auth" not in await shape_of(GET, tmp_path)


async def test_what_the_gateway_answers_itself_asks_who_calls_too(tmp_path: Path):
    path = "/grpc.health.v1.Health/Check"
    assert await shape_of(path, tmp_path, IDENTITY) == ("access", "auth")
    limited = (
        "services: {grpc.health.v1.Health: {policy: "
        "{auth: {mode: NONE}, rate_limits: {probes: {requests: 1}}}}}\n"
    )
    assert await shape_of(path, tmp_path, IDENTITY + limited) == ("access", "rate_limit")


async def test_a_token_for_the_upstream_is_asked_for_once_an_attempt_before_its_turn(
    tmp_path: Path,
):
    oauth2 = "{token_url: 'http://127.0.0.1:1/t', client_id: a, client_secret: b}"
    config = f"defaults: {{upstream: {{credentials: {{oauth2: {oauth2}}}}}}}"
    found = await shape_of(GET, tmp_path, config)
    at = found.index("credentials")
    assert found[at - 1 : at + 2] == ("breaker_check", "credentials", "pacing")


PROTO_WITH_RULES = """syntax = "proto3";
package rules.v1;
import "buf/validate/validate.proto";
import "google/api/annotations.proto";
service Orders {
  rpc GetOrder(GetOrderRequest) returns (Order) {
    option (google.api.http) = {get: "/v1/orders/{order_id}"};
  }
}
message GetOrderRequest { string order_id = 1 [(buf.validate.field).string.min_len = 3]; }
message Order { string order_id = 1; }
"""


async def test_constraints_stand_behind_decode_and_before_anything_is_sent(tmp_path: Path):
    protos = tmp_path / "protos"
    protos.mkdir()
    (protos / "rules.proto").write_text(PROTO_WITH_RULES)
    path = "/rules.v1.Orders/GetOrder"
    found = await shape_of(path, tmp_path, proto=protos)
    assert found[found.index("decode") + 1] == "validate"
    off = "defaults: {method: {validation: {disabled: true}}}"
    assert "validate" not in await shape_of(path, tmp_path, off, proto=protos)


class Noting:
    def __init__(self, name: str, notes: list[str]) -> None:
        self.name = name
        self._notes = notes

    async def __call__(self, call: Call, call_next: CallNext) -> Outcome:
        self._notes.append(f"{self.name} in")
        try:
            return await call_next(call)
        finally:
            self._notes.append(f"{self.name} out")


async def test_the_first_is_outermost_and_lasts_as_long_as_the_call():
    notes: list[str] = []

    async def target(_call: Call) -> Outcome:
        notes.append("target")
        return SUCCESS

    pipeline = compose(METHOD, [Noting("a", notes)], [Noting("b", notes)], Script(target))
    assert pipeline.shape == ("a", "b")
    assert await pipeline.run(new_call(FakeClock())) is SUCCESS
    assert notes == ["a in", "b in", "target", "b out", "a out"]
    notes.clear()
    assert await pipeline.enter(new_call(FakeClock())) is SUCCESS
    assert notes == ["b in", "target", "b out"]


async def test_a_cancel_passes_through_every_interceptor():
    notes: list[str] = []

    async def hangs(_call: Call) -> Outcome:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    pipeline = compose(METHOD, [Noting("a", notes)], [Noting("b", notes)], Script(hangs))
    task = asyncio.ensure_future(pipeline.run(new_call(FakeClock())))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert notes == ["a in", "b in", "b out", "a out"]
