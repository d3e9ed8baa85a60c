"""`accept`: add a finished run to the committed baseline, for a person to review as a diff."""

from pathlib import Path

from entrypoint.baseline import runs
from entrypoint.baseline.file import read_baseline, write_baseline
from entrypoint.baseline.model import Baseline, Fingerprint
from entrypoint.console import Console
from entrypoint.errors import ExitCode, LoadTestError
from entrypoint.judgement.model import Outcome
from entrypoint.measurement.model import Measurement
from entrypoint.report.result import Result
from entrypoint.settings.model import CompareWith


def accept(result: Result, baseline_path: Path, console: Console, *, even_if_slower: bool) -> None:
    """Add the run to the baseline file.

    Raises:
        LoadTestError: if the run measured nothing, if requests failed beyond the limit, or if it is slower than the baseline
            and nobody said that this is meant.
    """
    measurement = _acceptable(result, even_if_slower)
    baseline = read_baseline(baseline_path) or Baseline()
    fingerprint = fingerprint_of(result, measurement)
    known = baseline.group(fingerprint)
    if result.id and known and any(run.id == result.id for run in known.runs):
        raise LoadTestError("This run is in the baseline already.", remedy="Measure again to add another.")
    run = runs.as_run(
        measurement,
        occasion=result.environment.occasion,
        commit=result.environment.commit,
        date=result.environment.date,
        image=result.environment.image,
        id=result.id,
        slower=result.verdict is Outcome.REGRESSION,
    )
    write_baseline(baseline_path, baseline.with_run(fingerprint, measurement.plan_text, run))
    group = baseline.with_run(fingerprint, measurement.plan_text, run).group(fingerprint)
    count = len(group.runs) if group else 0
    console.say(f"{baseline_path}: {count} run{'s' * (count != 1)} for this machine and load. Commit it for review.")


def fingerprint_of(result: Result, measurement: Measurement) -> Fingerprint:
    """What a later run must share with this one to be compared with it."""
    return Fingerprint(
        machine=result.environment.machine,
        launcher=result.environment.launcher,
        plan=measurement.plan,
        suite=result.environment.suite,
    )


def _acceptable(result: Result, even_if_slower: bool) -> Measurement:
    first = result.reasons[0].text if result.reasons else ""
    if result.measurement is None or result.verdict is Outcome.INVALID:
        raise LoadTestError(
            "The run is invalid and cannot become a baseline.",
            cause=first,
            remedy="Measure again; an invalid run says nothing about the service.",
            exit_code=ExitCode.NOTHING_ASSERTED,
        )
    if result.compared.with_ == CompareWith.BASE and result.base_timeline:
        raise LoadTestError(
            "A side by side run cannot become a baseline: it had another service beside it.",
            remedy="Measure with `--compare-with none`, or calibrate with `ml-loadtest calibrate`.",
        )
    capacity = result.measurement.capacity
    if capacity is not None and not capacity.settled:
        raise LoadTestError(
            "The capacity is only known to be at least what was found, so the run cannot become a baseline.",
            cause="The load generator came to its end before the service did, or the search had no time to end.",
            remedy="Raise `timeout`, shorten `duration`, or give the generator `workers` and the service fewer `cpus`.",
        )
    if result.verdict is Outcome.LIMIT_EXCEEDED:
        raise LoadTestError(
            "The run exceeded a limit and cannot become a baseline.",
            cause=first,
            remedy="Mend the service, or change the limit in loadtest.yml if it is meant.",
            exit_code=ExitCode.REGRESSION,
        )
    if result.verdict is Outcome.REGRESSION and not even_if_slower:
        raise LoadTestError(
            "The run is slower than the baseline.",
            cause=first,
            remedy="If that is meant, accept it with --even-if-slower; the baseline records that it was.",
            exit_code=ExitCode.REGRESSION,
        )
    return result.measurement
