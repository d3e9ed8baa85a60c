"""The run second by second: response times, rate and failures, under which stretch of the run, and what the services used."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from entrypoint.judgement.wording import figure
from entrypoint.report.cells import Cell, make_cell
from entrypoint.report.neutral import Neutral
from entrypoint.report.result import Result, Stretch, Usage

Line = tuple[float | None, ...]

_MOST_LINES = 3600
_COLUMNS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Second:
    """A line of the course; `target` is whose second it was, "" where there is only one."""

    second: Cell
    target: str
    p50: Cell
    p95: Cell
    requests: Cell
    failures: Cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A stretch of the run, in seconds since the measured window began."""

    begin: Cell
    end: Cell
    target: str
    kind: str
    measured: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What one service used: a line for each sample."""

    target: str
    service: str
    words: str
    samples: tuple[tuple[Cell, Cell, Cell], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How the run went.

    Attributes:
        seconds: lines, the earliest first; each stands for `step_s` seconds.
        several: whether the seconds belong to more than one target.
        phases: warm-up, segments, decision points.
        failed: whether any request failed.
        times_words, load_words, failed_words: the drawings for those who do not see them.
        note: how seconds were put together, "" where they were not.
    """

    seconds: tuple[Second, ...]
    step_s: int
    several: bool
    phases: tuple[Phase, ...]
    used: tuple[Used, ...]
    failed: bool
    times_words: str
    load_words: str
    failed_words: str
    note: str


def make_course(result: Result, neutral: Neutral) -> Course:
    """The course of a run, as far as the result knows it; empty parts where it does not."""
    timeline = sorted((*(result.measurement.timeline if result.measurement else ()), *result.base_timeline), key=_when)
    lines = [line for line in timeline if len(line) == _COLUMNS and line[0] is not None]
    step = max(1, math.ceil(len(lines) / _MOST_LINES))
    stretches = _stretches(result)
    several = len({stretch.target for stretch in stretches if stretch.kind == "measured"}) > 1
    seconds = [_second(line, stretches if several else (), neutral) for line in _thinned(lines, step)]
    return Course(
        seconds=tuple(seconds),
        step_s=step,
        several=several,
        phases=tuple(_phase(stretch, neutral) for stretch in stretches),
        used=tuple(_used(usage, neutral) for usage in result.usage if usage.samples),
        failed=any((line[2] or 0) > 0 for line in lines),
        times_words=f"p50 {_range(lines, 3, 'ms')}, p95 {_range(lines, 4, 'ms')}",
        load_words=f"{_range(lines, 1, '')} requests in each second",
        failed_words=f"{_range(lines, 2, '')} failures in each second",
        note=f"Each line stands for {step} seconds: requests and failures added, the worst p50 and p95 of them."
        if step > 1
        else "",
    )


def _when(line: Line) -> float:
    return (line[0] if line else None) or 0.0


def _stretches(result: Result) -> tuple[Stretch, ...]:
    """What the result says of its stretches, else the one warm-up that every run has."""
    if result.stretches or result.measurement is None:
        return result.stretches
    window = result.measurement.window_s
    warm_up = result.timing.get("warm-up", 0.0)
    before = (Stretch(begin_s=-warm_up, end_s=0.0, target="", kind="ramp and warm-up"),) if warm_up > 0 else ()
    return (*before, Stretch(begin_s=0.0, end_s=window, target="", kind="measured"))


def _thinned(lines: list[Line], step: int) -> Iterable[Line]:
    """So many neighbouring lines as one; a percentile of several seconds cannot be had from theirs, so the worst is kept."""
    for first in range(0, len(lines), step):
        group = lines[first : first + step]
        sums = [sum(line[column] or 0 for line in group) for column in (1, 2)]
        worst = [max((v for line in group if (v := line[column]) is not None), default=None) for column in (3, 4)]
        yield (group[0][0], *sums, *worst)


def _second(line: Line, stretches: Iterable[Stretch], neutral: Neutral) -> Second:
    second, requests, failures, p50, p95 = line
    middle = (second or 0.0) + 0.5  # no turn is shorter than a second
    target = next((one.target for one in stretches if one.begin_s <= middle < one.end_s), "")
    return Second(
        second=_plain(second),
        target=neutral.cell(target) if target else "",
        p50=make_cell(p50, "ms"),
        p95=make_cell(p95, "ms"),
        requests=_plain(requests),
        failures=_plain(failures),
    )


def _phase(stretch: Stretch, neutral: Neutral) -> Phase:
    return Phase(
        begin=_plain(stretch.begin_s),
        end=_plain(stretch.end_s),
        target=neutral.cell(stretch.target) if stretch.target else "",
        kind=neutral.cell_prose(stretch.label or stretch.kind),
        measured=stretch.kind == "measured",
    )


def _used(usage: Usage, neutral: Neutral) -> Used:
    cores = max((sample[1] for sample in usage.samples if sample[1] is not None), default=None)
    memory = max((sample[2] for sample in usage.samples if sample[2] is not None), default=None)
    return Used(
        target=neutral.cell(usage.target) if usage.target else "",
        service=neutral.cell(usage.service),
        words=f"at most {figure(cores, 'cores')} and {figure(memory, 'MiB')}",
        samples=tuple(
            (_plain(second), make_cell(cpu, "cores"), make_cell(mib, "MiB")) for second, cpu, mib in usage.samples
        ),
    )


def _plain(value: float | None) -> Cell:
    text = f"{value or 0:,.6g}"
    return Cell(text=text, value=text.replace(",", ""))


def _range(lines: list[Line], column: int, unit: str) -> str:
    values = [value for line in lines if (value := line[column]) is not None]
    if not values:
        return "unknown"
    if not unit:
        return f"{min(values):,.6g} to {max(values):,.6g}"
    return f"{figure(min(values), unit)} to {figure(max(values), unit)}"
