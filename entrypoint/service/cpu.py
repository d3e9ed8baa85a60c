"""Processor time alone, read so often that what a service used in its turn can be told from what it used in another's."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from entrypoint.files import whole_lines
from entrypoint.service.control_groups import control_groups
from entrypoint.service.resources import Gauge, beside

COUNTED = "cpu.jsonl"
# A turn lasts a second or more. Two services read so often take less than 1 % of a core (docs/cost-and-capacity.md).
_EVERY_S = 0.1
# What the kernel's clock of a process is called: its number, turned over, and the kind of clock.
_CLOCK_OF_ALL_THREADS = 2
# In /proc/PID/stat, behind the name: what children that were collected had used, in ticks.
_CHILDREN_USER, _CHILDREN_SYSTEM = 13, 14


def of_container(pid: int, root: Path = Path("/")) -> Callable[[], float] | None:
    """How to read the seconds that the control group of a container's first process has used; None if they cannot be read.

    Args:
        pid: of the process, in this system's numbering.
        root: where `/proc` and `/sys` are.
    """
    paths, groups = control_groups(pid, root), root / "sys/fs/cgroup"
    unified = groups / paths.get("", "/").lstrip("/") / "cpu.stat"
    if unified.exists():
        return lambda: int(_read(f"{unified}").split(b"usage_usec ", 1)[1].split(None, 1)[0]) / 1e6
    usage = groups / "cpuacct" / paths.get("cpuacct", "/").lstrip("/") / "cpuacct.usage"
    if "cpuacct" in paths and usage.exists():
        return lambda: int(_read(f"{usage}")) / 1e9
    return None


def of_process(pid: int) -> Callable[[], float] | None:
    """How to read the seconds that a process and its children have used; None where the kernel does not list children."""
    return _Tree(pid) if Path(f"/proc/{pid}/task/{pid}/children").exists() else None


class _Tree:
    """A process and its children, by the kernel's own clock of each, which counts nanoseconds and threads that have ended; what
    children had used that were collected counts in ticks.

    The children are looked for anew whenever the machine has begun a process or thread since.
    """

    def __init__(self, pid: int) -> None:
        self._leader, self._known, self._newest = pid, [pid], b""
        self._tick_s = 1 / os.sysconf("SC_CLK_TCK")

    def __call__(self) -> float:
        newest = _read("/proc/loadavg").split()[-1]
        if newest != self._newest:
            self._known = list(_descendants(self._leader))
            self._newest = newest
        try:
            return sum(map(self._used, self._known))
        except OSError:  # one has ended since they were listed, which costs this look alone
            self._newest = b""
            raise

    def _used(self, pid: int) -> float:
        fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
        collected = int(fields[_CHILDREN_USER]) + int(fields[_CHILDREN_SYSTEM])
        return time.clock_gettime(~pid << 3 | _CLOCK_OF_ALL_THREADS) + collected * self._tick_s


def _descendants(pid: int) -> Iterator[int]:
    yield pid
    for thread in Path(f"/proc/{pid}/task").iterdir():
        for child in _read(f"{thread}/children").split():
            yield from _descendants(int(child))


def _read(path: str) -> bytes:
    """A small file of the kernel's, without the layers that text needs: a third of the time."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, 65536)
    finally:
        os.close(descriptor)


@contextmanager
def counted(gauges: Sequence[Gauge], path: Path) -> Iterator[None]:
    """Read every gauge's processor time ten times a second while the block runs, into a file; none where one cannot be read."""
    reads = [(gauge.service, gauge.cpu) for gauge in gauges if gauge.cpu]
    if not reads or len(reads) < len(gauges):  # sums without one of them would be wrong
        yield
        return
    with beside(partial(_count, reads, path), 1.0):
        yield


def _count(reads: Sequence[tuple[str, Callable[[], float]]], path: Path, over: threading.Event) -> None:
    with path.open("w", encoding="utf-8") as file:
        last = False
        while not last:  # once more when it is over: every turn lies between two looks
            last = over.wait(_EVERY_S)
            for service, read in reads:
                # What has ended has nothing to read; that it has ended, others tell.
                with suppress(OSError, ValueError, IndexError):
                    file.write(json.dumps([time.time(), service, read()]) + "\n")


Looks = dict[str, list[tuple[float, float]]]


def looks(path: Path) -> Looks:
    """What `counted` wrote: for each service (seconds since 1970, seconds used so far), in order."""
    found: Looks = {}
    for at, service, used in map(json.loads, whole_lines(path)):
        found.setdefault(service, []).append((at, used))
    return found
