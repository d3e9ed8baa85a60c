"""The highest level of load that still holds: double, then bisect, then ask both ends once more. Pure.

first    hold it; while it holds, double
failed   halve until one holds, then bisect between the highest that held and the lowest that did not
close    hold both again: what one hold says may be luck, for a machine has bad seconds
split    a level that held once and failed once is held a third time
driver   a level that the generator could not drive, twice, is an end too: what is found below it is at least so much
unknown  a level with too few requests says nothing: more load may bring more of them, halfway to the next that failed,
         or twice as much, but not twice in a row
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

# Two levels this close are one answer.
CLOSE = 1.05
# A search that goes on for longer is lost in noise.
MOST_LEVELS = 24
_LEAST_RATE = 0.1


class Held(StrEnum):
    """What became of one level of load."""

    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    GENERATOR = "generator"


# What says nothing of the service.
_SILENT = (Held.UNKNOWN, Held.GENERATOR)


@dataclass(frozen=True, slots=True)
class Bracket:
    """Where the capacity lies.

    Attributes:
        passed: the highest level below `failed` that held more often than not; 0 if none did.
        failed: the lowest level that failed more often than not; None if none did.
        by_generator: whether what lies above `passed` is a level that the generator could not drive, twice.
        settled: whether the two are close, and both were asked more than once.
    """

    passed: float
    failed: float | None
    by_generator: bool = False
    settled: bool = False


def bracket(held: Sequence[tuple[float, Held]], *, whole: bool) -> Bracket:
    """What the levels held so far say.

    Args:
        held: the levels so far, in order.
        whole: whether levels are whole numbers, as users are.
    """
    found = _ends(held)
    settled = (
        found.failed is not None
        and not found.by_generator
        and _middle(found.passed, found.failed, whole=whole) is None
        and all(_asked(held, level) > 1 for level in (found.passed, found.failed))
    )
    return replace(found, settled=settled)


def _ends(held: Sequence[tuple[float, Held]]) -> Bracket:
    """The same, without whether it is settled."""
    balance = _balance(held)
    failed = min((level for level, points in balance.items() if points < 0), default=None)
    below = [level for level, points in balance.items() if points > 0 and (failed is None or level < failed)]
    passed = max(below, default=0.0)
    ceiling = _ceiling(held, passed)
    return Bracket(passed, failed, by_generator=ceiling is not None and (failed is None or ceiling < failed))


def held_nothing(found: Bracket, *, whole: bool) -> bool:
    """Whether not even the lowest level there is held: one user, or a request in ten seconds."""
    return not found.passed and found.failed is not None and _is_lowest(found.failed, whole=whole)


def next_level(first: float, held: Sequence[tuple[float, Held]], *, whole: bool) -> float | None:
    """The level to hold next, None when the search is over; see `bracket`.

    Args:
        first: the level to begin with.
        held: the levels so far, in order.
        whole: whether levels are whole numbers.
    """
    if not held:
        return first
    if len(held) >= MOST_LEVELS:
        return None
    last, how = held[-1]
    if how is Held.GENERATOR and held.count(held[-1]) == 1:
        return last
    if how is Held.UNKNOWN:
        return _more(held, whole=whole)
    split = next((level for level, points in _balance(held).items() if points == 0), None)
    return _closer(held, whole=whole) if split is None else split


def _more(held: Sequence[tuple[float, Held]], *, whole: bool) -> float | None:
    """After a level with too few requests one that brings more of them: halfway to the lowest that failed, or twice as much."""
    last = held[-1][0]
    failed = _ends(held).failed
    if failed is not None:
        return _middle(last, failed, whole=whole)
    before = [how for level, how in held[:-1] if how is not Held.GENERATOR]
    return None if Held.UNKNOWN in before else last * 2


def _closer(held: Sequence[tuple[float, Held]], *, whole: bool) -> float | None:
    """The level that says most, where every level so far has an answer."""
    found = _ends(held)
    upper = _ceiling(held, found.passed) if found.by_generator else found.failed
    if upper is None:
        return found.passed * 2
    if not found.passed:
        return _below(upper, held, whole=whole)
    # A level that the generator could not drive was tried twice already.
    ends = (found.passed,) if found.by_generator else (found.passed, upper)
    unsure = (level for level in ends if _asked(held, level) < 2)
    middle = _middle(found.passed, upper, whole=whole)
    return next(unsure, None) if middle is None else middle


def _balance(held: Sequence[tuple[float, Held]]) -> dict[float, int]:
    """How much more often each level held than it did not."""
    points: dict[float, int] = {}
    for level, how in held:
        if how not in _SILENT:
            points[level] = points.get(level, 0) + (1 if how is Held.PASSED else -1)
    return points


def _asked(held: Sequence[tuple[float, Held]], level: float) -> int:
    return sum(one == level and how not in _SILENT for one, how in held)


def _ceiling(held: Sequence[tuple[float, Held]], passed: float) -> float | None:
    """The lowest level above one that held that the generator could not drive, twice."""
    over = [level for level, how in held if how is Held.GENERATOR and level > passed]
    return min((level for level in over if over.count(level) > 1), default=None)


def _below(upper: float, held: Sequence[tuple[float, Held]], *, whole: bool) -> float | None:
    """A level below one that did not hold, or could not be driven; where none is left, one that failed once is asked again."""
    if _is_lowest(upper, whole=whole):
        return upper if _asked(held, upper) == 1 else None
    return float(upper // 2) if whole else upper / 2


def _is_lowest(level: float, *, whole: bool) -> bool:
    return level <= (1 if whole else _LEAST_RATE)


def _middle(passed: float, failed: float, *, whole: bool) -> float | None:
    """A level between the two, None where they are close or the second is not above the first."""
    if failed <= passed * CLOSE or (whole and failed - passed <= 1):
        return None
    middle = (passed + failed) / 2
    return float(round(middle)) if whole else round(middle, 3)
