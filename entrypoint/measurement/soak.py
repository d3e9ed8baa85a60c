"""A soak's window in equal stretches: what each of them showed, from samples and looks alone."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from entrypoint.measurement.metrics import METRICS, nearest_rank
from entrypoint.measurement.model import MOST_STRETCHES
from entrypoint.measurement.samples import IS_FAILURE, grouped, read_rows, taken_s
from locustfiles.ml_loadtest import contract

# A quarter of a minute, and a minute of an hour; no fewer than forty, from which it must be seen how alike neighbours are.
_STRETCH_S = 15.0
_FEWEST = 40
_ENOUGH = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretches:
    """The window of a soak, cut into n stretches of the same length.

    Attributes:
        seconds: length of one.
        times: by endpoint, the response times in ms of the requests that were due in each stretch, n arrays of shape (k,) in
            ascending order; a failure is infinite.
        answered_s: when each success had its answer, ascending, in seconds since the window began; of all requests due in it.
        asked_s: of all requests that were without their answer at the window's begin and after each success, or came later, when
            the first one was asked; infinite where there was none. Shape (successes + 1,), or (1,) if somebody always asked.
        took_ms: of open load, how long each success took once it was sent, ascending; None where that is its response time.
    """

    seconds: float
    times: dict[str, list[NDArray[np.float64]]]
    answered_s: NDArray[np.float64]
    asked_s: NDArray[np.float64] = field(default_factory=lambda: np.zeros(1))
    took_ms: NDArray[np.float64] | None = None

    @property
    def count(self) -> int:
        """How many there are."""
        return len(next(iter(self.times.values()), []))


def read_stretches(folder: Path, closing: contract.Closing) -> Stretches:
    """The stretches of a recorded soak.

    Args:
        folder: the exchange folder of the run, of one target and one level of load.
        closing: the instrument's last word.
    """
    rows, names = read_rows(folder)
    if not closing.spans:
        return Stretches(seconds=0.0, times={}, answered_s=np.zeros(0))
    span = closing.spans[0]
    window = rows[rows["segment"] == span.segment]
    open_load = closing.steps[span.block].arrival_rate is not None
    return stretches_of(window, names, span.start_s, span.end_s, open_load=open_load)


def stretches_of(
    rows: NDArray[np.void], names: Sequence[str], start_s: float, end_s: float, *, open_load: bool = False
) -> Stretches:
    """The stretches of a window.

    Args:
        rows: the samples that were due in it, shape (n,).
        names: of the endpoints.
        start_s, end_s: the window, in the samples' seconds.
        open_load: whether response times are from when requests were due, and not from when they were sent.
    """
    window_s = max(end_s - start_s, 1e-9)
    count = min(MOST_STRETCHES, max(_FEWEST, int(window_s / _STRETCH_S)))
    numbers = np.floor((rows["due_s"] - start_s) * (count / window_s)).clip(0, count - 1).astype("i4")
    failed = IS_FAILURE[rows["outcome"]]
    ms = np.where(failed, np.inf, rows["response_ms"].astype("f8"))
    places = grouped(rows["endpoint"].astype("i8") * count + numbers)
    nothing = np.zeros(0, dtype=np.intp)
    times = {
        names[endpoint]: [
            np.sort(ms[places.get(place, nothing)]) for place in range(endpoint * count, (endpoint + 1) * count)
        ]
        for endpoint in np.unique(rows["endpoint"]).tolist()
    }
    begun = (taken_s(rows) if open_load else rows["start_s"]) - start_s
    ended = begun + rows["response_ms"] / 1000
    answered = np.sort(ended[~failed])
    took_s = ended - np.maximum(begun, rows["start_s"] - start_s)
    return Stretches(
        seconds=window_s / count,
        times=times,
        answered_s=answered,
        asked_s=_first_asked(begun, ended, answered),
        took_ms=np.sort(1000 * took_s[~failed]) if open_load else None,
    )


def _first_asked(
    begun: NDArray[np.float64], ended: NDArray[np.float64], answered: NDArray[np.float64]
) -> NDArray[np.float64]:
    """See `Stretches.asked_s`; of requests that began and ended then, shape (n,), in any order."""
    order = np.argsort(ended)
    first = np.append(np.minimum.accumulate(begun[order][::-1])[::-1], np.inf)
    moments = np.concatenate(([0.0], answered))
    found: NDArray[np.float64] = first[np.searchsorted(ended[order], moments, side="right")]
    return found


def response_times(stretches: Stretches, metric: str) -> tuple[tuple[float, float], ...]:
    """A percentile of the service as a whole, stretch by stretch: the mean of its endpoints' own, weighted by their requests.

    Each endpoint's own percentile, so that who was asked how often in a stretch moves nothing. An endpoint counts that has enough
    requests in three stretches of four. A stretch in which one of those has too few is left out, as where the service kept every
    user waiting, and so is one in which so many requests failed that the figure is infinite.

    Args:
        stretches: of the window.
        metric: `p50` or `p95`.

    Returns:
        (second of its middle, ms) of each stretch.
    """
    p, minimum = METRICS[metric].quantile, METRICS[metric].minimum
    assert p is not None, f"{metric} is no percentile"
    enough = {name: [len(one) >= minimum for one in times] for name, times in stretches.times.items()}
    parts = [times for name, times in stretches.times.items() if sum(enough[name]) >= _ENOUGH * stretches.count]
    weights = [sum(map(len, times)) for times in parts]
    found = []
    for number in range(stretches.count if parts else 0):
        if any(len(times[number]) < minimum for times in parts):
            continue
        each = (nearest_rank(times[number], p) * weight for times, weight in zip(parts, weights, strict=True))
        value = sum(each) / sum(weights)
        if math.isfinite(value):
            found.append(((number + 0.5) * stretches.seconds, value))
    return tuple(found)


def memory(
    looks: Iterable[Sequence[tuple[float, float | None]]], stretches: Stretches
) -> tuple[tuple[float, float], ...]:
    """Memory of all services together, stretch by stretch: the sum of the medians of each one's looks.

    A median, for a few looks meet the process of a healthcheck. A stretch in which one of them was not looked at is left out.

    Args:
        looks: of each service, (second since the window began, MiB).
        stretches: of the window.

    Returns:
        (second of its middle, MiB) of each stretch.
    """
    by_service = [_by_stretch(service, stretches) for service in looks]
    return tuple(
        ((number + 0.5) * stretches.seconds, sum(median(service[number]) for service in by_service))
        for number in range(stretches.count)
        if by_service and all(number in service for service in by_service)
    )


def _by_stretch(looks: Sequence[tuple[float, float | None]], stretches: Stretches) -> dict[int, list[float]]:
    found: dict[int, list[float]] = {}
    for second, mib in looks:
        number = math.floor(second / stretches.seconds)
        # A service that has ended uses none, and that is no fall.
        if mib and 0 <= number < stretches.count:
            found.setdefault(number, []).append(mib)
    return found
