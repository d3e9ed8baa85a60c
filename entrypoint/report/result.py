"""`results/result.json`: everything a report shows, and all that later commands need. Its schema is versioned."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import ValidationError

from entrypoint.errors import SettingsError
from entrypoint.files import make_folder, write
from entrypoint.judgement.model import Change, Outcome, Reason
from entrypoint.measurement.model import Measurement, Probability, Value
from entrypoint.settings.model import CommentMode

_LARGEST = 50 * 1024 * 1024
_REMEDY = "Name the folder that `ml-loadtest run --out` wrote."


class Look(Value):
    """One decision point: how long was measured until then, and how many rows were still open."""

    look: int
    measured_s: float
    unresolved: int


class Compared(Value):
    """What the candidate was compared with.

    Attributes:
        with_: `committed`, `base` or `none`.
        against: the baseline in a sentence; "" if there was nothing to compare with.
        rows, alpha: gated rows, and the one-sided error of each.
        false_alarm_rate: of the whole run.
        caveats: what weakens the comparison, in sentences.
        oldest: commit and date of the oldest run kept, "" without one.
    """

    with_: str
    against: str = ""
    rows: int = 0
    alpha: float = 0.0
    false_alarm_rate: float = 0.01
    caveats: tuple[str, ...] = ()
    oldest: str = ""


class Environment(Value):
    """Where and what: the conditions that must be known to believe, repeat or accept the run."""

    machine: str
    launcher: str
    suite: str = ""
    occasion: str
    image: str = ""
    commit: str = ""
    head: str = ""
    date: str = ""
    run_url: str = ""
    versions: dict[str, str] = {}
    service: dict[str, str] = {}


class Stretch(Value):
    """A stretch of the run on one target, for drawing.

    Attributes:
        begin_s, end_s: seconds since the measured window began; before it, negative.
        target: whose service had the load: `candidate` or `base`; "" where there is only one.
        kind: `warm-up`, `lead-in`, `measured` or `drain`.
        label: what is written on it, where its kind says too little: the level of load of a stage.
    """

    begin_s: float
    end_s: float
    target: str
    kind: str
    label: str = ""


class Usage(Value):
    """What one service used during the run, for drawing.

    Attributes:
        target: whose service it is, "" where there is only one target.
        service: its name in the compose file.
        samples: [second since the measured window began, CPU in cores, memory in MiB]; None where it could not be read.
    """

    target: str
    service: str
    samples: tuple[tuple[float, float | None, float | None], ...]


class ServiceLog(Value):
    """The last lines that a service wrote; untrusted text.

    Attributes:
        target: whose service it is, "" where there is only one target.
        service: its name in the compose file.
    """

    target: str
    service: str
    lines: str


class Result(Value):
    """A whole run.

    Attributes:
        verdict, reasons, exit_code: the decision.
        id: what no other run has.
        faults: what happened to the service under load.
        thresholds, policy: the rules it was judged by, as `loadtest.yml` writes them.
        changes: every endpoint and metric.
        measurement: None if nothing could be measured.
        looks: decision points, the last one last.
        stretches: the run in order of time, where it has more parts than one warm-up and one window.
        usage: what the services used, where it was sampled.
        logs: the end of what the services wrote in the last look.
        base_timeline: the base's turns, where it had some: as the timeline of the measurement, which is the candidate's.
        baseline_quantiles: by endpoint, the baseline's response times in ms by probability, where they were kept.
        timing: seconds spent in each stage.
        comment: when a pull request comment is wanted.
        reproduce: the command that makes the same run on another machine.
        problem: the whole message where the run ended in an error.
        log: the last lines of the tool that failed; untrusted text.
    """

    schema_version: Literal[1] = 1
    tool_version: str
    suite: str
    id: str = ""
    verdict: Outcome
    exit_code: int
    reasons: tuple[Reason, ...]
    faults: tuple[Reason, ...] = ()
    thresholds: tuple[dict[str, Any], ...] = ()
    policy: dict[str, str] = {}
    changes: tuple[Change, ...] = ()
    compared: Compared
    measurement: Measurement | None = None
    looks: tuple[Look, ...] = ()
    stretches: tuple[Stretch, ...] = ()
    usage: tuple[Usage, ...] = ()
    logs: tuple[ServiceLog, ...] = ()
    base_timeline: tuple[tuple[float | None, ...], ...] = ()
    baseline_quantiles: dict[str, dict[Probability, float]] = {}
    environment: Environment
    timing: dict[str, float] = {}
    comment: CommentMode = CommentMode.ALWAYS
    reproduce: str = ""
    problem: str = ""
    log: str = ""

    @property
    def artifact_name(self) -> str:
        """`ml-loadtest-<suite>`, in characters that an artifact may have."""
        return "ml-loadtest-" + (re.sub(r"[^A-Za-z0-9._-]+", "-", self.suite).strip("-")[:80] or "default")

    @property
    def regressions(self) -> int:
        """Rows that fail the build."""
        return sum(change.status.value in {"regressed", "over-limit"} for change in self.changes)

    def rewritten(self, rewrite: Callable[[str], str]) -> Self:
        """The same with another text in the place of each that was made of others' words."""
        caveats = tuple(map(rewrite, self.compared.caveats))
        facts = {name: rewrite(fact) for name, fact in self.environment.service.items()}
        return self.model_copy(
            update={
                "reasons": tuple(reason.model_copy(update={"text": rewrite(reason.text)}) for reason in self.reasons),
                "faults": tuple(fault.model_copy(update={"text": rewrite(fault.text)}) for fault in self.faults),
                "logs": tuple(log.model_copy(update={"lines": rewrite(log.lines)}) for log in self.logs),
                "compared": self.compared.model_copy(update={"caveats": caveats}),
                "environment": self.environment.model_copy(update={"service": facts}),
                "reproduce": rewrite(self.reproduce),
                "problem": rewrite(self.problem),
                "log": rewrite(self.log),
            }
        )


def read_result(folder: Path) -> Result:
    """The result in a results folder.

    Raises:
        SettingsError: if there is none that this version can read.
    """
    path = folder / "result.json" if folder.is_dir() else folder
    try:
        # A link could lead anywhere: results may have been unpacked from somebody else's archive.
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise SettingsError(f"`{path}` is no regular file.", remedy=_REMEDY)
        if path.stat().st_size > _LARGEST:
            raise SettingsError(f"`{path}` is too large to be a result.", remedy=_REMEDY)
        return parse_result(path.read_bytes(), str(path))
    except FileNotFoundError:
        raise SettingsError(f"There is no result at `{path}`.", remedy=_REMEDY) from None
    except OSError as error:
        raise SettingsError(f"`{path}` cannot be read: {error}.", remedy=_REMEDY) from error


def parse_result(content: bytes, name: str) -> Result:
    """The result in a file's content.

    Raises:
        SettingsError: if it is none that this version can read.
    """
    try:
        return Result.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        what = f"`{name}` is not a result of this version: `{where}`: {first['msg'].lower()}."
        raise SettingsError(what, remedy=_REMEDY) from error


def write_result(folder: Path, result: Result) -> None:
    """Write `result.json`."""
    make_folder(folder)
    write(folder / "result.json", result.model_dump_json(indent=1) + "\n")
