"""Control groups as the kernel's two versions write them."""

import pytest

from entrypoint.service.control_groups import of_container


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
    "sys/fs/cgroup/system.slice/docker-ab.scope/memory.events": "low 0\nhigh 0\nmax 31\noom 2\noom_kill 2\noom_group_kill 0\n",
    "sys/fs/cgroup/system.slice/docker-ab.scope/memory.stat": "anon 5000000\ninactive_file 1048576\n",
}
VERSION_1 = {
    "proc/7/net/dev": NETWORK,
    "proc/7/cgroup": "9:name=systemd:/docker/ab\n4:memory:/docker/ab\n2:cpu,cpuacct:/docker/ab\n0::/docker/ab\n",
    "sys/fs/cgroup/cpuacct/docker/ab/cpuacct.usage": "2500000000\n",
    "sys/fs/cgroup/cpu/docker/ab/cpu.stat": "nr_periods 9\nnr_throttled 3\nthrottled_time 1500000000\n",
    "sys/fs/cgroup/memory/docker/ab/memory.usage_in_bytes": "7340032\n",
    "sys/fs/cgroup/memory/docker/ab/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
    "sys/fs/cgroup/memory/docker/ab/memory.stat": "cache 1\ntotal_inactive_file 1048576\n",
}


NEEDED = ("7/cgroup", "cpuacct.usage", "memory.usage_in_bytes", "memory.stat")


@pytest.mark.parametrize("files", [VERSION_1, VERSION_2], ids=["version 1", "version 2"])
def test_both_versions_of_control_groups_are_read(tmp_path, files):
    write(tmp_path, files)

    found = of_container(7, tmp_path)()

    assert (found.cpu_s, found.memory, found.throttled_s, found.network) == (2.5, 6 * 2**20, 1.5, 4500)
    assert found.oom_kills == 2


def test_what_a_kernel_does_not_count_is_not_known(tmp_path):
    files = {name: text for name, text in VERSION_1.items() if name.endswith(NEEDED)}
    write(tmp_path, files)

    found = of_container(7, tmp_path)()

    assert (found.cpu_s, found.throttled_s, found.network, found.oom_kills) == (2.5, None, None, None)


@pytest.mark.parametrize("missing", ["proc/7/cgroup", "sys/fs/cgroup/system.slice/docker-ab.scope/cpu.stat"])
def test_a_container_on_another_machine_has_no_gauge(tmp_path, missing):
    write(tmp_path, {name: text for name, text in VERSION_2.items() if name != missing})

    assert of_container(7, tmp_path) is None
