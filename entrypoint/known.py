"""What a run knows before anything is started, and what its load left."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from entrypoint.baseline.model import Baseline, Fingerprint, Group
from entrypoint.judgement.model import Comparison
from entrypoint.measurement.model import Measurement
from entrypoint.report.result import Look, ServiceLog, Stretch, Usage
from entrypoint.service import Fault
from entrypoint.settings.reading import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What stays the same from the beginning to the end.

    Attributes:
        base: the commit that is measured beside the candidate, "" for none.
        edits: what the pull request did to the baseline, in a sentence; "" for nothing.
    """

    settings: Settings
    baseline: Baseline | None
    fingerprint: Fingerprint
    group: Group | None
    commit: str
    base: str = ""
    edits: str = ""
    timing: dict[str, float] = field(default_factory=dict)
    began: float

    @property
    def left_s(self) -> float:
        """How much of the whole run's time is left."""
        return self.settings.config.policy.timeout_s - (time.monotonic() - self.began)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the load left, and what the service said of itself.

    Attributes:
        comparison: with whatever there was to compare with.
        base_timeline: of the base, as the measurement's is of the candidate.
        base_problem: why there was no base to compare with, where one was wanted.
        fell_back: whether the candidate was measured alone instead.
    """

    measurement: Measurement
    comparison: Comparison
    faults: tuple[Fault, ...]
    facts: dict[str, str]
    usage: tuple[Usage, ...]
    logs: tuple[ServiceLog, ...]
    looks: tuple[Look, ...]
    stretches: tuple[Stretch, ...] = ()
    base_timeline: tuple[tuple[float | None, ...], ...] = ()
    base_problem: str = ""
    fell_back: bool = False


@contextmanager
def timed(timing: dict[str, float], stage: str) -> Iterator[None]:
    """Note how many seconds the block took."""
    began = time.monotonic()
    try:
        yield
    finally:
        add(timing, stage, time.monotonic() - began)


def add(timing: dict[str, float], stage: str, seconds: float) -> None:
    """Add to the seconds of a stage."""
    timing[stage] = timing.get(stage, 0.0) + seconds
