"""Ten million samples over fifty endpoints, from files to `result.json`, in a process of its own."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Figure, middle
from benchmarks.written import Recording

_RECORDING = Recording(samples=10_000_000, endpoints=50)
_TIMES = 3


def run() -> list[Figure]:
    """Seconds and memory, the middle of three times, with the spread of all."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _RECORDING.write(folder)
        each = [_read(folder) for _ in range(_TIMES)]
    seconds, spread = middle([wall for wall, _, _ in each], 1)
    memory, memory_spread = middle([peak for _, peak, _ in each], 2)
    start, _ = middle([before for _, _, before in each], 1)
    many = f"{_RECORDING.samples / 1e6:g} million samples, {_RECORDING.endpoints} endpoints"
    what = f"{many}, {_RECORDING.window_s:g} s of load, to result.json"
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
    assert told["requests"] == _RECORDING.samples
    return wall, told["peak_kb"] * 1024 / 1e9, told["imported"] - began
