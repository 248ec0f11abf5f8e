"""What is said of TLS to upstreams: mistakes, files, and what the client is told."""

from pathlib import Path

import pytest
from google.protobuf import json_format
from seawall.policy.v1.policy_pb2 import UpstreamPolicy, UpstreamTls
from support.upstream_certificates import Authority

from gateway.config.upstream_tls import merged_tls_mistakes, oldest_tls, place_files, tls_mistakes
from gateway.downstream.options import ClientOptions


def parsed(**said: str) -> UpstreamTls:
    return json_format.ParseDict(said, UpstreamTls())


def mistakes(**said: str) -> dict[str, str]:
    policy = UpstreamPolicy(tls=parsed(**said))
    client = ClientOptions(name="a", url="https://a", **said)
    return dict(merged_tls_mistakes(policy, client))


@pytest.mark.parametrize("name", ["ca_file", "cert_file", "key_file"])
def test_a_file_without_a_name_is_a_mistake(name: str):
    assert dict(tls_mistakes(parsed(**{name: ""}))) == {name: "names no file"}


@pytest.mark.parametrize("name", ["orders.internal", "10.0.0.7", "::1", "a_b"])
def test_a_server_name_is_the_name_or_address_of_a_host(name: str):
    assert not list(tls_mistakes(parsed(server_name=name)))


@pytest.mark.parametrize("name", ["", "a b", "orders:443", "https://orders", "."])
def test_anything_else_is_no_server_name(name: str):
    assert set(dict(tls_mistakes(parsed(server_name=name)))) == {"server_name"}


def test_a_key_without_a_certificate_is_a_mistake():
    assert "there is no tls.cert_file" in mistakes(key_file="a.key")["tls.key_file"]


def test_files_that_cannot_be_used_are_mistakes_of_their_fields(tmp_path: Path):
    ours, others = Authority(tmp_path), Authority(tmp_path, "others")
    mine, other = ours.pair("gateway"), others.pair("other")
    assert mistakes(ca_file=str(ours.file), cert_file=str(mine.cert), key_file=str(mine.key)) == {}
    assert mistakes(ca_file=str(mine.key)) == {
        "tls.ca_file": f"{mine.key} holds no PEM certificates"
    }
    missing = str(tmp_path / "none.pem")
    assert mistakes(ca_file=missing) == {
        "tls.ca_file": f"{missing} cannot be read: no such file or directory"
    }
    (why,) = mistakes(cert_file=str(mine.cert), key_file=str(other.key)).values()
    assert "do not fit together" in why
    (why,) = mistakes(cert_file=str(mine.cert)).values()
    assert "hold no PEM certificate and its key" in why


def test_a_certificate_and_its_key_may_share_a_file(tmp_path: Path):
    mine = Authority(tmp_path).pair("gateway")
    mine.cert.write_bytes(mine.cert.read_bytes() + mine.key.read_bytes())
    assert mistakes(cert_file=str(mine.cert)) == {}


def test_files_start_from_the_folder_of_the_configuration():
    tls = parsed(ca_file="ca.pem", cert_file="/etc/cert.pem")
    place_files(tls, Path("/conf"))
    assert tls == parsed(ca_file="/conf/ca.pem", cert_file="/etc/cert.pem")


@pytest.mark.parametrize(
    ("said", "oldest"),
    [({}, "1.2"), ({"min_version": "TLS_1_2"}, "1.2"), ({"min_version": "TLS_1_3"}, "1.3")],
)
def test_the_oldest_version_that_is_spoken(said: dict[str, str], oldest: str):
    assert oldest_tls(parsed(**said)) == oldest
