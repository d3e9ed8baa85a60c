"""What the services cost in a window, from looks at their counters."""

import json
import time

import pytest

from entrypoint.service.cost import Spent, figures, spent
from entrypoint.service.resources import MIB


def write(path, looks, service="api"):
    """Looks as (at, CPU seconds, MiB, throttled seconds, bytes)."""
    lines = [
        json.dumps(
            {"at": at, "service": service, "cpu_s": cpu, "memory": mib * MIB, "throttled_s": held, "network": size}
        )
        for at, cpu, mib, held, size in looks
    ]
    with path.open("a") as file:
        file.write("\n".join(lines) + "\n")
    return path


def test_counters_are_cut_at_the_window_and_memory_is_that_of_its_looks(tmp_path):
    looks = [(9, 1.0, 900, 0.0, 0), (10, 2.0, 100, 0.0, 1024), (11, 3.0, 110, 0.5, 2048), (12, 4.0, 120, 0.5, 2048)]
    path = write(tmp_path / "r.jsonl", [*looks, (13, 9, 500, 3, 9999)])

    found = spent(path, 9.5, 12.0)["api"]

    # Half of the first second's growth, and all of the next two.
    assert found.cpu_s == pytest.approx(0.5 + 2.0)
    assert (found.throttled_s, found.network_kib) == (pytest.approx(0.5), pytest.approx(1.5))
    assert (found.peak_mib, found.growth_mib_s) == (120, pytest.approx(10.0))


def test_a_container_that_began_anew_costs_what_it_used_since(tmp_path):
    path = write(
        tmp_path / "r.jsonl",
        [(0, 5.0, 1, None, None), (1, 6.0, 1, None, None), (2, 0.5, 1, None, None), (3, 1.5, 1, None, None)],
    )
    found = spent(path, 0.0, 3.0)["api"]
    assert found.cpu_s == pytest.approx(2.0)
    assert (found.throttled_s, found.network_kib) == (None, None)


@pytest.mark.parametrize(("begin", "end"), [(-1.0, 2.0), (0.0, 9.0), (4.0, 5.0)])
def test_where_one_was_not_looked_at_all_the_time_nothing_is_said(tmp_path, begin, end):
    looks = [(0, 1, 1, 0, 0), (1, 2, 1, 0, 0), (2, 3, 1, 0, 0)]
    whole = write(tmp_path / "r.jsonl", [(-5, 0, 1, 0, 0), *looks, (50, 9, 1, 0, 0)], service="whole")
    assert spent(write(whole, looks), begin, end) == {}


def used(**changes):
    values = {"cpu_s": 6.0, "peak_mib": 100.0, "growth_mib_s": 0.5, "throttled_s": 3.0, "network_kib": 4000.0}
    return Spent(**{**values, **changes})


def test_services_are_taken_together_but_for_how_much_the_worst_was_held_back():
    found = figures([used(), used(cpu_s=3.0, throttled_s=12.0, growth_mib_s=-0.1)], 2000, 30.0)
    assert found == {
        "cpu-per-request": pytest.approx(4.5),
        "peak-memory": 200.0,
        "memory-growth": pytest.approx(0.4 * 30 / 2000 * 1000),
        "throttled": 0.4,
        "network-per-request": 4.0,
    }


def test_what_is_not_known_of_every_service_is_no_figure():
    found = figures([used(), used(growth_mib_s=None, throttled_s=None, network_kib=None)], 2000, 30.0)
    assert set(found) == {"cpu-per-request", "peak-memory", "throttled"}
    assert figures([], 2000, 30.0) == figures([used()], 0, 30.0) == figures([used()], 5, 0.0) == {}


def test_looks_of_the_last_version_are_read(tmp_path):
    lines = [json.dumps({"at": at, "service": "api", "cpu_s": at, "memory": MIB}) for at in (0.0, 1.0, 2.0)]
    (tmp_path / "r.jsonl").write_text("\n".join(lines) + "\n")
    assert spent(tmp_path / "r.jsonl", 0.0, 2.0)["api"].cpu_s == pytest.approx(2.0)
    assert spent(tmp_path / "none.jsonl", 0.0, time.time()) == {}
