"""What deployments/ starts is what the gateway takes."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config.checks import seconds
from gateway.config.document import Document

from .conftest import Given, get

ROOT = Path(__file__).parents[3]
DEPLOYMENTS = ROOT / "deployments"
CLOSING_S = 5


@pytest.fixture(scope="module")
def objects() -> dict[str, Any]:
    text = (DEPLOYMENTS / "kubernetes.yaml").read_text()
    found = {one["kind"]: one for one in yaml.safe_load_all(text)}
    assert {"ConfigMap", "Deployment", "Service"} <= set(found)
    return found


@pytest.fixture
def container(objects: dict[str, Any]) -> dict[str, Any]:
    (container,) = objects["Deployment"]["spec"]["template"]["spec"]["containers"]
    found: dict[str, Any] = container
    return found


def environ(container: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in container["env"]}


@pytest.fixture
def document(objects: dict[str, Any], container: dict[str, Any], given: Given) -> Document:
    return given.document(objects["ConfigMap"]["data"]["seawall.yaml"], environ(container))


def test_the_configuration_serves_any_api_of_one_upstream(
    objects: dict[str, Any], container: dict[str, Any], given: Given
) -> None:
    text = objects["ConfigMap"]["data"]["seawall.yaml"]
    protos = "service Any {\n" + get("Get") + "}\n"
    served = given.served(protos, text, upstreams={}, environ=environ(container))
    assert served.upstreams["default"].policy.url == environ(container)["UPSTREAM_URL"]


def test_the_pod_outlives_the_drain(objects: dict[str, Any], document: Document) -> None:
    pod = objects["Deployment"]["spec"]["template"]["spec"]
    drain = document.config.drain
    assert pod["terminationGracePeriodSeconds"] == (
        seconds(drain.wait) + seconds(drain.grace) + CLOSING_S
    )


def test_an_unready_pod_is_noticed_before_the_drain_goes_on(
    container: dict[str, Any], document: Document
) -> None:
    probe = container["readinessProbe"]
    noticed_s = probe["periodSeconds"] * probe["failureThreshold"] + probe["timeoutSeconds"]
    assert noticed_s * 2 < seconds(document.config.drain.wait)


def test_ports_and_probes_are_those_of_the_configuration(
    objects: dict[str, Any], container: dict[str, Any], document: Document
) -> None:
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    callers, probes = document.config.listeners
    assert callers.listen == f"0.0.0.0:{ports['grpc']}"
    assert probes.listen == f"0.0.0.0:{ports['probes']}"
    assert list(probes.services) == ["grpc.health.v1.Health"]
    assert document.config.ops_listen == f"0.0.0.0:{ports['ops']}"
    assert container["readinessProbe"]["grpc"]["port"] == ports["probes"]
    for probe, path in (("livenessProbe", "/livez"), ("startupProbe", "/readyz")):
        assert container[probe]["httpGet"] == {"path": path, "port": "ops"}
    (port,) = objects["Service"]["spec"]["ports"]
    assert port["targetPort"] == "grpc"
    labels = objects["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert objects["Service"]["spec"]["selector"].items() <= labels.items()


def test_what_the_configuration_names_is_mounted(
    objects: dict[str, Any], container: dict[str, Any], document: Document
) -> None:
    mounts = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    config = container["args"][container["args"].index("--config") + 1]
    assert Path(config).parent == Path(mounts["config"])
    named = Path(config).parent / document.config.descriptor_set
    assert os.path.normpath(named.parent) == mounts["protos"]
    volumes = objects["Deployment"]["spec"]["template"]["spec"]["volumes"]
    assert {volume["name"] for volume in volumes} == set(mounts)


def test_the_image_runs_as_nobody_in_particular(objects: dict[str, Any]) -> None:
    text = (DEPLOYMENTS / "Dockerfile").read_text()
    (user,) = re.findall(r"^USER (\d+):(\d+)$", text, re.MULTILINE)
    pod = objects["Deployment"]["spec"]["template"]["spec"]["securityContext"]
    assert (pod["runAsNonRoot"], str(pod["runAsUser"]), str(pod["runAsGroup"])) == (True, *user)
    assert int(user[0]) > 0


def test_the_image_is_built_from_what_the_repository_has() -> None:
    text = (DEPLOYMENTS / "Dockerfile").read_text()
    copied = [
        name
        for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.MULTILINE)
        for name in line.split()[:-1]
    ]
    assert "gateway" in copied
    kept = (DEPLOYMENTS / "Dockerfile.dockerignore").read_text().split()
    for name in copied:
        assert (ROOT / name).exists()
        assert f"!{name}" in kept
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) == {"python:3.11-slim"}
