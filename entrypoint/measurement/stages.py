"""Several levels of load in one run: what each showed, and which the generator could drive."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from entrypoint.measurement.model import Check, Stage
from entrypoint.measurement.samples import EndpointSamples
from entrypoint.measurement.validity import check_arrivals, check_generator, inside
from entrypoint.settings.model import Validity
from locustfiles.ml_loadtest import contract


def label(step: contract.Step) -> str:
    """A level of load in words."""
    if step.arrival_rate is not None:
        return f"{step.arrival_rate:g} requests/s"
    return "1 user" if step.users == 1 else f"{step.users} users"


def labels(steps: Sequence[contract.Step]) -> list[str]:
    """A name for each level; one that comes again is numbered."""
    seen: Counter[str] = Counter()
    names = []
    for name in map(label, steps):
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return names


def level(step: contract.Step) -> float:
    """Users, or requests per second."""
    return step.arrival_rate if step.arrival_rate is not None else float(step.users)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One level of load as it was held.

    Attributes:
        label: the level in words.
        step: the level.
        spans: its measured time, not empty.
        rows: which samples were due in it, indices of shape (n,).
        checks: of the generator during it.
    """

    label: str
    step: contract.Step
    spans: tuple[contract.Span, ...]
    rows: NDArray[np.intp]
    checks: tuple[Check, ...]

    @property
    def seconds(self) -> float:
        """Length of its measured time."""
        return sum(span.end_s - span.start_s for span in self.spans)

    @property
    def ok(self) -> bool:
        """Whether the generator could drive it."""
        return all(check.ok for check in self.checks)


def blocks_of(
    rows: NDArray[np.void],
    health: NDArray[np.void],
    plan: contract.Plan,
    closing: contract.Closing,
    target: int,
    limits: Validity,
) -> list[Block]:
    """Every level of load that was held on a target.

    Args:
        rows: its samples, shape (n,).
        health: of every process of the generator, shape (m,).
        plan: what was asked for.
        closing: what was done.
        target: index into the plan's targets.
        limits: what the generator may do.
    """
    spans = [span for span in closing.spans if span.target == target]
    blocks = []
    for number, (step, name) in enumerate(zip(closing.steps, labels(closing.steps), strict=True)):
        own = tuple(span for span in spans if span.block == number)
        if not own:
            break
        chosen = due_in(rows, own)
        checks = (
            *check_generator(inside(health, own), limits),
            *check_arrivals(plan, step, own, rows["late_ms"][chosen], limits),
        )
        blocks.append(Block(label=name, step=step, spans=own, rows=chosen, checks=checks))
    return blocks


def due_in(rows: NDArray[np.void], spans: Sequence[contract.Span]) -> NDArray[np.intp]:
    """Which samples of a target were due in the spans of one block, whose segments are numbered in order."""
    segments = rows["segment"]
    return np.flatnonzero((segments >= spans[0].segment) & (segments <= spans[-1].segment))


def outlasting(rows: NDArray[np.void], spans: Sequence[contract.Span]) -> int:
    """How many requests from before a block were without an answer through all of it.

    Args:
        rows: every sample of a target, shape (n,).
        spans: of the block.
    """
    begin, end = spans[0].start_s, spans[-1].end_s
    until_s = rows["due_s"] + rows["response_ms"] / 1000
    return int(np.count_nonzero((rows["segment"] < 0) & (rows["start_s"] < begin) & (until_s > end)))


def stages_of(rows: NDArray[np.void], blocks: Sequence[Block]) -> tuple[Stage, ...]:
    """What each level of load showed, where there were several.

    Args:
        rows: samples of one target, shape (n,).
        blocks: its levels.
    """
    stages: list[Stage] = []
    for block in blocks:
        due = rows[block.rows]
        stages.append(_stage(due, block).model_copy(update={"outlasting": outlasting(rows, block.spans)}))
        stages[-1] = stages[-1].model_copy(update={"recovery_s": recovery_s(stages, len(stages) - 1, due)})
    return tuple(stages)


def worst(lists: Sequence[Sequence[Check]]) -> list[Check]:
    """Of several lists of the same checks, the one of each name that came closest to its limit or went furthest over."""
    by_name: dict[str, list[Check]] = {}
    for check in (check for checks in lists for check in checks):
        by_name.setdefault(check.name, []).append(check)
    return [max(checks, key=_strain) for checks in by_name.values()]


def _strain(check: Check) -> tuple[bool, float]:
    least = check.name == "arrivals"  # the one whose limit is from below
    above, below = (check.limit, check.value) if least else (check.value, check.limit)
    return not check.ok, above / below if below else math.inf


def _stage(rows: NDArray[np.void], block: Block) -> Stage:
    samples = EndpointSamples(rows, block.seconds)
    return Stage(
        label=block.label,
        load=level(block.step),
        start_s=block.spans[0].start_s,
        end_s=block.spans[-1].end_s,
        requests=len(rows),
        failures=int(samples.failed.sum()),
        rate=samples.times.ok_rate,
        p50_ms=samples.times.quantile(0.50) if len(rows) else None,
        p95_ms=samples.times.quantile(0.95) if len(rows) else None,
        overloaded=block.spans[-1].overloaded,
        ok=block.ok,
        text=" ".join(check.text for check in block.checks if not check.ok),
    )


def recovery_s(stages: Sequence[Stage], number: int, rows: NDArray[np.void]) -> float | None:
    """How long response times stayed high after the load had fallen.

    Second by second of the stage: the end of the last one whose median request took longer than the p95 of the latest
    earlier stage with a load no higher than this one's. A failed request took for ever.

    Args:
        stages: all stages so far, this one included.
        number: which of them is asked about.
        rows: its samples, shape (n,).

    Returns:
        Seconds from the stage's beginning; 0 if no second was slow, infinity if the last one still was, None if the load did
        not fall or nothing before it compares.
    """
    stage = stages[number]
    if number == 0 or stages[number - 1].load <= stage.load or not len(rows):
        return None
    before = next((earlier for earlier in reversed(stages[: number - 1]) if earlier.load <= stage.load), None)
    if before is None or before.p95_ms is None:
        return None
    seconds = np.floor(rows["due_s"] - stage.start_s).clip(0).astype(int)
    slow = [
        second
        for second in np.unique(seconds).tolist()
        if EndpointSamples(rows[seconds == second], 1.0).times.quantile(0.50) > before.p95_ms
    ]
    if not slow:
        return 0.0
    return math.inf if slow[-1] == seconds.max() else float(slow[-1] + 1)
