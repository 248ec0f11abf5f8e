"""Listeners, their files and their connections, as the configuration file has them."""

import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec
from google.protobuf import json_format
from seawall.config.v1.config_pb2 import Connections, GatewayConfig
from support.certificates import DAY, Authority, key_pem

from gateway.config.address import Address
from gateway.config.connections import (
    ConnectionOptions,
    connection_mistakes,
    connection_options,
)
from gateway.config.document import empty_document, read_document
from gateway.config.listeners import (
    SUITES,
    listener_doubts,
    listener_mistakes,
    listener_options,
    listener_service_mistakes,
    trusted_hops,
)
from gateway.config.material import BadMaterialError, TlsFiles, read_material
from gateway.core.errors import ConfigError

CA = Authority("CA")
PAIR = CA.issue("localhost")
HEALTH = "grpc.health.v1.Health"


def config(**said: object) -> GatewayConfig:
    return json_format.ParseDict(said, GatewayConfig())


def mistakes(folder: Path | None = None, **said: object) -> list[tuple[str, str]]:
    return list(listener_mistakes(config(**said), folder))


def options(folder: Path, text: str, flag: str | None = None):
    path = folder / "seawall.yaml"
    path.write_text(text)
    return listener_options(read_document(path, {}), flag, {SUITES: "PSK"})


@pytest.fixture
def files(tmp_path: Path) -> Path:
    PAIR.write(tmp_path)
    (tmp_path / "ca.pem").write_bytes(CA.pem)
    return tmp_path


# What is served where


def test_without_a_word_there_is_one_plaintext_listener_that_serves_everything():
    (one,) = listener_options(empty_document(), None)
    assert str(one.listen) == "127.0.0.1:50051"
    assert (one.name, one.tls, one.services) == ("", None, None)
    assert not one.own_only
    assert not one.asks_for_certificates


def test_listen_is_the_shorthand_for_it(files):
    (one,) = options(files, "listen: ':8080'")
    assert (one.listen, one.name, one.tls) == (Address("0.0.0.0", 8080), "", None)
    assert one.where == f"{files / 'seawall.yaml'}:1: listen"


LISTENERS = """listeners:
  - listen: ":8443"
    tls: {cert_file: cert.pem, key_file: key.pem, client_ca_file: ca.pem, min_version: TLS_1_3}
  - listen: 127.0.0.1:9000
    services: [grpc.health.v1.Health]
"""


def test_listeners_have_names_files_and_services_of_their_own(files):
    secure, probes = options(files, LISTENERS)
    assert (secure.listen, secure.name) == (Address("0.0.0.0", 8443), ":8443")
    assert secure.where == f"{files / 'seawall.yaml'}:2: listeners[0]"
    assert secure.tls == TlsFiles(
        cert=files / "cert.pem", key=files / "key.pem", client_ca=files / "ca.pem"
    )
    assert secure.tls_1_3
    assert secure.asks_for_certificates
    assert secure.services is None
    assert (probes.name, probes.tls, probes.tls_1_3) == ("127.0.0.1:9000", None, False)
    assert probes.services == {HEALTH}
    assert probes.own_only


@pytest.mark.parametrize("environ", [{}, {SUITES: ""}])
def test_tls_1_3_is_a_mistake_where_the_process_is_sure_to_speak_1_2(files, environ):
    path = files / "seawall.yaml"
    path.write_text(LISTENERS)
    with pytest.raises(ConfigError) as caught:
        listener_options(read_document(path, {}), None, environ)
    assert str(caught.value).startswith(f"{path}:3: listeners[0].tls.min_version: gRPC would ")
    assert f"{SUITES}=" in str(caught.value)


def test_listeners_say_for_themselves_how_many_proxies_are_before_them():
    said = config(
        listeners=[
            {"listen": "a:1"},
            {"listen": "a:2", "trusted_hops": 0},
            {"listen": "a:3", "trusted_hops": 2},
        ]
    )
    assert trusted_hops(said.listeners) == {"a:2": 0, "a:3": 2}


def test_certificates_and_authorities_that_are_not_in_time_are_doubted(files):
    ended = CA.issue("ended", starts=-2 * DAY, ends=-DAY).cert
    early = CA.issue("early", starts=DAY, ends=2 * DAY).cert
    secured = {"cert_file": "cert.pem", "key_file": "key.pem", "client_ca_file": "ca.pem"}
    said = config(listeners=[{"listen": ":1"}, {"listen": ":2", "tls": secured}])
    wall = time.time()
    assert list(listener_doubts(said, files, wall)) == []
    CA.issue("localhost", starts=-2 * DAY, ends=-DAY).write(files)
    (files / "ca.pem").write_bytes(ended)
    (own, authority) = listener_doubts(said, files, wall)
    assert own[0] == "listeners[1].tls.cert_file"
    assert own[1].startswith("cert.pem: the certificate ended at ")
    assert authority == (
        "listeners[1].tls.client_ca_file",
        "ca.pem: the authority is not in time, and no client is believed for it",
    )
    (files / "ca.pem").write_bytes(CA.pem + ended + early)
    assert list(listener_doubts(said, files, wall))[1][1].startswith("ca.pem: 2 of 3 authorities")


def test_the_flag_beats_the_shorthand_of_the_file(tmp_path):
    (one,) = options(tmp_path, "listen: 127.0.0.1:2", "127.0.0.1:1")
    assert (one.listen, one.name, one.where) == (Address("127.0.0.1", 1), "", "--listen")
    assert one.tls is None


def test_a_flag_that_is_no_address_is_told_as_one(tmp_path):
    with pytest.raises(ConfigError, match=r"^--listen: 'here' is not HOST:PORT"):
        options(tmp_path, "listen: 127.0.0.1:2", "here")


def test_the_flag_does_not_take_the_place_of_listeners(tmp_path):
    with pytest.raises(ConfigError, match=r"^--listen: .*seawall\.yaml:1 says where to listen"):
        options(tmp_path, LISTENERS, "127.0.0.1:1")


def test_every_mistake_is_told_at_once_with_its_line(tmp_path):
    with pytest.raises(ConfigError) as caught:
        options(
            tmp_path, "listeners:\n  - listen: here\n  - listen: ':1'\n    services: [a.B, a.B]\n"
        )
    first, second = map(str, caught.value.problems)
    assert first.startswith(f"{tmp_path / 'seawall.yaml'}:2: listeners[0].listen: 'here' is not")
    assert second.startswith(f"{tmp_path / 'seawall.yaml'}:4: listeners[1].services[1]: ")


# What may not be said

TLS = {"cert_file": "c", "key_file": "k"}


@pytest.mark.parametrize(
    ("said", "path", "text"),
    [
        ({"listen": "x"}, "listen", "'x' is not HOST:PORT"),
        ({"listen": ":1", "listeners": [{"listen": ":2"}]}, "listen", "one of the two must go"),
        ({"listeners": [{}]}, "listeners[0].listen", "names no address"),
        ({"listeners": [{"listen": "::1:80"}]}, "listeners[0].listen", "write an IPv6 address"),
        (
            {"listeners": [{"listen": ":1"}, {"listen": "0.0.0.0:1"}]},
            "listeners[1].listen",
            "is the address of listeners[0] already",
        ),
        (
            {"listeners": [{"listen": "a:0"}, {"listen": "a:0"}]},
            "listeners[1].listen",
            "is the address of listeners[0] already",
        ),
        (
            {"listeners": [{"listen": ":1", "tls": {"cert_file": "c"}}]},
            "listeners[0].tls.key_file",
            "must be said too, for cert_file",
        ),
        (
            {"listeners": [{"listen": ":1", "tls": {"key_file": "k"}}]},
            "listeners[0].tls.cert_file",
            "must be said too, for key_file",
        ),
        (
            {"listeners": [{"listen": ":1", "tls": TLS | {"client_ca_file": ""}}]},
            "listeners[0].tls.client_ca_file",
            "names no file",
        ),
        (
            {"listeners": [{"listen": ":1", "auth": "MODE_UNSPECIFIED"}]},
            "listeners[0].auth",
            "must be one of REQUIRED, OPTIONAL, NONE",
        ),
        (
            {"listeners": [{"listen": ":1", "tls": TLS | {"min_version": 0}}]},
            "listeners[0].tls.min_version",
            "must be one of TLS_1_2, TLS_1_3",
        ),
        (
            {"listeners": [{"listen": ":1", "services": ["a.B", "a.B"]}]},
            "listeners[0].services[1]",
            "'a.B' is given twice",
        ),
        (
            {"connections": {"max_connections": 0}},
            "connections.max_connections",
            "must be 1 to 1000000, found 0",
        ),
    ],
)
def test_a_mistake_is_told_by_its_path(said, path, text):
    ((found_path, found_text),) = mistakes(**said)
    assert found_path == path
    assert text in found_text


def test_free_ports_of_several_addresses_are_no_mistake():
    listeners = [{"listen": "127.0.0.1:0"}, {"listen": "localhost:0"}, {"listen": "[::1]:0"}]
    assert mistakes(listeners=listeners) == []


@pytest.mark.parametrize("name", ["cert.pem", "key.pem", "ca.pem"])
def test_a_missing_file_is_told_with_its_path(name, files):
    (files / name).unlink()
    tls = {"cert_file": "cert.pem", "key_file": "key.pem", "client_ca_file": "ca.pem"}
    ((path, text),) = mistakes(files, listeners=[{"listen": ":1", "tls": tls}])
    field = {"cert.pem": "cert_file", "key.pem": "key_file", "ca.pem": "client_ca_file"}[name]
    assert path == f"listeners[0].tls.{field}"
    assert text == f"{files / name} cannot be read: no such file or directory"


SERVED = (HEALTH, "shop.v1.OrderService", "shop.v1.StockService")


@pytest.mark.parametrize(
    ("services", "found"),
    [
        ([[]], []),
        ([["shop.v1.OrderService", "shop.v1.StockService"]], []),
        ([[HEALTH], []], []),
        (
            [["shop.v1.OrdersService"], []],
            [
                (
                    "listeners[0].services[0]",
                    "there is no service 'shop.v1.OrdersService'; "
                    "did you mean 'shop.v1.OrderService'?",
                )
            ],
        ),
        (
            [[HEALTH], ["shop.v1.OrderService"]],
            [("listeners", "shop.v1.StockService is served on none of them")],
        ),
    ],
)
def test_services_are_served_somewhere_and_exist(services, found):
    listeners = [{"listen": f":{i}", "services": names} for i, names in enumerate(services, 1)]
    assert list(listener_service_mistakes(config(listeners=listeners), SERVED)) == found


# Connections


def test_what_is_not_said_of_connections_is_built_in():
    assert connection_options(Connections()) == ConnectionOptions()


def test_what_is_said_of_connections_holds():
    said = json_format.ParseDict(
        {
            "max_connections": 10,
            "max_concurrent_streams": 20,
            "max_metadata_bytes": 2048,
            "min_ping_interval": "1s",
            "keepalive_interval": "2s",
            "keepalive_timeout": "0.5s",
            "max_age": "60s",
            "max_age_grace": "5s",
            "trusted_hops": 1,
        },
        Connections(),
    )
    assert not list(connection_mistakes(said))
    assert connection_options(said) == ConnectionOptions(
        max_connections=10,
        max_concurrent_streams=20,
        max_metadata_bytes=2048,
        min_ping_interval_s=1.0,
        keepalive_interval_s=2.0,
        keepalive_timeout_s=0.5,
        max_age_s=60.0,
        max_age_grace_s=5.0,
    )


@pytest.mark.parametrize(
    ("said", "path", "text"),
    [
        ({"max_metadata_bytes": 1023}, "max_metadata_bytes", "must be 1024 to 1048576, found 1023"),
        ({"max_concurrent_streams": 0}, "max_concurrent_streams", "must be 1 to 1000000, found 0"),
        ({"keepalive_timeout": "0s"}, "keepalive_timeout", "must be more than 0s, found 0s"),
        ({"max_age": "0.0001s"}, "max_age", "must be 0.001s or more, found 0.0001s"),
        ({"max_age_grace": "1s"}, "max_age_grace", "says nothing without max_age"),
    ],
)
def test_a_bound_of_connections_that_cannot_be_is_told(said, path, text):
    assert list(connection_mistakes(json_format.ParseDict(said, Connections()))) == [(path, text)]


# Files


def broken(files: Path, name: str, held: bytes) -> BadMaterialError:
    (files / name).write_bytes(held)
    with pytest.raises(BadMaterialError) as caught:
        read_material(
            TlsFiles(cert=files / "cert.pem", key=files / "key.pem", client_ca=files / "ca.pem")
        )
    assert str(files / name) in caught.value.why
    return caught.value


@pytest.mark.parametrize(
    ("name", "held", "which", "text"),
    [
        ("cert.pem", b"", "cert", "holds no PEM certificates"),
        ("cert.pem", PAIR.cert[:200], "cert", "holds no PEM certificates"),
        ("cert.pem", PAIR.key, "cert", "holds no PEM certificates"),
        ("cert.pem", CA.issue("other").cert, "key", "is not the key of the first certificate"),
        ("cert.pem", CA.pem + PAIR.cert, "key", "is not the key of the first certificate"),
        ("key.pem", b"\x00", "key", "holds no PEM private key"),
        ("key.pem", PAIR.cert, "key", "holds no PEM private key"),
        ("ca.pem", b"nothing", "client_ca", "holds no PEM certificates"),
        ("ca.pem", b"x" * (4 * 1024 * 1024 + 1), "client_ca", "is larger than"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(name, held, which, text, files):
    error = broken(files, name, held)
    assert error.which == which
    assert text in error.why


def test_a_key_with_a_password_or_of_no_use_is_refused(files):
    locked = key_pem(ec.generate_private_key(ec.SECP256R1()), b"secret")
    assert "needs a password" in broken(files, "key.pem", locked).why
    for key in (dsa.generate_private_key(1024), ec.generate_private_key(ec.SECP256K1())):
        assert "a kind that TLS does not use" in broken(files, "key.pem", key_pem(key)).why


def test_a_chain_behind_the_certificate_is_part_of_it(files):
    (files / "cert.pem").write_bytes(PAIR.cert + CA.pem)
    material = read_material(TlsFiles(cert=files / "cert.pem", key=files / "key.pem"))
    assert material.cert == PAIR.cert + CA.pem
    assert material.client_ca is None


def test_keys_are_not_shown(files):
    material = read_material(TlsFiles(cert=files / "cert.pem", key=files / "key.pem"))
    assert "PRIVATE KEY" not in repr(material)
