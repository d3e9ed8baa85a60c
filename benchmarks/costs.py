"""Whether what a service costs shows what was planted in it, run by run: python -m benchmarks.costs [--example NAME]

The trust campaign's service that computes, or with `--example` a copy of one of the examples, judged by a baseline of its own.
On docker compose; the conditions take turns, so that a drift of the machine falls on all alike.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks import machine
from benchmarks.planting import EXAMPLES, Plot, Ran, Wrong
from entrypoint.measurement.metrics import METRICS

_CONFIG = Path(__file__).parent / "trust/services/loadtest.yml"
_PLANTED = {
    "nothing": {},
    "+5 % of work": {"WORK": "1.05"},
    "+20 % of work": {"WORK": "1.2"},
    "1 KiB left behind by each request": {"LEAK": "1024"},
    "ready 2 s later": {"START": "2"},
    "half a core": {"CPUS": "0.5"},
}
_COLUMNS = {
    "CPU ms for each success": ("cpu-per-request", 1),
    "p50 ms": ("p50", 1),
    "MiB in 1,000 requests": ("memory-growth", 1),
    "ready after ms": ("time-to-ready", 1),
    "held back %": ("throttled", 100),
    "images MiB": ("image-size", 1),
}
Condition = Callable[[Path], Ran]


def of_service() -> dict[str, Condition]:
    """Each condition of the trust campaign's service."""
    return {name: partial(_run, environment=environment) for name, environment in _PLANTED.items()}


def _run(folder: Path, environment: dict[str, str]) -> Ran:
    """Without a baseline, so nothing is named."""
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
    return Ran(
        {"p50": measurement["endpoints"]["POST /predict"]["metrics"]["p50"], **measurement["service"]}, frozenset()
    )


def of_example(name: str, folder: Path, occasions: int) -> dict[str, Condition]:
    """Each condition of an example, once its baseline is there: work and padding are in proportion to what that has."""
    plot = Plot(name, folder)
    for occasion in range(occasions):
        plot.calibrate(occasion)
        print(f"calibrated {occasion + 1} of {occasions}", file=sys.stderr, flush=True)
    plot.limit()
    work_ms, size = plot.usual("cpu-per-request"), int(plot.usual("image-size") * 2**20)
    fewer = EXAMPLES[name].fewer
    planted = {
        "nothing": Wrong(),
        "+5 % of work": Wrong(environment={"EXTRA_MS": f"{0.05 * work_ms:.4g}"}),
        "+20 % of work": Wrong(environment={"EXTRA_MS": f"{0.2 * work_ms:.4g}"}),
        "ready 2 s later": Wrong(environment={"START": "2"}),
        "image twice as large": Wrong(padding=size),
        f"{fewer} of a core": Wrong(environment={"CPUS": fewer}),
        "1 KiB left behind by each request, in a longer run": Wrong(environment={"LEAK": "1024"}, longer=True),
    }
    beside = ("nothing", "+5 % of work", "+20 % of work")
    return {key: partial(_plot, plot=plot, wrong=wrong) for key, wrong in planted.items()} | {
        f"{key}, beside the base": partial(_beside, plot=plot, wrong=planted[key]) for key in beside
    }


def _plot(folder: Path, plot: Plot, wrong: Wrong) -> Ran:
    return plot.run(folder.name, wrong)


def _beside(folder: Path, plot: Plot, wrong: Wrong) -> Ran:
    return plot.beside(folder.name, wrong)


def cell(found: list[Ran], metric: str, scale: float = 1.0) -> str:
    """The mean of the rounds, and lowest to highest."""
    values = [one.figures[metric] * scale for one in found if metric in one.figures]
    if len(values) < 2:
        return "".join(map(figure, values))
    return f"{figure(statistics.fmean(values))} ({figure(min(values))} to {figure(max(values))})"


def figure(value: float) -> str:
    """Three significant digits, but for what is larger than they are."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def names(found: list[Ran]) -> str:
    """Which figures of the service the reasons named, in how many of the runs."""
    counts = {metric: sum(metric in one.named for one in found) for metric in METRICS}
    told = [f"`{metric}` {count} of {len(found)}" for metric, count in counts.items() if count]
    return ", ".join(told) or "nothing"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.costs", description=__doc__)
    parser.add_argument(
        "--example", choices=EXAMPLES, help="a copy of this one instead of the trust campaign's service"
    )
    parser.add_argument("--rounds", type=int, default=3, help="runs of each condition")
    parser.add_argument("--occasions", type=int, default=5, help="runs of an example's baseline")
    parser.add_argument("--only", nargs="*", default=[""], help="the conditions whose names hold one of these words")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        conditions = of_example(options.example, folder, options.occasions) if options.example else of_service()
        conditions = {name: run for name, run in conditions.items() if any(word in name for word in options.only)}
        found: dict[str, list[Ran]] = {name: [] for name in conditions}
        for number in range(options.rounds):
            for condition, (name, run) in enumerate(conditions.items()):
                found[name].append(run(folder / f"results-{number}-{condition}"))
                print(f"round {number + 1}, {name}: {found[name][-1]}", file=sys.stderr, flush=True)
    print(f"{machine.describe()}\n\n{table(found, named=bool(options.example))}")


def table(found: dict[str, list[Ran]], *, named: bool) -> str:
    """A row for each condition; with a last column for what was named."""
    head = ["Planted", *_COLUMNS, *(["accused"] if named else [])]
    lines = ["| " + " | ".join(head) + " |", "| --- " * len(head) + "|"]
    for name, runs in found.items():
        cells = [cell(runs, metric, scale) for metric, scale in _COLUMNS.values()]
        lines.append("| " + " | ".join([name, *cells, *([names(runs)] if named else [])]) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
