"""Whether what is long is still judged and told: python -m benchmarks.length [--only recorded|loaded]

`recorded`: ten million samples of 200 endpoints, from files to every report, against a baseline and side by side.
`loaded`: 200 endpoints at the full rate of the machine, as `ml-loadtest calibrate` and `run` do it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.generator import LOCUSTFILES
from benchmarks.servers import FAST, serving
from benchmarks.written import Recording

_ROOT = Path(__file__).parents[1]
_PROGRAM = Path(sys.executable).with_name("ml-loadtest")
_SAMPLES, _ENDPOINTS = 10_000_000, 200
_RECORDINGS = {
    "committed": Recording(samples=_SAMPLES, endpoints=_ENDPOINTS),
    "base": Recording(samples=_SAMPLES, endpoints=_ENDPOINTS, paired=True),
}
_RUNS, _SECONDS, _USERS = 3, 60, 20
# A generator at its own limit measures itself, and its run would rightly be invalid; here its figures are still to be judged.
_SETTINGS = f"""
service: {{url: "URL"}}
load: {{locustfile: {LOCUSTFILES / "many.py"}, users: {_USERS}, warm-up: 5s, duration: {_SECONDS}s}}
validity: {{generator-cpu: 100%, event-loop-lag: 60s, longest-stall: 60s, run-queue: 100%, steal: 100%}}
"""


def recorded() -> None:
    """A line for each way to compare."""
    print(f"{_SAMPLES:,} samples, {_ENDPOINTS} endpoints, half an hour\n")
    print("| Compared with | seconds: measured | compared | reported | peak MiB | verdict | comment | files |")
    print("| --- | ---: | ---: | ---: | ---: | --- | ---: | --- |")
    for with_, recording in _RECORDINGS.items():
        with tempfile.TemporaryDirectory() as name:
            recording.write(Path(name))
            command = [sys.executable, "-P", "-m", "benchmarks.length_child", name, with_]
            done = subprocess.run(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True, check=True)
        told = json.loads(done.stdout)
        seconds = " | ".join(f"{told['seconds'][stage]:.1f}" for stage in ("measured", "compared", "reported"))
        print(
            f"| {with_}, {told['rows']} rows | {seconds} | {told['peak_kb'] / 1024:.0f} | {told['verdict']} "
            f"| {told['comment']:,} characters | {_sizes(told['sizes'])} |",
            flush=True,
        )


def loaded() -> None:
    """A line for each run."""
    print(f"{_ENDPOINTS} endpoints, {_USERS} users that never wait, {_SECONDS} s\n")
    print("| Run | requests | a second | verdict | judged rows | seconds beside the load | files |")
    print("| --- | ---: | ---: | --- | ---: | ---: | --- |")
    with tempfile.TemporaryDirectory() as name, serving(FAST) as server:
        folder = Path(name)
        (folder / "loadtest.yml").write_text(_SETTINGS.replace("URL", server.url))
        for number in range(_RUNS):
            _ml_loadtest(folder, "calibrate", "--runs", "1", GITHUB_RUN_ID=str(number))
        began, before = time.monotonic(), server.count()
        _ml_loadtest(folder, "run")
        took, answered = time.monotonic() - began, server.count() - before
        print(_line(folder / "results", took, answered))


def _ml_loadtest(folder: Path, *arguments: str, **environment: str) -> None:
    """However it ends; a run that the machine spoiled is one of the things to be seen."""
    subprocess.run(
        [_PROGRAM, *arguments], cwd=folder, env={**os.environ, **environment}, stdout=sys.stderr, timeout=600, check=False
    )  # fmt: skip


def _line(results: Path, took: float, answered: int) -> str:
    result = json.loads((results / "result.json").read_text())
    measurement = result["measurement"]
    requests = sum(endpoint["requests"] for endpoint in measurement["endpoints"].values())
    sizes = {file.name: file.stat().st_size for file in sorted(results.iterdir()) if file.is_file()}
    return (
        f"| run | {requests:,} in the window; {measurement['recorded']:,} recorded, {answered:,} answered "
        f"| {requests / measurement['window_s']:,.0f} | {result['verdict']} | {result['compared']['rows']} "
        f"| {took - result['timing']['load']:.1f} | {_sizes(sizes)} |"
    )


def _sizes(files: dict[str, Any]) -> str:
    return ", ".join(f"`{name}` {size / 1024:,.0f} KiB" for name, size in files.items() if not name.startswith("."))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.length", description=__doc__)
    parser.add_argument("--only", choices=("recorded", "loaded"), help="one of both")
    only = parser.parse_args().only
    print(f"{machine.describe()}\n", flush=True)
    for name, work in (("recorded", recorded), ("loaded", loaded)):
        if only in (None, name):
            work()
            print(flush=True)


if __name__ == "__main__":
    main()
