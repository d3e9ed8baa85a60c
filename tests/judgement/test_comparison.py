import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from entrypoint.baseline.model import EndpointValues
from entrypoint.judgement.committed import Committed
from entrypoint.judgement.comparison import compare
from entrypoint.judgement.model import Status
from entrypoint.judgement.significance import (
    lower_rank,
    missing_variance,
    more_than_baseline,
    more_than_limit,
    noise_between_occasions,
    occasions_to_tell,
    predict,
    t_quantile,
    time_to_tell,
)
from entrypoint.judgement.thresholds import matches
from entrypoint.judgement.wording import sentence
from entrypoint.measurement.metrics import METRICS
from entrypoint.measurement.model import EndpointMeasurement
from entrypoint.settings.model import Threshold

from .building import group, measurement, several

STEADY = tuple(
    {"p50": 10.0 * factor, "p95": 20.0 * factor}
    for factor in (0.99, 1.0, 1.01, 1.0, 0.995, 1.005, 1.0, 0.99, 1.01, 1.0)
)


def judged(candidate, against, *thresholds, rate=0.01):
    reference = Committed(against) if against else None
    comparison = compare(candidate, reference, [Threshold.model_validate(threshold) for threshold in thresholds], rate)
    return {(change.endpoint, change.metric): change for change in comparison.changes}, comparison


def status(candidate, against, *thresholds, metric="p50"):
    return judged(candidate, against, *thresholds)[0]["GET /", metric].status


@pytest.mark.parametrize(
    ("p50", "expected"),
    [(10.0, Status.UNCHANGED), (11.0, Status.UNCHANGED), (14.0, Status.REGRESSED), (7.0, Status.IMPROVED)],
)
def test_a_row_is_accused_only_beyond_threshold_and_noise(p50, expected):
    assert status(measurement(p50=p50), group(*STEADY)) is expected


def test_near_the_threshold_a_row_is_neither_accused_nor_acquitted():
    change = judged(measurement(p50=12.4), group(*STEADY))[0]["GET /", "p50"]

    assert change.status is Status.UNRESOLVED
    assert change.interval[0] < change.threshold < change.interval[1]


def test_an_unresolved_row_says_how_many_occasions_would_resolve_it():
    noisy = [10.0 * factor for factor in (0.9, 1.1, 0.95, 1.05, 1.0)]
    rows, _ = judged(measurement(p50=9.4), group(*({"p50": p50} for p50 in noisy)))
    unsure = rows["GET /", "p50"]
    assert unsure.status is Status.UNRESOLVED
    assert 5 < unsure.occasions_to_tell <= 20

    # The same noise on that many occasions: the five values again and again have it.
    spread = stats.tstd([math.log(p50) for p50 in noisy])
    count = unsure.occasions_to_tell
    half = stats.t.ppf(1 - 0.01 / 3, count - 1) * spread * math.sqrt(1 + 1 / count)
    assert math.log1p(unsure.change) + half < math.log(1.25)
    assert rows["GET /", "p95"].occasions_to_tell is None


def test_the_occasions_that_would_resolve_a_row_are_more_than_there_are_and_as_many_as_are_kept():
    def more(runs, threshold):
        return Committed(runs).to_tell("GET /", METRICS["p50"], 0.0, threshold, 0.01)["occasions_to_tell"]

    assert [more(group(*[{}] * count), 9.0) for count in (1, 4, 5, 8, 19, 20)] == [5, 5, 6, 9, 20, None]

    # With one occasion the noise is the assumed one, and twenty of that noise resolve just this much.
    last = stats.t.ppf(0.99, 19) * METRICS["p50"].prior_sd * math.sqrt(1 + 1 / 20)
    assert (more(group({}), last * 1.0001), more(group({}), last * 0.9999)) == (20, None)


def test_no_number_of_occasions_resolves_a_row_at_its_threshold():
    assert judged(measurement(p50=12.4), group(*STEADY))[0]["GET /", "p50"].occasions_to_tell is None
    assert occasions_to_tell(0.3, 0.2, 0.5, 0.0, 0.01, range(5, 21)) is None
    assert occasions_to_tell(0.3, 0.2, 0.05, 0.0, 0.01, range(5, 21)) == 5


def test_too_few_requests_say_how_much_longer_would_be_enough():
    rows, _ = judged(measurement(requests=65, p95=None), group(*STEADY, requests=140))
    assert rows["GET /", "p95"].time_to_tell == 2
    assert rows["GET /", "p50"].time_to_tell is None


def test_failures_in_doubt_say_how_much_longer_would_tell():
    change = judged(measurement(requests=100, failures=2), None)[0]["GET /", "failures"]
    assert change.status is Status.UNRESOLVED
    n = change.time_to_tell
    assert more_than_limit(n * 2, n * 100, 0.01) <= 0.01 < more_than_limit((n - 1) * 2, (n - 1) * 100, 0.01)
    assert time_to_tell(1, 100, 0.01, 0.01) is None


def test_the_baseline_s_quantiles_are_made_as_its_metrics_are():
    runs = [
        run.model_copy(update={"endpoints": {"GET /": found.model_copy(update={"quantiles": {"0.5": p50, "1": 50.0}})}})
        for p50, run in zip((8.0, 12.5), group({}, {}).runs, strict=True)
        for found in run.endpoints.values()
    ]
    _, comparison = judged(measurement(), group({}, {}).model_copy(update={"runs": tuple(runs)}))
    assert comparison.quantiles == {"GET /": {"0.5": pytest.approx(10.0), "1": pytest.approx(50.0)}}


def test_a_change_below_the_floor_is_no_change():
    quick = tuple({"p50": run["p50"] / 20} for run in STEADY)

    assert status(measurement(p50=1.0), group(*quick)) is Status.UNCHANGED
    assert status(measurement(p50=1.0), group(*quick), {"p50": {"floor": "0.1ms"}}) is Status.REGRESSED


def test_with_one_occasion_only_a_change_far_outside_the_assumed_noise_is_accused():
    once = group({"p50": 10.0})

    assert status(measurement(p50=16.0), once) is Status.UNRESOLVED
    assert status(measurement(p50=60.0), once) is Status.REGRESSED
    assert "1 occasion" in judged(measurement(), once)[1].caveats[0]
    assert judged(measurement(), group(*STEADY))[1].caveats == ()


def test_runs_of_one_occasion_are_one_occasion_however_many():
    same = [run.model_copy(update={"occasion": "1"}) for run in group(*STEADY).runs]
    (caveat,) = judged(measurement(), group().model_copy(update={"runs": tuple(same)}))[1].caveats
    assert caveat.startswith("The baseline was measured on 1 occasion; below 5")


def test_the_interval_shown_is_the_prediction_interval_of_the_textbook():
    change = judged(measurement(p50=12.0), group(*STEADY))[0]["GET /", "p50"]
    logs = [math.log(run["p50"]) for run in STEADY]
    mean, sd = sum(logs) / 10, stats.tstd(logs)
    rows = 3  # p50, p95 and failures are gated
    half = stats.t.ppf(1 - 0.01 / rows, 9) * sd * math.sqrt(1 + 1 / 10)

    assert change.interval == (
        pytest.approx(math.exp(math.log(12.0) - mean - half) - 1),
        pytest.approx(math.exp(math.log(12.0) - mean + half) - 1),
    )
    assert change.resolution == pytest.approx(math.exp(half + stats.t.ppf(0.95, 9) * sd * math.sqrt(1.1)) - 1)


def test_more_rows_make_each_of_them_harder_to_accuse():
    wide = judged(measurement(), group(*STEADY), {"p90": {"gate": "true"}, "mean": {"gate": "true"}})[1]

    assert judged(measurement(), group(*STEADY))[1].rows == 3
    assert wide.alpha < 0.01 / 2


def test_a_metric_where_more_is_better_is_judged_the_other_way_round():
    rates = tuple({"rate": 100.0 * run["p50"] / 10} for run in STEADY)
    threshold = {"rate": {"max-decrease": "10%"}}

    assert status(measurement(rate=70.0), group(*rates), threshold, metric="rate") is Status.REGRESSED
    assert status(measurement(rate=140.0), group(*rates), threshold, metric="rate") is Status.IMPROVED
    assert status(measurement(rate=100.0), group(*rates), threshold, metric="rate") is Status.UNCHANGED
    assert status(measurement(rate=70.0), group(*rates), metric="rate") is Status.REPORTED


def test_an_infinite_percentile_is_a_regression():
    change = judged(measurement(p95=math.inf, failures=100), group(*STEADY))[0]["GET /", "p95"]

    assert (change.status, change.change) == (Status.REGRESSED, math.inf)


def test_a_limit_alone_holds_nothing_against_the_baseline():
    slower = judged(measurement(p99=90.0), group({"p99": 30.0}), {"p99": {"max": "100ms"}})[0]["GET /", "p99"]
    assert (slower.status, slower.change) == (Status.WITHIN_LIMIT, pytest.approx(2.0))


def test_an_absolute_limit_needs_no_baseline():
    limit = {"endpoint": "GET *", "p95": {"max": "15ms"}}

    assert status(measurement(p95=20.0), None, limit, metric="p95") is Status.OVER_LIMIT
    assert status(measurement(p95=14.0), None, limit, metric="p95") is Status.WITHIN_LIMIT
    assert (
        status(measurement(p95=14.0), None, {"endpoint": "POST *", "p95": {"max": "1ms"}}, metric="p95")
        is Status.REPORTED
    )


def test_of_two_limits_the_one_that_was_left_is_named():
    both = {"p95": {"min": "5ms", "max": "15ms"}}

    def limit(p95):
        change = judged(measurement(p95=p95), None, both)[0]["GET /", "p95"]
        return change.status, change.limit, sentence(change)

    assert limit(4.0) == (Status.OVER_LIMIT, 5.0, "p95 of GET / is 4.00 ms, under the limit of 5.00 ms.")
    assert limit(16.0) == (Status.OVER_LIMIT, 15.0, "p95 of GET / is 16.0 ms, over the limit of 15.0 ms.")
    assert limit(10.0)[:2] == (Status.WITHIN_LIMIT, 15.0)
    assert limit(5.0)[0] is limit(15.0)[0] is Status.WITHIN_LIMIT


def test_later_thresholds_override_earlier_ones_key_by_key():
    rows = judged(
        measurement(), group(*STEADY), {"p50": {"max-increase": "5%", "floor": "3ms"}}, {"p50": {"floor": "2ms"}}
    )[0]

    assert (rows["GET /", "p50"].threshold, rows["GET /", "p50"].floor) == (0.05, 2.0)


def test_a_row_that_is_not_gated_is_only_reported():
    rows, comparison = judged(measurement(p50=90.0), group(*STEADY), {"p50": {"gate": "false"}})

    assert rows["GET /", "p50"].status is Status.REPORTED
    assert comparison.rows == 2


@pytest.mark.parametrize(
    ("failures", "requests", "expected"),
    [
        (0, 1000, Status.WITHIN_LIMIT),
        (9, 1000, Status.WITHIN_LIMIT),
        (2, 100, Status.UNRESOLVED),
        (60, 1000, Status.OVER_LIMIT),
    ],
)
def test_failures_are_over_the_limit_only_if_chance_does_not_explain_them(failures, requests, expected):
    assert (
        status(measurement(requests=requests, failures=failures), group(*STEADY, failures=8), metric="failures")
        is expected
    )


def test_one_failure_is_enough_where_none_is_allowed():
    zero = {"failures": {"max": "0%"}}

    assert status(measurement(requests=5000, failures=1), None, zero, metric="failures") is Status.OVER_LIMIT


def test_failures_below_the_limit_but_far_above_the_baseline_s_are_a_regression():
    change = judged(measurement(requests=20_000, failures=150), group(*STEADY, requests=20_000))[0]["GET /", "failures"]

    assert change.status is Status.REGRESSED


def test_a_row_with_too_few_requests_is_named_and_stands_outside_the_count():
    rows, comparison = judged(measurement(requests=120, p95=None), group(*STEADY, requests=140))

    assert rows["GET /", "p95"].status is Status.TOO_FEW
    assert rows["GET /", "p95"].note == "120 of the 130 requests it needs"
    assert comparison.rows == 2


def few_found(*values, metrics=None):
    return EndpointMeasurement(
        requests=len(values), failures=0, outcomes={}, quantiles={}, few=tuple(sorted(values)),
        metrics=metrics or {"p50": None, "p95": None, "failures": 0.0},
    )  # fmt: skip


def few(*values, baseline_requests=1000, thresholds=()):
    """A candidate with these response times only, against a baseline of p50 10 ms and p95 20 ms."""
    found = few_found(*values)
    return judged(several({"GET /": found}), group(*STEADY, requests=baseline_requests), *thresholds)[0]


def test_a_service_so_slow_that_it_answers_too_few_is_accused_by_the_bound_they_give():
    rows = few(*[700.0] * 7)

    assert rows["GET /", "p95"].status is Status.REGRESSED
    assert rows["GET /", "p95"].note == "at least; 7 of the 130 requests it needs; the baseline had 1000"
    # Seven values cannot bound a median at this error rate, so the row stays in doubt instead of being passed.
    assert rows["GET /", "p50"].status is Status.UNRESOLVED


def test_the_bound_that_accuses_is_the_response_time_of_its_rank():
    """Of seven, the fourth lies below the p95 with the certainty that one of three rows needs."""
    times = [100.0, 200.0, 300.0, 400.0, 500.0, 600.0, 700.0]
    row = few(*times)["GET /", "p95"]

    assert lower_rank(7, 0.95, 0.01 / 3) == 4
    assert (row.candidate, row.change) == (400.0, pytest.approx(400 / 20 - 1, rel=0.01))


def test_a_bound_beyond_a_limit_is_over_it_without_any_baseline():
    found = several({"GET /": few_found(*[700.0] * 7)})
    row = judged(found, None, {"p95": {"max": "600ms"}})[0]["GET /", "p95"]

    assert (row.status, row.candidate, row.limit) == (Status.OVER_LIMIT, 700.0, 600.0)
    assert row.note == "at least; 7 of the 130 requests it needs"
    assert status(found, None, {"p95": {"max": "700ms"}}, metric="p95") is Status.UNRESOLVED


def test_who_was_always_rare_is_not_accused_by_a_bound():
    row = few(*[700.0] * 7, baseline_requests=8)["GET /", "p95"]

    assert (row.status, row.gated) == (Status.TOO_FEW, False)


@pytest.mark.parametrize(("requests", "baseline", "doubted"), [(7, 9, False), (7, 10, True), (97, 130, True)])
def test_who_lost_a_quarter_of_its_requests_raises_doubt(requests, baseline, doubted):
    row = few(*[10.0] * requests, baseline_requests=baseline)["GET /", "p95"]

    assert (row.status is Status.UNRESOLVED) == row.gated == doubted


def test_three_quarters_of_the_requests_are_enough():
    assert few(*[10.0] * 6, baseline_requests=8)["GET /", "p95"].status is Status.TOO_FEW


def test_a_figure_that_is_no_quantile_has_no_bound():
    found = few_found(*[700.0] * 7, metrics={"p50-ok": None})
    row = judged(several({"GET /": found}), group(*[{"p50-ok": 10.0}] * 5), {"p50-ok": {"max-increase": "10%"}})[0]
    assert (row["GET /", "p50-ok"].status, row["GET /", "p50-ok"].time_to_tell) == (Status.UNRESOLVED, 11 / 7)


def test_a_row_that_lacks_nothing_but_successes_says_so():
    row = judged(measurement(requests=11, failures=11, p50=None), None, {"p50": {"max": "9ms"}})[0]["GET /", "p50"]
    assert (row.note, row.time_to_tell) == ("no request succeeded", None)


def test_a_single_request_says_how_much_longer_would_be_enough():
    row = judged(measurement(requests=1, p50=None), None, {"p50": {"max": "9ms"}})[0]["GET /", "p50"]
    assert (row.note, row.time_to_tell) == ("1 of the 11 requests it needs", 11)


def test_what_is_not_gated_and_was_not_measured_is_only_reported():
    row = judged(measurement(requests=5, p50=None), group(*STEADY), {"p50": {"gate": "false"}})[0]["GET /", "p50"]
    assert (row.status, row.gated, row.note) == (
        Status.REPORTED, False, "5 of the 11 requests it needs; the baseline had 1000",
    )  # fmt: skip


def test_too_few_requests_at_the_old_speed_are_in_doubt_and_never_accused():
    rows = few(*[10.0] * 10)

    assert {rows["GET /", metric].status for metric in ("p50", "p95")} == {Status.UNRESOLVED}
    assert rows["GET /", "p95"].gated


def test_a_bound_from_below_is_under_no_limit():
    """So few bound the median between 3 ms and infinity: that it is under 5 ms is not known."""
    found = few(*[3.0] * 10, thresholds=[{"p50": {"min": "5ms", "max": "20ms"}}])["GET /", "p50"]

    assert found.status is Status.UNRESOLVED


def test_a_limit_of_the_user_s_own_is_never_passed_for_want_of_requests():
    found = measurement(requests=50, p95=None)

    assert status(found, None, {"p95": {"max": "10ms"}}, metric="p95") is Status.UNRESOLVED


def test_failures_spread_over_many_rare_endpoints_are_seen_in_all_together():
    one = EndpointMeasurement(requests=1, failures=1, outcomes={}, metrics={"failures": 1.0}, quantiles={})
    rows = judged(several({f"GET /item/{number}": one for number in range(50)}), None)[0]

    assert rows["GET /item/1", "failures"].status is Status.UNRESOLVED
    assert rows["(all endpoints)", "failures"].status is Status.OVER_LIMIT


def test_an_endpoint_with_a_limit_of_its_own_is_not_in_the_pool():
    bad = EndpointMeasurement(requests=500, failures=400, outcomes={}, metrics={"failures": 0.8}, quantiles={})
    good = bad.model_copy(update={"failures": 0, "metrics": {"failures": 0.0}})
    limits = {"endpoint": "GET /flaky", "failures": {"max": "90%"}}
    rows = judged(several({"GET /flaky": bad, "GET /a": good, "GET /b": good}), None, limits)[0]

    assert rows["(all endpoints)", "failures"].status is Status.WITHIN_LIMIT


@pytest.mark.parametrize(
    ("pattern", "endpoint", "named"),
    [
        ("GET /blog?id=[id]", "GET /blog?id=[id]", True),
        ("GET *", "GET /a/b", True),
        ("*", "anything", True),
        ("POST /a", "GET /a", False),
        ("GET /item/?", "GET /item/1", False),
    ],
)
def test_a_pattern_has_a_star_and_nothing_else(pattern, endpoint, named):
    assert matches(pattern, endpoint) is named


def test_runs_of_one_occasion_do_not_hide_how_much_a_single_run_varies():
    apart = [[0.0, 0.4], [0.1, 0.3], [0.0, 0.4], [0.2, 0.2], [0.1, 0.3]]

    assert missing_variance(apart) == pytest.approx((4 * 0.04 + 4 * 0.01) / 5 * 0.5)
    assert missing_variance([[0.1], [0.2]]) == 0.0
    wide, narrow = (predict([0.2] * 5, noise_between_occasions([0.2] * 5, 0.1), 0.01, extra) for extra in (0.02, 0.0))
    assert wide.half > narrow.half


def test_the_rank_that_bounds_a_quantile_is_the_exact_one():
    assert lower_rank(7, 0.5, 0.01) == 1
    assert lower_rank(6, 0.5, 0.01) == 0
    rank = lower_rank(100, 0.95, 0.01)
    assert stats.binom.cdf(rank - 1, 100, 0.95) <= 0.01 < stats.binom.cdf(rank, 100, 0.95)


def test_a_row_whose_gate_is_off_has_no_limit_either():
    assert status(measurement(p50=90.0), None, {"p50": {"max": "1ms", "gate": "false"}}) is Status.REPORTED


def test_a_fall_that_noise_explains_is_no_improvement():
    noisy = tuple({"p50": value} for value in (5.0, 20.0, 9.0, 14.0, 7.0))

    assert status(measurement(p50=6.0), group(*noisy)) is Status.UNRESOLVED


def test_an_endpoint_on_one_side_only_is_named():
    other = EndpointMeasurement(
        requests=1000, failures=0, outcomes={}, metrics={"p50": 1.0, "failures": 0.0}, quantiles={}
    )
    rows = judged(several({"GET /new": other}), group(*STEADY))[0]

    assert rows["GET /", "p50"].status is Status.MISSING
    assert rows["GET /new", "p50"].status is Status.NEW


def test_an_endpoint_too_rare_to_be_judged_may_be_absent_by_chance():
    rare = group(*STEADY)
    run = rare.runs[0].model_copy(
        update={"endpoints": {"GET /rare": EndpointValues(requests=2, failures=0, values={})}}
    )
    rows, _ = judged(measurement(), rare.model_copy(update={"runs": (run,)}))

    assert rows["GET /rare", "p50"].status is Status.REPORTED
    assert rows["GET /rare", "p50"].note == "in the baseline, but never asked for"


def test_exact_tests_agree_with_scipy_s_own():
    assert more_than_limit(7, 300, 0.01) == pytest.approx(stats.binomtest(7, 300, 0.01, alternative="greater").pvalue)
    for worse, count, base_worse, base_count in (
        (7, 100, 3, 200),
        (500, 1000, 430, 1000),
        (100, 1000, 0, 1000),
        (3, 3, 0, 500),
    ):
        table = [[worse, count - worse], [base_worse, base_count - base_worse]]
        exact = stats.fisher_exact(table, alternative="greater").pvalue
        assert more_than_baseline(worse, count, base_worse, base_count) == pytest.approx(exact, rel=1e-6)
    assert t_quantile(0.995, 7) == pytest.approx(stats.t.ppf(0.995, 7))


def test_noise_is_shrunk_towards_the_prior_until_five_occasions():
    one, four, five = (noise_between_occasions([0.0, 0.2, 0.0, 0.2, 0.0][:count], 0.1) for count in (1, 4, 5))

    assert (one.sd, one.df, one.assumed) == (pytest.approx(0.1), 4, True)
    assert (four.df, four.assumed) == (7, True)
    assert (five.sd, five.df, five.assumed) == (pytest.approx(stats.tstd([0.0, 0.2, 0.0, 0.2, 0.0])), 4, False)


LOGS = st.lists(st.floats(-3, 3), min_size=5, max_size=20)


@given(LOGS, st.floats(-5, 5))
def test_scaling_all_times_changes_no_interval(logs, shift):
    shifted = [log + shift for log in logs]
    before = predict(logs, noise_between_occasions(logs, 0.1), 0.001, 0.0)
    after = predict(shifted, noise_between_occasions(shifted, 0.1), 0.001, 0.0)

    assert after.half == pytest.approx(before.half, abs=1e-6)
    assert after.mean == pytest.approx(before.mean + shift, abs=1e-6)


@given(st.lists(st.floats(1, 1e4), min_size=1, max_size=20))
def test_a_run_compared_with_itself_is_never_accused_nor_praised(values):
    mean = math.exp(sum(math.log(value) for value in values) / len(values))
    found = status(measurement(p50=mean), group(*[{"p50": value} for value in values]))

    assert found in {Status.UNCHANGED, Status.UNRESOLVED}


@given(st.floats(1, 1e3), st.floats(1, 1e3), st.floats(0.0001, 0.05))
def test_swapping_baseline_and_candidate_mirrors_the_row(a, b, spread):
    def around(value):
        return group(*[{"p50": value * math.exp(spread * step)} for step in (-2, -1, 0, 1, 2)])

    no_floor = {"p50": {"floor": 0}}
    forth, back = status(measurement(p50=b), around(a), no_floor), status(measurement(p50=a), around(b), no_floor)

    mirror = {Status.REGRESSED: Status.IMPROVED, Status.IMPROVED: Status.REGRESSED}
    assert mirror.get(forth, Status.UNCHANGED) == mirror.get(mirror.get(back, Status.UNCHANGED), Status.UNCHANGED)


@given(st.integers(1, 2000), st.integers(0, 2000), st.integers(0, 2000))
def test_more_failures_never_make_a_row_better(requests, few, more):
    few, more = sorted((min(few, requests), min(more, requests)))
    worth = {Status.WITHIN_LIMIT: 0, Status.UNRESOLVED: 1, Status.REGRESSED: 2, Status.OVER_LIMIT: 3}
    before, after = (
        status(measurement(requests=requests, failures=n), group(*STEADY), metric="failures") for n in (few, more)
    )

    assert worth[after] >= worth[before] or {before, after} == {Status.REGRESSED, Status.UNRESOLVED}


@given(st.one_of(st.none(), st.floats(allow_nan=False, min_value=0)), st.integers(0, 3))
def test_any_value_gives_a_status_and_no_crash(value, occasions):
    assert status(measurement(p50=value), group(*[{"p50": 10.0}] * occasions) if occasions else None) in set(Status)


def test_being_worse_than_on_every_occasion_before_is_said_and_decides_nothing():
    changes, _ = judged(measurement(p50=10.3), group(*STEADY))
    row = changes["GET /", "p50"]
    assert row.note == "worse than in all 10 runs before; of one row, chance does that 1 time in 11"
    assert row.status is Status.UNCHANGED


@pytest.mark.parametrize("p50", [10.0, 10.1, 9.0])
def test_as_good_as_any_occasion_before_needs_no_word(p50):
    changes, _ = judged(measurement(p50=p50), group(*STEADY))
    assert changes["GET /", "p50"].note == ""


def test_an_accused_row_says_by_what_it_is_accused():
    changes, _ = judged(measurement(p50=30.0), group(*STEADY))
    assert (changes["GET /", "p50"].status, changes["GET /", "p50"].note) == (Status.REGRESSED, "")


def test_a_run_is_not_the_like_of_an_occasion_of_several():
    runs = group(*STEADY).runs
    twice = group(*STEADY).model_copy(update={"runs": tuple(run for run in runs for _ in range(2))})
    assert judged(measurement(p50=10.3), twice)[0]["GET /", "p50"].note == ""


def test_a_few_occasions_before_are_too_few_to_be_worse_than_all():
    changes, _ = judged(measurement(p50=10.3), group(*STEADY[:8]))
    assert changes["GET /", "p50"].note == ""


def test_the_history_of_a_row_is_the_figure_of_every_run_that_has_it():
    runs = group({"p50": 9.0}, {"p50": 11.0}, {"p99": 30.0})
    rows, _ = judged(measurement(p99=31.0), runs)

    assert rows["GET /", "p50"].history == (9.0, 11.0, 10.0)
    assert rows["GET /", "p99"].history == (30.0,)
    assert judged(measurement(), None)[0]["GET /", "p50"].history == ()


def test_the_runs_of_one_occasion_count_as_their_mean_and_make_the_interval_wider():
    runs = group({"p50": 8.0}, {"p50": 12.5}, {"p50": 10.0}).runs
    apart = group({}).model_copy(update={"runs": runs})
    same = group({}).model_copy(update={"runs": tuple(run.model_copy(update={"occasion": "0"}) for run in runs[:2])})
    alone = group({"p50": 10.0})

    assert Committed(apart).value("GET /", METRICS["p50"]) == pytest.approx(10.0)
    assert Committed(same).value("GET /", METRICS["p50"]) == pytest.approx(10.0)
    assert Committed(same).value("GET /", METRICS["p99"]) is None
    wide, narrow = (judged(measurement(), one)[0]["GET /", "p50"].interval[1] for one in (same, alone))
    assert wide > narrow


def test_to_be_worse_than_all_before_is_only_said_of_runs_alike():
    def beyond(value, runs):
        return Committed(runs).hold("GET /", METRICS["p50"], value, 0.01).beyond

    twice = group({}).model_copy(update={"runs": (*group({}).runs, *group({}).runs)})
    assert (beyond(11.0, group({}, {})), beyond(9.0, group({}, {})), beyond(10.0, group({}))) == (2, 0, 0)
    assert beyond(11.0, twice) == 0


def test_where_more_is_better_less_is_worse_than_all_before():
    runs = group(*({"rate": 100.0 + number} for number in range(12)))
    said = {"rate": {"max-decrease": "40%"}}
    assert judged(measurement(rate=99.0), runs, said)[0]["GET /", "rate"].note.startswith("worse than in all 12 runs")
    assert judged(measurement(rate=112.0), runs, said)[0]["GET /", "rate"].note == ""


def test_a_baseline_cannot_hold_what_has_no_logarithm():
    held = [Committed(group({})).hold("GET /", METRICS["p50"], value, 0.01) for value in (0.0, -1.0)]
    assert held == [None, None]
    assert Committed(group({"memory-growth": 1.0})).hold("GET /", METRICS["memory-growth"], 1.0, 0.01) is None
    assert Committed(group({})).hold("GET /other", METRICS["p50"], 1.0, 0.01) is None


def test_the_caveat_counts_occasions_until_there_are_enough():
    said = [Committed(group(*[{}] * count)).caveats for count in (1, 4, 5)]
    assert said[0] == (
        "The baseline was measured on 1 occasion; below 5 the noise between occasions is partly assumed, and wide, "
        "so that only a change far outside it is accused.",
    )
    assert said[1][0].startswith("The baseline was measured on 4 occasions;")
    assert said[2] == ()


def test_a_row_says_all_that_it_was_judged_by():
    row = judged(measurement(p50=40.0), group(*STEADY), {"p50": {"max": "50ms"}})[0]["GET /", "p50"]
    assert (row.unit, row.baseline, row.candidate, row.threshold, row.floor, row.limit) == (
        "ms", pytest.approx(10.0, rel=1e-3), 40.0, 0.25, 1.0, 50.0,
    )  # fmt: skip
    assert (row.order_effect, row.gated, row.occasions_to_tell, row.time_to_tell) == (None, True, None, None)


def test_a_comparison_says_what_it_was_made_with():
    found = compare(
        measurement(), Committed(group(*STEADY[:2])), [Threshold(endpoint="GET /tpyo")], 0.03, "the last run"
    )
    assert (found.against, found.rows, found.alpha) == ("the last run", 3, pytest.approx(0.01))
    assert found.unmatched == ("GET /tpyo",)
    assert len(found.caveats) == 1
    alone = compare(measurement(), None, [], 0.03)
    assert (alone.against, alone.caveats, alone.quantiles, alone.rows) == ("", (), {}, 1)


def test_without_any_gated_row_the_whole_error_rate_is_left():
    off = [Threshold.model_validate({"failures": {"gate": False}})]
    found = compare(measurement(), None, off, 0.03)
    assert (found.rows, found.alpha) == (0, 0.03)


def test_an_absent_endpoint_has_a_row_for_each_figure_it_would_have_been_judged_by():
    rows, comparison = judged(several({}), group(*STEADY), {"p90": {"gate": "true"}, "p99": {"max": "1s"}})
    assert {key: (row.status, row.gated, row.unit, row.note) for key, row in rows.items()} == {
        ("GET /", metric): (Status.MISSING, True, "ms", "in the baseline, but never asked for")
        for metric in ("p50", "p95")
    }
    assert comparison.rows == 0


def test_a_pool_needs_two_endpoints_and_a_request():
    def pool(*found):
        return judged(several({f"GET /{n}": one for n, one in enumerate(found)}), None)[0].get(
            ("(all endpoints)", "failures")
        )

    one, idle = (
        EndpointMeasurement(requests=n, failures=n // 4, outcomes={}, metrics={"failures": share}, quantiles={})
        for n, share in ((1000, 0.25), (0, None))
    )
    assert pool(one) is None
    assert pool(idle, idle) is None
    both = pool(one, one)
    assert (both.status, both.candidate, both.note) == (Status.OVER_LIMIT, 0.25, "500 of 2000 requests")
    assert pool(one, idle).note == "250 of 1000 requests"
    assert (both.gated, both.limit, both.baseline) == (True, 0.01, None)


def test_the_pool_has_the_general_limit():
    found = {
        f"GET /{number}": EndpointMeasurement(
            requests=1000, failures=30, outcomes={}, metrics={"failures": 0.03}, quantiles={}
        )
        for number in range(2)
    }
    general, special = {"failures": {"max": "5%"}}, {"endpoint": "GET /0", "failures": {"max": "4%"}}
    assert judged(several(found), None, general)[0]["(all endpoints)", "failures"].status is Status.WITHIN_LIMIT
    assert ("(all endpoints)", "failures") not in judged(several(found), None, general, special)[0]
