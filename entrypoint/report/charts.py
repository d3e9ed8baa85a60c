"""What the HTML report draws, as tables: its script draws them, and without the script they are all there."""

from dataclasses import dataclass

from entrypoint.judgement.model import Change
from entrypoint.report.axis import Tick
from entrypoint.report.course import Course, make_course
from entrypoint.report.distribution import Distribution, make_distribution
from entrypoint.report.figures import rank_endpoints
from entrypoint.report.intervals import Interval, draw_interval, make_scale
from entrypoint.report.neutral import Neutral
from entrypoint.report.result import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Charts:
    """All drawings of a report.

    Attributes:
        ticks: of the axis that the intervals share.
        intervals: by the number of the row.
        distributions: by the place of the endpoint.
        course: the run second by second.
    """

    ticks: tuple[Tick, ...]
    intervals: dict[int, Interval]
    distributions: dict[int, Distribution]
    course: Course


def make_charts(result: Result, neutral: Neutral, most_endpoints: int) -> Charts:
    """The drawings of a result.

    Args:
        result: the run.
        neutral: how text enters the page.
        most_endpoints: so many get a distribution, the most interesting ones.
    """
    scale = make_scale(result.changes)
    drawn = {number: draw_interval(change, scale) for number, change in enumerate(result.changes)}
    return Charts(
        ticks=scale.ticks(),
        intervals={number: interval for number, interval in drawn.items() if interval},
        distributions=_distributions(result, most_endpoints),
        course=make_course(result, neutral),
    )


def _distributions(result: Result, most: int) -> dict[int, Distribution]:
    places = rank_endpoints(result)
    rows: dict[str, list[Change]] = {}
    for change in result.changes:
        rows.setdefault(change.endpoint, []).append(change)
    found = result.measurement.endpoints if result.measurement else {}
    made = {
        places[name]: make_distribution(endpoint, rows.get(name, ()), result.baseline_quantiles.get(name, {}))
        for name, endpoint in found.items()
        if places[name] < most
    }
    return {place: distribution for place, distribution in made.items() if distribution}
