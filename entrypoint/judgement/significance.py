"""Statistics: floats in, floats out. Each function names its source; docs/judging.md explains the choice of them.

All estimates and intervals are of logarithms, where a doubling and a halving are equally far from no change.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

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


def predict(logs: Sequence[float], noise: Noise, alpha: float) -> Prediction:
    """Prediction interval for one new observation: t(1 - α, ν) s √(1 + 1/K) (Hahn and Meeker, Statistical Intervals, ch. 4).

    Args:
        logs: mean logarithm of each of K occasions.
        noise: their noise.
        alpha: one-sided probability of a false alarm on this row.
    """
    spread = noise.sd * math.sqrt(1 + 1 / len(logs))
    half = t_quantile(1 - alpha, noise.df) * spread
    return Prediction(sum(logs) / len(logs), half, half + t_quantile(POWER, noise.df) * spread)


def more_than_limit(failures: int, requests: int, limit: float) -> float:
    """Probability of at least this many failures in so many requests, were the true ratio the limit: exact binomial tail.

    Clopper and Pearson (1934). A small value says that the true ratio is above the limit.
    """
    if failures == 0:
        return 1.0
    if limit <= 0:
        return 0.0
    from scipy.special import bdtrc

    return float(bdtrc(failures - 1, requests, min(limit, 1.0)))


def more_than_baseline(failures: int, requests: int, base_failures: int, base_requests: int) -> float:
    """Probability of at least this share of all failures falling on the candidate, were both ratios the same.

    The exact conditional test of two rates (Przyborowski and Wilenski, Biometrika 1940): given the total, the candidate's share
    is binomial with p = requests / all requests.
    """
    total = failures + base_failures
    if failures == 0 or requests == 0 or base_requests == 0:
        return 1.0
    from scipy.special import bdtrc

    return float(bdtrc(failures - 1, total, requests / (requests + base_requests)))
