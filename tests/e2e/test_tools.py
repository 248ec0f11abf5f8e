"""Tools that know nothing of the gateway but its address: buf, grpcurl, ghz, a probe.

All learn the protos by reflection. `buf curl` comes with the Python packages and
covers everything; where another tool is missing, its test says so by name.
"""

import base64
import json
import re
import sys
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from e2e.thirdparty import ORDERS, find_tool, run_tool
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.rpc import error_details_pb2
from support.gateways import GatewayProcess

BUF = str(Path(sys.executable).with_name("buf"))
HTTPBIN = "thirdparty.httpbin.v1.HttpbinService"
SHOP = "thirdparty.datasette.v1.ShopService"
SERVICES = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
    SHOP,
    HTTPBIN,
]


def messages(output: str) -> list[dict]:
    """Return the JSON objects that a tool printed one behind another."""
    decoder, found, at = json.JSONDecoder(), [], 0
    while match := re.compile(r"\s*(?=\{)").match(output, at):
        message, at = decoder.raw_decode(output, match.end())
        found.append(message)
    return found


# buf curl


@pytest.fixture
def buf(seawall: GatewayProcess):
    def run(path: str, *arguments: str) -> CompletedProcess[str]:
        flags = ("--http2-prior-knowledge", "--protocol", "grpc", *arguments)
        return run_tool(BUF, "curl", *flags, f"http://{seawall.address}{path}")

    return run


def test_buf_lists_the_services(buf) -> None:
    assert buf("", "--list-services").stdout.split() == SERVICES


def test_buf_lists_the_methods(buf) -> None:
    listed = buf("", "--list-methods").stdout.split()
    assert f"{SHOP}/ListOrders" in listed
    assert f"{HTTPBIN}/Stream" in listed
    assert "grpc.health.v1.Health/List" in listed


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_buf_describes_a_service_by_either_version_of_reflection(buf, version: str) -> None:
    asked = json.dumps({"fileContainingSymbol": f"{HTTPBIN}.Get"})
    done = buf(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo", "-d", asked)
    (answer,) = messages(done.stdout)
    files = [
        FileDescriptorProto.FromString(base64.b64decode(serialized))
        for serialized in answer["fileDescriptorResponse"]["fileDescriptorProto"]
    ]
    assert files[0].package == "thirdparty.httpbin.v1"
    methods = [method.name for method in files[0].service[0].method]
    assert methods[:2] == ["Get", "Post"]
    assert {dependency for file in files for dependency in file.dependency} <= {
        file.name for file in files
    }


@pytest.mark.parametrize("reflection", ["grpc-v1", "grpc-v1alpha"])
def test_buf_makes_a_unary_call(buf, reflection: str) -> None:
    call = '{"text": "hi", "moreColours": ["COLOUR_RED"], "huge": "18446744073709551615"}'
    done = buf(f"/{HTTPBIN}/Get", "--reflect-protocol", reflection, "-d", call)
    assert done.returncode == 0, done.stderr
    (echo,) = messages(done.stdout)
    assert echo["args"] == {
        "text": "hi",
        "moreColours": "COLOUR_RED",
        "huge": "18446744073709551615",
    }


def test_buf_reads_a_typed_page(buf) -> None:
    (page,) = messages(buf(f"/{SHOP}/ListOrders", "-d", '{"_shape": "objects"}').stdout)
    assert [row["customer"] for row in page["rows"]] == [order[1] for order in ORDERS]


def test_buf_reads_a_server_stream(buf) -> None:
    done = buf(f"/{HTTPBIN}/Stream", "-d", '{"count": 3}')
    assert [message.get("id", 0) for message in messages(done.stdout)] == [0, 1, 2]


def test_buf_shows_an_error_with_its_details(buf) -> None:
    done = buf(f"/{HTTPBIN}/Status", "-d", '{"codes": "404"}')
    assert done.returncode == 8 * 5  # buf's way to tell NOT_FOUND
    (error,) = messages(done.stderr)
    assert error["code"] == "not_found"
    assert error["message"] == "upstream 'httpbin' answered 404"
    details = {detail["type"]: detail["value"] for detail in error["details"]}
    assert set(details) == {"google.rpc.ErrorInfo", "seawall.error.v1.UserMessage"}
    serialized = base64.b64decode(details["google.rpc.ErrorInfo"] + "==")
    info = error_details_pb2.ErrorInfo.FromString(serialized)
    assert (info.reason, info.domain) == ("UPSTREAM_STATUS", "seawall")
    assert info.metadata["http_status"] == "404"


def test_buf_asks_for_health(buf) -> None:
    (answer,) = messages(buf("/grpc.health.v1.Health/List", "-d", "{}").stdout)
    assert answer["statuses"] == {name: {"status": "SERVING"} for name in ("", HTTPBIN, SHOP)}


# grpcurl


@pytest.fixture
def grpcurl(seawall: GatewayProcess):
    tool = find_tool("grpcurl")

    def run(*arguments: str, data: str | None = None) -> CompletedProcess[str]:
        flags = () if data is None else ("-d", data)
        return run_tool(tool, "-plaintext", *flags, seawall.address, *arguments)

    return run


def test_grpcurl_lists_and_describes(grpcurl) -> None:
    assert grpcurl("list").stdout.split() == SERVICES
    service = grpcurl("describe", HTTPBIN).stdout
    assert 'option (.google.api.http) = { get: "/get" };' in service
    assert "max_attempts: 20" in service
    message = grpcurl("describe", "thirdparty.httpbin.v1.GetRequest").stdout
    assert "repeated .thirdparty.httpbin.v1.Colour more_colours = 8;" in message


def test_grpcurl_calls(grpcurl) -> None:
    (echo,) = messages(grpcurl(f"{HTTPBIN}/Post", data='{"displayName": "x"}').stdout)
    assert echo["json"] == {"displayName": "x"}
    streamed = grpcurl(f"{HTTPBIN}/Stream", data='{"count": 3}').stdout
    assert [message.get("id", 0) for message in messages(streamed)] == [0, 1, 2]


def test_grpcurl_shows_an_error_with_its_details(grpcurl) -> None:
    done = grpcurl(f"{HTTPBIN}/Status", data='{"codes": ""}')
    assert done.returncode == 64 + 3  # its way to tell INVALID_ARGUMENT
    assert "google.rpc.BadRequest" in done.stderr
    assert '"field": "codes"' in done.stderr
    assert "seawall.error.v1.UserMessage" in done.stderr


# grpc-health-probe and ghz


@pytest.mark.parametrize(("service", "status"), [("", 0), (HTTPBIN, 0), ("nope.v1.Nope", 3)])
def test_grpc_health_probe_exits_as_the_service_is(
    seawall: GatewayProcess, service: str, status: int
) -> None:
    tool = find_tool("grpc-health-probe")
    done = run_tool(tool, f"-addr={seawall.address}", f"-service={service}")
    assert done.returncode == status, done.stderr


def test_ghz_finds_no_error_in_400_concurrent_calls(seawall: GatewayProcess) -> None:
    tool = find_tool("ghz")
    load = ("-n", "400", "-c", "16", "--connections", "2", "-O", "json")
    call = ("--call", f"{HTTPBIN}/Get", "-d", '{"text": "{{.RequestNumber}}"}')
    done = run_tool(tool, "--insecure", *call, *load, seawall.address)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["statusCodeDistribution"] == {"OK": 400}
