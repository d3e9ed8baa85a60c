"""The newest figures as a block of Markdown for a README. Pure."""

from collections.abc import Sequence

from entrypoint.history.model import Entry, Figures
from entrypoint.history.series import SHOWN, counts
from entrypoint.judgement.wording import figure
from entrypoint.measurement.metrics import Metric
from entrypoint.report.neutral import MarkdownNeutral, link

BEGIN = "<!-- ml-loadtest: begin -->"
END = "<!-- ml-loadtest: end -->"
_MOST_ENDPOINTS = 50
_NEUTRAL = MarkdownNeutral()


def newest(entries: Sequence[Entry]) -> list[Entry]:
    """The newest run of each suite that measured merged code and can be believed; suites by name."""
    found = {entry.suite: entry for entry in entries if counts(entry) and entry.endpoints}
    return [found[suite] for suite in sorted(found)]


def render_block(entries: Sequence[Entry]) -> str:
    """A table for each run, with where its figures come from. The same runs give the same text, on every day."""
    return "\n\n".join(map(_suite, entries)) or "No run has been measured yet."


def _suite(entry: Entry) -> str:
    metrics = [one for one in SHOWN if any(one.key in found.values for found in entry.endpoints.values())]
    shown = sorted(entry.endpoints)[:_MOST_ENDPOINTS]
    rows = [
        ["Endpoint", *(metric.label for metric in metrics)],
        [":--", *("--:" for _ in metrics)],
        *([_NEUTRAL.cell(name), *_cells(entry.endpoints[name], metrics)] for name in shown),
    ]
    left = len(entry.endpoints) - len(shown)
    more = f"\n\n{left} more endpoints are not shown." if left else ""
    return f"{_origin(entry)}\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows) + more


def _cells(found: Figures, metrics: Sequence[Metric]) -> list[str]:
    return [figure(found.values[one.key], one.unit) if one.key in found.values else "" for one in metrics]


def _origin(entry: Entry) -> str:
    conditions, url = entry.conditions, link(entry.run_url)
    day = f"[{entry.date}]({url})" if url else _NEUTRAL.prose(entry.date)
    commit = f", commit {_NEUTRAL.name(entry.commit[:7])}" if entry.commit else ""
    where = ", ".join(_NEUTRAL.prose(text) for text in (conditions.plan_text, conditions.machine) if text)
    verdict = entry.verdict.value.replace("-", " ")
    return f"**Load test {_NEUTRAL.name(entry.suite)}:** {verdict} on {day}{commit}; {where}"
