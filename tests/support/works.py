"""Work that takes its time: a service whose calls are kept, and the REST service behind it."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
from aiohttp import web
from google.longrunning import operations_pb2 as lro
from google.longrunning import operations_pb2_grpc as lro_grpc
from google.protobuf import duration_pb2
from seawall.operations.v1.operations_pb2 import OperationMetadata

from .gateways import Running, gateway_for
from .upstream import Upstream

PROTO = """syntax = "proto3";
package work.v1;
import "google/api/annotations.proto";
import "google/longrunning/operations.proto";
service Works {
  rpc Print(PrintRequest) returns (google.longrunning.Operation) {
    option (google.api.http) = {post: "/prints" body: "*"};
    option (google.longrunning.operation_info) = {
      response_type: "Page"
      metadata_type: "PrintProgress"
    };
  }
  rpc Publish(PrintRequest) returns (google.longrunning.Operation) {
    option (google.longrunning.operation_info) = {response_type: "Page"};
  }
  rpc Submit(PrintRequest) returns (Submitted) {
    option (google.api.http) = {post: "/submits" body: "*"};
  }
  rpc Typeset(PrintRequest) returns (Page) {
    option (google.api.http) = {post: "/typesets" body: "*"};
  }
  rpc Bind(PrintRequest) returns (Page) {
    option (google.api.http) = {post: "/binds" body: "*"};
  }
  rpc Find(FindRequest) returns (Page) {
    option (google.api.http) = {get: "/prints/{text}"};
  }
}
message PrintRequest { string text = 1; string shelf = 2; }
message FindRequest { string text = 1; }
message Page { string id = 1; string text = 2; }
message PrintProgress { uint32 attempts = 1; string method = 2; repeated string pages = 3; }
message Submitted { string id = 1; string operation = 2; }
"""
PRINT, PUBLISH, SUBMIT = (f"work.v1.Works/{name}" for name in ("Print", "Publish", "Submit"))


class Press:
    """The REST service: answers with what is put into `answers`, else does what it is asked.

    Attributes:
        done: (path, text) of what it did.
        seen: (path, text, key) of what reached it.
        answers: statuses and bodies to be answered first, in order.
        gate: what reaches it waits for this.
    """

    def __init__(self) -> None:
        self.done: list[tuple[str, str]] = []
        self.seen: list[tuple[str, str, str | None]] = []
        self.headers: list[Mapping[str, str]] = []
        self.answers: list[tuple[int, Any, Mapping[str, str]]] = []
        self.known: dict[str, dict[str, str]] = {}
        self.honours = False
        self.max_pause_s = 0.0
        self.gate = asyncio.Event()
        self.gate.set()
        self.http = Upstream(self._answer)

    def says(self, status: int, body: Any = None, **headers: str) -> None:
        """Answer so, once."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.append((status, {} if body is None else body, named))

    async def leave(self) -> None:
        """Be away: its port refuses connections."""
        await self.http.__aexit__()

    async def come_back(self) -> None:
        """Be there again, on the same port."""
        await self.http.__aenter__()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.rel_url.path
        text = "" if request.method == "GET" else (await request.json()).get("text", "")
        key = request.headers.get("idempotency-key")
        self.seen.append((path, text, key))
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        await self.gate.wait()
        if self.answers:
            status, body, headers = self.answers.pop(0)
            return web.json_response(body, status=status, headers=headers)
        if request.method == "GET":
            wanted = path.rpartition("/")[2]
            if wanted in [one for _, one in self.done]:
                return web.json_response({"id": f"of-{wanted}", "text": wanted})
            return web.json_response({"message": "no such page"}, status=404)
        if self.honours and key in self.known:
            return web.json_response(self.known[str(key)])
        await self._pause()
        self.done.append((path, text))
        page = {"id": f"p{len(self.done)}", "text": text}
        if key is not None:
            self.known[key] = page
        await self._pause()
        return web.json_response(page)

    async def _pause(self) -> None:
        if self.max_pause_s:
            await asyncio.sleep(random.uniform(0, self.max_pause_s))


def folder_of(tmp_path: Path) -> Path:
    protos = tmp_path / "protos"
    protos.mkdir(exist_ok=True)
    (protos / "work.proto").write_text(PROTO)
    return protos


def configured(tmp_path: Path, methods: str, more: str = "", durable: str = "") -> str:
    """Return YAML: what methods are promised, over an upstream that needs no credential."""
    durable = durable or f"sqlite:///{tmp_path / 'seawall.db'}"
    return (
        f"state: {{durable: '{durable}'}}\n"
        "defaults: {upstream: {credentials: {caller: STRIP}}}\n"
        f"services: {{work.v1.Works: {{methods: {methods}}}}}\n{more}"
    )


class Caller:
    """Calls one gateway.

    Args:
        channel: to it.
        metadata: of every call.
    """

    def __init__(self, channel: grpc.aio.Channel, *metadata: tuple[str, str]) -> None:
        self.channel = channel
        self.metadata = metadata
        self.operations = lro_grpc.OperationsStub(channel)

    def call(self, method: str, text: str, key: str | None = None, shelf: str = "") -> Any:
        """Call a method; return the call."""
        request = b"\n" + bytes([len(text)]) + text.encode()
        if shelf:
            request += b"\x12" + bytes([len(shelf)]) + shelf.encode()
        metadata = self.metadata if key is None else (*self.metadata, ("idempotency-key", key))
        return self.channel.unary_unary(f"/{method}")(request, metadata=metadata, timeout=20)

    async def begin(
        self, text: str, key: str | None = None, method: str = PRINT, shelf: str = ""
    ) -> lro.Operation:
        """Call a method that answers with an operation."""
        return lro.Operation.FromString(await self.call(method, text, key, shelf))

    async def get(self, name: str) -> lro.Operation:
        return await self.operations.GetOperation(
            lro.GetOperationRequest(name=name), metadata=self.metadata, timeout=20
        )

    async def wait(self, name: str, timeout_s: int = 15) -> lro.Operation:
        return await self.operations.WaitOperation(
            lro.WaitOperationRequest(name=name, timeout=duration_pb2.Duration(seconds=timeout_s)),
            metadata=self.metadata,
            timeout=timeout_s + 5,
        )


def page_of(operation: lro.Operation) -> str:
    """Return the id of the page that an operation ended with."""
    assert operation.done, operation
    assert operation.response.type_url == "type.googleapis.com/work.v1.Page", operation
    value = operation.response.value
    return value[2 : 2 + value[1]].decode()


def progress_of(operation: lro.Operation) -> OperationMetadata:
    """Return what an operation says of itself."""
    told = OperationMetadata()
    assert operation.metadata.Unpack(told)
    return told


@asynccontextmanager
async def press_and_gateway(
    tmp_path: Path, methods: str, more: str = "", durable: str = "", **given: Any
) -> AsyncIterator[tuple[Press, Running]]:
    press = Press()
    async with press.http:
        config = configured(tmp_path, methods, more, durable)
        async with gateway_for(
            press.http.url, proto=folder_of(tmp_path), config=config, tmp_path=tmp_path, **given
        ) as running:
            yield press, running
