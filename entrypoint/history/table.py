"""The newest figures of a history for a terminal: what each line came to, and where its level changed last."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from entrypoint.history.page import told
from entrypoint.history.series import Line, Trend
from entrypoint.judgement.wording import figure
from entrypoint.report.neutral import plain

_HEADINGS = ("Endpoint", "Figure", "Newest", "Level", "Last change of the level")


def tables(lines: Sequence[Line]) -> list[tuple[str, Table]]:
    """A title and a table for each line, that with the newest run first.

    Its figures are the gated ones, and any other whose level changed.
    """
    return [(_title(number, line), _table(line)) for number, line in enumerate(lines, 1)]


def _table(line: Line) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in _HEADINGS:
        table.add_column(heading, justify="right" if heading in {"Newest", "Level"} else "left")
    for trend in line.trends:
        if trend.metric.gate or trend.shifts:
            table.add_row(*(Text(cell) for cell in _cells(line, trend)))
    return table


def _title(number: int, line: Line) -> str:
    days = " to ".join(dict.fromkeys((line.runs[0].date, line.runs[-1].date)))
    runs = f"{len(line.runs)} run{'s' * (len(line.runs) > 1)}, {days}"
    return plain(f"Line {number}: {line.suite}, {runs}, {line.machine}, {line.launcher}, {line.plan_text or line.plan}")


def _cells(line: Line, trend: Trend) -> tuple[str, ...]:
    unit = trend.metric.unit
    newest = next(value for value in reversed(trend.values) if value is not None)
    level = figure(trend.levels[-1].value, unit) if trend.levels else ""
    return plain(trend.endpoint), trend.metric.label, figure(newest, unit), level, _change(line, trend)


def _change(line: Line, trend: Trend) -> str:
    if not trend.shifts:
        return ""
    shift = trend.shifts[-1]
    run = line.runs[shift.at]
    word = "worse" if trend.is_worse(shift) else "better"
    return f"{told(trend, shift)}, {word}, since {run.date}{plain(f' ({run.commit[:7]})') if run.commit else ''}"
