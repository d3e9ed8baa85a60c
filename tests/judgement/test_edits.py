"""What is said of a baseline that the pull request itself changed."""

from entrypoint.baseline.model import Baseline
from entrypoint.judgement.edits import describe_edits
from entrypoint.settings.model import Threshold
from tests.judgement.building import FINGERPRINT, group


def edits(before, after, *thresholds):
    files = [Baseline(groups=(one,)) if one else Baseline() for one in (before, after)]
    return describe_edits(*files, FINGERPRINT, [Threshold.model_validate(threshold) for threshold in thresholds])


def test_an_untouched_baseline_needs_no_word():
    assert edits(group({}), group({})) == ""


def test_old_and_new_figures_are_named():
    said = edits(group({"p50": 40.0}), group({"p50": 60.0}))
    assert said == (
        "This pull request changes the baseline that it is judged by: p50 of GET / from 40.0 ms to 60.0 ms (+50 %)."
    )


def test_the_figures_are_those_that_a_candidate_is_held_against():
    said = edits(group({"p50": 10.0}), group({"p50": 10.0}, {"p50": 40.0}))
    assert "from 10.0 ms to 20.0 ms (+100 %)" in said


def file(**p50):
    """A baseline of endpoints by name, of which nothing but the p50 is interesting."""
    runs = [group({"p50": value, "p95": 20.0}, endpoint=name).runs[0] for name, value in p50.items()]
    endpoints = {name: found for run in runs for name, found in run.endpoints.items()}
    return group({}).model_copy(update={"runs": (runs[0].model_copy(update={"endpoints": endpoints}),)})


def test_the_largest_change_comes_first_and_few_are_shown():
    before, after = {"a": 10.0, "b": 10.0, "c": 10.0, "d": 10.0}, {"a": 11.0, "b": 2.0, "c": 13.0, "d": 12.0}
    assert edits(file(**before), file(**after)) == (
        "This pull request changes the baseline that it is judged by: p50 of b from 10.0 ms to 2.00 ms (-80 %); "
        "p50 of c from 10.0 ms to 13.0 ms (+30 %); p50 of d from 10.0 ms to 12.0 ms (+20 %); "
        "p50 of a from 10.0 ms to 11.0 ms (+10 %)."
    )
    more = edits(file(**before, e=10.0), file(**after, e=10.5))
    assert more.endswith("p50 of a from 10.0 ms to 11.0 ms (+10 %); and 1 more.")


def test_what_is_rounded_differently_is_no_change():
    assert "but the mean of no judged figure" in edits(file(a=10.0), file(a=10.009))
    assert "p50 of a from 10.0 ms to 10.0 ms (+0.1 %)" in edits(file(a=10.0), file(a=10.011))
    assert "but the mean of no judged figure" in edits(file(a=0.5), file(a=0.5001))


def test_one_more_run_that_moves_nothing_is_said_as_that():
    assert edits(group({}), group({}, {})) == (
        "This pull request changes the runs of the baseline that it is judged by, but the mean of no judged figure."
    )


def test_an_endpoint_that_lost_its_figures_is_named():
    said = edits(group({}, endpoint="GET /old"), group({}))
    assert "p50 of GET /old from 10.0 ms to none" in said
    assert "p50 of GET / from none to 10.0 ms;" in said


def test_a_first_baseline_is_said_to_be_new():
    assert edits(None, group({})) == (
        "The baseline for this machine and load is new in this pull request; the base branch has none."
    )


def test_a_baseline_that_is_taken_away_is_said_to_be_removed():
    assert edits(group({}), None) == (
        "This pull request removes the baseline for this machine and load, which the base branch has."
    )
    assert edits(None, None) == ""


def test_what_the_user_judges_is_what_is_compared():
    before, after = group({"p99": 30.0, "mean": 11.0}), group({"p99": 60.0, "mean": 11.0})
    assert "but the mean of no judged figure" in edits(before, after)
    assert "p99 of GET / from 30.0 ms to 60.0 ms (+100 %)" in edits(before, after, {"p99": {"max-increase": "10%"}})
    assert "but the mean of no judged figure" in edits(
        group({"p50": 10.0}), group({"p50": 20.0}), {"p50": {"gate": False}}
    )
    # A figure with a limit and no allowed change is not held against the baseline.
    assert "but the mean of no judged figure" in edits(before, after, {"p99": {"max": "90ms"}})


def test_failures_are_held_against_the_baseline_s_share():
    assert "share of failed requests of GET / from 0.00 % to 5.00 %" in edits(group({}), group({}, failures=50))


def test_figures_of_the_service_as_a_whole_are_named_too():
    slow, quick = (
        group({}).model_copy(update={"runs": (group({}).runs[0].model_copy(update={"service": {"total-time": ms}}),)})
        for ms in (1500.0, 9000.0)
    )
    assert "total time of (service) from 1,500 ms to 9,000 ms (+500 %)" in edits(slow, quick)
