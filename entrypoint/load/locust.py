"""Locust as a child process: its command line, its environment, its life and its death."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from entrypoint.errors import SettingsError
from entrypoint.interruption import held_back
from locustfiles.ml_loadtest import contract

_LAUNCHER = Path(contract.__file__).parent / "launch.py"
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
_STOP_TIMEOUT_S = 2
_TERM_S = 5.0
_EVERYWHERE = ("0.0.0.0", "*", "::")  # noqa: S104 (compared with, not bound)


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
        workers: how many worker processes are started here; the plan's others come from elsewhere.
        master: address that the workers' master binds; port 0 is a free one.
        secrets: what is taken out of all that it writes, beside the values of the plan's variables.
    """

    python: Path
    locustfile: Path
    exchange: Path
    folder: Path
    root: Path
    environment: Mapping[str, str]
    workers: int = 0
    master: tuple[str, int] = ("127.0.0.1", 0)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def log(self) -> Path:
        """Locust's log."""
        return self.folder / "locust.log"


def select_environment(environment: Mapping[str, str], names: tuple[str, ...] | list[str]) -> dict[str, str]:
    """What Locust sees: what every program needs, and the variables that the user named."""
    wanted = {*_PASSED_ON, *names}
    return {name: value for name, value in environment.items() if name in wanted} | {"PYTHONUNBUFFERED": "1"}


def command_line(launch: Launch, plan: contract.Plan, port: int = 0) -> list[str]:
    """Locust's command line; every option that a file of the user's could set is given.

    Args:
        launch: how Locust is started.
        plan: with workers, this is their master's.
        port: of the master.
    """
    targets = len(plan.targets)
    master = [
        "--master", "--master-bind-host", launch.master[0], "--master-bind-port", str(port),
        "--expect-workers", str(plan.workers),
    ]  # fmt: skip
    return [
        *_locust(launch.python, launch.locustfile, str(launch.exchange)), "--headless", "--only-summary",
        "--users", str(plan.users * targets), "--spawn-rate", str(plan.spawn_rate * targets),
        "--stop-timeout", str(_STOP_TIMEOUT_S), "--exit-code-on-error", "0",
        "--csv", str(launch.folder / "locust"), "--loglevel", "INFO", *(master if plan.workers else ()),
    ]  # fmt: skip


def worker_command_line(python: Path, locustfile: Path, host: str, port: int, folder: str = "-") -> list[str]:
    """The command line of a worker for the master at that address; it leaves its words in `folder`, if it has one."""
    return [*_locust(python, locustfile, folder), "--worker", "--master-host", host, "--master-port", str(port)]


def _locust(python: Path, locustfile: Path, exchange: str) -> list[str]:
    return [str(python), "-P", str(_LAUNCHER), exchange, "--locustfile", str(locustfile)]


@contextmanager
def running(launch: Launch, plan: contract.Plan) -> Iterator[subprocess.Popen[bytes]]:
    """Locust, and its workers here, each in a process group of its own; gone with all their children when the block is left.

    Yields:
        Locust's process, the workers' master where there are workers.
    """
    launch.folder.mkdir(parents=True, exist_ok=True)
    if plan.workers and launch.master[1]:
        _refuse_useless_address(*launch.master)
    port = (launch.master[1] or _free_port()) if plan.workers else 0
    host = launch.master[0] if launch.master[0] not in _EVERYWHERE else "127.0.0.1"
    worker = worker_command_line(launch.python, launch.locustfile, host, port)
    commands = [(launch.log, command_line(launch, plan, port))]
    commands += [(launch.folder / f"worker-{number}.log", worker) for number in range(launch.workers)]
    with started(commands, launch.root, launch.environment) as processes:
        yield processes[0]


@contextmanager
def started(
    commands: Sequence[tuple[Path, list[str]]], root: Path, environment: Mapping[str, str]
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """These commands, each with a log and a process group of its own; gone with all their children when the block is left."""
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for log, command in commands:
            with log.open("wb") as file, held_back():
                processes.append(_start(command, root, environment, file))
        yield processes
    finally:
        with held_back():
            # A master first: it asks its workers for what they have.
            for process in processes[:1]:
                _end(process)
            for process in processes[1:]:
                _terminate(process)
            for process in processes[1:]:
                _end(process)


def _refuse_useless_address(host: str, port: int) -> None:
    """Locust would say so only in its log, and this run's own workers would join whoever has the address."""
    try:
        found = socket.getaddrinfo(host.replace("*", "0.0.0.0"), port, type=socket.SOCK_STREAM)[0]  # noqa: S104 (tried, as asked)
        with socket.socket(found[0], found[1]) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(found[4])
    except OSError as error:
        raise SettingsError(
            f"`master` names {host}:{port}, where no master can listen: {error.strerror}.",
            cause="Another run listens there, or it is not an address of this machine.",
            remedy="Name an address of this machine that the workers can reach, and a port that is free.",
        ) from error


def _start(command: list[str], root: Path, environment: Mapping[str, str], log: IO[bytes]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        command,
        cwd=root,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, under which the instrument still writes what it has; SIGKILL for whatever is left of the group."""
    _terminate(process)
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=_TERM_S)
    _signal_group(process.pid, signal.SIGKILL)
    process.wait()


def _terminate(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        _signal_group(process.pid, signal.SIGTERM)


def _signal_group(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return
