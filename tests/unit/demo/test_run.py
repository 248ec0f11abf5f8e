from pathlib import Path

import pytest

import gateway.demo
from gateway.config.schema import load_descriptor_set
from gateway.demo.run import EXAMPLES, banner, reachable

FOLDER = Path(gateway.demo.__file__).parent


@pytest.mark.parametrize(
    ("listens_on", "written"),
    [
        ("127.0.0.1:50051", "localhost:50051"),
        ("0.0.0.0:1", "localhost:1"),
        ("[::]:1", "localhost:1"),
        ("[::1]:1", "localhost:1"),
        ("10.1.2.3:1", "10.1.2.3:1"),
        ("[fe80::1]:1", "[fe80::1]:1"),
    ],
)
def test_a_client_on_this_machine_writes_what_reaches_the_listener(
    listens_on: str, written: str
) -> None:
    assert reachable(listens_on) == written


def test_the_banner_has_a_line_and_a_call_for_each_example() -> None:
    lines = banner("127.0.0.1:7", "http://127.0.0.1:8").splitlines()
    calls = [i for i, line in enumerate(lines) if "grpcurl" in line]
    assert len(calls) == len(EXAMPLES) == 7
    for number, (i, example) in enumerate(zip(calls, EXAMPLES, strict=True), 1):
        assert lines[i - 1] == f"  {number}. {example.shows}"
        assert lines[i].strip() == example.command("localhost:7")


def test_every_line_but_the_calls_fits_a_terminal() -> None:
    lines = banner("127.0.0.1:50051", "http://127.0.0.1:65535").splitlines()
    assert all(len(line) <= 80 for line in lines if "curl -" not in line)


@pytest.mark.parametrize(
    ("system", "files", "count"),
    [
        (
            "panel",
            {
                *("orders", "catalog", "providers", "dashboard", "auth", "settings"),
                *("contact", "tickets", "payments", "users", "api_keys"),
            },
            44,
        ),
        ("cloud", {"projects", "profiles"}, 6),
        ("commerce", {"webhooks", "cron", "emails", "campaigns"}, 6),
        ("market", {"scan", "pricing", "search", "vision", "checkout"}, 8),
        ("deploy", {"templates", "deployments"}, 4),
    ],
)
def test_the_shipped_descriptors_are_whole_and_name_lines(
    system: str, files: set[str], count: int
) -> None:
    schema = load_descriptor_set(FOLDER / f"{system}.binpb")
    methods = {
        method.full_name: schema.where_method(method)
        for service in schema.services()
        for method in service.methods
    }
    assert len(methods) == count
    assert {where.partition(":")[0] for where in methods.values()} == {
        f"{system}/v1/{name}.proto" for name in files
    }
    for full_name, where in methods.items():
        assert where.partition(":")[2].isdecimal(), full_name
