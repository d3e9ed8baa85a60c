"""The committed baseline as values: runs of the accepted code, grouped by what makes them comparable."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from entrypoint.measurement.metrics import SERVICE
from entrypoint.measurement.model import Probability, Value

SCHEMA_VERSION = 1
MOST_RUNS = 20


class Fingerprint(Value):
    """What two runs must share to be compared.

    Attributes:
        machine: processor and cores, in words that do not change between two machines of one kind.
        launcher: `compose`, `command` or `url`.
        plan: fingerprint of load and locustfile.
        suite: the suite's name where the settings give one; two services under one locustfile are two suites.
    """

    machine: str
    launcher: str
    plan: str
    suite: str = ""


class EndpointValues(Value):
    """What a run measured of one endpoint: counts for exact tests, values by metric, quantiles for drawing."""

    requests: int = Field(ge=0)
    failures: int = Field(ge=0)
    values: dict[str, float]
    quantiles: dict[Probability, float] = {}
    shares: dict[str, tuple[int, int]] = {}

    def share(self, metric: str) -> tuple[int, int]:
        """Counts of a ratio's worse side and of all; none of one that was not measured."""
        return (self.failures, self.requests) if metric == "failures" else self.shares.get(metric, (0, 0))


class Run(Value):
    """One accepted run.

    Attributes:
        occasion: the job it came from, or one boot and clock hour; runs of one occasion share its luck.
        commit, date: provenance; the date as YYYY-MM-DD.
        id: of the run, so that none is accepted twice.
        service: figures of the service as a whole, by metric.
        made_of: of those that the settings chose, what each was made of.
        slower: it was accepted although it was judged slower than the runs before it.
    """

    occasion: str
    commit: str
    date: str
    id: str = ""
    image: str = ""
    versions: dict[str, str] = {}
    slower: bool = False
    service: dict[str, float] = {}
    made_of: dict[str, str] = {}
    endpoints: dict[str, EndpointValues]

    def value(self, endpoint: str, metric: str, made_of: str = "") -> float | None:
        """A figure of an endpoint, or of the service as a whole; None if the run has none that is made of the same."""
        if endpoint == SERVICE:
            return self.service.get(metric) if self.made_of.get(metric, "") == made_of else None
        return self.endpoints[endpoint].values.get(metric) if endpoint in self.endpoints else None


class Group(Value):
    """Runs that may be compared with each other, the oldest first."""

    fingerprint: Fingerprint
    plan_text: str = ""
    runs: tuple[Run, ...] = ()

    def occasions(self, endpoint: str, metric: str, made_of: str = "") -> list[list[float]]:
        """The logarithms of a metric for each occasion, in order; only finite, positive values."""
        return self._logs((run.occasion, run.value(endpoint, metric, made_of)) for run in self.runs)

    def quantiles(self, endpoint: str) -> dict[str, float]:
        """The response times in ms at the probabilities that every run knows, each as its metric's baseline is made.

        The mean of the logarithms, first of each occasion's runs, then of the occasions.
        """
        runs = self._runs_of(endpoint)
        shared = [p for p in runs[-1][1].quantiles if all(p in found.quantiles for _, found in runs)] if runs else []
        means = {}
        for p in shared:
            occasions = self._logs((run.occasion, found.quantiles[p]) for run, found in runs)
            if occasions:
                means[p] = math.exp(sum(sum(logs) / len(logs) for logs in occasions) / len(occasions))
        return means

    def _runs_of(self, endpoint: str) -> list[tuple[Run, EndpointValues]]:
        return [(run, run.endpoints[endpoint]) for run in self.runs if endpoint in run.endpoints]

    @staticmethod
    def _logs(values: Iterable[tuple[str, float | None]]) -> list[list[float]]:
        by_occasion: dict[str, list[float]] = defaultdict(list)
        for occasion, value in values:
            if value is not None and 0 < value < math.inf:
                by_occasion[occasion].append(math.log(value))
        return list(by_occasion.values())

    def requests_a_run(self, endpoint: str) -> float:
        """How many requests an endpoint had in the mean run that knows it."""
        counts = [run.endpoints[endpoint].requests for run in self.runs if endpoint in run.endpoints]
        return sum(counts) / len(counts) if counts else 0.0

    def share(self, endpoint: str, metric: str) -> tuple[int, int]:
        """Counts of a ratio's worse side and of all: of failures over all runs, of others since a worse run was last accepted."""
        last = max((number for number, run in enumerate(self.runs) if run.slower), default=0)
        runs = self.runs if metric == "failures" else self.runs[last:]
        found = [run.endpoints[endpoint].share(metric) for run in runs if endpoint in run.endpoints]
        return sum(worse for worse, _ in found), sum(count for _, count in found)

    def endpoints(self) -> list[str]:
        """Every endpoint of the newest run."""
        return sorted(self.runs[-1].endpoints) if self.runs else []


class Baseline(Value):
    """The whole file."""

    schema_version: Literal[1] = 1
    groups: tuple[Group, ...] = ()

    def group(self, fingerprint: Fingerprint) -> Group | None:
        """The runs that a run with this fingerprint may be compared with."""
        return next((group for group in self.groups if group.fingerprint == fingerprint and group.runs), None)

    def with_run(self, fingerprint: Fingerprint, plan_text: str, run: Run) -> "Baseline":
        """The baseline with one more run of its group, which keeps at most 20."""
        known = self.group(fingerprint)
        runs = _with_room((*(known.runs if known else ()), run))
        new = Group(fingerprint=fingerprint, plan_text=plan_text, runs=runs)
        others = tuple(group for group in self.groups if group.fingerprint != fingerprint)
        return Baseline(groups=(*others, new))

    def without_group(self, fingerprint: Fingerprint) -> "Baseline":
        """The baseline without the runs of one fingerprint."""
        return Baseline(groups=tuple(group for group in self.groups if group.fingerprint != fingerprint))


def _with_room(runs: tuple[Run, ...]) -> tuple[Run, ...]:
    """At most 20 runs, of as many occasions as can be: the oldest run of the fullest occasion goes first."""
    kept = list(runs)
    while len(kept) > MOST_RUNS:
        counts = Counter(run.occasion for run in kept)
        fullest = max(counts.values())
        kept.remove(next(run for run in kept if counts[run.occasion] == fullest))
    return tuple(kept)
