"""What a service uses while it serves: processor time, memory and network, once a second, from the kernel's own counters.

Containers are read from their control groups (`control_groups`), processes from their tree. All but memory are counters that only
grow, so nothing that happens between two looks is lost.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import psutil

from entrypoint.files import whole_lines
from entrypoint.service.control_groups import Counters, stalled_machine

RESOURCES = "resources.jsonl"
_EVERY_S = 1.0
MIB = 2**20


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
        return Counters(cpu_s=cpu, memory=memory, stalled_s=stalled_machine())

    return read


@contextmanager
def sampled(gauges: list[Gauge], path: Path) -> Iterator[None]:
    """Look at every gauge once a second while the block runs; readings go to a file, a line each."""
    with beside(partial(_sample, gauges, path), 2 * _EVERY_S):
        yield


@contextmanager
def beside(work: Callable[[threading.Event], None], patience_s: float) -> Iterator[None]:
    """Do some work in a thread while the block runs.

    Args:
        work: told by the event when it is over.
        patience_s: how long its end is waited for.
    """
    over = threading.Event()
    thread = threading.Thread(target=work, args=(over,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=patience_s)


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
    """All looks at each service, in order."""
    found: dict[str, list[Reading]] = {}
    for reading in (Reading(**json.loads(line)) for line in whole_lines(path)):
        found.setdefault(reading.service, []).append(reading)
    return found
