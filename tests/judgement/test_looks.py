"""Early looks acquit, the last accuses."""

import math

import pytest

from entrypoint.judgement.looks import acquit, hopeless, open_rows, undecided, unresolved
from entrypoint.judgement.model import Change, Comparison, Status
from entrypoint.measurement.metrics import SERVICE


def row(status, *, change=0.0, half=0.05, metric="p50", gated=True, threshold=0.05, **more):
    interval = (math.exp(math.log1p(change) - half) - 1, math.exp(math.log1p(change) + half) - 1)
    return Change(
        endpoint="GET /", metric=metric, unit="ms", status=status, gated=gated, change=change, interval=interval,
        threshold=threshold, candidate=10 + change, **more,
    )  # fmt: skip


def comparison(*rows):
    return Comparison(changes=rows, rows=len(rows), alpha=0.01)


@pytest.mark.parametrize(
    ("status", "open_"),
    [
        (Status.REGRESSED, True), (Status.OVER_LIMIT, True), (Status.UNRESOLVED, True), (Status.MISSING, True),
        (Status.UNCHANGED, False), (Status.IMPROVED, False), (Status.WITHIN_LIMIT, False), (Status.TOO_FEW, False),
    ],
)  # fmt: skip
def test_an_early_look_leaves_open_whatever_it_does_not_acquit(status, open_):
    looked = comparison(row(status, change=0.2 if status is Status.REGRESSED else 0.0))

    assert bool(open_rows(looked, 1, 3)) is open_


def test_of_the_service_only_what_is_compared_in_turns_is_measured_again():
    def opened(metric):
        service = row(Status.REGRESSED, change=0.2, metric=metric).model_copy(update={"endpoint": SERVICE})
        return bool(open_rows(comparison(service), 1, 3))

    assert opened("cpu-per-request")
    assert not opened("time-to-ready")


def test_after_the_last_look_nothing_is_open():
    assert open_rows(comparison(row(Status.REGRESSED, change=0.2)), 3, 3) == []
    assert open_rows(comparison(row(Status.UNRESOLVED, gated=False)), 1, 3) == []


@pytest.mark.parametrize(
    ("change", "half", "gives_up"),
    [
        (0.0, 0.06, False),  # 0.035 at the last look: below the threshold of 0.049
        (0.0, 0.30, True),  # 0.17 at the last look: neither below the threshold nor clear of zero
        (0.20, 0.25, False),  # 0.144 at the last look: clear of zero
        (0.06, 0.12, True),
    ],
)
def test_a_row_is_hopeless_when_the_last_look_could_not_decide_it(change, half, gives_up):
    assert hopeless(row(Status.UNRESOLVED, change=change, half=half), 3.0) is gives_up


@pytest.mark.parametrize("ends", [(-1.0, math.inf), (-1.0, 0.5), (-0.5, math.inf)])
def test_a_row_without_bounds_may_get_some(ends):
    change = math.inf if ends[1] == math.inf else -1.0
    assert not hopeless(row(Status.UNRESOLVED, change=0.0).model_copy(update={"interval": ends, "change": change}), 3.0)


def test_where_more_is_better_a_fall_is_worse():
    """Of a rate that may fall by 60 %, whose logarithm is twice as far from zero as that of a rise by 60 %."""
    rate = {"metric": "rate", "threshold": 0.60}
    assert not hopeless(row(Status.UNRESOLVED, change=0.0, half=0.9, **rate), 1.0)
    assert hopeless(row(Status.UNRESOLVED, change=-0.3, half=0.95, **rate), 1.0)
    assert not hopeless(row(Status.UNRESOLVED, change=0.3, half=0.95, **rate), 1.0)
    assert hopeless(row(Status.UNRESOLVED, change=0.0, half=0.6, threshold=0.60), 1.0)


def test_a_row_that_no_threshold_judges_waits_for_requests_alone():
    bare = row(Status.UNRESOLVED, half=0.001, threshold=None)
    assert hopeless(bare, 3.0)
    assert not hopeless(bare.model_copy(update={"time_to_tell": 2.0}), 3.0)
    assert hopeless(bare.model_copy(update={"threshold": 0.05, "change": None}), 3.0)


def test_what_is_decided_is_never_hopeless():
    assert not hopeless(row(Status.REGRESSED, change=0.06, half=0.9), 1.0)


def test_a_look_gives_as_many_times_the_data_as_there_may_be_looks_after_it():
    """Of two looks out of three: half as much again."""
    waits = row(Status.UNRESOLVED, metric="failures").model_copy(update={"interval": None, "time_to_tell": 1.5})
    assert open_rows(comparison(waits), 2, 3) == [waits]
    assert open_rows(comparison(waits.model_copy(update={"time_to_tell": 1.6})), 2, 3) == []


@pytest.mark.parametrize(("metric", "again"), [("peak-memory", False), ("cpu-per-request", True)])
def test_of_the_service_s_own_figures_another_look_adds_to_those_that_each_turn_has(metric, again):
    found = row(Status.REGRESSED, metric=metric).model_copy(update={"endpoint": SERVICE})
    assert bool(open_rows(comparison(found), 1, 3)) is again


def test_failures_are_hopeless_if_no_look_has_enough_requests():
    failures = row(Status.UNRESOLVED, metric="failures").model_copy(update={"interval": None, "time_to_tell": 3.0})

    assert not hopeless(failures, 3.0)
    assert hopeless(failures, 2.0)
    assert hopeless(failures.model_copy(update={"time_to_tell": None}), 3.0)


def test_an_acquitted_row_stays_as_it_was_seen_and_the_others_are_new():
    first = comparison(
        row(Status.UNCHANGED, change=0.01), row(Status.UNRESOLVED, metric="p95", change=0.04),
        row(Status.IMPROVED, metric="p99", change=-0.3),
    )  # fmt: skip
    second = comparison(*(row(Status.REGRESSED, metric=metric, change=0.2) for metric in ("p50", "p95", "p99")))

    assert acquit(first, second).changes == (first.changes[0], second.changes[1], first.changes[2])
    assert acquit(None, second) == second


def test_a_limit_that_all_looks_together_exceed_is_not_hidden_by_an_earlier_look():
    first, second = comparison(row(Status.UNCHANGED)), comparison(row(Status.OVER_LIMIT))

    assert acquit(first, second).changes == second.changes


def test_an_early_look_that_had_to_be_the_last_accuses_nobody():
    looked = comparison(row(Status.REGRESSED, change=0.3), row(Status.UNCHANGED, metric="p95"))

    left = undecided(looked, "there was no time for another look")

    assert [change.status for change in left.changes] == [Status.UNRESOLVED, Status.UNCHANGED]
    assert left.changes[0].note == "there was no time for another look"
    assert unresolved(left) == 1


def test_only_gated_rows_are_in_doubt():
    looked = comparison(
        row(Status.UNRESOLVED), row(Status.UNRESOLVED, gated=False), row(Status.UNCHANGED), row(Status.MISSING)
    )
    assert unresolved(looked) == 1
    assert unresolved(comparison(row(Status.REGRESSED), row(Status.UNCHANGED))) == 0
