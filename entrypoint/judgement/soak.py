"""What long constant load showed: growth with its interval, when a limit was first broken, when the answers stopped. Pure."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

import numpy as np

from entrypoint.judgement.significance import more_than_limit
from entrypoint.judgement.slopes import Slope, slope_of
from entrypoint.judgement.thresholds import Rule, rules_for
from entrypoint.measurement.metrics import nearest_rank
from entrypoint.measurement.model import Broken, Growth, Measurement, Silence, Soak
from entrypoint.measurement.soak import Stretches, memory, response_times
from entrypoint.settings.model import Threshold

_Of = Literal["p50", "p95", "memory"]
_HOUR_S = 3600.0
# Growth in an hour that nobody minds, though it may be certain: a hundredth of the response time, a MiB.
_TRIFLE, _TRIFLE_MIB = 0.01, 1.0
# No answer for so long is silence, unless such gaps are usual: one of twenty times the mean gap between successes comes by chance
# once in 485 million gaps, and where one answer in a hundred takes a third as long, another may take all of it.
_SILENT_S, _GAPS, _TIMES_P99 = 10.0, 20, 3
# Which growth a metric of the service is, and in what it is counted.
_METRICS = {"response-growth": "p50", "memory-growth": "memory"}


def with_soak(
    measurement: Measurement,
    stretches: Stretches,
    looks: Sequence[Sequence[tuple[float, float | None]]],
    thresholds: list[Threshold],
    rate: float,
) -> Measurement:
    """A measurement with what its course says; as it is where nothing was measured.

    Args:
        measurement: of the whole window.
        stretches: of the window.
        looks: at the memory of each service, (second since the window began, MiB).
        thresholds: the user's.
        rate: the false-alarm rate, all limits and stretches together.
    """
    if not stretches.count:
        return measurement
    window_s = stretches.seconds * stretches.count
    series: dict[_Of, tuple[tuple[float, float], ...]] = {
        "p50": response_times(stretches, "p50"),
        "p95": response_times(stretches, "p95"),
        "memory": memory(looks, stretches),
    }
    limited = _limited(stretches, thresholds, rate)
    soak = Soak(
        stretch_s=stretches.seconds,
        rate=len(stretches.answered_s) / window_s,
        growth=tuple(growth for of, points in series.items() if (growth := _growth(of, points))),
        broken=tuple(sorted(_broken(stretches, limited), key=lambda one: one.after_s)),
        limits=len(limited),
        unseen=sum(not one.can_be_seen(stretches) for one in limited),
        silence=_silence(stretches, window_s),
    )
    found = {metric: slope.value for metric in _METRICS if (slope := growth_of(soak, metric))}
    # The slope of single looks has no interval: it gives way to the one of stretches, or to none.
    others = {metric: value for metric, value in measurement.service.items() if metric not in _METRICS}
    return measurement.model_copy(update={"soak": soak, "service": {**others, **found}})


def growth_of(soak: Soak, metric: str, confidence: float = 0.95) -> Slope | None:
    """A metric of growth in its own unit, with the interval that an accusation by it needs; None where it is not known.

    Args:
        soak: what was found.
        metric: `response-growth`, a fraction of the response time in an hour, or `memory-growth`, MiB in 1,000 successes.
        confidence: of the interval, both sides together.
    """
    growth = next((one for one in soak.growth if one.of == _METRICS.get(metric)), None)
    if growth is None or (slope := slope_of(growth.points, confidence)) is None:
        return None
    factor, by = (1000.0, soak.rate) if growth.of == "memory" else (_HOUR_S, growth.level)
    return slope.times(factor / by) if by else None


def _growth(of: _Of, points: Sequence[tuple[float, float]]) -> Growth | None:
    slope = slope_of(points)
    if slope is None:
        return None
    slope, level = slope.times(_HOUR_S), median(value for _, value in points)
    trifle = _TRIFLE_MIB if of == "memory" else _TRIFLE * level
    return Growth(
        of=of,
        unit="MiB" if of == "memory" else "ms",
        level=level,
        per_hour=slope.value,
        low=slope.low,
        high=slope.high,
        points=tuple(points),
        word=_word(slope, trifle),
        slowed=_slowed(points),
    )


def _slowed(points: Sequence[tuple[float, float]]) -> bool:
    """Whether it grew, and all of the second half's interval is below all of the first one's."""
    middle = len(points) // 2
    first, second = slope_of(points[:middle]), slope_of(points[middle:])
    return first is not None and second is not None and first.low > 0 and second.high < first.low


def _word(slope: Slope, trifle: float) -> Literal["grew", "fell", "steady"]:
    if slope.low > 0 and slope.value >= trifle:
        return "grew"
    return "fell" if slope.high < 0 and slope.value <= -trifle else "steady"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limited:
    """A limit as one of a share: of p95, that no more than one request in twenty is over it."""

    endpoint: str
    metric: str
    limit: float
    over_ms: float
    allowed: float
    alpha: float

    def is_broken(self, over: int, requests: int) -> bool:
        """Whether more are over it than chance explains, by an exact binomial tail."""
        return more_than_limit(over, requests, self.allowed) <= self.alpha

    def can_be_seen(self, stretches: Stretches) -> bool:
        """Whether some stretch would break it, were all of its requests over it."""
        most = max(map(len, stretches.times[self.endpoint]))
        return self.is_broken(most, most)


def _limited(stretches: Stretches, thresholds: list[Threshold], rate: float) -> list[_Limited]:
    """Every limit that can be asked of a stretch; all stretches of all limits share the rate (Bonferroni)."""
    rules = [
        (name, rule, limit)
        for name in stretches.times
        for rule in rules_for(name, thresholds)
        if _is_timed(rule) and (limit := rule.limit_above) is not None
    ]
    alpha = rate / max(1, len(rules) * stretches.count)
    return [
        _Limited(
            endpoint=name,
            metric=rule.metric.key,
            limit=limit,
            over_ms=math.inf if rule.metric.quantile is None else limit,
            allowed=limit if rule.metric.quantile is None else 1 - rule.metric.quantile,
            alpha=alpha,
        )
        for name, rule, limit in rules
    ]


def _broken(stretches: Stretches, limited: list[_Limited]) -> Iterator[Broken]:
    """Every limit that was broken, from the first stretch on in which it was."""
    for one in limited:
        broke = [
            number
            for number, times in enumerate(stretches.times[one.endpoint])
            if one.is_broken(_over(times, one.over_ms), len(times))
        ]
        if broke:
            yield Broken(
                endpoint=one.endpoint,
                metric=one.metric,
                limit=one.limit,
                after_s=broke[0] * stretches.seconds,
                times=len(broke),
                stretches=stretches.count - broke[0],
            )


def _is_timed(rule: Rule) -> bool:
    """Whether a limit of it can be asked of a stretch by counting requests: percentiles of all requests, and failures."""
    countable = rule.metric.quantile is not None or rule.metric.key == "failures"
    return rule.gate and countable


def _over(times: "np.ndarray[tuple[int], np.dtype[np.float64]]", limit_ms: float) -> int:
    """How many took longer than the limit; where that is infinite, how many failed."""
    return len(times) - int(np.searchsorted(times, limit_ms, side="left" if math.isinf(limit_ms) else "right"))


def _silence(stretches: Stretches, window_s: float) -> Silence | None:
    """The first time that requests waited for a success longer than is usual, or the one until the end.

    What nobody asked is no silence of the service: users think, some of them for a minute and all at once.
    """
    answered = stretches.answered_s
    edges = np.concatenate(([0.0], answered.clip(0.0), [window_s]))
    begins = np.maximum(edges[:-1], stretches.asked_s)
    waits = edges[1:] - begins
    long = np.flatnonzero(waits >= max(_SILENT_S, _usual_wait_s(stretches, float(edges[-2]))))
    if not len(long):
        return None
    first = int(long[0])
    return Silence(after_s=float(begins[first]), seconds=float(waits[first]) if first < len(answered) else None)


def _usual_wait_s(stretches: Stretches, last_s: float) -> float:
    """What comes by chance, by the gaps between successes and by how long they take; 0 without any."""
    count = len(stretches.answered_s)
    if not count:
        return 0.0
    # Of a queue that a silence left behind, each request waited nearly as long as it lasted, and none of them is usual.
    taken = stretches.took_ms
    if taken is None:
        taken = np.sort(np.concatenate([one for times in stretches.times.values() for one in times]))
        taken = taken[np.isfinite(taken)]
    return max(_GAPS * last_s / count, _TIMES_P99 * nearest_rank(taken, 0.99) / 1000)
