"""Against Google's own client libraries: for all of their unary methods, the REST request that
the gateway sends is the one that the library's REST transport sends, and so is the answer.

Adding a library is one line in LIBRARIES, and one among the development dependencies.
"""

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import grpc
import pytest
from e2e.google.comparing import LibraryComparison
from e2e.google.comparison import Tally, differences
from e2e.google.exchange import Exchange, Sent, exchange_with
from e2e.google.libraries import HttpOption, Method
from e2e.google.messages import MessageMaker
from e2e.google.requests import variables
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message
from transcode.v1 import kinds_pb2 as pb

LIBRARIES = {
    "google-analytics-admin": 210,
    "google-cloud-asset": 33,
    "google-cloud-build": 37,
    "google-cloud-compute": 1005,
    "google-cloud-container": 37,
    "google-cloud-dialogflow": 484,
    "google-cloud-dlp": 60,
    "google-cloud-kms": 87,
    "google-cloud-language": 19,
    "google-cloud-retail": 272,
    "google-cloud-run": 73,
    "google-cloud-secret-manager": 53,
    "google-cloud-tasks": 68,
    "google-cloud-vision": 71,
}
"""Distributions, and how many of their methods must be compared at least."""

LEFT_OUT = {
    "has no binding in the library": {
        *(
            f"/google.cloud.dialogflow_{version}.{method}"
            for version in ("v2", "v2beta1")
            for method in (
                "Participants/BidiStreamingAnalyzeContent",
                "Participants/StreamingAnalyzeContent",
                "Participants/StreamingReactiveCompanionSuggestions",
                "Sessions/StreamingDetectIntent",
            )
        ),
        "/google.cloud.tasks_v2beta2.CloudTasks/UploadQueueYaml",
    },
    "is no unary method": {
        f"/google.cloud.retail_{version}.ConversationalSearchService/ConversationalSearch"
        for version in ("v2", "v2alpha", "v2beta")
    },
    "holds an HttpBody: JSON to the library, a body of its own type to the gateway": {
        "/google.cloud.devtools.cloudbuild_v1.CloudBuild/ReceiveTriggerWebhook",
        *(
            f"/google.cloud.retail_{version}.UserEventService/CollectUserEvent"
            for version in ("v2", "v2alpha", "v2beta")
        ),
    },
}
"""Methods that are not compared, by the reason."""


def _why_left_out(path: str) -> str:
    return next((reason for reason, paths in LEFT_OUT.items() if path in paths), "")


async def _compare(name: str, rounds: int, folder: Path, tallies: dict[str, Tally]) -> None:
    async with exchange_with(name, folder) as exchange:
        library = exchange.library
        compared = [method for method in library.methods if not _why_left_out(method.path)]
        comparison = LibraryComparison(exchange, compared, seed=f"seawall {name}")
        await comparison.run(rounds)
    tallies[name] = comparison.tally
    assert not comparison.failures, "\n".join(comparison.failures[:20])
    assert [path for path in library.unbound if not _why_left_out(path)] == []
    assert comparison.tally["methods"] == len(compared) >= LIBRARIES[name]
    assert comparison.unreached == {
        (method.path, option)
        for method in compared
        for option in method.options
        if _is_shadowed(option, method)
    }


def _is_shadowed(option: HttpOption, method: Method) -> bool:
    """Tell whether a binding before `option` sends all that `option` could."""
    before = method.options[: method.options.index(option)]
    return any(variables(other).items() <= variables(option).items() for other in before)


async def test_a_small_library_and_the_gateway_send_and_answer_the_same(tmp_path, tallies):
    await _compare("google-cloud-secret-manager", 1, tmp_path, tallies)


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", LIBRARIES)
async def test_library_and_gateway_send_and_answer_the_same(name, tmp_path, tallies):
    await _compare(name, 4, tmp_path, tallies)


# Values of path variables that only one of the two sends, and why.

KEYS = "projects/p/locations/l/keyRings/r/cryptoKeys"


@pytest.mark.parametrize(
    ("name", "end", "fields", "path"),
    [
        # All but unreserved characters are percent-encoded in one segment, "/" too.
        (
            "google-cloud-build",
            "CloudBuild/GetBuild",
            {"project_id": "a/b", "id": "1"},
            "/v1/projects/a%2Fb/builds/1",
        ),
        # "**" matches zero segments.
        ("google-cloud-kms", "Service/Encrypt", {"name": KEYS}, f"/v1/{KEYS}:encrypt"),
    ],
)
async def test_what_http_proto_allows_is_sent_where_the_library_refuses_it(
    name, end, fields, path, tmp_path
):
    async with exchange_with(name, tmp_path) as exchange:
        method = _method(exchange, end)
        with pytest.raises(ValueError, match="Invalid request"):
            await exchange.by_library(method, method.request(**fields))
        await exchange.by_gateway(method, method.request(**fields))
        [sent] = exchange.sent()
    assert sent.path == path


async def test_what_could_leave_the_path_is_refused_where_the_library_sends_it(tmp_path):
    async with exchange_with("google-cloud-kms", tmp_path) as exchange:
        method = _method(exchange, "Service/Encrypt")
        for end in ("a//b", "a/", "a\\..", "a/..;b", "%2E%2E"):
            request = method.request(name=f"{KEYS}/{end}")
            await exchange.by_library(method, request)
            [sent] = exchange.sent()
            assert unquote(sent.path) == f"/v1/{KEYS}/{end}:encrypt"
            with pytest.raises(grpc.aio.AioRpcError, match="path segment") as refused:
                await exchange.by_gateway(method, request)
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert exchange.sent() == []


def _method(exchange: Exchange, end: str) -> Method:
    [method] = [found for found in exchange.library.methods if found.path.endswith(end)]
    return method


# The comparison itself.

SENT = Sent("POST", "/v1/a", (("x", "1"), ("y", "2")), {"b": 1}, "application/json")


@pytest.mark.parametrize(
    ("gateway", "what"),
    [
        (replace(SENT, verb="PUT"), "verb"),
        (replace(SENT, path="/v1/%61"), "path"),
        (replace(SENT, query=SENT.query[::-1]), "query"),
        (replace(SENT, query=SENT.query[:1]), "query"),
        (replace(SENT, body={"b": 1.0}), "body"),
        (replace(SENT, body={"b": True}), "body"),
        (replace(SENT, body=None), "body"),
        (replace(SENT, content_type="text/plain"), "content type"),
    ],
)
def test_every_part_of_a_request_is_compared(gateway, what):
    method = Method("s", "m", Empty, Empty, (), {}, False, _never)
    assert differences(method, Empty(), [SENT], [SENT]) == []
    found = differences(method, Empty(), [SENT], [gateway])
    assert found[0].startswith(what)
    assert differences(method, Empty(), [SENT], []) == [
        "1 requests by the library, 0 by the gateway"
    ]


def _never(_message: Message) -> Message:
    raise AssertionError


def test_messages_are_filled_with_every_kind_of_field():
    maker = MessageMaker(random.Random(1), budget=400)
    seen: set[str] = set()
    for _ in range(30):
        document = pb.Document()
        maker.fill(document)
        seen |= set(_set_fields(document))
    kinds = (pb.Document, pb.Scalars, pb.Repeated, pb.Optionals, pb.WellKnown)
    assert seen >= {field.full_name for kind in kinds for field in kind.DESCRIPTOR.fields}


def _set_fields(message: Message) -> Iterator[str]:
    for field, value in message.ListFields():
        yield field.full_name
        if field.message_type is not None:
            for inner in [value] if isinstance(value, Message) else value:
                if isinstance(inner, Message):
                    yield from _set_fields(inner)
