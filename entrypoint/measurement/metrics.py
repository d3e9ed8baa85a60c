"""The list of metrics. A new metric is one entry here, and nothing anywhere else. What a user chooses from the service's own page
has no entry: `chosen` makes it from the settings, or from what a result says of it.

Percentiles are nearest rank on the raw values, x[ceil(p n)] of the sorted sample (Hyndman and Fan 1996, definition 1), with
every failed or unfinished request counted as infinitely slow. No bucket and no interpolation, so a figure is always a response
time that somebody waited for.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from entrypoint.measurement.samples import EndpointSamples


# The name of what is measured of the service as a whole, where endpoints have theirs.
SERVICE = "(service)"


class Direction(IntEnum):
    """Which way is worse."""

    LOWER_IS_BETTER = 1
    HIGHER_IS_BETTER = -1

    @classmethod
    def better(cls, which: str) -> "Direction":
        """By which way is better: `lower` or `higher`."""
        return cls.HIGHER_IS_BETTER if which == "higher" else cls.LOWER_IS_BETTER


class Times(Protocol):
    """Response times of one endpoint's requests, at least one; a failure is infinitely slow."""

    def quantile(self, p: float) -> float:
        """In ms, by nearest rank, p in (0, 1]."""
        ...

    def ok_quantile(self, p: float) -> float:
        """The same of the requests that did not fail; NaN without any."""
        ...

    @property
    def mean_ok_ms(self) -> float:
        """Mean of the requests that did not fail; NaN without any."""
        ...

    @property
    def ok_rate(self) -> float:
        """Requests per second that did not fail."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One figure of an endpoint's measurement, or of the service's own.

    Attributes:
        key: its name in files and thresholds.
        label: its name for people.
        unit: `ms`, `1/s`, `users`, `MiB`, `KiB` or `%` (a ratio, shown in percent).
        direction: which way is worse.
        compute: the figure from the endpoint's response times, infinite where failures reach it; None for a share, which its
            counts make, and for a figure of the service.
        minimum: requests needed before it is printed; below, it is None.
        gate: whether it is judged unless a threshold says otherwise.
        max_change: relative change in the worse direction that is allowed by default against a committed baseline.
        max_change_paired: the same against a base that is measured beside it.
        floor: smallest absolute change, in the unit, that is accused.
        limit: default absolute limit in the worse direction.
        grain: how far two measurements of the same may be apart because they are taken in steps, as a fraction.
        quantile: which quantile of the response times it is, None for other figures.
        prior_sd: standard deviation of the log between occasions, assumed until enough occasions were seen.
        share: of a ratio, how many samples are on its worse side, and of how many; judged by exact tests of these counts.
        counted: what the counts of the worse side are, in words.
        compared: whether a ratio is also held against the baseline's.
        optional: why an endpoint may not have it; "" for a metric that every endpoint has.
        chosen: whether the settings chose it by name, so that its absence is told.
        made_of: what the settings made it of; runs are held against each other only where that is the same. "" of our own.
    """

    key: str
    label: str
    unit: str
    direction: Direction
    compute: Callable[[Times], float] | None = None
    minimum: int = 1
    gate: bool = False
    max_change: float | None = None
    max_change_paired: float | None = None
    floor: float = 0.0
    limit: float | None = None
    prior_sd: float | None = None
    grain: float = 0.0
    quantile: float | None = None
    share: "Callable[[EndpointSamples], tuple[int, int]] | None" = None
    counted: str = ""
    compared: bool = True
    optional: str = ""
    chosen: bool = False
    made_of: str = ""

    def is_of(self, endpoint: str) -> bool:
        """Whether an endpoint, or `SERVICE`, can have it."""
        of_service = self.compute is None and self.share is None
        return of_service == (endpoint == SERVICE)

    @property
    def in_turns(self) -> bool:
        """Whether it is compared where candidate and base take turns; of most figures of the service there is one a run."""
        return not self.is_of(SERVICE) or self.max_change_paired is not None

    def figure(self, samples: "EndpointSamples") -> float:
        """The figure of an endpoint from its samples."""
        if self.share is not None:
            return self.ratio(*self.share(samples))
        return self.of_times(samples.times)

    def of_times(self, times: Times) -> float:
        """The figure of an endpoint from its response times alone; of no share."""
        assert self.compute is not None, f"{self.key} is not made of response times"
        return self.compute(times)

    def ratio(self, worse: int, count: int) -> float:
        """The figure of a ratio from its counts, 0 to 1; NaN of nothing."""
        share = worse / count if count else math.nan
        return share if self.direction is Direction.LOWER_IS_BETTER else 1.0 - share


def chosen(key: str, unit: str, direction: Direction, missing: str = "", made_of: str = "") -> Metric:
    """A figure of the service that the settings chose; judged where a threshold asks, by +25 % unless it says otherwise.

    Args:
        key: its name, for people too.
        unit: `ms`, `MiB`, `1/s`, or "" for a plain number.
        direction: which way is worse.
        missing: why the run has none; "" if it has one.
        made_of: see `Metric`.
    """
    return Metric(
        key=key, label=key, unit=unit, direction=direction, max_change=0.25, prior_sd=0.15, optional=missing, chosen=True,
        made_of=made_of,
    )  # fmt: skip


def rank_of(p: float, count: int) -> int:
    """Which of so many in ascending order is the p-quantile, the first being 1; p in (0, 1]."""
    return max(1, math.ceil(round(p * count, 9)))


def nearest_rank(sorted_ms: "NDArray[np.float64]", p: float) -> float:
    """The p-quantile of a sorted, non-empty sample by nearest rank, p in (0, 1]."""
    return float(sorted_ms[rank_of(p, len(sorted_ms)) - 1])


def _percentile(p: float) -> Callable[[Times], float]:
    return lambda times: times.quantile(p)


def _successful_percentile(p: float) -> Callable[[Times], float]:
    return lambda times: times.ok_quantile(p)


_OUT_OF_REACH = "what the service uses could not be read on this machine"
_NO_SEARCH = "no capacity was searched for (`mode: capacity`)"
_NO_SOAK = "growth is told of a soak alone (`mode: soak`), and of no fewer than fifteen stretches with enough requests"
_NO_PRESSURE = "this kernel does not count the pressure of a container by itself"
_OWN_PRESSURE = "the pressure of each container is known, or none at all"


# Smallest samples for a percentile: the conservative one-sided 99 % bound of MLPerf's early stopping, about 6.64 / (1 - p).
# Prior standard deviations: what separate runs of unchanged code showed on shared two-core machines (docs/judging.md).
_ALL = (
    Metric(
        key="p50",
        label="p50",
        unit="ms",
        direction=Direction.LOWER_IS_BETTER,
        compute=_percentile(0.50),
        quantile=0.50,
        minimum=11,
        gate=True,
        max_change=0.25,
        max_change_paired=0.10,
        floor=1.0,
        prior_sd=0.10,
    ),
    Metric(
        key="p90",
        label="p90",
        unit="ms",
        direction=Direction.LOWER_IS_BETTER,
        compute=_percentile(0.90),
        quantile=0.90,
        minimum=64,
        prior_sd=0.15,
    ),
    Metric(
        key="p95",
        label="p95",
        unit="ms",
        direction=Direction.LOWER_IS_BETTER,
        compute=_percentile(0.95),
        quantile=0.95,
        minimum=130,
        gate=True,
        max_change=0.50,
        max_change_paired=0.25,
        floor=1.0,
        prior_sd=0.20,
    ),
    Metric(
        key="p99",
        label="p99",
        unit="ms",
        direction=Direction.LOWER_IS_BETTER,
        compute=_percentile(0.99),
        quantile=0.99,
        minimum=662,
        prior_sd=0.30,
    ),
    Metric(
        key="mean",
        label="mean of successes",
        unit="ms",
        direction=Direction.LOWER_IS_BETTER,
        compute=lambda times: times.mean_ok_ms,
        prior_sd=0.15,
    ),
    Metric(
        key="p50-ok",
        label="p50 of successes",
        unit="ms",
        direction=Direction.LOWER_IS_BETTER,
        compute=_successful_percentile(0.50),
        minimum=11,
        prior_sd=0.10,
    ),
    Metric(
        key="p95-ok",
        label="p95 of successes",
        unit="ms",
        direction=Direction.LOWER_IS_BETTER,
        compute=_successful_percentile(0.95),
        minimum=130,
        prior_sd=0.20,
    ),
    Metric(
        key="rate",
        label="successes per second",
        unit="1/s",
        direction=Direction.HIGHER_IS_BETTER,
        compute=lambda times: times.ok_rate,
        prior_sd=0.10,
    ),
    Metric(
        key="failures",
        label="share of failed requests",
        unit="%",
        direction=Direction.LOWER_IS_BETTER,
        share=lambda s: s.failures,
        counted="requests",
        gate=True,
        limit=0.01,
    ),
    Metric(
        key="accuracy",
        label="share of right predictions",
        unit="%",
        direction=Direction.HIGHER_IS_BETTER,
        share=lambda s: s.wrong,
        counted="labelled predictions wrong",
        gate=True,
        optional="no prediction was labelled; `attach(correct=…)` of a locustfile, or `expect.label` of a request, does that",
    ),
    Metric(
        key="distinct",
        label="share of distinct payloads",
        unit="%",
        direction=Direction.HIGHER_IS_BETTER,
        share=lambda s: s.repeated,
        counted="payloads sent before",
        compared=False,
        optional="what was asked is known of Locust's own HTTP clients alone",
    ),
    Metric(
        # Shown, and judged only where a threshold asks for it: starts differ by so much that on few occasions the row would be in
        # doubt in every run, and every verdict with it.
        key="time-to-ready",
        label="time to ready",
        unit="ms",
        direction=Direction.LOWER_IS_BETTER,
        max_change=0.30,
        floor=500.0,
        prior_sd=0.30,
        optional="the service was running already",
    ),
    Metric(
        key="capacity-users",
        label="capacity",
        unit="users",
        direction=Direction.HIGHER_IS_BETTER,
        gate=True,
        max_change=0.20,
        floor=1.5,
        prior_sd=0.10,
        grain=0.05,
        optional=_NO_SEARCH,
    ),
    Metric(
        key="capacity-rate",
        label="capacity",
        unit="1/s",
        direction=Direction.HIGHER_IS_BETTER,
        gate=True,
        max_change=0.20,
        prior_sd=0.10,
        grain=0.05,
        optional=_NO_SEARCH,
    ),
    Metric(
        key="cpu-per-request",
        label="CPU time for each success",
        unit="ms",
        direction=Direction.LOWER_IS_BETTER,
        max_change=0.10,
        max_change_paired=0.10,
        prior_sd=0.10,
        optional=_OUT_OF_REACH,
    ),
    Metric(
        key="peak-memory",
        label="most memory in use",
        unit="MiB",
        direction=Direction.LOWER_IS_BETTER,
        max_change=0.15,
        floor=8.0,
        prior_sd=0.05,
        optional=_OUT_OF_REACH,
    ),
    Metric(
        key="final-memory",
        label="memory in use at the end",
        unit="MiB",
        direction=Direction.LOWER_IS_BETTER,
        prior_sd=0.05,
        optional=_OUT_OF_REACH,
    ),
    Metric(
        key="memory-growth",
        label="growth of memory in 1,000 requests",
        unit="MiB",
        direction=Direction.LOWER_IS_BETTER,
        optional=_OUT_OF_REACH,
    ),
    Metric(
        key="response-growth",
        label="growth of response time (p50) in an hour",
        unit="%",
        direction=Direction.LOWER_IS_BETTER,
        optional=_NO_SOAK,
    ),
    Metric(
        key="throttled",
        label="share of time held back by its own CPU limit",
        unit="%",
        direction=Direction.LOWER_IS_BETTER,
        optional=_OUT_OF_REACH,
    ),
    Metric(
        key="network-per-request",
        label="received and sent for each success",
        unit="KiB",
        direction=Direction.LOWER_IS_BETTER,
        prior_sd=0.05,
        optional=_OUT_OF_REACH,
    ),
    Metric(
        key="disk-per-request",
        label="read from and written to disks for each success",
        unit="KiB",
        direction=Direction.LOWER_IS_BETTER,
        optional=_OUT_OF_REACH,
    ),
    Metric(
        key="cpu-pressure",
        label="share of time in which a part of it waited for a core",
        unit="%",
        direction=Direction.LOWER_IS_BETTER,
        optional=_NO_PRESSURE,
    ),
    Metric(
        key="memory-pressure",
        label="share of time in which a part of it waited for memory",
        unit="%",
        direction=Direction.LOWER_IS_BETTER,
        optional=_NO_PRESSURE,
    ),
    Metric(
        key="machine-cpu-pressure",
        label="share of time in which anything on the machine waited for a core",
        unit="%",
        direction=Direction.LOWER_IS_BETTER,
        optional=_OWN_PRESSURE,
    ),
    Metric(
        key="machine-memory-pressure",
        label="share of time in which anything on the machine waited for memory",
        unit="%",
        direction=Direction.LOWER_IS_BETTER,
        optional=_OWN_PRESSURE,
    ),
    Metric(
        # A build gives the same size each time, but for what its base image and its packages have become since.
        key="image-size",
        label="size of all images",
        unit="MiB",
        direction=Direction.LOWER_IS_BETTER,
        max_change=0.10,
        floor=10.0,
        prior_sd=0.005,
        optional="it has no images that a docker engine could tell the size of",
    ),
    Metric(
        key="total-time",
        label="total time",
        unit="ms",
        direction=Direction.LOWER_IS_BETTER,
        gate=True,
        max_change=0.25,
        floor=500.0,
        prior_sd=0.10,
        optional="`load.count` is not given, so the measured time is as long as was asked for",
    ),
    Metric(
        key="first-answer-penalty",
        label="what the first answer took longer",
        unit="ms",
        direction=Direction.LOWER_IS_BETTER,
        prior_sd=0.50,
        optional="the service was running already",
    ),
)
METRICS = {metric.key: metric for metric in _ALL}
QUANTILES = {key for key, metric in METRICS.items() if metric.quantile is not None}
OF_ENDPOINTS = {key: metric for key, metric in METRICS.items() if not metric.is_of(SERVICE)}
