"""What each metric of each endpoint may do: the user's patterns over the metric's own defaults."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from entrypoint.measurement.metrics import METRICS, Direction, Metric
from entrypoint.measurement.model import AT_STAGE
from entrypoint.settings.model import MetricThreshold, Threshold, fits
from entrypoint.settings.quantities import show_number, show_percent

_ABSOLUTE = ("max", "min", "floor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What one metric of one endpoint may do.

    Attributes:
        metric: which.
        gate: whether the row is judged.
        max_change: allowed relative change in the worse direction; None if only limits hold.
        floor: smallest absolute change, in the unit, that is accused.
        limit_above, limit_below: absolute limits, in the unit.
        limit_asked: whether the user set one of them.
    """

    metric: Metric
    gate: bool
    max_change: float | None
    floor: float
    limit_above: float | None
    limit_below: float | None
    limit_asked: bool = False

    @property
    def log_threshold(self) -> float:
        """The allowed change as a logarithm towards worse; infinite without one."""
        if self.max_change is None:
            return math.inf
        return log_of_allowed(self.max_change, lower_is_better=self.metric.direction is Direction.LOWER_IS_BETTER)


def log_of_allowed(change: float, *, lower_is_better: bool) -> float:
    """The logarithm, towards worse, of an allowed relative change."""
    return math.log1p(change) if lower_is_better else -math.log1p(-min(change, 0.999999))


def rule_for(endpoint: str, metric: Metric, thresholds: list[Threshold], *, paired: bool = False) -> Rule:
    """The rule of one row. Later entries of the file override earlier ones, key by key.

    Args:
        paired: whether the candidate is measured beside what it is compared with, which has defaults of its own.
    """
    said = MetricThreshold()
    for threshold in thresholds:
        if matches(threshold.endpoint, endpoint) and (entry := threshold.metrics.get(metric.key)):
            said = said.model_copy(update=entry.model_dump(exclude_none=True))
    lower = metric.direction is Direction.LOWER_IS_BETTER
    asked = said.max_increase if lower else said.max_decrease
    max_change = asked if asked is not None else metric.max_change_paired if paired else metric.max_change
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
        limit_asked=said.max is not None or said.min is not None,
    )


def matches(pattern: str, endpoint: str) -> bool:
    """Whether a threshold's pattern names an endpoint or the service; see `fits`.

    An endpoint at one stage of several has the stage in its name; a pattern may name it with or without.
    """
    return any(fits(pattern, name) for name in {endpoint, endpoint.rsplit(AT_STAGE, 1)[0]})


def as_written(threshold: Threshold, known: Mapping[str, Metric] = METRICS) -> dict[str, Any]:
    """A threshold as `loadtest.yml` writes it, so that a finished run can be judged again by the same rules.

    Args:
        known: every metric that it may be of.
    """
    metrics = {}
    for key, said in threshold.metrics.items():
        unit = known[key].unit
        values = said.model_dump(mode="json", by_alias=True, exclude_none=True)
        metrics[key] = {name: _with_unit(value, unit) if name in _ABSOLUTE else value for name, value in values.items()}
    return {"endpoint": threshold.endpoint, **metrics}


def _with_unit(value: float, unit: str) -> str | float:
    if unit in ("ms", "MiB", "KiB"):
        return f"{show_number(value)}{unit}"
    return show_percent(value) if unit == "%" else value


def unmatched(thresholds: list[Threshold], endpoints: Iterable[str]) -> list[str]:
    """Patterns that name no endpoint at all: a limit that guards nothing must be said."""
    names = list(endpoints)
    return [
        threshold.endpoint for threshold in thresholds if not any(matches(threshold.endpoint, name) for name in names)
    ]


def rules_for(
    endpoint: str, thresholds: list[Threshold], known: Mapping[str, Metric] = METRICS, *, paired: bool = False
) -> list[Rule]:
    """The rules of all metrics of one endpoint, in the order of the metrics.

    Args:
        known: every metric that the run can have; those of endpoints are always the same.
        paired: see `rule_for`.
    """
    return [
        rule_for(endpoint, metric, thresholds, paired=paired) for metric in known.values() if metric.is_of(endpoint)
    ]
