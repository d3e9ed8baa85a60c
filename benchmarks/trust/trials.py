"""Reads what a campaign kept, and judges it again from the raw samples."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.trust.campaign import DONE
from benchmarks.trust.conditions import NAMED, Condition, thresholds_at
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
from entrypoint.measurement.pairs import BASE, CANDIDATE, Pairs, joined, read_pairs
from entrypoint.settings.model import Compare
from locustfiles.ml_loadtest import contract

_RATE = Compare().false_alarm_rate
_SEED = 1
_MOST_LOOKS = Compare().max_looks
ENDPOINT = "POST /predict"


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


@dataclass(frozen=True)
class Trial:
    """One comparison that was made.

    Attributes:
        began: seconds since 1970.
        verdict: of the product, when it was made.
        problem: why there is none.
    """

    folder: Path
    service: str
    condition: Condition
    began: float
    verdict: str
    problem: str

    @cached_property
    def looks(self) -> list[Look]:
        """Every generation that was measured."""
        folders = [in_look(self.folder / "samples", look) for look in range(1, _MOST_LOOKS + 1)]
        return [_read_look(folder) for folder in folders if (folder / "closing.json").exists()]

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

    def judged(self, threshold: float) -> Comparison | None:
        """Side by side as the product judges it, at any threshold that is not tighter than the one it was made at.

        None for a run that is invalid.
        """
        earlier: Comparison | None = None
        for number in range(1, len(self.looks) + 1):
            seen = self.looks[:number]
            if not all(look.valid for look in seen):
                return None
            pairs = joined([look.pairs for look in seen])
            measurement = whole([look.candidate for look in seen], pairs)
            earlier = acquit(earlier, compare(measurement, Paired(pairs, _SEED), thresholds_at(threshold), _RATE))
            if not open_rows(earlier, number, _MOST_LOOKS):
                break
        return earlier

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


def _read_look(folder: Path) -> Look:
    plan, closing = contract.read_plan(folder / "plan.json"), contract.read_closing(folder / "closing.json")
    ours, theirs = (
        measure_recording(folder, plan, closing, plan_key="", plan_text="", target=target)
        for target in (CANDIDATE, BASE)
    )
    return Look(candidate=ours, base=theirs, pairs=read_pairs(folder, closing))


def read_trials(folder: Path) -> list[Trial]:
    """Every finished comparison of a campaign, in the order in which they were made."""
    found = []
    for path in (folder / "trials").glob(f"*/{DONE}"):
        values = json.loads(path.read_text())
        found.append(
            Trial(
                folder=path.parent, service=values["service"], condition=NAMED[values["condition"]],
                began=values["began"], verdict=values["verdict"], problem=values["problem"],
            )
        )  # fmt: skip
    return sorted(found, key=lambda trial: trial.began)
