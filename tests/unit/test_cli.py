"""The command line: what it teaches, and what its answers look like."""

import hashlib
import json
import re
from pathlib import Path

import pytest
from support.gateways import PROTOS
from typer.testing import CliRunner, Result

from gateway import __version__
from gateway.cli import app

WHAT_TO_SERVE = ("--descriptor-set", "--proto", "--config", "--service", "--upstream")
SHOP = ("--proto", str(PROTOS), "--upstream", "http://orders.test/api")
SERVICE = "shop.v1.OrderService"


def seawall(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, prog_name="seawall", env={"COLUMNS": "200"})


def answer(*arguments: str) -> str:
    """Return what a command prints; it must succeed."""
    done = seawall(*arguments)
    assert (done.exit_code, done.stderr) == (0, "")
    return done.stdout


def plain(text: str) -> str:
    """Return `text` without colours, boxes and line ends."""
    return " ".join(re.sub(r"\x1b\[[0-9;]*m|[│╭╮╰╯─]", "", text).split())


# Help


def test_help_lists_every_command_and_how_to_begin() -> None:
    text = plain(answer("--help"))
    for command in ("serve", "check", "routes", "explain", "key", "demo", "--version"):
        assert f" {command} " in text
    assert "Try it: seawall demo" in text
    assert "seawall serve --proto protos --upstream http://HOST" in text


def test_nothing_at_all_shows_the_help() -> None:
    done = seawall()
    assert "Usage: seawall [OPTIONS] COMMAND [ARGS]..." in plain(done.output)
    assert done.exit_code == 2


@pytest.mark.parametrize(
    ("command", "flags", "taught"),
    [
        (
            "serve",
            (*WHAT_TO_SERVE, "--listen", "--ops-listen", "--log-format", "--log-level"),
            "Example: seawall serve --descriptor-set api.binpb --upstream http://localhost:8080",
        ),
        ("check", WHAT_TO_SERVE, "a line for every mistake, with file, method and column"),
        ("routes", (*WHAT_TO_SERVE, "--format"), "its verb, path, body and upstream"),
        ("explain", (*WHAT_TO_SERVE, "--format"), "pkg.Service/Method, as grpcurl writes it"),
        ("demo", ("--listen", "--ops-listen", "--seed"), "print calls to try"),
    ],
)
@pytest.mark.parametrize("ask", ["--help", "-h"])
def test_help_of_a_command_teaches(
    command: str, flags: tuple[str, ...], taught: str, ask: str
) -> None:
    text = plain(answer(command, ask))
    assert f"Usage: seawall {command} [OPTIONS]" in text
    assert taught in text
    assert [flag for flag in flags if f"{flag} " not in text] == []


def test_help_names_the_defaults_and_the_special_values() -> None:
    text = plain(answer("serve", "--help"))
    assert "port 0 picks a free one. Default: 127.0.0.1:50051" in text
    assert "'off' for none. Default: 127.0.0.1:9464" in text
    assert "--include_imports" in text
    assert "Default: every service with a google.api.http binding" in text


def test_version_is_a_line() -> None:
    assert answer("--version") == f"seawall {__version__}\n"


# check


def test_check_sums_up_what_is_right() -> None:
    assert answer("check", *SHOP) == "ok: 8 methods of 1 service over 1 upstream\n"


def test_check_says_every_mistake_in_a_line_of_its_own() -> None:
    done = seawall("check", "--proto", str(PROTOS), "--upstream", "x", "--service", "shop.v1.Nope")
    lines = done.stderr.splitlines()
    assert done.exit_code == 1
    assert done.stdout == ""
    assert len(lines) == 2
    assert all(line.startswith("seawall: --") for line in lines)


def test_check_says_what_is_left_out_and_why(tmp_path: Path) -> None:
    (tmp_path / "a.proto").write_text(
        'syntax = "proto3"; package a.v1; import "google/api/annotations.proto";\n'
        "message R {}\n"
        "service S {\n"
        '  rpc Bound(R) returns (R) { option (google.api.http) = {get: "/r"}; }\n'
        "  rpc Unbound(R) returns (R);\n"
        "}\n"
    )
    done = seawall("check", "--proto", str(tmp_path), "--upstream", "http://h")
    assert done.exit_code == 0
    assert done.stdout == "ok: 1 method of 1 service over 1 upstream\n"
    assert done.stderr == (
        "seawall: not served: a.proto:5: a.v1.S/Unbound: carries no google.api.http\n"
    )


# routes


def test_routes_prints_a_row_for_every_binding() -> None:
    head, *rows = answer("routes", *SHOP).splitlines()
    assert head.split() == ["METHOD", "VERB", "PATH", "BODY", "UPSTREAM"]
    where = ["default", "http://orders.test/api"]
    assert [row.split() for row in rows] == [
        [f"{SERVICE}/GetOrder", "GET", "/v1/orders/{order_id}", "-", *where],
        [f"{SERVICE}/ListOrders", "GET", "/v1/orders", "-", *where],
        [f"{SERVICE}/CreateOrder", "POST", "/v1/orders", "order", *where],
        [f"{SERVICE}/UpdateOrder", "PATCH", "/v1/orders/{order.order_id}", "order", *where],
        [f"{SERVICE}/ReplaceOrder", "PUT", "/v1/orders/{order_id}", "*", *where],
        [f"{SERVICE}/DeleteOrder", "DELETE", "/v1/orders/{order_id}", "-", *where],
        [f"{SERVICE}/CancelOrder", "POST", "/v1/orders/{order_id}:cancel", "*", *where],
        [f"{SERVICE}/WatchOrders", "(stream)", "GET", "/v1/orders:watch", "-", *where],
    ]


def test_routes_as_json_say_the_same() -> None:
    rows = json.loads(answer("routes", *SHOP, "--format", "json"))
    assert len(rows) == 8
    assert rows[2] == {
        "method": f"{SERVICE}/CreateOrder",
        "verb": "POST",
        "path": "/v1/orders",
        "body": "order",
        "upstream": "default",
        "url": "http://orders.test/api",
        "server_streaming": False,
        "client_streaming": False,
    }
    assert [row["method"] for row in rows if row["server_streaming"]] == [f"{SERVICE}/WatchOrders"]


# explain

CONFIG = """\
defaults:
  method:
    retry: {max_attempts: 9, initial_backoff: 0.5s}
    deadline: {maximum: 50s}
upstreams:
  default:
    url: http://orders.test
    policy:
      pool: {max_connections: 7}
    methods:
      deadline: {default: 4s}
services:
  shop.v1.OrderService:
    policy:
      idempotency: IDEMPOTENT
    methods:
      CreateOrder:
        retry: {initial_backoff: 0.25s}
ceilings: {max_attempts: 5}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "seawall.yaml"
    path.write_text(CONFIG)
    return path


def explained(config: Path) -> tuple[str, ...]:
    method = f"{SERVICE}/CreateOrder"
    return ("explain", method, "--proto", str(PROTOS), "--config", str(config))


def test_explain_as_json_names_the_origin_of_every_value(config: Path) -> None:
    found = json.loads(answer(*explained(config), "--format", "json"))
    assert found["method"] == f"{SERVICE}/CreateOrder"
    assert found["bindings"] == ["POST /v1/orders"]
    assert found["pipeline"][-2:] == ["breaker_permit", "attempt"]
    assert found["breakers"] == ["default"]
    assert found["idempotent"] == {"value": True, "origin": f"service ({config}:15)"}
    policy, origins = found["policy"], found["origins"]
    assert policy["retry"]["max_attempts"] == 5
    assert origins["retry.max_attempts"] == f"ceiling ({config}:19), was defaults ({config}:3)"
    assert policy["retry"]["initial_backoff"] == "0.250s"
    assert origins["retry.initial_backoff"] == f"method ({config}:18)"
    assert policy["deadline"]["maximum"] == "50s"
    assert origins["deadline.maximum"] == f"defaults ({config}:4)"
    assert policy["deadline"]["default"] == "4s"
    assert origins["deadline.default"] == f"upstream ({config}:11)"
    assert origins["retry.jitter"] == "built-in"
    upstream = found["upstream"]
    assert upstream["name"] == "default"
    assert upstream["policy"]["url"] == "http://orders.test"
    assert upstream["policy"]["pool"]["max_connections"] == 7
    assert upstream["origins"]["pool.max_connections"] == f"upstream ({config}:9)"
    assert upstream["origins"]["pool.idle_timeout"] == "built-in"


def test_every_value_that_explain_prints_has_an_origin(config: Path) -> None:
    found = json.loads(answer(*explained(config), "--format", "json"))

    def paths(value: object, at: str = "") -> set[str]:
        if not isinstance(value, dict):
            return {at}
        return {path for key in value for path in paths(value[key], f"{at}.{key}".lstrip("."))}

    assert paths(found["policy"]) == set(found["origins"])


def test_explain_as_a_table_shows_value_and_origin(config: Path) -> None:
    printed = answer(*explained(config))
    rows = {line.split()[0]: line.split()[1:] for line in printed.splitlines() if line.strip()}
    assert rows["method"][0] == f"{SERVICE}/CreateOrder"
    assert rows["binding"] == ["POST", "/v1/orders"]
    assert rows["idempotent"][0] == "yes"
    assert rows["pipeline"][0] == "access"
    assert rows["breakers"] == ["default"]
    assert "→ upstream default" in " ".join(printed.split())
    assert rows["POLICY"] == ["VALUE", "FROM"]
    assert rows["deadline.default"][:2] == ["4s", "upstream"]
    assert rows["retry.jitter"] == ["FULL", "built-in"]
    assert rows["retry.max_attempts"][:2] == ["5", "ceiling"]
    assert rows["url"][:2] == ["http://orders.test", "upstream"]


def test_a_flag_beats_yaml_and_says_so(config: Path) -> None:
    flag = ("--upstream", "http://flag.test", "--format", "json")
    found = json.loads(answer(*explained(config), *flag))
    assert found["upstream"]["policy"]["url"] == "http://flag.test"
    assert found["upstream"]["origins"]["url"] == "flag (--upstream)"


@pytest.mark.parametrize(
    "name", [f"{SERVICE}/GetOrder", f"/{SERVICE}/GetOrder", f"{SERVICE}.GetOrder"]
)
def test_explain_takes_a_method_as_any_tool_writes_it(name: str) -> None:
    found = json.loads(answer("explain", name, *SHOP, "-f", "json"))
    assert found["method"] == f"{SERVICE}/GetOrder"


def test_explain_of_an_unknown_method_suggests_one() -> None:
    done = seawall("explain", f"{SERVICE}/GetOrdr", *SHOP)
    assert done.exit_code == 1
    assert done.stderr == (
        f"seawall: there is no served method '{SERVICE}/GetOrdr'; "
        f"did you mean '{SERVICE}/GetOrder'?\n"
    )


def test_what_can_be_given_once_is_refused_twice() -> None:
    done = seawall("check", "--proto", str(PROTOS), *SHOP)
    assert done.exit_code == 1
    assert done.stderr == "seawall: --proto: is given 2 times; it can be given once\n"


def test_check_warns_of_what_has_no_effect_and_is_content(tmp_path: Path):
    config = tmp_path / "seawall.yaml"
    config.write_text("defaults:\n  upstream:\n    pacing: {burst: 5}\n")
    done = seawall("check", *SHOP, "--config", str(config))
    assert done.exit_code == 0
    assert done.stdout.startswith("ok: ")
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        f"seawall: warning: {config}:3: upstream default: pacing.burst has no effect"
    )


# Keys


def test_a_key_is_printed_once_with_what_the_configuration_needs() -> None:
    told = json.loads(answer("key", "billing", "--role", "admin", "--format", "json"))
    assert told["caller"] == "billing"
    assert told["roles"] == ["admin"]
    assert hashlib.sha256(told["key"].encode()).hexdigest() == told["sha256"]


def test_what_is_printed_of_a_key_is_yaml_that_is_taken(tmp_path: Path) -> None:
    printed = answer("key", "it's me: billing", "--role", "a").splitlines()
    assert "keys:" in printed
    entry = "\n".join(f"        {line}" for line in printed if line.startswith("  "))
    config = tmp_path / "seawall.yaml"
    config.write_text(
        f"identity:\n  providers:\n    keys:\n      api_keys:\n        keys:\n{entry}\n"
    )
    assert answer("check", *SHOP, "--config", str(config)).startswith("ok: ")


def test_a_key_needs_somebody_whose_it_is() -> None:
    done = seawall("key", "")
    assert (done.exit_code, done.stderr) == (1, "seawall: caller: must be said: whose key it is\n")


def test_explain_says_who_may_call_and_names_the_limits(tmp_path: Path) -> None:
    config = tmp_path / "seawall.yaml"
    config.write_text(
        "identity: {providers: {keys: {api_keys: {keys: [{caller: a, sha256: "
        + "0" * 64
        + "}]}}}}\n"
        f"services:\n  {SERVICE}:\n    policy: {{rate_limits: {{all: {{requests: 9}}}}}}\n"
        "    methods:\n      GetOrder:\n        auth: {roles: [admin]}\n"
        "        rate_limits: {mine: {requests: 5, per: 900s, by: [caller, 'metadata:x-a']}}\n"
    )
    arguments = ("explain", f"{SERVICE}/GetOrder", *SHOP, "--config", str(config))
    text = plain(seawall(*arguments).stdout)
    assert "callers REQUIRED (roles: admin)" in text
    assert f"rate limit {SERVICE}:all (9 in 60 s)" in text
    mine = f"{SERVICE}/GetOrder:mine"
    assert f"rate limit {mine} (5 in 900 s, by caller and metadata:x-a)" in text
    assert "rate_limits.mine.requests 5 method" in text
    assert "(empty)" not in text
    told = json.loads(seawall(*arguments, "--format", "json").stdout)
    assert told["auth"] == {"mode": "REQUIRED", "providers": [], "roles": ["admin"]}
    assert told["rate_limits"] == [f"{SERVICE}:all", mine]


@pytest.mark.parametrize(
    ("credentials", "row"),
    [
        ("{}", "credential the caller's, as it comes (credentials.caller: FORWARD)"),
        ("{bearer_token: abc}", "credential the gateway's own (bearer_token); the caller's is not"),
        ("{caller: STRIP}", "credential none; the caller's is not sent"),
    ],
)
def test_explain_says_whose_credential_goes_upstream(
    credentials: str, row: str, tmp_path: Path
) -> None:
    config = tmp_path / "seawall.yaml"
    config.write_text(f"defaults: {{upstream: {{credentials: {credentials}}}}}\n")
    arguments = ("explain", f"{SERVICE}/GetOrder", *SHOP, "--config", str(config))
    assert row in plain(seawall(*arguments).stdout)


def test_explain_knows_the_gateways_own_methods(tmp_path: Path) -> None:
    config = tmp_path / "seawall.yaml"
    config.write_text(
        "identity: {providers: {keys: {api_keys: {keys: [{caller: a, sha256: "
        + "0" * 64
        + "}]}}}}\nservices:\n  grpc.health.v1.Health:\n"
        "    policy: {auth: {mode: NONE}, rate_limits: {probes: {requests: 9, by: [peer]}}}\n"
    )
    arguments = ("explain", "grpc.health.v1.Health/Check", *SHOP, "--config", str(config))
    text = plain(seawall(*arguments).stdout)
    assert "answered by the gateway itself" in text
    assert "callers NONE" in text
    assert "rate limit grpc.health.v1.Health:probes (9 in 60 s, by peer)" in text
    assert "auth.mode NONE service" in text
    assert "retry" not in text
    told = json.loads(seawall(*arguments, "--format", "json").stdout)
    assert told["auth"]["mode"] == "NONE"
    assert told["rate_limits"] == ["grpc.health.v1.Health:probes"]
    other = seawall("explain", "seawall.admin.v1.AdminService/ListUpstreams", *SHOP)
    assert other.exit_code == 1, "it is not served"


def test_a_key_may_have_an_end() -> None:
    found = json.loads(answer("key", "billing", "--expires", "2099-01-31", "--format", "json"))
    assert found["expires"] == "2099-01-31T00:00:00Z"
    printed = answer("key", "billing", "--expires", "90d")
    assert re.search(r'^    expires: "20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ"$', printed, re.MULTILINE)
    done = seawall("key", "billing", "--expires", "soon")
    assert done.exit_code == 1
    assert "write a date (2027-01-31)" in done.stderr
    past = seawall("key", "billing", "--expires", "2020-01-01")
    assert "not in the future" in past.stderr
