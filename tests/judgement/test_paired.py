"""Side by side: a verdict from pairs of turns."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from entrypoint.judgement.comparison import compare
from entrypoint.judgement.model import Status
from entrypoint.judgement.paired import FEWEST_PAIRS, Paired
from entrypoint.measurement.metrics import METRICS, SERVICE, nearest_rank

from .pairing import candidate_of, judged, noisy, pairs_of, ratio, side

TIGHT = {"endpoint": "*", "p50": {"max-increase": "5%"}, "p95": {"max-increase": "5%"}}


def one(ours, theirs, *thresholds, **options):
    return judged({"GET /": (ours, theirs)}, *thresholds, **options)[0]


def test_a_service_that_is_ten_percent_slower_is_accused_and_the_unchanged_one_is_acquitted():
    times = noisy(base_ms=100.0)  # a tenth of it is beyond the floor of 1 ms

    slower = one(side(times * 1.10), side(times), TIGHT)["GET /", "p50"]
    same = one(side(times * 1.01), side(times), TIGHT)["GET /", "p50"]

    assert slower.status is Status.REGRESSED
    assert slower.change == pytest.approx(0.10)
    assert same.status is Status.UNCHANGED


def test_the_estimate_is_the_ratio_of_pooled_nearest_ranks():
    ours, theirs = noisy(seed=1), noisy(seed=2)
    rows = one(side(ours), side(theirs))

    for key, p in (("p50", 0.50), ("p90", 0.90), ("p95", 0.95), ("p99", 0.99)):
        expected = nearest_rank(np.sort(ours.ravel()), p) / nearest_rank(np.sort(theirs.ravel()), p) - 1
        assert rows["GET /", key].change == pytest.approx(expected)


def test_independent_noise_accuses_nobody_and_says_what_it_could_have_seen():
    rows = one(side(noisy(seed=1)), side(noisy(seed=2)), TIGHT)

    for key in ("p50", "p95"):
        assert rows["GET /", key].status in (Status.UNCHANGED, Status.UNRESOLVED)
        low, high = rows["GET /", key].interval
        assert low < 0 < high
        assert rows["GET /", key].resolution > high - rows["GET /", key].change > 0


def test_the_interval_is_as_wide_as_the_luck_of_pairs_and_not_only_of_requests():
    """Requests of one turn share its luck: shuffled over the pairs, the same times look surer than they are."""
    random = np.random.default_rng(3)
    lucky = 10 * np.exp(random.normal(0, 0.02, (45, 40)) + random.normal(0, 0.2, (45, 1)))
    shuffled = random.permutation(lucky.ravel()).reshape(lucky.shape)
    other = noisy(seed=4, spread=0.02)

    width = [np.ptp(one(side(times), side(other))["GET /", "p50"].interval) for times in (lucky, shuffled)]

    assert width[0] > 1.5 * width[1]


def test_a_stall_in_one_segment_of_ten_is_seen_in_the_tail():
    times = noisy(pairs=45, each=40)
    stalled = times.copy()
    stalled[::10, :] += 1000.0

    row = one(side(stalled), side(times), TIGHT)["GET /", "p95"]

    assert row.change > 10
    assert row.status in (Status.REGRESSED, Status.UNRESOLVED)


def test_default_thresholds_are_those_of_side_by_side():
    rows = one(side(noisy()), side(noisy()))

    assert (rows["GET /", "p50"].threshold, rows["GET /", "p95"].threshold) == (0.10, 0.25)


def test_fewer_than_twelve_pairs_gate_nothing_and_are_named():
    times = noisy(pairs=FEWEST_PAIRS - 1)
    rows, comparison = judged({"GET /": (side(times * 2), side(times))})

    assert rows["GET /", "p50"].status is Status.TOO_FEW
    assert rows["GET /", "p50"].note == "11 of the 12 pairs of turns it needs"
    assert comparison.rows == 1  # the failures alone


def test_twelve_pairs_are_enough():
    times = noisy(pairs=FEWEST_PAIRS)
    row = one(side(times * 2), side(times))["GET /", "p50"]
    assert (row.status, row.gated) == (Status.REGRESSED, True)


def test_the_interval_is_student_s_with_a_degree_of_freedom_for_each_pair_but_one():
    """The resolution adds the distance at which 95 % of changes are seen, of the same distribution and standard error."""
    rows, comparison = judged({"GET /": (side(noisy(15, seed=1)), side(noisy(15, seed=2)))})
    row = rows["GET /", "p50"]
    half = math.log1p(row.interval[1]) - math.log1p(row.change)
    power = math.log1p(row.resolution) - half
    assert half / power == pytest.approx(stats.t.ppf(1 - comparison.alpha, 14) / stats.t.ppf(0.95, 14))


def test_a_row_with_too_few_requests_stands_outside_the_count():
    rare, usual = noisy(pairs=45, each=1), noisy(pairs=45, each=40)
    rows, comparison = judged({"GET /rare": (side(rare), side(rare)), "GET /": (side(usual), side(usual))})

    assert rows["GET /rare", "p95"].status is Status.TOO_FEW
    assert not rows["GET /rare", "p95"].gated
    assert comparison.rows == sum(row.gated for row in rows.values())


def test_the_one_who_lost_most_requests_is_not_excused():
    """A closed load asks a slow service less often: what even the bound shows is accused."""
    usual, slow = noisy(pairs=45, each=40), noisy(pairs=45, each=1, base_ms=2000.0)

    rows = one(side(slow), side(usual))

    assert rows["GET /", "p95"].status is Status.REGRESSED
    assert "at least" in rows["GET /", "p95"].note


def test_an_endpoint_that_only_one_side_has_is_named():
    times, nothing = noisy(), np.zeros((45, 0))
    both = (side(times), side(times))
    rows, _ = judged(
        {"GET /": both, "GET /gone": (side(nothing), side(times)), "GET /new": (side(times), side(nothing))}
    )

    assert rows["GET /gone", "p50"].status is Status.MISSING
    assert rows["GET /new", "p50"].status is Status.NEW


def test_failures_beyond_a_percentile_make_it_worse_without_bound():
    times = noisy(pairs=45, each=40)
    failing = [number for number in range(1800) if number % 10 == 0]

    rows = one(side(times, failing), side(times))

    assert rows["GET /", "p95"].status is Status.REGRESSED
    assert rows["GET /", "p95"].change == math.inf
    assert rows["GET /", "failures"].status is Status.OVER_LIMIT
    turned = one(side(times), side(times, failing))
    assert turned["GET /", "p95"].status is Status.IMPROVED


def test_where_both_fail_beyond_a_percentile_nothing_can_be_told():
    times = noisy(pairs=45, each=40)
    failing = [number for number in range(1800) if number % 10 == 0]

    assert one(side(times, failing), side(times, failing))["GET /", "p95"].status is Status.UNRESOLVED


def test_who_begins_is_estimated_and_a_large_effect_resolves_nothing():
    times, begins = noisy(), np.arange(45) % 4 % 3 == 0
    favoured = times * np.where(begins, 0.8, 1.25)[:, None]

    row = one(side(favoured), side(times))["GET /", "p50"]

    assert row.order_effect == pytest.approx(math.sqrt(0.8 / 1.25) - 1, abs=0.03)
    assert abs(one(side(times), side(times))["GET /", "p50"].order_effect) < 1e-9


def ordered(by_candidate, by_base):
    """Rows of a service that is so many times as slow in the turns it begins, and in the others."""
    times, begins = noisy(spread=0.3, base_ms=100.0), np.arange(45) % 4 % 3 == 0
    return one(side(times * np.where(begins, by_candidate, by_base)[:, None]), side(times), TIGHT)["GET /", "p50"]


def test_an_order_effect_that_would_change_the_judgement_resolves_nothing():
    """Slower on the whole, but hardly in the turns that the candidate begins."""
    row = ordered(1.02, 1.14)

    assert row.status is Status.UNRESOLVED
    assert "first turn" in row.note
    assert row.order_effect < -0.03


def test_an_order_effect_does_not_excuse_who_is_slower_in_any_order():
    row = ordered(1.8, 2.2)

    assert row.order_effect < -0.05
    assert row.status is Status.REGRESSED


def test_an_endpoint_that_the_base_never_answered_is_no_improvement():
    times = noisy()
    rows = one(side(times), side(times, range(1800)))

    assert rows["GET /", "p50"].status is Status.TOO_FEW
    assert rows["GET /", "p50"].note == "every request to the base failed"


def test_only_pairs_in_which_both_were_asked_count():
    """All requests of an endpoint in three of 45 pairs: three pieces of luck, not 45."""
    times = noisy(pairs=3, each=200)
    few = side(times, pairs=45)
    usual = (side(noisy()), side(noisy()))

    rows, _ = judged({"GET /": usual, "GET /burst": (few, few)})

    assert rows["GET /burst", "p50"].status is Status.TOO_FEW
    assert rows["GET /burst", "p50"].note == "3 of the 12 pairs of turns it needs"


def test_a_pair_in_which_only_one_was_asked_says_nothing_of_the_other():
    """The candidate in the first 14 of 20 pairs, the base in the last 14: both in eight."""
    late = side(noisy(14), pairs=20)
    rows = one(side(noisy(14), pairs=20), replace(late, pair=late.pair + 6))
    assert rows["GET /", "p50"].note == "8 of the 12 pairs of turns it needs"


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), pairs=st.integers(1, 30), each=st.integers(1, 30), scale=st.floats(1e-3, 1e3))
def test_a_run_compared_with_itself_is_never_a_regression_or_an_improvement(seed, pairs, each, scale):
    times = noisy(pairs, each, seed) * scale
    rows = one(side(times), side(times), TIGHT)

    assert not {row.status for row in rows.values()} & {Status.REGRESSED, Status.IMPROVED, Status.OVER_LIMIT}


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), factor=st.floats(0.5, 2.0))
def test_swapping_the_sides_mirrors_every_change(seed, factor):
    ours, theirs = noisy(20, 20, seed) * factor * 10, noisy(20, 20, seed + 1) * 10
    mirrored = {Status.REGRESSED: Status.IMPROVED, Status.IMPROVED: Status.REGRESSED}

    there, back = one(side(ours), side(theirs)), one(side(theirs), side(ours))

    for key in ("p50", "p95", "mean"):
        one_way, other = there["GET /", key], back["GET /", key]
        assert (1 + one_way.change) * (1 + other.change) == pytest.approx(1)
        assert (1 + one_way.interval[0]) * (1 + other.interval[1]) == pytest.approx(1)
        if one_way.status in mirrored:
            assert other.status is mirrored[one_way.status]


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(0.1, 100))
def test_scaling_all_times_changes_no_ratio(seed, scale):
    ours, theirs = noisy(15, 15, seed), noisy(15, 15, seed + 1)
    plain, scaled = one(side(ours), side(theirs)), one(side(ours * scale), side(theirs * scale))

    for key in ("p50", "p95"):
        assert scaled["GET /", key].change == pytest.approx(plain["GET /", key].change, abs=1e-9)
        assert scaled["GET /", key].interval == pytest.approx(plain["GET /", key].interval, abs=1e-9)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), failing=st.sets(st.integers(0, 399), max_size=120))
def test_adding_failures_never_improves_a_row(seed, failing):
    order = [
        Status.IMPROVED,
        Status.UNCHANGED,
        Status.WITHIN_LIMIT,
        Status.UNRESOLVED,
        Status.REGRESSED,
        Status.OVER_LIMIT,
    ]
    times = noisy(20, 20, seed)
    without, with_them = one(side(times), side(times)), one(side(times, failing), side(times))

    for key in ("p50", "p95", "failures"):
        assert order.index(with_them["GET /", key].status) >= order.index(without["GET /", key].status)


def test_with_equal_spread_fewer_pairs_widen_the_interval():
    block = noisy(15, 40, seed=5), noisy(15, 40, seed=6)
    few = one(side(block[0]), side(block[1]))["GET /", "p50"]
    many = one(*(side(np.tile(times, (4, 1))) for times in block))["GET /", "p50"]

    assert np.ptp(few.interval) > 1.5 * np.ptp(many.interval)


@pytest.mark.parametrize("value", [0.0, 1e-12, 1e12])
def test_odd_inputs_give_a_verdict_and_no_crash(value):
    odd, usual = np.full((15, 20), value), noisy(15, 20)

    for ours, theirs in ((odd, usual), (usual, odd), (odd, odd)):
        assert all(row.status for row in one(side(ours), side(theirs)).values())


def test_the_same_samples_give_the_same_interval():
    ours, theirs = noisy(seed=1), noisy(seed=2)

    assert one(side(ours), side(theirs)) == one(side(ours), side(theirs))


def test_a_base_with_too_few_requests_says_how_many_it_had():
    """In enough pairs, and too few in all of them for a p95."""
    row = one(side(noisy(12, 40)), side(noisy(12, 10)))["GET /", "p95"]

    assert (row.status, row.note) == (Status.TOO_FEW, "the base had 120 of the 130 requests it needs")


def test_a_base_with_just_enough_requests_is_one_to_be_held_against():
    row = one(side(noisy(13, 10)), side(noisy(13, 10)))["GET /", "p95"]

    assert row.status in (Status.UNCHANGED, Status.UNRESOLVED)
    assert row.change == pytest.approx(0.0)
    # Both sides have just the 130 that a p95 needs, so that the order of turns can be told too.
    assert row.order_effect is not None


@pytest.mark.parametrize(
    ("first", "known"),
    [([], False), ([4], True), (range(19), True), (range(20), False)],
    ids=["never", "once", "all but once", "always"],
)
def test_what_the_first_turn_does_is_known_of_two_who_both_had_it(first, known):
    """In 20 pairs the candidate began these."""
    times = noisy(pairs=20)
    pairs = pairs_of(
        {"GET /": (side(times), side(times))}, {"cpu-per-request": (ratio(times[:, 0]), ratio(times[:, 1]))}
    )
    begun = replace(pairs, candidate_first=np.isin(np.arange(20), first))
    for name, metric in (("GET /", "p50"), (SERVICE, "cpu-per-request")):
        assert (Paired(begun).hold(name, METRICS[metric], 10.0, 0.01).order is not None) == known


def test_a_share_is_judged_by_its_counts_and_by_no_spread_of_pairs():
    reference = Paired(pairs_of({"GET /": (side(noisy()), side(noisy(), [0]))}))
    failures = METRICS["failures"]
    assert reference.share("GET /", failures) == (1, 1800)
    assert not reference.judges("GET /", failures)
    assert reference.hold("GET /", failures, 0.01, 0.01) is None


def test_what_is_not_judged_lacks_nothing():
    times = noisy()
    failed = side(times, range(1800))
    off = one(side(times), failed, {"p50": {"gate": False}, "p99": {"max": "1s"}})
    assert (off["GET /", "p50"].status, off["GET /", "p50"].note) == (Status.REPORTED, "")
    assert (off["GET /", "p99"].status, off["GET /", "p99"].note) == (Status.WITHIN_LIMIT, "")


def test_the_interval_of_any_figure_has_the_luck_of_both_sides():
    """The candidate's alone is as wide, where the base's times hardly differ."""
    calm, lucky = np.full((45, 40), 10.0), noisy(seed=7)

    ours, theirs = (one(*map(side, sides))["GET /", "mean"] for sides in ((lucky, calm), (calm, lucky)))
    assert np.ptp(np.log1p(ours.interval)) == pytest.approx(np.ptp(np.log1p(theirs.interval)))
    assert ours.order_effect is not None


def test_a_service_that_answers_nothing_any_more_has_lost_its_whole_rate():
    times = noisy()
    row = one(side(times, range(1800)), side(times), {"rate": {"max-decrease": "10%"}})["GET /", "rate"]

    assert (row.status, row.change) == (Status.REGRESSED, -1.0)


def test_an_unresolved_row_says_how_many_times_the_pairs_would_resolve_it():
    ours, theirs = noisy(20, seed=1, base_ms=100.0), noisy(20, seed=2, base_ms=100.0)
    row = one(side(ours), side(theirs), {"p95": {"max-increase": "2%"}})["GET /", "p95"]
    assert row.status is Status.UNRESOLVED

    def resolved(times):
        low, high = np.log1p(row.interval)
        middle, half = (low + high) / 2, (high - low) / 2 / math.sqrt(times)
        return middle + half < math.log(1.02)

    assert row.time_to_tell > 2
    assert resolved(row.time_to_tell)
    assert not resolved(row.time_to_tell - 1)


def test_what_would_resolve_a_row_is_unknown_without_requests_or_pairs():
    times, nothing = noisy(), np.zeros((45, 0))
    few = Paired(pairs_of({"GET /": (side(noisy(3)), side(noisy(3)))}))
    unasked = Paired(pairs_of({"GET /": (side(nothing), side(times))}))
    for reference in (few, unasked):
        assert reference.to_tell("GET /", METRICS["p50"], 0.0, 0.1, 0.01) == {"time_to_tell": None}


def failing_at(share):
    """A service whose p95 some resamples find and others do not: its failures are just about a twentieth."""
    times = noisy(pairs=45, each=40)
    failing = np.random.default_rng(11).permutation(1800)[: round(1800 * share)]
    return one(side(times, failing.tolist()), side(times))["GET /", "p95"]


def test_a_percentile_that_failures_nearly_reach_has_no_bound():
    row = failing_at(0.047)

    assert math.isfinite(row.change)
    assert row.interval == (-1.0, math.inf)
    assert row.resolution == math.inf
    assert row.status is Status.UNRESOLVED


def test_a_percentile_that_failures_just_reach_proves_nothing():
    row = failing_at(0.053)

    assert row.change == math.inf
    assert row.interval == (-1.0, math.inf)
    assert row.status is Status.UNRESOLVED


def test_a_percentile_that_failures_reach_by_far_is_certain():
    times = noisy()
    row = one(side(times, range(0, 1800, 5)), side(times))["GET /", "p95"]

    assert (row.status, row.interval, row.resolution) == (Status.REGRESSED, (math.inf, math.inf), 0.0)


def test_a_bound_of_few_requests_is_better_for_certain_than_a_percentile_out_of_reach():
    """Every fifth request to the base failed, far beyond what a p95 leaves out; the candidate has too few to have one."""
    few = Paired(pairs_of({"GET /": (side(noisy(45, 1)), side(noisy(), range(0, 1800, 5)))}))
    against = few.hold("GET /", METRICS["p95"], 10.0, 0.01)
    assert (against.baseline, against.estimate, against.half, against.resolution) == (math.inf, -math.inf, 0.0, 0.0)


def test_where_every_pair_is_alike_no_order_of_turns_stands_out():
    same = np.full((20, 40), 10.0)
    against = Paired(pairs_of({"GET /": (side(same), side(same))})).hold("GET /", METRICS["p50"], 10.0, 0.01)
    assert (against.half, against.order, against.order_z) == (0.0, 0.0, 0.0)


def test_two_percentiles_out_of_reach_do_not_differ():
    times = noisy()
    row = one(side(times, range(0, 1800, 5)), side(times, range(0, 1800, 5)))["GET /", "p95"]

    assert (row.change, row.baseline, row.candidate) == (0.0, math.inf, math.inf)


def test_the_base_is_drawn_at_the_probabilities_that_the_candidate_is():
    times = noisy()
    pairs = pairs_of({"GET /": (side(times), side(times * 2))})
    ours = candidate_of(pairs).endpoints["GET /"].quantiles
    assert Paired(pairs).quantiles("GET /") == {p: pytest.approx(2 * value) for p, value in ours.items()}


def test_an_endpoint_that_no_pair_has_is_held_against_nothing():
    times = noisy()
    known = Paired(pairs_of({"GET /": (side(times), side(times))}))
    p50, failures = METRICS["p50"], METRICS["failures"]
    assert not known.judges("GET /other", p50)
    assert known.hold("GET /other", p50, 1.0, 0.01) is None
    assert (known.lacks("GET /other", p50), known.share("GET /other", failures)) == ("", (0, 0))
    assert (known.quantiles("GET /other"), known.requests_a_run("GET /other")) == ({}, 0.0)
    assert known.endpoints() == ["GET /"]


def test_figures_of_the_service_are_shown_beside_pairs_and_held_against_none():
    times = noisy()
    pairs = pairs_of({"GET /": (side(times), side(times))})
    found = candidate_of(pairs).model_copy(update={"service": {"total-time": 1500.0}})

    rows = {(row.endpoint, row.metric): row for row in compare(found, Paired(pairs), [], 0.01).changes}

    total = rows[SERVICE, "total-time"]
    assert (total.status, total.gated, total.candidate, total.baseline) == (Status.REPORTED, False, 1500.0, None)
