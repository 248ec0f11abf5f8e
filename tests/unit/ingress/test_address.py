import socket
import sys

import pytest

from gateway.core.errors import ConfigError
from gateway.ingress.address import Address, parse_address, reserve, resolve_free


@pytest.mark.parametrize(
    ("text", "host", "port", "shown"),
    [
        ("127.0.0.1:50051", "127.0.0.1", 50051, "127.0.0.1:50051"),
        ("localhost:0", "localhost", 0, "localhost:0"),
        (":8080", "0.0.0.0", 8080, "0.0.0.0:8080"),
        ("[::1]:50051", "::1", 50051, "[::1]:50051"),
        ("[::]:1", "::", 1, "[::]:1"),
    ],
)
def test_addresses_are_host_and_port(text, host, port, shown):
    address = parse_address(text, "--listen")
    assert address == Address(host, port)
    assert str(address) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "50051",
        "localhost",
        "localhost:",
        "localhost:x",
        "h:65536",
        "h:-1",
        "::1:80",
        "*:0",
        "[]:0",
        "a b:1",
    ],
)
def test_anything_else_is_told_with_its_flag(text):
    with pytest.raises(ConfigError) as caught:
        parse_address(text, "--listen")
    assert str(caught.value).startswith("--listen: ")


def test_a_port_in_use_is_told():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = Address("127.0.0.1", taken.getsockname()[1])
        with pytest.raises(ConfigError, match="the port is in use"):
            resolve_free(address, "--listen")


@pytest.mark.parametrize(
    ("host", "says"),
    [("no-such-host.invalid", "does not resolve"), ("192.0.2.1", "not an address of this machine")],
)
def test_a_host_that_is_not_here_is_told(host, says):
    with pytest.raises(ConfigError, match=says):
        resolve_free(Address(host, 0), "--listen")


def test_a_free_port_stays_free():
    assert resolve_free(Address("127.0.0.1", 0), "--listen") == Address("127.0.0.1", 0)


def test_a_short_number_is_written_out_and_a_name_stays():
    assert resolve_free(Address("127.1", 0), "--listen").host == "127.0.0.1"
    assert resolve_free(Address("localhost", 0), "--listen").host == "localhost"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has abstract socket names")
def test_a_port_is_reserved_for_one_gateway_until_it_ends() -> None:
    address = Address("127.0.0.1", 50999)
    with reserve(address, "--listen"):
        with pytest.raises(ConfigError, match=r"127\.0\.0\.1:50999: the port is in use"):
            reserve(address, "--listen")
        reserve(Address("127.0.0.2", 50999), "--listen").close()
    reserve(address, "--listen").close()
