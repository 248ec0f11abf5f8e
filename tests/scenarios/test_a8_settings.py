"""Row A8: the panel's settings. Administrators only; an end in time that says what to do; and
secrets that are in nothing that the gateway writes, shows or counts."""

import json
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from fakes.clock import FakeClock, FakeRng
from google.protobuf.field_mask_pb2 import FieldMask
from panel.v1 import auth_pb2, auth_pb2_grpc, settings_pb2, settings_pb2_grpc
from scenarios.answers import told, told_by
from scenarios.downstreams import PANEL_UPSTREAMS, Downstream, eventually
from scenarios.gateways import ANYBODY, as_, callers, descriptors, gateway_over, key_of, lines
from seawall.admin.v1 import admin_pb2, admin_pb2_grpc
from support.gateways import GatewayProcess, Running, run_seawall, seawall_process

Code = grpc.StatusCode
Settings = settings_pb2.Settings

SETTINGS = "/.netlify/functions/settings"
CALLERS = callers(root="admin", ada="", keeper="operator")
CONFIG = f"""
{CALLERS}
{ANYBODY}
services:
  seawall.admin.v1.AdminService: {{policy: {{auth: {{roles: [operator]}}}}}}
"""
ROOT, ADA = as_("root"), as_("ada")
GET = settings_pb2.GetSettingsRequest()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def running(
    functions: Downstream, clock: FakeClock, tmp_path: Path
) -> AsyncIterator[Running]:
    urls = dict.fromkeys(PANEL_UPSTREAMS, functions.url)
    rng = FakeRng([0.0])
    async with gateway_over(
        "panel", urls, tmp_path, clock=clock, rng=rng, config=CONFIG
    ) as running:
        yield running


@pytest.fixture
def settings(running: Running) -> settings_pb2_grpc.SettingsServiceStub:
    return settings_pb2_grpc.SettingsServiceStub(running.channel)


def update(**values: object) -> settings_pb2.UpdateSettingsRequest:
    return settings_pb2.UpdateSettingsRequest(
        settings=Settings(**values), update_mask=FieldMask(paths=list(values))
    )


# What the service does, and for whom


async def test_an_administrator_reads_and_changes_settings(settings) -> None:
    before = await settings.GetSettings(GET, metadata=ROOT)
    assert (before.shop_name, before.maintenance) == ("Corner Shop", False)
    assert before.payment_secret
    request = update(maintenance=True, smtp_password="changed")
    changed = await settings.UpdateSettings(request, metadata=ROOT)
    assert (changed.maintenance, changed.smtp_password) == (True, "changed")
    assert changed.shop_name == before.shop_name  # not in the mask
    assert await settings.GetSettings(GET, metadata=ROOT) == changed


@pytest.mark.parametrize(
    ("who", "code", "reason"),
    [
        ((), Code.UNAUTHENTICATED, "UNAUTHENTICATED"),
        ((("x-api-key", "made-up-key"),), Code.UNAUTHENTICATED, "UNAUTHENTICATED"),
        ((*ROOT, *ADA), Code.UNAUTHENTICATED, "UNAUTHENTICATED"),
        (ADA, Code.PERMISSION_DENIED, "PERMISSION_DENIED"),
        (as_("keeper"), Code.PERMISSION_DENIED, "PERMISSION_DENIED"),
    ],
    ids=["nobody", "a wrong key", "two keys", "a caller without the role", "another role"],
)
async def test_nobody_else_does_and_the_function_sees_none_of_it(
    functions: Downstream, settings, who, code: Code, reason: str
) -> None:
    for call in (
        settings.GetSettings(GET, metadata=who),
        settings.UpdateSettings(update(maintenance=True), metadata=who),
    ):
        refused = await told(call)
        assert refused.code == code
        assert {name for _, name in refused.reasons} == {reason}
        assert (refused.attempts, refused.user.should_retry) == (0, False)
        assert refused.user.action
    assert functions.stats()["total"] == 0


async def test_an_administrator_of_the_panel_is_not_one_of_the_gateway(running: Running) -> None:
    admin = admin_pb2_grpc.AdminServiceStub(running.channel)
    request = admin_pb2.ListUpstreamsRequest()
    assert (await told(admin.ListUpstreams(request, metadata=ROOT))).code == Code.PERMISSION_DENIED
    answer = await admin.ListUpstreams(request, metadata=as_("keeper"))
    assert {found.name for found in answer.upstreams} == set(PANEL_UPSTREAMS)


def test_a_gateway_that_knows_no_callers_does_not_serve_settings() -> None:
    done = run_seawall("check", "--descriptor-set", str(descriptors("panel")))
    assert done.returncode == 1
    assert "panel.v1.SettingsService: auth.roles: nobody can have a role" in done.stderr


@pytest.mark.parametrize("mode", ["NONE", "OPTIONAL"])
async def test_a_default_for_all_methods_does_not_open_them(
    functions: Downstream, tmp_path: Path, mode: str
) -> None:
    config = f"{CALLERS}\ndefaults: {{method: {{auth: {{mode: {mode}}}}}}}"
    urls = dict.fromkeys(PANEL_UPSTREAMS, functions.url)
    async with gateway_over("panel", urls, tmp_path, config=config) as running:
        settings = settings_pb2_grpc.SettingsServiceStub(running.channel)
        assert (await told(settings.GetSettings(GET))).code == Code.UNAUTHENTICATED
        assert (await told(settings.GetSettings(GET, metadata=ADA))).code == Code.PERMISSION_DENIED
    assert functions.stats()["total"] == 0


# In time


async def test_a_read_that_hangs_ends_after_four_seconds_and_says_what_to_do(
    functions: Downstream, clock: FakeClock, settings
) -> None:
    functions.set_faults({"path": SETTINGS, "latency_s": 60})
    call = settings.GetSettings(GET, metadata=ROOT)
    await eventually(lambda: not functions.idle)
    clock.advance(4)
    failed = await told(call)
    assert failed.code == Code.DEADLINE_EXCEEDED
    assert failed.user.action
    assert failed.user.should_retry
    await eventually(lambda: functions.idle)  # and the function is told to stop


async def test_a_change_that_hangs_is_told_as_uncertain(
    functions: Downstream, clock: FakeClock, settings
) -> None:
    functions.set_faults({"path": SETTINGS, "latency_s": 60})
    call = settings.UpdateSettings(update(maintenance=True), metadata=ROOT)
    await eventually(lambda: not functions.idle)
    clock.advance(4)
    failed = await told(call)
    assert failed.code == Code.DEADLINE_EXCEEDED
    assert ("panel.v1", "SETTINGS_UNCERTAIN") in failed.reasons
    assert failed.user.title == "It is not known whether this was saved"
    assert failed.user.action == "Open the page again and look before you save once more."
    assert failed.retry_delay_s == 5
    assert failed.user.should_retry


async def test_what_fails_in_passing_is_sent_again(functions: Downstream, settings) -> None:
    functions.set_faults({"path": SETTINGS, "status": 503, "acts": True, "count": 2})
    changed = await settings.UpdateSettings(update(maintenance=True), metadata=ROOT)
    assert changed.maintenance
    assert functions.seen(f"PATCH {SETTINGS}") == 3


# Secrets

SECRETS = {
    "a new payment secret": "sk_live_Zx81_settings_value",
    "a new smtp password": "hunter2-smtp-Kq77",
    "the old payment secret": "sk_demo_4711_payments",
    "the old smtp password": "demo-smtp-password",
    "the administrator's key": key_of("root"),
    "another caller's key": key_of("ada"),
    "the operator's key": key_of("keeper"),
    "a key that nobody knows": "made-up-key-Wq93",
    "a token": "tok_Bearer_Vb52_of_a_session",
    "a password": "correct horse",
    "a fixed header": "fixed-header-secret-Lm34",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("secrets")
    (folder / "fixed").write_text(SECRETS["a fixed header"])
    (folder / "seawall.yaml").write_text(f"""
descriptor_set: {descriptors("panel")}
admin: {{enabled: true}}
{CONFIG}
  panel.v1.SettingsService: {{policy: {{headers: {{set: {{x-shop-secret: "file:fixed"}}}}}}}}
""")
    return folder


def provoke(functions: Downstream, seawall: GatewayProcess) -> list[str]:
    """Make calls of every kind that carry secrets; return what their callers were told."""
    said: list[str] = []

    def failed(method, request, *metadata: tuple[str, str], timeout: float = 5) -> None:
        try:
            method(request, metadata=metadata, timeout=timeout)
        except grpc.RpcError as error:
            found = told_by(error)
            said.append(f"{found.message} {found.user} {found.quota} {found.metadata}")
        else:
            raise AssertionError("the call succeeded")

    token = ("authorization", f"Bearer {SECRETS['a token']}")
    new = update(
        payment_secret=SECRETS["a new payment secret"],
        smtp_password=SECRETS["a new smtp password"],
    )
    with grpc.insecure_channel(seawall.address) as channel:
        settings = settings_pb2_grpc.SettingsServiceStub(channel)
        auth = auth_pb2_grpc.AuthServiceStub(channel)
        admin = admin_pb2_grpc.AdminServiceStub(channel)
        assert settings.GetSettings(GET, metadata=(*ROOT, token)).payment_secret
        for fault in ({"status": 503}, {"drop": True}, {"status": 400}, {"latency_s": 60}):
            functions.set_faults({"path": SETTINGS, **fault})
            failed(settings.UpdateSettings, new, *ROOT, token, timeout=0.5)
        functions.set_faults()
        assert settings.UpdateSettings(new, metadata=ROOT, timeout=20).smtp_password
        failed(settings.UpdateSettings, new)
        failed(settings.UpdateSettings, new, *ADA, token)
        failed(settings.UpdateSettings, new, ("x-api-key", SECRETS["a key that nobody knows"]))
        request = auth_pb2.LoginRequest(
            email="ana@example.com", password=SECRETS["a password"] + SECRETS["a token"]
        )
        for _ in range(6):  # the last one by the rate limit
            failed(auth.Login, request, *ADA)
        failed(auth.Verify, auth_pb2.VerifyRequest(), token)
        said.append(
            str(
                admin.ListUpstreams(
                    admin_pb2.ListUpstreamsRequest(), metadata=(*as_("keeper"), token)
                )
            )
        )
    return said


def logged_values(log: str) -> list[object]:
    return [value for line in log.splitlines() for value in json.loads(line).values()]


def test_no_secret_is_in_anything_that_the_gateway_writes_shows_or_counts(
    functions: Downstream, folder: Path, tmp_path: Path
) -> None:
    names = PANEL_UPSTREAMS
    upstreams = [f"--upstream={name}={functions.url}" for name in names]
    config = ("--config", str(folder / "seawall.yaml"))
    arguments = (*config, *upstreams, "--log-format", "json", "--log-level", "debug")
    with seawall_process(*arguments, tmp_path=tmp_path) as seawall:
        told_to_callers = provoke(functions, seawall)
        with urllib.request.urlopen(f"{seawall.ops}/metrics", timeout=20) as response:
            metrics = response.read().decode()
        seawall.terminate()
        assert seawall.process.wait(60) == 0
        assert seawall.process.stdout is not None
        stdout = seawall.process.stdout.read()
        logged = seawall.log.read_text()

    assert len(lines(seawall.log, "call")) >= 15  # it is a log of all this
    assert "panel.v1.SettingsService/UpdateSettings" in logged
    assert "seawall_refusals_total" in metrics
    shown = [
        run_seawall(*command, *config, *upstreams).stdout
        for command in (
            ("check",),
            ("routes",),
            ("explain", "panel.v1.SettingsService/UpdateSettings"),
            ("explain", "panel.v1.SettingsService/UpdateSettings", "--format", "json"),
        )
    ]
    assert all(shown)
    places = {
        "its standard output": stdout,
        "its log": logged,
        "its log, read as JSON": "\n".join(map(str, logged_values(logged))),
        "its metrics": metrics,
        "what callers are told": "\n".join(told_to_callers),
        "what its commands show": "\n".join(shown),
    }
    found = [
        f"{what} is in {where}"
        for where, text in places.items()
        for what, secret in SECRETS.items()
        if secret in text
    ]
    assert found == []


async def test_no_secret_is_in_an_event(functions: Downstream, running: Running, settings) -> None:
    new = update(payment_secret=SECRETS["a new payment secret"])
    token = ("authorization", f"Bearer {SECRETS['a token']}")
    await settings.UpdateSettings(new, metadata=(*ROOT, token))
    functions.set_faults({"path": SETTINGS, "status": 503})
    await told(settings.UpdateSettings(new, metadata=(*ROOT, token)))
    await told(settings.UpdateSettings(new, metadata=(*ADA, token)))
    await told(settings.UpdateSettings(new))
    assert len(running.events) > 8
    text = "\n".join(map(repr, running.events))
    identities = [repr(event.call.identity) for event in running.events if hasattr(event, "call")]
    assert any("root" in identity for identity in identities)
    for secret in SECRETS.values():
        assert secret not in text
        assert not any(secret in identity for identity in identities)
