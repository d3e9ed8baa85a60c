"""Locust as everybody runs it, and Locust with our instrument in it, on the same locustfile."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from entrypoint.load import locust
from entrypoint.load.interpreter import locust_python
from locustfiles.ml_loadtest import contract

LOCUSTFILES = Path(__file__).parent / "locustfiles"
_STOP_S = 10.0


@contextmanager
def bare(locustfile: Path, url: str, *, users: int, folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Locust without us, as on its documentation's first page; ended as Ctrl-C does when the block is left."""
    program = locust_python(None, os.environ).with_name("locust")
    command = [
        str(program), "--locustfile", str(locustfile), "--headless", "--only-summary", "--host", url,
        "--users", str(users), "--spawn-rate", str(users), "--stop-timeout", "2", "--csv", str(folder / "bare"),
    ]  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "bare.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=_environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def launch(locustfile: Path, folder: Path, *, workers: int = 0) -> locust.Launch:
    """How our Locust is started, with everything it writes in `folder`."""
    (folder / "samples").mkdir(parents=True)
    return locust.Launch(
        python=locust_python(None, os.environ),
        locustfile=locustfile,
        exchange=folder / "samples",
        folder=folder / "locust",
        root=folder,
        environment=_environment(),
        workers=workers,
    )


def plan(
    url: str, *, users: int, measured_s: float, warm_up_s: float, arrival_rate: float | None = None
) -> contract.Plan:
    """A plan for one block of measured time after a warm-up of fixed length."""
    return contract.Plan(
        targets=(contract.Target("candidate", url),),
        step=contract.Step(measured_s, users, arrival_rate),
        users=users,
        spawn_rate=float(users),
        arrival="constant",
        warm_up_min_s=warm_up_s,
        warm_up_max_s=warm_up_s,
        drain_s=30.0,
        answer_s=0.1,
        seed=1,
    )


def _environment() -> dict[str, str]:
    return locust.select_environment(os.environ, ())
