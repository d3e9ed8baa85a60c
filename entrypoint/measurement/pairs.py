"""The samples of two targets that took turns, pair by pair: what a side by side comparison is made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from entrypoint.measurement.samples import IS_FAILURE, EndpointSamples, read_rows, with_labels
from locustfiles.ml_loadtest import contract

CANDIDATE, BASE = 0, 1


@dataclass(frozen=True, eq=False)
class Side:
    """One endpoint's samples on one target.

    Args:
        rows: structured array of shape (n,), of `samples.DTYPE`.
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

    def drawn(self, times: NDArray[np.intp]) -> EndpointSamples:
        """The samples if each pair had been measured so many times; shape (pairs,)."""
        rows = np.repeat(self.rows, times[self.pair])
        return EndpointSamples(rows, float((times * self.window_s).sum()))


@dataclass(frozen=True, eq=False)
class Pairs:
    """All pairs of one or several generations.

    Attributes:
        endpoints: for each, its candidate's and its base's side; either may be empty.
        candidate_first: whether the candidate had the first turn, shape (pairs,).
    """

    endpoints: dict[str, tuple[Side, Side]]
    candidate_first: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.candidate_first)


def read_pairs(folder: Path, closing: contract.Closing) -> Pairs:
    """The pairs of one generation: segments that both targets had in full.

    Args:
        folder: the exchange folder of the run.
        closing: the instrument's last word.
    """
    spans = {(span.segment, span.target): span for span in closing.spans}
    whole = [segment for segment, target in spans if target == CANDIDATE and (segment, BASE) in spans]
    number = np.full(max(whole, default=-1) + 1, -1, dtype=np.intp)
    number[whole] = np.arange(len(whole))
    rows, names = read_rows(folder)
    if contract.CORRECT not in (rows.dtype.names or ()):  # another generation may have labels
        rows = with_labels(rows, np.full(len(rows), np.nan))
    rows = rows[(rows["segment"] >= 0) & (rows["segment"] < len(number))]
    rows = rows[number[rows["segment"]] >= 0]
    windows = [
        np.array([spans[segment, target].end_s - spans[segment, target].start_s for segment in whole])
        for target in (CANDIDATE, BASE)
    ]
    first = [spans[segment, CANDIDATE].start_s < spans[segment, BASE].start_s for segment in whole]
    present = np.unique(rows["endpoint"]).tolist()
    return Pairs(
        endpoints={
            names[endpoint]: (
                _side(rows, endpoint, CANDIDATE, number, windows[CANDIDATE]),
                _side(rows, endpoint, BASE, number, windows[BASE]),
            )
            for endpoint in sorted(present, key=lambda endpoint: names[endpoint])
        },
        candidate_first=np.array(first, dtype=bool),
    )


def _side(
    rows: NDArray[np.void], endpoint: int, target: int, number: NDArray[np.intp], window_s: NDArray[np.float64]
) -> Side:
    """In the order of response times, so that every sample drawn from it is sorted too."""
    found = rows[(rows["endpoint"] == endpoint) & (rows["target"] == target)]
    found = found[np.argsort(np.where(IS_FAILURE[found["outcome"]], np.inf, found["response_ms"]), kind="stable")]
    return Side(found, number[found["segment"]], window_s)


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
    )


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
