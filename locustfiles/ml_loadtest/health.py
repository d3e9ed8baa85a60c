"""How the generator itself fares: sampled by ourselves from the first second, since Locust's own warning is blind for twenty."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import gevent

from ml_loadtest.contract import Health
from ml_loadtest.sink import Sink

_PROBE_S = 0.02
_SHORTEST_S = 0.05


class HealthMonitor:
    """Keeps a line a second for this process.

    Args:
        sink: takes the lines.
        now: seconds since the load began.
    """

    def __init__(self, sink: Sink, now: Callable[[], float]) -> None:
        self._sink = sink
        self._now = now
        self._longest_lag_s = 0.0
        self._parent = os.getppid()
        self._before = self._read()
        self._lines = bytearray()
        self._users: list[object] | object | None = None

    def start(self, users: "list[object] | object") -> None:
        """Begin to probe the event loop and to keep a line a second; `users` has a `__len__`."""
        gevent.spawn(self._probe)
        gevent.spawn(self._run, users)

    def orphaned(self) -> bool:
        """Whether the conductor that started us is gone."""
        return os.getppid() != self._parent

    def flush(self) -> None:
        """Write what is buffered; see `Sink`."""
        self._sink.append("health", self._lines)

    def _probe(self) -> None:
        while True:
            before = time.perf_counter()
            gevent.sleep(_PROBE_S)
            self._longest_lag_s = max(self._longest_lag_s, time.perf_counter() - before - _PROBE_S)

    def _run(self, users: "list[object] | object") -> None:
        self._users = users
        while True:
            gevent.sleep(1.0)
            self.look()

    def look(self) -> None:
        """A line for the time since the last one; at the end of the load, for what is left of a second."""
        now = self._read()
        if self._users is not None and now[0] - self._before[0] > _SHORTEST_S:
            wall, cpu, waiting, total, stolen = (
                later - earlier for later, earlier in zip(now, self._before, strict=True)
            )
            self._before = now
            health = Health(
                at_s=self._now(),
                cpu=cpu / wall,
                lag_ms=self._longest_lag_s * 1000,
                waiting=waiting / wall,
                steal=stolen / total if total else 0.0,
                users=len(self._users),  # type: ignore[arg-type]
            )
            self._longest_lag_s = 0.0
            self._lines += json.dumps(asdict(health)).encode() + b"\n"

    def _read(self) -> tuple[float, float, float, float, float]:
        """Wall, own CPU and run-queue time in seconds; the machine's total and stolen time in ticks."""
        total, stolen = _machine_ticks()
        return time.perf_counter(), time.process_time(), _run_queue_s(), total, stolen


def _run_queue_s() -> float:
    """Seconds that this process was runnable without a core: the second field of Linux's schedstat, in nanoseconds."""
    try:
        return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


def _machine_ticks() -> tuple[float, float]:
    try:
        fields = [float(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    except (OSError, ValueError):
        return 0.0, 0.0
    return sum(fields), fields[7] if len(fields) > 7 else 0.0
