"""What `tracing` may not say."""

from pathlib import Path

import pytest
from google.protobuf.json_format import ParseDict
from seawall.config.v1.config_pb2 import Tracing

from gateway.config.tracing import tracing_doubts, tracing_mistakes, tracing_options


def tracing(**said: object) -> Tracing:
    return ParseDict(said, Tracing())


def test_without_an_endpoint_nothing_is_traced(tmp_path: Path) -> None:
    assert tracing_options(Tracing(), tmp_path) is None
    assert list(tracing_mistakes(Tracing(), tmp_path)) == []


def test_what_is_built_in(tmp_path: Path) -> None:
    options = tracing_options(tracing(endpoint="http://collector:4317"), tmp_path)
    assert options is not None
    assert (options.over_http, options.sample_ratio, options.failures) == (False, 0.01, True)
    assert (options.headers, options.ca, options.service_name) == ({}, None, "")


@pytest.mark.parametrize(
    ("said", "path", "why"),
    [
        ({"sample_ratio": 0.5}, "endpoint", "must be said"),
        ({"endpoint": "collector:4317"}, "endpoint", ""),
        ({"endpoint": "http://c:4317", "sample_ratio": 1.5}, "sample_ratio", "must be 0 to 1"),
        ({"endpoint": "http://c:4317", "sample_ratio": -0.1}, "sample_ratio", "must be 0 to 1"),
        ({"endpoint": "http://c:4317", "headers": {"x": "a\nb"}}, "headers.x", "printable"),
        ({"endpoint": "https://c:4317", "ca_file": "no.pem"}, "ca_file", "cannot be read"),
    ],
)
def test_mistakes(said: dict[str, object], path: str, why: str, tmp_path: Path) -> None:
    ((at, text),) = tracing_mistakes(tracing(**said), tmp_path)
    assert at == path
    assert why in text


def test_a_ca_of_a_collector_without_tls_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("x")
    said = tracing(endpoint="http://c:4317", ca_file="ca.pem")
    assert [path for path, _ in tracing_mistakes(said, tmp_path)] == ["ca_file"]


def test_a_key_in_the_file_itself_is_doubted() -> None:
    said = tracing(endpoint="http://c:4317", headers={"x-key": "4711"})
    ((path, text),) = tracing_doubts(said)
    assert (path, "4711" in text) == ("headers.x-key", False)
    assert list(tracing_doubts(said, {"4711"})) == []
