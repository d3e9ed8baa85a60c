"""What the services cost in the measured window: from looks at the kernel's counters."""

import statistics
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path

from entrypoint.service.cpu import Looks
from entrypoint.service.resources import MIB, Reading, readings

# Looks are a tenth of a second apart. One further away than this may lie in another turn, and a turn lasts a second or more.
_NEAR_S = 0.5
# Of a long run, looks that are further apart say as much; all pairs of them are 45,000.
_MOST_LOOKS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a service used in a stretch of time.

    Attributes:
        cpu_s: processor time.
        peak_mib: the most memory at any look.
        final_mib: memory at the last look.
        growth_mib_s: by how much its memory grew in a second, see `slope`; None of fewer than three looks.
        throttled_s: how long its own limit kept it from running; None where that is not counted.
        network_kib: received and sent; None where that is not counted.
        disk_kib: read from and written to block devices; None where that is not counted.
        stalled_s: for how long any of its tasks waited, by what for; see `Counters`.
    """

    cpu_s: float
    peak_mib: float
    final_mib: float
    growth_mib_s: float | None
    throttled_s: float | None
    network_kib: float | None
    disk_kib: float | None
    stalled_s: dict[str, float]


def spent(path: Path, begin: float, end: float) -> dict[str, Spent]:
    """What each service used from `begin` to `end`, in seconds since 1970.

    Nothing at all where one of them was not looked at before, within and after, for it has ended: sums without it would be wrong.
    """
    found = {}
    for service, looks in readings(path).items():
        inside = [look for look in looks if begin <= look.at <= end]
        if not inside or looks[0].at > begin or looks[-1].at < end:
            return {}
        found[service] = Spent(
            cpu_s=_grown([(look.at, look.cpu_s) for look in looks], begin, end) or 0.0,
            peak_mib=max(look.memory for look in inside) / MIB,
            final_mib=inside[-1].memory / MIB,
            growth_mib_s=slope([(look.at - begin, look.memory / MIB) for look in inside]),
            throttled_s=_grown([(look.at, look.throttled_s) for look in looks], begin, end),
            network_kib=_kib(_grown([(look.at, look.network) for look in looks], begin, end)),
            disk_kib=_kib(_grown([(look.at, look.disk) for look in looks], begin, end)),
            stalled_s=_stalled(looks, begin, end),
        )
    return found


def _stalled(looks: Sequence[Reading], begin: float, end: float) -> dict[str, float]:
    kinds = sorted({kind for look in looks for kind in look.stalled_s})
    grown = {kind: _grown([(look.at, look.stalled_s.get(kind)) for look in looks], begin, end) for kind in kinds}
    return {kind: seconds for kind, seconds in grown.items() if seconds is not None}


def cpu_of_turn(looks: Looks, begin: float, end: float, *, idle_before: bool, idle_after: bool) -> float | None:
    """Processor time that all services of one target used in its turn.

    Args:
        looks: at each of them.
        begin, end: of the turn, in seconds since 1970.
        idle_before, idle_after: whether another target has the turn before and the one after. Then the counter stands still
            there, and the look before or after is as good as one at that very moment; between two turns of its own it lies on
            the line between the looks around.

    Returns:
        None where one of them was not looked at then, or has begun anew, or there is none: no figure rather than a wrong one.
    """
    used = []
    for counted in looks.values():
        low = _at(counted, begin, -1 if idle_before else 0)
        high = _at(counted, end, 1 if idle_after else 0)
        if low is None or high is None or high < low:
            return None
        used.append(high - low)
    return sum(used) if used else None


def _at(counted: Sequence[tuple[float, float]], moment: float, side: int) -> float | None:
    """What a counter had come to: at the look before (-1) or after (1), or on the line between both (0); None if none is near."""
    number = bisect_left(counted, (moment, 0.0))
    around = counted[max(0, number - 1) : number + 1]
    if len(around) < 2 or not moment - _NEAR_S <= around[0][0] <= moment <= around[1][0] <= moment + _NEAR_S:
        return None
    (before, low), (after, high) = around
    if side:
        return low if side < 0 else high
    return low + (high - low) * (moment - before) / (after - before)


def _grown(counted: Sequence[tuple[float, float | None]], begin: float, end: float) -> float | None:
    """By how much a counter grew: in full between looks that lie within, in part where one lies beyond; one that went back began
    anew.

    The parts at both ends take the counter to grow evenly between two looks, which are a second apart.
    """
    known = [(at, value) for at, value in counted if value is not None]
    if not known:
        return None
    whole = 0.0
    for (before, low), (after, high) in pairwise(known):
        overlap = min(after, end) - max(before, begin)
        if overlap > 0 and high >= low:
            whole += (high - low) * overlap / (after - before)
    return whole


def slope(points: Sequence[tuple[float, float]]) -> float | None:
    """The median of the slopes between all pairs of looks (Sen, Journal of the American Statistical Association 63, 1968).

    A healthcheck starts a process in the container's own group, which a few looks meet: it tilts a line of least squares by more
    than a leak does, and does not move the median.
    """
    if len(points) < 3:
        return None
    some = points[:: 1 + len(points) // _MOST_LOOKS]
    slopes = [
        (high - low) / (after - before) for (before, low), (after, high) in combinations(some, 2) if after > before
    ]
    return statistics.median(slopes) if slopes else None


def _kib(size: float | None) -> float | None:
    return None if size is None else size / 1024
