"""The trend page: one HTML file that needs nothing else. What it says stands in tables; the charts draw the same."""

import json
import math
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from markupsafe import Markup

import entrypoint.report
from entrypoint.history.model import Entry
from entrypoint.history.series import ERROR, SHOWN, SMALLEST, Line, Shift, Trend, counts
from entrypoint.judgement.wording import figure, percent
from entrypoint.report.neutral import HtmlNeutral, link

_TEMPLATES = Path(__file__).parent / "templates"
_LIBRARY = Path(entrypoint.report.__file__).parent / "vendor" / "echarts.common.min.js"
_MOST_RUNS = 200
_NEUTRAL = HtmlNeutral()


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftRow:
    """A change of a level, as the table tells it; `css` is `worse` or `better`."""

    run: Entry
    suite: Markup
    line: int
    endpoint: Markup
    figure: str
    before: str
    after: str
    change: str
    css: str
    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewestRow:
    """An endpoint's newest figures on one line; None where it has none."""

    line: int
    endpoint: Markup
    cells: tuple[str, ...]


def render_history(lines: Sequence[Line]) -> str:
    """The page of a history.

    Args:
        lines: that with the newest run first.
    """
    runs = _runs(lines)
    style, script, library = (
        path.read_text(encoding="utf-8") for path in (_TEMPLATES / "history.css", _TEMPLATES / "history.js", _LIBRARY)
    )
    data = json.dumps(_data(lines, runs), separators=(",", ":")).replace("<", "\\u003c")
    return str(
        _template().render(
            lines=lines,
            shifts=sorted(_shifts(lines), key=lambda row: row.run.date, reverse=True),
            newest=[row for number, line in enumerate(lines, 1) for row in _newest(number, line)],
            metrics=SHOWN,
            runs=list(reversed(runs))[:_MOST_RUNS],
            all_runs=len(runs),
            days=" to ".join(dict.fromkeys((runs[0].date, runs[-1].date))) if runs else "",
            neutral=_NEUTRAL,
            link=link,
            error=f"{ERROR:.0%}",
            smallest=f"{SMALLEST:.0%}",
            policy=f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)} {_hash(library)}; "
            "base-uri 'none'; form-action 'none'",
            style=Markup(style),  # noqa: S704 (our own file)
            scripts=[Markup(library), Markup(script)],  # noqa: S704 (the library's file, and ours)
            data=Markup(data),  # noqa: S704 (JSON in which no tag can begin)
        )
    )


def _runs(lines: Sequence[Line]) -> list[Entry]:
    return sorted((run for line in lines for run in line.runs), key=lambda run: run.date)


def _shifts(lines: Sequence[Line]) -> Iterator[ShiftRow]:
    for number, line in enumerate(lines, 1):
        for trend in line.trends:
            for shift, level in zip(trend.shifts, trend.levels[1:], strict=True):
                yield _shift(number, line, trend, shift, level.end - level.begin)


def _shift(number: int, line: Line, trend: Trend, shift: Shift, runs: int) -> ShiftRow:
    return ShiftRow(
        run=line.runs[shift.at],
        suite=_NEUTRAL.name(line.suite),
        line=number,
        endpoint=_NEUTRAL.name(trend.endpoint),
        figure=trend.metric.label,
        before=figure(shift.before, trend.metric.unit),
        after=figure(shift.after, trend.metric.unit),
        change=told(trend, shift),
        css="worse" if trend.is_worse(shift) else "better",
        runs=runs,
    )


def told(trend: Trend, shift: Shift) -> str:
    """The size of a change of a level: relative, and for a share in points."""
    if trend.metric.unit == "%":
        return f"{(shift.after - shift.before) * 100:+.2f} points"
    return percent(shift.change) if math.isfinite(shift.change) else "not met"


def _newest(number: int, line: Line) -> Iterator[NewestRow]:
    found = {(trend.endpoint, trend.metric.key): trend for trend in line.trends}
    for name in dict.fromkeys(trend.endpoint for trend in line.trends):
        trends = [found.get((name, metric.key)) for metric in SHOWN]
        yield NewestRow(line=number, endpoint=_NEUTRAL.name(name), cells=tuple(_last(trend) for trend in trends))


def _last(trend: Trend | None) -> str:
    known = [value for value in trend.values if value is not None] if trend else []
    return figure(known[-1], trend.metric.unit) if trend and known else ""


def _data(lines: Sequence[Line], runs: Sequence[Entry]) -> dict[str, Any]:
    """What the charts draw. A run is known by its place among all runs; a value is null for none, "inf" for infinite."""
    places = {run.id: place for place, run in enumerate(runs)}
    return {
        "runs": [_run(run) for run in runs],
        "metrics": [{"key": one.key, "label": one.label, "unit": one.unit} for one in SHOWN],
        "lines": [
            {
                "suite": line.suite,
                "name": f"{line.machine}, {line.launcher}, {line.plan_text or line.plan}",
                "runs": [places[run.id] for run in line.runs],
                "trends": [_trend(trend) for trend in line.trends],
            }
            for line in lines
        ],
    }


def _run(run: Entry) -> list[object]:
    return [run.date, run.commit[:7], run.verdict.value, run.pull_request, counts(run)]


def _trend(trend: Trend) -> dict[str, Any]:
    shifts = [[shift.at, told(trend, shift), trend.is_worse(shift)] for shift in trend.shifts]
    return {
        "endpoint": trend.endpoint,
        "metric": trend.metric.key,
        "values": [_number(value) for value in trend.values],
        "levels": [[level.begin, level.end, _number(level.value)] for level in trend.levels],
        "shifts": shifts,
    }


def _number(value: float | None) -> float | str | None:
    if value is None or math.isfinite(value):
        return None if value is None else float(f"{value:.6g}")
    return "inf"


def _template() -> Any:  # noqa: ANN401 (jinja2 is only imported where something is rendered)
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(_TEMPLATES)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("history.html.j2")


def _hash(text: str) -> str:
    """The expression by which the page's policy allows exactly this inline text."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
