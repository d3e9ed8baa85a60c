"""Ratios other than failures: right predictions and distinct payloads."""

import numpy as np
import pytest

from entrypoint.judgement.committed import Committed
from entrypoint.judgement.comparison import compare
from entrypoint.judgement.model import Status
from entrypoint.judgement.significance import time_to_tell
from entrypoint.judgement.wording import sentence
from entrypoint.measurement.measure import measure_endpoint
from entrypoint.measurement.samples import EndpointSamples, with_labels
from entrypoint.settings.model import Threshold

from .building import group, measurement
from .pairing import judged, noisy, side


def candidate(**shares):
    """A measurement whose shares are (worse, all)."""
    whole = measurement()
    found = whole.endpoints["GET /"]
    values = {key: 1 - worse / count for key, (worse, count) in shares.items()}
    found = found.model_copy(update={"shares": shares, "metrics": {**found.metrics, **values}})
    return whole.model_copy(update={"endpoints": {"GET /": found}})


def row(metric, found, *thresholds, baseline=None, runs=5):
    runs = group(*[{}] * runs)
    if baseline:
        values = [run.endpoints["GET /"].model_copy(update={"shares": {metric: baseline}}) for run in runs.runs]
        named = [
            run.model_copy(update={"endpoints": {"GET /": value}}) for run, value in zip(runs.runs, values, strict=True)
        ]
        runs = runs.model_copy(update={"runs": tuple(named)})
    rules = [Threshold.model_validate({"endpoint": "*", metric: said}) for said in thresholds]
    changes = compare(found, Committed(runs), rules, 0.01).changes
    return next((change for change in changes if change.metric == metric), None)


@pytest.mark.parametrize(
    ("wrong", "status"),
    [(40, Status.WITHIN_LIMIT), (100, Status.WITHIN_LIMIT), (110, Status.UNRESOLVED), (200, Status.OVER_LIMIT)],
)
def test_a_limit_on_accuracy_is_an_exact_test_of_the_wrong_ones(wrong, status):
    found = row("accuracy", candidate(accuracy=(wrong, 1000)), {"min": "90%"})
    assert (found.status, found.gated) == (status, True)
    assert found.candidate == pytest.approx(1 - wrong / 1000)


def test_what_is_under_its_limit_says_so():
    found = row("accuracy", candidate(accuracy=(300, 1000)), {"min": "90%"})
    assert sentence(found) == (
        "share of right predictions of GET / is 70.00 %, under the limit of 90.00 % "
        "(300 of 1000 labelled predictions wrong)."
    )


def test_accuracy_that_fell_is_a_regression_without_any_threshold():
    fell = row("accuracy", candidate(accuracy=(300, 1000)), baseline=(100, 1000))
    assert fell.status is Status.REGRESSED
    assert "fell from 90.00 % to 70.00 % (300 of 1000 labelled predictions wrong, 500 of 5000 before)" in sentence(fell)
    assert row("accuracy", candidate(accuracy=(110, 1000)), baseline=(100, 1000)).status is Status.UNCHANGED
    assert row("accuracy", candidate(accuracy=(0, 1000)), baseline=(100, 1000)).status is Status.UNCHANGED


def test_without_labels_there_is_no_row_unless_a_limit_asks_for_one():
    assert row("accuracy", measurement()) is None
    asked = row("accuracy", measurement(), {"min": "90%"})
    assert (asked.status, asked.gated) == (Status.UNRESOLVED, True)
    assert "no prediction was labelled" in asked.note


def test_accuracy_without_baseline_or_limit_is_reported():
    found = row("accuracy", candidate(accuracy=(300, 1000)))
    assert (found.status, found.gated) == (Status.REPORTED, False)


def test_distinct_payloads_are_never_held_against_a_baseline_and_gate_only_where_asked():
    reported = row("distinct", candidate(distinct=(999, 1000)), baseline=(0, 1000))
    assert (reported.status, reported.gated, reported.baseline) == (Status.REPORTED, False, None)
    rules = [Threshold.model_validate({"endpoint": "*", "distinct": {"min": "50%"}})]
    counted = [compare(candidate(distinct=(9, 1000)), Committed(group({})), said, 0.01).rows for said in ([], rules)]
    assert counted[0] == counted[1], "it takes no part of the error rate"
    over = row("distinct", candidate(distinct=(999, 1000)), {"min": "50%"})
    assert over.status is Status.OVER_LIMIT
    assert "under the limit of 50.00 % (999 of 1000 payloads sent before)" in sentence(over)


def labelled(times, right):
    found = side(times)
    return type(found)(
        with_labels(found.rows, np.resize(right, len(found.rows)).astype(float)), found.pair, found.window_s
    )


def test_side_by_side_accuracy_is_held_against_the_base_s():
    ours, theirs = labelled(noisy(), [1, 1, 0]), labelled(noisy(seed=2), [1, 1, 1, 1, 1, 0])
    rows, _ = judged({"POST /predict": (ours, theirs)})
    assert rows["POST /predict", "accuracy"].status is Status.REGRESSED
    rows, _ = judged({"POST /predict": (theirs, theirs)})
    assert rows["POST /predict", "accuracy"].status is Status.UNCHANGED


def test_a_candidate_without_labels_beside_a_base_that_has_some_is_in_doubt():
    ours, theirs = labelled(noisy(), [np.nan]), labelled(noisy(seed=2), [1])
    rows, _ = judged({"POST /predict": (ours, theirs)})
    found = rows["POST /predict", "accuracy"]
    assert (found.status, found.gated) == (Status.UNRESOLVED, True)
    lost = row("accuracy", measurement(), baseline=(100, 1000))
    assert (lost.status, lost.gated) == (Status.UNRESOLVED, True)


@pytest.mark.parametrize(("ours", "before", "few"), [(100, 100, False), (99, 100, True), (100, 99, True)])
def test_a_hundred_on_each_side_tell_something(ours, before, few):
    found = row("accuracy", candidate(accuracy=(1, ours)), baseline=(1, before), runs=1)
    assert (found.status is Status.TOO_FEW) == few
    assert found.status in (Status.TOO_FEW, Status.UNCHANGED)
    more = ": fewer than the 100 on each side that tell anything" if few else ""
    assert found.note == f"1 of {ours} labelled predictions wrong{more}"


@pytest.mark.parametrize(("count", "status"), [(100, Status.OVER_LIMIT), (99, Status.UNRESOLVED)])
def test_what_the_load_asked_itself_is_certain_of_a_hundred(count, status):
    found = row("distinct", candidate(distinct=(51, count)), {"min": "50%"})
    assert found.status is status


def test_what_is_not_certain_says_on_which_side_of_the_limit_it_may_be():
    under = row("accuracy", candidate(accuracy=(110, 1000)), {"min": "90%"})
    assert under.note == "110 of 1000 labelled predictions wrong: too few to tell whether that is under the limit"
    assert under.time_to_tell == time_to_tell(110, 1000, 0.1, 0.01 / 4)
    over = next(
        change
        for change in compare(measurement(requests=100, failures=2), None, [], 0.01).changes
        if change.metric == "failures"
    )
    assert over.note == "2 of 100 requests: too few to tell whether that is over the limit"


def test_chance_is_allowed_the_whole_of_alpha():
    """One of one: against a limit of one half as likely as not, and so is that it was the candidate's of two."""
    half = [Threshold.model_validate({"failures": {"max": "50%"}})]
    limited = compare(measurement(requests=1, failures=1), None, half, 0.5)
    assert (limited.alpha, [change.status for change in limited.changes if change.metric == "failures"]) == (
        0.5, [Status.OVER_LIMIT],
    )  # fmt: skip
    runs = group({})
    values = runs.runs[0].endpoints["GET /"].model_copy(update={"shares": {"accuracy": (0, 1)}})
    runs = runs.model_copy(update={"runs": (runs.runs[0].model_copy(update={"endpoints": {"GET /": values}}),)})
    compared = compare(candidate(accuracy=(1, 1)), Committed(runs), [], 2.0)
    found = next(change for change in compared.changes if change.metric == "accuracy")
    assert (compared.alpha, found.status, found.baseline) == (0.5, Status.REGRESSED, 1.0)


def test_a_share_that_is_not_judged_is_shown_beside_the_baseline_s():
    shown = row("accuracy", candidate(accuracy=(900, 1000)), {"gate": False}, baseline=(100, 1000))
    assert (shown.status, shown.gated, shown.baseline) == (Status.REPORTED, False, pytest.approx(0.9))
    assert shown.note == "900 of 1000 labelled predictions wrong"


@pytest.mark.parametrize(
    ("counts", "limit", "before", "status"),
    [
        ((600, 1000), [{"min": "90%"}], (100, 1000), Status.OVER_LIMIT),
        ((110, 1000), [{"min": "90%"}], (100, 1000), Status.UNRESOLVED),
        ((300, 1000), [], (100, 1000), Status.REGRESSED),
        ((110, 1000), [], (100, 1000), Status.UNCHANGED),
        ((110, 1000), [{"min": "50%"}], (100, 1000), Status.WITHIN_LIMIT),
        ((2, 20), [], (2, 20), Status.TOO_FEW),
    ],
)
def test_whatever_is_said_of_a_share_the_baseline_s_is_shown_beside_it(counts, limit, before, status):
    found = row("accuracy", candidate(accuracy=counts), *limit, baseline=before, runs=1)
    assert (found.status, found.baseline) == (status, pytest.approx(0.9))
    assert found.note.startswith(f"{counts[0]} of {counts[1]} labelled predictions wrong")


def test_within_a_limit_the_baseline_is_still_shown_and_held_against():
    good = row("accuracy", candidate(accuracy=(100, 1000)), {"min": "50%"}, baseline=(100, 1000))
    worse = row("accuracy", candidate(accuracy=(300, 1000)), {"min": "50%"}, baseline=(100, 1000))
    assert (good.status, good.baseline, worse.status) == (Status.WITHIN_LIMIT, pytest.approx(0.9), Status.REGRESSED)


def test_a_share_near_one_half_is_tested_exactly():
    assert row("accuracy", candidate(accuracy=(520, 1000)), baseline=(86, 200)).status is Status.REGRESSED


def test_too_few_labels_say_nothing():
    few = row("accuracy", candidate(accuracy=(3, 20)), baseline=(1, 20))
    assert few.status is Status.TOO_FEW
    assert "fewer than the 100 on each side" in few.note


def test_what_was_accepted_as_worse_is_what_accuracy_is_held_against():
    runs = group({}, {}, {})
    shares = [(10, 1000), (80, 1000), (80, 1000)]
    made = []
    for number, (run, counts) in enumerate(zip(runs.runs, shares, strict=True)):
        value = run.endpoints["GET /"].model_copy(update={"shares": {"accuracy": counts}})
        made.append(run.model_copy(update={"slower": number == 1, "endpoints": {"GET /": value}}))
    accepted = runs.model_copy(update={"runs": tuple(made)})
    assert accepted.share("GET /", "accuracy") == (160, 2000)
    assert accepted.share("GET /", "failures") == (0, 3000)


def test_a_wrong_prediction_is_no_failure():
    found = labelled(noisy(), [0])
    measured = measure_endpoint(EndpointSamples(found.rows, 1.0))
    assert (measured.metrics["failures"], measured.metrics["accuracy"]) == (0.0, 0.0)
