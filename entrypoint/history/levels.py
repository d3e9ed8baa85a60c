"""Where the level of a figure changed for good. Pure: ordered values in, levels out.

Seeded binary segmentation (Kovács, Bühlmann, Li and Munk 2023, Biometrika 110, 249-256) with the test of Mann and Whitney:
every stretch of a fixed set is searched for the one place where its values part best, so that a level which held for a while
and went again is found too. The best place of a stretch is tested exactly, and each p-value is multiplied by the number of
places that were looked at in all stretches. So a figure that never changed gets a second level with at most the probability
asked for, whatever the shape of its noise; only that its values come in no order is assumed. Ranks feel no outlier, and take
an infinite value for what it is.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Two runs may have had bad luck together; a level is what held for three or more.
SHORTEST = 3
# Nothing below this many standard deviations can survive the correction: its exact p-value is not worth asking for.
_HOPELESS = 2.4
# The normal approximation of larger stretches has the heavier tail, so that it errs towards saying nothing.
_EXACT = 2500


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A stretch of values without a change in it.

    Attributes:
        begin, end: its first place, and the one after its last.
        value: the median, infinite where half of the values are.
    """

    begin: int
    end: int
    value: float


def find_levels(values: Sequence[float], error: float, smallest: float) -> tuple[Level, ...]:
    """The levels of a figure, the oldest first; one level if nothing changed, none without values.

    Args:
        values: in order of time; may be infinite, not NaN.
        error: most probability that a figure which never changed gets more than one level.
        smallest: relative change of the level below which nothing is said, as a fraction.
    """
    import numpy as np

    ordered = np.asarray(values, dtype=float)
    ends = _settle(ordered, [0, *_cuts(ordered, 0, error), len(ordered)])
    levels: list[Level] = []
    for begin, end in itertools.pairwise(ends):
        level = _level(ordered, begin, end)
        if levels and abs(change_of(levels[-1].value, level.value)) < smallest:
            level = _level(ordered, levels.pop().begin, end)
        levels.append(level)
    return tuple(levels) if len(ordered) else ()


def change_of(before: float, after: float) -> float:
    """The relative change from one level to the next, as a fraction; infinite from nothing to something."""
    if before == after:
        return 0.0
    if after == math.inf or before == 0:
        return math.inf
    return -1.0 if before == math.inf else after / before - 1


def _cuts(values: "NDArray[np.float64]", offset: int, error: float) -> list[int]:
    """Where to cut these values, ascending; `offset` is the place of the first of them."""
    stretches = list(_stretches(len(values)))
    looked_at = sum(end - begin - 2 * SHORTEST + 1 for begin, end in stretches)
    found = [_best(values, begin, end) for begin, end in stretches]
    p_value, cut = min((one for one in found if one), default=(math.inf, 0))
    if p_value * max(1, looked_at) > error:
        return []
    return [*_cuts(values[:cut], offset, error), offset + cut, *_cuts(values[cut:], offset + cut, error)]


def _stretches(count: int) -> Iterator[tuple[int, int]]:
    """Where to look for one change each: everything, then stretches of half the length again and again.

    They overlap by three quarters, not by the paper's half: a level of eight runs would else be lost at unlucky places.
    """
    length = float(count)
    while length >= 2 * SHORTEST:
        for number in range(math.floor(4 * (count - length) / length) + 1):
            begin = math.floor(number * length / 4)
            yield begin, min(count, math.ceil(begin + length))
        length /= 2


def _best(values: "NDArray[np.float64]", begin: int, end: int) -> tuple[float, int] | None:
    """The exact p-value of the place where a stretch parts best, and the place; None where nothing is to be seen."""
    from scipy.stats import mannwhitneyu

    cut, distance = _parting(values, begin, end)
    if distance < _HOPELESS:
        return None
    method: Literal["exact", "asymptotic"] = "exact" if (cut - begin) * (end - cut) <= _EXACT else "asymptotic"
    return float(mannwhitneyu(values[begin:cut], values[cut:end], method=method).pvalue), cut


def _parting(values: "NDArray[np.float64]", begin: int, end: int) -> tuple[int, float]:
    """The place where a stretch parts best, by the rank sum before it in standard deviations from its mean."""
    import numpy as np
    from scipy.stats import rankdata

    count = end - begin
    places = np.arange(SHORTEST, count - SHORTEST + 1)
    sums = np.cumsum(rankdata(values[begin:end]))[places - 1]
    distance = np.abs(sums - places * (count + 1) / 2) / np.sqrt(places * (count - places) * (count + 1) / 12)
    best = int(np.argmax(distance))
    return begin + int(places[best]), float(distance[best])


def _settle(values: "NDArray[np.float64]", ends: list[int]) -> list[int]:
    """The same cuts, each where the distances to the medians before and after it are least in sum.

    Ranks say that there is a change, but place it poorly: they know two values only as smaller and larger.
    """
    settled = list(ends)
    for number in range(1, len(ends) - 1):
        begin, end = settled[number - 1], ends[number + 1]
        between = _finite(values[begin:end])
        places = range(SHORTEST, len(between) - SHORTEST + 1)
        settled[number] = begin + min(places, key=lambda cut: _spread(between[:cut]) + _spread(between[cut:]))
    return settled


def _finite(values: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """The values with something larger than all others for infinity."""
    import numpy as np

    largest = max((value for value in values if value < math.inf), default=1.0)
    return np.minimum(values, 10 * largest + 1)


def _spread(values: "NDArray[np.float64]") -> float:
    """The sum of distances to the median."""
    import numpy as np

    return float(np.abs(values - np.median(values)).sum())


def _level(values: "NDArray[np.float64]", begin: int, end: int) -> Level:
    """The median of a stretch; the lower one, which is a value that was measured."""
    return Level(begin=begin, end=end, value=float(sorted(values[begin:end])[(end - begin - 1) // 2]) if end else 0.0)
