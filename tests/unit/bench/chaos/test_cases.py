"""The cases, and the settings beside them."""

import json
import subprocess

import pytest
import yaml

from bench.chaos.calls import arrivals
from bench.chaos.cases import CASES
from bench.chaos.contestants import CONTESTANTS, SETTINGS, settings
from bench.chaos.envoy_settings import configuration
from bench.contenders import envoy
from bench.order import make_order
from gateway.config.document import read_document

LETTERS = [case.letter for case in CASES]
by_case = pytest.mark.parametrize("case", CASES, ids=LETTERS)


@pytest.fixture(scope="module")
def descriptor_set(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend("")  # puts sys.path back afterwards
        yield make_order(tmp_path_factory.mktemp("order"), seed=1).descriptor_set


def test_there_are_ten_cases():
    assert "".join(LETTERS) == "abcdefghij"


@by_case
def test_no_upstream_can_do_more_than_a_quarter_of_what_the_usual_stack_can(case):
    # Which is 450 calls a second on the slowest machine that was tried.
    assert case.capacity.per_s * case.endpoints <= 450 / 4


@by_case
def test_faults_lie_within_the_run_and_leave_time_before_and_after(case):
    begins_s, ends_s = case.fault_s
    assert 0 <= begins_s < case.seconds
    if ends_s is not None:
        assert begins_s >= 3
        assert case.seconds - ends_s >= 4
    assert all(0 <= edge <= case.seconds for edge in case.plan(1).edges())


@by_case
def test_a_shorter_run_has_the_same_faults_in_proportion(case):
    half = case.lasting(case.seconds / 2)
    assert half.plan(1).edges() == [edge / 2 for edge in case.plan(1).edges()]
    assert half.fault_s[0] == case.fault_s[0] / 2
    assert half.lasting(case.seconds) == case


def test_criticalities_come_in_equal_shares():
    case = next(case for case in CASES if len(case.classes) == 3)
    said = [arrival.criticality for arrival in arrivals(case, 1)]
    assert all(0.28 < said.count(name) / len(said) < 0.39 for name in case.classes)


@by_case
def test_arrivals_come_at_the_rate_of_the_case(case):
    found = arrivals(case, 1)
    assert len(found) / case.seconds == pytest.approx(case.per_s, rel=0.15)
    assert all(0 < arrival.at_s < case.seconds for arrival in found)
    assert len({arrival.call for arrival in found}) == len(found)


def test_every_case_has_settings_for_everybody_and_there_are_no_others():
    wanted = {
        f"{letter}.{name}.yaml" for letter in LETTERS for name in ("seawall", "envoy", "usual")
    }
    assert {path.name for path in SETTINGS.iterdir()} == wanted


@by_case
def test_seawalls_settings_are_understood(case):
    read_document(settings(case, "seawall"))  # raises ConfigError, with every mistake


@by_case
def test_the_usual_stacks_settings_are_complete(case, descriptor_set):
    from bench.chaos.usual_stack import read_settings  # needs the stubs beside the descriptor set

    assert read_settings(settings(case, "usual")).attempts >= 1


@by_case
@pytest.mark.skipif(envoy.find_envoy() is None, reason=envoy.MISSING)
def test_envoys_settings_are_valid(case, descriptor_set):
    ports = [8080 + number for number in range(case.endpoints)]
    config = configuration(
        settings(case, "envoy"), descriptor_set=str(descriptor_set), port=50051, endpoints=ports
    )
    found = envoy.find_envoy()
    assert found is not None
    checked = subprocess.run(
        [found, "--mode", "validate", "--config-yaml", json.dumps(config), "--log-level", "error"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


def test_every_envoy_cluster_has_every_endpoint(descriptor_set):
    case = next(case for case in CASES if case.letter == "f")
    config = configuration(
        settings(case, "envoy"), descriptor_set=str(descriptor_set), port=1, endpoints=[2, 3]
    )
    clusters = config["static_resources"]["clusters"]
    assert len({cluster["name"] for cluster in clusters}) == 3
    for cluster in clusters:
        assignment = cluster["load_assignment"]
        assert assignment["cluster_name"] == cluster["name"]
        assert len(assignment["endpoints"][0]["lb_endpoints"]) == 2


def test_a_setting_of_envoys_that_is_not_known_is_an_error(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text(yaml.safe_dump({"clusters": {}}))
    with pytest.raises(ValueError, match="clusters is not one of"):
        configuration(path, descriptor_set="x", port=1, endpoints=[2])


def test_seawall_is_started_with_every_endpoint_and_its_file(descriptor_set, tmp_path):
    files = type("Files", (), {"descriptor_set": descriptor_set, "prepared": tmp_path})()
    seawall, defaults = CONTESTANTS[:2]
    case = CASES[1]
    command = defaults.start(case, [1001, 1002, 1003], files).command
    assert "http://127.0.0.1:1001,127.0.0.1:1002,127.0.0.1:1003" in command
    assert "--config" not in command
    assert seawall.start(case, [1001], files).command[-1] == str(settings(case, "seawall"))
