"""Figures that are only known to be at least so much: nobody is accused by them. Pure."""

from collections.abc import Sequence

from entrypoint.judgement.model import Change, Status
from entrypoint.measurement.model import Capacity


def at_least(changes: Sequence[Change], capacity: Capacity | None) -> tuple[Change, ...]:
    """Rows of a run whose search for the capacity did not come to its end: it may well be higher than what was found."""
    if capacity is None or capacity.settled:
        return tuple(changes)
    why = "the load generator could not drive more" if capacity.by_generator else "the search did not come to its end"
    return tuple(
        _doubted(change, f"at least, for {why}") if change.metric == capacity.metric else change for change in changes
    )


def _doubted(change: Change, note: str) -> Change:
    accused = change.status in (Status.REGRESSED, Status.OVER_LIMIT)
    return change.model_copy(update={"note": note, "status": Status.UNRESOLVED if accused else change.status})
