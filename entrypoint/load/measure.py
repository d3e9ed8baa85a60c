"""The only loop of a load: start Locust, show progress, answer after each block, bring home what was recorded."""

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import TypeAdapter

from entrypoint.concealment import SHORTEST, concealing
from entrypoint.errors import DAMAGED, LoadError, SettingsError
from entrypoint.load import locust
from entrypoint.load.plan import block_s, longest_s
from entrypoint.load.requests import FILE_NAME
from locustfiles.ml_loadtest import contract

_POLL_S = 0.05
_EXIT_S = 15.0
# Room for hundreds of kinds of failures.
_CLOSING_BYTES = 2**18
# Seconds since 1970 that a machine's clock does not reach, nor any run.
_FAR_S = 1e11


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A block of measured time that is over. Its samples are on disk, but for requests that are still in flight.

    Attributes:
        number: of the block, and so of the step that it held.
        spans: its measured time.
        now_s: when it was published, in seconds since the load began.
    """

    number: int
    spans: tuple[contract.Span, ...]
    now_s: float


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


Decide = Callable[[Block], contract.Step | None]
Watch = Callable[[contract.Progress], None]


def stop(_block: Block) -> None:
    """Decide to measure one block and no more."""


def in_turn(steps: Sequence[contract.Step]) -> Decide:
    """Decide to measure each of these levels of load, the first of which is the plan's."""
    return lambda block: steps[block.number + 1] if block.number + 1 < len(steps) else None


def measure(
    launch: locust.Launch, plan: contract.Plan, decide: Decide = stop, watch: Watch = lambda _: None
) -> Recording:
    """Run one load and bring home what it recorded.

    Args:
        launch: how Locust is started; its exchange folder must be empty.
        plan: what the instrument is to do.
        decide: the next level of load, or None to stop; asked after each block of measured time.
        watch: told of the progress, about once a second.

    Raises:
        SettingsError: if the locustfile cannot be used.
        LoadError: if Locust does not come to an end.
    """
    launch.exchange.mkdir(parents=True, exist_ok=True)
    contract.write_whole(launch.exchange / "plan.json", plan)
    closing_file = launch.exchange / "closing.json"
    contract.reserve(closing_file, _CLOSING_BYTES)
    with concealing(_secrets(launch, plan), (launch.exchange, launch.folder)):
        try:
            with locust.running(launch, plan) as process:
                exit_code = _follow(process, launch, plan, decide, watch)
        finally:
            contract.release(closing_file)
    closing = read_closing(closing_file) if closing_file.exists() else None
    recording = Recording(
        exchange=launch.exchange, plan=plan, closing=closing, exit_code=exit_code, log=tail(launch.log)
    )
    _refuse_useless(recording, launch)
    return recording


def read_closing(path: Path) -> contract.Closing:
    """The instrument's last word, every part of it of its type.

    Raises:
        LoadError: if it is damaged.
    """
    try:
        closing = TypeAdapter(contract.Closing).validate_python(asdict(contract.read_closing(path)))
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
        what = f"`{path.name}` cannot be read ({type(error).__name__})."
        raise LoadError(what, cause=DAMAGED) from error
    times = [closing.origin_unix_s, *(at for span in closing.spans for at in (span.start_s, span.end_s))]
    if not all(abs(at) < _FAR_S for at in times):
        raise LoadError(f"`{path.name}` names times that cannot be.", cause=DAMAGED)
    return closing


def _secrets(launch: locust.Launch, plan: contract.Plan) -> tuple[str, ...]:
    """What Locust was told and nobody else is to read: the declared variables, and the logins of addresses."""
    logins = [urlsplit(target.url).netloc.rpartition("@")[0] for target in plan.targets]
    known = (*launch.secrets, *(launch.environment.get(name, "") for name in plan.secrets), *logins)
    return tuple(value for value in known if len(value) >= SHORTEST)


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
            step = decide(_read_block(published))
            answer = {"step": asdict(step) if step else None}
            contract.write_whole(launch.exchange / f"answer-{block}.json", answer)
            deadline += len(plan.targets) * block_s(plan, step) + plan.answer_s if step else 0.0
            block += 1
        if (launch.exchange / "closing.json").exists():
            return _await_exit(process)
        time.sleep(_POLL_S)
    return process.returncode


def _read_block(path: Path) -> Block:
    values = json.loads(path.read_text(encoding="utf-8"))
    spans = tuple(contract.Span(**span) for span in values["spans"])
    return Block(number=values["block"], spans=spans, now_s=values["now_s"])


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
        if name == FILE_NAME:
            raise SettingsError(
                "`load.requests` could not be used.",
                cause="Most likely a file that it names cannot be read.",
                remedy="Mend what the last line says.",
                log=recording.log,
            )
        raise SettingsError(
            f"`{name}` could not be loaded.",
            cause="Python raised while importing it, or while its users were set up.",
            remedy="Mend what the last line says; packages it needs belong into `requirements`.",
            log=recording.log,
        )
