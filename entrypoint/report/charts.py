"""What the HTML report draws: intervals on one axis, each endpoint's response times, the measured window second by second."""

import math
from dataclasses import dataclass

from entrypoint.judgement.wording import figure
from entrypoint.measurement.model import EndpointMeasurement
from entrypoint.report.axis import Tick
from entrypoint.report.intervals import Interval, draw_interval, make_scale
from entrypoint.report.line_chart import Chart, Series, draw_chart
from entrypoint.report.result import Result

# Each further nine of a percentile takes the same room; the slowest request stands half a nine beyond the last.
_LADDER = ("0.05", "0.1", "0.25", "0.5", "0.75", "0.9", "0.95", "0.99", "0.999", "1")
_LABELS = {"0.5": "p50", "0.9": "p90", "0.99": "p99", "0.999": "p99.9", "1": "slowest"}
_SLOWEST_AT = 3.5
_MOST_LADDERS = 60
_MOST_SECONDS = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Second:
    """A line of the timeline's table."""

    second: str
    requests: str
    failures: str
    p50: str
    p95: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Charts:
    """All drawings of a report.

    Attributes:
        ticks: of the axis that the intervals share.
        intervals: by the number of the row.
        ladders: by the place of the endpoint.
        load, times: requests and failures, p50 and p95, for each second.
        seconds, more_seconds: the same as a table, and a word on what it leaves out.
    """

    ticks: tuple[Tick, ...]
    intervals: dict[int, Interval]
    ladders: dict[int, Chart]
    load: Chart | None
    times: Chart | None
    seconds: tuple[Second, ...]
    more_seconds: str


def make_charts(result: Result, places: dict[str, int]) -> Charts:
    """The drawings of a result.

    Args:
        places: the rank of each endpoint by name; the first ones get a drawing.
    """
    scale = make_scale(result.changes)
    drawn = {number: draw_interval(change, scale) for number, change in enumerate(result.changes)}
    found = result.measurement.endpoints if result.measurement else {}
    ladders = {places[name]: _ladder(endpoint) for name, endpoint in found.items() if places[name] < _MOST_LADDERS}
    timeline = result.measurement.timeline if result.measurement else ()
    load, times = _over_time(timeline)
    return Charts(
        ticks=scale.ticks(),
        intervals={number: interval for number, interval in drawn.items() if interval},
        ladders={place: chart for place, chart in ladders.items() if chart},
        load=load,
        times=times,
        seconds=tuple(_second(line) for line in timeline[:_MOST_SECONDS]),
        more_seconds=f"The first {_MOST_SECONDS} of {len(timeline):,} seconds."
        if len(timeline) > _MOST_SECONDS
        else "",
    )


def _ladder(endpoint: EndpointMeasurement) -> Chart | None:
    known = [p for p in _LADDER if p in endpoint.quantiles]
    at = {p: _SLOWEST_AT if p == "1" else -math.log10(1 - float(p)) for p in known}
    return draw_chart(
        "Response time by share of requests",
        "ms",
        [at[p] for p in known],
        [Series(css="now", label="", values=[endpoint.quantiles[p] for p in known], dotted=True)],
        words=["slowest" if p == "1" else f"p{float(p) * 100:g}" for p in known],
        x_labels=[(at[p], label) for p, label in _LABELS.items() if p in at],
    )


def _over_time(timeline: tuple[tuple[float | None, ...], ...]) -> tuple[Chart | None, Chart | None]:
    lines = [line for line in timeline if len(line) == 5 and line[0] is not None]
    seconds = [line[0] or 0.0 for line in lines]
    words = [f"second {second:g}" for second in seconds]
    requests, failures, p50, p95 = ([line[column] for line in lines] for column in range(1, 5))
    failed = [Series(css="failed", label="failures", values=failures, unit="")] if any(failures) else []
    load = [Series(css="now", label="requests", values=requests, unit=""), *failed]
    times = [Series(css="now", label="p50", values=p50), Series(css="tail", label="p95", values=p95)]
    return (
        draw_chart("Requests in each second", "", seconds, load, words),
        draw_chart("Response times in each second", "ms", seconds, times, words),
    )


def _second(line: tuple[float | None, ...]) -> Second:
    second, requests, failures, p50, p95 = (*line, None, None, None, None, None)[:5]
    return Second(
        second=f"{second or 0:g}",
        requests=f"{requests or 0:g}",
        failures=f"{failures or 0:g}",
        p50=figure(p50, "ms"),
        p95=figure(p95, "ms"),
    )
