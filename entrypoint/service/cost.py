"""What the services cost in the measured window: from looks at the kernel's counters."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from entrypoint.service.resources import MIB, readings


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a service used in a stretch of time.

    Attributes:
        cpu_s: processor time.
        peak_mib: the most memory at any look.
        growth_mib_s: by how much its memory grew in a second, the least squares line through all looks; None of fewer than three.
        throttled_s: how long its own limit kept it from running; None where that is not counted.
        network_kib: received and sent; None where that is not counted.
    """

    cpu_s: float
    peak_mib: float
    growth_mib_s: float | None
    throttled_s: float | None
    network_kib: float | None


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
            growth_mib_s=_slope([(look.at - begin, look.memory / MIB) for look in inside]),
            throttled_s=_grown([(look.at, look.throttled_s) for look in looks], begin, end),
            network_kib=_kib(_grown([(look.at, look.network) for look in looks], begin, end)),
        )
    return found


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


def _slope(points: Sequence[tuple[float, float]]) -> float | None:
    if len(points) < 3:
        return None
    times, values = zip(*points, strict=True)
    return statistics.linear_regression(times, values).slope


def _kib(size: float | None) -> float | None:
    return None if size is None else size / 1024
