"""What a service uses while it serves: processor time, memory and network, once a second, from the kernel's own counters.

Containers are read from their control groups, version 2 or 1, processes from their tree. All but memory are counters that only
grow, so nothing that happens between two looks is lost.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import psutil

RESOURCES = "resources.jsonl"
_EVERY_S = 1.0
MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What the kernel knows of a service at one moment.

    Attributes:
        cpu_s: processor time used so far, in seconds.
        memory: bytes in use, without file cache that the kernel would give back at once.
        throttled_s: how long its own limit has kept it from running so far, in seconds; None where that is not counted.
        network: bytes received and sent so far; None for a process, which shares the machine's network.
    """

    cpu_s: float
    memory: int
    throttled_s: float | None = None
    network: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading(Counters):
    """One look at one service.

    Attributes:
        at: seconds since 1970.
        service: its name in the compose file, or the program's.
    """

    at: float
    service: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """Something to look at: its name, how to read it, and how to read its processor time alone, where that can be."""

    service: str
    read: Callable[[], Counters]
    cpu: Callable[[], float] | None = None


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
        return lambda: _read_unified(unified, network)
    if {"cpuacct", "memory"} <= paths.keys():
        cpu, memory = (groups / name / paths[name].lstrip("/") for name in ("cpuacct", "memory"))
        if (cpu / "cpuacct.usage").exists() and (memory / "memory.usage_in_bytes").exists():
            limits = groups / "cpu" / paths.get("cpu", "/").lstrip("/")
            return lambda: _read_version_1(cpu, memory, limits, network)
    return None


def _read_unified(folder: Path, network: Path) -> Counters:
    times = _pairs(folder / "cpu.stat")
    cache = _pairs(folder / "memory.stat").get("inactive_file", 0)
    throttled = times.get("throttled_usec")
    return Counters(
        cpu_s=times["usage_usec"] / 1e6,
        memory=max(0, int((folder / "memory.current").read_text()) - cache),
        throttled_s=None if throttled is None else throttled / 1e6,
        network=_bytes(network),
    )


def _read_version_1(cpu: Path, memory: Path, limits: Path, network: Path) -> Counters:
    cache = _pairs(memory / "memory.stat").get("total_inactive_file", 0)
    throttled = _pairs(limits / "cpu.stat").get("throttled_time") if (limits / "cpu.stat").exists() else None
    return Counters(
        cpu_s=int((cpu / "cpuacct.usage").read_text()) / 1e9,
        memory=max(0, int((memory / "memory.usage_in_bytes").read_text()) - cache),
        throttled_s=None if throttled is None else throttled / 1e9,
        network=_bytes(network),
    )


def _bytes(path: Path) -> int | None:
    """Received and sent through every interface of a network namespace but its loopback; None where it cannot be read."""
    try:
        lines = path.read_text().splitlines()[2:]
    except OSError:
        return None
    counted = {name.strip(): numbers.split() for name, _, numbers in (line.partition(":") for line in lines)}
    return sum(int(numbers[0]) + int(numbers[8]) for name, numbers in counted.items() if name != "lo")


def _pairs(path: Path) -> dict[str, int]:
    return {name: int(value) for name, value in (line.split() for line in path.read_text().splitlines())}


def of_process(pid: int) -> Callable[[], Counters]:
    """How to read a process with all its children; those that have ended count where their parent has collected them."""
    leader = psutil.Process(pid)

    def read() -> Counters:
        cpu, memory = 0.0, 0
        for process in (leader, *leader.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                cpu += times.user + times.system + times.children_user + times.children_system
                memory += process.memory_info().rss
        return Counters(cpu_s=cpu, memory=memory)

    return read


@contextmanager
def sampled(gauges: list[Gauge], path: Path) -> Iterator[None]:
    """Look at every gauge once a second while the block runs; readings go to a file, a line each."""
    over = threading.Event()
    thread = threading.Thread(target=_sample, args=(gauges, path, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=2 * _EVERY_S)


def _sample(gauges: list[Gauge], path: Path, over: threading.Event) -> None:
    """Until it is over, and once more then: what was measured lies between two looks."""
    with path.open("w", encoding="utf-8") as file:
        while gauges:
            last = over.wait(0)
            for gauge in gauges:
                # What has ended has nothing to read; that it has ended, others tell.
                with suppress(OSError, ValueError, KeyError, psutil.Error):
                    reading = Reading(**asdict(gauge.read()), at=time.time(), service=gauge.service)
                    file.write(json.dumps(asdict(reading)) + "\n")
            file.flush()
            if last:
                return
            over.wait(_EVERY_S)


def usage(path: Path, since: float) -> dict[str, list[tuple[float, float, float]]]:
    """What each service used between its looks.

    Args:
        path: what `sampled` wrote.
        since: seconds since 1970 that count as 0.

    Returns:
        By service, (second, cores, MiB): cores on average since the look before. A counter that went back began anew.
    """
    return {
        service: [
            (after.at - since, (after.cpu_s - before.cpu_s) / (after.at - before.at), after.memory / MIB)
            for before, after in pairwise(looks)
            if after.cpu_s >= before.cpu_s and after.at > before.at
        ]
        for service, looks in readings(path).items()
    }


def readings(path: Path) -> dict[str, list[Reading]]:
    """All looks at each service, in order; half a line at the end was being written when the run was killed."""
    lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []
    found: dict[str, list[Reading]] = {}
    for reading in (Reading(**json.loads(line)) for line in lines):
        found.setdefault(reading.service, []).append(reading)
    return found
