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
    window = rows[rows["segment"] >= 0]
    window_s = max(closing.window_s, 1e-9)
    endpoints = dict(_by_endpoint(window, names, window_s))
    begin, end = (closing.windows[0][0], closing.windows[-1][1]) if closing.windows else (0.0, 0.0)
    health = read_health(folder)
    inside = health[(health["at_s"] > begin) & (health["at_s"] <= end)]
    checks = [
        *check_records(closing, len(rows)),
        _check_requests(len(window)),
        *check_generator(inside, limits),
        *check_users(inside, closing.users_planned),
        *check_arrivals(plan, closing, window["late_ms"], limits),
    ]
    return Measurement(
        endpoints={name: _measure(samples) for name, samples in endpoints.items()},
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
        timeline=_timeline(window, begin),
        versions=closing.versions,
    )


def _by_endpoint(
    window: NDArray[np.void], names: list[str], window_s: float
) -> "Iterator[tuple[str, EndpointSamples]]":
    order = np.argsort(window["endpoint"], kind="stable")
    numbers, starts = np.unique(window["endpoint"][order], return_index=True)
    groups = zip(numbers, np.split(window[order], starts[1:]), strict=True) if len(numbers) else ()
    for number, group in sorted(groups, key=lambda pair: names[pair[0]]):
        yield names[number], EndpointSamples(group, window_s)


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


def _timeline(window: NDArray[np.void], start_s: float) -> tuple[tuple[float | None, ...], ...]:
    """Second by second: [second, requests, failures, p50, p95], by when requests were due."""
    seconds = np.floor(window["due_s"] - start_s).astype(int)
    lines = []
    for second in range(int(seconds.max()) + 1 if len(seconds) else 0):
        rows = window[seconds == second]
        samples = EndpointSamples(rows, 1.0) if len(rows) else None
        lines.append((
            float(second),
            float(len(rows)),
            float(samples.failed.sum()) if samples else 0.0,
            float(nearest_rank(samples.sorted_ms, 0.50)) if samples else None,
            float(nearest_rank(samples.sorted_ms, 0.95)) if samples else None,
        ))  # fmt: skip
    return tuple(lines)
