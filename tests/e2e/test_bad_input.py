"""What the operator got wrong: a clear line each on stderr, status 1, no traceback.

A table of inputs and the exact lines they earn. Each runs `seawall` as a process of
its own, and prints the lines: `pytest -rP` shows them all, to be read as a person
would.
"""

import random
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from e2e.bad_inputs import CASES, SHOP, UPSTREAM, Case
from google.protobuf import descriptor_pb2
from support.gateways import PROTOS, run_seawall

from gateway.app import Settings, load
from gateway.config.resolve import Flags
from gateway.core.errors import ConfigError


def assert_lines(done: subprocess.CompletedProcess[str], lines: Sequence[str]) -> None:
    """Make sure that a process ended with status 1 and exactly these lines on stderr."""
    print(done.stderr, end="")
    assert done.stderr.splitlines() == [f"seawall: {line}" for line in lines]
    assert done.stdout == ""
    assert done.returncode == 1


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_check_says_what_is_wrong_and_where(case: Case, tmp_path: Path) -> None:
    for name, text in case.files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    arguments = [argument.replace("<dir>", str(tmp_path)) for argument in case.arguments]
    more = UPSTREAM if case.upstream else ()
    done = run_seawall("check", *arguments, *more, **case.environ)
    assert_lines(done, [line.replace("<dir>", str(tmp_path)) for line in case.lines])


@pytest.mark.parametrize("command", ["serve", "routes", "explain"])
def test_every_command_says_the_same(command: str) -> None:
    what = ("shop.v1.OrderService/GetOrder",) if command == "explain" else ()
    done = run_seawall(command, *what, *SHOP, "--service", "shop.v1.Nope", *UPSTREAM)
    known = "did you mean 'shop.v1.OrderService'?"
    assert_lines(done, [f"--service: there is no service 'shop.v1.Nope'; {known}"])


# Only serving finds these


@pytest.fixture
def taken() -> Iterator[str]:
    """An address that something listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


IN_USE = "the port is in use; stop what listens there, or choose another (0 picks a free one)"


def test_a_grpc_port_in_use_is_an_error(taken: str) -> None:
    done = run_seawall("serve", *SHOP, *UPSTREAM, "--listen", taken, "--ops-listen", "off")
    assert_lines(done, [f"--listen: {taken}: {IN_USE}"])


def test_an_ops_port_in_use_is_an_error(taken: str) -> None:
    listen = ("--listen", "127.0.0.1:0", "--ops-listen", taken)
    done = run_seawall("serve", *SHOP, *UPSTREAM, *listen)
    assert_lines(done, [f"--ops-listen: {taken}: {IN_USE}"])


@pytest.mark.parametrize(
    ("listen", "line"),
    [
        ("nonsense", "'nonsense' is not HOST:PORT, such as 127.0.0.1:50051"),
        ("127.0.0.1:70000", "'127.0.0.1:70000' is not HOST:PORT, such as 127.0.0.1:50051"),
        ("::1:50051", "'::1:50051': write an IPv6 address as [ADDRESS]:PORT"),
        ("nowhere.invalid:0", "nowhere.invalid:0: the host does not resolve"),
        ("192.0.2.1:0", "192.0.2.1:0: is not an address of this machine"),
    ],
)
@pytest.mark.parametrize("flag", ["--listen", "--ops-listen"])
def test_an_address_that_cannot_be_listened_on_is_an_error(
    flag: str, listen: str, line: str
) -> None:
    other = ("--listen", "127.0.0.1:0") if flag == "--ops-listen" else ("--ops-listen", "off")
    done = run_seawall("serve", *SHOP, *UPSTREAM, flag, listen, *other)
    assert_lines(done, [f"{flag}: {line}"])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (None, "cannot be read: no such file or directory"),
        ("not a certificate", "holds no PEM certificates"),
    ],
)
def test_a_ca_file_that_is_none_is_an_error(tmp_path: Path, text: str | None, line: str) -> None:
    ca_file = tmp_path / "ca.pem"
    if text is not None:
        ca_file.write_text(text)
    config = tmp_path / "seawall.yaml"
    config.write_text(
        f"upstreams: {{default: {{url: 'https://h', policy: {{tls: {{ca_file: {ca_file}}}}}}}}}\n"
    )
    done = run_seawall("serve", *SHOP, "--config", str(config), "--listen", "127.0.0.1:0")
    (said,) = done.stderr.splitlines()
    print(said)
    assert said.startswith("seawall: ")
    assert said.endswith(f"tls.ca_file: {ca_file} {line}")
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("check", "--bogus"), "--bogus"),
        (("serve", "--log-level", "loud"), "--log-level"),
        (("explain",), "METHOD"),
        (("frobnicate",), "frobnicate"),
        (("check", "--config"), "--config"),
        (("check", "what"), "what"),
    ],
)
def test_wrong_usage_ends_with_status_2(arguments: Sequence[str], named: str) -> None:
    done = run_seawall(*arguments)
    print(done.stderr, end="")
    assert done.returncode == 2
    assert named in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


# Damage


@pytest.fixture(scope="module")
def shop_set(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A descriptor set of tests/protos, its imports left to the gateway."""
    out = tmp_path_factory.mktemp("set") / "shop.binpb"
    site = Path(descriptor_pb2.__file__).parents[2]
    flags = (f"-I{PROTOS}", f"-I{site}", f"--descriptor_set_out={out}")
    protoc = (sys.executable, "-m", "grpc_tools.protoc")
    subprocess.run([*protoc, *flags, "shop/v1/orders.proto"], check=True)
    return out.read_bytes()


def read_damaged(data: bytes, folder: Path) -> Sequence[str]:
    """Load a descriptor set; return the lines it earns, none where it is still sound."""
    path = folder / "damaged.binpb"
    path.write_bytes(data)
    try:
        load(Settings(descriptor_set=path, flags=Flags((), {"": "http://h"})))
    except ConfigError as error:
        return [str(problem) for problem in error.problems]
    return []


def test_a_descriptor_set_cut_anywhere_is_an_error(shop_set: bytes, tmp_path: Path) -> None:
    for length in range(0, len(shop_set) - 1, 7):
        assert read_damaged(shop_set[:length], tmp_path)


def test_a_descriptor_set_with_bytes_changed_is_sound_or_an_error(
    shop_set: bytes, tmp_path: Path
) -> None:
    rng = random.Random(2)
    for _ in range(1000):
        damaged = bytearray(shop_set)
        for _ in range(rng.choice((1, 2, 5))):
            damaged[rng.randrange(len(damaged))] = rng.randrange(128)
        read_damaged(bytes(damaged), tmp_path)
