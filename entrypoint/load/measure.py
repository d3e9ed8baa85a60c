"""The only loop of a load: start Locust, show progress, answer after each block, bring home what was recorded."""

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from entrypoint.errors import LoadError, SettingsError
from entrypoint.load import locust
from entrypoint.load.plan import longest_s
from entrypoint.load.scrub import scrub
from locustfiles.ml_loadtest import contract

_POLL_S = 0.05
_EXIT_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A block of measured time that is over, in seconds since the load began."""

    number: int
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What a load run left behind.

    Attributes:
        exchange: the folder with samples, endpoints and health.
        plan: what was asked for.
        closing: the instrument's last word; None if Locust died without one.
        exit_code: of Locust; informative only, for it ends with 0 after the worst mishaps.
        log: the last lines of Locust's log; untrusted text.
    """

    exchange: Path
    plan: contract.Plan
    closing: contract.Closing | None
    exit_code: int | None
    log: str


Decide = Callable[[Block], bool]
Watch = Callable[[contract.Progress], None]


def stop(_block: Block) -> bool:
    """Decide to measure one block and no more."""
    return False


def measure(
    launch: locust.Launch, plan: contract.Plan, decide: Decide = stop, watch: Watch = lambda _: None
) -> Recording:
    """Run one load and bring home what it recorded.

    Args:
        launch: how Locust is started; its exchange folder must be empty.
        plan: what the instrument is to do.
        decide: whether to go on, asked after each block of measured time.
        watch: told of the progress, about once a second.

    Raises:
        SettingsError: if the locustfile cannot be used.
        LoadError: if Locust does not come to an end.
    """
    launch.exchange.mkdir(parents=True, exist_ok=True)
    contract.write_whole(launch.exchange / "plan.json", plan)
    with locust.running(launch, plan) as process:
        exit_code = _follow(process, launch, plan, decide, watch)
    scrub((launch.exchange, launch.folder), [launch.environment.get(name, "") for name in plan.secrets])
    closing_file = launch.exchange / "closing.json"
    closing = contract.read_closing(closing_file) if closing_file.exists() else None
    recording = Recording(
        exchange=launch.exchange, plan=plan, closing=closing, exit_code=exit_code, log=tail(launch.log)
    )
    _refuse_useless(recording, launch)
    return recording


def _follow(
    process: subprocess.Popen[bytes], launch: locust.Launch, plan: contract.Plan, decide: Decide, watch: Watch
) -> int | None:
    progress = _ProgressFile(launch.exchange / "progress.jsonl")
    deadline = time.monotonic() + longest_s(plan)
    block = 0
    while process.poll() is None:
        if time.monotonic() > deadline:
            raise LoadError(
                "The load did not end in the time it was given.",
                cause="Locust hangs, most often in code of the locustfile that blocks every user.",
                remedy="See results/locust/locust.log; use gevent-friendly clients and finite time-outs.",
                log=tail(launch.log),
            )
        progress.show(watch)
        published = launch.exchange / f"block-{block}.json"
        if published.exists():
            values = json.loads(published.read_text(encoding="utf-8"))
            go_on = decide(Block(number=block, start_s=values["start_s"], end_s=values["end_s"]))
            contract.write_whole(launch.exchange / f"answer-{block}.json", {"go_on": go_on})
            deadline += plan.block_s if go_on else 0.0
            block += 1
        if (launch.exchange / "closing.json").exists():
            return _await_exit(process)
        time.sleep(_POLL_S)
    return process.returncode


def _await_exit(process: subprocess.Popen[bytes]) -> int | None:
    """All is written; Locust has a moment to go by itself."""
    try:
        return process.wait(timeout=_EXIT_S)
    except subprocess.TimeoutExpired:
        return None


class _ProgressFile:
    """Follows the lines that the instrument appends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0

    def show(self, watch: Watch) -> None:
        if not self._path.exists():
            return
        with self._path.open(encoding="utf-8") as file:
            file.seek(self._read)
            while (line := file.readline()).endswith("\n"):
                self._read = file.tell()
                watch(contract.Progress(**json.loads(line)))


def tail(path: Path, lines: int = 20) -> str:
    """The last lines of a log, "" if there is none."""
    if not path.exists():
        return ""
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def _refuse_useless(recording: Recording, launch: locust.Launch) -> None:
    """A locustfile that cannot be loaded is the user's to mend; nothing was measured."""
    if recording.closing is not None:
        return
    name = launch.locustfile.name
    if "No User class found" in recording.log:
        raise SettingsError(
            f"`{name}` has no User class.",
            cause="Locust loads classes that derive from HttpUser, FastHttpUser or User and are not abstract.",
            remedy="Add one with at least one @task.",
        )
    progress = launch.exchange / "progress.jsonl"
    if not progress.exists() or not progress.stat().st_size:
        raise SettingsError(
            f"`{name}` could not be loaded.",
            cause="Python raised while importing it, or while its users were set up.",
            remedy="Mend what the last line says; packages it needs belong into `requirements`.",
            log=recording.log,
        )
