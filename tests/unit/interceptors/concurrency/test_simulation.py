"""What the limit does to a small service, and what it leaves alone; see simulation.py."""

import pytest
from unit.interceptors.concurrency.simulation import (
    Draw,
    Run,
    Simulation,
    constant,
    exponential,
    lognormal,
    spiky,
)

from gateway.core.criticality import Criticality

SERVICES = pytest.mark.parametrize(
    "draw", [constant(0.05), exponential(0.05), lognormal(0.05)], ids=["const", "exp", "logn"]
)
SEEDS = pytest.mark.parametrize("seed", [1, 2, 3])
CAPACITY = 80.0  # four servers, 50 ms
THREE = (Criticality.SHEDDABLE, Criticality.SHEDDABLE_PLUS, Criticality.CRITICAL)


def rate(run: Run, how: str, since: float, until: float) -> float:
    return run.count(how, since, until) / (until - since)


# What it leaves alone


@SEEDS
@pytest.mark.parametrize(
    ("load", "servers", "methods"),
    [
        (56.0, 4, {"get": lognormal(0.05)}),
        (35.0, 2, {"get": exponential(0.04)}),
        (11.1, 4, {"fast": constant(0.005), "slow": constant(0.5)}),
        (11.1, 4, {"fast": lognormal(0.005), "slow": lognormal(0.5)}),
        (630.0, 50, {"get": exponential(0.05)}),  # more at once than the limit begins with
    ],
    ids=["lognormal", "exponential", "mixed", "mixed-lognormal", "large"],
)
def test_nothing_is_refused_at_seven_tenths_of_capacity(load, servers, methods, seed):
    run = Simulation(load, servers, methods, seed=seed).run(20)
    assert run.count("refused") == 0
    assert run.count("served") > load * 15


def test_nine_tenths_of_a_large_service_cost_next_to_nothing():
    run = Simulation(900, 50, {"get": lognormal(0.05)}).run(20)
    assert run.count("refused") < 0.002 * len(run.ended)


@pytest.mark.parametrize("servers", [None, 4])
def test_bursts_after_idleness_are_taken_as_far_as_places_and_line_reach(servers):
    simulation = Simulation(0, servers, {"get": lognormal(0.05)})
    for second in range(10, 200, 10):
        simulation.burst(second, 32 + (64 if servers is None else 30))
    run = simulation.run(210)
    assert run.count("refused") == 0
    assert min(limit for _, limit in run.limits) >= 16
    assert len(run.ended) == run.count("served") > 1000


def test_an_idle_limit_keeps_what_it_has():
    simulation = Simulation(0, None, {"get": constant(0.05)})
    simulation.burst(1, 32)
    simulation.at(500, lambda: None)
    simulation.burst(1000, 32)
    run = simulation.run(1010)
    assert run.limits == [(0.0, 32)]


@SEEDS
def test_a_tenth_of_random_503_sheds_nobody(seed):
    small = Simulation(64, 4, {"get": lognormal(0.05)}, error_share=0.1, seed=seed).run(20)
    assert small.count("refused") == 0
    large = Simulation(1000, None, {"get": constant(0.05)}, error_share=0.1, seed=seed).run(10)
    assert large.count("refused", since=2) == 0
    assert rate(large, "served", 2, 10) > 850


@pytest.mark.parametrize("share", [0.3, 0.45])
def test_many_503_that_do_not_follow_the_limit_do_not_starve_the_others(share):
    simulation = Simulation(500, None, {"get": constant(0.05)})
    simulation.at(5, lambda: setattr(simulation, "error_share", share))
    run = simulation.run(30)
    assert rate(run, "served", 10, 30) > 500 * (1 - share) * 0.95


@pytest.mark.parametrize("load", [80, 1000])
def test_spikes_of_one_call_in_a_hundred_cut_nothing(load):
    run = Simulation(load, None, {"get": spiky(constant(0.05), 0.01, 20)}).run(20)
    limits = [limit for _, limit in run.limits]
    assert limits == sorted(limits)
    assert run.count("refused", since=2) == 0


@pytest.mark.parametrize("draw", [constant(0.05), lognormal(0.05)], ids=["const", "logn"])
@pytest.mark.parametrize("load", [80, 400, 900])
def test_an_upstream_three_times_as_slow_for_good_is_not_throttled_for_long(draw, load):
    simulation = Simulation(load, None, {"get": draw})
    simulation.at(10, lambda: setattr(simulation, "slowness", 3.0))
    run = simulation.run(25)
    assert rate(run, "served", 14, 25) > 0.93 * load
    assert run.count("refused", since=10) < 2 * load


# What it does


@SERVICES
@SEEDS
def test_half_the_capacity_is_used_to_the_full_with_a_short_queue(draw: Draw, seed):
    simulation = Simulation(0.8 * CAPACITY, 4, {"get": draw}, seed=seed)
    simulation.at(20, lambda: setattr(simulation, "servers", 2))
    run = simulation.run(60)
    assert run.count("refused", until=20) == 0
    assert rate(run, "served", 22, 60) > 0.9 * CAPACITY / 2
    assert run.most_present(0, 60) <= 64
    assert run.latency_s(0.5, 30) < 1.0
    assert run.latency_s(0.99, 30) < 2.5
    present = sorted(n for at, n in run.present if at > 30)
    assert present[len(present) // 2] <= 20


@SERVICES
@SEEDS
@pytest.mark.parametrize(("servers", "scale"), [(4, 1.0), (2, 0.5), (5, 0.5)])
def test_twice_the_capacity_serves_what_is_critical(draw: Draw, seed, servers, scale):
    capacity = servers / (0.05 * scale)

    def service(rng):
        return draw(rng) * scale

    simulation = Simulation(2 * capacity, servers, {"get": service}, criticalities=THREE, seed=seed)
    run = simulation.run(30)
    assert rate(run, "served", 2, 30) > 0.9 * capacity
    assert run.share("served", 2, 30, Criticality.CRITICAL) > 0.98
    assert run.share("served", 2, 30, Criticality.SHEDDABLE) < 0.2
    assert run.latency_s(0.5, 10) < 0.6


@SERVICES
@pytest.mark.parametrize("servers", [4, 1])
def test_an_upstream_that_comes_back_is_led_up_slowly_and_soon_fully_used(draw: Draw, servers):
    simulation = Simulation(0.9 * CAPACITY, 4, {"get": draw}, deadline_s=2)

    def come_back() -> None:
        simulation.hangs = False
        simulation.servers = servers
        simulation.restart()

    simulation.at(10, lambda: setattr(simulation, "hangs", True))
    simulation.at(15, come_back)
    run = simulation.run(25)
    assert run.limits_between(15, 15.001)[-1] == 1
    answered_at = min(one.ended_at for one in run.of("served", 15))
    assert run.most_present(15, answered_at) == 1  # one at a time, until it was answered
    assert run.most_present(15, 17) <= 4 * servers + 4
    wanted = min(0.9 * CAPACITY, CAPACITY * servers / 4)
    assert rate(run, "served", 17, 25) > 0.85 * wanted


@SERVICES
def test_an_upstream_slower_since_its_outage_is_led_up_too(draw: Draw):
    simulation = Simulation(300, None, {"get": draw}, deadline_s=2)

    def come_back() -> None:
        simulation.hangs = False
        simulation.slowness = 3.0
        simulation.restart()

    simulation.at(10, lambda: setattr(simulation, "hangs", True))
    simulation.at(15, come_back)
    run = simulation.run(35)
    assert rate(run, "served", 25, 35) > 0.9 * 300


@pytest.mark.parametrize("draw", [exponential(0.05), lognormal(0.05)], ids=["exp", "logn"])
@SEEDS
def test_timeouts_that_leave_work_behind_do_not_end_in_collapse(draw: Draw, seed):
    # What is not answered in 0.6 s goes on keeping the upstream busy, for nobody.
    run = Simulation(2 * CAPACITY, 4, {"get": draw}, deadline_s=0.6, seed=seed).run(30)
    assert rate(run, "served", 8, 30) > 0.9 * CAPACITY
    assert rate(run, "late", 8, 30) < 0.1 * CAPACITY


def test_an_upstream_that_hung_is_found_again_without_a_restart():
    simulation = Simulation(60, 4, {"get": exponential(0.05)}, deadline_s=1)
    simulation.at(5, lambda: setattr(simulation, "hangs", True))
    simulation.at(15, lambda: setattr(simulation, "hangs", False))
    run = simulation.run(30)
    assert rate(run, "served", 19, 30) > 0.95 * 60
