"""An endpoint's response times percentile by percentile, the baseline's beside this run's.

Percentiles are placed by their nines, -log10(1 - p), so that the tail takes as much room as the body: p90, p99 and p99.9 are
equally far apart.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from entrypoint.judgement.model import Change
from entrypoint.judgement.wording import figure
from entrypoint.measurement.metrics import METRICS, Direction
from entrypoint.measurement.model import EndpointMeasurement
from entrypoint.report.cells import Cell, make_cell

_SLOWEST = 1.0
_TOLD = (0.5, 0.95, 0.99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One percentile.

    Attributes:
        at: its place on the axis, in nines.
        allowed: the highest response time that would not be accused there.
    """

    label: str
    at: str
    baseline: Cell
    now: Cell
    allowed: Cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """One endpoint's percentiles, the smallest first; `words` is the drawing for those who do not see it."""

    steps: tuple[Step, ...]
    words: str


def make_distribution(
    endpoint: EndpointMeasurement, changes: Iterable[Change], before: dict[str, float]
) -> Distribution | None:
    """The distribution of an endpoint's response times.

    Args:
        endpoint: its measurement.
        changes: its rows, which know the baseline's percentiles and what is allowed.
        before: the baseline's own ladder, if it keeps one: response times in ms by probability.

    Returns:
        None without any percentile.
    """
    rows = {METRICS[row.metric].quantile: row for row in changes if row.metric in METRICS}
    rows.pop(None, None)
    now = {float(p): value for p, value in endpoint.quantiles.items()}
    baseline = {p: row.baseline for p, row in rows.items() if p is not None and row.baseline is not None}
    baseline |= {float(p): value for p, value in before.items()}
    known = sorted(p for p in now.keys() | baseline.keys() if _tells(p, endpoint.requests))
    if not known:
        return None
    steps = tuple(
        Step(
            label=_label(p),
            at=f"{_nines(p, endpoint.requests):.4g}",
            baseline=make_cell(baseline.get(p), "ms"),
            now=make_cell(now.get(p), "ms"),
            allowed=make_cell(_allowed(rows.get(p)), "ms"),
        )
        for p in known
    )
    return Distribution(steps=steps, words=_words(now, baseline))


def _tells(p: float, requests: int) -> bool:
    """Whether a percentile is another request than the slowest."""
    return p == _SLOWEST or requests * (1 - p) >= 1


def _nines(p: float, requests: int) -> float:
    """The slowest of n requests stands where half a request is slower."""
    return math.log10(2 * max(1, requests)) if p == _SLOWEST else -math.log10(1 - p)


def _label(p: float) -> str:
    return "slowest" if p == _SLOWEST else f"p{float(f'{p * 100:.6g}'):g}"


def _allowed(row: Change | None) -> float | None:
    """By the threshold with its floor, and by the limit, whichever is lower."""
    if row is None or not row.gated or METRICS[row.metric].direction is not Direction.LOWER_IS_BETTER:
        return None
    bounds = [] if row.limit is None else [row.limit]
    if row.threshold is not None and row.baseline is not None:
        bounds.append(row.baseline + max(row.baseline * row.threshold, row.floor))
    return min(bounds, default=None)


def _words(now: dict[float, float], baseline: dict[float, float]) -> str:
    told = []
    for p in (*_TOLD, _SLOWEST):
        if p in now:
            was = f", baseline {figure(baseline[p], 'ms')}" if p in baseline else ""
            told.append(f"{_label(p)} {figure(now[p], 'ms')}{was}")
    return "; ".join(told)
