"""Finished runs from where they are: results folders, a folder of them, or the artifacts of another run."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from entrypoint.errors import LoadTestError, SettingsError
from entrypoint.publish.artifacts import Fetched, Refused, fetch
from entrypoint.publish.patience import Patience
from entrypoint.report.render import render_comment
from entrypoint.report.result import Result, parse_result, read_result
from entrypoint.settings.runner import Runner

_FOREIGN = (
    "This was measured in a run of a fork: its code ran on the machine that measured it, and could have altered it."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """A finished run, and where its whole results folder can be had ("" if that is not known)."""

    result: Result
    artifact_url: str = ""

    def linked(self, artifact_url: str) -> "Collected":
        """The same with another address."""
        return replace(self, artifact_url=artifact_url)


def collect(sources: Iterable[Path]) -> tuple[list[Collected], list[str]]:
    """The results in folders, each a results folder or a folder of those, and what is wrong with the rest."""
    found, problems = [], []
    for source in sources:
        for folder in _folders(source):
            try:
                found.append(Collected(result=read_result(folder)))
            except LoadTestError as error:
                problems.append(error.what)
    return _one_each(found, problems), problems


def _folders(source: Path) -> Sequence[Path]:
    """A results folder is itself; in any other, those below it."""
    if (source / "result.json").exists() or not source.is_dir():
        return [source]
    return sorted(path.parent for path in source.glob("*/result.json")) or [source]


def collect_from_run(runner: Runner, patience: Patience | None = None) -> tuple[list[Collected], list[str]]:
    """The results that the run before this one has uploaded.

    They are data that anybody could have written: only `result.json` is read, within limits, and of what it says about
    itself nothing is believed that GitHub knows better.
    """
    found, problems = [], []
    for fetched in fetch(runner, patience or Patience()):
        if isinstance(fetched, Refused):
            problems.append(fetched.why)
            continue
        try:
            result = _corrected(_checked(fetched), runner)
            found.append(Collected(result=result, artifact_url=fetched.url))
        except LoadTestError as error:
            problems.append(error.what)
    return _one_each(found, problems), problems


def _checked(fetched: Fetched) -> Result:
    """The result, if it is one that a report can be made of.

    Raises:
        SettingsError: if it is not.
    """
    name = f"result.json of artifact {fetched.name}"
    result = parse_result(fetched.content, name)
    if _holds_nan(result.model_dump()):
        raise SettingsError(f"`{name}` holds figures that are no numbers.")
    try:
        render_comment(result)
    except Exception as error:  # anybody could have written it
        raise SettingsError(f"`{name}` cannot be shown ({type(error).__name__}).") from error
    return result


def _holds_nan(value: object) -> bool:
    if isinstance(value, dict):
        return any(_holds_nan(part) for part in value.values())
    if isinstance(value, list | tuple):
        return any(_holds_nan(part) for part in value)
    return isinstance(value, float) and math.isnan(value)


def _corrected(result: Result, runner: Runner) -> Result:
    """The result with what only GitHub can know; from a fork, without commands for people to run."""
    run = runner.measured
    if run is None:
        return result
    environment = result.environment.model_copy(update={"run_url": run.run_url})
    corrected = result.model_copy(update={"environment": environment})
    if run.repository == runner.repository:
        return corrected
    caveats = (_FOREIGN, *result.compared.caveats)
    return corrected.model_copy(
        update={"reproduce": "", "compared": result.compared.model_copy(update={"caveats": caveats})}
    )


def _one_each(found: Sequence[Collected], problems: list[str]) -> list[Collected]:
    """One result for each suite, the last of several."""
    by_suite = {each.result.suite: each for each in found}
    if len(by_suite) < len(found):
        problems.append("several results are of a suite of the same name, and only the last of them is shown")
    return [by_suite[suite] for suite in sorted(by_suite)]
