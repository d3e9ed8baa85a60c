"""What the judgement says: changes, comparison, verdict."""

from enum import StrEnum

from entrypoint.measurement.metrics import METRICS, Direction
from entrypoint.measurement.model import Value


class Status(StrEnum):
    """What is to be said of one row."""

    REGRESSED = "regressed"
    OVER_LIMIT = "over-limit"
    IMPROVED = "improved"
    UNCHANGED = "unchanged"
    WITHIN_LIMIT = "within-limit"
    UNRESOLVED = "unresolved"
    TOO_FEW = "too-few"
    MISSING = "missing"
    NEW = "new"
    REPORTED = "reported"


class Change(Value):
    """One endpoint and one metric. Values in the metric's unit; ratios as fractions (0.1 is +10 %).

    Attributes:
        baseline, candidate: the figures; None where there is none.
        change: candidate / baseline - 1.
        interval: where the true change lies, as fractions; the one that decides.
        threshold: allowed change towards worse.
        floor: smallest absolute change that is accused.
        limit: absolute limit that applies.
        resolution: the smallest change towards worse, with its sign, that this run would have seen with 95 % probability.
        order_effect: half the relative change between pairs in which the candidate had the first turn and the others; None
            where nobody took turns.
        gated: whether the row takes part in the verdict.
        history: the baseline's runs, the oldest first, for a sparkline.
        occasions_to_tell: on how many occasions a baseline of the same noise would resolve the row; None if it is resolved, or
            if no baseline that is kept would.
        time_to_tell: how many times the measured time would resolve the row; None likewise.
        note: what else must be known to read the row.
        higher_is_better: of a metric that is not in our list.
    """

    endpoint: str
    metric: str
    unit: str
    baseline: float | None = None
    candidate: float | None = None
    change: float | None = None
    interval: tuple[float, float] | None = None
    threshold: float | None = None
    floor: float = 0.0
    limit: float | None = None
    resolution: float | None = None
    order_effect: float | None = None
    status: Status
    gated: bool
    history: tuple[float, ...] = ()
    occasions_to_tell: int | None = None
    time_to_tell: float | None = None
    note: str = ""
    higher_is_better: bool = False

    @property
    def label(self) -> str:
        """The metric's name for people. One that is not in our list was named by somebody else."""
        return METRICS[self.metric].label if self.metric in METRICS else self.metric

    @property
    def direction(self) -> Direction:
        """Which way is worse."""
        if self.metric in METRICS:
            return METRICS[self.metric].direction
        return Direction.better("higher" if self.higher_is_better else "lower")


class Comparison(Value):
    """All rows, and what they were compared with.

    Attributes:
        rows: number of gated rows, the R of the error rate.
        alpha: one-sided error of each of them.
        against: what the candidate was compared with, in a sentence; "" for nothing.
        caveats: what weakens the comparison, in sentences.
        quantiles: the baseline's response times in ms by endpoint and probability, for drawing.
        unmatched: patterns of thresholds that name no endpoint of the run.
    """

    changes: tuple[Change, ...]
    rows: int
    alpha: float
    against: str = ""
    caveats: tuple[str, ...] = ()
    quantiles: dict[str, dict[str, float]] = {}
    unmatched: tuple[str, ...] = ()


class Outcome(StrEnum):
    """The verdict of a run, worst first."""

    INVALID = "invalid"
    LIMIT_EXCEEDED = "limit-exceeded"
    REGRESSION = "regression"
    INCONCLUSIVE = "inconclusive"
    NO_BASELINE = "no-baseline"
    IMPROVEMENT = "improvement"
    PASS = "pass"  # noqa: S105 (a verdict, not a password)


class Reason(Value):
    """Why the verdict is what it is: a fixed code for machines, a sentence for people."""

    code: str
    text: str


class Verdict(Value):
    """The decision."""

    outcome: Outcome
    reasons: tuple[Reason, ...]
    exit_code: int
