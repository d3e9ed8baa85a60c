"""The runs of a history as lines: a line for each suite, machine and load, and in it a trend for each figure. Pure."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from entrypoint.history.levels import Level, change_of, find_levels
from entrypoint.history.model import Entry
from entrypoint.judgement.model import Outcome
from entrypoint.measurement.metrics import METRICS, Direction, Metric

# Chance that a line on which nothing ever changed shows a change in any of its figures.
ERROR = 0.05
# Changes of a level that nobody would act on are not marked, however certain.
SMALLEST = 0.02
# A level is looked for among the newest occasions, some years of a run a day: the search takes its time in a long history.
_MOST_OCCASIONS = 500
# Figures of successes alone say the same again.
SHOWN = tuple(
    metric
    for metric in METRICS.values()
    if metric.gate or metric.quantile is not None or metric.direction is Direction.HIGHER_IS_BETTER
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """Where a level changed.

    Attributes:
        at: number of the line's first run of the new level.
        before, after: the two levels, in the metric's unit.
    """

    at: int
    before: float
    after: float

    @property
    def change(self) -> float:
        """The relative change, as a fraction."""
        return change_of(self.before, self.after)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """One figure of one line.

    Attributes:
        values: one for each run of the line; None where it has none, infinite where failures reach it.
        levels: stretches of the line's runs with one level, the oldest first; empty without a run that counts.
    """

    endpoint: str
    metric: Metric
    values: tuple[float | None, ...]
    levels: tuple[Level, ...]

    @property
    def shifts(self) -> tuple[Shift, ...]:
        """Where the level changed, the oldest first."""
        pairs = zip(self.levels, self.levels[1:], strict=False)
        return tuple(Shift(at=after.begin, before=before.value, after=after.value) for before, after in pairs)

    def is_worse(self, shift: Shift) -> bool:
        """Whether a change of the level is one for the worse."""
        return (shift.after - shift.before) * self.metric.direction > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Runs under the same conditions, the oldest first, and the trend of each of their figures."""

    suite: str
    machine: str
    launcher: str
    plan: str
    plan_text: str
    runs: tuple[Entry, ...]
    trends: tuple[Trend, ...]


def counts(entry: Entry) -> bool:
    """Whether a run is part of a level: it can be believed, and what it measured was merged."""
    return entry.pull_request is None and entry.verdict is not Outcome.INVALID


def lines_of(entries: Iterable[Entry]) -> tuple[Line, ...]:
    """The lines of a history, that with the newest run first. A run that measured nothing is on none."""
    groups: dict[tuple[str, ...], list[Entry]] = defaultdict(list)
    newest: dict[tuple[str, ...], int] = {}
    for number, entry in enumerate(entries):
        if entry.endpoints:
            found = entry.conditions
            key = (entry.suite, found.machine, found.launcher, found.plan)
            groups[key].append(entry)
            newest[key] = number
    return tuple(_line(groups[key]) for key in sorted(groups, key=lambda key: -newest[key]))


def _line(runs: Sequence[Entry]) -> Line:
    last = runs[-1]
    endpoints = sorted({name for run in runs for name in run.endpoints})
    asked = [(name, metric, _values(runs, name, metric.key)) for name in endpoints for metric in SHOWN]
    figures = [one for one in asked if any(value is not None for value in one[2])]
    return Line(
        suite=last.suite,
        machine=last.conditions.machine,
        launcher=last.conditions.launcher,
        plan=last.conditions.plan,
        plan_text=last.conditions.plan_text,
        runs=tuple(runs),
        trends=tuple(
            Trend(endpoint=name, metric=metric, values=values, levels=_levels(runs, values, ERROR / len(figures)))
            for name, metric, values in figures
        ),
    )


def _values(runs: Sequence[Entry], endpoint: str, metric: str) -> tuple[float | None, ...]:
    return tuple(run.endpoints[endpoint].values.get(metric) if endpoint in run.endpoints else None for run in runs)


def _levels(runs: Sequence[Entry], values: Sequence[float | None], error: float) -> tuple[Level, ...]:
    """The levels of a trend. Runs of one job share its luck, so their median counts once; `begin` and `end` count runs."""
    occasions: dict[str, list[float]] = defaultdict(list)
    first: dict[str, int] = {}
    for number, (run, value) in enumerate(zip(runs, values, strict=True)):
        if value is not None and counts(run):
            occasions[run.occasion].append(value)
            first.setdefault(run.occasion, number)
    starts = [*first.values(), len(runs)]
    starts = starts[-_MOST_OCCASIONS - 1 :]
    found = find_levels([_median(same) for same in occasions.values()][-_MOST_OCCASIONS:], error, SMALLEST)
    return tuple(Level(begin=starts[one.begin], end=starts[one.end], value=one.value) for one in found)


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    both = ordered[middle], ordered[middle - (len(ordered) % 2 == 0)]
    return math.inf if math.inf in both else sum(both) / 2
