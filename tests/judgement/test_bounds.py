"""A capacity of which only a bound is known: what each row says then, and that nobody is accused by it."""

import pytest

from entrypoint.judgement.bounds import at_least
from entrypoint.judgement.model import Change, Comparison, Outcome, Status
from entrypoint.judgement.verdict import Findings, judge
from entrypoint.judgement.wording import sentence
from entrypoint.measurement.metrics import SERVICE
from entrypoint.measurement.model import Capacity
from entrypoint.settings.model import CompareWith, Policy

WHY = "the search did not come to its end"


def capacity(passed):
    """Of a search that time ran out for: 20 users held and 40 did not, or none held and one user was not tried."""
    return Capacity(metric="capacity-users", passed=passed, failed=40, settled=False, begin_s=0.0, end_s=10.0)


def of_service(metric, unit, status, **values):
    return Change(endpoint=SERVICE, metric=metric, unit=unit, status=status, gated=True, **values)


def users(status, **values):
    """The row of a capacity of 20 users."""
    return of_service("capacity-users", "users", status, candidate=20.0, **values)


def slow(**values):
    """A p95 beyond its limit."""
    over = {"baseline": None, "candidate": 300.0, "limit": 100.0, "status": Status.OVER_LIMIT, **values}
    return Change(endpoint="GET /", metric="p95", unit="ms", gated=True, **over)


def test_a_fall_of_a_bound_is_no_known_change():
    fell = users(
        Status.REGRESSED, baseline=60.0, change=-0.67, interval=(-0.7, -0.6), resolution=0.2, history=(60.0,) * 5
    )
    (row,) = at_least([fell], capacity(20))
    assert row == users(
        Status.UNRESOLVED, baseline=60.0, history=(60.0,) * 5, note=f"at least 20 users, for {WHY}; the baseline has 60 users"
    )  # fmt: skip


def test_a_bound_under_a_limit_needs_no_baseline_to_be_in_doubt():
    (row,) = at_least([users(Status.OVER_LIMIT, limit=100.0)], capacity(20))
    assert sentence(row) == f"capacity of the service: at least 20 users, for {WHY}."


@pytest.mark.parametrize("status", [Status.UNCHANGED, Status.IMPROVED, Status.WITHIN_LIMIT, Status.UNRESOLVED])
def test_a_bound_that_is_enough_stays_what_it_is_and_is_called_a_bound(status):
    enough = users(status, baseline=20.0, change=0.0, interval=(-0.1, 0.1), resolution=0.1)
    (row,) = at_least([enough], capacity(20))
    assert row == enough.model_copy(update={"note": f"at least 20 users, for {WHY}; the baseline has 20 users"})


def test_other_figures_of_a_level_that_held_are_no_bounds():
    """Memory beyond its limit at a level that held is beyond it, however much more load could have been tried."""
    others = (
        slow(),
        of_service("peak-memory", "MiB", Status.OVER_LIMIT, candidate=900.0, limit=512.0, note="as asked"),
    )
    assert at_least(others, capacity(20)) == others


def test_a_limit_exceeded_where_no_level_held_says_that_lower_ones_were_not_tried():
    unknown, row = at_least([users(Status.OVER_LIMIT), slow()], capacity(0))
    assert sentence(unknown) == f"capacity of the service: not known, for {WHY}."
    assert sentence(row) == f"p95 of GET /: over its limit at the lowest level that was held, and for lower ones {WHY}."


def test_a_search_that_found_nothing_leaves_the_verdict_open():
    """No other row is in doubt, and no limit was set for the capacity."""
    rows = at_least([slow(candidate=20.0, status=Status.WITHIN_LIMIT)], capacity(0))
    comparison = Comparison(changes=rows, rows=1, alpha=0.01)
    findings = Findings(checks=(), comparison=comparison, faults=(), baseline="none", compare_with=CompareWith.NONE)
    assert judge(findings, Policy()).outcome is Outcome.INCONCLUSIVE
