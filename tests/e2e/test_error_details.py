"""What callers in Python, Go and with grpcurl read of failures, the error catalog's included.

`seawall serve`, as users start it, over one service that fails as each test says. The Go
program (go/details) is built where there is a Go toolchain; where its modules cannot be had,
its tests say so.
"""

import asyncio
import json
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from aiohttp import web
from e2e.thirdparty import find_tool, run_tool
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.rpc import error_details_pb2
from seawall.error.v1 import error_pb2
from seawall_client import Failure, FieldViolation, read_failure
from support.gateways import seawall_process
from support.upstream import Upstream, json_answer

from gateway.config.schema import compile_protos

GO = Path(__file__).parent / "go" / "details"

PROTO = """
syntax = "proto3";
package store.v1;
import "google/api/annotations.proto";
import "google/protobuf/empty.proto";
import "seawall/error/v1/error.proto";
import "seawall/policy/v1/policy.proto";

enum ErrorReason {
  ERROR_REASON_UNSPECIFIED = 0;
  ERROR_REASON_CARD_DECLINED = 1 [(seawall.error.v1.entry) = {
    title: "The card was declined"
    message: "The bank did not accept the payment."
    action: "Use another card."
    should_retry: false
    code: "FAILED_PRECONDITION"
    localized: {
      key: "de"
      value: { title: "Karte abgelehnt" message: "Die Bank hat abgelehnt." }
    }
  }];
  ERROR_REASON_STOCKTAKING = 2 [(seawall.error.v1.entry) = {
    title: "The store counts its stock"
    should_retry: true
    retry_delay: { seconds: 90 }
  }];
}

message Shortage { string item = 1; int32 left = 2; }
message Item { string id = 1; }

service Store {
  rpc Buy(google.protobuf.Empty) returns (google.protobuf.Empty) {
    option (google.api.http) = { post: "/v1/buy" body: "*" };
    option (seawall.policy.v1.method) = {
      errors: {
        rules: [
          { http_statuses: [402] body: { key: "error.code" value: "card_declined" }
            reason: "CARD_DECLINED" },
          { http_statuses: [503] reason: "STOCKTAKING" }
        ]
      }
      retry: { disabled: true }
    };
  }
  rpc Get(Item) returns (Item) { option (google.api.http) = { get: "/v1/items/{id}" }; }
  rpc Look(google.protobuf.Empty) returns (google.protobuf.Empty) {
    option (google.api.http) = { get: "/v1/look" };
    option (seawall.policy.v1.method) = {
      rate_limits: { key: "looks" value: { requests: 1 per: { seconds: 60 } } }
    };
  }
}
"""
CONFIG = "errors: {reasons: {RATE_LIMITED: {title: Not so fast}}}\n"
DECLINED = json_answer(
    {
        "error": {
            "code": "card_declined",
            "message": "no",
            "details": [
                {"@type": "type.googleapis.com/store.v1.Shortage", "item": "tea", "left": 2}
            ],
        }
    },
    402,
)
GERMAN = ("accept-language", "de-AT, en;q=0.5")


async def html(_request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(status=502, text="<html>" + "secret" * 5_000, content_type="text/html")


@pytest.fixture
def protos(tmp_path: Path) -> Path:
    folder = tmp_path / "protos"
    folder.mkdir()
    (folder / "store.proto").write_text(PROTO)
    return folder


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream(json_answer({})) as running:
        yield running


@dataclass(frozen=True)
class Store:
    """The gateway's address, and a channel to it."""

    address: str
    channel: grpc.aio.Channel


@pytest.fixture
async def store(upstream: Upstream, protos: Path, tmp_path: Path) -> AsyncIterator[Store]:
    config = tmp_path / "seawall.yaml"
    config.write_text(CONFIG)
    flags = ("--proto", str(protos), "--config", str(config), "--upstream", upstream.url)
    with seawall_process(*flags, tmp_path=tmp_path) as process:
        async with grpc.aio.insecure_channel(process.address) as channel:
            yield Store(process.address, channel)


# Python


async def failure_of(store: Store, method: str, *metadata: tuple[str, str]) -> Failure:
    call = store.channel.unary_unary(f"/store.v1.Store/{method}")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(b"", metadata=metadata)
    return read_failure(caught.value)


async def test_python_reads_a_reason_of_the_catalog(store: Store, upstream: Upstream) -> None:
    upstream.handler = DECLINED
    failure = await failure_of(store, "Buy")
    assert failure.code is grpc.StatusCode.FAILED_PRECONDITION
    assert (failure.domain, failure.reason) == ("store.v1", "CARD_DECLINED")
    assert (failure.cause, failure.http_status) == ("UPSTREAM_STATUS", 402)
    assert (failure.origin, failure.attempts, failure.should_retry) == ("upstream", 1, False)
    assert (failure.retry_delay_s, failure.localized) == (None, "")
    assert str(failure) == (
        "FAILED_PRECONDITION CARD_DECLINED: The bank did not accept the payment. Use another card."
    )
    german = await failure_of(store, "Buy", GERMAN)
    assert (german.title, german.localized) == ("Karte abgelehnt", "Die Bank hat abgelehnt.")
    assert german.action == "Use another card."


async def test_another_body_with_the_same_status_is_another_failure(
    store: Store, upstream: Upstream
) -> None:
    upstream.handler = json_answer({"error": {"code": "expired", "message": "no"}}, 402)
    failure = await failure_of(store, "Buy")
    assert (failure.domain, failure.reason, failure.cause) == ("seawall", "UPSTREAM_STATUS", "")


async def test_a_delay_of_the_catalog_gives_way_to_the_services_own(
    store: Store, upstream: Upstream
) -> None:
    upstream.handler = json_answer({}, 503)
    assert (await failure_of(store, "Buy")).retry_delay_s == 90
    upstream.handler = json_answer({}, 503, **{"Retry-After": "7"})
    failure = await failure_of(store, "Buy")
    assert (failure.retry_delay_s, failure.action) == (7, "Try again in 7 seconds.")


async def test_python_reads_which_limit_it_was_and_when_to_come_back(store: Store) -> None:
    await store.channel.unary_unary("/store.v1.Store/Look")(b"")
    failure = await failure_of(store, "Look")
    assert (failure.code, failure.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED")
    assert failure.exhausted == (FieldViolation("looks", "1 call in 60 s"),)
    assert (failure.title, failure.domain, failure.cause) == ("Not so fast", "seawall", "")
    assert (failure.origin, failure.attempts, failure.should_retry) == ("gateway", 0, True)
    assert failure.retry_delay_s is not None
    assert 0 < failure.retry_delay_s <= 60


async def test_python_reads_which_field_was_wrong(store: Store, upstream: Upstream) -> None:
    failure = await failure_of(store, "Get")
    assert (failure.code, failure.origin) == (grpc.StatusCode.INVALID_ARGUMENT, "caller")
    assert [violation.field for violation in failure.violations] == ["id"]
    assert upstream.requests == []


async def test_a_client_that_retries_by_itself_is_told_not_to_where_the_catalog_says_never(
    store: Store, upstream: Upstream
) -> None:
    upstream.handler = DECLINED
    policy = {"maxAttempts": 5, "initialBackoff": "0.01s", "maxBackoff": "0.01s"}
    policy |= {"backoffMultiplier": 1, "retryableStatusCodes": ["FAILED_PRECONDITION"]}
    config = {"methodConfig": [{"name": [{}], "retryPolicy": policy}]}
    options = [("grpc.service_config", json.dumps(config)), ("grpc.enable_retries", 1)]
    async with grpc.aio.insecure_channel(store.address, options=options) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary("/store.v1.Store/Buy")(b"")
    assert read_failure(caught.value).reason == "CARD_DECLINED"
    assert upstream.requests == ["POST /v1/buy"]


# Go


@pytest.fixture(scope="session")
def go_details(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The program that tells what a Go client reads."""
    if shutil.which("go") is None:
        pytest.skip("go is missing")
    try:
        got = subprocess.run(
            ["go", "mod", "download"], cwd=GO, capture_output=True, text=True, timeout=300
        )
    except subprocess.TimeoutExpired:
        got = None
    if got is None or got.returncode:
        why = f"the modules of {GO} cannot be had: {got.stderr if got else 'no answer'}"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    built = tmp_path_factory.mktemp("go") / "details"
    subprocess.run(
        ["go", "build", "-mod=readonly", "-o", str(built), "."], cwd=GO, check=True, timeout=600
    )
    return str(built)


@pytest.fixture
def descriptors(protos: Path, tmp_path: Path) -> Path:
    """Descriptors of the details that a Go client has not compiled in."""
    pool = compile_protos(protos).pool
    found: dict[str, FileDescriptorProto] = {}
    waiting = [
        pool.FindFileByName("store.proto"),
        error_pb2.DESCRIPTOR,
        error_details_pb2.DESCRIPTOR,
    ]
    while waiting:
        file = waiting.pop()
        if file.name not in found:
            found[file.name] = FileDescriptorProto.FromString(file.serialized_pb)
            waiting.extend(file.dependencies)
    path = tmp_path / "details.binpb"
    path.write_bytes(FileDescriptorSet(file=found.values()).SerializeToString())
    return path


@pytest.fixture
def go(store: Store, go_details: str, descriptors: Path) -> Any:
    async def told(method: str, *metadata: str) -> dict[str, Any]:
        arguments = (store.address, f"/store.v1.Store/{method}", str(descriptors))
        done = await asyncio.to_thread(run_tool, go_details, *arguments, *metadata)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return told


def by_type(details: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {detail.pop("@type").rpartition("/")[2]: detail for detail in details}


async def test_go_reads_a_reason_of_the_catalog(go: Any, store: Store, upstream: Upstream) -> None:
    upstream.handler = DECLINED
    told = await go("Buy", *GERMAN)
    assert (told["Code"], told["Domain"], told["Reason"]) == (
        "FailedPrecondition",
        "store.v1",
        "CARD_DECLINED",
    )
    assert told["Message"] == "upstream 'default' answered 402: no"
    assert told["Metadata"] == {
        "origin": "upstream",
        "attempts": "1",
        "cause": "UPSTREAM_STATUS",
        "upstream": "default",
        "http_status": "402",
    }
    assert told["Localized"] == "de: Die Bank hat abgelehnt."
    details = by_type(told["Details"])
    assert details["store.v1.Shortage"] == {"item": "tea", "left": 2}
    assert details["seawall.error.v1.UserMessage"] == {
        "title": "Karte abgelehnt",
        "text": "Die Bank hat abgelehnt.",
        "action": "Use another card.",
    }


async def test_go_reads_when_to_come_back_and_which_limit_it_was(go: Any, store: Store) -> None:
    await store.channel.unary_unary("/store.v1.Store/Look")(b"")
    told = await go("Look")
    assert (told["Code"], told["Domain"], told["Reason"]) == (
        "ResourceExhausted",
        "seawall",
        "RATE_LIMITED",
    )
    assert told["Limits"] == ["looks"]
    assert 0 < told["RetryS"] <= 60
    user = by_type(told["Details"])["seawall.error.v1.UserMessage"]
    assert (user["title"], user["shouldRetry"]) == ("Not so fast", True)


async def test_go_reads_which_field_was_wrong(go: Any) -> None:
    told = await go("Get")
    assert (told["Code"], told["Reason"]) == ("InvalidArgument", "INVALID_REQUEST")
    assert told["Fields"] == ["id"]


async def test_a_page_of_html_reaches_nobody(go: Any, store: Store, upstream: Upstream) -> None:
    upstream.handler = html
    told = await go("Buy")
    assert (told["Code"], told["Message"]) == ("Unavailable", "upstream 'default' answered 502")
    assert "secret" not in json.dumps(told)
    assert "secret" not in repr(await failure_of(store, "Buy"))


# grpcurl


@pytest.fixture
def grpcurl(store: Store) -> Any:
    tool = find_tool("grpcurl")

    async def told(method: str, *flags: str) -> str:
        arguments = ("-plaintext", *flags, store.address, f"store.v1.Store/{method}")
        return (await asyncio.to_thread(run_tool, tool, *arguments)).stderr

    return told


def printed(text: str) -> list[dict[str, Any]]:
    """Return the details that grpcurl numbers: "1)" and an object."""
    decoder = json.JSONDecoder()
    return [
        decoder.raw_decode(part[part.index("{") :])[0]
        for part in text.partition("Details:")[2].split(")\t")[1:]
    ]


def camel(value: Any) -> Any:
    """Return a detail with lowerCamel keys.

    grpcurl spells fields by the `json_name` of descriptors, which those in Python's
    packages of google.rpc do not have.
    """
    if isinstance(value, dict):
        return {re.sub("_(.)", _upper, key): camel(one) for key, one in value.items()}
    return [camel(one) for one in value] if isinstance(value, list) else value


def _upper(match: re.Match[str]) -> str:
    return match[1].upper()


async def test_grpcurl_prints_every_detail_as_json(grpcurl: Any, upstream: Upstream) -> None:
    upstream.handler = DECLINED
    text = await grpcurl("Buy", "-H", ": ".join(GERMAN))
    assert "Code: FailedPrecondition" in text
    assert "Message: upstream 'default' answered 402: no" in text
    details = by_type(printed(text))
    assert details["store.v1.Shortage"] == {"item": "tea", "left": 2}
    info = details["google.rpc.ErrorInfo"]
    assert (info["reason"], info["domain"]) == ("CARD_DECLINED", "store.v1")
    assert details["google.rpc.LocalizedMessage"] == {
        "locale": "de",
        "message": "Die Bank hat abgelehnt.",
    }
    assert details["seawall.error.v1.UserMessage"]["title"] == "Karte abgelehnt"


async def test_grpcurl_prints_limits_and_delays_as_json(grpcurl: Any, store: Store) -> None:
    await store.channel.unary_unary("/store.v1.Store/Look")(b"")
    details = by_type(printed(await grpcurl("Look")))
    assert details["google.rpc.QuotaFailure"]["violations"] == [
        {"subject": "looks", "description": "1 call in 60 s"}
    ]
    assert camel(details["google.rpc.RetryInfo"])["retryDelay"].endswith("s")
    assert details["seawall.error.v1.UserMessage"]["shouldRetry"] is True


async def test_grpcurl_prints_fields_at_fault_as_json(grpcurl: Any) -> None:
    details = by_type(printed(await grpcurl("Get")))
    (violation,) = camel(details["google.rpc.BadRequest"])["fieldViolations"]
    assert violation["field"] == "id"
