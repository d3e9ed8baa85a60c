"""The base's own service, measured beside the candidate in turns, as what the candidate is held against. Pure."""

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from entrypoint.judgement.reference import Against
from entrypoint.judgement.resampled import OfEndpoint, OfService, Resampled, difference, log_of
from entrypoint.judgement.significance import POWER, t_quantile, time_to_tell_by_pairs
from entrypoint.measurement.metrics import METRICS, SERVICE, Metric
from entrypoint.measurement.pairs import BASE, Pairs

# Fewer pairs gate nothing: their spread is not known well enough (docs/judging.md).
FEWEST_PAIRS = 12
# The standard error of a standard error from so many resamples is 1/√(2 · 400), 3.5 %.
_RESAMPLES = 400
_LADDER = (0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.99, 0.999, 1.0)


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
        self._draw = cache(lambda count: _draw(count, seed))
        self._of = cache(self._resampled)

    def _resampled(self, endpoint: str) -> Resampled:
        """An endpoint's figures, or the service's; resampled once."""
        if endpoint == SERVICE:
            return OfService(self._pairs, self._draw)
        return OfEndpoint(self._pairs, endpoint, self._draw)

    def endpoints(self) -> Sequence[str]:
        """Every endpoint that the base was asked for."""
        return [name for name, sides in self._pairs.endpoints.items() if len(sides[BASE].rows)]

    def judges(self, endpoint: str, metric: Metric) -> bool:
        """Whether the base has the figure, in enough pairs."""
        found = self._of(endpoint)
        return found.count(metric) >= FEWEST_PAIRS and metric.key in found.logs

    def lacks(self, endpoint: str, metric: Metric, /) -> str:
        """Why the base has no such figure."""
        return self._of(endpoint).lacks(metric, FEWEST_PAIRS)

    def hold(self, endpoint: str, metric: Metric, value: float, alpha: float) -> Against | None:
        """Log ratio of the pooled figures ± t(1 - α, pairs - 1) standard errors from the bootstrap over pairs.

        Efron and Tibshirani, An Introduction to the Bootstrap, chapters 6 and 12. The unit is the pair: requests of one
        segment share its luck, and taken as independent they understate the spread up to two times.
        """
        logs = self._of(endpoint).logs.get(metric.key)
        if logs is None or not self.judges(endpoint, metric):
            return None
        estimate = difference(log_of(value), logs.base)
        drawn = logs.ratio_drawn if logs.ratio_drawn is not None else -logs.base_drawn
        error = _standard_error(drawn, estimate)
        df = self._of(endpoint).count(metric) - 1
        half = t_quantile(1 - alpha, df) * error
        return Against(
            baseline=math.exp(logs.base),
            estimate=estimate,
            half=half,
            resolution=half + t_quantile(POWER, df) * error,
            order=logs.order,
            order_z=logs.order / error if logs.order is not None and error else 0.0,
        )

    def to_tell(self, endpoint: str, metric: Metric, worse: float, threshold: float, alpha: float) -> dict[str, Any]:
        """How many times the measured time would resolve the row, were estimate and noise to stay what they are."""
        value = self._of(endpoint).value(metric)
        found = self.hold(endpoint, metric, value, alpha) if value is not None else None
        return {"time_to_tell": time_to_tell_by_pairs(worse, threshold, found.half) if found else None}

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
        found = {f"{p:g}": side.samples.times.quantile(p) for p in _LADDER}
        return {p: value for p, value in found.items() if math.isfinite(value)}

    def history(self, _endpoint: str, _metric: Metric, /) -> tuple[float, ...]:
        """None: the base was measured now."""
        return ()


def _draw(count: int, seed: int) -> NDArray[np.intp]:
    """How often each resample has each of so many pairs, shape (B, count)."""
    return np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=_RESAMPLES)


def _standard_error(drawn: NDArray[np.float64], estimate: float) -> float:
    """Standard deviation of the resamples; none where all are infinite alike, and no bound where only some are."""
    if np.isfinite(drawn).all() and math.isfinite(estimate):
        return float(drawn.std(ddof=1))
    return 0.0 if (drawn == estimate).all() else math.inf
