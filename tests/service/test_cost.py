"""What the services cost in a window, from looks at their counters."""

import json
import time

import pytest

from entrypoint.service.cost import spent
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


def test_looks_of_the_last_version_are_read(tmp_path):
    lines = [json.dumps({"at": at, "service": "api", "cpu_s": at, "memory": MIB}) for at in (0.0, 1.0, 2.0)]
    (tmp_path / "r.jsonl").write_text("\n".join(lines) + "\n")
    assert spent(tmp_path / "r.jsonl", 0.0, 2.0)["api"].cpu_s == pytest.approx(2.0)
    assert spent(tmp_path / "none.jsonl", 0.0, time.time()) == {}
