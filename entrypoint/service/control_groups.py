"""What the kernel counts of a container: its control groups, version 2 or 1, its network, and how long tasks have waited."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What the kernel knows of a service at one moment.

    Attributes:
        cpu_s: processor time used so far, in seconds.
        memory: bytes in use, without file cache that the kernel would give back at once.
        throttled_s: how long its own limit has kept it from running so far, in seconds; None where that is not counted.
        network: bytes received and sent so far; None for a process, which shares the machine's network.
        disk: bytes read from and written to block devices so far; None where that is not counted. Version 1 leaves out what the
            kernel writes later, out of its cache.
        stalled_s: for how long any of its tasks has waited so far, in seconds, by what for: `cpu` and `memory`. Where the kernel
            has that of the whole machine alone, `machine-cpu` and `machine-memory`.
        oom_kills: how many of its processes the kernel has killed because memory ran out; None where that is not counted.
    """

    cpu_s: float
    memory: int
    throttled_s: float | None = None
    network: int | None = None
    disk: int | None = None
    stalled_s: dict[str, float] = field(default_factory=dict)
    oom_kills: int | None = None


def control_groups(pid: int, root: Path) -> dict[str, str]:
    """The path of a process's control group by controller, "" for version 2; nothing where it cannot be read."""
    try:
        lines = (root / f"proc/{pid}/cgroup").read_text().splitlines()
    except OSError:
        return {}
    return {
        controller: path for _, names, path in (line.split(":", 2) for line in lines) for controller in names.split(",")
    }


def of_container(pid: int, root: Path = Path("/")) -> Callable[[], Counters] | None:
    """How to read the control group that a container's first process is in; None if there is none that can be read.

    Args:
        pid: of the process, in this system's numbering.
        root: where `/proc` and `/sys` are.
    """
    paths = control_groups(pid, root)
    groups, network = root / "sys/fs/cgroup", root / f"proc/{pid}/net/dev"
    unified = groups / paths.get("", "/").lstrip("/")
    if (unified / "cpu.stat").exists() and (unified / "memory.current").exists():
        return lambda: _read_unified(unified, network, root)
    if {"cpuacct", "memory"} <= paths.keys():
        cpu, memory = (groups / name / paths[name].lstrip("/") for name in ("cpuacct", "memory"))
        if (cpu / "cpuacct.usage").exists() and (memory / "memory.usage_in_bytes").exists():
            limits, disks = (groups / name / paths.get(name, "/").lstrip("/") for name in ("cpu", "blkio"))
            return lambda: _read_version_1(cpu, memory, limits, network, disks, root)
    return None


def _read_unified(folder: Path, network: Path, root: Path) -> Counters:
    times = _pairs(folder / "cpu.stat")
    cache = _pairs(folder / "memory.stat").get("inactive_file", 0)
    throttled = times.get("throttled_usec")
    return Counters(
        cpu_s=times["usage_usec"] / 1e6,
        memory=max(0, int((folder / "memory.current").read_text()) - cache),
        throttled_s=None if throttled is None else throttled / 1e6,
        network=_bytes(network),
        disk=_bytes_of_disks(folder / "io.stat"),
        stalled_s=_stalled({name: folder / f"{name}.pressure" for name in ("cpu", "memory")}) or stalled_machine(root),
        oom_kills=_pairs_if_there(folder / "memory.events").get("oom_kill"),
    )


def _read_version_1(cpu: Path, memory: Path, limits: Path, network: Path, disks: Path, root: Path) -> Counters:
    cache = _pairs(memory / "memory.stat").get("total_inactive_file", 0)
    throttled = _pairs_if_there(limits / "cpu.stat").get("throttled_time")
    return Counters(
        cpu_s=int((cpu / "cpuacct.usage").read_text()) / 1e9,
        memory=max(0, int((memory / "memory.usage_in_bytes").read_text()) - cache),
        throttled_s=None if throttled is None else throttled / 1e9,
        network=_bytes(network),
        disk=_total_of_disks(disks / "blkio.throttle.io_service_bytes_recursive"),
        stalled_s=stalled_machine(root),
        oom_kills=_pairs_if_there(memory / "memory.oom_control").get("oom_kill"),
    )


def stalled_machine(root: Path = Path("/")) -> dict[str, float]:
    """For how long anything on the machine has waited so far; nothing where the kernel does not count it."""
    return _stalled({f"machine-{name}": root / "proc/pressure" / name for name in ("cpu", "memory")})


def _stalled(files: dict[str, Path]) -> dict[str, float]:
    """The total of each file's line `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`, which is in microseconds."""
    found = {}
    for name, path in files.items():
        # A kernel may have the file and refuse to read it: pressure is then switched off.
        with suppress(OSError):
            some = path.read_text().splitlines()[0]
            found[name] = int(some.rpartition("total=")[2]) / 1e6
    return found


def _bytes_of_disks(path: Path) -> int | None:
    """Of lines `8:0 rbytes=0 wbytes=0 rios=0 …`; None where there is no such file."""
    if not path.exists():
        return None
    counted = (word.partition("=") for word in path.read_text().split())
    return sum(int(number) for name, _, number in counted if name in ("rbytes", "wbytes"))


def _total_of_disks(path: Path) -> int | None:
    """Of lines `8:0 Read 0` and, last, `Total 0`; None where there is no such file."""
    if not path.exists():
        return None
    return int(path.read_text().split()[-1])


def _bytes(path: Path) -> int | None:
    """Received and sent through every interface of a network namespace but its loopback; None where it cannot be read."""
    try:
        lines = path.read_text().splitlines()[2:]
    except OSError:
        return None
    counted = {name.strip(): numbers.split() for name, _, numbers in (line.partition(":") for line in lines)}
    return sum(int(numbers[0]) + int(numbers[8]) for name, numbers in counted.items() if name != "lo")


def _pairs_if_there(path: Path) -> dict[str, int]:
    return _pairs(path) if path.exists() else {}


def _pairs(path: Path) -> dict[str, int]:
    return {name: int(value) for name, value in (line.split() for line in path.read_text().splitlines())}
