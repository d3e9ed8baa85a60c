"""One run, from the service to the exit code. It reads like the picture in docs/design.md, section 3."""

import errno
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import psutil

from entrypoint import __version__
from entrypoint.baseline import provenance, runs
from entrypoint.baseline.file import read_baseline
from entrypoint.baseline.model import Baseline, Fingerprint, Group
from entrypoint.console import Console
from entrypoint.errors import ExitCode, LoadError, LoadTestError, ServiceError, SettingsError
from entrypoint.interruption import Interrupted
from entrypoint.judgement.committed import Committed
from entrypoint.judgement.comparison import compare
from entrypoint.judgement.model import Comparison, Reason, Status, Verdict
from entrypoint.judgement.thresholds import as_written
from entrypoint.judgement.verdict import Findings, judge, not_measured
from entrypoint.load import locust, plan
from entrypoint.load.interpreter import locust_python
from entrypoint.load.measure import Block, Decide, Recording, in_turn, measure
from entrypoint.measurement.measure import measure_recording
from entrypoint.measurement.model import Measurement
from entrypoint.measurement.samples import read_health
from entrypoint.measurement.validity import check_generator, inside
from entrypoint.report.result import Compared, Environment, Look, Result, Stretch, Usage
from entrypoint.service import Place, Target, resources, running
from entrypoint.service.process_tree import MARK
from entrypoint.service.target import Fault
from entrypoint.service.url import shown
from entrypoint.settings.model import CompareWith, Load
from entrypoint.settings.plausible import is_loopback, refuse_impossible
from entrypoint.settings.reading import Settings
from locustfiles.ml_loadtest import contract

# What a run writes; removed before the next one, while anything else in the folder stays.
_OURS = ("result.json", "summary.md", "comment.md", "report.html", "junit.xml", "samples", "locust", "service")
_MARK = "service/.ml-loadtest"
_WROTE_IT = ("result.json", "samples/plan.json", _MARK)
_RESULTS_BYTES = 2**19
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_HUNG = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known before anything is started, and stays the same to the end."""

    settings: Settings
    baseline: Baseline | None
    fingerprint: Fingerprint
    group: Group | None
    commit: str
    timing: dict[str, float] = field(default_factory=dict)
    began: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the load left, and what the service said of itself."""

    measurement: Measurement
    faults: tuple[Fault, ...]
    facts: dict[str, str]
    usage: tuple[Usage, ...]


def run(settings: Settings, console: Console) -> Result:
    """Start the service, load it, measure, compare, judge.

    Returns:
        The result, also when the service never became ready or the load broke: then its verdict is `invalid`.

    Raises:
        SettingsError: for a mistake of the user's, before anything is started wherever that is possible.
    """
    known = prepare(settings)
    try:
        measured = load(known, console)
        comparison = compare_with_baseline(known, measured.measurement)
        verdict = decide(known, measured, comparison)
        return conclude(known, verdict, measured, comparison)
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


def prepare(settings: Settings) -> Known:
    """Read all that can be wrong before anything is started."""
    settings.runner.refuse_unsafe_event()
    refuse_impossible(settings.config)
    clear(settings.out)
    fingerprint = Fingerprint(
        machine=provenance.machine(),
        launcher=launcher(settings),
        plan=plan.fingerprint(settings.config.load),
        suite=settings.config.suite,
    )
    with_ = settings.config.compare.with_
    startup_s = time.time() - psutil.Process().create_time()
    baseline = read_baseline(settings.config.compare.baseline) if with_ is CompareWith.COMMITTED else None
    return Known(
        settings=settings,
        baseline=baseline,
        fingerprint=fingerprint,
        group=baseline.group(fingerprint) if baseline else None,
        commit=provenance.commit(settings.runner, settings.root, settings.environment),
        timing={"startup": startup_s},
        began=time.monotonic() - startup_s,
    )


def clear(folder: Path) -> None:
    """Remove what an earlier run of ours left in a results folder, and nothing else.

    Raises:
        SettingsError: if the folder holds such files that no run of ours wrote, or cannot be used.
    """
    try:
        there = [name for name in _OURS if (folder / name).exists()]
        if there and not any((folder / mark).exists() for mark in _WROTE_IT):
            raise SettingsError(
                f"`--out` names `{folder}`, which has a `{there[0]}` that no run of ours wrote.",
                remedy="Name an empty folder, or one with the results of an earlier run.",
            )
        for name in there:
            old = folder / name
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        (folder / "service").mkdir(parents=True)
        # Until the results are written, this holds the room that they need: a full disk must not keep us from saying so.
        (folder / _MARK).write_bytes(bytes(_RESULTS_BYTES))
    except OSError as error:
        raise SettingsError(f"`--out` names `{folder}`, which cannot be written to: {error.strerror}.") from error


def launcher(settings: Settings) -> str:
    """Which launcher the settings chose."""
    service = settings.config.service
    return "compose" if service.compose_file else "command" if service.command else "url"


def load(known: Known, console: Console) -> Measured:
    """Service up, load, service down."""
    settings = known.settings
    python = locust_python(settings.config.load.requirements, settings.environment)
    place = Place(
        suite=settings.suite,
        run_id=settings.run_id,
        root=settings.root,
        logs=settings.out / "service",
        environment=settings.environment,
        ledger=settings.ledger,
    )
    with running(settings.config.service, name="candidate", place=place, say=console.say) as target:
        recording = _measure(known, target, python, console, {MARK: place.project(target.name)})
        faults, facts = tuple(target.faults()), target.facts()
    known.timing.update(target.timing)
    with timed(known.timing, "analysis"):
        closing = recording.closing or _no_closing(recording)
        text = plan.describe(settings.config.load)
        measurement = measure_recording(
            recording.exchange,
            recording.plan,
            closing,
            plan_key=known.fingerprint.plan,
            plan_text=text,
            limits=settings.config.validity,
        )
    known.timing["warm-up"] = closing.spans[0].start_s if closing.spans else 0.0
    known.timing["measured"] = closing.spans[-1].end_s - closing.spans[0].start_s if closing.spans else 0.0
    began = closing.origin_unix_s + (closing.spans[0].start_s if closing.spans else 0.0)
    used = resources.usage(place.logs / resources.RESOURCES, began)
    return Measured(
        measurement=measurement,
        faults=faults + of_load(closing, recording.plan, measurement),
        facts=facts,
        usage=tuple(Usage(target="", service=service, samples=tuple(looks)) for service, looks in used.items()),
    )


def of_load(closing: contract.Closing, load_plan: contract.Plan, measurement: Measurement) -> tuple[Fault, ...]:
    """What the service did that no share of failed requests tells: it let no user begin, or left users without an answer."""
    if closing.fault:
        what = f"{closing.fault[:1].upper()}{closing.fault[1:]}."
        return (Fault(kind="set-up-failed", what=what),)
    if not closing.complete:
        return ()  # whoever broke the load off left requests open, not the service
    if measurement.hanging and not measurement.endpoints:
        asked = "1 request" if measurement.hanging == 1 else f"{measurement.hanging} requests"
        what = f"{asked} from before the measured window had no answer in all of it, and no other was due."
        return (Fault(kind="hung", what=what),)
    # One user in twenty still waiting long after the end has failed, whatever its shares say.
    if closing.unfinished < max(1, _HUNG * load_plan.users):
        return ()
    seconds = load_plan.drain_s
    return (
        Fault(kind="hung", what=f"{closing.unfinished} requests were still unanswered {seconds:g} s after the load."),
    )


def _measure(known: Known, target: Target, python: Path, console: Console, mark: dict[str, str]) -> Recording:
    settings, load_settings = known.settings, known.settings.config.load
    load_plan = plan.make_plan(load_settings, (contract.Target(target.name, target.url),))
    launch = locust.Launch(
        python=python,
        locustfile=settings.config.load.locustfile,
        exchange=settings.out / "samples",
        folder=settings.out / "locust",
        root=settings.root,
        # The mark of the service's own processes: `teardown` finds a Locust that outlived a killed conductor by it.
        environment=locust.select_environment(settings.environment, settings.config.load.environment) | mark,
        workers=load_settings.workers if load_plan.workers else 0,
        master=load_settings.master_address,
    )
    console.say(f"loading {shown(target.url)}: {plan.describe(settings.config.load)}")
    if load_settings.remote_workers:
        _announce_master(load_settings, console)
    with timed(known.timing, "load"):
        return measure(launch, load_plan, _ladder(settings, launch.exchange, console), console.progress)


def _announce_master(load_settings: Load, console: Console) -> None:
    host, port = load_settings.master_address
    console.say(
        f"waiting for {load_settings.remote_workers} remote workers at {load_settings.master}; they join with "
        f"`ml-loadtest worker --master HOST --port {port}`"
    )
    if not is_loopback(host):
        console.say(
            f"anyone who reaches {load_settings.master} can join this run, read it and send it false samples: the channel has "
            "no authentication and no encryption (docs/scaling.md)"
        )


def _ladder(settings: Settings, exchange: Path, console: Console) -> Decide:
    """Each stage after the other, for as long as the generator can drive them."""
    climb = in_turn(plan.steps_of(settings.config.load))

    def decide(block: Block) -> contract.Step | None:
        checks = check_generator(inside(read_health(exchange), block.spans), settings.config.validity)
        failing = [check.text for check in checks if not check.ok]
        if failing and climb(block):
            console.say(f"the generator cannot drive more, the stages end here: {' '.join(failing)}")
        return None if failing else climb(block)

    return decide


def _no_closing(recording: Recording) -> contract.Closing:
    """What stands for the last word of a Locust that died without one: nothing is complete."""
    return contract.Closing(
        complete=False,
        problem=f"{_ending(recording.exit_code)} before it could close its records; `locust/locust.log` of the results says more",
        started=0, recorded=0, unfinished=0, unreported=0, response_sum_ms=0.0, locust_count=0, locust_sum_ms=0.0,
        steps=(), spans=(), origin_unix_s=0.0, warm=False, users_planned=recording.plan.users, users_started=0,
    )  # fmt: skip


def _ending(code: int | None) -> str:
    """How Locust ended."""
    if code is None or code >= 0:
        return "Locust did not end" if code is None else f"Locust ended with exit code {code}"
    killed = "; the kernel does that when memory runs out" if -code == signal.SIGKILL else ""
    return f"Locust was ended by signal {-code} ({signal.strsignal(-code)}{killed})"


def compare_with_baseline(known: Known, measurement: Measurement) -> Comparison:
    """Every row against the baseline's runs for this machine, launcher and plan."""
    config = known.settings.config
    against = runs.describe(known.group, date.today()) if known.group else ""
    reference = Committed(known.group) if known.group else None
    return compare(measurement, reference, config.thresholds, config.compare.false_alarm_rate, against)


def decide(known: Known, measured: Measured, comparison: Comparison) -> Verdict:
    """The verdict of this run."""
    findings = Findings(
        checks=measured.measurement.checks,
        comparison=comparison,
        faults=[(fault.kind, fault.what) for fault in measured.faults],
        baseline="found" if known.group else "other" if known.baseline and known.baseline.groups else "none",
        compare_with=known.settings.config.compare.with_,
    )
    return judge(findings, known.settings.config.policy)


def conclude(
    known: Known,
    verdict: Verdict,
    measured: Measured | None = None,
    comparison: Comparison | None = None,
    problem: LoadTestError | None = None,
) -> Result:
    """All that is to be told of the run, as one value."""
    settings = known.settings
    (settings.out / _MARK).write_bytes(b"")
    known.timing["total"] = time.monotonic() - known.began
    known.timing["overhead"] = overhead(known.timing)
    unresolved = (
        sum(change.status is Status.UNRESOLVED and change.gated for change in comparison.changes) if comparison else 0
    )
    measurement = measured.measurement if measured else None
    return Result(
        tool_version=__version__,
        suite=settings.suite,
        id=settings.run_id,
        faults=tuple(Reason(code=fault.kind, text=fault.what) for fault in measured.faults) if measured else (),
        thresholds=tuple(as_written(threshold) for threshold in settings.config.thresholds),
        policy=settings.config.policy.model_dump(mode="json", by_alias=True),
        verdict=verdict.outcome,
        exit_code=verdict.exit_code,
        reasons=verdict.reasons,
        changes=comparison.changes if comparison else (),
        compared=_compared(known, comparison),
        measurement=measurement,
        looks=(Look(look=1, measured_s=measurement.window_s, unresolved=unresolved),) if measurement else (),
        stretches=stretches(measurement, known.timing) if measurement else (),
        usage=measured.usage if measured else (),
        environment=_environment(known, measured),
        baseline_quantiles=comparison.quantiles if comparison else {},
        timing={stage: round(seconds, 3) for stage, seconds in known.timing.items()},
        comment=settings.config.report.comment,
        reproduce=settings.reproduce,
        problem=str(problem) if problem else "",
        log=problem.log if problem else "",
    )


def stretches(measurement: Measurement, timing: dict[str, float]) -> tuple[Stretch, ...]:
    """The stages of a run that had several, on the clock of its first one."""
    if not measurement.stages:
        return ()
    origin = measurement.stages[0].start_s
    held = [
        Stretch(
            begin_s=stage.start_s - origin, end_s=stage.end_s - origin, target="", kind="measured", label=stage.label
        )
        for stage in measurement.stages
    ]
    return (Stretch(begin_s=-timing["warm-up"], end_s=0.0, target="", kind="ramp and warm-up"), *held)


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


@contextmanager
def timed(timing: dict[str, float], stage: str) -> Iterator[None]:
    """Note how many seconds the block took."""
    began = time.monotonic()
    try:
        yield
    finally:
        timing[stage] = timing.get(stage, 0.0) + time.monotonic() - began


def _code(error: LoadTestError) -> str:
    return "service-not-ready" if isinstance(error, ServiceError) else "load-failed"
