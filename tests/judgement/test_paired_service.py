"""Side by side: CPU time for each success, from the turns of pairs."""

import math

import numpy as np
import pytest

from entrypoint.judgement.model import Status
from entrypoint.judgement.paired import FEWEST_PAIRS, Paired
from entrypoint.judgement.wording import sentence
from entrypoint.measurement.metrics import METRICS, SERVICE
from entrypoint.measurement.pairs import Ratio, joined

from .pairing import judged, lucky, pairs_of, ratio

CPU = "cpu-per-request"
ASKED = {"endpoint": SERVICE, CPU: {"max-increase": "5%"}}


def row(ours, theirs, *thresholds, **options):
    """The row of two sides."""
    rows, comparison = judged({}, *thresholds, service={CPU: (ours, theirs)}, **options)
    return rows[SERVICE, CPU], comparison


def one(factor=1.0, *thresholds, **luck):
    ours, theirs = lucky(**luck)
    return row(ratio(ours * factor), ratio(theirs), *thresholds)[0]


def test_more_work_is_found_and_accused_where_a_threshold_asks():
    more = one(1.20, ASKED)

    assert more.status is Status.REGRESSED
    assert more.change == pytest.approx(0.20, abs=0.03)
    assert more.interval[0] < 0.20 < more.interval[1]
    assert sentence(more).startswith("CPU time for each success of the service rose from 8.")


def test_the_same_work_is_acquitted_where_a_threshold_asks():
    assert one(1.0, ASKED).status is Status.UNCHANGED


def test_without_a_threshold_it_is_shown_and_judges_nothing():
    ours, theirs = lucky()
    shown, comparison = row(ratio(2 * ours), ratio(theirs))

    assert (shown.status, shown.gated, comparison.rows) == (Status.REPORTED, False, 0)
    assert shown.baseline == pytest.approx(8.0, rel=0.1)
    assert shown.interval[0] < shown.change < shown.interval[1]
    assert shown.resolution > 0


def test_the_estimate_is_the_ratio_of_sums_and_not_the_mean_of_ratios():
    ours = Ratio(np.tile([100.0, 900.0], 10), np.tile([10.0, 100.0], 10))
    theirs = Ratio(np.tile([100.0, 800.0], 10), np.tile([20.0, 100.0], 10))

    assert row(ours, theirs)[0].change == pytest.approx((1000 / 110) / (900 / 120) - 1)


def test_what_both_turns_of_a_pair_share_does_not_widen_the_interval():
    calm, rough = (one(1.0, shared=shared).interval for shared in (0.0, 0.4))

    assert np.ptp(rough) < 1.5 * np.ptp(calm)
    assert np.ptp(one(1.0, own=0.15).interval) > 3 * np.ptp(calm)


def test_the_interval_covers_the_truth_and_unchanged_work_is_accused_no_more_often_than_promised():
    """Of 400 unchanged runs at 5 % on each side about 20 lie beyond each end; more than 35 would be one chance in a thousand."""
    beyond = accused = 0
    for seed in range(400):
        ours, theirs = lucky(pairs=30, seed=seed)
        found, _ = row(ratio(ours), ratio(theirs), {"endpoint": SERVICE, CPU: {"max-increase": "0.1%"}}, rate=0.05)
        beyond += not found.interval[0] <= 0 <= found.interval[1]
        accused += found.status is Status.REGRESSED

    assert 15 <= beyond <= 65
    assert 5 <= accused <= 35


def test_a_pair_in_which_either_is_not_known_is_left_out_of_both():
    ours, theirs = lucky(pairs=30)
    holes, other = ours.copy(), theirs.copy()
    holes[3], other[7] = math.nan, math.nan
    known = np.delete(np.arange(30), [3, 7])

    with_holes, without = row(ratio(holes), ratio(other))[0], row(ratio(ours[known]), ratio(theirs[known]))[0]

    assert (with_holes.candidate, with_holes.baseline) == (
        pytest.approx(without.candidate),
        pytest.approx(without.baseline),
    )
    assert with_holes.interval == pytest.approx(without.interval, abs=0.01)


def test_fewer_than_twelve_known_pairs_judge_nothing_and_say_so():
    ours, theirs = lucky(pairs=30)
    ours[FEWEST_PAIRS - 1 :] = math.nan
    found, _ = row(ratio(2 * ours), ratio(theirs), ASKED)

    assert (found.status, found.gated) == (Status.TOO_FEW, False)
    assert found.note == "11 of the 12 pairs of turns in which it has to be known"
    assert found.candidate is not None


def test_without_counters_there_is_no_figure_and_what_was_asked_for_stays_in_doubt():
    nothing = ratio(np.full(30, math.nan))

    assert (SERVICE, CPU) not in judged({}, service={CPU: (nothing, nothing)})[0]
    asked = row(nothing, nothing, ASKED)[0]
    assert (asked.status, asked.gated) == (Status.UNRESOLVED, True)
    assert "could not be read" in asked.note


def test_generations_are_joined_and_one_without_counters_adds_nothing():
    first, second = (pairs_of({}, {CPU: tuple(map(ratio, lucky(pairs=20, seed=seed)))}) for seed in (1, 2))
    blind = pairs_of({}, {"other": (ratio(np.ones(20)), ratio(np.ones(20)))})
    both = joined([first, blind, second])

    assert both.known_of_service(CPU).tolist() == [True] * 20 + [False] * 20 + [True] * 20
    (ours, _), (again, _) = first.of_service(CPU), second.of_service(CPU)
    expected = (ours.amount.sum() + again.amount.sum()) / (ours.count.sum() + again.count.sum())
    assert both.figures_of_service()[CPU] == pytest.approx(expected)


def test_who_begins_is_estimated_and_an_effect_that_would_change_the_judgement_resolves_nothing():
    ours, theirs = lucky(own=0.005)
    begins = np.arange(40) % 4 % 3 == 0
    favoured = row(ratio(ours * np.where(begins, 1.0, 1.16)), ratio(theirs), ASKED)[0]

    assert favoured.order_effect == pytest.approx(math.sqrt(1 / 1.16) - 1, abs=0.01)
    assert favoured.status is Status.UNRESOLVED
    assert "first turn" in favoured.note


def test_who_begins_is_known_of_the_pairs_that_are_left():
    ours, theirs = lucky(own=0.005)
    begins = np.arange(40) % 4 % 3 == 0
    favoured = ours * np.where(begins, 1.0, 1.16)
    favoured[[0, 5, 6]] = math.nan

    assert row(ratio(favoured), ratio(theirs))[0].order_effect == pytest.approx(math.sqrt(1 / 1.16) - 1, abs=0.01)


def test_what_is_in_doubt_says_how_much_longer_would_tell():
    doubtful = one(1.03, ASKED, own=0.08)

    assert doubtful.status is Status.UNRESOLVED
    assert doubtful.time_to_tell > 1


def test_a_service_that_used_nothing_at_all_gives_a_verdict_and_no_crash():
    nothing, something = ratio(np.zeros(20)), ratio(np.ones(20))

    assert row(nothing, something, ASKED)[0].status is Status.IMPROVED
    assert row(something, nothing, ASKED)[0].status
    assert row(nothing, nothing, ASKED)[0].status is Status.UNCHANGED


def test_swapping_the_sides_mirrors_the_change():
    ours, theirs = lucky(seed=5)
    there, back = row(ratio(ours * 1.1), ratio(theirs))[0], row(ratio(theirs), ratio(ours * 1.1))[0]

    assert (1 + there.change) * (1 + back.change) == pytest.approx(1)
    assert (1 + there.interval[0]) * (1 + back.interval[1]) == pytest.approx(1)


def test_the_base_s_endpoints_do_not_have_the_service_among_them():
    reference = Paired(pairs_of({}, {CPU: tuple(map(ratio, lucky()))}))

    assert list(reference.endpoints()) == []
    assert reference.judges(SERVICE, METRICS[CPU])
    assert not reference.judges(SERVICE, METRICS["time-to-ready"])
