"""Rows against a reference that says what it is told: where the statuses begin and end, to the last digit."""

import math

import pytest

from entrypoint.judgement.comparison import compare
from entrypoint.judgement.model import Status
from entrypoint.judgement.reference import Against
from entrypoint.settings.model import Threshold

from .building import measurement

ALLOWED = math.log1p(0.25)


class Told:
    """A reference that holds every candidate to one and the same figures, and keeps what it was asked."""

    paired = False
    caveats = ()

    def __init__(self, estimate=0.0, half=0.1, baseline=10.0, **values):
        self.against = Against(
            **{"baseline": baseline, "estimate": estimate, "half": half, "resolution": 0.2, **values}
        )
        self.asked = []

    def endpoints(self):
        return ["GET /"]

    def judges(self, endpoint, metric):
        return True

    def lacks(self, endpoint, metric):
        return ""

    def hold(self, endpoint, metric, value, alpha):
        return self.against

    def to_tell(self, endpoint, metric, worse, threshold, alpha):
        self.asked.append((endpoint, metric.key, worse, threshold, alpha))
        return {"time_to_tell": 7.0}

    def share(self, endpoint, metric):
        return (0, 0)

    def requests_a_run(self, endpoint):
        return 1000.0

    def quantiles(self, endpoint):
        return {}

    def history(self, endpoint, metric):
        return ()


def row(reference, metric="p50", floor="0ms", **said):
    key = "max-increase" if metric != "rate" else "max-decrease"
    rule = {metric: {key: "25%", **({"floor": floor} if metric != "rate" else {}), **said}}
    comparison = compare(measurement(), reference, [Threshold.model_validate(rule)], 0.01)
    return next(change for change in comparison.changes if (change.endpoint, change.metric) == ("GET /", metric))


@pytest.mark.parametrize(
    ("estimate", "half", "status"),
    [
        (0.30, 0.29, Status.REGRESSED),
        (0.30, 0.30, Status.UNRESOLVED),  # no change is in the interval
        (ALLOWED, 0.01, Status.UNRESOLVED),  # as much as is allowed
        (ALLOWED - 0.125, 0.125, Status.UNRESOLVED),  # up to what is allowed
        (ALLOWED - 0.125, 0.124, Status.UNCHANGED),
        (-0.30, 0.29, Status.IMPROVED),
        (-0.30, 0.30, Status.UNCHANGED),
        (-ALLOWED, 0.01, Status.UNCHANGED),
        (-0.30, 0.60, Status.UNRESOLVED),
        (-0.01, 0.005, Status.UNCHANGED),
        (0.01, 0.005, Status.UNCHANGED),
        (5.0, 0.01, Status.REGRESSED),
        (800.0, 0.01, Status.REGRESSED),  # beyond what a float can hold
        (math.inf, 0.0, Status.REGRESSED),
        (math.inf, math.inf, Status.UNRESOLVED),
        (0.0, math.inf, Status.UNRESOLVED),
    ],
)
def test_a_status_begins_beyond_threshold_and_interval(estimate, half, status):
    assert row(Told(estimate, half)).status is status


@pytest.mark.parametrize(
    ("estimate", "half", "status"),
    [
        (-0.30, 0.29, Status.REGRESSED),
        (-0.30, 0.25, Status.REGRESSED),
        (-0.28, 0.01, Status.UNRESOLVED),  # a fall by 24 %, of 25 that are allowed
        (0.30, 0.29, Status.IMPROVED),
        (0.00, 0.10, Status.UNCHANGED),
        (-0.20, 0.10, Status.UNRESOLVED),
    ],
)
def test_where_more_is_better_it_is_the_other_way_round(estimate, half, status):
    assert row(Told(estimate, half), "rate").status is status


def test_a_change_must_be_larger_than_the_floor():
    """From 10 ms to 20 ms, which is by 10 ms."""
    assert row(Told(math.log(2), 0.01), floor="9.999ms").status is Status.REGRESSED
    assert row(Told(math.log(2), 0.01), floor="10.3ms").status is Status.UNCHANGED
    # The end of the interval is beyond the floor, so that nothing is known.
    assert row(Told(math.log(2), 0.10), floor="10.3ms").status is Status.UNRESOLVED
    assert row(Told(-math.log(2), 0.01), floor="4.999ms").status is Status.IMPROVED
    assert row(Told(-math.log(2), 0.01), floor="5.01ms").status is Status.UNCHANGED
    # What may be far better is not worse, and what may be worse by more than the floor is not known.
    assert row(Told(0.0, 1.0), floor="17.2ms").status is Status.UNCHANGED
    assert row(Told(0.0, 1.0), floor="17.1ms").status is Status.UNRESOLVED


def test_the_floor_itself_is_no_change_that_counts():
    """From 8 ms to 16 ms, exactly."""
    doubled = Told(math.log(2.0), 0.01, baseline=8.0)
    by = abs(8.0 * math.exp(math.log(2.0)) - 8.0)
    assert row(doubled, floor=f"{by}ms").status is Status.UNRESOLVED
    assert row(Told(math.log(2.0), 0.0, baseline=8.0), floor=f"{by}ms").status is Status.UNCHANGED


@pytest.mark.parametrize(
    ("estimate", "half", "status"),
    [
        (-math.inf, 0.0, Status.IMPROVED),
        (-math.inf, math.inf, Status.UNRESOLVED),
        (0.0, 0.0, Status.UNRESOLVED),
        (-0.5, 0.1, Status.IMPROVED),
        (-0.5, 0.5, Status.UNRESOLVED),
        (-0.1, 0.05, Status.UNRESOLVED),
        (-ALLOWED, 0.05, Status.UNRESOLVED),
        (0.5, 0.1, Status.UNRESOLVED),
    ],
)
def test_against_a_baseline_that_failed_beyond_the_percentile_only_better_can_be_told(estimate, half, status):
    assert row(Told(estimate, half, baseline=math.inf)).status is status


@pytest.mark.parametrize(
    ("estimate", "half", "change", "interval"),
    [
        (0.0, 0.1, 0.0, (math.expm1(-0.1), math.expm1(0.1))),
        (math.inf, math.inf, math.inf, (-1.0, math.inf)),
        (-math.inf, math.inf, -1.0, (-1.0, math.inf)),
        (math.inf, 0.0, math.inf, (math.inf, math.inf)),
        (-math.inf, 0.0, -1.0, (-1.0, -1.0)),
        (0.5, math.inf, math.expm1(0.5), (-1.0, math.inf)),
        (800.0, 0.0, math.expm1(700.0), (math.expm1(700.0), math.expm1(700.0))),
    ],
)
def test_changes_are_shown_as_fractions(estimate, half, change, interval):
    found = row(Told(estimate, half, resolution=0.3, order=-0.2))
    assert (found.change, found.interval) == (change, interval)
    assert (found.resolution, found.order_effect) == (math.expm1(0.3), math.expm1(-0.2))


ORDER_NOTE = "who has the first turn matters more than chance explains"


@pytest.mark.parametrize(
    ("order", "z", "decides"),
    [
        (0.1, 3.01, True),
        (-0.1, -3.01, True),  # whoever of both it is
        (0.1, 3.0, False),
        (0.01, 9.0, False),  # certain, but so little that it changes nothing
        (None, 9.0, False),
    ],
)
def test_the_order_of_turns_decides_if_it_is_certain_and_changes_the_status(order, z, decides):
    found = row(Told(0.30, 0.05, order=order, order_z=z))

    assert (found.status, found.note) == (
        (Status.UNRESOLVED, ORDER_NOTE) if decides else (Status.REGRESSED, "")
    )  # fmt: skip
    assert found.time_to_tell is None, "no longer time would tell"


def test_the_order_of_turns_decides_in_either_direction():
    """Accused without it, or acquitted: one of them is not the status that was seen."""
    up, down = row(Told(0.18, 0.02, order=0.1, order_z=5.0)), row(Told(0.18, 0.02, order=-0.1, order_z=5.0))
    assert (up.note, down.note) == (ORDER_NOTE, ORDER_NOTE)


def test_the_order_of_turns_excuses_no_limit_and_touches_no_row_that_is_only_shown():
    order = {"order": 0.1, "order_z": 9.0}
    over = row(Told(0.30, 0.05, **order), max="8ms")
    shown = row(Told(0.30, 0.05, **order), gate=False)
    assert (over.status, over.note, over.limit) == (Status.OVER_LIMIT, "", 8.0)
    assert (shown.status, shown.note, shown.gated) == (Status.REPORTED, "", False)


@pytest.mark.parametrize(
    ("estimate", "half", "beyond", "said"),
    [(0.0, 0.1, 9, False), (0.0, 0.1, 10, True), (0.0, 0.5, 10, True), (0.5, 0.1, 10, False), (-0.5, 0.1, 10, False)],
)
def test_that_a_run_is_worse_than_ten_before_is_said_of_rows_that_nobody_accuses(estimate, half, beyond, said):
    note = row(Told(estimate, half, beyond=beyond)).note
    expected = f"worse than in all {beyond} runs before; of one row, chance does that 1 time in {beyond + 1}"
    assert note == (expected if said else "")


def test_only_an_unresolved_row_is_asked_what_would_resolve_it():
    unsure, sure = Told(0.1, 0.31), Told(0.1, 0.01)

    assert (row(unsure).time_to_tell, row(sure).time_to_tell) == (7.0, None)
    assert [key for _, key, *_ in unsure.asked] == ["p50", "p95"]
    assert unsure.asked[0] == ("GET /", "p50", 0.1, pytest.approx(ALLOWED), 0.01 / 3)
    assert sure.asked == []


def test_what_would_resolve_a_row_is_asked_with_the_sign_of_worse():
    rate = Told(-0.1, 0.4)
    row(rate, "rate")
    ((*_, worse, threshold, _alpha),) = [asked for asked in rate.asked if asked[1] == "rate"]
    assert (worse, threshold) == (0.1, pytest.approx(-math.log(0.75)))
