"""Candidate and base, both up, taking turns; measured again with both started anew for as long as a row is in doubt."""

import shutil
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import mkdtemp

from entrypoint.concealment import concealing, declared_in
from entrypoint.console import Console
from entrypoint.errors import ServiceError, SettingsError
from entrypoint.generation import BASE, CANDIDATE, BaseFailed, Generation, Party, live, measured, of_load
from entrypoint.judgement.comparison import compare
from entrypoint.judgement.looks import acquit, open_rows, undecided, unresolved
from entrypoint.judgement.model import Comparison
from entrypoint.judgement.paired import Paired
from entrypoint.known import Known, Measured
from entrypoint.measurement.generations import whole
from entrypoint.measurement.measure import timeline_of_turns
from entrypoint.measurement.model import Measurement
from entrypoint.measurement.pairs import Pairs, Turn, joined, read_pairs, troubles
from entrypoint.measurement.stages import worst
from entrypoint.report.result import Look, Stretch
from entrypoint.service import base
from entrypoint.service.cost import cpu_of_turn
from entrypoint.service.cpu import Looks
from entrypoint.service.target import Fault
from entrypoint.settings.reading import Settings
from locustfiles.ml_loadtest import contract

_SAME = 0.99


@dataclass(slots=True)
class _Course:
    """All looks so far."""

    generations: list[Generation] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)
    pairs: list[Pairs] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    comparison: Comparison | None = None

    @property
    def compared(self) -> Comparison:
        """The comparison, once there was a look."""
        assert self.comparison is not None
        return self.comparison


def base_of(settings: Settings) -> str:
    """The commit that the candidate is compared with.

    Raises:
        SettingsError: if it cannot be told, or is not in this checkout.
    """
    runner = settings.runner
    found = base.find_base(
        settings.root,
        settings.config.compare.base_ref,
        settings.environment,
        merge_group_base=runner.merge_group_base,
        event_base=runner.base_sha,
        event_head=runner.head_sha,
    )
    if base.is_head(settings.root, found, settings.environment):
        raise SettingsError(
            f"The base {found[:12]} is the commit that is checked out, so there is nothing to compare.",
            cause="`base-ref` names the branch that this is the head of, or the branch has no commit of its own yet.",
            remedy="Give an older commit as `base-ref`, such as `HEAD~1`. `self-test` compares a service with itself.",
        )
    return found


def beside(known: Known, console: Console) -> Measured:
    """Measure candidate and base in turns, look by look.

    Raises:
        BaseFailed: if the base cannot be checked out, prepared or started.
    """
    settings = known.settings
    with ExitStack() as stack:
        private = stack.enter_context(_private_folder(settings.runner.temp))
        try:
            with concealing(declared_in(settings), [settings.out / "service"]):
                base_root = stack.enter_context(_checkout(known, private))
        except ServiceError as error:
            raise BaseFailed(error) from error
        service = settings.config.service
        moved = base.rebased(service, settings.root, base_root)
        parties = (
            Party(name=CANDIDATE, service=service, root=settings.root),
            Party(name=BASE, service=moved, root=base_root),
        )
        return look_again(known, parties, console)


@contextmanager
def _private_folder(parent: Path | None) -> Iterator[Path]:
    """A folder that is removed as far as may be: what a container wrote into it as root must not cost the result."""
    folder = Path(mkdtemp(prefix="ml-loadtest-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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


def look_again(known: Known, parties: tuple[Party, Party], console: Console, *, least: int = 1) -> Measured:
    """Measure two services in turns, for as many looks as the rows need.

    Args:
        parties: the candidate first.
        least: so many looks are made even if the rows need fewer.
    """
    most = known.settings.config.compare.max_looks
    course, problem = _Course(), ""
    faults: tuple[Fault, ...] = ()
    for look in range(1, most + 1):
        began = time.monotonic()
        try:
            generation = live(known, parties, console, look)
        except BaseFailed as failed:
            if look == 1:
                raise
            problem = f"The base could not be started again: {failed.error.what}"
            course.comparison = undecided(course.compared, "the base could not be started for another look")
            break
        _add(course, known, generation)
        faults, problem = _blame(course, generation)
        course.comparison = _limits_alone(known, course) if problem else _compare(known, course)
        course.looks.append(_look(course, look))
        left = open_rows(course.comparison, look, most)
        enough = not left and look >= min(least, most)
        if problem or faults or enough or not course.measurements[-1].valid:
            break
        if known.left_s < time.monotonic() - began:
            course.comparison = undecided(course.comparison, "there was no time for another look; raise `timeout`")
            break
        rows = "1 figure is" if len(left) == 1 else f"{len(left)} figures are"
        console.say(f"look {look} of at most {most}: {rows} not decided, so both services are started anew")
    return _all(course, faults, problem)


def _look(course: _Course, look: int) -> Look:
    measured_s = sum(one.window_s for one in course.measurements)
    return Look(look=look, measured_s=measured_s, unresolved=unresolved(course.compared))


def _all(course: _Course, faults: tuple[Fault, ...], problem: str) -> Measured:
    """What all looks gave; the course of time is the last one's."""
    last = course.generations[-1]
    timelines = [timeline_of_turns(last.folder, last.closing, target) for target in (0, 1)]
    return Measured(
        measurement=_whole(course).model_copy(update={"timeline": timelines[0]}),
        comparison=course.compared,
        faults=faults,
        facts=last.facts,
        usage=last.usage,
        logs=last.logs,
        looks=tuple(course.looks),
        stretches=stretches(last),
        base_timeline=timelines[1],
        base_problem=problem,
    )


def _add(course: _Course, known: Known, generation: Generation) -> None:
    """The candidate's measurement, with the worse of both targets' checks: the generator served both."""
    ours, theirs = measured(known, generation, 0), measured(known, generation, 1)
    checks = tuple(worst([ours.checks, theirs.checks]))
    course.generations.append(generation)
    course.measurements.append(ours.model_copy(update={"checks": checks}))
    lead_in_s, looks = generation.recording.plan.lead_in_s, (generation.cpu[CANDIDATE], generation.cpu[BASE])
    course.pairs.append(pairs_of(generation.folder, generation.closing, lead_in_s, looks))


def pairs_of(folder: Path, closing: contract.Closing, lead_in_s: float, looks: tuple[Looks, Looks]) -> Pairs:
    """The pairs of a generation, with what the services used in each of their turns.

    Args:
        folder: the exchange folder.
        closing: the instrument's last word.
        lead_in_s: the unmeasured beginning of each turn.
        looks: at the candidate's and at the base's processor time.
    """

    def cpu_s(turn: Turn) -> float | None:
        begin, end = (closing.origin_unix_s + at for at in (turn.begin_s, turn.end_s))
        return cpu_of_turn(looks[turn.target], begin, end, idle_before=turn.idle_before, idle_after=turn.idle_after)

    return read_pairs(folder, closing, lead_in_s, cpu_s)


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


def _blame(course: _Course, generation: Generation) -> tuple[tuple[Fault, ...], str]:
    """What happened to the candidate, and what happened to the base, "" if nothing did: each answers for itself alone."""
    closing, plan = generation.closing, generation.recording.plan
    ours, theirs = troubles(generation.folder)
    set_up_is_theirs = bool(closing.fault and theirs.set_up and not ours.set_up)
    own = replace(closing, unfinished=ours.unfinished, fault="" if set_up_is_theirs else closing.fault)
    faults = generation.faults[CANDIDATE] + of_load(own, plan, course.measurements[-1])
    others = replace(closing, unfinished=theirs.unfinished, fault=closing.fault if set_up_is_theirs else "")
    # That requests of before the window hung is known of the candidate alone.
    of_base = generation.faults[BASE] + of_load(others, plan, course.measurements[-1].model_copy(update={"hanging": 0}))
    return faults, f"The base failed while it was measured: {of_base[0].what.rstrip('.')}." if of_base else ""


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
