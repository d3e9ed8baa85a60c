"""The measurement of a run that had several generations: the same load, each time on services started anew."""

from collections.abc import Sequence

from entrypoint.measurement.measure import measure_endpoint
from entrypoint.measurement.metrics import METRICS, Direction
from entrypoint.measurement.model import FailureKind, Measurement, Paired
from entrypoint.measurement.pairs import CANDIDATE, Pairs
from entrypoint.measurement.stages import worst


def whole(measurements: Sequence[Measurement], pairs: Pairs) -> Measurement:
    """The candidate's samples of all generations as one measurement.

    Args:
        measurements: of the candidate, one for each generation. Warmth, versions and the course of time are the last one's.
        pairs: all pairs of all of them.
    """
    sides = {name: both[CANDIDATE] for name, both in pairs.endpoints.items()}
    return measurements[-1].model_copy(
        update={
            "endpoints": {name: measure_endpoint(side.samples) for name, side in sides.items() if len(side.rows)},
            "window_s": sum(one.window_s for one in measurements),
            "started": sum(one.started for one in measurements),
            "recorded": sum(one.recorded for one in measurements),
            "unfinished": sum(one.unfinished for one in measurements),
            "hanging": sum(one.hanging for one in measurements),
            "checks": tuple(worst([one.checks for one in measurements])),
            "failures": _failures(measurements),
            "service": _of_service(measurements, pairs),
            "paired": _paired(measurements),
        }
    )


def _of_service(measurements: Sequence[Measurement], pairs: Pairs) -> dict[str, float]:
    """Of each figure that is compared pair by pair that of all pairs, of each other the worst generation's.

    A later start finds caches that the first one filled, and a limit is asked of all.
    """
    worst_of = _worst_of_service(measurements)
    return {key: value for key, value in worst_of.items() if key not in pairs.service} | pairs.figures_of_service()


def _worst_of_service(measurements: Sequence[Measurement]) -> dict[str, float]:
    found: dict[str, float] = {}
    for key, value in ((key, value) for one in measurements for key, value in one.service.items()):
        worse = max if METRICS[key].direction is Direction.LOWER_IS_BETTER else min
        found[key] = worse(found.get(key, value), value)
    return found


def _failures(measurements: Sequence[Measurement]) -> tuple[FailureKind, ...]:
    """Of each kind the first generation's example, and the count of all."""
    kinds: dict[tuple[str, str, str], FailureKind] = {}
    for failure in (failure for one in measurements for failure in one.failures):
        key = (failure.endpoint, failure.outcome, failure.exception)
        seen = kinds.get(key)
        kinds[key] = seen.model_copy(update={"count": seen.count + failure.count}) if seen else failure
    return tuple(kinds.values())


def _paired(measurements: Sequence[Measurement]) -> Paired:
    known = [one.paired for one in measurements if one.paired]
    return Paired(tickets=sum(one.tickets for one in known), same=sum(one.same for one in known))
