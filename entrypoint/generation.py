"""One generation: the services up, one load over all of them, everything down again."""

import os
import signal
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path

from entrypoint.concealment import concealing, declared_in
from entrypoint.console import Console
from entrypoint.deciding import State, decider, first_level
from entrypoint.errors import LoadTestError
from entrypoint.judgement.capacity import breaking_hold, with_capacity
from entrypoint.judgement.soak import with_soak
from entrypoint.judgement.wording import silent
from entrypoint.known import Known, add, timed
from entrypoint.load import locust, plan
from entrypoint.load.interpreter import locust_python
from entrypoint.load.measure import Recording, measure
from entrypoint.load.requests import write_locustfile
from entrypoint.measurement.measure import measure_recording
from entrypoint.measurement.model import Measurement, Stage
from entrypoint.measurement.samples import read_answers, read_health
from entrypoint.measurement.series import Window, figures_of_series
from entrypoint.measurement.service import figures_of_images, figures_of_start, figures_of_use, ran_out
from entrypoint.measurement.soak import read_stretches
from entrypoint.measurement.validity import check_constant, cores_of_generator
from entrypoint.report.result import ServiceLog, Usage
from entrypoint.service import Fault, Place, Target, cost, cpu, logs, prometheus, resources, running, teardown_leftovers
from entrypoint.service.process_tree import MARK
from entrypoint.service.url import shown
from entrypoint.settings import model
from entrypoint.settings.model import Load, Mode
from entrypoint.settings.plausible import is_loopback
from entrypoint.settings.reading import Settings
from locustfiles.ml_loadtest import contract

CANDIDATE, BASE = "candidate", "base"
_HUNG = 0.05
# Of each service, in the report; the whole log lies beside it.
_LOG_LINES = 200


class BaseFailed(Exception):  # noqa: N818 (what happened, as in a sentence)
    """The base could not be had: not checked out, not built, not ready. The candidate may well be."""

    def __init__(self, error: LoadTestError) -> None:
        super().__init__(error.what)
        self.error = error


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """A service that takes part.

    Attributes:
        name: `candidate` or `base`.
        service: its settings, with the paths of its own checkout.
        root: its folder there.
        front: what stands between it and the load, from its address to the one that is loaded.
    """

    name: str
    service: model.Service
    root: Path
    front: Callable[[str], AbstractContextManager[str]] = nullcontext


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """What one life of the services left.

    Attributes:
        faults: what happened to each party.
        facts: what identifies the candidate.
        places: of each party, with what its services used.
        cpu: how much processor time each party's services had used, ten times a second; nothing where there is one party alone.
        starts: what each party took to start, its images among it, by metric; nothing where it was running already.
        pages: what was read of the candidate's page for Prometheus.
    """

    recording: Recording
    closing: contract.Closing
    faults: dict[str, tuple[Fault, ...]]
    facts: dict[str, str]
    places: dict[str, Place]
    cpu: dict[str, cpu.Looks]
    starts: dict[str, dict[str, float]]
    pages: Sequence[prometheus.Look]
    usage: tuple[Usage, ...]
    logs: tuple[ServiceLog, ...]

    @property
    def folder(self) -> Path:
        """Where its samples are."""
        return self.recording.exchange

    def spent(self, party: str, begin_s: float, end_s: float) -> dict[str, cost.Spent]:
        """What each of a party's services used, in seconds since the first measured moment."""
        origin = _began(self.closing)
        return cost.spent(self.places[party].logs / resources.RESOURCES, origin + begin_s, origin + end_s)


def live(known: Known, parties: Sequence[Party], console: Console, look: int = 1) -> Generation:
    """Services up, one load, services down.

    Args:
        parties: the candidate first. In every second look they are started in the opposite order, for who comes second finds
            the machine's caches warm.
        look: the number of this generation, from 1 on.

    Raises:
        BaseFailed: if it is the base that cannot be started.
    """
    settings = known.settings
    # What a run that died has left would take its share of this machine.
    teardown_leftovers(settings.ledger, settings.suite, console.say, environment=settings.environment, only_dead=True)
    places = {party.name: _place(settings, party, look, alone=len(parties) == 1) for party in parties}
    up: dict[str, Target] = {}
    conceal = concealing(declared_in(settings), [place.logs for place in places.values()])
    with conceal:
        with ExitStack() as services:
            python = locust_python(settings.config.load.requirements, settings.environment)
            for party in parties if look % 2 else reversed(parties):
                up[party.name] = _start(services, party, places[party.name], console, in_turns=len(parties) > 1)
            fronts = [services.enter_context(party.front(up[party.name].url)) for party in parties]
            targets = [contract.Target(party.name, url) for party, url in zip(parties, fronts, strict=True)]
            recording = _measure(known, targets, python, console, places[CANDIDATE], up[CANDIDATE], look)
            faults = {name: tuple(target.faults()) for name, target in up.items()}
            facts = up[CANDIDATE].facts()
        # Before secrets are taken out of it: one may be in a label that the settings name.
        pages = prometheus.looks_at(places[CANDIDATE].logs / prometheus.PAGES)
    for target in up.values():
        for stage, seconds in target.timing.items():
            add(known.timing, stage, seconds)
    closing = recording.closing or _no_closing(recording)
    _note_times(known, closing)
    return Generation(
        recording=recording,
        closing=closing,
        faults=faults,
        facts=facts,
        places=places,
        cpu={name: cpu.looks(place.logs / cpu.COUNTED) for name, place in places.items()},
        starts={name: _of_start(target) for name, target in up.items()},
        pages=pages,
        usage=_usage(places, closing),
        logs=_logs(places),
    )


def _start(services: ExitStack, party: Party, place: Place, console: Console, *, in_turns: bool) -> Target:
    try:
        service = running(party.service, name=party.name, place=place, say=console.say, in_turns=in_turns)
        return services.enter_context(service)
    except LoadTestError as error:
        if party.name == BASE:
            raise BaseFailed(error) from error
        raise


def _place(settings: Settings, party: Party, look: int, *, alone: bool) -> Place:
    logs = in_look(settings.out / "service", look)
    return Place(
        suite=settings.suite,
        run_id=settings.run_id if look == 1 else f"{settings.run_id}-{look}",
        root=party.root,
        logs=logs if alone or party.name == CANDIDATE else logs / party.name,
        environment=settings.environment,
        ledger=settings.ledger,
    )


def in_look(folder: Path, look: int) -> Path:
    """Where a look keeps its files: the first one in the folder itself, later ones below it."""
    return folder if look == 1 else folder / f"look-{look}"


def _note_times(known: Known, closing: contract.Closing) -> None:
    if closing.spans:
        add(known.timing, "warm-up", closing.spans[0].start_s)
        add(known.timing, "measured", closing.spans[-1].end_s - closing.spans[0].start_s)


def _began(closing: contract.Closing) -> float:
    """The first measured moment, in seconds since 1970; the load's beginning where nothing was measured."""
    return closing.origin_unix_s + (closing.spans[0].start_s if closing.spans else 0.0)


def _usage(places: dict[str, Place], closing: contract.Closing) -> tuple[Usage, ...]:
    began = _began(closing)
    return tuple(
        Usage(target=name if len(places) > 1 else "", service=service, samples=tuple(looks))
        for name, place in places.items()
        for service, looks in resources.usage(place.logs / resources.RESOURCES, began).items()
    )


def _of_start(target: Target) -> dict[str, float]:
    images = figures_of_images(target.image_bytes)
    if target.readiness is None:
        return images
    seconds = target.timing["start"] + target.timing["ready"]
    return images | figures_of_start(seconds, target.readiness.first_ms, target.readiness.usual_ms)


def _logs(places: dict[str, Place]) -> tuple[ServiceLog, ...]:
    return tuple(
        ServiceLog(target=name if len(places) > 1 else "", service=service, lines=lines)
        for name, place in places.items()
        for service, lines in logs.of_services(place.logs, _LOG_LINES).items()
    )


def measured(known: Known, generation: Generation, target: int = 0) -> Measurement:
    """The measurement of one of the targets; 0 is the candidate."""
    config = known.settings.config
    searching = config.mode is Mode.CAPACITY
    with timed(known.timing, "analysis"):
        found = measure_recording(
            generation.folder,
            generation.recording.plan,
            generation.closing,
            plan_key=known.fingerprint.plan,
            plan_text=plan.describe(config.load, searching=searching),
            limits=config.validity,
            target=target,
        )
        if searching:
            rate = config.compare.false_alarm_rate
            found = with_capacity(found, config.thresholds, rate, config.wanted_rate)
    party = generation.recording.plan.targets[target].name
    service = {**found.service, **_use(generation, party, found), **generation.starts.get(party, {})}
    found = _with_chosen(known, generation, found.model_copy(update={"service": service}))
    if config.mode is Mode.SOAK:
        return _with_course(known, generation, found)
    return _with_limit(generation, party, found)


def _with_course(known: Known, generation: Generation, found: Measurement) -> Measurement:
    """After a soak, how response time and memory went with time."""
    config = known.settings.config
    looks = [[(second, mib) for second, _, mib in usage.samples] for usage in generation.usage]
    constant = check_constant(generation.closing.shape)
    found = found.model_copy(update={"checks": (*found.checks, constant)})
    with timed(known.timing, "analysis"):
        stretches = read_stretches(generation.folder, generation.closing)
        return with_soak(found, stretches, looks, config.thresholds, config.compare.false_alarm_rate)


def _use(generation: Generation, party: str, found: Measurement) -> dict[str, float]:
    """What the services used, while another target had its turn next to nothing."""
    if not generation.closing.spans:
        return {}
    begin, end = _counted(generation, found)
    return figures_of_use(generation.spent(party, begin, end).values(), found.successes, end - begin)


def _counted(generation: Generation, found: Measurement) -> tuple[float, float]:
    """What the service's figures are of, from and to, in seconds since the first measured moment; other turns included."""
    spans = generation.closing.spans
    return found.counted if found.capacity or not spans else (0.0, spans[-1].end_s - spans[0].start_s)


def _with_chosen(known: Known, generation: Generation, found: Measurement) -> Measurement:
    """With what the settings chose of the service's page for Prometheus, which is read where there is one party alone."""
    wanted = known.settings.config.service.prometheus
    if wanted is None or len(generation.places) > 1:
        return found
    begin, end = (_began(generation.closing) + at for at in _counted(generation, found))
    answers = (generation.closing.origin_unix_s + read_answers(generation.folder)).tolist()
    window = Window(begin=begin, end=end, successes=found.successes, answers=answers)
    figures, chosen = figures_of_series(wanted, generation.pages, window)
    return found.model_copy(update={"service": {**found.service, **figures}, "chosen": chosen})


def _with_limit(generation: Generation, party: str, found: Measurement) -> Measurement:
    """After a search, what the service had no more of when it broke a limit, or when the kernel killed it."""
    if found.capacity is None:
        return found
    killed = any(fault.kind == "oom-killed" for fault in generation.faults[party])
    broke = breaking_hold(found)
    said = (
        "Memory: the kernel killed a process for want of it."
        if killed
        else _what_ran_out(generation, party, found, broke)
    )
    return found.model_copy(update={"capacity": found.capacity.model_copy(update={"ran_out": said})})


def _what_ran_out(generation: Generation, party: str, found: Measurement, broke: Stage | None) -> str:
    """The same of a hold that broke a limit, from what was used in it; "" without one."""
    if broke is None:
        return ""
    origin = found.stages[0].start_s
    used = generation.spent(party, broke.start_s - origin, broke.end_s - origin)
    generator = cores_of_generator(read_health(generation.folder), broke.start_s, broke.end_s)
    return ran_out(used, broke.end_s - broke.start_s, len(os.sched_getaffinity(0)), generator)


def _measure(
    known: Known,
    targets: Sequence[contract.Target],
    python: Path,
    console: Console,
    place: Place,
    candidate: Target,
    look: int,
) -> Recording:
    settings, load_settings = known.settings, known.settings.config.load
    searching = settings.config.mode is Mode.CAPACITY
    first = first_level(settings) if searching else None
    load_plan = plan.make_plan(load_settings, tuple(targets), look, settings.root, first)
    folder = in_look(settings.out / "locust", look)
    launch = locust.Launch(
        python=python,
        locustfile=write_locustfile(load_settings, folder, settings.root),
        exchange=in_look(settings.out / "samples", look),
        folder=folder,
        root=settings.root,
        # The mark of the service's own processes: `teardown` finds a Locust that outlived a killed conductor by it.
        environment=locust.select_environment(settings.environment, settings.config.load.environment)
        | {MARK: place.project(CANDIDATE)},
        workers=load_settings.workers if load_plan.workers else 0,
        master=load_settings.master_address,
        secrets=declared_in(settings),
    )
    whom = " and ".join(shown(target.url) for target in targets)
    console.say(f"loading {whom}: {plan.describe(load_settings, searching=searching)}")
    if load_settings.remote_workers:
        _announce_master(load_settings, console)
    state = State(left_s=lambda: known.left_s, failed=lambda: bool(candidate.faults()))
    decide = decider(settings, launch.exchange, console, state)
    with timed(known.timing, "load"):
        return measure(launch, load_plan, decide, console.progress)


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


def of_load(closing: contract.Closing, load_plan: contract.Plan, measurement: Measurement) -> tuple[Fault, ...]:
    """What the service did that no share of failed requests tells: it let no user begin, or left users without an answer.

    A search overloads it on purpose: what a level that was too much left open is no fault.
    """
    if closing.fault:
        what = f"{closing.fault[:1].upper()}{closing.fault[1:]}."
        return (Fault(kind="set-up-failed", what=what),)
    if not closing.complete:
        return ()  # whoever broke the load off left requests open, not the service
    if measurement.hanging and not measurement.endpoints:
        asked = "1 request" if measurement.hanging == 1 else f"{measurement.hanging} requests"
        what = f"{asked} from before the measured window had no answer in all of it, and no other was due."
        return (Fault(kind="hung", what=what),)
    step = load_plan.step
    if step.count and measurement.valid and closing.spans and (asked_for := closing.spans[0].tickets) < step.count:
        what = f"Only {asked_for:,} of {step.count:,} tasks (`load.count`) were begun in the {step.seconds:g} s of `duration`."
        return (Fault(kind="count-not-reached", what=what),)
    # One user in twenty still waiting long after the end has failed, whatever its shares say.
    if load_plan.step.by_itself or closing.unfinished < max(1, _HUNG * load_plan.users):
        return ()
    seconds = load_plan.drain_s
    return (
        Fault(kind="hung", what=f"{closing.unfinished} requests were still unanswered {seconds:g} s after the load."),
    )


def of_search(measurement: Measurement) -> tuple[Fault, ...]:
    """That a search found no level at all that holds every limit."""
    capacity = measurement.capacity
    if capacity is None or not capacity.none or not measurement.valid:
        return ()
    lowest = min((stage for stage in measurement.stages if stage.broken), key=lambda stage: stage.load)
    return (Fault(kind="no-capacity", what=f"No level of load held every limit. At {lowest.label}: {lowest.broken}"),)


def of_soak(measurement: Measurement) -> tuple[Fault, ...]:
    """That a service stopped answering in a soak, and never began again."""
    silence = measurement.soak.silence if measurement.soak else None
    if silence is None or silence.seconds is not None or not measurement.valid:
        return ()
    return (Fault(kind="silent", what=f"{silent(silence.after_s)}."),)


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
