"""The statistics against scipy's own, and at their edges."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from entrypoint.judgement.significance import (
    exact_interval,
    lower_rank,
    more_than_baseline,
    more_than_limit,
    occasions_to_tell,
    t_quantile,
    tells,
    time_to_tell,
    time_to_tell_by_pairs,
)

COUNTS = st.integers(0, 300)


@given(failures=COUNTS, others=COUNTS, limit=st.floats(0, 1))
def test_more_failures_than_a_limit_is_scipy_s_exact_tail(failures, others, limit):
    requests = failures + others
    assert more_than_limit(failures, requests, limit) == pytest.approx(
        stats.binom.sf(failures - 1, requests, limit), rel=1e-6, abs=1e-60
    )


def test_no_failure_proves_nothing_and_one_proves_that_none_is_not_the_rule():
    assert more_than_limit(0, 100, 0.0) == more_than_limit(0, 100, 0.5) == more_than_limit(0, 0, 0.5) == 1.0
    assert more_than_limit(1, 100, 0.0) == 0.0
    assert more_than_limit(100, 100, 1.0) == 1.0


@given(worse=COUNTS, others=COUNTS, base_worse=COUNTS, base_others=COUNTS)
def test_more_than_the_baseline_is_scipy_s_exact_tail(worse, others, base_worse, base_others):
    count, base_count = worse + others, base_worse + base_others
    exact = stats.hypergeom.sf(worse - 1, count + base_count, worse + base_worse, count) if count + base_count else 1.0
    found = more_than_baseline(worse, count, base_worse, base_count)

    assert found == pytest.approx(exact, rel=1e-6, abs=1e-12)
    assert 0 <= found <= 1


@pytest.mark.parametrize("counts", [(0, 50, 5, 50), (0, 0, 5, 50), (7, 50, 0, 0), (0, 0, 0, 0), (1, 1, 1, 1)])
def test_where_one_side_has_nothing_to_show_nothing_is_proven(counts):
    assert more_than_baseline(*counts) == pytest.approx(1.0)


@pytest.mark.parametrize(("found", "of"), [(0, 20), (1, 20), (7, 300), (19, 20), (20, 20)])
@pytest.mark.parametrize("confidence", [0.95, 0.99])
def test_what_a_count_proves_is_the_interval_of_clopper_and_pearson(found, of, confidence):
    exact = stats.binomtest(found, of).proportion_ci(confidence, method="exact")
    assert exact_interval(found, of, confidence) == pytest.approx((exact.low, exact.high))


def test_the_interval_of_a_count_has_95_percent_unless_another_is_asked():
    assert exact_interval(7, 300) == exact_interval(7, 300, 0.95)


@pytest.mark.parametrize(
    ("worse", "half", "told"),
    [
        (0.25, 0.20, True),  # beyond the threshold, clear of no change
        (0.25, 0.25, False),  # no change is in it
        (0.20, 0.15, False),  # an allowed change is allowed
        (-0.25, 0.20, True),  # as much better
        (-0.25, 0.50, False),
        (0.10, 0.05, True),  # wholly below the threshold
        (0.10, 0.10, False),  # up to it
        (-0.10, 0.25, True),  # whether better or not, it is not worse
        (0.10, 0.15, False),
    ],
)
def test_an_interval_tells_beyond_the_threshold_or_wholly_below(worse, half, told):
    assert tells(worse, half, 0.20) is told


def test_the_rank_that_bounds_a_quantile_is_allowed_the_whole_of_alpha():
    # All of seven lie above the median in one case of 128.
    assert lower_rank(7, 0.5, 1 / 128) == 1
    assert lower_rank(7, 0.5, 1 / 129) == 0
    assert lower_rank(0, 0.5, 0.01) == 0
    assert lower_rank(1, 0.001, 0.9999) == 1


@given(requests=st.integers(0, 200), p=st.sampled_from([0.5, 0.9, 0.95]), alpha=st.floats(1e-6, 0.5))
def test_the_rank_that_bounds_a_quantile_is_the_highest_that_does(requests, p, alpha):
    rank = lower_rank(requests, p, alpha)
    assert 0 <= rank <= requests
    assert rank == 0 or stats.binom.cdf(rank - 1, requests, p) <= alpha * (1 + 1e-9)
    assert stats.binom.cdf(rank, requests, p) > alpha * (1 - 1e-9)


def test_the_occasions_that_would_tell_are_the_first_whose_interval_does():
    worse, threshold, sd, missing, alpha = 0.05, 0.25, 0.04, 0.001, 0.003
    found = occasions_to_tell(worse, threshold, sd, missing, alpha, range(5, 21))

    def half(count):
        return stats.t.ppf(1 - alpha, count - 1) * math.sqrt(sd**2 * (1 + 1 / count) + missing)

    assert found == next(count for count in range(5, 21) if worse + half(count) < threshold)
    assert 5 < found < 20
    # On the edge of what found occasions tell: a little more noise of either kind asks for more of them.
    room = threshold - half(found) - 1e-9
    assert occasions_to_tell(room, threshold, sd, missing, alpha, range(5, 21)) == found
    assert occasions_to_tell(room + 2e-9, threshold, sd, missing, alpha, range(5, 21)) == found + 1


def test_the_time_that_would_tell_a_share_is_at_least_twice_and_at_most_a_hundred_times():
    assert time_to_tell(60, 1000, 0.01, 0.01) == 2
    assert time_to_tell(2, 100, 0.01, 0.01) == next(
        n for n in range(2, 101) if stats.binom.sf(2 * n - 1, 100 * n, 0.01) <= 0.01
    )
    # As likely as it is allowed to be: one failure in two requests at a limit of one half, twice.
    assert time_to_tell(1, 1, 0.5, 0.25) == 2

    last = more_than_limit(100 * 11, 100 * 1000, 0.01)
    assert time_to_tell(11, 1000, 0.01, last) == 100
    assert time_to_tell(11, 1000, 0.01, last * 0.999) is None


def test_the_time_that_would_tell_by_pairs_is_at_least_twice_and_at_most_a_hundred_times():
    assert time_to_tell_by_pairs(0.0, 0.1, 0.05) == 2
    assert time_to_tell_by_pairs(0.0, 0.1, 0.1 * math.sqrt(7.5)) == 8
    assert time_to_tell_by_pairs(0.0, 0.1, 0.999) == 100
    assert time_to_tell_by_pairs(0.0, 0.1, 1.001) is None


def test_the_quantile_of_t_is_scipy_s():
    assert t_quantile(0.995, 7) == pytest.approx(stats.t.ppf(0.995, 7))
