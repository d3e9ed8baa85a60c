"""Control groups as the kernel's two versions write them.

`control_groups/` holds what two kernels wrote, beside the line of `docker stats` of the same moment: 6.12 with version 2 and
systemd (Debian 13, engine 26.1), 6.18 with version 1 (engine 20.10). A container of half a core and 64 MiB was looked at before
and after it had computed for 4 s, written 12 MiB to its disk, answered 112 requests with 1,000 bytes each, and lost a process to
its limit of memory.
"""

import json
import re
from pathlib import Path

import pytest

from entrypoint.service.control_groups import of_container

RECORDED = Path(__file__).parent / "control_groups"
# The first process of each container.
PIDS = {"version-1": 23200, "version-2": 763}
UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "MiB": 2**20}


def write(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


NETWORK = (
    "Inter-|   Receive                            |  Transmit\n"
    " face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop fifo colls carrier compressed\n"
    "    lo:  999999  9 0 0 0 0 0 0  999999  9 0 0 0 0 0 0\n"
    "  eth0:    3000 20 0 0 0 0 0 0    1000 20 0 0 0 0 0 0\n"
    "  eth1:     300  2 0 0 0 0 0 0     200  2 0 0 0 0 0 0\n"
)
PRESSURE = "some avg10=1.05 avg60=0.50 avg300=0.10 total={}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"
VERSION_2 = {
    "proc/7/net/dev": NETWORK,
    "proc/7/cgroup": "0::/system.slice/docker-ab.scope\n",
    "sys/fs/cgroup/system.slice/docker-ab.scope/cpu.stat": "usage_usec 2500000\nthrottled_usec 1500000\n",
    "sys/fs/cgroup/system.slice/docker-ab.scope/memory.current": "7340032\n",
    "sys/fs/cgroup/system.slice/docker-ab.scope/io.stat": (
        "8:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=512 dios=1\n259:0 rbytes=1024 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n"
    ),
    "sys/fs/cgroup/system.slice/docker-ab.scope/cpu.pressure": PRESSURE.format(2_500_000),
    "sys/fs/cgroup/system.slice/docker-ab.scope/memory.pressure": PRESSURE.format(500_000),
    "proc/pressure/cpu": PRESSURE.format(99_000_000),
    "proc/pressure/memory": PRESSURE.format(9_000_000),
    "sys/fs/cgroup/system.slice/docker-ab.scope/memory.events": "low 0\nhigh 0\nmax 31\noom 2\noom_kill 2\noom_group_kill 0\n",
    "sys/fs/cgroup/system.slice/docker-ab.scope/memory.stat": "anon 5000000\ninactive_file 1048576\n",
}
VERSION_1 = {
    "proc/7/net/dev": NETWORK,
    "proc/7/cgroup": "7:blkio:/docker/ab\n4:memory:/docker/ab\n2:cpu,cpuacct:/docker/ab\n1:name=systemd:/docker/ab\n0::/\n",
    "sys/fs/cgroup/cpuacct/docker/ab/cpuacct.usage": "2500000000\n",
    "sys/fs/cgroup/cpu/docker/ab/cpu.stat": "nr_periods 9\nnr_throttled 3\nthrottled_time 1500000000\n",
    "sys/fs/cgroup/memory/docker/ab/memory.usage_in_bytes": "7340032\n",
    "sys/fs/cgroup/blkio/docker/ab/blkio.throttle.io_service_bytes_recursive": (
        "8:0 Read 5120\n8:0 Write 8192\n8:0 Sync 13312\n8:0 Async 0\n8:0 Discard 0\n8:0 Total 13312\nTotal 13312\n"
    ),
    "proc/pressure/cpu": PRESSURE.format(99_000_000),
    "proc/pressure/memory": PRESSURE.format(9_000_000),
    "sys/fs/cgroup/memory/docker/ab/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
    "sys/fs/cgroup/memory/docker/ab/memory.stat": "cache 1\ntotal_inactive_file 1048576\n",
}


def look(version, moment):
    """What we read, and what `docker stats` said, whose figures are rounded to three digits."""
    folder = RECORDED / version / moment
    found = of_container(PIDS[version], folder)
    assert found is not None
    said = json.loads((folder / "docker-stats.json").read_text())
    amounts = {
        name: [float(number) * UNITS[unit] for number, unit in re.findall(r"([\d.]+)([kMi]*B)", said[name])]
        for name in ("MemUsage", "NetIO", "BlockIO")
    }
    return found(), amounts


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("version", PIDS)
def test_what_a_kernel_wrote_is_read_as_docker_stats_reads_it(version, moment):
    found, said = look(version, moment)

    assert found.memory == pytest.approx(said["MemUsage"][0], rel=0.001)
    assert found.network == pytest.approx(sum(said["NetIO"]), rel=0.005)
    assert found.disk == pytest.approx(sum(said["BlockIO"]), rel=0.005)


@pytest.mark.parametrize(
    ("version", "disk", "kinds"),
    # Nothing of what version 1 writes out of its cache counts as the container's.
    [("version-1", 0, {"machine-cpu", "machine-memory"}), ("version-2", 12 * 2**20, {"cpu", "memory"})],
)
def test_what_a_kernel_wrote_tells_what_the_container_did(version, disk, kinds):
    (before, _), (after, _) = look(version, "before"), look(version, "after")

    # Python itself started once more beside the four seconds; the emulated machine of version 2 took two for that.
    assert 4.0 < after.cpu_s - before.cpu_s < 6.5
    assert after.throttled_s - before.throttled_s > 2.0
    assert after.disk - before.disk == disk
    assert 112 * 1000 < after.network - before.network < 112 * 2100
    assert (before.oom_kills, after.oom_kills) == (0, 1)
    assert set(after.stalled_s) == kinds
    assert all(after.stalled_s[kind] > before.stalled_s[kind] for kind in kinds)


@pytest.mark.parametrize("files", [VERSION_1, VERSION_2], ids=["version 1", "version 2"])
def test_both_versions_of_control_groups_are_read(tmp_path, files):
    write(tmp_path, files)

    found = of_container(7, tmp_path)()

    assert (found.cpu_s, found.memory, found.throttled_s, found.network) == (2.5, 6 * 2**20, 1.5, 4500)
    assert (found.disk, found.oom_kills) == (13 * 1024, 2)


@pytest.mark.parametrize(
    ("files", "stalled"),
    [
        pytest.param(VERSION_1, {"machine-cpu": 99.0, "machine-memory": 9.0}, id="version 1"),
        pytest.param(VERSION_2, {"cpu": 2.5, "memory": 0.5}, id="version 2"),
    ],
)
def test_how_long_tasks_waited_is_the_container_s_or_the_machine_s_by_name(tmp_path, files, stalled):
    write(tmp_path, files)
    assert of_container(7, tmp_path)().stalled_s == stalled


def test_where_the_pressure_of_groups_is_switched_off_it_is_the_machine_s(tmp_path):
    write(tmp_path, {name: text for name, text in VERSION_2.items() if not name.endswith(".pressure")})
    assert of_container(7, tmp_path)().stalled_s == {"machine-cpu": 99.0, "machine-memory": 9.0}


@pytest.mark.parametrize(
    ("files", "needed"),
    [
        pytest.param(VERSION_1, ("7/cgroup", "cpuacct.usage", "memory.usage_in_bytes", "memory.stat"), id="version 1"),
        pytest.param(VERSION_2, ("7/cgroup", "cpu.stat", "memory.current", "memory.stat"), id="version 2"),
    ],
)
def test_what_a_kernel_does_not_count_is_not_known(tmp_path, files, needed):
    write(tmp_path, {name: text for name, text in files.items() if name.endswith(needed)})
    if files is VERSION_2:
        write(tmp_path, {"sys/fs/cgroup/system.slice/docker-ab.scope/cpu.stat": "usage_usec 2500000\n"})

    found = of_container(7, tmp_path)()

    assert (found.cpu_s, found.stalled_s) == (2.5, {})
    assert (found.throttled_s, found.network, found.disk, found.oom_kills) == (None, None, None, None)


@pytest.mark.parametrize("missing", ["proc/7/cgroup", "sys/fs/cgroup/system.slice/docker-ab.scope/cpu.stat"])
def test_a_container_on_another_machine_has_no_gauge(tmp_path, missing):
    write(tmp_path, {name: text for name, text in VERSION_2.items() if name != missing})

    assert of_container(7, tmp_path) is None
