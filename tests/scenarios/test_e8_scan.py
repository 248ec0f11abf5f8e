"""E8: a bounded scatter over the pictures of a request, a status for each of them."""

import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from market.v1 import scan_pb2, scan_pb2_grpc
from scenarios.downstreams import Downstream, eventually
from seawall_client.failure import read_failure
from support.gateways import seawall_process

import gateway.demo

Code = grpc.StatusCode
DESCRIPTORS = Path(gateway.demo.__file__).with_name("market.binpb")
ANALYZE = "POST /v1/scans:analyze"


@pytest.fixture(scope="module")
def scan(
    market_process: Downstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[scan_pb2_grpc.ScanServiceStub]:
    arguments = ("--descriptor-set", str(DESCRIPTORS), f"--upstream=scanner={market_process.url}")
    with (
        seawall_process(*arguments, tmp_path=tmp_path_factory.mktemp("market")) as seawall,
        grpc.insecure_channel(seawall.address) as channel,
    ):
        yield scan_pb2_grpc.ScanServiceStub(channel)


def batch(scan, *names: str, timeout_s: float | None = None) -> list[scan_pb2.Scan]:
    pictures = [{"image_url": f"https://img.example/{name}.jpg"} for name in names]
    request = scan_pb2.BatchScanAndAnalyzeRequest(pictures=pictures, currency="EUR")
    return list(scan.BatchScanAndAnalyze(request, timeout=timeout_s).results)


def test_the_results_are_in_the_order_of_the_pictures(market: Downstream, scan) -> None:
    names = [f"card-{number}" for number in range(12)]
    results = batch(scan, *names)
    assert [result.scan.title for result in results] == [f"Card {n}" for n in range(12)]
    assert {result.scan.currency for result in results} == {"EUR"}
    assert not any(result.HasField("status") for result in results)
    assert market.seen(ANALYZE) == 12


def test_no_more_than_four_are_looked_at_at_once(market: Downstream, scan) -> None:
    market.set_faults({"latency_s": 0.05})
    assert len(batch(scan, *(f"card-{n}" for n in range(16)))) == 16
    assert market.stats()["concurrency"]["peak"] == 4


def test_each_picture_has_a_status_of_its_own(market: Downstream, scan) -> None:
    good, blurred, flaky = batch(scan, "good", "blurred", "flaky")
    assert good.scan.title == "Good"
    assert flaky.scan.title == "Flaky"  # tried again
    assert not blurred.HasField("scan")
    assert blurred.status.code == Code.INVALID_ARGUMENT.value[0]
    assert "cannot be read" in blurred.status.message


async def test_one_slow_picture_does_not_hold_the_rest(market: Downstream, scan) -> None:
    names = ["slow", *(f"card-{n}" for n in range(20))]
    began_at = time.monotonic()
    slow, *others = batch(scan, *names, timeout_s=2.0)
    assert time.monotonic() - began_at < 2.0
    assert slow.status.code == Code.DEADLINE_EXCEEDED.value[0]
    assert all(result.HasField("scan") for result in others)
    await eventually(lambda: market.idle)


def test_too_many_pictures_are_refused_by_the_fields_name(market: Downstream, scan) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        batch(scan, *(f"card-{n}" for n in range(51)))
    failure = read_failure(caught.value)
    assert failure.code == Code.INVALID_ARGUMENT
    assert failure.violations[0].field == "pictures"
    assert market.seen(ANALYZE) == 0
