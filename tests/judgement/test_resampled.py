"""Figures of pairs of turns that are missing, infinite, or those of nobody."""

import math

import numpy as np
import pytest

from entrypoint.judgement.resampled import OfEndpoint, difference, log_of
from entrypoint.measurement.metrics import METRICS

from .pairing import noisy, pairs_of, side


@pytest.mark.parametrize(("value", "log"), [(1.0, 0.0), (0.0, -math.inf), (math.inf, math.inf), (math.nan, math.inf)])
def test_a_missing_figure_is_as_bad_as_an_infinite_one_and_zero_is_as_small_as_can_be(value, log):
    assert log_of(value) == log


@pytest.mark.parametrize(
    ("ours", "theirs", "apart"),
    [(3.0, 2.0, 1.0), (math.inf, 2.0, math.inf), (math.inf, math.inf, 0.0), (-math.inf, -math.inf, 0.0)],
)
def test_two_figures_that_are_infinite_alike_do_not_differ(ours, theirs, apart):
    assert difference(ours, theirs) == apart


def test_of_an_endpoint_that_nobody_was_asked_for_nothing_is_known():
    """No pair has it, or pairs know its name and no request."""
    nothing = side(np.zeros((20, 0)))
    pairs = pairs_of({"GET /": (side(noisy(20)), side(noisy(20))), "GET /unasked": (nothing, nothing)})
    for name in ("GET /other", "GET /unasked"):
        found = OfEndpoint(pairs, name, lambda count: np.ones((1, count), np.intp))
        assert (found.count(METRICS["p50"]), found.value(METRICS["p50"]), found.logs) == (0, None, {})
        assert found.lacks(METRICS["p50"], 12) == ""
