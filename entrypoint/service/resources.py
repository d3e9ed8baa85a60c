"""What a service uses while it serves: processor time and memory, once a second, from the kernel's own counters.

Containers are read from their control groups, version 2 or 1, processes from their tree. Processor time is a counter that only
grows, so nothing that happens between two looks is lost.
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
_MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One look at one service.

    Attributes:
        at: seconds since 1970.
        service: its name in the compose file, or the program's.
        cpu_s: processor time used so far, in seconds.
        memory: bytes in use, without file cache that the kernel would give back at once.
    """

    at: float
    service: str
    cpu_s: float
    memory: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """Something to look at: its name, and how to read (processor time in seconds, memory in bytes) of it."""

    service: str
    read: Callable[[], tuple[float, int]]


def of_container(pid: int, root: Path = Path("/")) -> Callable[[], tuple[float, int]] | None:
    """How to read the control group that a container's first process is in; None if there is none that can be read.

    Args:
        pid: of the process, in this system's numbering.
        root: where `/proc` and `/sys` are.
    """
    try:
        lines = (root / f"proc/{pid}/cgroup").read_text().splitlines()
    except OSError:
        return None
    paths = {
        controller: path for _, names, path in (line.split(":", 2) for line in lines) for controller in names.split(",")
    }
    groups = root / "sys/fs/cgroup"
    unified = groups / paths.get("", "/").lstrip("/")
    if (unified / "cpu.stat").exists() and (unified / "memory.current").exists():
        return lambda: _read_unified(unified)
    if {"cpuacct", "memory"} <= paths.keys():
        cpu, memory = (groups / name / paths[name].lstrip("/") for name in ("cpuacct", "memory"))
        if (cpu / "cpuacct.usage").exists() and (memory / "memory.usage_in_bytes").exists():
            return lambda: _read_version_1(cpu, memory)
    return None


def _read_unified(folder: Path) -> tuple[float, int]:
    cpu = _pairs(folder / "cpu.stat")["usage_usec"] / 1e6
    cache = _pairs(folder / "memory.stat").get("inactive_file", 0)
    return cpu, max(0, int((folder / "memory.current").read_text()) - cache)


def _read_version_1(cpu: Path, memory: Path) -> tuple[float, int]:
    cache = _pairs(memory / "memory.stat").get("total_inactive_file", 0)
    used = int((memory / "memory.usage_in_bytes").read_text())
    return int((cpu / "cpuacct.usage").read_text()) / 1e9, max(0, used - cache)


def _pairs(path: Path) -> dict[str, int]:
    return {name: int(value) for name, value in (line.split() for line in path.read_text().splitlines())}


def of_process(pid: int) -> Callable[[], tuple[float, int]]:
    """How to read a process with all its children; those that have ended count where their parent has collected them."""
    leader = psutil.Process(pid)

    def read() -> tuple[float, int]:
        cpu, memory = 0.0, 0
        for process in (leader, *leader.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                cpu += times.user + times.system + times.children_user + times.children_system
                memory += process.memory_info().rss
        return cpu, memory

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
    with path.open("w", encoding="utf-8") as file:
        while gauges:
            for gauge in gauges:
                # What has ended has nothing to read; that it has ended, others tell.
                with suppress(OSError, ValueError, KeyError, psutil.Error):
                    cpu_s, memory = gauge.read()
                    reading = Reading(at=time.time(), service=gauge.service, cpu_s=cpu_s, memory=memory)
                    file.write(json.dumps(asdict(reading)) + "\n")
            file.flush()
            if over.wait(_EVERY_S):
                return


def usage(path: Path, since: float) -> dict[str, list[tuple[float, float, float]]]:
    """What each service used between its looks.

    Args:
        path: what `sampled` wrote.
        since: seconds since 1970 that count as 0.

    Returns:
        By service, (second, cores, MiB): cores on average since the look before. A counter that went back began anew.
    """
    lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []
    readings: dict[str, list[Reading]] = {}
    for reading in (Reading(**json.loads(line)) for line in lines):
        readings.setdefault(reading.service, []).append(reading)
    return {
        service: [
            (after.at - since, (after.cpu_s - before.cpu_s) / (after.at - before.at), after.memory / _MIB)
            for before, after in pairwise(looks)
            if after.cpu_s >= before.cpu_s and after.at > before.at
        ]
        for service, looks in readings.items()
    }
