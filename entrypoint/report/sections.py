"""The small parts of a report, each from its part of the result: facts, failures, checks, conditions."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from entrypoint.judgement.capacity import replicas
from entrypoint.judgement.wording import figure, percent
from entrypoint.measurement.metrics import METRICS
from entrypoint.measurement.model import Attached, Capacity, Law, Measurement, Stage
from entrypoint.report.cells import Cell, make_cell
from entrypoint.report.endurance import course
from entrypoint.report.neutral import Neutral, tight
from entrypoint.report.result import Result, Usage

# What mean waits of some hundred turns differ by at the ends of a short window.
_CONSISTENT = 0.10
# Fewer requests may ask the same by chance.
_ENOUGH_ASKED = 100
# So much of its capacity a service is used: beyond that, response times climb with every request more.
_USE = 0.70
_HEX = re.compile(r"[0-9a-f]{7,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A label and a text."""

    label: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Failed requests of one kind."""

    endpoint: str
    outcome: str
    count: str
    example: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One validity check."""

    sign: str
    name: str
    text: str
    ok: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The last lines that one service wrote, as a block; target is "" where there is only one."""

    service: str
    target: str
    lines: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one service used in the measured window; "" where it was not sampled.

    Attributes:
        each: CPU time for each request of the whole load.
        mean, peak: cores.
        memory: the most at any time.
    """

    service: str
    each: str
    mean: str
    peak: str
    memory: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One stage of several.

    Attributes:
        level: the load in words.
        recovery: how long response times stayed high after the load had fallen; "" where it had not.
        note: why the stage has no rows; of a search, whether the level held, and the limit that it broke.
        values: load, rate, p50 and p95 as numbers, for drawing.
    """

    level: str
    requests: str
    failed: str
    rate: str
    p50: str
    p95: str
    recovery: str
    note: str
    values: tuple[Cell, ...]


def levels(measurement: Measurement | None, neutral: Neutral) -> list[Level]:
    """The stages of a run that had several, in order; the levels of a search from the lowest to the highest."""
    stages = list(measurement.stages) if measurement else []
    if measurement and measurement.capacity:
        stages.sort(key=lambda stage: stage.load)
    return [
        Level(
            level=neutral.cell_prose(stage.label),
            requests=f"{stage.requests:,}",
            failed=f"{stage.failures:,}",
            rate=f"{stage.rate:,.1f}/s",
            p50=figure(stage.p50_ms, "ms"),
            p95=figure(stage.p95_ms, "ms"),
            recovery=_recovery(stage.recovery_s),
            note=neutral.cell_prose(_note(stage, searched=bool(measurement and measurement.capacity))),
            values=tuple(
                make_cell(value, unit)
                for value, unit in ((stage.load, ""), (stage.rate, "1/s"), (stage.p50_ms, "ms"), (stage.p95_ms, "ms"))
            ),
        )
        for stage in stages
    ]


def _note(stage: Stage, *, searched: bool) -> str:
    if not stage.ok:
        return f"not counted: {stage.text}"
    if not searched:
        return ""
    if stage.undecided:
        return f"not known: {stage.undecided}"
    return f"did not hold: {stage.broken}" if stage.broken else "held"


def _recovery(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds:g} s" if math.isfinite(seconds) else "not within the stage"


def facts(result: Result, neutral: Neutral) -> Iterable[Part]:
    """What was compared with what, under which load, where."""
    compared, measurement = result.compared, result.measurement
    if measurement and compared.against:
        yield Part(label="Compared with", text=neutral.prose(compared.against))
    elif measurement and compared.with_ == "none":
        yield Part(label="Compared with", text=neutral.prose("nothing; absolute limits alone"))
    yield Part(label="Machine", text=neutral.name(result.environment.machine))
    if measurement:
        requests = sum(found.requests for found in measurement.endpoints.values())
        failures = sum(found.failures for found in measurement.endpoints.values())
        failed = f"{failures:,} failed" if failures else "none failed"
        level = _level_shown(measurement)
        counted = f"{requests:,} {'request' if requests == 1 else 'requests'} in {measurement.window_s:,.1f} s{level}, {failed}"
        yield Part(label="Load", text=neutral.prose(measurement.plan_text))
        yield Part(label="Measured", text=neutral.prose(counted))
    if measurement and measurement.capacity:
        yield Part(label="Capacity", text=neutral.prose(capacity_in_words(measurement.capacity)))
    if measurement and measurement.soak:
        yield Part(label="Soak", text=course(measurement.soak, neutral))
    for name, found in measurement.attached.items() if measurement else ():
        yield Part(label="Attached", text=neutral.prose(f"{name}: {_attached(found)}"))
    if measurement and measurement.law and math.isfinite(measurement.law.expected_per_s):
        yield Part(label="Closed-loop law", text=neutral.prose(_law(measurement.law)))


def _level_shown(measurement: Measurement) -> str:
    """Of a search, the level that the figures are of."""
    capacity = measurement.capacity
    return f" at {figure(capacity.passed, METRICS[capacity.metric].unit)}" if capacity and capacity.passed else ""


def capacity_in_words(capacity: Capacity) -> str:
    """Where the capacity lies, what ended it, and how many such services a rate would take."""
    unit = METRICS[capacity.metric].unit
    passed, failed = figure(capacity.passed, unit), figure(capacity.failed, unit)
    if not capacity.passed:
        lowest = "no level had enough requests to tell" if capacity.failed is None else f"{failed} did not hold"
        return f"none was found: {lowest}. {capacity.ran_out}".strip()
    rate = f" with {figure(capacity.rate, '1/s')} answered" if capacity.metric == "capacity-users" else ""
    said = [f"{passed} held every limit{rate}, {failed} did not."]
    if capacity.by_generator:
        said = [f"at least {passed}{rate}; it is limited by the load generator, which could not drive more."]
    elif not capacity.settled:
        below = f", and {failed} did not hold" if capacity.failed is not None else ""
        said = [f"at least {passed}{rate}{below}; the search did not come to its end."]
    if capacity.ran_out:
        said.append(f"What ran out: {capacity.ran_out}")
    if capacity.knee is not None:
        said.append(f"Beyond {figure(capacity.knee, unit)} (the knee) more load brought more waiting than answers.")
    if many := replicas(capacity, _USE):
        like = "1 service like this one" if many == 1 else f"{many} services like this one"
        share = f"{_USE * 100:.0f} %"
        said.append(f"For {figure(capacity.wanted_rate, '1/s')}: {like}, used to {share} of what it held.")
    return " ".join(said)


def _attached(found: Attached) -> str:
    """Shares of a few kinds, such as replicas; else how large the numbers are."""
    if found.shares:
        kinds = (f"{kind} {figure(count / found.count, '%')} ({count:,})" for kind, count in found.shares.items())
        return "; ".join(kinds)
    p50, p95, highest = (figure(value, "") for value in (found.p50, found.p95, found.highest))
    return f"{found.count:,} numbers, mean {figure(found.mean, '')}, p50 {p50}, p95 {p95}, highest {highest}"


def _law(law: Law) -> str:
    """N = X (R + Z) in figures, and what may be the matter where they do not fit."""
    said = (
        f"{law.users} users who wait {figure(1000 * law.response_s, 'ms')} and think {figure(1000 * law.think_s, 'ms')} make "
        f"{figure(law.expected_per_s, '1/s')} turns by N / (R + Z); counted were {figure(law.turns_per_s, '1/s')}"
    )
    if abs(law.residual) <= _CONSISTENT:
        return said
    fewer = "users spend time in their tasks beside the requests, or left, or were not all at work"
    why = fewer if law.residual < 0 else "tasks make several requests at once, whose times overlap"
    return f"{said}, {percent(law.residual)}: {why}"


def caveats(result: Result) -> list[str]:
    """What weakens the comparison."""
    said = list(result.compared.caveats[:8])
    measurement = result.measurement
    stages = measurement.stages if measurement and not measurement.capacity else ()
    if ended := next((stage for stage in stages if not stage.ok), None):
        said.append(f"The stages end before {ended.label}, which the load generator could not drive: {ended.text}")
    if measurement and measurement.endpoints and not measurement.warm and not measurement.capacity:
        said.append("Response times were not flat yet when the measured window began; a longer `warm-up` may help.")
    return said + _repeating(result.measurement)


def _repeating(measurement: Measurement | None) -> list[str]:
    """A body that never varies. A GET may well have a single address; what is sent with a POST stands for what users send."""
    names = [
        name
        for name, found in (measurement.endpoints.items() if measurement else ())
        for repeated, asked in [found.share("distinct")]
        if asked >= _ENOUGH_ASKED and asked - repeated == 1 and not name.startswith(("GET ", "HEAD "))
    ]
    if not names:
        return []
    shown = f"{names[0]} and of {len(names) - 1} more" if len(names) > 1 else names[0]
    return [f"Every request of {shown} sent the same, which a cache may have answered; draw what is sent from many."]


def failures(measurement: Measurement | None, neutral: Neutral) -> list[Failure]:
    """Failed requests by kind, the most frequent first."""
    kinds = sorted(measurement.failures, key=lambda kind: -kind.count) if measurement else []
    return [
        Failure(
            endpoint=neutral.cell(kind.endpoint),
            outcome=neutral.cell_prose(kind.outcome),
            count=f"{kind.count:,}",
            example=neutral.cell(": ".join(part for part in (kind.exception, kind.message) if part), 160),
        )
        for kind in kinds
    ]


def checks(measurement: Measurement | None, neutral: Neutral) -> list[Checked]:
    """What was asked of instrument and machine."""
    return [
        Checked(
            sign="✓" if check.ok else "✗",
            name=neutral.cell(check.name),
            text=neutral.cell_prose(check.text),
            ok=check.ok,
        )
        for check in (measurement.checks if measurement else ())
    ]


def costs(result: Result, neutral: Neutral) -> list[Cost]:
    """What each service used in the measured window, as far as it was sampled."""
    if result.measurement is None:
        return []
    requests = sum(found.requests for found in result.measurement.endpoints.values())
    window = result.measurement.counted
    return [_cost(usage, window, requests, neutral) for usage in result.usage if usage.samples]


def _cost(usage: Usage, window: tuple[float, float], requests: int, neutral: Neutral) -> Cost:
    begin, end = window
    inside = [sample for sample in usage.samples if begin <= sample[0] <= end]
    cpu = [cores for _, cores, _ in inside if cores is not None and math.isfinite(cores)]
    memory = [mib for _, _, mib in inside if mib is not None and math.isfinite(mib)]
    mean = sum(cpu) / len(cpu) if cpu else None
    each = 1000 * mean * (end - begin) / requests if mean is not None and requests else None
    target = f" of the {usage.target}" if usage.target else ""
    return Cost(
        service=neutral.cell(f"{usage.service}{target}"),
        each=tight(figure(each, "ms")) if each is not None else "",
        mean=f"{mean:.2f} cores" if mean is not None else "",
        peak=f"{max(cpu):.2f} cores" if cpu else "",
        memory=f"{max(memory):,.0f} MiB" if memory else "",
    )


def environment(result: Result, neutral: Neutral, most: int) -> list[Part]:
    """The conditions that must be known to believe, repeat or accept the run; at most so many of the service's own."""
    where = result.environment
    named = {
        "commit": where.commit,
        "head of the pull request": where.head if where.head != where.commit else "",
        "date": where.date,
        "machine": where.machine,
        "runner image": where.image,
        "launcher": where.launcher,
        "occasion": where.occasion,
        "oldest run of the baseline": result.compared.oldest,
        "decision points": _looks(result),
        "load plan": result.measurement.plan if result.measurement else "",
        "ml-loadtest": result.tool_version,
    }
    ours = [Part(label=label, text=neutral.cell(text)) for label, text in named.items() if text]
    versions = where.versions or (result.measurement.versions if result.measurement else {})
    theirs = [*versions.items(), *((label, text) for label, text in where.service.items() if label not in named)]
    return ours + [Part(label=neutral.cell(label), text=neutral.cell(text)) for label, text in theirs][:most]


def judged(result: Result, neutral: Neutral) -> str:
    """Which commit, with which tool, under which name."""
    where = result.environment
    judged = where.head or where.commit
    what = f"Judged commit `{judged[:7]}`" if _HEX.fullmatch(judged) else "Judged a tree without a commit"
    return neutral.prose(f"{what} with ml-loadtest {result.tool_version}, load test") + " " + neutral.name(result.suite)


def _looks(result: Result) -> str:
    looks = result.looks
    return f"{len(looks)}, the last after {looks[-1].measured_s:,.0f} s" if len(looks) > 1 else ""


def more_failures(count: int) -> str:
    """How many kinds a table does not show."""
    if count <= 0:
        return ""
    return f"{count:,} more kind{'s are' if count > 1 else ' is'} in result.json."


def how_many_failed(checks: list[Checked]) -> str:
    """The checks in a word or two."""
    failed = sum(not check.ok for check in checks)
    return f"{failed} failed" if failed else "all passed"


def service_logs(result: Result, neutral: Neutral) -> list[Written]:
    """The end of every service's log."""
    return [
        Written(
            service=neutral.name(log.service),
            target=neutral.name(log.target) if log.target else "",
            lines=neutral.block(log.lines),
        )
        for log in result.logs
    ]
