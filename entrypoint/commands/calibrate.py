"""`calibrate`: measure the unchanged service several times and write the baseline with its noise."""

import dataclasses

from entrypoint.baseline.file import read_baseline, write_baseline
from entrypoint.commands.accept import accept, fingerprint_of
from entrypoint.commands.recording import record
from entrypoint.console import Console
from entrypoint.errors import ExitCode, LoadTestError
from entrypoint.judgement.committed import Committed
from entrypoint.judgement.comparison import compare
from entrypoint.judgement.model import Outcome
from entrypoint.judgement.significance import ENOUGH_OCCASIONS
from entrypoint.judgement.wording import figure, percent
from entrypoint.report.result import Result
from entrypoint.report.saving import save
from entrypoint.run import run
from entrypoint.settings.model import CompareWith
from entrypoint.settings.reading import Settings


def calibrate(settings: Settings, console: Console, *, count: int, replace: bool) -> None:
    """Run the load `count` times, each with the service started anew, and add every run to the baseline.

    No slow run is left out: that would make the noise look smaller than it is.

    Raises:
        LoadTestError: if a run was invalid or exceeded a limit; the runs before it are kept.
    """
    read_baseline(settings.config.compare.baseline)  # a damaged one must be known before the load, not after it
    for number in range(1, count + 1):
        console.say(f"calibration run {number} of {count}")
        result = run(_for_run(settings, number), console)
        save(result, settings.out / f"calibrate-{number}")
        record(result, settings, console.say)
        _refuse_worthless(result, number)
        if replace and number == 1:
            _forget(settings, result)
        accept(result, settings.config.compare.baseline, console, even_if_slower=True)
    _tell(settings, result, console)


def _for_run(settings: Settings, number: int) -> Settings:
    """The same settings, with results of their own and nothing to compare with: calibration accuses nobody."""
    compare = settings.config.compare.model_copy(update={"with_": CompareWith.NONE})
    config = settings.config.model_copy(update={"compare": compare})
    return dataclasses.replace(
        settings, config=config, out=settings.out / f"calibrate-{number}", run_id=f"{settings.run_id}-{number}"
    )


def _refuse_worthless(result: Result, number: int) -> None:
    if result.verdict not in (Outcome.INVALID, Outcome.LIMIT_EXCEEDED):
        return
    raise LoadTestError(
        f"Calibration run {number} ended as {result.verdict.value}, so it cannot be part of a baseline.",
        cause=result.reasons[0].text,
        remedy="Mend that first, then calibrate again; runs before it are in the baseline file.",
        log=result.log,
        exit_code=ExitCode(result.exit_code),
    )


def _forget(settings: Settings, result: Result) -> None:
    path = settings.config.compare.baseline
    baseline = read_baseline(path)
    if baseline is not None and result.measurement is not None:
        write_baseline(path, baseline.without_group(fingerprint_of(result, result.measurement)))


def _tell(settings: Settings, result: Result, console: Console) -> None:
    """How noisy the service is, and what a gate with this baseline could see: the last run, judged by all of them."""
    baseline = read_baseline(settings.config.compare.baseline)
    if baseline is None or result.measurement is None:
        return
    group = baseline.group(fingerprint_of(result, result.measurement))
    rate = settings.config.compare.false_alarm_rate
    reference = Committed(group) if group else None
    for change in compare(result.measurement, reference, settings.config.thresholds, rate).changes:
        if change.gated and change.resolution is not None:
            value = figure(change.candidate, change.unit)
            console.say(f"  {change.endpoint} {change.metric}: {value}, could see {percent(change.resolution)}")
    occasions = len({run.occasion for run in group.runs}) if group else 0
    if occasions < ENOUGH_OCCASIONS:
        console.say(
            f"All runs of one job are one occasion: they share its machine and its hour. This baseline has {occasions}; from "
            f"{ENOUGH_OCCASIONS} on, measured noise replaces the wide assumption. Calibrate again in other jobs, on other days."
        )
