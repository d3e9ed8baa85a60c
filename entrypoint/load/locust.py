"""Locust as a child process: its command line, its environment, its life and its death."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from entrypoint.interruption import held_back
from locustfiles.ml_loadtest import contract

_LAUNCHER = Path(contract.__file__).parent / "launch.py"
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
_STOP_TIMEOUT_S = 2
_TERM_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How Locust is to be started.

    Attributes:
        python: the interpreter that has it.
        locustfile: the user's file.
        exchange: the folder shared with the instrument, with the plan in it.
        folder: where Locust's log and CSV go.
        root: its working directory.
        environment: the variables that the locustfile may see beside the basic ones.
    """

    python: Path
    locustfile: Path
    exchange: Path
    folder: Path
    root: Path
    environment: Mapping[str, str]

    @property
    def log(self) -> Path:
        """Locust's log."""
        return self.folder / "locust.log"


def select_environment(environment: Mapping[str, str], names: tuple[str, ...] | list[str]) -> dict[str, str]:
    """What Locust sees: what every program needs, and the variables that the user named."""
    wanted = {*_PASSED_ON, *names}
    return {name: value for name, value in environment.items() if name in wanted} | {"PYTHONUNBUFFERED": "1"}


def command_line(launch: Launch, plan: contract.Plan) -> list[str]:
    """Locust's command line; every option that a file of the user's could set is given."""
    users = plan.users * len(plan.targets)
    return [
        str(launch.python), "-P", str(_LAUNCHER), str(launch.exchange),
        "--locustfile", str(launch.locustfile), "--headless", "--only-summary",
        "--users", str(users), "--spawn-rate", str(plan.spawn_rate * len(plan.targets)),
        "--stop-timeout", str(_STOP_TIMEOUT_S), "--exit-code-on-error", "0",
        "--csv", str(launch.folder / "locust"), "--loglevel", "INFO",
    ]  # fmt: skip


@contextmanager
def running(launch: Launch, plan: contract.Plan) -> Iterator[subprocess.Popen[bytes]]:
    """Locust in a process group of its own; gone with all its children when the block is left, however it is left."""
    launch.folder.mkdir(parents=True, exist_ok=True)
    process = None
    try:
        with launch.log.open("wb") as log, held_back():
            process = subprocess.Popen(
                command_line(launch, plan),
                cwd=launch.root,
                env=dict(launch.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        yield process
    finally:
        if process is not None:
            with held_back():
                _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, under which the instrument still writes what it has; SIGKILL for whatever is left of the group."""
    if process.poll() is None:
        _signal_group(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=_TERM_S)
    _signal_group(process.pid, signal.SIGKILL)
    process.wait()


def _signal_group(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return
