"""Candidate and base, both up, taking turns; measured again with both started anew for as long as a row is in doubt."""

from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from entrypoint.console import Console
from entrypoint.errors import ServiceError
from entrypoint.generation import BASE, CANDIDATE, BaseFailed, Generation, Party, live, measured, of_load
from entrypoint.judgement.comparison import compare
from entrypoint.judgement.looks import acquit, open_rows
from entrypoint.judgement.model import Comparison
from entrypoint.judgement.paired import Paired
from entrypoint.known import Known, Measured
from entrypoint.measurement.generations import whole
from entrypoint.measurement.measure import timeline_of_turns
from entrypoint.measurement.model import Measurement
from entrypoint.measurement.pairs import Pairs, joined, read_pairs
from entrypoint.measurement.stages import worst
from entrypoint.report.result import Look, Stretch
from entrypoint.service import base
from entrypoint.service.target import Fault
from entrypoint.settings.reading import Settings

_SAME = 0.99


@dataclass(slots=True)
class _Course:
    """All looks so far."""

    generations: list[Generation] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)
    pairs: list[Pairs] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    comparison: Comparison | None = None


def base_of(settings: Settings) -> str:
    """The commit that the candidate is compared with.

    Raises:
        SettingsError: if it cannot be told, or is not in this checkout.
    """
    runner = settings.runner
    return base.find_base(
        settings.root,
        settings.config.compare.base_ref,
        settings.environment,
        merge_group_base=runner.merge_group_base,
        event_base=runner.base_sha,
    )


def beside(known: Known, console: Console) -> Measured:
    """Measure candidate and base in turns, look by look.

    Raises:
        BaseFailed: if the base cannot be checked out, prepared or started.
    """
    settings = known.settings
    with ExitStack() as stack:
        private = stack.enter_context(TemporaryDirectory(prefix="ml-loadtest-", dir=settings.runner.temp))
        try:
            base_root = stack.enter_context(_checkout(known, Path(private)))
        except ServiceError as error:
            raise BaseFailed(error) from error
        service = settings.config.service
        moved = base.rebased(service, settings.root, base_root)
        parties = (
            Party(name=CANDIDATE, service=service, root=settings.root),
            Party(name=BASE, service=moved, root=base_root),
        )
        return look_again(known, parties, console)


def _checkout(known: Known, private: Path) -> AbstractContextManager[Path]:
    settings = known.settings
    return base.checkout(
        settings.root,
        known.base,
        folder=private,
        prepare=settings.config.compare.prepare,
        carry=settings.config.compare.carry,
        environment=settings.environment,
        log=settings.out / "service" / "prepare.log",
    )


def look_again(known: Known, parties: tuple[Party, Party], console: Console) -> Measured:
    """Measure two services in turns, for as many looks as the rows need; the candidate first."""
    most = known.settings.config.compare.max_looks
    course = _Course()
    for look in range(1, most + 1):
        generation = live(known, parties, console, look)
        _add(course, known, generation)
        fell = _fell(generation)
        comparison = _compare(known, course) if not fell else _limits_alone(known, course)
        left = open_rows(comparison, look, most)
        course.comparison = comparison
        course.looks.append(Look(look=look, measured_s=course.measurements[-1].window_s, unresolved=len(left)))
        faults = _faults(course, generation)
        if fell or faults or not left or not course.measurements[-1].valid:
            break
        rows = "1 figure is" if len(left) == 1 else f"{len(left)} figures are"
        console.say(f"look {look} of at most {most}: {rows} not decided, so both services are started anew")
    course_of = [timeline_of_turns(generation.folder, generation.closing, target) for target in (0, 1)]
    return Measured(
        measurement=_whole(course).model_copy(update={"timeline": course_of[0]}),
        comparison=comparison,
        faults=faults,
        facts=generation.facts,
        usage=generation.usage,
        looks=tuple(course.looks),
        stretches=stretches(generation),
        base_timeline=course_of[1],
        base_problem=fell,
    )


def _add(course: _Course, known: Known, generation: Generation) -> None:
    """The candidate's measurement, with the worse of both targets' checks: the generator served both."""
    ours, theirs = measured(known, generation, 0), measured(known, generation, 1)
    checks = tuple(worst([ours.checks, theirs.checks]))
    course.generations.append(generation)
    course.measurements.append(ours.model_copy(update={"checks": checks}))
    course.pairs.append(read_pairs(generation.folder, generation.closing))


def _whole(course: _Course) -> Measurement:
    return whole(course.measurements, joined(course.pairs))


def _compare(known: Known, course: _Course) -> Comparison:
    config = known.settings.config
    both, measurement = joined(course.pairs), _whole(course)
    looks = len(course.pairs)
    times = "once" if looks == 1 else f"{looks} times"
    against = (
        f"the base commit {known.base[:7]} side by side: {len(both)} pairs of turns, both services started {times}"
    )
    now = compare(
        measurement, Paired(both, config.load.seed), config.thresholds, config.compare.false_alarm_rate, against
    )
    return acquit(course.comparison, now.model_copy(update={"caveats": (*now.caveats, *_uncoupled(measurement))}))


def _limits_alone(known: Known, course: _Course) -> Comparison:
    config = known.settings.config
    return compare(_whole(course), None, config.thresholds, config.compare.false_alarm_rate)


def _uncoupled(measurement: Measurement) -> tuple[str, ...]:
    """That both were not asked the same: the comparison stays true, but chance has more say in it."""
    paired = measurement.paired
    if paired is None or not paired.tickets or paired.same >= _SAME * paired.tickets:
        return ()
    return (
        f"Of {paired.tickets} tickets, {paired.tickets - paired.same} did not ask both services the same, so that the intervals "
        "are wider than they need be: draw what is asked with `random`, which is seeded anew at every ticket.",
    )


def _fell(generation: Generation) -> str:
    """What happened to the base while it was measured, "" if nothing did."""
    found = generation.faults[BASE]
    return f"The base failed while it was measured: {found[0].what}." if found else ""


def _faults(course: _Course, generation: Generation) -> tuple[Fault, ...]:
    of_service = generation.faults[CANDIDATE]
    return of_service + of_load(generation.closing, generation.recording.plan, course.measurements[-1])


def stretches(generation: Generation) -> tuple[Stretch, ...]:
    """The turns of a generation, on the clock of its first one."""
    spans, names = generation.closing.spans, [target.name for target in generation.recording.plan.targets]
    if not spans:
        return ()
    origin = spans[0].start_s
    turns = (
        Stretch(begin_s=span.start_s - origin, end_s=span.end_s - origin, target=names[span.target], kind="measured")
        for span in spans
    )
    return (Stretch(begin_s=-origin, end_s=0.0, target="", kind="ramp and warm-up"), *turns)
