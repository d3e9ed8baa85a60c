"""What the services cost in a window, from looks at their counters."""

import json
import time

import pytest

from entrypoint.service.cost import cpu_of_turn, spent
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


@pytest.mark.parametrize("seconds", [15, 2000])
def test_what_a_few_looks_alone_met_is_no_growth_of_memory(tmp_path, seconds):
    """A healthcheck's process, at the beginning of one run and at the end of another, on a leak of 10 KiB a second."""
    for spike in (2, seconds - 1):
        looks = [(at, at, 74 + at * 10 / 1024 + (9 if at == spike else 0), 0, 0) for at in range(seconds + 1)]
        path = write(tmp_path / f"{spike}.jsonl", looks)
        assert spent(path, 0, seconds)["api"].growth_mib_s == pytest.approx(10 / 1024)


def test_disks_and_waiting_grow_in_the_window_and_the_last_memory_is_that_of_its_end(tmp_path):
    lines = [
        {"at": at, "service": "api", "cpu_s": 0.0, "memory": mib * MIB, "disk": disk, "stalled_s": {"cpu": waited}}
        for at, mib, disk, waited in [(0, 50, 0, 0.0), (1, 90, 1024, 0.5), (2, 60, 2048, 0.5), (3, 70, 9999, 0.9)]
    ]
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    found = spent(tmp_path / "r.jsonl", 0.5, 2.5)["api"]

    assert (found.peak_mib, found.final_mib) == (90, 60)
    assert found.disk_kib == pytest.approx(0.5 + 1 + 0.5 * 7951 / 1024)
    assert found.stalled_s == {"cpu": pytest.approx(0.25 + 0.2)}


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
    found = spent(tmp_path / "r.jsonl", 0.0, 2.0)["api"]
    assert (found.cpu_s, found.disk_kib, found.stalled_s) == (pytest.approx(2.0), None, {})
    assert spent(tmp_path / "none.jsonl", 0.0, time.time()) == {}


IDLE = {"idle_before": True, "idle_after": True}


def counter(*pieces, every=0.1, begin=100.0):
    """Looks at a counter that grows by so many cores for so many seconds, (cores, seconds) each."""
    steps = [cores * every for cores, seconds in pieces for _ in range(round(seconds / every))]
    return [(begin + number * every, sum(steps[:number])) for number in range(len(steps) + 1)]


def test_a_turn_between_two_of_another_target_has_all_that_was_used_in_it():
    """Its ends lie between two looks: on the line between them a part of what it used would be missing."""
    looks = counter((0, 1.0), (0.4, 1.0), (0, 1.0))
    for begin, end in ((101.0, 102.0), (100.93, 102.07)):
        assert cpu_of_turn({"api": looks}, begin, end, **IDLE) == pytest.approx(0.4)
    assert cpu_of_turn({"api": looks}, 100.93, 102.07, idle_before=False, idle_after=False) == pytest.approx(0.4)
    assert cpu_of_turn({"api": looks}, 101.05, 101.95, idle_before=False, idle_after=False) == pytest.approx(0.36)
    assert cpu_of_turn({"api": looks}, 101.05, 101.95, **IDLE) == pytest.approx(0.4)


def test_two_turns_in_a_row_share_what_was_used_in_both_and_lose_nothing():
    looks = counter((0, 1.0), (0.4, 2.0), (0, 1.0))
    first = cpu_of_turn({"api": looks}, 101.0, 101.73, idle_before=True, idle_after=False)
    second = cpu_of_turn({"api": looks}, 101.73, 103.0, idle_before=False, idle_after=True)
    assert (first, second) == (pytest.approx(0.73 * 0.4), pytest.approx(1.27 * 0.4))


def test_what_a_service_uses_in_anothers_turn_is_left_out():
    looks = counter((0.05, 3.0), (0.4, 1.0), (0.05, 3.0))
    assert cpu_of_turn({"api": looks}, 103.0, 104.0, **IDLE) == pytest.approx(0.4, abs=0.011)


def test_all_services_of_a_target_count():
    looks = {"api": counter((0.4, 3.0)), "database": counter((0.2, 3.0))}
    assert cpu_of_turn(looks, 101.0, 102.0, idle_before=False, idle_after=False) == pytest.approx(0.6)


def without(looks, begin, end):
    return [look for look in looks if not begin < look[0] < end]


@pytest.mark.parametrize(
    "looks",
    [
        {},
        {"api": counter((0.4, 1.9))},  # it ended in the turn
        {"api": counter((0.4, 3.0), begin=101.5)},
        {"api": without(counter((0.4, 5.0)), 100.4, 101.6)},  # nobody had the time to look
        {"api": counter((0.4, 5.0)), "database": counter((0.2, 1.5))},
        {"api": [*counter((0.4, 1.5)), *[(at + 1.6, used) for at, used in counter((0.1, 2.0))]]},  # it began anew
    ],
)
def test_of_a_service_that_was_not_looked_at_all_the_time_nothing_is_said(looks):
    for idle in (True, False):
        assert cpu_of_turn(looks, 101.0, 102.0, idle_before=idle, idle_after=idle) is None
