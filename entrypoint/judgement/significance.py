"""Statistics: floats in, floats out. Each function names its source; docs/judging.md explains the choice of them.

All estimates and intervals are of logarithms, where a doubling and a halving are equally far from no change.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Observations that the prior noise is worth until enough occasions were seen.
PRIOR_WEIGHT = 4
# From this many occasions on, what was seen speaks alone.
ENOUGH_OCCASIONS = 5
# Chance with which the resolution's change would be seen.
POWER = 0.95


@dataclass(frozen=True, slots=True)
class Noise:
    """Standard deviation of a logarithm between occasions, and the degrees of freedom it is known with.

    Attributes:
        assumed: whether part of it is the documented prior, because too few occasions were seen.
    """

    sd: float
    df: int
    assumed: bool


def noise_between_occasions(logs: Sequence[float], prior_sd: float) -> Noise:
    """Noise of a new occasion, from K earlier ones.

    With K of at least 5 the sample's own standard deviation with K - 1 degrees of freedom. With fewer it is shrunk towards the
    prior as a scaled inverse chi-square prior of 4 observations does: s² = (ν₀ s₀² + (K - 1) s_K²) / (ν₀ + K - 1), with
    ν₀ + K - 1 degrees of freedom (Gelman et al., Bayesian Data Analysis, 3rd ed., section 2.6).

    Args:
        logs: mean logarithm of each occasion, K of them, K >= 1.
        prior_sd: standard deviation assumed before any was seen.
    """
    count = len(logs)
    mean = sum(logs) / count
    squares = sum((value - mean) ** 2 for value in logs)
    if count >= ENOUGH_OCCASIONS:
        return Noise(math.sqrt(squares / (count - 1)), count - 1, assumed=False)
    df = PRIOR_WEIGHT + count - 1
    return Noise(math.sqrt((PRIOR_WEIGHT * prior_sd**2 + squares) / df), df, assumed=True)


def t_quantile(p: float, df: int) -> float:
    """Quantile of Student's t distribution."""
    from scipy.special import stdtrit

    return float(stdtrit(df, p))


@dataclass(frozen=True, slots=True)
class Prediction:
    """What one more run of unchanged code would give, against which a candidate is held.

    Attributes:
        mean: mean logarithm of the baseline's occasions.
        half: half the width of the interval around the candidate's log ratio.
        resolution: log of the smallest change that would have been seen with 95 % probability.
    """

    mean: float
    half: float
    resolution: float


def missing_variance(occasions: Sequence[Sequence[float]]) -> float:
    """What the means of occasions vary less than a single run does: s_w² (1 - 1/n).

    A mean of n runs has the variance σ_b² + σ_w²/n, a single run σ_b² + σ_w². The pooled within-occasion variance s_w² makes
    up the difference, with n the harmonic mean of the runs per occasion (one-way random effects; Searle, Linear Models, ch. 9).

    Args:
        occasions: the runs' logarithms of each occasion.
    """
    squares = sum((log - sum(logs) / len(logs)) ** 2 for logs in occasions for log in logs)
    df = sum(len(logs) - 1 for logs in occasions)
    if df == 0:
        return 0.0
    return squares / df * (1 - sum(1 / len(logs) for logs in occasions) / len(occasions))


def predict(logs: Sequence[float], noise: Noise, alpha: float, missing: float) -> Prediction:
    """Prediction interval for one new run: t(1 - α, ν) √(s² (1 + 1/K) + missing) (Hahn and Meeker, Statistical Intervals, ch. 4).

    Args:
        logs: mean logarithm of each of K occasions.
        noise: their noise.
        alpha: one-sided probability of a false alarm on this row.
        missing: see `missing_variance`.
    """
    spread = math.sqrt(noise.sd**2 * (1 + 1 / len(logs)) + missing)
    half = t_quantile(1 - alpha, noise.df) * spread
    return Prediction(sum(logs) / len(logs), half, half + t_quantile(POWER, noise.df) * spread)


def tells(worse: float, half: float, threshold: float) -> bool:
    """Whether an interval resolves a row: beyond the threshold without "no change" in it, or wholly below the threshold.

    Args:
        worse: estimate of the log ratio, positive for worse.
        half: half the interval's width.
        threshold: log of the allowed change.
    """
    return (abs(worse) > threshold and half < abs(worse)) or worse + half < threshold


def occasions_to_tell(
    worse: float, threshold: float, sd: float, missing: float, alpha: float, counts: range
) -> int | None:
    """On how many occasions a baseline would resolve the row, were estimate and noise to stay what they are.

    Args:
        worse: estimate of the log ratio, positive for worse.
        threshold: log of the allowed change.
        sd: standard deviation between occasions.
        missing: see `missing_variance`.
        alpha: one-sided error of the row.
        counts: numbers of occasions to try, ascending; None if none of them would do.
    """
    for count in counts:
        half = t_quantile(1 - alpha, count - 1) * math.sqrt(sd**2 * (1 + 1 / count) + missing)
        if tells(worse, half, threshold):
            return count
    return None


def time_to_tell(failures: int, requests: int, limit: float, alpha: float, most: int = 100) -> int | None:
    """How many times the requests would tell a share of failures from the limit, if it stays what it is; None beyond `most`."""
    return next((n for n in range(2, most + 1) if more_than_limit(n * failures, n * requests, limit) <= alpha), None)


def time_to_tell_by_pairs(worse: float, threshold: float, half: float, most: int = 100) -> int | None:
    """How many times the pairs would resolve a row, whose interval shrinks with their square root; None beyond `most`.

    Args:
        worse: estimate of the log ratio, positive for worse.
        threshold: log of the allowed change.
        half: half the interval's width now.
    """
    return next((n for n in range(2, most + 1) if tells(worse, half / math.sqrt(n), threshold)), None)


def lower_rank(requests: int, p: float, alpha: float) -> int:
    """The rank whose value lies below the true p-quantile with probability 1 - α, 0 if so few requests have none.

    X_(j) exceeds the quantile if fewer than j of n requests fall below it: P = P(Bin(n, p) <= j - 1), exact and free of any
    distribution (David and Nagaraja, Order Statistics, section 7.1).
    """
    from scipy.special import bdtr

    rank = 0
    while bdtr(rank, requests, p) <= alpha:  # of all requests it is 1
        rank += 1
    return rank


def exact_interval(found: int, of: int, confidence: float = 0.95) -> tuple[float, float]:
    """What `found` of `of` trials prove of the true share, both sides together (Clopper and Pearson, 1934)."""
    from scipy.special import betaincinv

    tail = (1 - confidence) / 2
    low = float(betaincinv(found, of - found + 1, tail)) if found else 0.0
    high = float(betaincinv(found + 1, of - found, 1 - tail)) if found < of else 1.0
    return low, high


def more_than_limit(failures: int, requests: int, limit: float) -> float:
    """Probability of at least this many failures in so many requests, were the true ratio the limit: exact binomial tail.

    Clopper and Pearson (1934). A small value says that the true ratio is above the limit.
    """
    from scipy.special import bdtrc

    return float(bdtrc(failures - 1, requests, limit))


def more_than_baseline(worse: int, count: int, base_worse: int, base_count: int) -> float:
    """Probability of at least so many of all on the worse side falling on the candidate, were both shares the same.

    Fisher's exact test, one-sided (Fisher 1935): given the totals, the candidate's part is hypergeometric. It holds for rare
    failures and for shares near one half alike, where a test of two rates is not exact.
    """
    from scipy.special import gammaln

    def log_ways(of: float, some: NDArray[np.float64]) -> NDArray[np.float64]:
        ways: NDArray[np.float64] = gammaln(of + 1) - gammaln(some + 1) - gammaln(of - some + 1)
        return ways

    total, whole = worse + base_worse, count + base_count
    parts = np.arange(worse, min(total, count) + 1.0)
    logs = log_ways(count, parts) + log_ways(base_count, total - parts) - log_ways(whole, np.array([float(total)]))
    return float(min(1.0, np.exp(logs).sum()))
