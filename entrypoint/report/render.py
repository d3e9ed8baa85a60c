"""From a result to the files that people and tools read. Every report is rendered from one context, cut by rows to its limit."""

import re
from base64 import b64encode
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

from entrypoint.files import make_folder, write
from entrypoint.report.charts import make_charts
from entrypoint.report.choices import groups_of, make_choices
from entrypoint.report.context import Context, Room, make_context
from entrypoint.report.junit import render_junit
from entrypoint.report.neutral import HtmlNeutral, MarkdownNeutral
from entrypoint.report.result import Result

_HERE = Path(__file__).parent
_SCRIPTS = {
    "theme": "templates/theme.js",
    "library": "vendor/echarts.common.min.js",
    "tables": "templates/tables.js",
    "charts": "templates/charts.js",
}
_HTML_ENDPOINTS = 300
_FENCE = re.compile(r"(`{3,})text")

__all__ = ["render", "render_comment", "render_html", "render_junit", "render_summary"]


def render(result: Result, folder: Path, *, artifact_url: str = "") -> None:
    """Write `summary.md`, `comment.md`, `report.html` and `junit.xml` into the folder."""
    make_folder(folder)
    texts = {
        "summary.md": render_summary(result, artifact_url=artifact_url),
        "comment.md": render_comment(result, artifact_url=artifact_url),
        "junit.xml": render_junit(result),
        "report.html": render_html(result),  # last, for it is the largest, and the disk may be full
    }
    for name, text in texts.items():
        write(folder / name, text)


def render_comment(result: Result, *, artifact_url: str = "", limit: int = 59_000) -> str:
    """The pull request comment, without the marker that publishing puts before it.

    Args:
        result: the run.
        artifact_url: where the results folder can be had, or "".
        limit: most characters; the default leaves room for the marker and a footer below GitHub's own limit.
    """
    context = make_context(result, MarkdownNeutral(), Room(), artifact_url)
    return _fit(context, "comment.md.j2", lambda text: len(text) <= limit)


def render_summary(result: Result, *, artifact_url: str = "", limit: int = 900_000) -> str:
    """The step summary.

    Args:
        result: the run.
        artifact_url: where the results folder can be had, or "".
        limit: most bytes of UTF-8; GitHub drops a summary of more than a mebibyte.
    """
    context = make_context(result, MarkdownNeutral(), Room(failures=200, log_lines=400, pictures=12), artifact_url)
    return _fit(context, "summary.md.j2", lambda text: len(text.encode()) <= limit)


def render_html(result: Result) -> str:
    """The whole report as one page that needs nothing else."""
    room = Room(deciding=0, reasons=50, failures=500, log_lines=2000, facts=200, service_logs=True)
    neutral = HtmlNeutral()
    context = make_context(result, neutral, room).with_endpoints(_HTML_ENDPOINTS)
    style = _read("templates/report.css")
    scripts = {name: _read(path) for name, path in _SCRIPTS.items()}
    from markupsafe import Markup

    page = _environment(escaping=True).get_template("report.html.j2")
    return str(
        page.render(
            run=context,
            charts=make_charts(result, neutral, _HTML_ENDPOINTS),
            choices=make_choices(context.figures.rows, compared=context.figures.has_baseline),
            groups_of=groups_of,
            policy=_policy(style, scripts.values()),
            style=Markup(style),  # noqa: S704 (our own file)
            scripts={name: Markup(script) for name, script in scripts.items()},  # noqa: S704 (ours, and the library's)
        )
    )


def _policy(style: str, scripts: Iterable[str]) -> str:
    """Nothing from the network, and of what is in the page only these very texts run."""
    allowed = " ".join(map(_hash, scripts))
    return f"default-src 'none'; style-src {_hash(style)}; script-src {allowed}; base-uri 'none'; form-action 'none'"


def _fit(context: Context, template: str, fits: Callable[[str], bool]) -> str:
    """The text with as many rows in its folded tables as fit, found by halving."""
    page = _environment(escaping=False).get_template(template)

    def write(rows: int) -> str:
        return _tidy(page.render(run=context.with_rows(rows)))

    most = len(context.figures.rows)
    whole = write(most)
    if fits(whole):
        return whole
    low, high = 0, most  # `high` never fits
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(write(middle)) else (low, middle)
    return write(low)


def _tidy(text: str) -> str:
    """One blank line where the template left several, outside of code blocks."""
    kept: list[str] = []
    fence = ""
    for line in text.split("\n"):
        if fence:
            fence = "" if line == fence else fence
        elif found := _FENCE.fullmatch(line):
            fence = found[1]
        elif not line.strip() and (not kept or not kept[-1].strip()):
            continue
        kept.append(line if fence else line.rstrip())
    return "\n".join(kept).rstrip() + "\n"


def _environment(*, escaping: bool) -> Any:  # noqa: ANN401 (jinja2 is only imported where something is rendered)
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=escaping,  # noqa: S701 (Markdown has no such escaping: `neutral` does it, and a property test attacks it)
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """The expression by which a page's policy allows exactly this inline text."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
