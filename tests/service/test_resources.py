"""What a service uses: real processes, and control groups as the kernel's two versions write them."""

import json
import subprocess
import sys
import time

import pytest

from entrypoint.service.resources import Gauge, of_container, of_process, sampled, usage

BURNS = """
import time
held = bytearray(60 * 2**20)
print("up", flush=True)
while True:
    until = time.process_time() + 0.05
    while time.process_time() < until: pass
    time.sleep(0.05)
"""


def test_a_process_s_cores_and_memory_are_what_it_does(tmp_path):
    """It holds 60 MiB, and computes for half of the time: less where neighbours take the core, never more."""
    process = subprocess.Popen([sys.executable, "-c", BURNS], stdout=subprocess.PIPE)
    try:
        process.stdout.readline()
        began = time.time()
        with sampled([Gauge(service="api", read=of_process(process.pid))], tmp_path / "resources.jsonl"):
            time.sleep(4.5)
    finally:
        process.kill()
        process.communicate()

    looks = usage(tmp_path / "resources.jsonl", began)["api"]
    assert len(looks) >= 3
    assert 0.5 < looks[0][0] < 2.5
    assert 0.1 < sorted(cores for _, cores, _ in looks)[len(looks) // 2] < 0.65
    assert all(60 < mib < 120 for _, _, mib in looks)


def test_a_service_that_ends_leaves_what_was_read_of_it(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", BURNS], stdout=subprocess.PIPE)
    process.stdout.readline()
    with sampled([Gauge(service="api", read=of_process(process.pid))], tmp_path / "resources.jsonl"):
        time.sleep(1.5)
        process.kill()
        process.communicate()
        time.sleep(1.2)

    assert (tmp_path / "resources.jsonl").read_text().count("\n") == 2


def test_a_service_out_of_reach_has_no_readings(tmp_path):
    with sampled([], tmp_path / "resources.jsonl"):
        pass

    assert usage(tmp_path / "resources.jsonl", 0.0) == {}
    assert usage(tmp_path / "none.jsonl", 0.0) == {}


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
VERSION_2 = {
    "proc/7/net/dev": NETWORK,
    "proc/7/cgroup": "0::/system.slice/docker-ab.scope\n",
    "sys/fs/cgroup/system.slice/docker-ab.scope/cpu.stat": "usage_usec 2500000\nthrottled_usec 1500000\n",
    "sys/fs/cgroup/system.slice/docker-ab.scope/memory.current": "7340032\n",
    "sys/fs/cgroup/system.slice/docker-ab.scope/memory.stat": "anon 5000000\ninactive_file 1048576\n",
}
VERSION_1 = {
    "proc/7/net/dev": NETWORK,
    "proc/7/cgroup": "9:name=systemd:/docker/ab\n4:memory:/docker/ab\n2:cpu,cpuacct:/docker/ab\n0::/docker/ab\n",
    "sys/fs/cgroup/cpuacct/docker/ab/cpuacct.usage": "2500000000\n",
    "sys/fs/cgroup/cpu/docker/ab/cpu.stat": "nr_periods 9\nnr_throttled 3\nthrottled_time 1500000000\n",
    "sys/fs/cgroup/memory/docker/ab/memory.usage_in_bytes": "7340032\n",
    "sys/fs/cgroup/memory/docker/ab/memory.stat": "cache 1\ntotal_inactive_file 1048576\n",
}


@pytest.mark.parametrize("files", [VERSION_1, VERSION_2], ids=["version 1", "version 2"])
def test_both_versions_of_control_groups_are_read(tmp_path, files):
    write(tmp_path, files)

    found = of_container(7, tmp_path)()

    assert (found.cpu_s, found.memory, found.throttled_s, found.network) == (2.5, 6 * 2**20, 1.5, 4500)


def test_what_a_kernel_does_not_count_is_not_known(tmp_path):
    files = {name: text for name, text in VERSION_1.items() if "cpu.stat" not in name and "net/dev" not in name}
    write(tmp_path, files)

    found = of_container(7, tmp_path)()

    assert (found.cpu_s, found.throttled_s, found.network) == (2.5, None, None)


@pytest.mark.parametrize("missing", ["proc/7/cgroup", "sys/fs/cgroup/system.slice/docker-ab.scope/cpu.stat"])
def test_a_container_on_another_machine_has_no_gauge(tmp_path, missing):
    write(tmp_path, {name: text for name, text in VERSION_2.items() if name != missing})

    assert of_container(7, tmp_path) is None


def test_a_counter_that_began_anew_is_no_negative_use(tmp_path):
    looks = [(10.0, 5.0), (11.0, 5.5), (12.0, 0.1), (13.0, 0.4)]
    lines = [json.dumps({"at": at, "service": "api", "cpu_s": cpu, "memory": 2**20}) for at, cpu in looks]
    (tmp_path / "r.jsonl").write_text("\n".join(lines) + "\n" + lines[0][:20])

    found = usage(tmp_path / "r.jsonl", 10.0)["api"]

    assert [(second, round(cores, 6), mib) for second, cores, mib in found] == [(1.0, 0.5, 1.0), (3.0, 0.3, 1.0)]
