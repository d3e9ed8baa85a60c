"""Charts for Markdown: mermaid's `xychart-beta`, each with a table of the same figures. Knows nothing of what is judged.

GitHub draws mermaid in versions that it does not announce, so the code keeps to what 10.9.1 and all since then read: fixed-point
figures, labels of letters and digits, at most twelve places on an axis. Names from outside stay out of it.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from statistics import median

from entrypoint.judgement.wording import figure
from entrypoint.measurement.model import EndpointMeasurement, Measurement, Soak
from entrypoint.report.neutral import Neutral, tight
from entrypoint.report.result import Result

_QUANTILES = {"0.5": "p50", "0.75": "p75", "0.9": "p90", "0.95": "p95", "0.99": "p99"}
_MOST_PLACES = 12
_FEWEST = 3
_COLUMNS = 5  # second, requests, failures, p50, p95; a result from elsewhere may have fewer
# Mermaid's own size is a screenful, and its own colours are faint; these two show on white and on black.
_LOOK = """---
config:
  xyChart:
    width: 700
    height: 260
  themeVariables:
    xyChart:
      plotColorPalette: "#8c959f, #2f81f7"
---"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A chart and its table.

    Attributes:
        title: what it shows.
        code: mermaid; "" where a figure cannot be drawn, such as one that is not met.
        head, rows: the table.
        note: how it is to be read.
    """

    title: str
    code: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str


def make_pictures(result: Result, places: dict[str, int], neutral: Neutral, most: int) -> tuple[Picture, ...]:
    """Response times by percentile of the endpoints that matter most, then those of all over the run.

    Args:
        result: the run.
        places: rank of each endpoint in a reader's interest.
        neutral: how names enter the format.
        most: so many endpoints at most.
    """
    measurement = result.measurement
    if measurement is None:
        return ()
    first = sorted(measurement.endpoints, key=lambda name: places[name])[:most]
    drawn: list[Picture | None] = [
        _by_percentile(name, measurement.endpoints[name], result.baseline_quantiles.get(name, {}), neutral)
        for name in first
    ]
    drawn.append(_by_level(measurement) if measurement.capacity else _over_time(measurement))
    drawn.append(_memory(measurement.soak) if measurement.soak else None)
    return tuple(picture for picture in drawn if picture)


def _by_percentile(name: str, found: EndpointMeasurement, before: dict[str, float], neutral: Neutral) -> Picture | None:
    known = [p for p in _QUANTILES if p in found.quantiles]
    if len(known) < _FEWEST:
        return None
    now = [found.quantiles[p] for p in known]
    was = [before.get(p, math.inf) for p in known] if before else []
    drawable = sum(1 for _ in takewhile(lambda pair: all(map(math.isfinite, pair)), zip(now, was or now, strict=True)))
    labels = [_QUANTILES[p] for p in known]
    series = [("bar", was[:drawable]), ("line", now[:drawable])] if was else [("bar", now[:drawable])]
    rows = [("baseline", *map(_ms, (before.get(p) for p in known)))] if before else []
    return Picture(
        title=f"Response times of {neutral.name(name)} by percentile",
        code=_chart("ms", labels[:drawable], series) if drawable >= _FEWEST else "",
        head=("", *labels),
        rows=(*rows, ("now", *map(_ms, now))),
        note="Bars: baseline. Line: now." if before else "Bars: now.",
    )


def _by_level(measurement: Measurement) -> Picture | None:
    """The levels of a search, of each its last hold; what was ended early is off every scale."""
    last = {stage.load: stage for stage in measurement.stages if stage.ok and not stage.overloaded}
    held = [last[load] for load in sorted(last)]
    # The levels next to the capacity are many; of more than there is room for, the highest are the ones that tell.
    shown = [stage for stage in held if _finite(stage.p50_ms) and _finite(stage.p95_ms)][-_MOST_PLACES:]
    if len(shown) < _FEWEST:
        return None
    loads = [f"{stage.load:.6g}" for stage in shown]
    lines = [("line", [stage.p50_ms or 0.0 for stage in shown]), ("line", [stage.p95_ms or 0.0 for stage in shown])]
    axis = "users" if measurement.model == "closed" else "requests a second"
    return Picture(
        title="Response times of all endpoints by level of load",
        code=_chart("ms", loads, lines, axis=axis),
        head=(axis, *loads),
        rows=(
            ("answered", *(tight(figure(stage.rate, "1/s")) for stage in shown)),
            ("p50", *(_ms(stage.p50_ms) for stage in shown)),
            ("p95", *(_ms(stage.p95_ms) for stage in shown)),
        ),
        note="Lower line: p50. Upper line: p95. Levels stand side by side, whatever lies between them.",
    )


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _over_time(measurement: Measurement) -> Picture | None:
    timeline = [line for line in measurement.timeline if len(line) >= _COLUMNS]
    if len(timeline) < _FEWEST:
        return None
    width = math.ceil(len(timeline) / _MOST_PLACES)
    parts = [timeline[start : start + width] for start in range(0, len(timeline), width)]
    p50, p95 = ([_middle(row[column] for row in part) for part in parts] for column in (3, 4))
    seconds = [f"{part[0][0] or 0:.0f}" for part in parts]
    counts = [[f"{sum(row[column] or 0 for row in part):,.0f}" for part in parts] for column in (1, 2)]
    drawable = all(value is not None and math.isfinite(value) for value in (*p50, *p95))
    lines = [("line", [value or 0.0 for value in values]) for values in (p50, p95)]
    return Picture(
        title="Response times of all endpoints over the measured window",
        code=_chart("ms", seconds, lines, axis="second") if drawable and len(parts) >= _FEWEST else "",
        head=("From second", "Requests", "Failed", "p50", "p95"),
        rows=tuple(zip(seconds, *counts, map(_ms, p50), map(_ms, p95), strict=True)),
        note="Lower line: p50. Upper line: p95. Each is the median of the seconds until the next place.",
    )


def _memory(soak: Soak) -> Picture | None:
    """Memory over a soak, where it is known."""
    points = next((one.points for one in soak.growth if one.of == "memory"), ())
    width = max(1, math.ceil(len(points) / _MOST_PLACES))
    parts = [points[start : start + width] for start in range(0, len(points), width)]
    mib = [median(value for _, value in part) for part in parts]
    if len(parts) < _FEWEST or not all(map(math.isfinite, mib)):
        return None
    seconds = [f"{max(0.0, part[0][0] - soak.stretch_s / 2):.0f}" for part in parts]
    return Picture(
        title="Memory of the service over the soak",
        code=_chart("MiB", seconds, [("line", mib)], axis="second"),
        head=("From second", "Memory"),
        rows=tuple(zip(seconds, (tight(figure(value, "MiB")) for value in mib), strict=True)),
        note="Each place is the median of the stretches until the next one.",
    )


def _middle(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _ms(value: float | None) -> str:
    return tight(figure(value, "ms")) if value is not None else ""


def _chart(unit: str, places: Sequence[str], series: Sequence[tuple[str, Sequence[float]]], axis: str = "") -> str:
    """The code of a chart whose axis begins at zero."""
    top = max(value for _, values in series for value in values)
    name = f'"{axis}" ' if axis else ""
    return "\n".join(
        (
            _LOOK,
            "xychart-beta",
            f"  x-axis {name}[{', '.join(places)}]",
            f'  y-axis "{unit}" 0 --> {_fixed(max(1.1 * top, 0.01))}',
            *(f"  {kind} [{', '.join(map(_fixed, values))}]" for kind, values in series),
        )
    )


def _fixed(value: float) -> str:
    return f"{value:.2f}"
