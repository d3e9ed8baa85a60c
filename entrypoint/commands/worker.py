"""`worker`: add processes of this machine to a run on another one, and say what becomes of them."""

import json
import socket
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

from entrypoint.console import Console
from entrypoint.errors import ExitCode, LoadError, SettingsError
from entrypoint.load import locust
from entrypoint.load.interpreter import locust_python
from entrypoint.load.measure import tail
from entrypoint.load.requests import FILE_NAME, write_locustfile
from entrypoint.settings.plausible import refuse_useless_files
from entrypoint.settings.quantities import parse_duration, show_duration
from entrypoint.settings.reading import JoiningSettings
from locustfiles.ml_loadtest.contract import Word

_POLL_S = 0.1
_PROBE_S = 3.0


@dataclass(frozen=True, slots=True)
class Master:
    """Where the master is, and how long it is tried, in seconds."""

    host: str
    port: int
    wait_s: float

    def __str__(self) -> str:
        """`HOST:PORT`."""
        return f"{self.host}:{self.port}"


def master_at(host: str, port: int, wait: str) -> Master:
    """The master that these flags name.

    Raises:
        SettingsError: if one of them cannot be right.
    """
    if not 1 <= port <= 65_535:
        raise SettingsError(f"`--port`: expected a port between 1 and 65535, got {port}.")
    try:
        seconds = parse_duration(wait)
    except ValueError as error:
        raise SettingsError(f"`--wait`: {error}.") from None
    if not host or ":" in host or "/" in host:
        raise SettingsError(
            f"`--master`: expected the name or IPv4 address of a machine, got {host!r}.",
            remedy="Give the port by `--port`.",
        )
    try:
        socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise SettingsError(
            f"`--master` names `{host}`, which this machine cannot resolve: {error.strerror}.",
            remedy="Check the name, or give the address.",
        ) from None
    return Master(host, port, seconds)


def join(settings: JoiningSettings, master: Master, count: int, console: Console) -> int:
    """Start workers for a master and stay until all of them have ended.

    Returns:
        0 if the run ended in order, 3 if a worker was refused, or the run or the master was lost.

    Raises:
        SettingsError: for a locustfile that cannot be used.
        LoadError: if the master does not answer in time.
    """
    load = settings.load
    refuse_useless_files(load)
    python = locust_python(load.requirements, settings.environment)
    environment = locust.select_environment(settings.environment, load.environment)
    with tempfile.TemporaryDirectory(prefix="ml-loadtest-worker-") as name:
        folders = [Path(name) / str(number) for number in range(count)]
        for folder in folders:
            folder.mkdir()
        locustfile = write_locustfile(load, Path(name), settings.root)
        commands = [
            (folder / "log", locust.worker_command_line(python, locustfile, master.host, master.port, str(folder)))
            for folder in folders
        ]
        console.say(f"connecting to the master at {master}, for {show_duration(master.wait_s)} at most")
        with locust.started(commands, settings.root, environment) as processes:
            workers = [
                _Joined(*pair, f"process {n}: " if count > 1 else "")
                for n, pair in enumerate(zip(folders, processes, strict=True), 1)
            ]
            return _follow(workers, master, locustfile.name, console)


class _Joined:
    """One worker process, as this command sees it.

    Attributes:
        state: of its last word; "" before the first.
    """

    def __init__(self, folder: Path, process: "Popen[bytes]", prefix: str) -> None:
        self.state = ""
        self.log = folder / "log"
        self._words = folder / "words.jsonl"
        self._process = process
        self._prefix = prefix
        self._read = 0

    def listen(self, console: Console) -> None:
        """Say what is new."""
        lines = self._words.read_text(encoding="utf-8").splitlines(keepends=True) if self._words.exists() else []
        for line in lines[self._read :]:
            if not line.endswith("\n"):
                break
            self._read += 1
            word = Word(**json.loads(line))
            self.state = word.state
            if said := _said(word):
                console.say(f"{self._prefix}{said}")

    def exit_code(self) -> int | None:
        """Of the process; None while it runs."""
        return self._process.poll()


def _said(word: Word) -> str:
    match word.state:
        case "answered":
            return ""
        case "joined":
            return f"joined as worker {word.text}"
        case "ended" if word.text:
            return f"the run ended early: {word.text}"
        case "ended":
            return "the run is over, all was handed in"
    return word.text


def _follow(workers: list[_Joined], master: Master, locustfile: str, console: Console) -> int:
    """Until all have ended; what the command ends with."""
    deadline = time.monotonic() + master.wait_s
    while True:
        # Asked first: what was said before the end is read after it.
        running = [worker for worker in workers if worker.exit_code() is None]
        for worker in workers:
            worker.listen(console)
        if not running:
            break
        if time.monotonic() > deadline and not all(worker.state for worker in running):
            raise LoadError(
                f"The master at {master} did not answer within {show_duration(master.wait_s)}.",
                cause=_why_silent(master),
                remedy="Start the run with `remote-workers` and a `master` address that this machine can reach; raise `--wait`.",
            )
        time.sleep(_POLL_S)
    for worker in workers:
        _refuse_useless(worker, locustfile)
    in_order = all(worker.state == "ended" and worker.exit_code() == 0 for worker in workers)
    return ExitCode.OK if in_order else ExitCode.NOTHING_ASSERTED


def _why_silent(master: Master) -> str:
    try:
        with socket.create_connection((master.host, master.port), _PROBE_S):
            return "Something listens there, but it is no Locust master."
    except ConnectionRefusedError:
        return "Nothing listens there: the run has not begun, or is over, or its master listens on another address."
    except OSError as error:
        return (
            f"No connection can be made ({error.strerror or error}): the network or a firewall does not let it through."
        )


def _refuse_useless(worker: _Joined, locustfile: str) -> None:
    """A worker that ended without a word could not load its locustfile."""
    if worker.state:
        return
    if "No User class found" in (log := tail(worker.log)):
        raise SettingsError(f"`{locustfile}` has no User class.", remedy="Give the locustfile that the run has.")
    raise SettingsError(
        f"`{'load.requests' if locustfile == FILE_NAME else locustfile}` could not be loaded.",
        cause="Python raised while importing it, or a file that it names cannot be read.",
        remedy="Mend what the last line says; packages it needs belong into `requirements`.",
        log=log,
    )
