"""How wrong response times become as the generator is disturbed, and what the checks say: python -m benchmarks.validity.

Open load on the ledger server, which notes how long it took for each request. An undisturbed generator's percentiles are those
of the ledger; what they differ by is the generator's doing. The generator has core 0, the server core 1, but where a case says
otherwise. 28 runs of 10 s, about eight minutes; `--only` takes the cases whose names hold a word. One line for each run, and then
all seconds of all runs by what their health lines said.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray

from benchmarks import machine
from benchmarks.beside import beside
from benchmarks.generator import LOCUSTFILES, launch, plan
from benchmarks.servers import LEDGER, Server, serving
from entrypoint.errors import LoadError
from entrypoint.load.measure import Recording, measure
from entrypoint.measurement.measure import measure_recording
from entrypoint.measurement.metrics import nearest_rank
from entrypoint.measurement.samples import read_rows

_MEASURED_S = 10.0
_WARM_UP_S = 2.0
_SPIN = "while True: pass"
# Requests in a second without which its p95 says nothing; and when a percentile is called wrong, in %.
_FEWEST = 60
_WRONG_P50, _WRONG_P95 = 5.0, 10.0
_CHECKS = (
    "generator-cpu", "event-loop-lag", "longest-stall", "run-queue", "steal", "arrivals", "lateness",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Second:
    """One second of a run: two values of its health line, and the errors of p50 and p95 in %."""

    waiting: float
    lag_ms: float
    p50: float
    p95: float


_seconds: list[Second] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One run.

    Attributes:
        rate: requests per second.
        hogs: (how many processes that only use CPU, their nice level, their core or None for any).
        stops: (how long the generator is stopped, how often), in seconds.
        blocks: (for how many ms a task blocks the generator, after how many requests).
        pinned: whether generator and server have a core each.
    """

    name: str
    rate: float = 100.0
    hogs: tuple[int, int, int | None] = (0, 0, 0)
    stops: tuple[float, float] = (0.0, 1.0)
    blocks: tuple[float, int] = (0.0, 1)
    pinned: bool = True


CASES = (
    *(Case(name=f"quiet, {rate:g}/s", rate=rate) for rate in (20.0, 100.0, 400.0)),
    *(Case(name=f"rate {rate:g}/s", rate=rate) for rate in (1000.0, 2000.0)),
    *(Case(name=f"service busy on {n} free cores", hogs=(n, 0, None), pinned=False) for n in (1, 2)),
    Case(name="service busy on its own core", hogs=(1, 0, 1)),
    Case(name="service busy on its own core, 400/s", hogs=(1, 0, 1), rate=400.0),
    *(Case(name=f"{n} hogs on its core", hogs=(n, 0, 0)) for n in (1, 2, 4)),
    *(Case(name=f"{n} hogs on its core, 400/s", hogs=(n, 0, 0), rate=400.0) for n in (1, 4)),
    *(Case(name=f"2 hogs on its core, nice {nice}", hogs=(2, nice, 0)) for nice in (10, 19)),
    Case(name="stopped 10 ms every 0.1 s", stops=(0.01, 0.1)),
    Case(name="stopped 50 ms every 0.5 s", stops=(0.05, 0.5)),
    Case(name="stopped 50 ms every 2 s", stops=(0.05, 2.0)),
    Case(name="stopped 200 ms every 2 s", stops=(0.2, 2.0)),
    Case(name="stopped 200 ms every 5 s", stops=(0.2, 5.0)),
    Case(name="stopped 1 s every 5 s", stops=(1.0, 5.0)),
    Case(name="blocked 5 ms every 2 requests", blocks=(5.0, 2)),
    Case(name="blocked 5 ms every 10 requests", blocks=(5.0, 10)),
    Case(name="blocked 20 ms every 10 requests", blocks=(20.0, 10)),
    Case(name="blocked 20 ms every 50 requests", blocks=(20.0, 50)),
    Case(name="blocked 100 ms every 50 requests", blocks=(100.0, 50)),
    Case(name="blocked 100 ms every 200 requests", blocks=(100.0, 200)),
)


def main() -> int:
    """Run every case, and print a line for each as it ends."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.validity", description=__doc__)
    parser.add_argument("--only", default="", help="the cases whose names contain this")
    only = parser.parse_args().only
    print(f"{machine.describe()}\n\n{_line('case', 'ledger p50', 'p50', 'p95', *_CHECKS, 'load average')}")
    print(_line(*("---",) * (len(_CHECKS) + 5)), flush=True)
    for case in CASES:
        if only in case.name:
            try:
                print(_line(case.name, *_run(case), f"{os.getloadavg()[0]:.1f}"), flush=True)
            except (AssertionError, LoadError) as error:
                print(_line(case.name, f"{str(error).splitlines()[0]}"), flush=True)
    print("", *_by("waiting", (0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)), sep="\n")
    print("", *_by("lag_ms", (0, 2, 5, 10, 20, 50, 100, 200)), sep="\n")
    return 0


def _line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _run(case: Case) -> tuple[str, ...]:
    """The ledger's p50 in ms, our errors, and every check's value."""
    with tempfile.TemporaryDirectory() as name, serving(LEDGER) as server, _hogs(*case.hogs):
        folder = Path(name)
        todo = plan(
            server.url, users=max(50, int(case.rate / 10)), warm_up_s=_WARM_UP_S, measured_s=_MEASURED_S,
            arrival_rate=case.rate,
        )  # fmt: skip
        how = launch(LOCUSTFILES / "blocking.py", folder)
        block_ms, every = case.blocks
        how = replace(how, environment={**how.environment, "BLOCK_MS": f"{block_ms}", "BLOCK_EVERY": f"{every}"})
        todo = replace(todo, spawn_rate=500.0)
        if case.pinned:
            server.process.cpu_affinity([1])
        with beside(_disturb, case, str(how.exchange)):
            recording = measure(how, todo)
        return _figures(recording, server)


def _figures(recording: Recording, server: Server) -> tuple[str, ...]:
    assert recording.closing is not None
    assert recording.closing.spans, recording.closing.problem
    rows, _ = read_rows(recording.exchange)
    rows = rows[rows["segment"] >= 0]
    took = {identity: (answered - arrived) * 1000 for identity, arrived, answered in server.ledger()}
    known = [index for index, (s, t) in enumerate(rows[["segment", "ticket"]].tolist()) if f"{s}.{t}" in took]
    rows = rows[known]
    truth = np.array([took[f"{segment}.{ticket}"] for segment, ticket in rows[["segment", "ticket"]].tolist()])
    ours = rows["response_ms"]
    _keep_seconds(recording.exchange, rows["due_s"], ours, truth)
    measurement = measure_recording(
        recording.exchange, recording.plan, recording.closing, plan_key="", plan_text="", target=0
    )
    values = {check.name: check.value for check in measurement.checks}
    errors = (f"{_error(ours, truth, p):+.1f} %" for p in (0.50, 0.95))
    checks = (f"{values[name]:.3g}" if name in values else "" for name in _CHECKS)
    return f"{nearest_rank(np.sort(truth), 0.5):.1f} ms", *errors, *checks


def _error(ours: NDArray[np.float64], truth: NDArray[np.float64], p: float) -> float:
    return (nearest_rank(np.sort(ours), p) / nearest_rank(np.sort(truth), p) - 1) * 100


def _keep_seconds(
    exchange: Path, due_s: NDArray[np.float64], ours: NDArray[np.float64], truth: NDArray[np.float64]
) -> None:
    """One run has good seconds and bad ones: what the health line of each says, beside the errors of its requests."""
    for line in (exchange / "health-0.jsonl").read_text().splitlines():
        health = json.loads(line)
        inside = (due_s > health["at_s"] - 1) & (due_s <= health["at_s"])
        if inside.sum() >= _FEWEST:
            p50, p95 = (_error(ours[inside], truth[inside], p) for p in (0.50, 0.95))
            _seconds.append(Second(waiting=health["waiting"], lag_ms=health["lag_ms"], p50=p50, p95=p95))


def _by(what: str, edges: tuple[float, ...]) -> Iterator[str]:
    """The errors of all seconds, in classes of one health value."""
    yield _line(f"{what} in that second", "seconds", "error of p50", "error of p95", "p50 off > 5 %", "p95 off > 10 %")
    yield _line(*("---",) * 6)
    for low, high in zip(edges, (*edges[1:], np.inf), strict=True):
        some = [second for second in _seconds if low <= getattr(second, what) < high]
        if some:
            p50, p95 = [s.p50 for s in some], [s.p95 for s in some]
            wrong = (np.mean(np.abs(p50) > _WRONG_P50), np.mean(np.abs(p95) > _WRONG_P95))
            yield _line(
                f"{low:g} to {high:g}", f"{len(some)}", *(f"{np.median(errors):+.1f} %" for errors in (p50, p95)),
                *(f"{share * 100:.0f} %" for share in wrong),
            )  # fmt: skip


@contextmanager
def _hogs(count: int, nice: int, core: int | None) -> Iterator[None]:
    """Processes that use all the CPU they get."""
    with ExitStack() as stack:
        for _ in range(count):
            hog = subprocess.Popen([sys.executable, "-c", _SPIN])
            stack.callback(hog.wait)
            stack.callback(hog.kill)
            handle = psutil.Process(hog.pid)
            handle.nice(nice)
            if core is not None:
                handle.cpu_affinity([core])
        yield


def _disturb(case: Case, exchange: str, over: threading.Event) -> None:
    """Find the generator once it runs, give it its core, and stop it now and then."""
    generator = None
    while generator is None and not over.wait(0.05):
        generator = _started(exchange)
    if generator is None:
        return
    if case.pinned:
        generator.cpu_affinity([0])
    stop_s, every_s = case.stops
    while stop_s and not over.wait(every_s - stop_s):
        try:
            generator.send_signal(signal.SIGSTOP)
            over.wait(stop_s)
            generator.send_signal(signal.SIGCONT)
        except psutil.NoSuchProcess:
            return


def _started(exchange: str) -> psutil.Process | None:
    """Our Locust, known by its exchange."""
    for child in psutil.Process().children(recursive=True):
        try:
            if exchange in child.cmdline():
                return child
        except psutil.Error:
            continue
    return None


if __name__ == "__main__":
    sys.exit(main())
