"""The REST service behind every contender: one order, as cheaply as it can be had.

nginx where it is installed; otherwise this module is its own server, a keep-alive
HTTP/1.1 protocol that reads no more of a request than its end.
"""

import asyncio
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.order import HTTP_PATH, OrderFiles
from bench.processes import Cores, StartError, free_port, running

_NGINX_PATHS = ("/usr/sbin", "/usr/local/sbin")  # not on everybody's PATH
_START_TIMEOUT_S = 10.0
_ROOT = Path(__file__).parents[1]

_NGINX_CONF = """\
daemon off;
master_process off;
worker_processes 1;
error_log stderr crit;
pid nginx.pid;
events {{ worker_connections 2048; }}
http {{
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  keepalive_timeout 600;
  keepalive_requests 100000000;
  open_file_cache max=16 inactive=1h;
  open_file_cache_valid 1h;
  tcp_nodelay on;
  server {{
    listen 127.0.0.1:{port};
    location = {path} {{ default_type application/json; alias {file}; }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Upstream:
    """A running upstream. Attributes: url. what: for the table. pid: for its cost."""

    url: str
    what: str
    pid: int


def find_nginx() -> str | None:
    """Return the path of nginx, None where it is not installed."""
    return shutil.which("nginx") or next(
        (found for path in _NGINX_PATHS if (found := shutil.which("nginx", path=path))), None
    )


@contextmanager
def upstream(kind: str, files: OrderFiles, cores: Cores) -> Iterator[Upstream]:
    """Run the upstream on the load client's core.

    Args:
        kind: "auto", "nginx" or "python".
        files: the order, and a folder to write to.
        cores: who runs where.

    Raises:
        StartError: it did not come up.
    """
    nginx = find_nginx() if kind != "python" else None
    if kind == "nginx" and nginx is None:
        raise StartError("nginx is not installed; --upstream python needs nothing")
    port = free_port()
    if nginx is not None:
        conf = files.folder / "nginx.conf"
        conf.write_text(_NGINX_CONF.format(port=port, path=HTTP_PATH, file=files.json))
        command = [nginx, "-p", str(files.folder), "-e", "stderr", "-c", str(conf)]
        what = nginx_version(nginx)
    else:
        command = [sys.executable, "-m", "bench.upstream", str(port), str(files.json)]
        what = "asyncio.Protocol"
    # The contenders start from the load client's core too, so nothing moves it back.
    with running(command, core=cores.load, back_to=cores.load, folder=_ROOT) as process:
        url = f"http://127.0.0.1:{port}"
        _wait_until_it_answers(process, f"{url}{HTTP_PATH}", files.json.read_bytes())
        yield Upstream(url, what, process.pid)


def nginx_version(nginx: str) -> str:
    """Return "nginx 1.22.1"."""
    told = subprocess.run([nginx, "-v"], capture_output=True, text=True, check=False).stderr
    match = re.search(r"nginx/([\w.]+)", told)
    return f"nginx {match[1]}" if match else "nginx"


def _wait_until_it_answers(process: "subprocess.Popen[bytes]", url: str, expected: bytes) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    until = time.monotonic() + _START_TIMEOUT_S
    why: object = ""
    while time.monotonic() < until and process.poll() is None:
        try:
            with opener.open(url, timeout=_START_TIMEOUT_S) as answer:
                if answer.read() != expected:
                    raise StartError(f"the upstream at {url} does not answer the order")
                return
        except OSError as error:
            why = error
            time.sleep(0.02)
    raise StartError(f"the upstream does not answer at {url}: {why}")


class _Answering(asyncio.Protocol):
    """Answers every request of a connection with the same bytes."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._open = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *requests, self._open = (self._open + data).split(b"\r\n\r\n")
        if requests:
            self._transport.write(self._answer * len(requests))


async def _serve(port: int, body: bytes) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    answer = head.encode() + b"\r\n" + body
    server = await asyncio.get_running_loop().create_server(
        lambda: _Answering(answer), "127.0.0.1", port
    )
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), Path(sys.argv[2]).read_bytes()))
