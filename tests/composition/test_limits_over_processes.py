"""Gateways that share one store of limits, as processes over a real Redis that fails."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import pytest
from seawall_client.failure import read_failure
from support.gateways import PROTOS, GatewayProcess, seawall_process
from support.redis import RedisServer

GET = "/shop.v1.OrderService/GetOrder"
CONFIG = """
state: {{shared: "{url}", limit_timeout: 0.05s}}
services:
  shop.v1.OrderService:
    policy:
      rate_limits:
        all: {{requests: 50, per: 3600s, on_store_failure: {mode}}}
"""


@contextmanager
def gateway(redis: str, upstream: str, folder: Path, mode: str) -> Iterator[GatewayProcess]:
    folder.mkdir()
    config = folder / "seawall.yaml"
    config.write_text(CONFIG.format(url=redis, mode=mode))
    arguments = ("--proto", str(PROTOS / "shop"), "--config", str(config))
    with seawall_process(*arguments, f"--upstream={upstream}", tmp_path=folder) as running:
        yield running


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def ask(channel: grpc.Channel) -> tuple[str, str, float]:
    """Return status or reason, the mode that is told, and how long it took."""
    began = time.monotonic()
    mode = {}
    try:
        _, call = channel.unary_unary(GET).with_call(b"\n\x011", timeout=10)
        mode = dict(call.trailing_metadata())
        told = "OK"
    except grpc.RpcError as raised:
        error: Any = raised
        mode = dict(error.trailing_metadata())
        told = read_failure(error).reason
    return told, str(mode.get("seawall-limit-mode", "")), time.monotonic() - began


def until_mode(channel: grpc.Channel, wanted: str) -> None:
    gives_up_at = time.monotonic() + 20
    while ask(channel)[1] != wanted:
        assert time.monotonic() < gives_up_at
        time.sleep(0.05)


@pytest.mark.parametrize("mode", ["LOCAL_SHARE", "CLOSED"])
def test_two_gateways_share_a_limit_and_live_without_its_store(mode: str, tmp_path: Path) -> None:
    with (
        RedisServer() as redis,
        serving() as upstream,
        gateway(redis.url, upstream, tmp_path / "one", mode) as one,
        gateway(redis.url, upstream, tmp_path / "two", mode) as two,
        grpc.insecure_channel(one.address) as first,
        grpc.insecure_channel(two.address) as second,
    ):
        told = Counter(ask(channel)[0] for _ in range(50) for channel in (first, second))
        assert told == {"OK": 50, "RATE_LIMITED": 50}
        redis.freeze()
        ask(first)  # waits for the store, in vain
        without = [ask(first) for _ in range(20)]
        assert max(took for *_, took in without) < 2
        if mode == "CLOSED":
            assert {told for told, *_ in without} == {"STORE_UNAVAILABLE"}
        else:
            assert {told for told, mode, _ in without if mode == "local_share"} == {"OK"}
        redis.thaw()
        until_mode(first, "")
        if mode == "LOCAL_SHARE":
            assert ask(first)[0] == "RATE_LIMITED"  # what was counted still is
            redis.kill()
            until_mode(second, "local_share")
            assert ask(second)[0] == "OK"


def test_a_store_that_is_not_there_stops_no_start(tmp_path: Path) -> None:
    with (
        serving() as upstream,
        gateway("redis://127.0.0.1:1/0", upstream, tmp_path / "one", "LOCAL_SHARE") as one,
        grpc.insecure_channel(one.address) as channel,
    ):
        assert ask(channel)[:2] == ("OK", "local_share")
        assert "store=limits" in one.log.read_text()
