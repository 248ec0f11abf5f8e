"""Row B5: what holds for all of the shop. A configuration that is wrong does not start; lines
have correlation ids; operators and cron authenticate like everybody else; requests have a
size; and what alerts are raised by is counted."""

import json
import re
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from commerce.v1 import (
    cron_pb2,
    cron_pb2_grpc,
    emails_pb2,
    emails_pb2_grpc,
    webhooks_pb2_grpc,
)
from fakes.clock import FakeClock, FakeRng
from google.longrunning import operations_pb2, operations_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client.parser import text_string_to_metric_families
from scenarios.answers import told
from scenarios.downstreams import Downstream, eventually
from scenarios.gateways import as_, descriptors, gateway_over, key_of, lines
from scenarios.shop import PAYMENTS, config, event, request, stripe
from seawall.admin.v1 import admin_pb2, admin_pb2_grpc
from support.gateways import GatewayProcess, Running, run_seawall, seawall_process

from gateway.core.clock import SystemClock

Code = grpc.StatusCode

ROOT = Path(__file__).parents[2]
CRON = "/cron/retry-emails"
JOB = cron_pb2.RunJobRequest(job="retry-emails")
SCHEDULER = as_("scheduler")
RUNS = 10


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def running(commerce: Downstream, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Running]:
    urls, rng = {"shop": commerce.url}, FakeRng([0.0])
    text = config(tmp_path)
    async with gateway_over(
        "commerce", urls, tmp_path, clock=clock, rng=rng, config=text
    ) as running:
        yield running


@pytest.fixture
def cron(running: Running) -> cron_pb2_grpc.CronServiceStub:
    return cron_pb2_grpc.CronServiceStub(running.channel)


IMPATIENT = "  commerce.v1.EmailService: {methods: {Send: {operation: {initial_delay: 0.05s}}}}"
"""YAML: three attempts do not take ten minutes."""


@pytest.fixture
def seawall(commerce: Downstream, tmp_path: Path) -> Iterator[GatewayProcess]:
    """A gateway as people start it."""
    path = tmp_path / "seawall.yaml"
    path.write_text(
        f"descriptor_set: {descriptors('commerce')}\nadmin: {{enabled: true}}\n"
        f"{config(tmp_path, IMPATIENT)}"
    )
    upstreams = (f"--upstream={name}={commerce.url}" for name in ("shop", "mailer"))
    arguments = ("--config", str(path), *upstreams, "--log-format", "json")
    with seawall_process(*arguments, tmp_path=tmp_path) as seawall:
        yield seawall


# Configuration

WRONG = """\
descriptor_set: {descriptors}
identity:
  providers:
    keys:
      api_keys:
        keys:
          - {{caller: scheduler, sha256: the-key-itself-8Kd02, roles: [cron]}}
services:
  commerce.v1.CronService:
    policy:
      auth: {{providers: [kyes]}}
      rate_limits:
        runs: {{requests: 0}}
  commerce.v1.WebhookService:
    methods:
      Deliver:
        webhook:
          secrets: [short-8Kd02]
          tolerance: 0s
  commerce.v1.CartService:
    policy: {{deadline: {{default: 5s}}}}
upstreams:
  shop: {{url: "ftp://shop.example"}}
"""
MISTAKES = [
    (7, "identity.providers.keys.api_keys.keys[0].sha256: must be the SHA-256 of the key"),
    (11, "services.commerce.v1.CronService.policy.auth.providers[0]: there is no identity"),
    (13, "services.commerce.v1.CronService.policy.rate_limits.runs.requests: must be at least 1"),
    (18, "services.commerce.v1.WebhookService.methods.Deliver.webhook.secrets[0]: is shorter"),
    (19, "services.commerce.v1.WebhookService.methods.Deliver.webhook.tolerance: must be more"),
    (20, "services.commerce.v1.CartService: there is no service 'commerce.v1.CartService'"),
    (23, "upstreams.shop.url: 'ftp://shop.example': the scheme must be http or https"),
]


@pytest.mark.parametrize("command", ["check", "serve"])
def test_every_mistake_is_told_at_once_with_its_line_and_nothing_is_served(
    tmp_path: Path, command: str
) -> None:
    path = tmp_path / "seawall.yaml"
    path.write_text(WRONG.format(descriptors=descriptors("commerce")))
    done = run_seawall(command, "--config", str(path))
    assert done.returncode == 1
    assert done.stdout == ""
    said = done.stderr.splitlines()
    for line, text in MISTAKES:
        assert any(one.startswith(f"seawall: {path}:{line}: {text}") for one in said), text
    assert len(said) == len(MISTAKES)
    assert "8Kd02" not in done.stderr  # what is wrong with a secret is told without it


def test_words_that_mean_nothing_are_told_with_what_was_meant(tmp_path: Path) -> None:
    path = tmp_path / "seawall.yaml"
    text = config(tmp_path).replace("roles: [operator]", "role: [operator]")
    path.write_text(f"descriptor_set: {descriptors('commerce')}\n{text}")
    done = run_seawall("check", "--config", str(path))
    assert done.returncode == 1
    number = 1 + next(i for i, one in enumerate(path.read_text().splitlines()) if "role:" in one)
    assert f"{path}:{number}: " in done.stderr
    assert "did you mean 'roles'?" in done.stderr


def test_a_secret_that_is_not_there_is_a_mistake_and_no_empty_secret(tmp_path: Path) -> None:
    path = tmp_path / "seawall.yaml"
    text = config(tmp_path).replace('"file:new.secret"', "'${SHOP_SECRET_NOT_SET}'")
    text = text.replace("file:parcels.secret", "file:gone.secret")
    path.write_text(f"descriptor_set: {descriptors('commerce')}\n{text}")
    done = run_seawall("serve", "--config", str(path))
    assert done.returncode == 1
    assert "the environment variable SHOP_SECRET_NOT_SET is not set" in done.stderr
    assert "gone.secret cannot be read" in done.stderr
    assert done.stderr.count(f"{path}:") >= 2


# Correlation


def test_a_request_id_is_in_the_line_of_the_call_and_with_the_shop(
    commerce: Downstream, seawall: GatewayProcess
) -> None:
    with grpc.insecure_channel(seawall.address) as channel:
        cron = cron_pb2_grpc.CronServiceStub(channel)
        webhooks = webhooks_pb2_grpc.WebhookServiceStub(channel)
        body = event()
        cron.RunJob(JOB, metadata=(*SCHEDULER, ("x-request-id", "job-17")), timeout=20)
        signed = stripe(body, SystemClock().wall())
        webhooks.Deliver(request(body), metadata=(*signed, ("x-request-id", "evt-18")), timeout=20)
        with pytest.raises(grpc.RpcError):
            cron.RunJob(JOB, metadata=(("x-request-id", "job-19"),), timeout=20)
    seawall.terminate()
    assert seawall.process.wait(60) == 0
    told_of = {line["request_id"]: line for line in lines(seawall.log, "call")}
    assert set(told_of) == {"job-17", "evt-18", "job-19"}
    assert told_of["job-17"]["method"] == "commerce.v1.CronService/RunJob"
    assert told_of["job-17"]["caller"] == "keys:scheduler"
    assert "caller" not in told_of["evt-18"]
    assert (told_of["job-19"]["code"], told_of["job-19"]["reason"]) == (
        "UNAUTHENTICATED",
        "UNAUTHENTICATED",
    )
    ids = [one.headers.get("x-request-id") for one in commerce.received()]
    assert ids == ["job-17", "evt-18"]


def test_an_id_made_to_fool_readers_of_the_log_is_one_line(
    seawall: GatewayProcess,
) -> None:
    with grpc.insecure_channel(seawall.address) as channel:
        cron = cron_pb2_grpc.CronServiceStub(channel)
        long = 'a"},{"event":"call' + "x" * 500
        cron.RunJob(JOB, metadata=(*SCHEDULER, ("x-request-id", long)), timeout=20)
    seawall.terminate()
    assert seawall.process.wait(60) == 0
    (line,) = lines(seawall.log, "call")
    assert line["request_id"] == long[:128]


# Who may


async def test_cron_callers_authenticate_like_everybody_else(
    commerce: Downstream, cron, running: Running
) -> None:
    refusals = {
        (): Code.UNAUTHENTICATED,
        (("x-api-key", "made-up"),): Code.UNAUTHENTICATED,
        (("x-cron", "true"), ("x-forwarded-for", "127.0.0.1")): Code.UNAUTHENTICATED,
        as_("ada"): Code.PERMISSION_DENIED,
        as_("keeper"): Code.PERMISSION_DENIED,
    }
    for who, code in refusals.items():
        assert (await told(cron.RunJob(JOB, metadata=who))).code == code
    assert commerce.stats()["total"] == 0
    run = await cron.RunJob(JOB, metadata=SCHEDULER)
    assert (run.job, run.items > 0) == ("retry-emails", True)
    (received,) = commerce.received()
    assert key_of("scheduler") not in json.dumps(received.headers)


async def test_the_gateways_own_services_are_for_operators(running: Running) -> None:
    admin = admin_pb2_grpc.AdminServiceStub(running.channel)
    asked = admin_pb2.ListUpstreamsRequest()
    assert (await told(admin.ListUpstreams(asked))).code == Code.UNAUTHENTICATED
    for who in (SCHEDULER, as_("ada")):
        refused = await told(admin.ListUpstreams(asked, metadata=who))
        assert refused.code == Code.PERMISSION_DENIED
        assert "'operator'" in refused.message
    answer = await admin.ListUpstreams(asked, metadata=as_("keeper"))
    assert [found.name for found in answer.upstreams] == ["mailer", "shop"]


async def test_health_is_nobodys_exception_unless_somebody_says_so(
    running: Running, commerce: Downstream, tmp_path: Path
) -> None:
    asked = health_pb2.HealthCheckRequest()
    health = health_pb2_grpc.HealthStub(running.channel)
    assert (await told(health.Check(asked))).code == Code.UNAUTHENTICATED
    open_ = config(tmp_path, "  grpc.health.v1.Health: {policy: {auth: {mode: NONE}}}")
    async with gateway_over("commerce", {"shop": commerce.url}, tmp_path, config=open_) as other:
        answer = await health_pb2_grpc.HealthStub(other.channel).Check(asked)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_a_scheduler_that_runs_wild_is_held_back(
    commerce: Downstream, cron, clock: FakeClock
) -> None:
    for _ in range(RUNS):
        await cron.RunJob(JOB, metadata=SCHEDULER)
    refused = await told(cron.RunJob(JOB, metadata=SCHEDULER))
    assert refused.code == Code.RESOURCE_EXHAUSTED
    assert refused.metadata["ratelimit-policy"] == '"runs";q=10;w=60'
    clock.advance(refused.retry_delay_s)
    await cron.RunJob(JOB, metadata=SCHEDULER)
    assert commerce.seen(f"POST {CRON}") == RUNS + 1


# Sizes


async def test_requests_are_as_large_as_they_have_reason_to_be(
    commerce: Downstream, running: Running, cron, clock: FakeClock
) -> None:
    large = await told(cron.RunJob(cron_pb2.RunJobRequest(job="x" * 5_000), metadata=SCHEDULER))
    assert large.code == Code.RESOURCE_EXHAUSTED
    assert {reason for _, reason in large.reasons} == {"REQUEST_TOO_LARGE"}
    assert "at most 4096" in large.message
    webhooks = webhooks_pb2_grpc.WebhookServiceStub(running.channel)
    body = event(note="x" * 100_000)
    await webhooks.Deliver(request(body), metadata=stripe(body, clock.wall()))
    body = event(note="x" * 400_000)
    large = await told(webhooks.Deliver(request(body), metadata=stripe(body, clock.wall())))
    assert large.code == Code.RESOURCE_EXHAUSTED
    assert [one.path for one in commerce.received()] == [PAYMENTS]


# Alerts


def rules() -> list[dict[str, Any]]:
    path = ROOT / "deployments" / "alerts" / "seawall.rules.yml"
    groups = yaml.safe_load(path.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


SELECTOR = re.compile(r"(seawall_[a-z_]+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'([a-z_]+)(=~|=)"([^"]*)"')


def selectors(expression: str) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """Yield the metrics of an expression with what their labels must be."""
    for name, labels in SELECTOR.findall(expression):
        yield name, MATCHER.findall(labels)


def fits(labels: dict[str, str], matchers: list[tuple[str, str, str]]) -> bool:
    return all(
        name in labels
        and (labels[name] == value if kind == "=" else re.fullmatch(value, labels[name]))
        for name, kind, value in matchers
    )


def test_alerts_have_names_words_and_a_severity() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names)) >= 8
    for rule in rules():
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert set(rule["annotations"]) == {"summary", "description"}
        assert list(selectors(rule["expr"]))


HAPPENS_ELSEWHERE = {"seawall_store_available", "seawall_material_reads_total"}
"""Of a shared store and of files that change: this gateway has none of the two."""


def provoke(commerce: Downstream, seawall: GatewayProcess) -> None:
    """Let everything happen that alerts are for."""
    with grpc.insecure_channel(seawall.address) as channel:
        cron = cron_pb2_grpc.CronServiceStub(channel)
        webhooks = webhooks_pb2_grpc.WebhookServiceStub(channel)
        body = event()

        def failed(method, message, metadata) -> Code:
            with pytest.raises(grpc.RpcError) as caught:
                method(message, metadata=metadata, timeout=20)
            return caught.value.code()

        for _ in range(RUNS):
            cron.RunJob(JOB, metadata=SCHEDULER, timeout=20)
        assert failed(cron.RunJob, JOB, SCHEDULER) == Code.RESOURCE_EXHAUSTED
        assert failed(cron.RunJob, JOB, ()) == Code.UNAUTHENTICATED
        assert failed(webhooks.Deliver, request(body), ()) == Code.UNAUTHENTICATED
        commerce.set_faults({"path": PAYMENTS, "status": 503}, {"path": "/emails", "status": 500})
        email = emails_pb2.SendRequest(to="ann@example.com", subject="s", text="t")
        begun = emails_pb2_grpc.EmailServiceStub(channel).Send(
            email, metadata=SCHEDULER, timeout=20
        )
        wait = operations_pb2.WaitOperationRequest(name=begun.name)
        assert (
            operations_pb2_grpc.OperationsStub(channel)
            .WaitOperation(wait, metadata=SCHEDULER, timeout=20)
            .done
        )
        for number in range(6):  # five of them open the breaker
            body = event(f"evt_{number}")
            signed = stripe(body, SystemClock().wall())
            assert failed(webhooks.Deliver, request(body), signed) == Code.UNAVAILABLE


async def test_every_alert_asks_for_what_is_exported_and_what_happens_is_seen_by_it(
    commerce: Downstream, seawall: GatewayProcess
) -> None:
    provoke(commerce, seawall)

    def page() -> str:
        with urllib.request.urlopen(f"{seawall.ops}/metrics", timeout=20) as response:
            return response.read().decode()

    text = page()
    families = list(text_string_to_metric_families(text))
    # A counter's family has its name without "_total".
    exported = {name for f in families for name in (f.name, f"{f.name}_total")}
    values = [sample for family in families for sample in family.samples]
    for rule in rules():
        for name, matchers in selectors(rule["expr"]):
            assert name in exported, rule["alert"]
            if name in HAPPENS_ELSEWHERE:
                continue
            seen = [v for v in values if v.name == name and fits(v.labels, matchers)]
            assert seen, (rule["alert"], name, matchers)
            if name != "seawall_upstream_reachable":  # which says that all is well
                assert sum(v.value for v in seen) > 0, rule["alert"]


async def test_the_breaker_of_the_shop_opens_after_five_failures(
    commerce: Downstream, running: Running, clock: FakeClock
) -> None:
    commerce.set_faults({"path": PAYMENTS, "status": 503})
    webhooks = webhooks_pb2_grpc.WebhookServiceStub(running.channel)
    for number in range(5):
        body = event(f"evt_{number}")
        await told(webhooks.Deliver(request(body), metadata=stripe(body, clock.wall())))
    await eventually(lambda: commerce.idle)
    body = event("evt_6")
    refused = await told(webhooks.Deliver(request(body), metadata=stripe(body, clock.wall())))
    assert {reason for _, reason in refused.reasons} == {"BREAKER_OPEN"}
    assert commerce.seen(f"POST {PAYMENTS}") == 5
