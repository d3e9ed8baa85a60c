"""The runs of a committed baseline as what a candidate is held against. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from entrypoint.baseline.model import MOST_RUNS, Group
from entrypoint.judgement.reference import Against
from entrypoint.judgement.significance import (
    ENOUGH_OCCASIONS,
    missing_variance,
    noise_between_occasions,
    occasions_to_tell,
    predict,
)
from entrypoint.measurement.metrics import Metric


@dataclass(frozen=True, slots=True)
class Committed:
    """A group of runs; the noise between its occasions decides."""

    group: Group

    @property
    def paired(self) -> bool:
        """The runs are of other hours, and mostly of other machines."""
        return False

    @property
    def caveats(self) -> tuple[str, ...]:
        """That the noise is partly assumed, as long as it is."""
        occasions = len({run.occasion for run in self.group.runs})
        if occasions >= ENOUGH_OCCASIONS:
            return ()
        plural = "occasion" if occasions == 1 else "occasions"
        return (
            f"The baseline was measured on {occasions} {plural}; below {ENOUGH_OCCASIONS} the noise between occasions is partly "
            "assumed, and wide, so that only a change far outside it is accused.",
        )

    def endpoints(self) -> Sequence[str]:
        """Every endpoint of the newest run."""
        return self.group.endpoints()

    def judges(self, endpoint: str, metric: Metric) -> bool:
        """Whether the runs have the figure, and none of them one that has no logarithm."""
        return min(self.history(endpoint, metric), default=0.0) > 0

    def lacks(self, _endpoint: str, _metric: Metric, /) -> str:
        """Nothing that must be said: a figure that no run has is new."""
        return ""

    def hold(self, endpoint: str, metric: Metric, value: float, alpha: float) -> Against | None:
        """Log ratio to the mean of the occasions, with the prediction interval of one more of them."""
        occasions = self._occasions(endpoint, metric)
        logs = _means(occasions)
        if not logs or not self.judges(endpoint, metric) or value <= 0 or metric.prior_sd is None:
            return None
        noise = noise_between_occasions(logs, metric.prior_sd)
        prediction = predict(logs, noise, alpha, missing_variance(occasions))
        return Against(
            baseline=math.exp(prediction.mean),
            estimate=math.log(value) - prediction.mean,
            half=prediction.half + math.log1p(metric.grain),
            resolution=prediction.resolution + math.log1p(metric.grain),
            beyond=self._beyond(occasions, metric, value),
        )

    def value(self, endpoint: str, metric: Metric) -> float | None:
        """The baseline's figure, None if no run has it."""
        logs = _means(self._occasions(endpoint, metric))
        return math.exp(sum(logs) / len(logs)) if logs else None

    def to_tell(self, endpoint: str, metric: Metric, worse: float, threshold: float, alpha: float) -> dict[str, Any]:
        """On how many occasions a baseline of the same noise would resolve the row."""
        occasions = self._occasions(endpoint, metric)
        logs, missing = _means(occasions), missing_variance(occasions)
        assert metric.prior_sd is not None  # or the row could not have been held
        noise = noise_between_occasions(logs, metric.prior_sd)
        counts = range(max(ENOUGH_OCCASIONS, len(logs) + 1), MOST_RUNS + 1)
        return {"occasions_to_tell": occasions_to_tell(worse, threshold, noise.sd, missing, alpha, counts)}

    def share(self, endpoint: str, metric: Metric) -> tuple[int, int]:
        """Counts of a ratio over all runs."""
        return self.group.share(endpoint, metric.key)

    def requests_a_run(self, endpoint: str) -> float:
        """How many requests the endpoint had in the mean run."""
        return self.group.requests_a_run(endpoint)

    def quantiles(self, endpoint: str) -> dict[str, float]:
        """Response times in ms by probability, the mean of the runs."""
        return self.group.quantiles(endpoint)

    def history(self, endpoint: str, metric: Metric) -> tuple[float, ...]:
        """The figure in every run that has it."""
        found = (run.value(endpoint, metric.key, metric.made_of) for run in self.group.runs)
        return tuple(value for value in found if value is not None)

    @staticmethod
    def _beyond(occasions: Sequence[Sequence[float]], metric: Metric, value: float) -> int:
        """See `Against`. Only where each occasion is a single run, as the candidate is, are they alike but for their luck."""
        worse = all(metric.direction * (math.log(value) - log) > 0 for runs in occasions for log in runs)
        return len(occasions) if worse and all(len(runs) == 1 for runs in occasions) else 0

    def _occasions(self, endpoint: str, metric: Metric) -> list[list[float]]:
        return self.group.occasions(endpoint, metric.key, metric.made_of)


def _means(occasions: Sequence[Sequence[float]]) -> list[float]:
    return [sum(runs) / len(runs) for runs in occasions]
