"""How fast something grows, and how well that is known, from values that are not independent of each other. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from entrypoint.judgement.significance import t_quantile

FEWEST = 10
# Beyond it there is nothing left to estimate from: what n values say is then said by fewer than a fortieth of them.
_MOST_ALIKE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Slope:
    """A slope and where the true one lies, in units of the value for each unit of time; without a bound where it is not known."""

    value: float
    low: float
    high: float

    def times(self, factor: float) -> "Slope":
        """The same in other units; the factor is positive."""
        return Slope(value=self.value * factor, low=self.low * factor, high=self.high * factor)


def slope_of(points: Sequence[tuple[float, float]], confidence: float = 0.95) -> Slope | None:
    """The median of the slopes between all pairs, with the interval of its ranks (Theil 1950; Sen, JASA 63, 1968).

    Sen's interval takes the values to be independent, and neighbours in time are not: a machine that is slow now is slow in a
    moment too. So the variance of Kendall's S is multiplied by (1 + r) / (1 - r), r the correlation of neighbouring residuals
    (Bayley and Hammersley 1946, as Hamed and Rao, Journal of Hydrology 204, 1998, use it), after its bias in short series is
    taken out (Marriott and Pope 1954); and its quantile is that of t with the n' - 2 degrees of freedom that so many independent
    values would have (Santer et al., Journal of Geophysical Research 105, 2000). Below that the interval has no bounds.

    Args:
        points: (time, value), in order of time.
        confidence: of the interval, both sides together.

    Returns:
        None of fewer than ten points.
    """
    count = len(points)
    if count < FEWEST:
        return None
    at, values = (np.array(column, dtype="f8") for column in zip(*points, strict=True))
    first, second = np.triu_indices(count, 1)
    slopes = np.sort((values[second] - values[first]) / (at[second] - at[first]))
    middle = float(np.median(slopes))
    alike = _correlation(values - middle * at)
    inflation = (1 + alike) / (1 - alike)
    free = math.floor(count / inflation - 2)
    if free < 1:
        return Slope(value=middle, low=-math.inf, high=math.inf)
    variance = inflation * count * (count - 1) * (2 * count + 5) / 18
    width = t_quantile(0.5 + confidence / 2, free) * math.sqrt(variance)
    low, high = math.floor((len(slopes) - width) / 2), math.ceil((len(slopes) + width) / 2)
    return Slope(
        value=middle,
        low=float(slopes[low - 1]) if low >= 1 else -math.inf,
        high=float(slopes[high]) if high < len(slopes) else math.inf,
    )


def _correlation(residuals: NDArray[np.float64]) -> float:
    """Of each with the next, 0 to 0.95; what short series hide of it is added: r + (1 + 4 r) / n."""
    apart = residuals - residuals.mean()
    squares = float((apart**2).sum())
    if squares <= 1e-18 * float((residuals**2).sum()):
        return 0.0  # all are the same, but for rounding
    found = float((apart[1:] * apart[:-1]).sum()) / squares
    return min(_MOST_ALIKE, max(0.0, found + (1 + 4 * found) / len(residuals)))
