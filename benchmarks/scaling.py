"""What a second worker costs: requests per CPU second of all generator processes, two workers against one, turn by turn."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil

from benchmarks.figures import Figure, middle
from benchmarks.generator import LOCUSTFILES, launch, plan
from benchmarks.recording import Generator, Work
from benchmarks.servers import FAST, serving
from entrypoint.load import locust
from locustfiles.ml_loadtest import contract

_PAIRS = 6
_TURNS = 12
# A master gives up a worker that was silent for 3 s, so no turn of the other's may last that long, nor two in a row.
_TURN_S = 0.5
_SETTLE_S = 4.0
_USERS_EACH = 20
_LOCUSTFILE = LOCUSTFILES / "saturate.py"


def run() -> list[Figure]:
    """The ratio of two workers to one, master included, over six pairs."""
    with tempfile.TemporaryDirectory() as folder, _workers(1, Path(folder)) as one, _workers(2, Path(folder)) as two:
        one.await_load()
        two.await_load()
        time.sleep(_SETTLE_S)
        one.suspend()
        two.suspend()
        pairs = [_pair(one, two) for _ in range(_PAIRS)]
    ratio, spread = middle([more.per_cpu_s / less.per_cpu_s for less, more in pairs])
    by_wall, wall_spread = middle([more.per_s / less.per_s for less, more in pairs], 2)
    rate, rate_spread = middle([less.per_cpu_s for less, _ in pairs], 0)
    cores, cores_spread = middle([more.cpu_s / more.wall_s for _, more in pairs], 2)
    name = "scaling"
    return [
        Figure(
            benchmark=name, what="requests per generator CPU second, two workers / one, their master included", value=ratio,
            spread=spread, aim="≥ 0.85", met=float(ratio) >= 0.85,
        ),
        Figure(benchmark=name, what="requests per second, two workers / one", value=by_wall, spread=wall_spread),
        Figure(benchmark=name, what="one worker and its master: requests per CPU second", value=rate, spread=rate_spread),
        Figure(benchmark=name, what="cores that two workers and their master used", value=cores, spread=cores_spread),
    ]  # fmt: skip


def _pair(one: Generator, two: Generator) -> tuple[Work, Work]:
    """Turns in the order A B B A, so that a steady drift falls on both alike."""
    less, more = Work(), Work()
    for turn in range(_TURNS):
        for generator in (one, two) if turn % 2 else (two, one):
            if generator is two:
                more += generator.turn(_TURN_S)
            else:
                less += generator.turn(_TURN_S)
    assert less.requests, "the generator gave up"
    assert more.requests, "the generators gave up"
    return less, more


@contextmanager
def _workers(count: int, folder: Path) -> Iterator[Generator]:
    """A master and its workers; their plan is longer than the benchmark, and ends when it is told to."""
    how = launch(_LOCUSTFILE, folder / str(count), workers=count)
    with serving(FAST) as server:
        todo = replace(
            plan(server.url, users=_USERS_EACH * count, warm_up_s=2.0, measured_s=600.0),
            workers=count, locustfile=contract.digest(_LOCUSTFILE),
        )  # fmt: skip
        contract.write_whole(how.exchange / "plan.json", todo)
        with locust.running(how, todo) as master:
            generator = Generator(_processes(master.pid, count), server)
            try:
                yield generator
            finally:
                generator.resume()


def _processes(master: int, count: int) -> tuple[psutil.Process, ...]:
    """The master, and the workers that were started right after it."""
    children = [child for child in psutil.Process().children() if "--worker" in child.cmdline()]
    return (psutil.Process(master), *sorted(children, key=lambda child: child.create_time())[-count:])
