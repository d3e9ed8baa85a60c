"""`compare`: judge one finished run by another, or by a baseline file; no load."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

from pydantic import ValidationError

from entrypoint import __version__
from entrypoint.baseline import runs
from entrypoint.baseline.file import read_baseline
from entrypoint.baseline.model import Fingerprint, Group
from entrypoint.commands.accept import fingerprint_of
from entrypoint.errors import SettingsError
from entrypoint.judgement.committed import Committed
from entrypoint.judgement.comparison import compare
from entrypoint.judgement.verdict import Findings, judge
from entrypoint.measurement.metrics import Metric
from entrypoint.measurement.model import Measurement
from entrypoint.report.result import Result, read_result
from entrypoint.settings.model import CompareWith, Policy, Threshold


def compare_folders(base: Path, candidate: Path) -> Result:
    """Judge the run in `candidate` by what is at `base`, with the thresholds and the policy that the candidate's run had.

    Args:
        base: a results folder, its result.json, or a baseline file.
        candidate: a results folder or its result.json.

    Raises:
        SettingsError: if either cannot be read, the base is invalid, or the candidate measured nothing.
    """
    result = read_result(candidate)
    if result.measurement is None:
        raise SettingsError(f"`{candidate}` measured nothing, so there is nothing to compare.", cause=result.problem)
    group, state = _base(base, fingerprint_of(result, result.measurement))
    against = runs.describe(group, date.today()) if group else ""
    thresholds = _thresholds(result, result.measurement.metrics, candidate)
    reference = Committed(group) if group else None
    comparison = compare(result.measurement, reference, thresholds, result.compared.false_alarm_rate, against)
    findings = Findings(
        checks=result.measurement.checks,
        comparison=comparison,
        faults=[(fault.code, fault.text) for fault in result.faults],
        baseline=state,
        compare_with=CompareWith.COMMITTED,
        capacity=result.measurement.capacity,
    )
    verdict = judge(findings, Policy.model_validate(result.policy))
    compared = result.compared.model_copy(
        update={
            "with_": CompareWith.COMMITTED.value, "against": against, "rows": comparison.rows, "alpha": comparison.alpha,
            "caveats": comparison.caveats,
        }
    )  # fmt: skip
    return result.model_copy(
        update={
            "tool_version": __version__, "verdict": verdict.outcome, "exit_code": verdict.exit_code,
            "reasons": verdict.reasons, "changes": comparison.changes, "compared": compared,
            "baseline_quantiles": comparison.quantiles,
        }
    )  # fmt: skip


def _thresholds(result: Result, known: Mapping[str, Metric], candidate: Path) -> list[Threshold]:
    try:
        return [Threshold.model_validate(threshold, context=known) for threshold in result.thresholds]
    except ValidationError as error:
        said = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        raise SettingsError(
            f"The thresholds of `{candidate}` do not fit its figures: {said}.",
            remedy="Name the folder that `ml-loadtest run --out` wrote, as it wrote it.",
        ) from error


def _base(path: Path, fingerprint: Fingerprint) -> tuple[Group | None, str]:
    """What to compare with, and whether it was `found` or is of an `other` machine or load."""
    if path.is_dir() or path.name == "result.json":
        return _from_result(read_result(path), path, fingerprint)
    baseline = read_baseline(path)
    if baseline is None:
        raise SettingsError(f"There is nothing at `{path}`.", remedy="Name a results folder or a baseline file.")
    group = baseline.group(fingerprint)
    return group, "found" if group else "other"


def _from_result(result: Result, path: Path, fingerprint: Fingerprint) -> tuple[Group | None, str]:
    measurement: Measurement | None = result.measurement
    if measurement is None:
        raise SettingsError(f"`{path}` measured nothing, so nothing can be compared with it.", cause=result.problem)
    if not measurement.valid:
        raise SettingsError(
            f"The run at `{path}` is invalid, so nothing can be compared with it.", cause=result.reasons[0].text
        )
    found = fingerprint_of(result, measurement)
    if found != fingerprint:
        return None, "other"
    environment = result.environment
    run = runs.as_run(measurement, occasion=environment.occasion, commit=environment.commit, date=environment.date)
    return runs.as_group(run, found), "found"
