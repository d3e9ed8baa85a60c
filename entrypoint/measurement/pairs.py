"""The samples of two targets that took turns, pair by pair: what a side by side comparison is made of."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from entrypoint.measurement.metrics import rank_of
from entrypoint.measurement.samples import IS_FAILURE, EndpointSamples, grouped, read_rows, with_labels
from locustfiles.ml_loadtest import contract

CANDIDATE, BASE = 0, 1


@dataclass(frozen=True, eq=False)
class Side:
    """One endpoint's samples on one target.

    Args:
        rows: structured array of shape (n,), of `samples.DTYPE`, in the order of response times, failures last.
        pair: the number of the pair that each sample belongs to, shape (n,).
        window_s: length of each pair's measured time on this target in seconds, shape (pairs,).
    """

    rows: NDArray[np.void]
    pair: NDArray[np.intp]
    window_s: NDArray[np.float64]

    @cached_property
    def samples(self) -> EndpointSamples:
        """All of them together."""
        return EndpointSamples(self.rows, float(self.window_s.sum()))

    @property
    def failures(self) -> int:
        """How many requests failed."""
        return int(self.samples.failed.sum())

    def drawn(self, often: NDArray[np.intp]) -> "DrawnTimes":
        """The response times if each pair had been measured so often; shape (pairs,)."""
        return DrawnTimes(self, often)

    @cached_property
    def ok_ms(self) -> NDArray[np.float64]:
        """In each pair the sum of the response times of requests that did not fail, shape (pairs,)."""
        right = self.samples.times.sorted_ok_ms
        summed: NDArray[np.float64] = np.bincount(self.pair[: len(right)], right, len(self.window_s)).astype(np.float64)
        return summed


@dataclass(frozen=True, eq=False)
class DrawnTimes:
    """A side's response times if each pair had been measured so often, none of them copied; see `metrics.Times`.

    Args:
        side: to draw from.
        often: shape (pairs,).
    """

    side: Side
    often: NDArray[np.intp]

    @cached_property
    def _until(self) -> NDArray[np.intp]:
        """How many were drawn up to and with each sample, shape (n,)."""
        return np.cumsum(self.often[self.side.pair])

    def __len__(self) -> int:
        return int(self._until[-1]) if len(self.side.rows) else 0

    @cached_property
    def _ok(self) -> int:
        """How many of those that did not fail were drawn."""
        last = len(self.side.samples.times.sorted_ok_ms)
        return int(self._until[last - 1]) if last else 0

    def _at(self, rank: int) -> float:
        return float(self.side.samples.times.sorted_ms[np.searchsorted(self._until, rank)])

    def quantile(self, p: float) -> float:
        """See `Times`."""
        return self._at(rank_of(p, len(self)))

    def ok_quantile(self, p: float) -> float:
        """See `Times`."""
        return self._at(rank_of(p, self._ok)) if self._ok else math.nan

    @property
    def mean_ok_ms(self) -> float:
        """See `Times`."""
        return float((self.often * self.side.ok_ms).sum()) / self._ok if self._ok else math.nan

    @property
    def ok_rate(self) -> float:
        """See `Times`."""
        return self._ok / float((self.often * self.side.window_s).sum())


@dataclass(frozen=True, slots=True)
class Turn:
    """A target's turn, from its opening to the next one's: the unmeasured beginning and the wait for the last answers included.

    Attributes:
        begin_s, end_s: seconds since the load began.
        idle_before, idle_after: whether another target had the turn before, and has the one after.
    """

    segment: int
    target: int
    begin_s: float
    end_s: float
    idle_before: bool
    idle_after: bool


@dataclass(frozen=True, eq=False)
class Ratio:
    """A figure of the service as a whole on one target: so much of something for each of so many.

    Args:
        amount: in each pair, in the metric's unit, shape (pairs,); NaN where it is not known.
        count: in each pair, shape (pairs,).
    """

    amount: NDArray[np.float64]
    count: NDArray[np.float64]

    @property
    def known(self) -> NDArray[np.bool_]:
        """In which pairs there is anything to say, shape (pairs,)."""
        known: NDArray[np.bool_] = np.isfinite(self.amount) & (self.count > 0)
        return known

    def of(self, chosen: NDArray[np.bool_]) -> "Ratio":
        """Of some of the pairs alone; chosen of shape (pairs,)."""
        return Ratio(self.amount[chosen], self.count[chosen])

    def figures(self, times: NDArray[np.intp]) -> NDArray[np.float64]:
        """The figure if each pair had been measured so many times, times of shape (n, pairs); shape (n,), NaN of nothing."""
        count, figures = times @ self.count, np.full(len(times), np.nan)
        np.divide(times @ self.amount, count, out=figures, where=count > 0)
        return figures

    @property
    def figure(self) -> float:
        """Of all pairs together."""
        return float(self.figures(np.ones((1, len(self.amount)), dtype=np.intp))[0])


@dataclass(frozen=True, eq=False)
class Pairs:
    """All pairs of one or several generations.

    Attributes:
        endpoints: for each, its candidate's and its base's side; either may be empty.
        candidate_first: whether the candidate had the first turn, shape (pairs,).
        service: by metric, the candidate's and the base's figure of the service as a whole.
    """

    endpoints: dict[str, tuple[Side, Side]]
    candidate_first: NDArray[np.bool_]
    service: dict[str, tuple[Ratio, Ratio]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.candidate_first)

    def known_of_service(self, metric: str) -> NDArray[np.bool_]:
        """In which pairs a figure of the service as a whole is known of both, shape (pairs,)."""
        nobody: NDArray[np.bool_] = np.zeros(len(self), dtype=bool)
        return np.logical_and(*(side.known for side in self.service[metric])) if metric in self.service else nobody

    def of_service(self, metric: str) -> tuple[Ratio, Ratio]:
        """The candidate's and the base's in those pairs; of a metric that `service` has."""
        ours, theirs = self.service[metric]
        known = self.known_of_service(metric)
        return ours.of(known), theirs.of(known)

    def figures_of_service(self) -> dict[str, float]:
        """The candidate's by metric, of the pairs in which the base's is known too; without those that nothing is known of."""
        figures = {metric: self.of_service(metric)[CANDIDATE].figure for metric in self.service}
        return {metric: figure for metric, figure in figures.items() if np.isfinite(figure)}


def _nothing(pairs: int) -> Ratio:
    return Ratio(np.full(pairs, np.nan), np.zeros(pairs))


def read_pairs(
    folder: Path,
    closing: contract.Closing,
    lead_in_s: float = 0.0,
    cpu_s: Callable[[Turn], float | None] = lambda _turn: None,
) -> Pairs:
    """The pairs of one generation: segments that both targets had in full.

    Args:
        folder: the exchange folder of the run.
        closing: the instrument's last word.
        lead_in_s: the unmeasured beginning of each turn.
        cpu_s: processor time that a target's services used in a turn; None where nobody knows.
    """
    spans = {(span.segment, span.target): span for span in closing.spans}
    whole = [segment for segment, target in spans if target == CANDIDATE and (segment, BASE) in spans]
    number = np.full(max(whole, default=-1) + 1, -1, dtype=np.intp)
    number[whole] = np.arange(len(whole))
    rows, names = read_rows(folder)
    cost = _cpu_per_request(rows, turns_of(rows, closing, lead_in_s), whole, cpu_s)
    if contract.CORRECT not in (rows.dtype.names or ()):  # another generation may have labels
        rows = with_labels(rows, np.full(len(rows), np.nan))
    rows = rows[(rows["segment"] >= 0) & (rows["segment"] < len(number))]
    rows = rows[number[rows["segment"]] >= 0]
    windows = [
        np.array([spans[segment, target].end_s - spans[segment, target].start_s for segment in whole])
        for target in (CANDIDATE, BASE)
    ]
    first = [spans[segment, CANDIDATE].start_s < spans[segment, BASE].start_s for segment in whole]
    ours, theirs = (_sides(rows[rows["target"] == target], number, windows[target]) for target in (CANDIDATE, BASE))
    return Pairs(
        endpoints={names[endpoint]: (ours(endpoint), theirs(endpoint)) for endpoint in _by_name(rows, names)},
        candidate_first=np.array(first, dtype=bool),
        service={"cpu-per-request": cost},
    )


def turns_of(rows: NDArray[np.void], closing: contract.Closing, lead_in_s: float) -> list[Turn]:
    """Every turn, in order. Before the first one the last target was warmed up; the last one ends with its last answer.

    Args:
        rows: all samples of the run, shape (n,).
        lead_in_s: as in `read_pairs`.
    """
    spans = closing.spans
    if not spans:
        return []
    begins = [span.start_s - lead_in_s for span in spans]
    answered = rows[(rows["due_s"] >= begins[-1]) & np.isfinite(rows["response_ms"])]
    last = np.maximum(answered["due_s"], answered["start_s"]) + answered["response_ms"] / 1000
    ends = [*begins[1:], max([spans[-1].end_s, *last.tolist()])]
    targets = [max(span.target for span in spans), *(span.target for span in spans), -1]
    return [
        Turn(span.segment, span.target, begin, end, before != span.target, after != span.target)
        for span, begin, end, before, after in zip(spans, begins, ends, targets, targets[2:], strict=False)
    ]


def _cpu_per_request(
    rows: NDArray[np.void], turns: Sequence[Turn], whole: Sequence[int], cpu_s: Callable[[Turn], float | None]
) -> tuple[Ratio, Ratio]:
    """CPU time in ms for each request that did not fail, the unmeasured beginning of each turn included, as it is in the time."""
    right = rows[~IS_FAILURE[rows["outcome"]]]
    own = [np.sort(right["due_s"][right["target"] == target]) for target in (CANDIDATE, BASE)]
    amounts, counts = np.full((2, len(whole)), np.nan), np.zeros((2, len(whole)))
    place = {segment: number for number, segment in enumerate(whole)}
    for turn in turns:
        if turn.segment in place:
            begun, ended = np.searchsorted(own[turn.target], (turn.begin_s, turn.end_s))
            used = cpu_s(turn)
            amounts[turn.target, place[turn.segment]] = np.nan if used is None else 1000 * used
            counts[turn.target, place[turn.segment]] = ended - begun
    return Ratio(amounts[CANDIDATE], counts[CANDIDATE]), Ratio(amounts[BASE], counts[BASE])


def _by_name(rows: NDArray[np.void], names: list[str]) -> list[int]:
    return sorted(np.unique(rows["endpoint"]).tolist(), key=lambda endpoint: names[endpoint])


def _sides(rows: NDArray[np.void], number: NDArray[np.intp], window_s: NDArray[np.float64]) -> Callable[[int], Side]:
    """The side of each endpoint on one target, in the order of response times, so that what is drawn from it is sorted too."""
    groups, nowhere = grouped(rows["endpoint"]), np.zeros(0, np.intp)

    def side(endpoint: int) -> Side:
        found = rows[groups.get(endpoint, nowhere)]
        found = found[np.argsort(np.where(IS_FAILURE[found["outcome"]], np.inf, found["response_ms"]), kind="stable")]
        return Side(found, number[found["segment"]], window_s)

    return side


def joined(generations: Sequence[Pairs]) -> Pairs:
    """The pairs of several generations as one."""
    counts = [len(pairs) for pairs in generations]
    starts = np.cumsum([0, *counts[:-1]]).tolist()
    names = sorted({name for pairs in generations for name in pairs.endpoints})
    return Pairs(
        endpoints={
            name: (
                _join([_side_of(pairs, name, CANDIDATE) for pairs in generations], starts),
                _join([_side_of(pairs, name, BASE) for pairs in generations], starts),
            )
            for name in names
        },
        candidate_first=np.concatenate([pairs.candidate_first for pairs in generations]),
        service={
            metric: (_join_ratios(generations, metric, CANDIDATE), _join_ratios(generations, metric, BASE))
            for metric in sorted({metric for pairs in generations for metric in pairs.service})
        },
    )


def _join_ratios(generations: Sequence[Pairs], metric: str, target: int) -> Ratio:
    parts = [
        pairs.service[metric][target] if metric in pairs.service else _nothing(len(pairs)) for pairs in generations
    ]
    return Ratio(np.concatenate([part.amount for part in parts]), np.concatenate([part.count for part in parts]))


def _side_of(pairs: Pairs, name: str, target: int) -> Side:
    if name in pairs.endpoints:
        return pairs.endpoints[name][target]
    other = next(iter(pairs.endpoints.values()))[target] if pairs.endpoints else None
    window_s = other.window_s if other else np.zeros(len(pairs))
    return Side(other.rows[:0] if other else np.zeros(0, "V1"), np.zeros(0, np.intp), window_s)


def _join(sides: Sequence[Side], starts: Sequence[int]) -> Side:
    known = [side for side in sides if len(side.rows)] or list(sides[:1])
    rows = np.concatenate([side.rows for side in known])
    pair = np.concatenate([side.pair + start for side, start in zip(sides, starts, strict=True) if side in known])
    order = (
        np.argsort(np.where(IS_FAILURE[rows["outcome"]], np.inf, rows["response_ms"]), kind="stable")
        if len(rows)
        else slice(0)
    )
    return Side(rows[order], pair[order], np.concatenate([side.window_s for side in sides]))


@dataclass(frozen=True, slots=True)
class Trouble:
    """What went wrong on one target outside of what shares of failed requests tell.

    Attributes:
        set_up: failed requests of users that were starting.
        unfinished: requests without an answer when the drain was over.
    """

    set_up: int
    unfinished: int


def troubles(folder: Path) -> tuple[Trouble, Trouble]:
    """The candidate's and the base's, from the samples of one generation."""
    rows, _ = read_rows(folder)
    return _trouble(rows[rows["target"] == CANDIDATE]), _trouble(rows[rows["target"] == BASE])


def _trouble(rows: NDArray[np.void]) -> Trouble:
    failed = IS_FAILURE[rows["outcome"]]
    return Trouble(
        set_up=int((failed & (rows["segment"] == contract.SET_UP)).sum()),
        unfinished=int((rows["outcome"] == contract.Outcome.UNFINISHED).sum()),
    )
