"""Figures that the settings chose from the service's page for Prometheus: growth of counters, means of gauges. Pure.

Where a figure could be wrong there is none, and a sentence says why.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

from entrypoint.measurement.model import Chosen
from entrypoint.settings.prometheus import Prometheus, Series

# Two reads may be so much of the window apart: between them a counter is taken to grow with each answer alike.
_FURTHEST_APART = 1 / 3
# Kinds of series that only grow, or hold quantiles of all time: a mean of reads says nothing of the window.
_COUNTED = ("counter", "histogram", "summary")


class Look(Protocol):
    """One read of one page."""

    @property
    def at(self) -> float:
        """In seconds since 1970."""
        ...

    @property
    def source(self) -> str:
        """Whose page it is."""
        ...

    @property
    def values(self) -> Mapping[str, Mapping[str, float]]:
        """For each series that the settings name, by their text, each one that is meant by it, by its labels."""
        ...

    @property
    def kinds(self) -> Mapping[str, str]:
        """What the page says that they are, such as `counter`."""
        ...

    @property
    def began(self) -> float | None:
        """When the process that answered was started, where the page says so."""
        ...

    @property
    def trouble(self) -> str:
        """Why the page could not be read, "" if it could."""
        ...


_Pages = Mapping[str, Sequence[Look]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What the figures are of.

    Attributes:
        begin, end: in seconds since 1970.
        successes: requests due in it that succeeded.
        answers: when each request of the whole run was answered, in ascending order, in seconds since 1970.
    """

    begin: float
    end: float
    successes: int
    answers: Sequence[float] = field(repr=False)

    @property
    def seconds(self) -> float:
        """How long it was."""
        return self.end - self.begin


def figures_of_series(
    wanted: Prometheus, looks: Sequence[Look], window: Window
) -> tuple[dict[str, float], tuple[Chosen, ...]]:
    """The figures by name, and what is to be known of each, those without a value included.

    Args:
        wanted: what the settings chose.
        looks: at all pages, in order.
        window: the measured time.
    """
    pages: dict[str, list[Look]] = {}
    for look in looks:
        pages.setdefault(look.source, []).append(look)
    trouble = _trouble(pages, window)
    read = {source: [look for look in every if not look.trouble] for source, every in pages.items()}
    found = {one.name: trouble or _figure(one, read, window) for one in wanted.series}
    told = tuple(
        Chosen(key=one.name, unit=metric.unit, better=one.better, missing=_why(found[one.name]), made_of=metric.made_of)
        for one, metric in zip(wanted.series, wanted.chosen.values(), strict=True)
    )
    return {name: value for name, value in found.items() if isinstance(value, float)}, told


def _why(value: float | str) -> str:
    return value if isinstance(value, str) else ""


def _trouble(pages: _Pages, window: Window) -> str:
    """Why nothing can be said by these pages, "" if it can."""
    for source, every in pages.items():
        read = [look for look in every if not look.trouble]
        last = next((look.trouble for look in reversed(every) if look.trouble), "")
        if not read:
            return f"the page of `{source}` could not be read: {last}"
        if len({look.began for look in read}) > 1:
            return f"{_not_one(source)}: it says that it was started at different times"
        seen = [(before.at, after.at) for before, after in pairwise(read)]
        around = [after - before for before, after in seen if after > window.begin and before < window.end]
        covered = read[0].at <= window.begin and read[-1].at >= window.end
        if not covered or max(around, default=math.inf) > _FURTHEST_APART * window.seconds:
            why = f": {last}" if last else "; measure for longer"
            return f"the page of `{source}` was read too seldom for so short a window, or not all through it{why}"
    return "" if pages else "no page was read"


def _not_one(source: str) -> str:
    return f"the page of `{source}` is not one process's, or it began anew"


def _figure(one: Series, pages: _Pages, window: Window) -> float | str:
    """The figure in its unit, or why there is none."""
    if not one.per:
        value = _mean(one.series, pages, window)
        return value if isinstance(value, str) else value * one.factor
    grown = _grown(one.series, pages, window)
    if isinstance(grown, str):
        return grown
    by = _divisor(one, pages, window)
    if isinstance(by, str):
        return by
    if not by:
        return f"`{one.divisor}` did not grow in the window" if one.divisor else "no request succeeded"
    return grown / by * one.factor


def _divisor(one: Series, pages: _Pages, window: Window) -> float | str:
    if one.divisor:
        return _grown(one.divisor, pages, window)
    return {"success": float(window.successes), "second": window.seconds, "window": 1.0}[one.per]


def _mean(text: str, pages: _Pages, window: Window) -> float | str:
    """The mean of all reads in the window, of several pages the sum of their means."""
    whole = 0.0
    for source, looks in pages.items():
        inside = [look for look in looks if window.begin <= look.at <= window.end]
        if kind := next((look.kinds[text] for look in inside if look.kinds.get(text) in _COUNTED), ""):
            return f"`{text}` is a {kind}, so `per` has to say by what its growth is divided"
        values = [value for look in inside for value in look.values.get(text, {}).values()]
        if any(not look.values.get(text) for look in inside):
            return f"the page of `{source}` has no series `{text}`" + (" at some reads" if values else "")
        if not all(map(math.isfinite, values)):
            return f"`{text}` is not a number"
        whole += sum(values) / len(inside)
    return whole


def _grown(text: str, pages: _Pages, window: Window) -> float | str:
    """By how much all series of a text grew.

    A counter with labels is there from its first event on, so one that was not there yet was 0.
    """
    whole, known = 0.0, False
    for source, looks in pages.items():
        if any(look.kinds.get(text) == "gauge" for look in looks):
            return f"`{text}` is a gauge, whose growth says nothing: leave `per` out for its mean"
        for labels in sorted({labels for look in looks for labels in look.values.get(text, {})}):
            known = True
            points = [(look.at, look.values.get(text, {}).get(labels, 0.0)) for look in looks]
            if not all(math.isfinite(value) for _, value in points):
                return f"`{text}` is not a number"
            if any(after < before for (_, before), (_, after) in pairwise(points)):
                return f"{_not_one(source)}: `{text}` went back"
            whole += _at(points, window.end, window.answers) - _at(points, window.begin, window.answers)
    return whole if known else f"no page has a series `{text}`"


def _at(points: Sequence[tuple[float, float]], moment: float, answers: Sequence[float]) -> float:
    """What a counter had come to between the reads around."""
    later = next(number for number, (at, _) in enumerate(points) if at >= moment)
    if not later:
        return points[0][1]
    (before, low), (after, high) = points[later - 1 : later + 1]
    return low + (high - low) * _passed(before, moment, after, answers)


def _passed(before: float, moment: float, after: float, answers: Sequence[float]) -> float:
    """Which part of what happened between two reads had happened by a moment.

    By the answers, for where a window begins or ends the load does so too, and time goes on; by the time where there were none.
    """
    first, here, last = (bisect_right(answers, at) for at in (before, moment, after))
    return (here - first) / (last - first) if last > first else (moment - before) / (after - before)
