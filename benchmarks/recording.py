"""What recording costs: requests per CPU second of a saturated generator, ours against bare Locust, turn by turn."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from subprocess import Popen

import psutil

from benchmarks.figures import Figure, middle
from benchmarks.generator import LOCUSTFILES, bare, launch, plan
from benchmarks.servers import FAST, Server, cpu_s, serving
from entrypoint.load import locust
from locustfiles.ml_loadtest import contract

_PAIRS = 6
# A pair is eight seconds of each generator, in turns of two seconds: a machine that changes speed changes it for both.
_TURNS = 4
_TURN_S = 2.0
_USERS = 20
# From the first request on: users are started, connections open, our warm-up over.
_SETTLE_S = 4.0
_START_S = 30.0
_LOCUSTFILE = LOCUSTFILES / "saturate.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a generator did: in how much time, at what cost, and how much the server worked for it."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    server_cpu_s: float = 0.0
    requests: int = 0

    def __add__(self, other: "Work") -> "Work":
        return Work(**{field: value + getattr(other, field) for field, value in asdict(self).items()})

    def __sub__(self, other: "Work") -> "Work":
        return Work(**{field: value - getattr(other, field) for field, value in asdict(self).items()})

    @property
    def per_s(self) -> float:
        """Requests per second."""
        return self.requests / self.wall_s

    @property
    def per_cpu_s(self) -> float:
        """Requests per second of the generator's CPU time."""
        return self.requests / self.cpu_s


@dataclass(frozen=True, slots=True)
class Generator:
    """A saturated generator, of one process or more, with a server of its own. It is stopped but in its turns."""

    processes: tuple[psutil.Process, ...]
    server: Server

    def settle(self) -> None:
        """Let it come to full speed, then stop it."""
        self.await_load()
        time.sleep(_SETTLE_S)
        self.suspend()

    def await_load(self) -> None:
        """Until its first request was answered."""
        deadline = time.monotonic() + _START_S
        while not self.server.count():
            if time.monotonic() > deadline:
                raise TimeoutError("the generator sent nothing")
            time.sleep(0.05)

    def turn(self, seconds: float = _TURN_S) -> Work:
        """Let it run for one turn; what it did."""
        before = self._so_far()
        self.resume()
        time.sleep(seconds)
        self.suspend()
        return self._so_far() - before

    def suspend(self) -> None:
        """Stop it where it is."""
        for process in self.processes:
            process.suspend()

    def resume(self) -> None:
        """Let it go on."""
        for process in self.processes:
            if process.is_running():
                process.resume()

    def _so_far(self) -> Work:
        return Work(
            wall_s=time.monotonic(),
            cpu_s=sum(cpu_s(process) for process in self.processes),
            server_cpu_s=self.server.cpu_s(),
            requests=self.server.count(),
        )


def run() -> list[Figure]:
    """The ratio of ours to bare Locust, over six pairs."""
    with tempfile.TemporaryDirectory() as folder, _bare(Path(folder)) as bare_locust, _ours(Path(folder)) as ours:
        bare_locust.settle()
        ours.settle()
        pairs = [_pair(bare_locust, ours) for _ in range(_PAIRS)]
    by_cpu, spread = middle([ours.per_cpu_s / plain.per_cpu_s for plain, ours in pairs])
    by_wall, wall_spread = middle([ours.per_s / plain.per_s for plain, ours in pairs])
    rate, rate_spread = middle([plain.per_cpu_s for plain, _ in pairs], 0)
    both = [side for pair in pairs for side in pair]
    cores, cores_spread = middle([side.cpu_s / side.wall_s for side in both], 2)
    server, server_spread = middle([side.server_cpu_s / side.wall_s for side in both], 2)
    name = "recording"
    return [
        Figure(
            benchmark=name, what="requests per generator CPU second, ours / bare Locust", value=by_cpu, spread=spread,
            aim="≥ 0.95", met=float(by_cpu) >= 0.95,
        ),
        Figure(benchmark=name, what="requests per second, ours / bare Locust", value=by_wall, spread=wall_spread),
        Figure(benchmark=name, what="bare Locust: requests per CPU second", value=rate, spread=rate_spread),
        Figure(benchmark=name, what="cores that a generator used", value=cores, spread=cores_spread),
        Figure(benchmark=name, what="cores that its server used", value=server, spread=server_spread),
    ]  # fmt: skip


def _pair(bare_locust: Generator, ours: Generator) -> tuple[Work, Work]:
    """Turns in the order A B B A, so that a steady drift falls on both alike."""
    plain, measured = Work(), Work()
    for turn in range(_TURNS):
        for generator in (bare_locust, ours) if turn % 2 else (ours, bare_locust):
            if generator is ours:
                measured += generator.turn()
            else:
                plain += generator.turn()
    return plain, measured


@contextmanager
def _bare(folder: Path) -> Iterator[Generator]:
    with (
        serving(FAST) as server,
        bare(_LOCUSTFILE, server.url, users=_USERS, folder=folder) as process,
        _resumed(process) as handle,
    ):
        yield Generator((handle,), server)


@contextmanager
def _ours(folder: Path) -> Iterator[Generator]:
    """Its plan is longer than the benchmark: it ends when it is told to, as on Ctrl-C."""
    how = launch(_LOCUSTFILE, folder / "ours")
    with serving(FAST) as server:
        todo = plan(server.url, users=_USERS, warm_up_s=_SETTLE_S / 2, measured_s=600.0)
        contract.write_whole(how.exchange / "plan.json", todo)
        with locust.running(how, todo) as process, _resumed(process) as handle:
            yield Generator((handle,), server)


@contextmanager
def _resumed(process: "Popen[bytes]") -> Iterator[psutil.Process]:
    """Whatever happens, a stopped generator goes on again, for it could not end otherwise."""
    handle = psutil.Process(process.pid)
    try:
        yield handle
    finally:
        if handle.is_running():
            handle.resume()
