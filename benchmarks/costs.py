"""Whether what a service costs shows what was planted in it, run by run: python -m benchmarks.costs

The trust campaign's service that computes, on docker compose; the conditions take turns, so that a drift of the machine falls on
all alike.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import machine

_CONFIG = Path(__file__).parent / "trust/services/loadtest.yml"
_PLANTED = {
    "nothing": {},
    "+5 % of work": {"WORK": "1.05"},
    "+20 % of work": {"WORK": "1.2"},
    "1 KiB left behind by each request": {"LEAK": "1024"},
    "ready 2 s later": {"START": "2"},
    "half a core": {"CPUS": "0.5"},
}
_ROUNDS = 3


def run(folder: Path, environment: dict[str, str]) -> dict[str, float]:
    """The figures of one run: p50 of the only endpoint, and what the service cost."""
    program = Path(sys.executable).with_name("ml-loadtest")
    arguments = ["--config", str(_CONFIG), "--compare-with", "none", "--duration", "15s", "--out", str(folder)]
    subprocess.run(
        [program, "run", *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=300,
    )
    measurement = json.loads((folder / "result.json").read_text())["measurement"]
    return {"p50": measurement["endpoints"]["POST /predict"]["metrics"]["p50"], **measurement["service"]}


def cell(found: list[dict[str, float]], metric: str, scale: float = 1.0) -> str:
    """The mean of the rounds, and lowest to highest."""
    values = [one[metric] * scale for one in found if metric in one]
    return f"{sum(values) / len(values):.3g} ({min(values):.3g} to {max(values):.3g})" if values else ""


def main() -> None:
    found: dict[str, list[dict[str, float]]] = {name: [] for name in _PLANTED}
    for number in range(_ROUNDS):
        for name, environment in _PLANTED.items():
            with tempfile.TemporaryDirectory() as folder:
                found[name].append(run(Path(folder) / "results", environment))
            print(f"round {number + 1}, {name}: {found[name][-1]}", file=sys.stderr, flush=True)
    print(f"{machine.describe()}\n")
    head = ("Planted", "CPU ms for each success", "p50 ms", "MiB in 1,000 requests", "ready after ms", "held back %")
    print("| " + " | ".join(head) + " |\n" + "| --- " * len(head) + "|")
    for name, runs in found.items():
        cells = (
            cell(runs, "cpu-per-request"),
            cell(runs, "p50"),
            cell(runs, "memory-growth"),
            cell(runs, "time-to-ready"),
        )
        print("| " + " | ".join((name, *cells, cell(runs, "throttled", 100))) + " |")


if __name__ == "__main__":
    main()
