"""A service that is a plain process: a command with a free port, in a process group of its own."""

import shlex
import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil

from entrypoint.errors import ServiceError, SettingsError
from entrypoint.service import cpu, process_tree
from entrypoint.service.deadline import Deadline
from entrypoint.service.ledger import Claim
from entrypoint.service.logs import log_file, shorten, tail
from entrypoint.service.place import Place
from entrypoint.service.readiness import Access, Readiness, headers_of
from entrypoint.service.resources import Gauge, of_process
from entrypoint.service.target import Fault
from entrypoint.settings import model

_PORT = "{port}"


class ProcessService:
    """The service that `command` starts."""

    hint = "Does it listen on 127.0.0.1 and on the port that `{port}` in `command` stands for?"

    def __init__(self, service: model.Service, name: str, place: Place, claim: Claim) -> None:
        self.name = name
        self.url = ""
        self.timing: dict[str, float] = {}
        self.readiness: Readiness | None = None
        self.image_bytes: int | None = None
        self.access = Access(headers=headers_of(service.headers))
        self._arguments = parse_command(service.command, "command")
        self._variables = {key: str(value) for key, value in service.environment.items()}
        self._place = place
        self._claim = claim
        self._log = log_file(place.logs, name)
        self._child: subprocess.Popen[bytes] | None = None
        if not any(_PORT in text for text in (*self._arguments, *self._variables.values())):
            raise SettingsError(
                f"`command`: expected `{_PORT}` where the port goes, got {service.command!r}.",
                cause="The service is started on a free port, so that it cannot meet another one's.",
                remedy="Write it as in `uvicorn app:app --port {port}`; in a variable of `environment` it is replaced too.",
            )

    def prepare(self) -> None:
        """Nothing to prepare."""

    def start(self, _deadline: Deadline, /) -> None:
        """Start the command on a free port of loopback."""
        port = str(_free_port())
        arguments = [argument.replace(_PORT, port) for argument in self._arguments]
        variables = {key: value.replace(_PORT, port) for key, value in self._variables.items()}
        environment = {**self._place.environment, **variables, process_tree.MARK: self._claim.project}
        try:
            with self._log.open("wb") as log:
                self._child = subprocess.Popen(
                    arguments,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=self._place.root,
                    env=environment,
                    start_new_session=True,
                )
        except OSError as error:
            raise _cannot_run("command", arguments[0], self._place.root, error) from None
        self._claim.lead(self._child.pid)
        self.url = f"http://127.0.0.1:{port}"

    def look(self) -> str:
        """Its address, while the process runs.

        Raises:
            ServiceError: it has ended.
        """
        if (ending := self._ending()) is not None:
            raise ServiceError(
                f"The service ended before it was ready: `{self._arguments[0]}` {ending}.",
                cause="`command` has to stay in the foreground, and to serve until it is ended.",
                remedy=f"Its last lines say why; all of them are in {self._log.name}.",
                log=self.log_tail(),
            )
        return self.url

    @property
    def replicas(self) -> int:
        """One, as far as can be seen."""
        return 1

    def settle(self) -> None:
        """Nothing to remember: a process that runs has not ended."""

    def gauges(self) -> list[Gauge]:
        """The process with its children."""
        assert self._child is not None
        with suppress(psutil.NoSuchProcess):
            pid = self._child.pid
            return [Gauge(service=Path(self._arguments[0]).name, read=of_process(pid), cpu=cpu.of_process(pid))]
        return []

    def addresses(self) -> dict[str, str]:
        """Its address."""
        return {self.name: self.url}

    def log_tail(self) -> str:
        """The last lines that it printed."""
        return tail(self._log)

    def save_logs(self) -> None:
        """It writes its log itself."""

    def release(self) -> None:
        """Collect the process that was ended, and keep the last 5 MB of its log."""
        if self._child:
            self._child.wait()
        shorten(self._log)

    def faults(self) -> list[Fault]:
        """Its end."""
        ending = self._ending()
        return [Fault(kind="exited", what=f"`{self._arguments[0]}` {ending}")] if ending is not None else []

    def facts(self) -> dict[str, str]:
        """The launcher and the program's name; its arguments might hold a secret."""
        return {"launcher": "process", "program": Path(self._arguments[0]).name}

    def _ending(self) -> str | None:
        code = self._child.poll() if self._child else None
        if code is None:
            return None
        if code >= 0:
            return f"exited with code {code}"
        killed = "; the kernel does that when memory runs out" if -code == signal.SIGKILL else ""
        return f"was ended by signal {-code} ({signal.strsignal(-code)}{killed})"


def parse_command(command: str, setting: str) -> list[str]:
    """The words of a command.

    Raises:
        SettingsError: they cannot be told apart.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise SettingsError(f"`{setting}`: expected a command, got {command!r}: {error}.") from None
    if not words:
        raise SettingsError(f"`{setting}`: expected a command, got {command!r}.")
    return words


def _cannot_run(setting: str, program: str, root: Path, error: OSError) -> SettingsError:
    return SettingsError(
        f"`{setting}`: `{program}` could not be started in {root}: {error.strerror}.",
        cause="It is not on the PATH there, is not executable, or the folder is another than you think.",
        remedy="Give the program's path, or start a shell yourself: `sh -c '…'`.",
    )


def _free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
