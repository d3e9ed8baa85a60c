"""How the generator itself fares: sampled by ourselves from the first second, since Locust's own warning is blind for twenty."""

import json
import os
import time
from pathlib import Path

import gevent

from ml_loadtest.contract import Health

_PROBE_S = 0.02


class HealthMonitor:
    """Writes a line a second to the health file of this process."""

    def __init__(self, path: Path, origin: float) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._origin = origin
        self._longest_lag_s = 0.0
        self._parent = os.getppid()

    def start(self) -> None:
        """Begin to probe the event loop."""
        gevent.spawn(self._probe)

    def _probe(self) -> None:
        while True:
            before = time.perf_counter()
            gevent.sleep(_PROBE_S)
            self._longest_lag_s = max(self._longest_lag_s, time.perf_counter() - before - _PROBE_S)

    def orphaned(self) -> bool:
        """Whether the conductor that started us is gone."""
        return os.getppid() != self._parent

    def run(self, users: "list[object] | object") -> None:
        """Write a line a second for as long as the process lives; `users` has a `__len__`."""
        before = self._read()
        while True:
            gevent.sleep(1.0)
            now = self._read()
            wall, cpu, waiting, total, stolen = (later - earlier for later, earlier in zip(now, before, strict=True))
            before = now
            health = Health(
                at_s=time.perf_counter() - self._origin,
                cpu=cpu / wall,
                lag_ms=self._longest_lag_s * 1000,
                waiting=waiting / wall,
                steal=stolen / total if total else 0.0,
                users=len(users),  # type: ignore[arg-type]
            )
            self._longest_lag_s = 0.0
            self._file.write(json.dumps(health.__dict__) + "\n")
            self._file.flush()

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
