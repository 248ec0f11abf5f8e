"""The simulated downstreams of gateway/demo as processes, and how a test drives them."""

import asyncio
import base64
import http.client
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

PANEL_UPSTREAMS = ("panel", "providers", "auth", "tickets", "contact", "users")
"""What the panel's functions are called; one process is behind all of them."""


MARKET_UPSTREAMS = ("scanner", "ebay", "openai", "matcher", "serpapi", "stripe")
"""What the market's services are called; one process is behind all of them."""


class Received(NamedTuple):
    """A request as a downstream got it; names of headers are in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes


class Downstream:
    """A downstream's process, by its control endpoints."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, verb: str, path: str, body: object = None) -> tuple[int, Any]:
        """Send a request of one's own; return status and JSON."""
        place = urlsplit(self.url)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=20)
        try:
            connection.request(verb, path, None if body is None else json.dumps(body))
            response = connection.getresponse()
            text = response.read()
            return response.status, json.loads(text) if text else None
        finally:
            connection.close()

    def reset(self) -> None:
        assert self.ask("POST", "/_demo/reset")[0] == 204

    def set_faults(self, *faults: dict[str, Any]) -> None:
        status, answer = self.ask("PUT", "/_demo/faults", {"faults": faults})
        assert status == 200, answer

    def stats(self) -> dict[str, Any]:
        return self.ask("GET", "/_demo/stats")[1]

    def seen(self, request: str) -> int:
        """Return how often a request, "GET /path", has come."""
        return self.stats()["requests"].get(request, 0)

    def received(self) -> list["Received"]:
        """Return the latest requests in full, of a service that keeps them."""
        requests = self.ask("GET", "/_demo/received")[1]["requests"]
        return [
            Received(one["path"], one["headers"], base64.b64decode(one["body"])) for one in requests
        ]

    @property
    def idle(self) -> bool:
        """Whether it works on nothing."""
        return self.stats()["concurrency"]["current"] == 0


@contextmanager
def downstream_process(system: str, *arguments: str) -> Iterator[Downstream]:
    """Run `python -m gateway.demo.SYSTEM` on a free port."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"gateway.demo.{system}", "--until-stdin-closes", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            yield Downstream(process.stdout.readline().strip().rpartition(" on ")[2])
        finally:
            process.kill()


async def eventually(holds: Callable[[], bool], within_s: float = 20.0) -> None:
    """Wait until `holds()`: for what another process does in its own time."""
    async with asyncio.timeout(within_s):
        while not holds():
            await asyncio.sleep(0.02)
