"""The slope of values in time, and how often its interval is wrong where neighbours in time are alike."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from entrypoint.judgement.significance import exact_interval
from entrypoint.judgement.slopes import Slope, slope_of

SEEDS = 400


def alike(seed, count, correlation):
    """Noise of standard deviation one, each value of which resembles the one before."""
    draws = np.random.default_rng(seed).standard_normal(count)
    values = [draws[0]]
    for draw in draws[1:]:
        values.append(correlation * values[-1] + math.sqrt(1 - correlation**2) * draw)
    return np.array(values)


def points(values, every_s=60.0):
    return [(number * every_s, float(value)) for number, value in enumerate(values)]


@pytest.mark.parametrize("correlation", [0.0, 0.6])
@pytest.mark.parametrize("count", [40, 60])
def test_what_does_not_grow_is_seldom_said_to(count, correlation):
    """At most one in forty on each side is what 95 % promises; measured are up to one in thirty."""
    found = [slope_of(points(alike(seed, count, correlation))) for seed in range(SEEDS)]
    assert exact_interval(sum(slope.low > 0 for slope in found), SEEDS)[0] < 0.025
    assert exact_interval(sum(slope.high < 0 for slope in found), SEEDS)[0] < 0.025


@pytest.mark.parametrize(("count", "correlation", "grown"), [(40, 0.0, 3), (60, 0.0, 2), (60, 0.6, 6)])
def test_a_planted_slope_is_found(count, correlation, grown):
    """Growth of so many standard deviations of the noise, from the first value to the last."""
    found = [slope_of(points(alike(seed, count, correlation) + np.linspace(0, grown, count))) for seed in range(100)]
    true = grown / (60.0 * (count - 1))
    assert np.mean([slope.value for slope in found]) == pytest.approx(true, rel=0.05)
    assert sum(slope.low > 0 for slope in found) > 90
    assert sum(slope.low <= true <= slope.high for slope in found) > 90


def test_one_stretch_out_of_its_kind_does_not_move_it():
    steady = [10.0 + 0.1 * (number % 3) for number in range(20)]
    stalled = [*steady[:-1], 900.0]
    assert slope_of(points(stalled)).value == pytest.approx(slope_of(points(steady)).value, abs=1e-4)
    assert slope_of(points(stalled)).low <= 0 <= slope_of(points(stalled)).high


def test_what_stays_the_same_has_no_slope_and_a_straight_line_its_own():
    assert slope_of(points([7.0] * 20)) == Slope(value=0.0, low=0.0, high=0.0)
    line = slope_of(points(3 + 0.5 * np.arange(20), every_s=1.0))
    assert (line.value, line.low, line.high) == pytest.approx((0.5, 0.5, 0.5))


@pytest.mark.parametrize("count", [20, 60])
@pytest.mark.parametrize(
    "curve", [np.sqrt, np.square, lambda at: 1 - np.exp(-3 * at)], ids=["root", "square", "levelling"]
)
def test_growth_by_a_curve_is_growth(curve, count):
    """It differs from every straight line for long, which is no noise: twenty standard deviations of it until the end."""
    found = [slope_of(points(alike(seed, count, 0.3) + 20 * curve(np.linspace(0, 1, count)))) for seed in range(100)]
    assert sum(slope.low > 0 for slope in found) > 80


def test_of_fewer_than_fifteen_there_is_none():
    assert slope_of(points(range(14))) is None


def test_swings_as_long_as_the_soak_bound_next_to_nothing():
    """Half a wave grows for half of the time, and then no more."""
    values = np.sin(np.linspace(0, 3 * np.pi, 40))
    wandering = slope_of(points(values, 1.0))
    assert wandering.low < -1 / 40 < 1 / 40 < wandering.high


@pytest.mark.parametrize(
    "curve", [np.sqrt, np.square, lambda at: 1 - np.exp(-2 * at)], ids=["root", "square", "levelling"]
)
def test_growth_without_noise_is_growth_whatever_its_curve(curve):
    """Memory hardly swings at all: of what is left beside a curve each resembles the next, and yet nobody doubts it."""
    smooth = 24 * curve(np.linspace(0, 1, 40)) + 0.05 * alike(1, 40, 0.0)
    assert slope_of(points(smooth)).low > 0


def zigzag(count):
    """Neighbours are as unlike as can be, which no interval is made wider for; no two of the pairs have the same slope."""
    return [(-1) ** number * 10 + math.sqrt(number * 37 % 101) for number in range(count)]


def slopes_of(series):
    """Of all pairs, ascending."""
    return sorted((after - before) / (there - here) for (here, before), (there, after) in combinations(series, 2))


@pytest.mark.parametrize(("confidence", "low", "high"), [(0.95, 64, 127), (0.99, 55, 136), (1 - 1e-12, 1, 190)])
def test_the_interval_of_independent_values_is_that_of_sen(confidence, low, high):
    """Of twenty values there are 190 slopes, and S varies by 20 x 19 x 45 / 18 = 950.

    95 %: (190 - 1.960 x 30.82) / 2 = 64.8, (190 + 1.960 x 30.82) / 2 = 125.2, and the next one above: from the 64th to the 127th.
    99 %: 55.3 and 134.7. No certainty is beyond the steepest pair.
    """
    series = points(zigzag(20))
    found, slopes = slope_of(series, confidence), slopes_of(series)
    assert len(set(slopes)) == 190
    assert (found.low, found.high) == pytest.approx((slopes[low - 1], slopes[high - 1]), rel=1e-12)


def test_of_a_wave_it_is_that_of_a_line_of_least_squares_worth_the_fewest_independent_values():
    """It rises as it fell, so that both lines are level; alike by 0.95, values are worth one of (1 + 0.95) / (1 - 0.95) = 39."""
    series = points(np.cos(np.linspace(-math.pi, math.pi, 40)))
    line = stats.linregress(*zip(*series, strict=True))
    half = stats.t.ppf(0.975, 38) * line.stderr * math.sqrt(39)
    found = slope_of(series)
    assert (found.value, line.slope) == pytest.approx((0, 0), abs=1e-12)
    assert (found.low, found.high) == pytest.approx((-half, half), rel=1e-9)


def variance_by_hand(residuals):
    """How many times as much S varies as that of independent values does: of ranks, beside the parabola that fits them best."""
    count = len(residuals)
    ranks = stats.rankdata(np.round(residuals, 9))
    left = ranks - np.polyval(np.polyfit(range(count), ranks, 2), range(count))
    alike = (np.dot(left[1:], left[:-1]) / np.dot(left, left) + 3 / count) / (1 - 8 / count)
    return (1 + max(0, alike)) / (1 - max(0, alike))


@pytest.mark.parametrize("step", [0.0, 0.1, 0.03], ids=["distinct", "few", "tied"])
@pytest.mark.parametrize("seed", range(4))
def test_the_interval_is_wider_by_how_much_the_ranks_of_neighbours_are_alike(seed, step):
    """Of small numbers, some of them equal: every bound is the rank that another way of reckoning gives."""
    values = 0.1 * alike(seed, 60, 0.3)
    series = points(np.round(values / step) * step if step else values, 1.0)
    slopes = slopes_of(series)
    inflation = variance_by_hand(np.array([value - np.median(slopes) * at for at, value in series]))
    assert 1.2 < inflation < 6
    half = 1.959964 / 2 * math.sqrt(inflation * 60 * 59 * 125 / 18)
    found = slope_of(series)
    expected = slopes[math.floor(len(slopes) / 2 - half) - 1], slopes[math.ceil(len(slopes) / 2 + half)]
    assert (found.low, found.high) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("seed", "correlation", "ranks"), [(47, 0.4, True), (0, 0.4, True), (29, 0.5, False)])
def test_ranks_bound_what_is_worth_ten_independent_values_and_residuals_what_is_worth_fewer(seed, correlation, ranks):
    """Sixty values are worth 10.8, 10.1 and 9.2."""
    series = points(alike(seed, 60, correlation), 1.0)
    slopes = slopes_of(series)
    residuals = np.array([value - np.median(slopes) * at for at, value in series])
    inflation = variance_by_hand(residuals)
    assert (60 / inflation > 10) == ranks
    half = stats.t.ppf(0.975, 58) * np.std(residuals) / np.std(range(60)) * math.sqrt(inflation / 58)
    found = slope_of(series)
    assert (found.high - found.value == pytest.approx(half, rel=1e-9)) != ranks


@pytest.mark.parametrize("three", [False, True], ids=["two values", "three values"])
def test_a_few_values_that_come_again_and_again_share_their_mean_rank(three):
    """Most pairs are equal, so that nothing grows, and a bound tells how much the ranks of neighbours are alike."""
    values = np.zeros(60)
    values[[*range(8, 11), *range(34, 37)]] = 1.0
    values[[11, 37]] = 0.5 if three else 0.0
    inflation = variance_by_hand(values)
    assert 6 < inflation < 39
    half = stats.t.ppf(0.975, 58) * np.std(values) / np.std(range(60)) * math.sqrt(inflation / 58)
    found = slope_of(points(values, 1.0))
    assert (found.value, found.low, found.high) == pytest.approx((0.0, -half, half), rel=1e-9)


finite = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))


@given(st.lists(finite, min_size=15, max_size=40), st.floats(0.1, 100), st.floats(-50, 50))
def test_other_units_and_a_slope_that_is_added_move_it_as_they_should(values, factor, added):
    found = slope_of(points(values, 1.0))
    assert found.low <= found.value <= found.high
    scaled = slope_of(points([factor * value for value in values], 1.0))
    assert scaled.value == pytest.approx(found.times(factor).value, rel=1e-6, abs=1e-6)
    tilted = slope_of(points([value + added * at for at, value in enumerate(values)], 1.0))
    assert tilted.value == pytest.approx(found.value + added, rel=1e-6, abs=1e-6)


@given(st.lists(finite, min_size=15, max_size=40), st.floats(0.5, 0.9), st.floats(0.9, 0.999))
def test_more_certainty_is_a_wider_interval(values, less, more):
    narrow, wide = (slope_of(points(values), confidence) for confidence in (less, more))
    assert wide.low <= narrow.low
    assert narrow.high <= wide.high
