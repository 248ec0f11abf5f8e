"""A9: a dashboard of parallel branches, in its time, with what there is of it."""

import time

import grpc
import pytest
from panel.v1 import dashboard_pb2, dashboard_pb2_grpc
from scenarios.downstreams import Downstream, eventually
from seawall_client.failure import read_failure

Code = grpc.StatusCode

DASHBOARD = "/.netlify/functions/dashboard"
REQUEST = dashboard_pb2.GetReportsRequest(days=7)


@pytest.fixture
def dashboard(channel: grpc.Channel) -> dashboard_pb2_grpc.DashboardServiceStub:
    return dashboard_pb2_grpc.DashboardServiceStub(channel)


def reports(dashboard, timeout_s: float | None = None) -> tuple[dashboard_pb2.Reports, list[str]]:
    """Return the reports and what is told to be missing."""
    answer, call = dashboard.GetReports.with_call(REQUEST, timeout=timeout_s)
    missing = [value for key, value in call.trailing_metadata() if key == "seawall-missing"]
    return answer, missing


def test_the_three_reports_come_as_one_answer(panel: Downstream, dashboard) -> None:
    answer, missing = reports(dashboard)
    assert (answer.sales.title, answer.orders.title, answer.providers.title) == (
        "Sales",
        "Orders",
        "Providers",
    )
    assert sum(answer.orders.figures.values()) == 20
    assert missing == []
    assert panel.seen(f"GET {DASHBOARD}/sales") == 1


def test_they_are_asked_for_at_once(panel: Downstream, dashboard) -> None:
    panel.set_faults({"path": DASHBOARD, "latency_s": 0.3})
    reports(dashboard)
    assert panel.stats()["concurrency"]["peak"] == 3


def test_a_report_that_fails_is_named_and_the_others_are_there(
    panel: Downstream, dashboard
) -> None:
    panel.set_faults({"path": f"{DASHBOARD}/orders", "status": 500})
    answer, missing = reports(dashboard)
    assert answer.HasField("sales")
    assert answer.HasField("providers")
    assert not answer.HasField("orders")
    assert missing == ["orders=INTERNAL"]


async def test_a_report_that_is_late_ends_with_the_deadline_and_not_after(
    panel: Downstream, dashboard
) -> None:
    panel.set_faults({"path": f"{DASHBOARD}/providers", "latency_s": 60})
    began_at = time.monotonic()
    answer, missing = reports(dashboard, timeout_s=1.0)
    assert time.monotonic() - began_at < 1.0
    assert answer.HasField("sales")
    assert answer.HasField("orders")
    assert missing == ["providers=DEADLINE_EXCEEDED"]
    await eventually(lambda: panel.idle)  # its request was closed


def test_without_any_report_the_call_fails_and_says_why(panel: Downstream, dashboard) -> None:
    panel.set_faults({"path": DASHBOARD, "status": 500})
    with pytest.raises(grpc.RpcError) as caught:
        reports(dashboard)
    failure = read_failure(caught.value)
    assert failure.reason == "QUORUM_MISSED"
    assert failure.code == Code.INTERNAL


@pytest.mark.full
def test_ten_seconds_are_the_end_without_a_deadline_of_the_callers(
    panel: Downstream, dashboard
) -> None:
    panel.set_faults({"path": f"{DASHBOARD}/sales", "latency_s": 60})
    began_at = time.monotonic()
    answer, missing = reports(dashboard)
    assert 9.5 < time.monotonic() - began_at < 10.5
    assert answer.HasField("orders")
    assert missing == ["sales=DEADLINE_EXCEEDED"]
