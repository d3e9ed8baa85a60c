"""One row of a report from one change: every figure as text, every name neutral, and how much a reader cares."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from entrypoint.judgement.model import Change, Status
from entrypoint.judgement.wording import figure, interval, percent
from entrypoint.measurement.metrics import METRICS, Direction
from entrypoint.report.cells import sortable
from entrypoint.report.neutral import Neutral, glue, tight

# Worst first; what comes before UNCHANGED is worth a reader's time.
_WORDS = {
    Status.OVER_LIMIT: ("❌", "over limit"),
    Status.REGRESSED: ("❌", "regressed"),
    Status.UNRESOLVED: ("❓", "unresolved"),
    Status.MISSING: ("❓", "missing"),
    Status.IMPROVED: ("✅", "improved"),
    Status.NEW: ("", "new"),
    Status.TOO_FEW: ("", "too few requests"),
    Status.UNCHANGED: ("", "unchanged"),
    Status.WITHIN_LIMIT: ("", "within limit"),
    Status.REPORTED: ("", "not judged"),
}
_RANK = {status: rank for rank, status in enumerate(_WORDS)}
_DECIDING = {Status.OVER_LIMIT, Status.REGRESSED, Status.MISSING, Status.UNRESOLVED, Status.IMPROVED}
_BLOCKS = "▁▂▃▄▅▆▇█"
_MOST_RUNS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One endpoint and one metric, ready to print.

    Attributes:
        number: position among the result's changes.
        trend: the baseline's runs and this one as a sparkline, "" where there are fewer than two.
        runs: the same runs in figures, without this one.
        drift: this one against the oldest run that is kept.
        interval: where the true change lies.
        allowed: threshold, floor and limit.
        could_see: the smallest change towards worse that this run would have seen.
        sign, result: the status as a character and in words, with what must be known to read it.
        status: the status as one word, for styling.
        gated: whether it takes part in the verdict.
        interest: sorts what a reader cares about to the front.
        values: baseline, candidate, change, threshold and resolution as numbers to sort by; "" where there is none.
    """

    number: int
    endpoint: str
    metric: str
    trend: str
    runs: str
    drift: str
    baseline: str
    now: str
    change: str
    interval: str
    allowed: str
    could_see: str
    sign: str
    result: str
    status: str
    gated: bool
    interest: tuple[int, float]
    values: tuple[str, ...]


def make_row(number: int, change: Change, neutral: Neutral) -> Row:
    """The row of a change."""
    return Row(
        number=number,
        endpoint=neutral.cell(change.endpoint),
        metric=_label(change, neutral),
        trend=_trend(change),
        runs=_runs(change, neutral),
        drift=_drift(change),
        baseline=_figure(change.baseline, change, neutral),
        now=_figure(change.candidate, change, neutral),
        change=tight(percent(change.change)) if _finite(change.change) else "",
        interval=_interval(change),
        allowed=_allowed(change, neutral) if change.gated or change.status is Status.TOO_FEW else "",
        could_see=tight(percent(change.resolution)) if _finite(change.resolution) else "",
        sign=_WORDS[change.status][0],
        result=_result(change, neutral),
        status=change.status.value,
        gated=change.gated,
        interest=interest(change),
        values=tuple(
            map(sortable, (change.baseline, change.candidate, change.change, change.threshold, change.resolution))
        ),
    )


def interest(change: Change) -> tuple[int, float]:
    """Sorts what a reader cares about to the front: by status, then by size of the change."""
    rank = _RANK[change.status] + (len(_RANK) if change.status is Status.UNRESOLVED and not change.gated else 0)
    return rank, -abs(change.change or 0.0)


def decides(change: Change) -> bool:
    """Whether the row is worth showing to someone who reads nothing else."""
    return change.status in _DECIDING and (change.gated or change.status is not Status.UNRESOLVED)


def not_met(changes: Sequence[Change]) -> bool:
    """Whether a percentile somewhere lies beyond the requests that succeeded."""
    return any(change.candidate is not None and math.isinf(change.candidate) for change in changes)


def sparkline(values: Sequence[float], least_span: float) -> str:
    """Runs as bars, the newest last; a span of values below `least_span` does not fill the height."""
    finite = [value for value in values if math.isfinite(value)][-_MOST_RUNS:]
    if len(finite) < 2:
        return ""
    low, top = min(finite), len(_BLOCKS) - 1
    span = max(max(finite) - low, least_span)
    return "".join(_BLOCKS[round((value - low) / span * top) if span else 0] for value in finite)


def unjudged(change: Change) -> Change:
    """The row of an invalid run: its figures are shown, and nothing is said of them."""
    return change.model_copy(update={"status": Status.REPORTED, "gated": False})


def asked(value: float, unit: str) -> str:
    """A figure that a person set, as it was written: `1 %`, `250 ms`."""
    return f"{value * 100:g} %" if unit == "%" else f"{value:g} {unit}".strip()


def _trend(change: Change) -> str:
    """The scale spans at least twice the threshold, or the limit of a ratio, so that noise looks as small as it is."""
    history = [value for value in change.history if math.isfinite(value)]
    if len(history) < 2 or change.candidate is None:
        return ""
    spread = _share_scale(change) if change.unit == "%" else 2 * (change.threshold or 0.25) * min(map(abs, history))
    now = change.candidate if math.isfinite(change.candidate) else max(history) + 2 * spread
    return sparkline((*history, now), spread)


def _share_scale(change: Change) -> float:
    """What a ratio's limit leaves it, at least a hundredth: a share of right answers has its limit near 1."""
    limit = change.limit or 0.0
    return max(0.01, limit if limit <= 0.5 else 1.0 - limit)


def _runs(change: Change, neutral: Neutral) -> str:
    """The runs that the sparkline draws before this one, the oldest first."""
    history = [value for value in change.history if math.isfinite(value)][1 - _MOST_RUNS :]
    return ", ".join(_figure(value, change, neutral) for value in history)


def _drift(change: Change) -> str:
    """Small steps that each passed add up; nothing is judged by it."""
    oldest = next((value for value in change.history if _finite(value) and value > 0), None)
    if oldest is None or change.candidate is None or not _finite(change.candidate):
        return ""
    return tight(percent(change.candidate / oldest - 1))


def _interval(change: Change) -> str:
    if not change.interval or not all(map(math.isfinite, change.interval)):
        return ""
    return interval(change).replace(" ", "\u00a0")


def _label(change: Change, neutral: Neutral) -> str:
    return change.label if change.metric in METRICS else neutral.cell(change.label)


def _figure(value: float | None, change: Change, neutral: Neutral) -> str:
    if value is None:
        return ""
    known = not change.unit or change.unit in {metric.unit for metric in METRICS.values()}
    return tight(figure(value, change.unit)) if known else neutral.cell(figure(value, change.unit))


def _allowed(change: Change, neutral: Neutral) -> str:
    parts = []
    if change.threshold is not None:
        floor = f" and {asked(change.floor, change.unit)}" if change.floor else ""
        parts.append(f"{allowed_change(change, change.threshold)}{floor}")
    if change.limit is not None:
        bound = "at most" if change.direction is Direction.LOWER_IS_BETTER else "at least"
        parts.append(f"{bound} {asked(change.limit, change.unit)}")
    return neutral.cell_prose("; ".join(parts))


def allowed_change(change: Change, threshold: float) -> str:
    """A threshold with the sign of the direction in which a row is worse."""
    return percent(change.direction * threshold)


def _result(change: Change, neutral: Neutral) -> str:
    word = _WORDS[change.status][1]
    if change.status is Status.UNRESOLVED and _finite(change.resolution):
        word = tight(f"{word}, could see {percent(change.resolution)}")
    if not change.note:
        return word
    return glue(f"{word}: ", neutral.cell_prose(change.note))


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
