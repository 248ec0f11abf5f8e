"""Row E7: what is on a picture is kept by the picture; while OpenAI is busy visual matching answers
instead, and the metadata names it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fakes.clock import FakeClock, FakeRng
from market.v1 import vision_pb2, vision_pb2_grpc
from scenarios.downstreams import MARKET_UPSTREAMS, Downstream
from scenarios.gateways import gateway_over, through_backoffs
from support.gateways import Running

OPENAI, MATCHER = "/v1/vision:identify", "/v1/match"
PICTURE = bytes(range(256)) * 400


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def running(market: Downstream, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Running]:
    urls, rng = dict.fromkeys(MARKET_UPSTREAMS, market.url), FakeRng([0.0])
    async with gateway_over("market", urls, tmp_path, clock=clock, rng=rng) as running:
        yield running


async def identify(
    running: Running, clock: FakeClock, image: bytes = PICTURE, *who: tuple[str, str]
) -> tuple[vision_pb2.Identification, dict[str, str]]:
    """Ask; return the answer, and who gave it and how fresh it is."""
    stub = vision_pb2_grpc.VisionServiceStub(running.channel)
    call = stub.Identify(vision_pb2.IdentifyRequest(image=image), metadata=who)
    await through_backoffs(call, running, clock)
    answer = await call
    behind = {name: str(value) for name, value in await call.trailing_metadata()}
    names = ("seawall-answered-by", "seawall-cache")
    return answer, {name: behind[name] for name in names if name in behind}


async def test_the_same_picture_is_looked_at_once_whoever_asks(
    running: Running, market: Downstream, clock: FakeClock
) -> None:
    first, behind = await identify(running, clock)
    assert behind == {"seawall-cache": "fresh"}
    again, behind = await identify(running, clock, PICTURE, ("authorization", "Bearer other"))
    assert (again, behind) == (first, {"seawall-cache": "cached"})
    assert market.seen(f"POST {OPENAI}") == 1
    _, behind = await identify(running, clock, PICTURE[:-1])
    assert behind == {"seawall-cache": "fresh"}
    assert market.seen(f"POST {OPENAI}") == 2


@pytest.mark.parametrize("status", [429, 503])
async def test_while_openai_is_busy_matching_answers_and_is_named(
    status: int, running: Running, market: Downstream, clock: FakeClock
) -> None:
    market.set_faults({"path": OPENAI, "status": status})
    answer, behind = await identify(running, clock)
    assert answer.title == "Something like it"
    assert behind["seawall-answered-by"] == "visual-matching"
    market.set_faults()
    answer, behind = await identify(running, clock)
    assert answer.title != "Something like it"
    assert behind == {"seawall-cache": "fresh"}


async def test_what_is_kept_goes_before_what_looks_alike(
    running: Running, market: Downstream, clock: FakeClock
) -> None:
    first, _ = await identify(running, clock)
    market.set_faults({"path": OPENAI, "status": 503})
    assert (await identify(running, clock))[0] == first
    assert market.seen(f"POST {MATCHER}") == 0
