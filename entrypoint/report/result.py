"""`results/result.json`: everything a report shows, and all that later commands need. Its schema is versioned."""

from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from entrypoint.errors import SettingsError
from entrypoint.judgement.model import Change, Outcome, Reason
from entrypoint.measurement.model import Measurement, Value
from entrypoint.settings.model import CommentMode

_LARGEST = 50 * 1024 * 1024


class Look(Value):
    """One decision point: how long was measured until then, and how many rows were still open."""

    look: int
    measured_s: float
    unresolved: int


class Compared(Value):
    """What the candidate was compared with.

    Attributes:
        with_: `committed` or `none`.
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
    environment: Environment
    timing: dict[str, float] = {}
    comment: CommentMode = CommentMode.ALWAYS
    reproduce: str = ""
    problem: str = ""
    log: str = ""

    @property
    def regressions(self) -> int:
        """Rows that fail the build."""
        return sum(change.status.value in {"regressed", "over-limit"} for change in self.changes)


def read_result(folder: Path) -> Result:
    """The result in a results folder.

    Raises:
        SettingsError: if there is none that this version can read.
    """
    path = folder / "result.json" if folder.is_dir() else folder
    remedy = "Name the folder that `ml-loadtest run --out` wrote."
    try:
        if path.stat().st_size > _LARGEST:
            raise SettingsError(f"`{path}` is too large to be a result.", remedy=remedy)
        return Result.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"There is no result at `{path}`.", remedy=remedy) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        what = f"`{path}` is not a result of this version: `{where}`: {first['msg'].lower()}."
        raise SettingsError(what, remedy=remedy) from error
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"`{path}` cannot be read: {error}.", remedy=remedy) from error


def write_result(folder: Path, result: Result) -> None:
    """Write `result.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").write_text(result.model_dump_json(indent=1) + "\n", encoding="utf-8")
