"""From a recording to a measurement: the window, the metrics of each endpoint, the checks."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from entrypoint.measurement.metrics import METRICS, nearest_rank
from entrypoint.measurement.model import Check, EndpointMeasurement, FailureKind, Measurement
from entrypoint.measurement.samples import EndpointSamples, read_health, read_rows, writable
from entrypoint.measurement.validity import check_arrivals, check_generator, check_records, check_users
from entrypoint.settings.model import Validity
from locustfiles.ml_loadtest import contract

if TYPE_CHECKING:
    from collections.abc import Iterator

_LADDER = (0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.99, 0.999, 1.0)


def measure_recording(
    folder: Path,
    plan: contract.Plan,
    closing: contract.Closing,
    *,
    plan_key: str,
    plan_text: str,
    limits: Validity | None = None,
) -> Measurement:
    """The measurement of one target.

    Args:
        folder: the exchange folder of the run, or its copy in `results/samples`.
        plan: what was asked for.
        closing: the instrument's last word.
        plan_key: fingerprint of load and locustfile.
        plan_text: the load in a few words.
        limits: what generator and machine may do; the defaults if not given.
    """
    limits = limits or Validity()
    rows, names = read_rows(folder)
    window = np.flatnonzero(rows["segment"] >= 0)
    window_s = max(closing.window_s, 1e-9)
    endpoints = _by_endpoint(rows, window, names, window_s)
    begin, end = (closing.windows[0][0], closing.windows[-1][1]) if closing.windows else (0.0, 0.0)
    health = read_health(folder)
    inside = health[(health["at_s"] > begin) & (health["at_s"] <= end)]
    checks = [
        *check_records(closing, len(rows)),
        _check_requests(len(window)),
        *check_generator(inside, limits),
        *check_users(inside, closing.users_planned),
        *check_arrivals(plan, closing, rows["late_ms"][window], limits),
    ]
    return Measurement(
        endpoints={name: _measure(samples) for name, samples in endpoints},
        window_s=window_s,
        started=closing.started,
        recorded=closing.recorded,
        unfinished=closing.unfinished,
        warm=closing.warm,
        model=plan.model,
        plan=plan_key,
        plan_text=plan_text,
        checks=tuple(checks),
        failures=tuple(_failure_kind(failure) for failure in closing.failures),
        timeline=_timeline(rows, window, begin),
        versions=closing.versions,
    )


def _by_endpoint(
    rows: NDArray[np.void], window: NDArray[np.intp], names: list[str], window_s: float
) -> "Iterator[tuple[str, EndpointSamples]]":
    """The samples of each endpoint in the order of names, one endpoint's at a time in memory."""
    groups = _grouped(rows["endpoint"][window])
    for number in sorted(groups, key=lambda number: names[number]):
        yield names[number], EndpointSamples(rows[window[groups[number]]], window_s)


def _grouped(keys: NDArray[np.integer]) -> dict[int, NDArray[np.intp]]:
    """Where each distinct key stands, keys ascending. Keys are not negative."""
    if not len(keys):
        return {}
    # Sorting 16 bits is a counting sort, ten times as fast as sorting 32; more endpoints or seconds than that are rare.
    order = np.argsort(keys.astype("u2") if keys.max() < 2**16 else keys, kind="stable")
    counts = np.bincount(keys)
    present = np.flatnonzero(counts)
    return dict(zip(present.tolist(), np.split(order, np.cumsum(counts[present])[:-1]), strict=True))


def _measure(samples: EndpointSamples) -> EndpointMeasurement:
    count = len(samples.rows)
    values, counts = np.unique(samples.rows["outcome"], return_counts=True)
    metrics = {key: metric.compute(samples) if count >= metric.minimum else None for key, metric in METRICS.items()}
    return EndpointMeasurement(
        requests=count,
        failures=int(samples.failed.sum()),
        outcomes={contract.Outcome(value).label: int(n) for value, n in zip(values, counts, strict=True)},
        metrics={key: None if value is None or math.isnan(value) else float(value) for key, value in metrics.items()},
        quantiles={f"{p:g}": nearest_rank(samples.sorted_ms, p) for p in _LADDER},
        few=tuple(samples.sorted_ms.tolist()) if count < METRICS["p95"].minimum else (),
    )


def _check_requests(requests: int) -> Check:
    text = f"{requests or 'No'} requests were due in the measured window."
    return Check(name="requests", value=requests, limit=1, unit="requests", ok=requests > 0, text=text)


def _failure_kind(failure: contract.Failure) -> FailureKind:
    return FailureKind(
        endpoint=writable(f"{failure.method} {failure.name}"),
        outcome=contract.Outcome(failure.outcome).label,
        exception=writable(failure.exception),
        message=writable(failure.message),
        count=failure.count,
    )


def _timeline(rows: NDArray[np.void], window: NDArray[np.intp], start_s: float) -> tuple[tuple[float | None, ...], ...]:
    """Second by second: [second, requests, failures, p50, p95], by when requests were due."""
    # A request due an instant before its block's start was noted would be second -1; bincount wants none.
    seconds = np.floor(rows["due_s"][window] - start_s).clip(0).astype("i4")
    groups = _grouped(seconds)
    last = max(groups, default=-1)
    return tuple(_second(at, rows[window[groups[at]]] if at in groups else None) for at in range(last + 1))


def _second(second: int, rows: NDArray[np.void] | None) -> tuple[float | None, ...]:
    if rows is None:
        return (float(second), 0.0, 0.0, None, None)
    samples = EndpointSamples(rows, 1.0)
    p50, p95 = (nearest_rank(samples.sorted_ms, p) for p in (0.50, 0.95))
    return (float(second), float(len(rows)), float(samples.failed.sum()), p50, p95)
