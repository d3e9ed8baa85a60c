"""Everything that was measured, row by row, and what can be left out of it first."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from entrypoint.judgement.model import Change, Outcome
from entrypoint.judgement.wording import figure
from entrypoint.measurement.metrics import METRICS
from entrypoint.measurement.model import EndpointMeasurement, Measurement
from entrypoint.report import headline
from entrypoint.report.neutral import Neutral
from entrypoint.report.result import Result
from entrypoint.report.rows import Row, decides, interest, make_row, not_met, unjudged

_NOT_MET = (
    "“Not met”: more requests failed than this percentile leaves room for, so no response time can be named. Failed and "
    "unfinished requests count as infinitely slow."
)
_QUANTILES = {"0.5": "p50", "0.9": "p90", "0.95": "p95", "0.99": "p99", "0.999": "p99.9", "1": "slowest"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One endpoint in the measured window.

    Attributes:
        place: 0 for the one that readers care about most.
        outcomes: requests by outcome, in words.
        quantiles: response times at p50, p90, p95, p99, p99.9 and the slowest, with these labels.
    """

    place: int
    name: str
    requests: str
    failures: str
    outcomes: str
    quantiles: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The tables of a report.

    Attributes:
        has_baseline: whether any row has something to compare with.
        deciding, more: the rows behind the verdict, and how many do not fit among them.
        trends: the main rows whose last runs are known, for a table of those runs.
        rows, places: everything, and the place of each row's endpoint in a reader's interest.
        ranks: the place of each row itself; the last goes first where room is short.
        endpoints: the measured window, endpoint by endpoint.
        left_out: what had to be left out.
        how_to_read: what the columns mean.
        not_met: what an infinite percentile means, where there is one.
    """

    has_baseline: bool
    deciding: tuple[Row, ...]
    more: str
    trends: tuple[Row, ...]
    rows: tuple[Row, ...]
    places: tuple[int, ...]
    ranks: tuple[int, ...]
    endpoints: tuple[Endpoint, ...]
    left_out: str
    how_to_read: str
    not_met: str

    @property
    def all_places(self) -> set[int]:
        """The places that occur."""
        return {*self.places, *(endpoint.place for endpoint in self.endpoints)}

    def with_rows(self, most: int) -> "Figures":
        """The same with only so many rows and the endpoints that they belong to, and a word on what was left out."""
        dropped = len(self.rows) - most
        if dropped <= 0:
            return self
        kept = [n for n, rank in enumerate(self.ranks) if rank < most]
        places = {self.places[n] for n in kept}
        endpoints = tuple(endpoint for endpoint in self.endpoints if endpoint.place in places)
        rows = "1 row" if dropped == 1 else f"{dropped:,} of {len(self.rows):,} rows"
        return replace(
            self,
            rows=tuple(self.rows[n] for n in kept),
            places=tuple(self.places[n] for n in kept),
            ranks=tuple(self.ranks[n] for n in kept),
            endpoints=endpoints,
            left_out=f"{rows} did not fit here: those that are not judged went first, then those of endpoints that changed "
            "least. All are in result.json.",
        )

    def with_endpoints(self, most: int) -> "Figures":
        """The same with the rows of only so many endpoints, the least interesting left out, and a word on that."""
        dropped = sum(place >= most for place in self.all_places)
        if not dropped:
            return self
        kept = [(row, place) for row, place in zip(self.rows, self.places, strict=True) if place < most]
        names = "1 endpoint" if dropped == 1 else f"{dropped:,} endpoints"
        return replace(
            self,
            rows=tuple(row for row, _ in kept),
            places=tuple(place for _, place in kept),
            ranks=tuple(range(len(kept))),
            endpoints=tuple(endpoint for endpoint in self.endpoints if endpoint.place < most),
            left_out=f"{len(self.rows) - len(kept):,} rows of {names} did not fit here: those that changed least. "
            "All are in result.json.",
        )


def make_figures(result: Result, neutral: Neutral, most_deciding: int) -> Figures:
    """The tables of a result.

    Args:
        most_deciding: so many rows stand before everything else.
    """
    if result.verdict is Outcome.INVALID:
        result = result.model_copy(update={"changes": tuple(map(unjudged, result.changes))})
    rows = {id(change): make_row(number, change, neutral) for number, change in enumerate(result.changes)}
    deciding = [rows[id(change)] for change in _deciding(result)]
    places = rank_endpoints(result)
    return Figures(
        has_baseline=any(change.baseline is not None for change in result.changes),
        deciding=tuple(deciding[:most_deciding]),
        more=_more(len(deciding) - most_deciding),
        trends=tuple(row for row in deciding or _judged(result, rows, places) if row.trend)[:most_deciding],
        rows=tuple(rows.values()),
        places=tuple(places[change.endpoint] for change in result.changes),
        ranks=_ranks(result, places),
        endpoints=tuple(_endpoints(result.measurement, places, neutral)),
        left_out="",
        how_to_read=neutral.prose(headline.how_to_read(result), 1000),
        not_met=neutral.prose(_NOT_MET) if not_met(result.changes) else "",
    )


def rank_endpoints(result: Result) -> dict[str, int]:
    """The rank of each endpoint in a reader's interest: by its most interesting row, then by its requests."""
    found = result.measurement.endpoints if result.measurement else {}
    best: dict[str, tuple[int, float]] = dict.fromkeys(found, (99, 0.0))
    for change in result.changes:
        best[change.endpoint] = min(best.get(change.endpoint, (99, 0.0)), interest(change))
    requests = {name: endpoint.requests for name, endpoint in found.items()}
    ordered = sorted(best, key=lambda name: (best[name], -requests.get(name, 0), name))
    return {name: place for place, name in enumerate(ordered)}


def _deciding(result: Result) -> list[Change]:
    """The rows for those who read nothing else; without a baseline, what a baseline would be made of."""
    if result.verdict is Outcome.NO_BASELINE:
        return [change for change in result.changes if change.metric in METRICS and METRICS[change.metric].gate]
    return sorted(filter(decides, result.changes), key=interest)


def _judged(result: Result, rows: dict[int, Row], places: dict[str, int]) -> list[Row]:
    """The judged times and rates, by the place of their endpoints."""
    judged = [change for change in result.changes if change.gated and change.unit != "%"]
    return [rows[id(change)] for change in sorted(judged, key=lambda change: places[change.endpoint])]


def _ranks(result: Result, places: dict[str, int]) -> tuple[int, ...]:
    """The place of each row in a reader's interest: by status, then by its endpoint."""

    def key(number: int) -> tuple[int, int, int]:
        change = result.changes[number]
        return interest(change)[0], places[change.endpoint], number

    ordered = sorted(range(len(result.changes)), key=key)
    return tuple(rank for _, rank in sorted((number, rank) for rank, number in enumerate(ordered)))


def _more(count: int) -> str:
    if count <= 0:
        return ""
    return f"{count:,} more such row{'s are' if count > 1 else ' is'} in the table of all."


def _endpoints(measurement: Measurement | None, places: dict[str, int], neutral: Neutral) -> Iterable[Endpoint]:
    for name, found in measurement.endpoints.items() if measurement else ():
        yield Endpoint(
            place=places[name],
            name=neutral.cell(name),
            requests=f"{found.requests:,}",
            failures=f"{found.failures:,}",
            outcomes=neutral.cell_prose(_outcomes(found)),
            quantiles=tuple((label, figure(found.quantiles.get(p), "ms")) for p, label in _QUANTILES.items()),
        )


def _outcomes(found: EndpointMeasurement) -> str:
    return ", ".join(f"{count:,} {outcome}" for outcome, count in found.outcomes.items())
