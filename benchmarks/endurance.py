"""Whether a run itself stays flat over a long load: python -m benchmarks.endurance [--minutes 30] [--rate 300]

A whole `ml-loadtest run` on docker compose, of which memory, file descriptors and threads of the conductor and of its Locust are
looked at four times a second: for the table from a minute after the load began until it ended, for the most memory always.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks import machine
from benchmarks.servers import FAST
from entrypoint.service.cost import slope

_EVERY_S = 0.25
_SETTLE_S = 60.0
_MINUTE = 240  # looks
_DRAIN_S = 2.0
_MIB = 2**20
_PROGRAM = Path(sys.executable).with_name("ml-loadtest")
_COMPOSE = """
services:
  api:
    image: python:3.13-slim
    init: true
    command: python -P /served/fast_server.py /tmp/port 0.0.0.0 8000
    volumes: ["{server}:/served/fast_server.py:ro"]
    ports: ["127.0.0.1:8000:8000"]
"""
_SETTINGS = """
service: {{compose-file: compose.yml, service: api, port: 8000, ready: {{path: /, timeout: 60s}}}}
load: {{locustfile: users.py, users: 50, arrival-rate: {rate:g}, warm-up: 5s, duration: {minutes:g}m}}
compare: {{with: none}}
policy: {{timeout: {timeout:g}m}}
"""
_USERS = """
from locust import FastHttpUser, task


class Caller(FastHttpUser):
    @task
    def ask(self):
        self.client.get("/predict")
"""


@dataclass(frozen=True, slots=True)
class Look:
    """At one process: seconds since the run began, resident memory in MiB, open file descriptors, threads."""

    at: float
    memory: float
    descriptors: int
    threads: int


def look(process: psutil.Process, at: float) -> Look | None:
    """None of a process that has ended."""
    try:
        with process.oneshot():
            return Look(at, process.memory_info().rss / _MIB, process.num_fds(), process.num_threads())
    except psutil.NoSuchProcess:
        return None


def watch(run: "subprocess.Popen[bytes]") -> tuple[list[Look], list[Look]]:
    """The conductor and the Locust that it starts, until the run ends."""
    began = time.monotonic()
    conductor, locust = psutil.Process(run.pid), None
    looks: tuple[list[Look], list[Look]] = [], []
    while run.poll() is None:
        locust = locust or _locust_of(conductor)
        for process, found in zip((conductor, locust), looks, strict=True):
            if process and (seen := look(process, time.monotonic() - began)):
                found.append(seen)
        time.sleep(_EVERY_S)
    return looks


def _locust_of(conductor: psutil.Process) -> psutil.Process | None:
    """Once it is there; commands to the engine come and go beside it."""
    try:
        return next(child for child in conductor.children() if any("locust" in word for word in child.cmdline()[:6]))
    except (StopIteration, psutil.Error):
        return None


def line(name: str, looks: list[Look]) -> str:
    """Of the table, of looks in mid-load."""
    first, last = (statistics.median(one.memory for one in some) for some in (looks[:_MINUTE], looks[-_MINUTE:]))
    grown = slope([(one.at, one.memory) for one in looks])
    assert grown is not None
    return (
        f"| {name} | {first:.1f} | {last:.1f} | {3600 * grown:+.2f} | {_range([one.descriptors for one in looks])} "
        f"| {_range([one.threads for one in looks])} |"
    )


def _range(values: list[int]) -> str:
    return f"{min(values)} to {max(values)}" if min(values) != max(values) else str(values[0])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.endurance", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="of the load")
    parser.add_argument("--rate", type=float, default=300.0, help="requests a second")
    given = parser.parse_args()
    print(f"{machine.describe()}\n", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "compose.yml").write_text(_COMPOSE.format(server=FAST))
        (folder / "users.py").write_text(_USERS)
        settings = _SETTINGS.format(rate=given.rate, minutes=given.minutes, timeout=given.minutes + 10)
        (folder / "loadtest.yml").write_text(settings)
        run = subprocess.Popen([_PROGRAM, "run"], cwd=folder, stdout=sys.stderr)
        conductor, locust = watch(run)
        result = json.loads((folder / "results/result.json").read_text())
        _tell(conductor, locust, result, sum(file.stat().st_size for file in (folder / "results/samples").iterdir()))


def _tell(conductor: list[Look], locust: list[Look], result: dict[str, object], on_disk: int) -> None:
    begin, end = locust[0].at + _SETTLE_S, locust[-1].at - _DRAIN_S
    print("| Process | MiB in the first minute | in the last | MiB an hour | file descriptors | threads |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, looks in (("conductor", conductor), ("Locust", locust)):
        print(line(name, [one for one in looks if begin <= one.at <= end]))
    measurement = result["measurement"]
    assert isinstance(measurement, dict)
    requests = sum(endpoint["requests"] for endpoint in measurement["endpoints"].values())
    peak = max(one.memory for one in conductor)
    print(
        f"\n{requests:,} requests in the window, verdict {result['verdict']}; {on_disk / requests:.0f} bytes on disk for each. "
        f"The conductor never had more than {peak:.0f} MiB. Seconds of each stage: {result['timing']}"
    )


if __name__ == "__main__":
    main()
