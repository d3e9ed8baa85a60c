"""What each metric of each endpoint may do: the user's patterns over the metric's own defaults."""

import math
from dataclasses import dataclass
from fnmatch import fnmatchcase

from entrypoint.measurement.metrics import METRICS, Direction, Metric
from entrypoint.settings.model import MetricThreshold, Threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What one metric of one endpoint may do.

    Attributes:
        metric: which.
        gate: whether the row is judged.
        max_change: allowed relative change in the worse direction; None if only limits hold.
        floor: smallest absolute change, in the unit, that is accused.
        limit_above, limit_below: absolute limits, in the unit.
    """

    metric: Metric
    gate: bool
    max_change: float | None
    floor: float
    limit_above: float | None
    limit_below: float | None

    @property
    def log_threshold(self) -> float:
        """The allowed change as a logarithm towards worse; infinite without one."""
        if self.max_change is None:
            return math.inf
        if self.metric.direction is Direction.LOWER_IS_BETTER:
            return math.log1p(self.max_change)
        return -math.log1p(-min(self.max_change, 0.999999))


def rule_for(endpoint: str, metric: Metric, thresholds: list[Threshold]) -> Rule:
    """The rule of one row. Later entries of the file override earlier ones, key by key."""
    said = MetricThreshold()
    for threshold in thresholds:
        if fnmatchcase(endpoint, threshold.endpoint) and (entry := threshold.metrics.get(metric.key)):
            said = said.model_copy(update=entry.model_dump(exclude_none=True, by_alias=False))
    lower = metric.direction is Direction.LOWER_IS_BETTER
    asked = said.max_increase if lower else said.max_decrease
    max_change = asked if asked is not None else metric.max_change
    limit_above = said.max if said.max is not None else (metric.limit if lower else None)
    limit_below = said.min if said.min is not None else (None if lower else metric.limit)
    spoken_of = any(value is not None for value in (asked, said.max, said.min))
    return Rule(
        metric=metric,
        gate=said.gate if said.gate is not None else metric.gate or spoken_of,
        max_change=max_change,
        floor=said.floor if said.floor is not None else metric.floor,
        limit_above=limit_above,
        limit_below=limit_below,
    )


def rules_for(endpoint: str, thresholds: list[Threshold]) -> list[Rule]:
    """The rules of all metrics of one endpoint, in the order of the metrics."""
    return [rule_for(endpoint, metric, thresholds) for metric in METRICS.values()]
