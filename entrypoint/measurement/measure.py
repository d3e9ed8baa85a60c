"""From a recording to a measurement: the window, the metrics of each endpoint, the checks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from entrypoint.measurement.metrics import METRICS, OF_ENDPOINTS, nearest_rank
from entrypoint.measurement.model import (
    AT_STAGE,
    Attached,
    Check,
    EndpointMeasurement,
    FailureKind,
    Law,
    Measurement,
    Paired,
)
from entrypoint.measurement.pairs import BASE, CANDIDATE
from entrypoint.measurement.samples import (
    IS_FAILURE,
    EndpointSamples,
    grouped,
    read_health,
    read_recording,
    read_rows,
    with_labels,
    writable,
)
from entrypoint.measurement.stages import Block, blocks_of, due_in, outlasting, stages_of, worst
from entrypoint.measurement.validity import check_records, check_requests, check_users, until_end
from entrypoint.settings.model import Validity
from locustfiles.ml_loadtest import contract

if TYPE_CHECKING:
    from collections.abc import Iterator

# More kinds of a whole number are a quantity and no names.
_FEW_KINDS = 8
_LADDER = (0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.99, 0.999, 1.0)


def measure_recording(
    folder: Path,
    plan: contract.Plan,
    closing: contract.Closing,
    *,
    plan_key: str,
    plan_text: str,
    limits: Validity | None = None,
    target: int = 0,
) -> Measurement:
    """The measurement of one target.

    Args:
        folder: the exchange folder of the run, or its copy in `results/samples`.
        plan: what was asked for.
        closing: the instrument's last word.
        plan_key: fingerprint of load and locustfile.
        plan_text: the load in a few words.
        limits: what generator and machine may do; the defaults if not given.
        target: index into the plan's targets.
    """
    samples, names, extras = read_recording(folder)
    recorded = with_labels(samples, extras.get(contract.CORRECT))
    rows = recorded if len(plan.targets) == 1 else recorded[recorded["target"] == target]
    health = read_health(folder)
    spans = [span for span in closing.spans if span.target == target]
    blocks = blocks_of(rows, health, plan, closing, target, limits or Validity())
    used = _used(blocks, by_itself=any(step.by_itself for step in closing.steps))
    window = _rows_of(used)
    hanging = _hanging(rows, spans)
    of_the_whole = _check_whole(closing, until_end(health, spans), len(recorded), len(window), hanging)
    several = len(closing.steps) > 1 or any(step.by_itself for step in closing.steps)
    return Measurement(
        endpoints=dict(_endpoints(rows, used, names, several)),
        window_s=max(sum(block.seconds for block in used), 1e-9),
        **_said(closing),
        hanging=hanging,
        model=plan.model,
        plan=plan_key,
        plan_text=plan_text,
        checks=(*of_the_whole, *worst([block.checks for block in used])),
        stages=stages_of(rows, blocks) if several else (),
        paired=_paired(recorded) if len(plan.targets) > 1 else None,
        timeline=_timeline(rows, window, spans[0].start_s if spans else 0.0),
        attached=_attached(extras, window) if len(plan.targets) == 1 else {},
        **_of_closed_load(rows, window, closing),
    )


def _said(closing: contract.Closing) -> dict[str, Any]:
    """What the instrument says itself of the whole run."""
    return {
        "started": closing.started,
        "recorded": closing.recorded,
        "unfinished": closing.unfinished,
        "warm": closing.warm,
        "failures": tuple(_failure_kind(failure) for failure in closing.failures),
        "versions": closing.versions,
    }


def _check_whole(
    closing: contract.Closing, health: NDArray[np.void], recorded: int, due: int, hanging: int
) -> list[Check]:
    """The checks that are asked once of a run, however many levels of load it had."""
    return [
        *check_records(closing, recorded),
        check_requests(due, hanging, closing.fault),
        *check_users(health, closing.users_left),
    ]


def _endpoints(
    rows: NDArray[np.void], blocks: list[Block], names: list[str], several: bool
) -> "Iterator[tuple[str, EndpointMeasurement]]":
    """Every endpoint; at every level of load, where there are several."""
    for block in blocks:
        for name, samples in _by_endpoint(rows, block, names):
            yield f"{name}{AT_STAGE}{block.label}" if several else name, measure_endpoint(samples)


def _by_endpoint(rows: NDArray[np.void], block: Block, names: list[str]) -> "Iterator[tuple[str, EndpointSamples]]":
    """The samples of each endpoint in the order of names, one endpoint's at a time in memory."""
    groups = grouped(rows["endpoint"][block.rows])
    for number in sorted(groups, key=lambda number: names[number]):
        yield names[number], EndpointSamples(rows[block.rows[groups[number]]], block.seconds)


def measure_endpoint(samples: EndpointSamples) -> EndpointMeasurement:
    """Every metric of one endpoint from its samples."""
    count = len(samples.rows)
    values, counts = np.unique(samples.rows["outcome"], return_counts=True)
    shares = {key: metric.share(samples) for key, metric in OF_ENDPOINTS.items() if metric.optional and metric.share}
    known = {key: metric for key, metric in OF_ENDPOINTS.items() if not metric.optional or shares[key][1]}
    metrics = {key: metric.figure(samples) if count >= metric.minimum else None for key, metric in known.items()}
    return EndpointMeasurement(
        requests=count,
        failures=int(samples.failed.sum()),
        outcomes={contract.Outcome(value).label: int(n) for value, n in zip(values, counts, strict=True)},
        metrics={key: None if value is None or math.isnan(value) else float(value) for key, value in metrics.items()},
        quantiles={f"{p:g}": samples.times.quantile(p) for p in _LADDER},
        few=tuple(samples.times.sorted_ms.tolist()) if count < METRICS["p95"].minimum else (),
        shares={key: counts for key, counts in shares.items() if counts[1]},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SoFar:
    """One level of a load that is still going on, once each of the level's requests has its answer.

    Attributes:
        endpoints: at this level.
        late_ms: lateness of the generator for each of its requests, shape (n,); see `check_arrivals`.
        outlasting: requests from before that had no answer in all of it.
    """

    endpoints: dict[str, EndpointMeasurement]
    late_ms: NDArray[np.float32]
    outlasting: int


def measure_so_far(folder: Path, step: contract.Step, spans: Sequence[contract.Span]) -> SoFar:
    """What a level showed.

    Args:
        folder: the exchange folder of the run, of one target.
        step: the level.
        spans: its measured time.
    """
    rows, names = read_rows(folder)
    block = Block(label="", step=step, spans=tuple(spans), rows=due_in(rows, spans), checks=())
    return SoFar(
        endpoints={name: measure_endpoint(found) for name, found in _by_endpoint(rows, block, names)},
        late_ms=rows["late_ms"][block.rows],
        outlasting=outlasting(rows, spans),
    )


def _used(blocks: list[Block], *, by_itself: bool) -> list[Block]:
    """The levels that count: all before the first one that the generator could not drive, or that and no other.

    A level that is held by itself knows nothing of the one before.
    """
    if by_itself:
        return [block for block in blocks if block.ok] or blocks[:1]
    return list(takewhile(lambda block: block.ok, blocks)) or blocks[:1]


def _rows_of(blocks: list[Block]) -> NDArray[np.intp]:
    """Which samples were due in any of them; of a single one without a copy."""
    if len(blocks) == 1:
        return blocks[0].rows
    return np.concatenate([block.rows for block in blocks] or [np.zeros(0, np.intp)])


def _attached(extras: dict[str, NDArray[np.float64]], window: NDArray[np.intp]) -> dict[str, Attached]:
    """What the locustfile attached to the window's requests, in figures; labels have a metric of their own."""
    found = {}
    for name in sorted(extras.keys() - {contract.CORRECT}):
        values = extras[name][window]
        values = values[~np.isnan(values)]
        if not len(values):
            continue
        ordered = np.sort(values)
        kinds, counts = np.unique(values, return_counts=True)
        few = len(kinds) <= _FEW_KINDS and bool((np.isfinite(kinds) & (kinds == np.floor(kinds))).all())
        found[name] = Attached(
            count=len(values),
            mean=float(values.mean()),
            p50=nearest_rank(ordered, 0.50),
            p95=nearest_rank(ordered, 0.95),
            highest=float(ordered[-1]),
            shares={f"{int(kind)}": int(n) for kind, n in zip(kinds, counts, strict=True)} if few else {},
        )
    return found


def _of_closed_load(rows: NDArray[np.void], window: NDArray[np.intp], closing: contract.Closing) -> dict[str, Any]:
    """What closed load of one level on one target has beside: of a counted one its total time, else the law's figures."""
    if len(closing.spans) != 1 or closing.shape or closing.steps[0].arrival_rate is not None or not len(window):
        return {}
    span, step = closing.spans[0], closing.steps[0]
    if not span.tickets:
        return {}
    if step.count:
        last_s = float((rows["start_s"][window] + rows["response_ms"][window] / 1000).max())
        return {"service": {"total-time": 1000 * (last_s - span.start_s)} if span.tickets >= step.count else {}}
    law = Law(
        users=step.users,
        response_s=float(rows["response_ms"][window].sum()) / 1000 / span.tickets,
        think_s=span.thought_s / span.tickets,
        turns_per_s=span.tickets / max(span.end_s - span.start_s, 1e-9),
    )
    return {"law": law}


def _hanging(rows: NDArray[np.void], spans: list[contract.Span]) -> int:
    """How many requests were asked before the window, had no answer in all of it, and then failed or stayed without one."""
    if not spans:
        return 0
    begun = rows[(rows["segment"] < 0) & (rows["start_s"] < spans[0].start_s)]
    until_s = begun["start_s"] + begun["response_ms"] / 1000
    return int((IS_FAILURE[begun["outcome"]] & (until_s > spans[-1].end_s)).sum())


def _paired(rows: NDArray[np.void]) -> Paired:
    """How many tickets both targets had, and how many of them asked the same of both: as often, in order, word by word."""
    measured = rows[rows["segment"] >= 0][["target", "segment", "ticket", "endpoint", "asked"]]
    if not len(measured):
        return Paired(tickets=0, same=0)
    # Ticket by ticket, and what one of them asked of a target in the order in which it was recorded.
    measured = measured[np.lexsort((measured["ticket"], measured["segment"]))]
    begins = (np.diff(measured["segment"]) != 0) | (np.diff(measured["ticket"]) != 0)
    ticket = np.concatenate([[0], np.cumsum(begins)])
    candidate, base = (measured["target"] == target for target in (CANDIDATE, BASE))
    ours, theirs = (np.bincount(ticket[own], minlength=ticket[-1] + 1) for own in (candidate, base))
    alike = (ours == theirs) & (ours > 0)
    left, right = (measured[own & alike[ticket]] for own in (candidate, base))
    differ = (left["endpoint"] != right["endpoint"]) | (left["asked"] != right["asked"])
    others = np.unique(ticket[candidate & alike[ticket]][differ])
    return Paired(tickets=int(((ours > 0) & (theirs > 0)).sum()), same=int(alike.sum()) - len(others))


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
    groups = grouped(seconds)
    last = max(groups, default=-1)
    return tuple(_second(at, rows[window[groups[at]]] if at in groups else None) for at in range(last + 1))


def timeline_of_turns(folder: Path, closing: contract.Closing, target: int) -> tuple[tuple[float | None, ...], ...]:
    """As a measurement's timeline, a line for each turn of one of several targets: [its begin, requests and failures a second,
    p50, p95].

    Args:
        folder: the exchange folder of the run.
        closing: the instrument's last word.
        target: index into the plan's targets.
    """
    rows, _ = read_rows(folder)
    rows = rows[rows["target"] == target]
    origin = closing.spans[0].start_s if closing.spans else 0.0
    lines = []
    for span in (span for span in closing.spans if span.target == target):
        line = _second(0, rows[rows["segment"] == span.segment])
        seconds = max(span.end_s - span.start_s, 1e-9)
        lines.append((span.start_s - origin, *(round((count or 0.0) / seconds, 3) for count in line[1:3]), *line[3:]))
    return tuple(lines)


def _second(second: int, rows: NDArray[np.void] | None) -> tuple[float | None, ...]:
    if rows is None or not len(rows):
        return (float(second), 0.0, 0.0, None, None)
    samples = EndpointSamples(rows, 1.0)
    p50, p95 = (samples.times.quantile(p) for p in (0.50, 0.95))
    return (float(second), float(len(rows)), float(samples.failed.sum()), p50, p95)
