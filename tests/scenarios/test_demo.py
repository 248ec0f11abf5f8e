"""`seawall demo` as people start it: what it prints works, and it ends whole.

That no process is left is proved by its standard error: the downstream inherits
it, so it is read to its end only when both are gone.
"""

import http.client
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from panel.v1 import orders_pb2, orders_pb2_grpc, tickets_pb2, tickets_pb2_grpc
from scenarios.downstreams import Downstream
from seawall_client.failure import read_failure
from support.gateways import seawall_process

Code = grpc.StatusCode

ROOT = Path(__file__).parents[2]
BUF = str(Path(sys.executable).with_name("buf"))
END_S = 60


@dataclass
class Demo:
    """What `seawall demo` printed, and where it is."""

    address: str
    lines: list[str]

    @property
    def panel(self) -> Downstream:
        printed = re.findall(r"REST service on (\S+)$", "\n".join(self.lines), re.MULTILINE)
        (url,) = printed
        return Downstream(url)

    @property
    def calls(self) -> list[str]:
        return [line.strip() for line in self.lines if line.strip().startswith("grpcurl")]


def read_banner(stdout) -> list[str]:
    lines = []
    for line in stdout:
        lines.append(line.rstrip("\n"))
        if line.startswith("Ctrl-C"):
            return lines
    raise AssertionError(f"no banner: {lines}")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    tmp_path = tmp_path_factory.mktemp("demo")
    with seawall_process("--seed", "7", command="demo", tmp_path=tmp_path) as seawall:
        yield Demo(seawall.address, read_banner(seawall.process.stdout))
        seawall.terminate()
        seawall.process.wait(END_S)


@pytest.fixture
def orders(demo: Demo) -> Iterator[orders_pb2_grpc.OrderServiceStub]:
    demo.panel.reset()
    with grpc.insecure_channel(demo.address) as channel:
        yield orders_pb2_grpc.OrderServiceStub(channel)


def get(order_id: str) -> orders_pb2.GetOrderRequest:
    return orders_pb2.GetOrderRequest(order_id=order_id)


# What it prints


def test_exactly_seven_calls_are_printed_for_the_port_in_use(demo: Demo) -> None:
    port = demo.address.rpartition(":")[2]
    assert len(demo.calls) == 7
    assert all(f" localhost:{port} " in call for call in demo.calls)


def test_the_services_can_be_listed_and_described(demo: Demo) -> None:
    with grpc.insecure_channel(demo.address) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        assert {"panel.v1.OrderService", "panel.v1.CatalogService"} <= set(database.get_services())
        service = DescriptorPool(database).FindServiceByName("panel.v1.OrderService")
        assert "GetOrder" in service.methods_by_name


def test_an_order_is_read(orders) -> None:
    assert orders.GetOrder(get("ord-1001")).order_id == "ord-1001"


def test_a_flaky_order_is_read_in_three_attempts(demo: Demo, orders) -> None:
    assert orders.GetOrder(get("ord-flaky")).order_id == "ord-flaky"
    assert demo.panel.stats()["statuses"] == {"503": 2, "200": 1}


def test_a_slow_order_ends_with_the_deadline(orders) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        orders.GetOrder(get("ord-slow"), timeout=0.5)
    assert read_failure(caught.value).reason == "DEADLINE_EXCEEDED"


def test_a_limited_order_says_who_failed_and_when_to_come_back(orders) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        orders.GetOrder(get("ord-limited"))
    failure = read_failure(caught.value)
    assert failure.code == Code.RESOURCE_EXHAUSTED
    assert (failure.origin, failure.attempts, failure.retry_delay_s) == ("upstream", 1, 30)


def test_the_health_of_a_service_is_told(demo: Demo) -> None:
    with grpc.insecure_channel(demo.address) as channel:
        request = health_pb2.HealthCheckRequest(service="panel.v1.OrderService")
        answer = health_pb2_grpc.HealthStub(channel).Check(request)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def run_as_printed(call: str) -> subprocess.CompletedProcess[str]:
    """Run a printed grpcurl call, or the buf curl call that does the same where there is none."""
    words = shlex.split(call)
    tool = shutil.which("grpcurl") or shutil.which("grpcurl", path=str(ROOT / "build" / "bin"))
    if tool is not None:
        command = [tool, *words[1:]]
    else:
        target, method = words[-2:]
        command = [BUF, "curl", "--http2-prior-knowledge", "--protocol", "grpc"]
        command += ["-d", words[words.index("-d") + 1]]
        # It sends no deadline: where the printed call has one, the method's own (5 s) ends it.
        command.append(f"http://{target}/{method}")
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (1, ['"orderId": "ord-1001"']),
        (2, ['"orderId": "ord-flaky"']),
        (3, ["during the first attempt", "google.rpc.ErrorInfo"]),
        (4, ["answered 429", "google.rpc.RetryInfo", "seawall.error.v1.UserMessage"]),
        (5, ['"shopName": "Corner Shop"']),
        (6, ["WRONG_PASSWORD", "google.rpc.ErrorInfo"]),
        (7, ['"status": "SERVING"']),
    ],
)
def test_each_printed_call_works_as_printed(
    demo: Demo, orders, number: int, said: list[str]
) -> None:
    done = run_as_printed(demo.calls[number - 1])
    for text in said:
        assert text in done.stdout + done.stderr
    assert (done.returncode == 0) == (number in (1, 2, 5, 7))


def test_equal_seeds_hold_equal_orders_and_others_do_not(demo: Demo, orders) -> None:
    with started("--seed", "7") as (_, same), started("--seed", "8") as (_, other):
        listed = [d.panel.ask("GET", "/.netlify/functions/orders")[1] for d in (demo, same, other)]
    assert listed[0] == listed[1] != listed[2]


# How it ends


@contextmanager
def started(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], Demo]]:
    """Run a demo of one's own, leader of a process group as under a shell."""
    ports = ("--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0")
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "demo", *ports, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            lines = read_banner(process.stdout)
            (address,) = (line.split()[-1] for line in lines if line.startswith("gRPC on "))
            yield process, Demo(address, lines)
        finally:
            process.kill()


def ended_whole(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait until the demo and its downstream are gone; return status and standard error."""
    _, errors = process.communicate(timeout=END_S)
    return process.returncode, errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_status_0_and_leaves_no_process(number: signal.Signals) -> None:
    with started() as (process, _):
        process.send_signal(number)
        status, errors = ended_whole(process)
    assert status == 0
    assert "Traceback" not in errors


def test_what_is_kept_is_gone_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, folder in (("HOME", "home"), ("XDG_STATE_HOME", "state"), ("TMPDIR", "tmp")):
        (tmp_path / folder).mkdir()
        monkeypatch.setenv(name, str(tmp_path / folder))
    with started() as (process, demo):
        shown = [line for line in demo.lines if line.startswith("idempotency keys")]
        assert all(f"{tmp_path}/tmp/seawall-demo-" in line for line in shown)
        with grpc.insecure_channel(demo.address) as channel:
            stub = tickets_pb2_grpc.TicketServiceStub(channel)
            reply = tickets_pb2.ReplyToTicketRequest(ticket_id="tic-1", text="hello")
            with suppress(grpc.RpcError):
                stub.ReplyToTicket(reply, metadata=(("idempotency-key", "k1"),), timeout=10)
        assert list((tmp_path / "tmp").glob("seawall-demo-*/seawall.db"))
        process.send_signal(signal.SIGTERM)
        assert ended_whole(process)[0] == 0
    assert not list((tmp_path / "tmp").glob("seawall-demo-*"))
    assert not list((tmp_path / "home").rglob("seawall*"))
    assert not list((tmp_path / "state").rglob("seawall*"))


def test_ctrl_c_lets_a_call_in_flight_end_well() -> None:
    with started() as (process, demo), grpc.insecure_channel(demo.address) as channel:
        demo.panel.set_faults({"latency_s": 1})
        call = orders_pb2_grpc.OrderServiceStub(channel).GetOrder.future(get("ord-1001"))
        while demo.panel.idle:
            assert not call.done()
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the whole group
        assert call.result().order_id == "ord-1001"
        assert ended_whole(process)[0] == 0


def test_the_downstream_ends_when_the_demo_is_killed() -> None:
    with started() as (process, demo):
        process.kill()
        assert ended_whole(process)[0] == -signal.SIGKILL
        place = urlsplit(demo.panel.url)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((place.hostname, place.port), timeout=5)


def test_a_downstream_that_dies_ends_the_demo_in_one_clear_line() -> None:
    with started("--log-level", "error") as (process, demo):
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            demo.panel.ask("POST", "/_demo/crash")
        status, errors = ended_whole(process)
    assert status == 1
    assert errors == "seawall: the demo's simulated panel service ended with status 70\n"


@pytest.mark.parametrize("flag", ["--listen", "--ops-listen"])
def test_a_port_in_use_is_one_clear_line_and_leaves_no_process(flag: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        free = {"--listen": "127.0.0.1:0", "--ops-listen": "127.0.0.1:0"}
        arguments = [word for pair in (free | {flag: f"127.0.0.1:{port}"}).items() for word in pair]
        done = subprocess.run(
            [sys.executable, "-m", "gateway", "demo", *arguments],
            capture_output=True,
            text=True,
            timeout=END_S,
            check=False,
        )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("seawall: ")
    assert f"127.0.0.1:{port}: the port is in use" in line
