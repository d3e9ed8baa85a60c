"""Reads what a campaign kept, and judges it again from the raw samples."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.trust.campaign import DONE
from benchmarks.trust.conditions import JUDGED, NAMED, Condition, thresholds_at
from entrypoint.baseline.model import Fingerprint, Group, Run
from entrypoint.baseline.runs import as_run
from entrypoint.generation import in_look
from entrypoint.judgement.committed import Committed
from entrypoint.judgement.comparison import compare
from entrypoint.judgement.looks import acquit, open_rows
from entrypoint.judgement.model import Comparison
from entrypoint.judgement.paired import Paired
from entrypoint.measurement.generations import whole
from entrypoint.measurement.measure import measure_recording
from entrypoint.measurement.model import Measurement
from entrypoint.measurement.pairs import BASE, CANDIDATE, Pairs, joined
from entrypoint.measurement.samples import IS_FAILURE, read_rows
from entrypoint.service import cost, cpu, resources
from entrypoint.settings.model import Compare
from entrypoint.side_by_side import pairs_of
from locustfiles.ml_loadtest import contract

_RATE = Compare().false_alarm_rate
_SEED = 1
_MOST_LOOKS = Compare().max_looks
ENDPOINT = "POST /predict"
CPU = "cpu-per-request"


@dataclass(frozen=True)
class Look:
    """One generation of a trial: both measurements, and the pairs."""

    candidate: Measurement
    base: Measurement
    pairs: Pairs

    @property
    def valid(self) -> bool:
        """Whether generator and machine were fit to measure, on either target."""
        return self.candidate.valid and self.base.valid

    def figure(self, metric: str) -> float:
        """The candidate's, in the metric's unit; NaN if it has none."""
        return _figure(self.candidate, metric)

    def base_figure(self, metric: str) -> float:
        """The base's; NaN if it has none."""
        return _figure(self.base, metric)


def _figure(measurement: Measurement, metric: str) -> float:
    found = measurement.endpoints.get(ENDPOINT)
    value = {**measurement.service, **(found.metrics if found else {})}.get(metric)
    return math.nan if value is None or value <= 0 else value


@dataclass(frozen=True)
class Replay:
    """The judgement of a comparison, made again.

    Attributes:
        comparison: None if a look was invalid, or if the product would have taken another look than were taken.
        looks: how many it took.
    """

    comparison: Comparison | None
    looks: int


def compared(looks: Sequence[Look], threshold: float, rows: Sequence[str] = JUDGED) -> Comparison:
    """So many looks, judged together; what an earlier one acquitted is judged again."""
    pairs = joined([look.pairs for look in looks])
    measurement = whole([look.candidate for look in looks], pairs)
    return compare(measurement, Paired(pairs, _SEED), thresholds_at(threshold, rows), _RATE)


def replay(looks: Sequence[Look], threshold: float) -> Replay:
    """Look after look, as `side_by_side` goes on: for as long as a row is open that more looks could decide."""
    earlier: Comparison | None = None
    for number in range(1, len(looks) + 1):
        seen = looks[:number]
        if not seen[-1].valid:
            return Replay(None, number)
        earlier = acquit(earlier, compared(seen, threshold))
        if not open_rows(earlier, number, _MOST_LOOKS):
            return Replay(earlier, number)
    # The run itself stopped here, at another threshold; what this one would have seen next, nobody knows.
    return Replay(None, len(looks))


@dataclass(frozen=True)
class Trial:
    """One comparison that was made.

    Attributes:
        began: seconds since 1970.
        problem: why it could not be made, or "".
    """

    folder: Path
    service: str
    condition: Condition
    began: float
    problem: str
    _replays: dict[float, Replay] = field(default_factory=dict)

    @property
    def usable(self) -> bool:
        """Whether its first look measured anything on both targets."""
        sides = [side for look in self.looks[:1] for side in (look.candidate, look.base)]
        return not self.problem and bool(sides) and all(ENDPOINT in side.endpoints for side in sides)

    @cached_property
    def looks(self) -> list[Look]:
        """Every generation that was measured."""
        folders = [in_look(self.folder / "samples", look) for look in range(1, _MOST_LOOKS + 1)]
        logs = [in_look(self.folder / "service", look) for look in range(1, _MOST_LOOKS + 1)]
        return [_read_look(*place) for place in zip(folders, logs, strict=True) if (place[0] / "closing.json").exists()]

    @property
    def live(self) -> set[tuple[str, str, str]]:
        """Endpoint, metric and status of every row, as the product judged it when the comparison was made."""
        changes = json.loads((self.folder / "result.json").read_text())["changes"]
        return {(change["endpoint"], change["metric"], change["status"]) for change in changes}

    @property
    def load_s(self) -> float:
        """Seconds of measured load on both targets."""
        return sum(look.candidate.window_s + look.base.window_s for look in self.looks)

    def times(self, target: int) -> NDArray[np.float64]:
        """All response times in ms that a target had in the first look, in ascending order; failures as long as they took."""
        rows = self.looks[0].pairs.endpoints[ENDPOINT][target].rows
        return np.sort(rows["response_ms"].astype(np.float64))

    def replayed(self, threshold: float) -> Replay:
        """Side by side as the product judges it, from the raw samples."""
        if threshold not in self._replays:
            self._replays[threshold] = replay(self.looks, threshold)
        return self._replays[threshold]

    def judged_by(self, runs: list[Run], threshold: float) -> Comparison | None:
        """Its candidate alone, against a baseline of such runs; None where its first look is invalid."""
        if not self.looks[0].valid:
            return None
        fingerprint = Fingerprint(machine="this", launcher="compose", plan="this")
        reference = Committed(Group(fingerprint=fingerprint, runs=tuple(runs)))
        return compare(self.looks[0].candidate, reference, thresholds_at(threshold), _RATE)

    def as_occasion(self) -> Run:
        """Its base, as one occasion of a committed baseline."""
        name = self.folder.name
        return as_run(self.looks[0].base, occasion=name, commit="", date="2000-01-01", id=name)


def _read_look(folder: Path, logs: Path) -> Look:
    """Those of before processor time was read have none in their pairs."""
    plan, closing = contract.read_plan(folder / "plan.json"), contract.read_closing(folder / "closing.json")
    ours, theirs = (
        measure_recording(folder, plan, closing, plan_key="", plan_text="", target=target)
        for target in (CANDIDATE, BASE)
    )
    counted = cpu.looks(logs / cpu.COUNTED), cpu.looks(logs / "base" / cpu.COUNTED)
    pairs = pairs_of(folder, closing, plan.lead_in_s, counted)
    used = _cpu_ms(folder, closing, (logs, logs / "base"))
    ours, theirs = (
        one.model_copy(update={"service": cpu_ms}) for one, cpu_ms in zip((ours, theirs), used, strict=True)
    )
    return Look(candidate=ours, base=theirs, pairs=pairs)


def _cpu_ms(folder: Path, closing: contract.Closing, logs: tuple[Path, Path]) -> list[dict[str, float]]:
    """CPU time in ms for each success of candidate and base in the whole look: one figure each, from looks once a second.

    While the other has its turn they use next to nothing. Earlier versions did not look again at the end: up to the last look.
    """
    paths = [place / resources.RESOURCES for place in logs]
    lasts = [looks[-1].at for path in paths for looks in resources.readings(path).values()]
    if len(lasts) < len(paths) or not closing.spans:
        return [{}, {}]
    rows, _ = read_rows(folder)
    begin, end = closing.spans[0].start_s, min(closing.spans[-1].end_s, min(lasts) - closing.origin_unix_s)
    right = rows[~IS_FAILURE[rows["outcome"]] & (rows["due_s"] >= begin) & (rows["due_s"] < end)]
    counts = [int((right["target"] == target).sum()) for target in (CANDIDATE, BASE)]
    moments = (closing.origin_unix_s + begin, closing.origin_unix_s + end)
    whole_s = [sum(one.cpu_s for one in cost.spent(path, *moments).values()) for path in paths]
    return [{CPU: 1000 * used / count} if used and count else {} for used, count in zip(whole_s, counts, strict=True)]


def read_trials(folder: Path) -> list[Trial]:
    """Every finished comparison of a campaign, in the order in which they were made."""
    found = []
    for path in (folder / "trials").glob(f"*/{DONE}"):
        values = json.loads(path.read_text())
        found.append(
            Trial(
                folder=path.parent, service=values["service"], condition=NAMED[values["condition"]],
                began=values["began"], problem=values["problem"],
            )
        )  # fmt: skip
    return sorted(found, key=lambda trial: trial.began)
