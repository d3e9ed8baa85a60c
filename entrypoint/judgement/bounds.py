"""Figures that are only known to be at least so much: nobody is accused by them. Pure."""

from collections.abc import Sequence

from entrypoint.judgement.model import Change, Status
from entrypoint.judgement.wording import figure
from entrypoint.measurement.metrics import METRICS, SERVICE
from entrypoint.measurement.model import Capacity

_ACCUSED = (Status.REGRESSED, Status.OVER_LIMIT)


def at_least(changes: Sequence[Change], capacity: Capacity | None) -> tuple[Change, ...]:
    """Rows of a run whose search for the capacity did not come to its end: it may well be higher than what was found."""
    if capacity is None or capacity.settled or capacity.none:
        return tuple(changes)
    why = "the load generator could not drive more" if capacity.by_generator else "the search did not come to its end"
    if capacity.passed:
        return tuple(_bounded(change, why) if change.metric == capacity.metric else change for change in changes)
    # What was measured was measured at a load that may be too much for everybody: no level held, and lower ones were not tried.
    unknown = Change(
        endpoint=SERVICE,
        metric=capacity.metric,
        unit=METRICS[capacity.metric].unit,
        status=Status.UNRESOLVED,
        gated=True,
        note=f"not known, for {why}",
    )
    return (unknown, *(_of_no_level(change, why) for change in changes if change.metric != capacity.metric))


def _bounded(change: Change, why: str) -> Change:
    before = f"; the baseline has {figure(change.baseline, change.unit)}" if change.baseline is not None else ""
    note = f"at least {figure(change.candidate, change.unit)}, for {why}{before}"
    if change.status not in _ACCUSED:
        return change.model_copy(update={"note": note})
    unknown = {"change": None, "interval": None, "resolution": None}
    return change.model_copy(update={**unknown, "note": note, "status": Status.UNRESOLVED})


def _of_no_level(change: Change, why: str) -> Change:
    if change.status not in _ACCUSED:
        return change
    note = f"over its limit at the lowest level that was held, and for lower ones {why}"
    return change.model_copy(update={"status": Status.UNRESOLVED, "note": note})
