"""Ten million samples over fifty endpoints, from files to `result.json`, in a process of its own."""

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks.figures import Figure, middle
from benchmarks.generator import plan
from entrypoint.measurement.samples import DTYPE
from locustfiles.ml_loadtest import contract

_SAMPLES = 10_000_000
_ENDPOINTS = 50
_WORKERS = 4
_WINDOW_S = 1800.0
_AT_ONCE = 500_000
_TIMES = 3
_FAILED = 0.005


def run() -> list[Figure]:
    """Seconds and memory, the middle of three times, with the spread of all."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write(folder)
        each = [_read(folder) for _ in range(_TIMES)]
    seconds, spread = middle([wall for wall, _, _ in each], 1)
    memory, memory_spread = middle([peak for _, peak, _ in each], 2)
    start, _ = middle([before for _, _, before in each], 1)
    what = f"{_SAMPLES / 1e6:g} million samples, {_ENDPOINTS} endpoints, {_WINDOW_S:g} s of load, to result.json"
    return [
        Figure(
            benchmark="reading", what=f"{what}: seconds (of them {start} to start Python and import)", value=seconds,
            spread=spread, aim="≤ 10", met=float(seconds) <= 10,
        ),
        Figure(
            benchmark="reading", what="the same: peak memory in GB", value=memory, spread=memory_spread, aim="≤ 1.5",
            met=float(memory) <= 1.5,
        ),
    ]  # fmt: skip


def _read(folder: Path) -> tuple[float, float, float]:
    """Wall seconds of the whole process, its peak memory in GB, seconds until it had imported everything."""
    began = time.monotonic()
    command = [sys.executable, "-P", "-m", "benchmarks.reading_child", str(folder)]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    wall = time.monotonic() - began
    if done.returncode:
        raise RuntimeError(done.stderr)
    told = json.loads(done.stdout)
    assert told["requests"] == _SAMPLES
    return wall, told["peak_kb"] * 1024 / 1e9, told["imported"] - began


def _write(folder: Path) -> None:
    """Files as the instrument writes them: each worker's samples in order of their end, health every second."""
    for worker in range(_WORKERS):
        _write_samples(folder, worker)
        lines = [json.dumps([number, "POST", f"/predict/{number}"]) for number in range(_ENDPOINTS)]
        (folder / f"endpoints-{worker}.jsonl").write_text("\n".join(lines) + "\n")
        health = [
            json.dumps(asdict(contract.Health(second, 0.7, 1.0, 0.0, 0.0, 100))) for second in range(int(_WINDOW_S))
        ]
        (folder / f"health-{worker}.jsonl").write_text("\n".join(health) + "\n")
    contract.write_whole(folder / "plan.json", plan("http://127.0.0.1", users=400, measured_s=_WINDOW_S, warm_up_s=5))
    contract.write_whole(folder / "closing.json", _closing())


def _write_samples(folder: Path, worker: int) -> None:
    chance = np.random.default_rng(worker)
    count = _SAMPLES // _WORKERS
    with (folder / f"samples-{worker}.bin").open("wb") as file:
        for first in range(0, count, _AT_ONCE):
            numbers = np.arange(first, min(first + _AT_ONCE, count))
            rows = np.zeros(len(numbers), DTYPE)
            rows["outcome"] = np.where(chance.random(len(rows)) < _FAILED, contract.Outcome.SERVER_ERROR, 0)
            rows["endpoint"] = chance.integers(0, _ENDPOINTS, len(rows))
            rows["ticket"] = numbers
            rows["bytes"] = 120
            rows["response_ms"] = chance.lognormal(3.0, 0.5, len(rows))
            rows["due_s"] = numbers / count * _WINDOW_S + chance.normal(0.0, 0.02, len(rows)).clip(-0.1, 0.1)
            rows["due_s"] = rows["due_s"].clip(0.0, _WINDOW_S)
            rows["start_s"] = rows["due_s"]
            rows.tofile(file)


def _closing() -> contract.Closing:
    return contract.Closing(
        complete=True, problem="", started=_SAMPLES, recorded=_SAMPLES, unfinished=0, unreported=0,
        response_sum_ms=0.0, locust_count=_SAMPLES, locust_sum_ms=0.0, origin_unix_s=0.0,
        steps=(contract.Step(_WINDOW_S, 400),), spans=(contract.Span(0, 0, 0, 0.0, _WINDOW_S, _SAMPLES),),
        warm=True, users_planned=400, users_started=400, versions={"locust": "2"},
    )  # fmt: skip
