"""Where a level changed: rarely claimed of what never changed, found where it did."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrypoint.history.levels import SHORTEST, change_of, find_levels

values = st.lists(st.integers(1, 10**6).map(float) | st.just(math.inf), max_size=60)


def noisy(levels, seed=1, spread=0.05):
    draw = random.Random(seed)
    return [level * math.exp(draw.gauss(0, spread)) for level in levels]


@pytest.mark.parametrize("count", [12, 25, 60])
def test_what_never_changed_is_left_alone(count):
    """2000 series with a heavy tail, at an error of 5 %: at most 5 % of them, and three standard deviations of chance."""
    draw = random.Random(count)
    wrong = 0
    for _ in range(2000):
        tail = [math.exp(0.05 * draw.gauss(0, 1) / max(0.05, draw.random())) for _ in range(count)]
        wrong += len(find_levels(tail, 0.05, 0.0)) > 1

    assert wrong <= 2000 * 0.05 + 3 * math.sqrt(2000 * 0.05 * 0.95)


@pytest.mark.parametrize(
    ("before", "after"), [(30, 6), (6, 30), (15, 15), (60, 6)], ids=["late", "early", "half way", "late in a long one"]
)
@pytest.mark.parametrize("to", [58.0, 29.0, math.inf])
def test_a_step_is_found_where_it_is(before, after, to):
    found = find_levels(noisy([41.0] * before + [to] * after), 0.01, 0.02)

    assert [(level.begin, level.end) for level in found] == [(0, before), (before, before + after)]
    assert found[0].value == pytest.approx(41, rel=0.05)
    assert found[1].value == pytest.approx(to, rel=0.05)


@pytest.mark.parametrize("begin", [12, 40, 68])
def test_a_level_that_came_and_went_is_found_in_a_long_history(begin):
    found = find_levels(noisy([41.0] * begin + [58.0] * 10 + [41.0] * (80 - begin)), 0.01, 0.02)

    assert [level.begin for level in found] == [0, begin, begin + 10]


def test_three_steps_are_three():
    found = find_levels(noisy([40.0] * 15 + [60.0] * 15 + [50.0] * 15 + [80.0] * 15), 0.01, 0.02)

    assert [level.begin for level in found] == [0, 15, 30, 45]


def test_an_outlier_is_no_level():
    series = noisy([41.0] * 40)
    series[17] = series[30] = 900.0

    assert len(find_levels(series, 0.01, 0.0)) == 1


def test_a_change_too_small_to_act_on_is_not_told_however_certain():
    series = noisy([41.0] * 40 + [41.4] * 40, spread=0.0005)

    assert len(find_levels(series, 0.01, 0.0)) == 2
    assert [(level.begin, level.end) for level in find_levels(series, 0.01, 0.02)] == [(0, 80)]


def test_too_few_values_say_nothing():
    assert find_levels([], 0.05, 0.0) == ()
    for count in range(1, 2 * SHORTEST + 2):
        assert len(find_levels([1.0] * (count // 2) + [100.0] * (count - count // 2), 0.05, 0.0)) == 1


@given(values, st.sampled_from([0.05, 0.5, 1.0]))
@settings(deadline=None, max_examples=200)
def test_levels_cover_every_value_once_and_none_is_shorter_than_it_may_be(series, error):
    found = find_levels(series, error, 0.0)

    assert [level.begin for level in found[1:]] == [level.end for level in found[:-1]]
    assert (found[0].begin, found[-1].end) == (0, len(series)) if series else found == ()
    assert len(found) == 1 or all(level.end - level.begin >= SHORTEST for level in found)
    assert all(level.value in series for level in found)


@given(values)
@settings(deadline=None, max_examples=100)
def test_whether_there_is_a_change_is_a_question_of_order_alone(series):
    """A unit, a square or any other rising scale brings no level and takes none."""
    squares = [value**2 for value in series]

    assert len(find_levels(series, 0.5, 0.0)) == len(find_levels(squares, 0.5, 0.0))


@given(values, st.sampled_from([1 / 1024, 1024.0]))
@settings(deadline=None, max_examples=100)
def test_a_unit_moves_no_cut(series, unit):
    scaled = [value * unit for value in series]

    assert [one.begin for one in find_levels(series, 0.5, 0.0)] == [one.begin for one in find_levels(scaled, 0.5, 0.0)]


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        (40, 50, 0.25),
        (0, 0, 0),
        (0, 0.1, math.inf),
        (5, math.inf, math.inf),
        (math.inf, 5, -1),
        (math.inf, math.inf, 0),
    ],
)
def test_a_change_is_relative_and_never_a_division_by_nothing(before, after, change):
    assert change_of(before, after) == pytest.approx(change)
