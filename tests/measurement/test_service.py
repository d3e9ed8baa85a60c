"""The service's own figures, from what its services used and how it started."""

import pytest

from entrypoint.measurement.metrics import METRICS, SERVICE
from entrypoint.measurement.model import EndpointMeasurement
from entrypoint.measurement.service import figures_of_images, figures_of_start, figures_of_use, ran_out
from entrypoint.service.cost import Spent
from tests.judgement.building import several


def used(**changes):
    values = {"cpu_s": 6.0, "peak_mib": 100.0, "final_mib": 90.0, "growth_mib_s": 0.5, "throttled_s": 3.0}
    counted = {"network_kib": 4000.0, "disk_kib": 500.0, "stalled_s": {"cpu": 3.0}}
    return Spent(**{**values, **counted, **changes})


def test_services_are_taken_together_but_for_how_much_the_worst_was_held_back():
    found = figures_of_use(
        [used(), used(cpu_s=3.0, throttled_s=12.0, growth_mib_s=-0.1, stalled_s={"cpu": 6.0, "memory": 1.5})],
        2000,
        30.0,
    )
    assert found == {
        "cpu-per-request": pytest.approx(4.5),
        "peak-memory": 200.0,
        "final-memory": 180.0,
        "memory-growth": pytest.approx(0.4 * 30 / 2000 * 1000),
        "throttled": 0.4,
        "network-per-request": 4.0,
        "disk-per-request": 0.5,
        "cpu-pressure": 0.2,
        "memory-pressure": 0.05,
    }


def test_what_is_not_known_of_every_service_is_no_figure():
    found = figures_of_use(
        [used(), used(growth_mib_s=None, throttled_s=None, network_kib=None, disk_kib=None, stalled_s={})], 2000, 30.0
    )
    assert set(found) == {"cpu-per-request", "peak-memory", "final-memory", "throttled", "cpu-pressure"}
    assert "throttled" not in figures_of_use([used(throttled_s=None)], 2000, 30.0)
    assert figures_of_use([], 2000, 30.0) == figures_of_use([used()], 0, 30.0) == figures_of_use([used()], 5, 0.0) == {}


def test_a_start_is_counted_until_it_is_ready_and_a_fast_first_answer_is_no_penalty():
    assert figures_of_start(2.5, 120.0, 20.0) == {"time-to-ready": 2500.0, "first-answer-penalty": 100.0}
    assert figures_of_start(2.5, 19.0, 20.0)["first-answer-penalty"] == 0.0


@pytest.mark.parametrize(
    ("services", "generator", "words"),
    [
        (
            {"ml-1": used(cpu_s=3.0, throttled_s=6.0)},
            0.2,
            "Its own CPU limit held `ml-1` back in 60 % of the time, at 0.30",
        ),
        (
            {"a": used(cpu_s=9.0, throttled_s=0.0), "b": used(cpu_s=6.0, throttled_s=None)},
            0.4,
            "used 1.50 and the load",
        ),
        ({"api": used(cpu_s=9.8, throttled_s=0.0)}, 0.2, "One core: `api` used 0.98"),
        ({"api": used(cpu_s=2.0, throttled_s=0.5)}, 0.2, "Not the processors: the services used 0.20 of 2 cores"),
        (
            {"a": used(throttled_s=2.0, stalled_s={}), "b": used(throttled_s=0.0, stalled_s={"memory": 4.0})},
            0.2,
            "Memory: `b` waited for it in 40 % of the time, at 100 MiB.",
        ),
        ({"a": used(throttled_s=5.0, stalled_s={"memory": 4.0})}, 0.2, "Its own CPU limit held `a` back in 50 %"),
        ({"a": used(cpu_s=2.0, throttled_s=0.0, stalled_s={"memory": 0.9})}, 0.2, "Not the processors"),
        (
            {"a": used(throttled_s=None, stalled_s={"machine-memory": 3.0})},
            0.2,
            "Memory of the machine: something on it waited for memory in 30 % of the time.",
        ),
        ({}, 0.2, ""),
    ],
)
def test_what_ran_out_is_what_there_was_no_more_of(services, generator, words):
    said = ran_out(services, 10.0, 2, generator)
    assert words in said
    assert bool(words) == bool(said)


def test_images_that_nobody_can_tell_the_size_of_have_no_figure():
    assert figures_of_images(3 * 2**19) == {"image-size": 1.5}
    assert figures_of_images(None) == {}


@pytest.mark.parametrize("kinds", [{"cpu": 1.0, "memory": 1.0}, {"machine-cpu": 1.0, "machine-memory": 1.0}])
def test_every_figure_of_use_is_a_metric_of_the_service(kinds):
    assert all(METRICS[key].is_of(SERVICE) for key in figures_of_use([used(stalled_s=kinds)], 2000, 30.0))


def test_successes_are_those_of_all_endpoints():
    ends = [
        EndpointMeasurement(requests=n, failures=f, outcomes={}, metrics={}, quantiles={}) for n, f in ((9, 2), (5, 5))
    ]
    assert several({"GET /a": ends[0], "GET /b": ends[1]}).successes == 7
