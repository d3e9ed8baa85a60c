"""The search for the highest level that holds, against services whose capacity is known."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoint.judgement.search import CLOSE, MOST_LEVELS, Bracket, Held, bracket, next_level


def search(first, holds, *, whole=True):
    """The levels that a search holds, given what becomes of each."""
    held = []
    while (level := next_level(first, held, whole=whole)) is not None:
        held.append((level, holds(level)))
        assert len(held) <= MOST_LEVELS
    return held


def levels(first, holds, *, whole=True):
    return [level for level, _ in search(first, holds, whole=whole)]


def up_to(capacity):
    return lambda level: Held.PASSED if level <= capacity else Held.FAILED


def once(level, how, otherwise):
    """What one level does the first time it is held, and what all others do."""
    left = [how]
    return lambda asked: left.pop() if asked == level and left else otherwise(asked)


@given(st.integers(1, 5000), st.integers(1, 200))
def test_users_are_found_within_a_twentieth_or_one(capacity, first):
    found = bracket(search(first, up_to(capacity)), whole=True)
    assert found.passed <= capacity < found.failed
    assert found.failed - found.passed <= max(1, found.passed * (CLOSE - 1) + 1e-9)
    assert found.settled


@given(st.floats(1, 5000), st.floats(0.05, 20))
def test_rates_are_found_within_a_twentieth(capacity, factor):
    found = bracket(search(capacity * factor, up_to(capacity), whole=False), whole=False)
    assert found.passed <= capacity < found.failed
    assert found.failed <= found.passed * CLOSE + 1e-3
    assert found.settled


def test_a_search_that_nothing_stops_ends_after_24_levels():
    assert levels(1, lambda _: Held.PASSED) == [2**number for number in range(24)]


def test_a_rate_below_a_tenth_of_a_request_a_second_is_not_asked_for():
    assert levels(0.8, up_to(0), whole=False) == [0.8, 0.4, 0.2, 0.1, 0.1]
    assert levels(0.15, up_to(0), whole=False) == [0.15, 0.075, 0.075]
    assert levels(0.22, up_to(0), whole=False) == [0.22, 0.11, 0.055, 0.055]


def test_half_of_an_odd_number_of_users_is_a_whole_number():
    assert levels(9, up_to(0)) == [9, 4, 2, 1, 1]


def test_a_level_that_the_generator_could_not_drive_once_and_the_service_did_not_hold_then_is_the_service_s():
    found = bracket([(40.0, Held.PASSED), (80.0, Held.GENERATOR), (80.0, Held.FAILED)], whole=True)
    assert (found.passed, found.failed, found.by_generator) == (40, 80, False)


def test_a_level_that_failed_and_could_not_be_driven_twice_then_is_the_service_s():
    """An overloaded service leaves so much open at once that the generator suffers too."""
    held = [(76, Held.PASSED), (80, Held.FAILED), (76, Held.PASSED), (80, Held.GENERATOR), (80, Held.GENERATOR)]
    assert bracket(held, whole=True) == Bracket(76, 80)


def test_one_bad_second_of_the_generator_is_no_end_of_what_it_can_drive():
    """Time ran out before the level could be held again."""
    assert bracket([(10, Held.PASSED), (20, Held.GENERATOR)], whole=True) == Bracket(10, None)


def test_it_doubles_then_bisects_and_asks_both_ends_again():
    assert levels(10, up_to(45)) == [10, 20, 40, 80, 60, 50, 45, 48, 46, 45, 46]


def test_a_level_that_held_once_by_luck_is_no_capacity():
    found = bracket(search(10, once(48, Held.PASSED, up_to(45))), whole=True)
    assert (found.passed, found.failed) == (45, 46)


def test_a_level_that_failed_once_by_bad_luck_hides_no_capacity():
    """The machine stood still at the very first level; without asking again, a tenth of the capacity would be the answer."""
    found = bracket(search(10, once(10, Held.FAILED, up_to(45))), whole=True)
    assert found.passed <= 45 < found.failed
    assert found.passed >= 43
    assert found.settled


def test_a_level_that_is_split_is_held_a_third_time():
    assert next_level(4, [(4, Held.PASSED), (4, Held.FAILED)], whole=True) == 4


def test_a_level_that_is_split_has_neither_held_nor_failed():
    held = [(10, Held.PASSED), (20, Held.PASSED), (20, Held.FAILED)]
    assert bracket(held, whole=True) == Bracket(10, None)


def test_what_held_above_a_level_that_failed_is_no_capacity():
    held = [(10, Held.PASSED), (20, Held.FAILED), (40, Held.PASSED)]
    assert bracket(held, whole=True) == Bracket(10, 20)


def test_levels_a_twentieth_apart_are_one_answer():
    """There are levels between 100 and 105 users, and nobody asks for them."""
    assert next_level(100, [(100, Held.PASSED), (105, Held.FAILED)], whole=True) == 100
    assert next_level(100, [(100, Held.PASSED), (106, Held.FAILED)], whole=True) == 103


def test_a_rate_between_two_has_three_decimals():
    """It is read by people, and 1.9375 says no more."""
    assert next_level(1.0, [(1.875, Held.PASSED), (2.0, Held.FAILED)], whole=False) == 1.938


def test_a_service_that_holds_nothing_has_none():
    held = search(8, up_to(0))
    assert bracket(held, whole=True) == Bracket(0.0, 1)
    assert [level for level, _ in held] == [8, 4, 2, 1, 1]
    assert not bracket(search(8, up_to(0), whole=False), whole=False).passed


def test_where_the_generator_ends_the_search_goes_as_near_to_it_as_it_can():
    held = search(10, lambda level: Held.GENERATOR if level >= 70 else Held.PASSED)
    assert [level for level, _ in held] == [10, 20, 40, 80, 80, 60, 70, 70, 65, 68, 68]
    assert bracket(held, whole=True) == Bracket(68, None, by_generator=True)


def test_a_service_that_ends_below_the_generator_s_end_has_its_capacity_all_the_same():
    """An overloaded service leaves so much open at once that the generator suffers too."""
    held = search(10, lambda level: Held.GENERATOR if level >= 80 else up_to(45)(level))
    found = bracket(held, whole=True)
    assert (found.passed, found.failed, found.by_generator, found.settled) == (45, 46, False, True)


def test_a_level_that_held_outweighs_a_generator_that_was_disturbed_below_it():
    held = [(10, Held.PASSED), (20, Held.GENERATOR), (20, Held.GENERATOR), (30, Held.PASSED), (31, Held.FAILED)]
    assert not bracket(held, whole=True).by_generator
    same = [(30, Held.PASSED), (31, Held.FAILED), (30, Held.GENERATOR), (30, Held.GENERATOR)]
    assert not bracket(same, whole=True).by_generator
    assert next_level(10, same, whole=True) == 30


def test_a_generator_that_can_drive_nothing_ends_the_search():
    held = search(8, lambda _: Held.GENERATOR)
    assert bracket(held, whole=True) == Bracket(0, None, by_generator=True)
    assert [level for level, _ in held] == [8, 8, 4, 4, 2, 2, 1, 1]


def test_one_bad_second_of_the_generator_ends_no_search():
    found = bracket(search(10, once(20, Held.GENERATOR, up_to(45))), whole=True)
    assert (found.passed, found.failed, found.by_generator) == (45, 46, False)


def test_a_search_that_was_cut_short_is_not_settled():
    held = [(10.0, Held.PASSED), (20.0, Held.FAILED)]
    assert bracket(held, whole=True) == Bracket(10, 20, settled=False)
    assert not bracket([(45.0, Held.PASSED), (46.0, Held.FAILED)], whole=True).settled


def test_a_level_with_too_few_requests_is_doubled_once_and_then_given_up():
    """A slow service answers no more of them at a higher level; a fast one that was asked too little does."""
    assert search(2, lambda _: Held.UNKNOWN) == [(2, Held.UNKNOWN), (4, Held.UNKNOWN)]
    found = bracket(search(2, once(2, Held.UNKNOWN, up_to(45))), whole=True)
    assert (found.passed, found.failed, found.settled) == (44, 46, True)


def test_above_a_level_with_too_few_requests_there_may_be_one_with_enough():
    """Below 60 there are too few to tell; the first level was too high."""
    held = search(100, lambda level: Held.UNKNOWN if level < 60 else up_to(80)(level))
    assert [level for level, _ in held][:3] == [100, 50, 75]
    found = bracket(held, whole=True)
    assert found.passed <= 80 < found.failed
    assert found.settled


def test_between_a_level_with_too_few_requests_and_one_that_failed_users_are_whole():
    assert next_level(10, [(10, Held.FAILED), (5, Held.UNKNOWN)], whole=True) == 8
    assert next_level(10, [(10, Held.FAILED), (5, Held.UNKNOWN)], whole=False) == 7.5


def test_nothing_known_up_to_the_level_that_failed_leaves_the_search_unsettled():
    held = search(10, lambda level: Held.UNKNOWN if 40 < level < 80 else up_to(45)(level))
    assert held[-1][1] is Held.UNKNOWN
    assert bracket(held, whole=True) == Bracket(40, 80)


@pytest.mark.parametrize("whole", [True, False])
def test_noise_never_makes_it_go_on_for_ever(whole):
    chance = random.Random(7)
    for _ in range(200):
        search(16, lambda level: Held.PASSED if chance.random() < 40 / (level + 40) else Held.FAILED, whole=whole)


def test_near_a_soft_edge_searches_agree_within_a_tenth():
    """Whether a level holds is chance between 95 and 105 % of the capacity; 400 searches."""
    chance = random.Random(11)

    def holds(level):
        return Held.PASSED if chance.uniform(0.95, 1.05) * 100 > level else Held.FAILED

    answers = [bracket(search(12, holds, whole=False), whole=False).passed for _ in range(400)]
    assert all(90 <= answer <= 110 for answer in answers)
