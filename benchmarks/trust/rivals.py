"""Rules that other tools use, on response times alone. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu, t

from entrypoint.measurement.metrics import nearest_rank

# Bencher's recipe for a history: at most 64 results, upper boundary 0.99; a prediction interval of Student's t since its 0.6.3.
_MOST_PAST, _FEWEST_PAST = 64, 5
_T_BOUNDARY = 0.99
_P_VALUE = 0.01
_DEVIATIONS = 3.0
_ALERT = 2.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What such a tool has: response times in ms, each in ascending order.

    Attributes:
        candidate: of the run that is judged.
        base: of the unchanged code in a run before it, or beside it.
        past: of the unchanged code in all runs before it, the oldest first.
    """

    candidate: NDArray[np.float64]
    base: NDArray[np.float64]
    past: Sequence[NDArray[np.float64]]


def locust_p95(times: NDArray[np.float64]) -> float:
    """p95 as Locust prints it: response times to two digits, and the rank of the truncated count."""
    digits = np.select([times < 100, times < 1000, times < 10_000], [0, -1, -2], -3)
    rounded = np.sort([round(value, digit) for value, digit in zip(times.tolist(), digits.tolist(), strict=True)])
    return float(rounded[int(len(rounded) * 0.95)])


def fixed_rounded(seen: Seen) -> bool:
    """More than 10 % on Locust's p95."""
    return locust_p95(seen.candidate) > 1.10 * locust_p95(seen.base)


def fixed_exact(seen: Seen) -> bool:
    """More than 10 % on exact p95."""
    return _p95(seen.candidate) > 1.10 * _p95(seen.base)


def alert(seen: Seen) -> bool:
    """More than 200 % of p95."""
    return _p95(seen.candidate) > _ALERT * _p95(seen.base)


def mann_whitney(seen: Seen) -> bool:
    """Mann and Whitney's test of all requests, one-sided, p < 0.01."""
    return bool(mannwhitneyu(seen.candidate, seen.base, alternative="greater").pvalue < _P_VALUE)


def student(seen: Seen) -> bool | None:
    """p95 above the 0.99 prediction limit of Student's t from the runs before; None if they are too few."""
    past = [_p95(times) for times in seen.past[-_MOST_PAST:]]
    if len(past) < _FEWEST_PAST:
        return None
    margin = float(t.ppf(_T_BOUNDARY, len(past) - 1)) * float(np.std(past, ddof=1)) * (1 + 1 / len(past)) ** 0.5
    return _p95(seen.candidate) > float(np.mean(past)) + margin


def deviations(seen: Seen) -> bool | None:
    """p95 more than 3 standard deviations above the mean of the runs before; None if they are too few."""
    past = [_p95(times) for times in seen.past[-_MOST_PAST:]]
    if len(past) < _FEWEST_PAST:
        return None
    return _p95(seen.candidate) > float(np.mean(past)) + _DEVIATIONS * float(np.std(past, ddof=1))


def _p95(times: NDArray[np.float64]) -> float:
    return nearest_rank(times, 0.95)


RULES: dict[str, Callable[[Seen], bool | None]] = {
    "10 % on Locust's p95": fixed_rounded,
    "10 % on exact p95": fixed_exact,
    "alert at 200 % of p95": alert,
    "Mann-Whitney, p < 0.01": mann_whitney,
    "Student's t over the last runs, p95": student,
    "mean + 3 standard deviations, p95": deviations,
}
OF_A_HISTORY = ("Student's t over the last runs, p95", "mean + 3 standard deviations, p95")
