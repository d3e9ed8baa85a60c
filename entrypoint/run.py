"""One run, from the service to the exit code. It reads like the picture in docs/design.md, section 3."""

import errno
import os
import shutil
import time
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import psutil

from entrypoint import __version__
from entrypoint.baseline import provenance, runs
from entrypoint.baseline.file import parse_baseline, read_baseline
from entrypoint.baseline.model import Baseline, Fingerprint
from entrypoint.concealment import declared_in
from entrypoint.console import Console
from entrypoint.errors import ExitCode, LoadError, LoadTestError, ServiceError, SettingsError
from entrypoint.files import make_folder
from entrypoint.generation import CANDIDATE, BaseFailed, Party, live, measured, of_load, of_search, of_soak
from entrypoint.interruption import Interrupted
from entrypoint.judgement.committed import Committed
from entrypoint.judgement.comparison import compare
from entrypoint.judgement.edits import describe_edits
from entrypoint.judgement.looks import unresolved
from entrypoint.judgement.model import Comparison, Reason, Verdict
from entrypoint.judgement.thresholds import as_written
from entrypoint.judgement.verdict import Findings, judge, not_measured
from entrypoint.known import Known, Measured
from entrypoint.load import plan
from entrypoint.measurement.metrics import OF_ENDPOINTS
from entrypoint.measurement.model import Measurement
from entrypoint.report.result import Compared, Environment, Look, Result, Stretch
from entrypoint.service.base import file_of
from entrypoint.settings.model import CompareWith, Config, Mode
from entrypoint.settings.plausible import refuse_impossible
from entrypoint.settings.reading import Settings
from entrypoint.side_by_side import base_of, beside
from locustfiles.ml_loadtest import contract

# What a run writes; removed before the next one, while anything else in the folder stays.
_OURS = ("result.json", "summary.md", "comment.md", "report.html", "junit.xml", "samples", "locust", "service")
_MARK = "service/.ml-loadtest"
_WROTE_IT = ("result.json", "samples/plan.json", _MARK)
# The page alone, with the library that draws its charts, has most of a megabyte.
_RESULTS_BYTES = 3 * 2**19
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def run(settings: Settings, console: Console, *, startup_s: float = 0.0) -> Result:
    """Start the service, load it, measure, compare, judge.

    Args:
        settings: what is to be done.
        console: hears how it goes.
        startup_s: what this process took before, where it exists for this run alone.

    Returns:
        The result, also when the service never became ready or the load broke: then its verdict is `invalid`.

    Raises:
        SettingsError: for a mistake of the user's, before anything is started wherever that is possible.
    """
    known = prepare(settings, startup_s)
    try:
        measured = load_and_compare(known, console)
        verdict = decide(known, measured)
        return conclude(known, verdict, measured)
    except LoadTestError as error:
        if error.exit_code is not ExitCode.NOTHING_ASSERTED:
            raise
        return conclude(known, not_measured(_code(error), error.what), problem=error)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        problem = LoadError(
            f"`{error.filename or 'A file'}` could not be written: {error.strerror}.",
            remedy="Make room there, or name another place for the results with `--out`.",
        )
        return conclude(known, not_measured("disk-full", problem.what), problem=problem)
    except Interrupted as interruption:
        return conclude(known, not_measured(interruption.code, interruption.text, interruption.exit_code))


def process_age_s() -> float:
    """Seconds since this process began."""
    return time.time() - psutil.Process().create_time()


def prepare(settings: Settings, startup_s: float = 0.0) -> Known:
    """Read all that can be wrong before anything is started; see `run`."""
    settings.runner.refuse_unsafe_event()
    refuse_impossible(settings.config)
    clear(settings.out)
    fingerprint = Fingerprint(
        machine=provenance.machine(),
        launcher=launcher(settings),
        plan=plan.fingerprint(settings.config.load, settings.root, limits_of_search(settings.config)),
        suite=settings.config.suite,
    )
    with_ = settings.config.compare.with_
    # Beside a base, the baseline is what is left to compare with if the base cannot be started.
    baseline = read_baseline(settings.config.compare.baseline) if with_ is not CompareWith.NONE else None
    return Known(
        settings=settings,
        baseline=baseline,
        fingerprint=fingerprint,
        group=baseline.group(fingerprint) if baseline else None,
        base=base_of(settings) if with_ is CompareWith.BASE else "",
        edits=edits_of_baseline(settings, baseline or Baseline(), fingerprint) if with_ is not CompareWith.NONE else "",
        commit=provenance.commit(settings.runner, settings.root, settings.environment),
        timing={"startup": startup_s},
        began=time.monotonic() - startup_s,
    )


def edits_of_baseline(settings: Settings, baseline: Baseline, fingerprint: Fingerprint) -> str:
    """What the pull request did to the baseline; "" too where this checkout has no base commit to tell it by."""
    if not (settings.runner.base_sha or settings.runner.merge_group_base):
        return ""
    config = settings.config
    # What the user compares with may be an old release; what the pull request changes, it changes in its base.
    compare = config.compare.model_copy(update={"base_ref": ""})
    try:
        base = base_of(replace(settings, config=config.model_copy(update={"compare": compare})))
        text = file_of(settings.root, base, compare.baseline, settings.environment)
        before = parse_baseline(text, "of the base") if text is not None else Baseline()
    except SettingsError:
        return ""  # a checkout of a single commit, or a damaged file there: the pull request's own is what counts
    return describe_edits(before, baseline, fingerprint, config.thresholds, config.metrics)


def limits_of_search(config: Config) -> list[tuple[object, ...]]:
    """What a search tells by what holds; nothing where there is no search. Allowed changes are not among it."""
    if config.mode is not Mode.CAPACITY:
        return []
    return sorted(
        (
            (threshold.endpoint, key, said.max, said.min, said.gate)
            for threshold in config.thresholds
            for key, said in threshold.metrics.items()
            if key in OF_ENDPOINTS and (said.max is not None or said.min is not None or said.gate is False)
        ),
        key=repr,
    )


def clear(folder: Path) -> None:
    """Remove what an earlier run of ours left in a results folder, and nothing else.

    Raises:
        SettingsError: if the folder holds such files that no run of ours wrote, or cannot be used.
    """
    try:
        there = [name for name in _OURS if os.path.lexists(folder / name)]
        if there and not any((folder / mark).exists() for mark in _WROTE_IT):
            raise SettingsError(
                f"`--out` names `{folder}`, which has a `{there[0]}` that no run of ours wrote.",
                remedy="Name an empty folder, or one with the results of an earlier run.",
            )
        for name in there:
            old = folder / name
            shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()
        make_folder(folder / "service")
        # Until the results are written, this holds the room that they need: a full disk must not keep us from saying so.
        (folder / _MARK).write_bytes(bytes(_RESULTS_BYTES))
    except OSError as error:
        raise SettingsError(
            f"`--out` names `{folder}`, which cannot be written to: {error.strerror}.",
            remedy="Make room there, or name a folder that may be written to.",
        ) from error


def launcher(settings: Settings) -> str:
    """Which launcher the settings chose."""
    service = settings.config.service
    return "compose" if service.compose_file else "command" if service.command else "url"


def load_and_compare(known: Known, console: Console) -> Measured:
    """Measure the candidate, beside its base or alone, and compare it row by row."""
    if not known.base:
        return alone(known, console)
    try:
        return beside(known, console)
    except BaseFailed as failed:
        problem = f"The base {known.base[:7]} could not be measured: {failed.error.what}"
        console.say(f"{problem} Measuring the candidate alone.")
        return replace(alone(known, console), base_problem=problem, fell_back=True)


def alone(known: Known, console: Console) -> Measured:
    """The candidate by itself, against the baseline's runs for this machine, launcher and plan."""
    settings = known.settings
    generation = live(known, [Party(name=CANDIDATE, service=settings.config.service, root=settings.root)], console)
    measurement = measured(known, generation)
    for one in measurement.chosen:
        if one.missing:
            console.say(f"{one.key} has no figure: {one.missing}")
    comparison = compare_with_baseline(known, measurement)
    return Measured(
        measurement=measurement,
        comparison=comparison,
        faults=generation.faults[CANDIDATE]
        + of_load(generation.closing, generation.recording.plan, measurement)
        + of_search(measurement)
        + of_soak(measurement),
        facts=generation.facts,
        usage=generation.usage,
        logs=generation.logs,
        looks=(Look(look=1, measured_s=measurement.window_s, unresolved=unresolved(comparison)),),
        stretches=stretches(measurement, known.timing),
    )


def compare_with_baseline(known: Known, measurement: Measurement) -> Comparison:
    """Every row against the baseline's runs, or against its limits alone."""
    config = known.settings.config
    against = runs.describe(known.group, date.today()) if known.group else ""
    reference = Committed(known.group) if known.group else None
    found = compare(measurement, reference, config.thresholds, config.compare.false_alarm_rate, against)
    edits = (known.edits,) if known.edits else ()
    return found.model_copy(update={"caveats": (*edits, *found.caveats)})


def decide(known: Known, measured: Measured) -> Verdict:
    """The verdict of this run."""
    by_file = "found" if known.group else "other" if known.baseline and known.baseline.groups else "none"
    # What was measured beside the base is not compared with the file.
    beside_base = "none" if measured.base_problem else "found"
    findings = Findings(
        checks=measured.measurement.checks,
        comparison=measured.comparison,
        faults=[(fault.kind, fault.what) for fault in measured.faults],
        baseline=by_file if measured.fell_back or not known.base else beside_base,
        compare_with=known.settings.config.compare.with_,
        base_problem=measured.base_problem,
        capacity=measured.measurement.capacity,
    )
    return judge(findings, known.settings.config.policy)


def conclude(
    known: Known,
    verdict: Verdict,
    measured: Measured | None = None,
    problem: LoadTestError | None = None,
) -> Result:
    """All that is to be told of the run, as one value."""
    settings = known.settings
    (settings.out / _MARK).write_bytes(b"")
    known.timing["total"] = time.monotonic() - known.began
    known.timing["overhead"] = overhead(known.timing)
    comparison = measured.comparison if measured else None
    measurement = measured.measurement if measured else None
    result = Result(
        tool_version=__version__,
        suite=settings.suite,
        id=settings.run_id,
        faults=tuple(Reason(code=fault.kind, text=fault.what) for fault in measured.faults) if measured else (),
        thresholds=tuple(as_written(threshold, settings.config.metrics) for threshold in settings.config.thresholds),
        policy=settings.config.policy.model_dump(mode="json", by_alias=True),
        verdict=verdict.outcome,
        exit_code=verdict.exit_code,
        reasons=verdict.reasons,
        changes=comparison.changes if comparison else (),
        compared=_compared(known, comparison),
        measurement=measurement,
        looks=measured.looks if measured else (),
        stretches=measured.stretches if measured else (),
        base_timeline=measured.base_timeline if measured else (),
        usage=measured.usage if measured else (),
        logs=measured.logs if measured else (),
        environment=_environment(known, measured),
        baseline_quantiles=comparison.quantiles if comparison else {},
        timing={stage: round(seconds, 3) for stage, seconds in known.timing.items()},
        comment=settings.config.report.comment,
        reproduce=settings.reproduce,
        problem=str(problem) if problem else "",
        log=problem.log if problem else "",
    )
    secrets = declared_in(settings)
    return result.rewritten(lambda text: contract.without(text, secrets))


def stretches(measurement: Measurement, timing: dict[str, float]) -> tuple[Stretch, ...]:
    """The stages of a run that had several, or a soak before and after it first failed, on the clock of its first moment."""
    edges: tuple[tuple[float, float, str], ...]
    if measurement.soak and (failed_s := measurement.soak.failed_s) is not None:
        edges = ((0.0, failed_s, ""), (failed_s, measurement.window_s, "after the first broken limit or silence"))
    elif measurement.stages:
        origin = measurement.stages[0].start_s
        edges = tuple((stage.start_s - origin, stage.end_s - origin, stage.label) for stage in measurement.stages)
    else:
        return ()
    before = Stretch(begin_s=-timing["warm-up"], end_s=0.0, target="", kind="ramp and warm-up")
    measured = (
        Stretch(begin_s=begin, end_s=end, target="", kind="measured", label=label)
        for begin, end, label in edges
        if end > begin
    )
    return (before, *measured)


def _compared(known: Known, comparison: Comparison | None) -> Compared:
    compare_settings = known.settings.config.compare
    oldest = known.group.runs[0] if known.group else None
    return Compared(
        with_=compare_settings.with_.value,
        against=comparison.against if comparison else "",
        rows=comparison.rows if comparison else 0,
        alpha=comparison.alpha if comparison else 0.0,
        false_alarm_rate=compare_settings.false_alarm_rate,
        caveats=comparison.caveats if comparison else (),
        oldest=f"{oldest.commit[:7]} of {oldest.date}" if oldest else "",
    )


def _environment(known: Known, measured: Measured | None) -> Environment:
    runner = known.settings.runner
    return Environment(
        machine=known.fingerprint.machine,
        launcher=known.fingerprint.launcher,
        suite=known.fingerprint.suite,
        occasion=provenance.occasion(runner),
        image=runner.image,
        commit=known.commit,
        head=runner.head_sha,
        date=datetime.now(UTC).date().isoformat(),
        run_url=runner.run_url,
        versions=measured.measurement.versions if measured else {},
        service=measured.facts if measured else {},
    )


def overhead(timing: dict[str, float]) -> float:
    """What we add round the load itself, in seconds: everything but the service's own build, start-up and setup."""
    others = ("build", "ready", "setup", "warm-up", "measured")
    return timing["total"] - sum(timing.get(stage, 0.0) for stage in others)


def _code(error: LoadTestError) -> str:
    return "service-not-ready" if isinstance(error, ServiceError) else "load-failed"
