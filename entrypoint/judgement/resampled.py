"""What pairs of turns say of one endpoint, or of the service as a whole: its figures, drawn again and again. Pure."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from entrypoint.measurement.metrics import OF_ENDPOINTS, Metric
from entrypoint.measurement.pairs import BASE, CANDIDATE, Pairs, Side

# How often each of so many resamples has each of so many pairs, shape (B, pairs).
Draw = Callable[[int], NDArray[np.intp]]


@dataclass(frozen=True, slots=True)
class Logs:
    """Logarithms of one row's figure: whole sample, resamples of shape (B,), and the pairs by who had the first turn.

    Infinite where more requests failed than the figure leaves out.
    """

    base: float
    base_drawn: NDArray[np.float64]
    ratio_drawn: NDArray[np.float64] | None
    order: float | None


class Resampled(Protocol):
    """All figures of one name."""

    @property
    def logs(self) -> dict[str, Logs]:
        """By metric, what the base has enough of; resampled once, when it is first asked for."""
        ...

    def count(self, metric: Metric, /) -> int:
        """How many pairs say anything of it."""
        ...

    def value(self, metric: Metric) -> float | None:
        """The candidate's figure."""
        ...

    def lacks(self, metric: Metric, fewest: int) -> str:
        """Why the base has no such figure."""
        ...


class OfEndpoint:
    """One endpoint's figures, from the samples of both sides; of one that no pair has, nothing."""

    def __init__(self, pairs: Pairs, endpoint: str, draw: Draw) -> None:
        self._pairs = pairs
        self._sides = pairs.endpoints.get(endpoint)
        self._draw = draw

    def count(self, _metric: Metric, /) -> int:
        """Pairs in which the base was asked, and the candidate if it ever was."""
        return self._count

    @cached_property
    def _count(self) -> int:
        asked = [np.unique(side.pair) for side in self._sides or () if len(side.rows)]
        return len(reduce(np.intersect1d, asked)) if asked else 0

    def value(self, metric: Metric) -> float | None:
        """See `Resampled`."""
        samples = self._sides[CANDIDATE].samples if self._sides else None
        return metric.figure(samples) if samples is not None and len(samples.rows) else None

    def lacks(self, metric: Metric, fewest: int) -> str:
        """See `Resampled`."""
        if self._sides is None or not (requests := len(self._sides[BASE].rows)):
            return ""
        if self._sides[BASE].failures == requests:
            return "every request to the base failed"
        if (count := self.count(metric)) < fewest:
            return f"{count} of the {fewest} pairs of turns it needs"
        return f"the base had {requests} of the {metric.minimum} requests it needs"

    @cached_property
    def logs(self) -> dict[str, Logs]:
        """See `Resampled`; nothing where every request to the base failed."""
        if self._sides is None or self._sides[BASE].failures == len(self._sides[BASE].rows):
            return {}
        candidate, base = self._sides
        metrics = [
            metric for metric in OF_ENDPOINTS.values() if metric.share is None and metric.minimum <= len(base.rows)
        ]
        both = [metric for metric in metrics if metric.minimum <= len(candidate.rows)]
        draws = self._draw(len(self._pairs))
        base_drawn, candidate_drawn = _drawn(base, metrics, draws), _drawn(candidate, both, draws)
        orders = self._orders(candidate, base, both)
        return {
            metric.key: Logs(
                base=log_of(metric.figure(base.samples)),
                base_drawn=base_drawn[metric.key],
                ratio_drawn=_differences(candidate_drawn[metric.key], base_drawn[metric.key])
                if metric in both
                else None,
                order=orders.get(metric.key),
            )
            for metric in metrics
        }

    def _orders(self, candidate: Side, base: Side, metrics: list[Metric]) -> dict[str, float]:
        """For each figure half the difference between the pairs that the candidate began and those that the base began."""
        first = self._pairs.candidate_first.astype(np.intp)
        begun = [(candidate.drawn(times), base.drawn(times)) for times in (first, 1 - first)]
        if not all(len(times) for sides in begun for times in sides):
            return {}
        found = {}
        for metric in metrics:
            by_candidate, by_base = (
                difference(log_of(metric.of_times(ours)), log_of(metric.of_times(theirs))) for ours, theirs in begun
            )
            if math.isfinite(by_candidate - by_base):
                found[metric.key] = (by_candidate - by_base) / 2
        return found


class OfService:
    """The figures of the service as a whole, each from the pairs in which it is known of both."""

    def __init__(self, pairs: Pairs, draw: Draw) -> None:
        self._pairs = pairs
        self._draw = draw

    def count(self, metric: Metric, /) -> int:
        """Pairs in which the figure is known of both."""
        return int(self._pairs.known_of_service(metric.key).sum())

    def value(self, metric: Metric) -> float | None:
        """See `Resampled`."""
        return self._pairs.figures_of_service().get(metric.key)

    def lacks(self, metric: Metric, fewest: int) -> str:
        """See `Resampled`."""
        return f"{self.count(metric)} of the {fewest} pairs of turns in which it has to be known"

    @cached_property
    def logs(self) -> dict[str, Logs]:
        """See `Resampled`; drawn as the figures of endpoints are."""
        return {key: self._resample(key) for key in self._pairs.figures_of_service()}

    def _resample(self, metric: str) -> Logs:
        ours, theirs = self._pairs.of_service(metric)
        count = len(ours.amount)
        draws = self._draw(count)
        base_drawn, ours_drawn = (np.array([log_of(one) for one in side.figures(draws)]) for side in (theirs, ours))
        first = self._pairs.candidate_first[self._pairs.known_of_service(metric)].astype(np.intp)
        by_candidate, by_base = (
            difference(log_of(our), log_of(their))
            for our, their in zip(*(side.figures(np.array([first, 1 - first])) for side in (ours, theirs)), strict=True)
        )
        order = (by_candidate - by_base) / 2
        return Logs(
            base=log_of(theirs.figure),
            base_drawn=base_drawn,
            ratio_drawn=_differences(ours_drawn, base_drawn),
            order=order if 0 < first.sum() < count and math.isfinite(order) else None,
        )


def log_of(value: float) -> float:
    """Of a figure: a missing one is as bad as an infinite one, and zero is as small as can be."""
    if math.isnan(value) or value == math.inf:
        return math.inf
    return math.log(value) if value > 0 else -math.inf


def difference(ours: float, theirs: float) -> float:
    """Of two logarithms; two that are infinite alike do not differ."""
    return 0.0 if ours == theirs else ours - theirs


def _differences(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([difference(a, b) for a, b in zip(ours.tolist(), theirs.tolist(), strict=True)])


def _drawn(side: Side, metrics: list[Metric], draws: NDArray[np.intp]) -> dict[str, NDArray[np.float64]]:
    """Logarithm of each figure in each resample, shape (B,); NaN in one without any request."""
    logs = {metric.key: np.full(len(draws), math.nan) for metric in metrics}
    for number, often in enumerate(draws):
        times = side.drawn(often)
        if len(times):
            for metric in metrics:
                logs[metric.key][number] = log_of(metric.of_times(times))
    return logs
