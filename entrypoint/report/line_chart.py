"""Line charts as geometry: where paths, ticks and marks lie. Knows nothing of HTML."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from entrypoint.judgement.wording import figure
from entrypoint.report.axis import Tick, px, round_steps

_WIDTH, _HEIGHT = 520.0, 190.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 56.0, 492.0, 10.0, 166.0
_MOST_STRIPS = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a chart; the path has gaps where there is no finite value, and `beyond` marks infinite ones."""

    css: str
    label: str
    path: str
    dots: tuple[tuple[str, str], ...] = ()
    beyond: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """A part of the x axis that shows its figures to the pointer."""

    x: str
    width: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A line chart.

    Attributes:
        width, height, left, right, top, bottom: of the picture, and of the frame in it.
    """

    title: str
    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    strips: tuple[Strip, ...] = ()
    width: str = f"{_WIDTH:g}"
    height: str = f"{_HEIGHT:g}"
    left: str = f"{_LEFT:g}"
    right: str = f"{_RIGHT:g}"
    top: str = f"{_TOP:g}"
    bottom: str = f"{_BOTTOM:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What a line shows: a value for each x; None is a gap, infinity lies beyond the top."""

    css: str
    label: str
    values: Sequence[float | None]
    unit: str = "ms"
    dotted: bool = False


def draw_chart(
    title: str,
    unit: str,
    xs: Sequence[float],
    series: Sequence[Series],
    words: Sequence[str],
    x_labels: Sequence[tuple[float, str]] = (),
) -> Chart | None:
    """A line chart from zero upwards.

    Args:
        title: what it shows.
        unit: of the values, written at the topmost.
        xs: ascending positions.
        series: lines, each with one value for each x.
        words: what each x is called.
        x_labels: labelled positions; round numbers of seconds without them.

    Returns:
        None where there is nothing finite to draw.
    """
    finite = [value for one in series for value in one.values if value is not None and math.isfinite(value)]
    if not xs or not finite:
        return None
    y_steps = round_steps(max(finite))
    top, left, right = y_steps[-1], xs[0], xs[-1] if xs[-1] > xs[0] else xs[0] + 1
    labels = x_labels or [(step, f"{step:g} s") for step in round_steps(right) if left <= step <= right]
    return Chart(
        title=title,
        lines=tuple(_line(one, xs, (left, right), top) for one in series),
        x_ticks=tuple(Tick(at=px(_across(x, left, right)), label=label) for x, label in labels),
        y_ticks=tuple(
            Tick(at=px(_up(y, top)), label=f"{y:,g} {unit}".strip() if y == top else f"{y:,g}") for y in y_steps
        ),
        strips=_strips(xs, series, words, (left, right)),
    )


def _line(series: Series, xs: Sequence[float], ends: tuple[float, float], top: float) -> Line:
    path, dots, beyond, pen_down = [], [], [], False
    for x, value in zip(xs, series.values, strict=True):
        at = px(_across(x, *ends))
        if value is None or not math.isfinite(value):
            pen_down = False
            if value is not None:
                beyond.append(at)
            continue
        up = px(_up(value, top))
        path.append(f"{'L' if pen_down else 'M'}{at} {up}")
        if series.dotted:
            dots.append((at, up))
        pen_down = True
    return Line(css=series.css, label=series.label, path="".join(path), dots=tuple(dots), beyond=tuple(beyond))


def _strips(
    xs: Sequence[float], series: Sequence[Series], words: Sequence[str], ends: tuple[float, float]
) -> tuple[Strip, ...]:
    """One strip for each x, or none where they would be too many to be of use."""
    if len(xs) > _MOST_STRIPS or len(xs) < 2:
        return ()
    middles = [(_across(a, *ends) + _across(b, *ends)) / 2 for a, b in itertools.pairwise(xs)]
    edges = [_across(xs[0], *ends), *middles, _across(xs[-1], *ends)]
    return tuple(
        Strip(x=px(begin), width=px(end - begin), words=f"{word}: {_point(number, series)}")
        for number, (word, begin, end) in enumerate(zip(words, edges, edges[1:], strict=False))
    )


def _point(number: int, series: Sequence[Series]) -> str:
    values = [(one, one.values[number]) for one in series]
    said = [f"{one.label} {figure(value, one.unit)}".strip() for one, value in values if value is not None]
    return ", ".join(said) or "no requests"


def _across(x: float, left: float, right: float) -> float:
    return _LEFT + (x - left) / (right - left) * (_RIGHT - _LEFT)


def _up(y: float, top: float) -> float:
    return _BOTTOM - y / top * (_BOTTOM - _TOP)
