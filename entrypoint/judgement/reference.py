"""What a candidate is held against: the runs of a committed baseline, or the base's own service beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from entrypoint.measurement.metrics import Metric


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """One row against its reference. Logarithms, so that a doubling and a halving are equally far from no change.

    Attributes:
        baseline: the reference's value, in the metric's unit; infinite where too many requests failed.
        estimate: log of candidate / baseline.
        half: half the width of the interval that decides.
        resolution: log of the smallest change that would have been seen with 95 % probability.
        order: half the log by which it matters who has the first turn; None where nobody takes turns.
        order_z: the same in standard errors.
        beyond: how many earlier runs there are if the candidate is worse than each; 0 if it is not, or they are not its like.
    """

    baseline: float
    estimate: float
    half: float
    resolution: float
    order: float | None = None
    order_z: float = 0.0
    beyond: int = 0


class Reference(Protocol):
    """Something to compare with."""

    @property
    def paired(self) -> bool:
        """Whether it was measured beside the candidate, which sees smaller changes."""
        ...

    @property
    def caveats(self) -> tuple[str, ...]:
        """What weakens it, in sentences."""
        ...

    def endpoints(self) -> Sequence[str]:
        """Every endpoint it knows."""
        ...

    def judges(self, endpoint: str, metric: Metric) -> bool:
        """Whether it has enough of a row to judge a candidate by."""
        ...

    def lacks(self, endpoint: str, metric: Metric, /) -> str:
        """Why it does not, where it knows the endpoint at all."""
        ...

    def hold(self, endpoint: str, metric: Metric, value: float, alpha: float) -> Against | None:
        """A candidate's value against it, None where it cannot judge the row.

        Args:
            value: in the metric's unit; where the candidate has too few requests, a bound of it.
            alpha: one-sided probability of a false alarm on this row.
        """
        ...

    def to_tell(self, endpoint: str, metric: Metric, worse: float, threshold: float, alpha: float) -> dict[str, Any]:
        """What would resolve a row, as fields of `Change`.

        Args:
            worse: estimate of the log ratio, positive for worse.
            threshold: log of the allowed change.
        """
        ...

    def share(self, endpoint: str, metric: Metric) -> tuple[int, int]:
        """Of a ratio, how many samples were on the worse side, and of how many."""
        ...

    def requests_a_run(self, endpoint: str) -> float:
        """How many requests a candidate that answers as fast would have."""
        ...

    def quantiles(self, endpoint: str) -> dict[str, float]:
        """Response times in ms by probability, for drawing."""
        ...

    def history(self, endpoint: str, metric: Metric) -> tuple[float, ...]:
        """Its runs' values, the oldest first, for a sparkline."""
        ...
