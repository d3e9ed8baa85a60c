"""When to measure again: an early look may acquit a row, and only the last look accuses. Pure.

No alpha is spent on looks: P(a row is accused) <= P(the last look rejects) <= alpha, whatever was acquitted before.
"""

import math

from entrypoint.judgement.model import Change, Comparison, Status
from entrypoint.judgement.significance import tells
from entrypoint.judgement.thresholds import log_of_allowed
from entrypoint.measurement.metrics import METRICS, SERVICE, Direction

_OPEN = {Status.REGRESSED, Status.OVER_LIMIT, Status.UNRESOLVED, Status.MISSING}
_ACQUITTED = {Status.UNCHANGED, Status.IMPROVED}


def acquit(earlier: Comparison | None, now: Comparison) -> Comparison:
    """This look's rows; one that an earlier look has acquitted stays as that look saw it, figures and all.

    But for absolute limits: they are asked of all that was measured.
    """
    if earlier is None:
        return now
    acquitted = {_row(change): change for change in earlier.changes if change.status in _ACQUITTED}
    kept = [
        change if change.status is Status.OVER_LIMIT else acquitted.get(_row(change), change) for change in now.changes
    ]
    return now.model_copy(update={"changes": tuple(kept)})


def open_rows(comparison: Comparison, look: int, most: int) -> list[Change]:
    """The gated rows that another look could decide; none after the last one.

    Args:
        look: the number of looks so far.
        most: the most there may be.
    """
    if look >= most:
        return []
    return [
        change
        for change in comparison.changes
        if change.gated and _measured_again(change) and change.status in _OPEN and not hopeless(change, most / look)
    ]


def _measured_again(change: Change) -> bool:
    """Whether another look adds to the figure: of most figures of the service there is one a run."""
    return change.endpoint != SERVICE or METRICS[change.metric].in_turns


def undecided(comparison: Comparison, why: str) -> Comparison:
    """The rows after an early look that had to be the last one: it may acquit, and accuses nobody.

    Args:
        why: there was no other look.
    """
    rows = [
        change.model_copy(update={"status": Status.UNRESOLVED, "note": why})
        if change.status is Status.REGRESSED
        else change
        for change in comparison.changes
    ]
    return comparison.model_copy(update={"changes": tuple(rows)})


def unresolved(comparison: Comparison) -> int:
    """How many gated rows are in doubt."""
    return sum(change.status is Status.UNRESOLVED and change.gated for change in comparison.changes)


def hopeless(change: Change, times: float) -> bool:
    """Whether not even so many times the measured time could resolve a row, neither at its estimate nor at no change."""
    if change.status is not Status.UNRESOLVED:
        return False
    if change.interval is None or change.change is None or change.threshold is None:
        return change.time_to_tell is None or change.time_to_tell > times
    low, high = change.interval
    if low == -1 or high == math.inf:  # an interval without bounds may get some
        return False
    half = (math.log1p(high) - math.log1p(low)) / 2 / math.sqrt(times)
    lower = change.direction is Direction.LOWER_IS_BETTER
    threshold = log_of_allowed(change.threshold, lower_is_better=lower)
    worse = change.direction * math.log1p(change.change)
    return not tells(0.0, half, threshold) and not tells(worse, half, threshold)


def _row(change: Change) -> tuple[str, str]:
    return change.endpoint, change.metric
