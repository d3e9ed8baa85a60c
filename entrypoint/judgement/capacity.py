"""How much load the service takes before it breaks a limit: each level judged by the limits, all made one figure. Pure."""

import math
from collections.abc import Mapping, Sequence

from entrypoint.judgement.comparison import compare
from entrypoint.judgement.model import Status
from entrypoint.judgement.search import Bracket, Held, bracket, held_nothing
from entrypoint.judgement.wording import sentence
from entrypoint.measurement.metrics import QUANTILES, SERVICE
from entrypoint.measurement.model import AT_STAGE, Capacity, EndpointMeasurement, Measurement, Stage
from entrypoint.settings.model import Threshold

_OVERLOADED = "Requests in flight and response times grew and grew, so the level was ended early."
_FEWEST_FOR_A_KNEE = 3


def became(
    endpoints: Mapping[str, EndpointMeasurement],
    thresholds: list[Threshold],
    rate: float,
    *,
    overloaded: bool,
    outlasting: int = 0,
) -> tuple[Held, str]:
    """What became of a level of load that the generator could drive, and in a sentence why.

    Too few requests for a percentile still bound it. Where not even the bound is over the limit, nobody knows whether it held.

    Args:
        endpoints: of that level alone.
        thresholds: the user's.
        rate: the false-alarm rate, for the exact tests of shares.
        overloaded: whether the level was ended early because the service fell ever further behind.
        outlasting: requests from before the level that had no answer in all of it: those that the slowest users wait for.
    """
    level = Measurement(
        endpoints=dict(endpoints), window_s=1.0, started=0, recorded=0, unfinished=0, warm=True, model="", plan="", plan_text="",
        checks=(), failures=(),
    )  # fmt: skip
    compared = compare(level, None, thresholds, rate)
    # What the service used is not known yet while the search goes on.
    changes = [change for change in compared.changes if change.endpoint != SERVICE]
    broken = next((sentence(change) for change in changes if change.status is Status.OVER_LIMIT), None)
    if outlasting:
        several = "1 request" if outlasting == 1 else f"{outlasting} requests"
        broken = broken or f"{several} from before the level had no answer in all of it."
    if broken or overloaded:
        return Held.FAILED, broken or _OVERLOADED
    if not endpoints:
        return Held.UNKNOWN, "No request was due in it."
    if compared.unmatched:
        return Held.UNKNOWN, f"Nothing was asked of {compared.unmatched[0]}, which has a limit."
    unknown = (change for change in changes if change.status is Status.UNRESOLVED and change.candidate is None)
    few = next((sentence(change) for change in unknown), None)
    return (Held.UNKNOWN, few) if few else (Held.PASSED, "")


def longest_limit_s(thresholds: list[Threshold]) -> float:
    """The longest response time in seconds that a limit allows; 0 without any."""
    limits = [said.max for threshold in thresholds for key, said in threshold.metrics.items() if key in QUANTILES]
    return max((limit for limit in limits if limit is not None), default=0.0) / 1000


def with_capacity(
    measurement: Measurement, thresholds: list[Threshold], rate: float, wanted_rate: float | None = None
) -> Measurement:
    """A search's measurement with what it found, and with the figures of the highest level that held in place of all levels'.

    Where none held, they are those of the lowest one.

    Args:
        measurement: of all levels, each endpoint at each level by itself; it stays as it is where nothing was measured.
        thresholds: see `became`.
        rate: see `became`.
        wanted_rate: requests per second for which services are to be counted.
    """
    if not measurement.stages:
        return measurement
    found_at = {stage.label: _at(measurement, stage.label) for stage in measurement.stages}
    stages = [_judged(stage, found_at[stage.label], thresholds, rate) for stage in measurement.stages]
    whole = measurement.model == "closed"
    found = bracket([(stage.load, held(stage)) for stage in stages], whole=whole)
    shown = _shown(stages, found)
    metric = "capacity-users" if whole else "capacity-rate"
    origin = stages[0].start_s
    capacity = Capacity(
        metric=metric,
        passed=found.passed,
        failed=found.failed,
        settled=found.settled,
        by_generator=found.by_generator,
        none=held_nothing(found, whole=whole),
        rate=shown.rate if found.passed else 0.0,
        knee=knee(stages),
        wanted_rate=wanted_rate,
        begin_s=shown.start_s - origin,
        end_s=shown.end_s - origin,
    )
    return measurement.model_copy(
        update={
            "stages": tuple(stages),
            "capacity": capacity,
            "endpoints": found_at[shown.label],
            "window_s": shown.end_s - shown.start_s,
            "service": {**measurement.service, **({metric: found.passed} if found.passed else {})},
        }
    )


def _judged(
    stage: Stage, endpoints: Mapping[str, EndpointMeasurement], thresholds: list[Threshold], rate: float
) -> Stage:
    if not stage.ok:
        return stage.model_copy(update={"recovery_s": None})
    how, why = became(endpoints, thresholds, rate, overloaded=stage.overloaded, outlasting=stage.outlasting)
    # Each level was held by itself: it had nothing to recover from.
    said = {"broken": why if how is Held.FAILED else "", "undecided": why if how is Held.UNKNOWN else ""}
    return stage.model_copy(update={**said, "recovery_s": None})


def held(stage: Stage) -> Held:
    """What became of a level."""
    if not stage.ok:
        return Held.GENERATOR
    if stage.undecided:
        return Held.UNKNOWN
    return Held.FAILED if stage.broken else Held.PASSED


def breaking_hold(measurement: Measurement) -> Stage | None:
    """The last hold of the lowest level that did not hold; None where there was none."""
    level = measurement.capacity.failed if measurement.capacity else None
    return next((stage for stage in reversed(measurement.stages) if stage.load == level and stage.broken), None)


def _shown(stages: Sequence[Stage], found: Bracket) -> Stage:
    """The last hold of the level that the figures are of; one that held, where any did."""
    usable = [stage for stage in stages if stage.ok] or list(stages)
    level = found.passed or min(stage.load for stage in usable)
    at_level = [stage for stage in usable if stage.load == level]
    return next((stage for stage in reversed(at_level) if not stage.broken), at_level[-1])


def _at(measurement: Measurement, label: str) -> dict[str, EndpointMeasurement]:
    suffix = f"{AT_STAGE}{label}"
    return {name.removesuffix(suffix): one for name, one in measurement.endpoints.items() if name.endswith(suffix)}


def knee(stages: Sequence[Stage]) -> float | None:
    """The level beyond which more load costs more waiting than it brings answers: where rate by p50 is highest.

    Kleinrock, Power and deterministic rules of thumb for probabilistic problems in computer communications, ICC 1979.
    """
    power = {
        stage.load: stage.rate / stage.p50_ms for stage in stages if stage.ok and stage.p50_ms and not stage.overloaded
    }
    return max(power, key=power.__getitem__) if len(power) >= _FEWEST_FOR_A_KNEE else None


def replicas(capacity: Capacity, use: float) -> int:
    """How many services like the one measured are needed for the wanted rate.

    Args:
        capacity: of one, with a level that held and a wanted rate.
        use: how much of what it answered each is to answer, 0 to 1.

    Returns:
        0 where it answered nothing.
    """
    return math.ceil((capacity.wanted_rate or 0.0) / (use * capacity.rate)) if capacity.rate else 0
