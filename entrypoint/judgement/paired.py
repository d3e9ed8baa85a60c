"""The base's own service, measured beside the candidate in turns, as what the candidate is held against. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from entrypoint.judgement.reference import Against
from entrypoint.judgement.significance import POWER, t_quantile, time_to_tell_by_pairs
from entrypoint.measurement.metrics import METRICS, OF_ENDPOINTS, SERVICE, Metric
from entrypoint.measurement.pairs import BASE, CANDIDATE, Pairs, Side

# Fewer pairs gate nothing: their spread is not known well enough (docs/judging.md).
FEWEST_PAIRS = 12
# The standard error of a standard error from so many resamples is 1/√(2 · 400), 3.5 %.
_RESAMPLES = 400
_LADDER = (0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.99, 0.999, 1.0)


@dataclass(frozen=True, slots=True)
class _Logs:
    """Logarithms of one row's figure: whole sample, resamples of shape (B,), and the pairs by who had the first turn.

    Infinite where more requests failed than the figure leaves out.
    """

    base: float
    base_drawn: NDArray[np.float64]
    ratio_drawn: NDArray[np.float64] | None
    order: float | None


class Paired:
    """All pairs of a run so far.

    Args:
        pairs: of all generations.
        seed: of the resampling, so that the same samples give the same verdict.
    """

    paired = True
    caveats: tuple[str, ...] = ()

    def __init__(self, pairs: Pairs, seed: int = 1) -> None:
        self._pairs = pairs
        self._seed = seed
        self._known: dict[str, dict[str, _Logs]] = {}

    def endpoints(self) -> Sequence[str]:
        """Every endpoint that the base was asked for."""
        return [name for name, sides in self._pairs.endpoints.items() if len(sides[BASE].rows)]

    def judges(self, endpoint: str, metric: Metric) -> bool:
        """Whether the base has the figure, in enough pairs."""
        return self._count(endpoint, metric) >= FEWEST_PAIRS and metric.key in self._logs(endpoint)

    def lacks(self, endpoint: str, metric: Metric, /) -> str:
        """Why the base has no such figure."""
        if endpoint == SERVICE:
            return f"{self._count(endpoint, metric)} of the {FEWEST_PAIRS} pairs of turns in which it has to be known"
        failures, requests = self.share(endpoint, METRICS["failures"])
        if not requests:
            return ""
        if failures == requests:
            return "every request to the base failed"
        if (count := self._count(endpoint, metric)) < FEWEST_PAIRS:
            return f"{count} of the {FEWEST_PAIRS} pairs of turns it needs"
        return f"the base had {requests} of the {metric.minimum} requests it needs"

    def hold(self, endpoint: str, metric: Metric, value: float, alpha: float) -> Against | None:
        """Log ratio of the pooled figures ± t(1 - α, pairs - 1) standard errors from the bootstrap over pairs.

        Efron and Tibshirani, An Introduction to the Bootstrap, chapters 6 and 12. The unit is the pair: requests of one
        segment share its luck, and taken as independent they understate the spread up to two times.
        """
        logs = self._logs(endpoint).get(metric.key)
        if logs is None or not self.judges(endpoint, metric):
            return None
        estimate = _difference(_log(value), logs.base)
        drawn = logs.ratio_drawn if logs.ratio_drawn is not None else -logs.base_drawn
        error = _standard_error(drawn, estimate)
        df = self._count(endpoint, metric) - 1
        half = t_quantile(1 - alpha, df) * error
        return Against(
            baseline=math.exp(logs.base) if logs.base < math.inf else math.inf,
            estimate=estimate,
            half=half,
            resolution=half + t_quantile(POWER, df) * error,
            order=logs.order,
            order_z=logs.order / error if logs.order is not None and 0 < error < math.inf else 0.0,
        )

    def to_tell(self, endpoint: str, metric: Metric, worse: float, threshold: float, alpha: float) -> dict[str, Any]:
        """How many times the measured time would resolve the row, were estimate and noise to stay what they are."""
        value = self._value(endpoint, metric)
        found = self.hold(endpoint, metric, value, alpha) if value is not None else None
        return {"time_to_tell": time_to_tell_by_pairs(worse, threshold, found.half) if found else None}

    def _value(self, endpoint: str, metric: Metric) -> float | None:
        """The candidate's figure."""
        if endpoint == SERVICE:
            return self._pairs.figures_of_service().get(metric.key)
        samples = self._pairs.endpoints[endpoint][CANDIDATE].samples
        return metric.figure(samples) if len(samples.rows) else None

    def share(self, endpoint: str, metric: Metric) -> tuple[int, int]:
        """Counts of a ratio of the base."""
        side = self._pairs.endpoints.get(endpoint, (None, None))[BASE]
        return metric.share(side.samples) if side and len(side.rows) and metric.share else (0, 0)

    def requests_a_run(self, endpoint: str) -> float:
        """The base's requests: both had the same measured time."""
        return float(self.share(endpoint, METRICS["failures"])[1])

    def quantiles(self, endpoint: str) -> dict[str, float]:
        """The base's response times in ms by probability; without those that failures reach."""
        side = self._pairs.endpoints.get(endpoint, (None, None))[BASE]
        if side is None or not len(side.rows):
            return {}
        found = {f"{p:g}": float(side.samples.sorted_ms[_rank(len(side.rows), p)]) for p in _LADDER}
        return {p: value for p, value in found.items() if math.isfinite(value)}

    def history(self, _endpoint: str, _metric: Metric, /) -> tuple[float, ...]:
        """None: the base was measured now."""
        return ()

    @cached_property
    def _draws(self) -> NDArray[np.intp]:
        """How often each resample has each pair, shape (B, pairs)."""
        return self._draw(len(self._pairs))

    def _draw(self, count: int) -> NDArray[np.intp]:
        """The same for so many pairs, shape (B, count)."""
        return np.random.default_rng(self._seed).multinomial(count, np.full(count, 1 / count), size=_RESAMPLES)

    def _logs(self, endpoint: str) -> dict[str, _Logs]:
        """All figures of an endpoint that the base has enough requests for, or of the service as a whole; resampled once, when
        they are first asked for."""
        if endpoint == SERVICE and endpoint not in self._known:
            self._known[endpoint] = {key: self._resample_ratio(key) for key in self._pairs.figures_of_service()}
        if endpoint not in self._known:
            sides = self._pairs.endpoints.get(endpoint)
            usable = sides is not None and sides[BASE].failures < len(sides[BASE].rows)
            self._known[endpoint] = self._resample(*sides) if sides and usable else {}
        return self._known[endpoint]

    def _count(self, endpoint: str, metric: Metric) -> int:
        """How many pairs say anything of an endpoint: those in which the base was asked, and the candidate if it ever was; of the
        service as a whole those in which its figure is known of both."""
        if endpoint == SERVICE:
            return int(self._pairs.known_of_service(metric.key).sum())
        sides = self._pairs.endpoints.get(endpoint)
        if sides is None:
            return 0
        asked = [set(side.pair.tolist()) for side in sides if len(side.rows)]
        return len(set.intersection(*asked)) if asked else 0

    def _resample(self, candidate: Side, base: Side) -> dict[str, _Logs]:
        metrics = [
            metric for metric in OF_ENDPOINTS.values() if metric.share is None and metric.minimum <= len(base.rows)
        ]
        both = [metric for metric in metrics if 0 < metric.minimum <= len(candidate.rows)]
        base_drawn = _drawn(base, metrics, self._draws)
        candidate_drawn = _drawn(candidate, both, self._draws)
        orders = self._orders(candidate, base, both)
        return {
            metric.key: _Logs(
                base=_log(metric.figure(base.samples)),
                base_drawn=base_drawn[metric.key],
                ratio_drawn=_differences(candidate_drawn[metric.key], base_drawn[metric.key])
                if metric in both
                else None,
                order=orders.get(metric.key),
            )
            for metric in metrics
        }

    def _resample_ratio(self, metric: str) -> _Logs:
        """A figure of the service as a whole, from the pairs in which it is known of both; drawn as those of endpoints are."""
        ours, theirs = self._pairs.of_service(metric)
        count = len(ours.amount)
        draws = self._draw(count)
        base_drawn, ours_drawn = (np.array([_log(one) for one in side.figures(draws)]) for side in (theirs, ours))
        first = self._pairs.candidate_first[self._pairs.known_of_service(metric)].astype(np.intp)
        by_candidate, by_base = (
            _difference(_log(our), _log(their))
            for our, their in zip(*(side.figures(np.array([first, 1 - first])) for side in (ours, theirs)), strict=True)
        )
        order = (by_candidate - by_base) / 2
        return _Logs(
            base=_log(theirs.figure),
            base_drawn=base_drawn,
            ratio_drawn=_differences(ours_drawn, base_drawn),
            order=order if 0 < first.sum() < count and math.isfinite(order) else None,
        )

    def _orders(self, candidate: Side, base: Side, metrics: list[Metric]) -> dict[str, float]:
        """For each figure half the difference between the pairs that the candidate began and those that the base began."""
        first = self._pairs.candidate_first.astype(np.intp)
        begun = [(candidate.drawn(times), base.drawn(times)) for times in (first, 1 - first)]
        if not all(len(samples.rows) for sides in begun for samples in sides):
            return {}
        found = {}
        for metric in metrics:
            by_candidate, by_base = (
                _difference(_log(metric.figure(ours)), _log(metric.figure(theirs))) for ours, theirs in begun
            )
            if math.isfinite(by_candidate - by_base):
                found[metric.key] = (by_candidate - by_base) / 2
        return found


def _drawn(side: Side, metrics: list[Metric], draws: NDArray[np.intp]) -> dict[str, NDArray[np.float64]]:
    """Logarithm of each figure in each resample, shape (B,); NaN in one without any request."""
    logs = {metric.key: np.full(len(draws), math.nan) for metric in metrics}
    for number, times in enumerate(draws):
        samples = side.drawn(times)
        if len(samples.rows):
            for metric in metrics:
                logs[metric.key][number] = _log(metric.figure(samples))
    return logs


def _rank(count: int, p: float) -> int:
    return max(1, math.ceil(round(p * count, 9))) - 1


def _log(value: float) -> float:
    """Of a figure: a missing one is as bad as an infinite one, and zero is as small as can be."""
    if math.isnan(value) or value == math.inf:
        return math.inf
    return math.log(value) if value > 0 else -math.inf


def _difference(ours: float, theirs: float) -> float:
    """Two that are infinite alike do not differ."""
    return 0.0 if ours == theirs else ours - theirs


def _differences(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([_difference(a, b) for a, b in zip(ours.tolist(), theirs.tolist(), strict=True)])


def _standard_error(drawn: NDArray[np.float64], estimate: float) -> float:
    """Standard deviation of the resamples; none where all are infinite alike, and no bound where only some are."""
    if np.isfinite(drawn).all() and math.isfinite(estimate):
        return float(drawn.std(ddof=1))
    return 0.0 if (drawn == estimate).all() else math.inf
