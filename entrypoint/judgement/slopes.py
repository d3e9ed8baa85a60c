"""How fast something grows, and how well that is known, from values that are not independent of each other. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from entrypoint.judgement.significance import t_quantile

FEWEST = 15
_FEWEST_INDEPENDENT = 10
_MOST_ALIKE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Slope:
    """A slope and where the true one lies, in units of the value for each unit of time."""

    value: float
    low: float
    high: float

    def times(self, factor: float) -> "Slope":
        """The same in other units; the factor is positive."""
        return Slope(value=self.value * factor, low=self.low * factor, high=self.high * factor)


def slope_of(points: Sequence[tuple[float, float]], confidence: float = 0.95) -> Slope | None:
    """The median of the slopes between all pairs, with the interval of its ranks (Theil 1950; Sen, JASA 63, 1968).

    Sen's interval takes the values to be independent, and neighbours in time are not: a machine that is slow now is slow in a
    moment too. So the variance of Kendall's S is multiplied by (1 + r) / (1 - r), where r is the correlation of neighbouring
    residuals, of their ranks as Hamed and Rao have it (Journal of Hydrology 204, 1998). Where the values are worth fewer than ten
    independent ones, ranks bound next to nothing, and it is the residuals' size that does: the standard error of a line of least
    squares, multiplied likewise.

    Args:
        points: (time, value), in order of time.
        confidence: of the interval, both sides together.

    Returns:
        None of fewer than fifteen points.
    """
    from scipy.special import ndtri

    count = len(points)
    if count < FEWEST:
        return None
    at, values = np.array(points).T
    first, second = np.triu_indices(count, 1)
    slopes = np.sort((values[second] - values[first]) / (at[second] - at[first]))
    middle = float(np.median(slopes))
    residuals = values - middle * at
    alike = _correlation(residuals)
    inflation = (1 + alike) / (1 - alike)
    if count < _FEWEST_INDEPENDENT * inflation:
        error = float(residuals.std() / at.std()) * math.sqrt(inflation / (count - 2))
        half = t_quantile(0.5 + confidence / 2, count - 2) * error
        return Slope(value=middle, low=middle - half, high=middle + half)
    width = float(ndtri(0.5 + confidence / 2)) * math.sqrt(inflation * count * (count - 1) * (2 * count + 5) / 18)
    low, high = math.floor((len(slopes) - width) / 2), math.ceil((len(slopes) + width) / 2)
    return Slope(value=middle, low=float(slopes[max(low, 1) - 1]), high=float(slopes[min(high, len(slopes) - 1)]))


def _correlation(residuals: NDArray[np.float64]) -> float:
    """Of the rank of each with that of the next, 0 to 0.95.

    A parabola is taken out first: what grows by a curve differs from every straight line for long, and that is no noise. What is
    left looks less alike than the noise is, r (1 - 8 / n) - 3 / n by simulation, which is turned round here.
    """
    count = len(residuals)
    # Equal ones share their mean rank, here less one half, and rounding may not tell them apart.
    _, place, times = np.unique(np.round(residuals, 9), return_inverse=True, return_counts=True)
    if len(times) == 1:
        return 0.0
    ranks = (np.cumsum(times) - times / 2)[place]
    curve, _ = np.linalg.qr(np.vander(np.arange(count), 3))
    left = ranks - curve @ (curve.T @ ranks)
    found = float((left[1:] * left[:-1]).sum() / (left**2).sum())
    return min(_MOST_ALIKE, max(0.0, (found + 3 / count) / (1 - 8 / count)))
