"""The lines that a real process writes."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from shop.v1 import orders_pb2, orders_pb2_grpc
from support.gateways import PROTOS, seawall_process
from support.upstream import Upstream, in_turn, json_answer


async def lines_of(handler, tmp_path: Path, *flags: str) -> list[dict[str, object]]:
    """Make one call and return the log's lines about it."""
    async with Upstream(handler) as upstream:
        with seawall_process(
            *("--proto", str(PROTOS), "--upstream", upstream.url, *flags),
            tmp_path=tmp_path,
        ) as gateway:
            async with grpc.aio.insecure_channel(gateway.address) as channel:
                stub = orders_pb2_grpc.OrderServiceStub(channel)
                with contextlib.suppress(grpc.aio.AioRpcError):
                    await stub.GetOrder(
                        orders_pb2.GetOrderRequest(order_id="1"),
                        metadata=(("x-request-id", "r-9"), ("authorization", "Bearer hush")),
                    )
        text = gateway.log.read_text()
    assert "hush" not in text
    return [json.loads(line) for line in text.splitlines()]


async def test_a_call_has_one_line_and_each_retry_its_own(tmp_path):
    handler = in_turn(json_answer({}, 503), json_answer({"orderId": "1"}))
    retry, call = await lines_of(handler, tmp_path, "--log-format", "json")
    assert (retry["event"], retry["attempt"]) == ("retry", 1)
    assert "answered 503" in str(retry["error"])
    assert call["event"] == "call"
    assert call["method"] == "shop.v1.OrderService/GetOrder"
    assert (call["code"], call["attempts"], call["request_id"]) == ("OK", 2, "r-9")
    assert isinstance(call["duration_ms"], float)
    assert str(call["peer"]).startswith("ipv4:127.0.0.1:")


async def test_a_failed_call_says_why_and_whose_fault(tmp_path):
    (call,) = await lines_of(json_answer({}, 404), tmp_path, "--log-format", "json")
    assert (call["code"], call["reason"], call["origin"]) == (
        "NOT_FOUND",
        "UPSTREAM_STATUS",
        "upstream",
    )


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_fault_of_the_gateway_shows_no_values(log_format):
    code = f"""
import logging
from gateway.telemetry.logs import configure
configure({log_format!r}, "info")

def fails(authorization):
    raise ValueError("what happened")

try:
    fails("hush" + "-hush")
except ValueError:
    logging.getLogger("gateway").exception("the gateway failed")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "what happened" in done.stderr
    assert "hush-hush" not in done.stderr


@pytest.mark.parametrize("level", ["warning", "error"])
async def test_a_higher_level_leaves_calls_out(level, tmp_path):
    flags = ("--log-format", "json", "--log-level", level)
    assert await lines_of(json_answer({}), tmp_path, *flags) == []


@pytest.mark.parametrize(
    ("level", "told"),
    [
        ("warning", ["closed>open", "half_open>closed"]),
        ("debug", ["closed>open", "open>half_open", "half_open>open", "half_open>closed"]),
    ],
)
def test_an_outage_is_told_once_and_its_probes_for_who_debugs(level, told):
    code = f"""
from gateway.core.events import BreakerChanged
from gateway.telemetry.logs import configure
log = configure("json", {level!r})
for before, after in [
    ("closed", "open"), ("open", "half_open"), ("half_open", "open"), ("half_open", "closed")
]:
    log(BreakerChanged("shop", "shop", before, after, "why"))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [f"{line['before']}>{line['after']}" for line in lines] == told


@pytest.mark.parametrize(
    ("name", "told"), [("CARD_DECLINED", "CARD_DECLINED"), ("UPSTREAM_STATUS", None), ("", None)]
)
def test_a_line_has_the_reason_that_the_caller_was_told_beside_the_gateways_own(name, told):
    code = f"""
from fakes.clock import FakeClock
from support.calls import answered, new_call
from gateway.core.errors import KnownReason, Words
from gateway.core.events import CallEnded
from gateway.core.outcome import failed
from gateway.telemetry.logs import configure
error = answered(402)
if {name!r}:
    error.known_as = KnownReason(name={name!r}, domain="shop.v1", words=Words())
configure("json", "info")(CallEnded(new_call(FakeClock()), error.code, failed(error), 0.1))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    (line,) = [json.loads(line) for line in done.stderr.splitlines()]
    assert line["reason"] == "UPSTREAM_STATUS"
    assert line.get("catalog_reason") == told
