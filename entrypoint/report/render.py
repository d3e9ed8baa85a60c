"""From a result to the files that people and tools read. Every report is rendered from one context, cut by rows to its limit."""

import re
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from entrypoint.report.charts import make_charts
from entrypoint.report.context import Context, Room, make_context
from entrypoint.report.figures import rank_endpoints
from entrypoint.report.junit import render_junit
from entrypoint.report.neutral import HtmlNeutral, MarkdownNeutral
from entrypoint.report.result import Result

_TEMPLATES = Path(__file__).parent / "templates"
_HTML_ENDPOINTS = 300
_FENCE = re.compile(r"(`{3,})text")

__all__ = ["render", "render_comment", "render_html", "render_junit", "render_summary"]


def render(result: Result, folder: Path, *, artifact_url: str = "") -> None:
    """Write `summary.md`, `comment.md`, `report.html` and `junit.xml` into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "summary.md": render_summary(result, artifact_url=artifact_url),
        "comment.md": render_comment(result, artifact_url=artifact_url),
        "report.html": render_html(result),
        "junit.xml": render_junit(result),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


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
    context = make_context(result, MarkdownNeutral(), Room(failures=200, log_lines=400), artifact_url)
    return _fit(context, "summary.md.j2", lambda text: len(text.encode()) <= limit)


def render_html(result: Result) -> str:
    """The whole report as one page that needs nothing else."""
    room = Room(deciding=0, reasons=50, failures=500, log_lines=2000, facts=200)
    context = make_context(result, HtmlNeutral(), room).with_endpoints(_HTML_ENDPOINTS)
    style, script = (_read(name) for name in ("report.css", "report.js"))
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )
    from markupsafe import Markup

    charts = make_charts(result, rank_endpoints(result))
    template = _environment(escaping=True).get_template("report.html.j2")
    inline = {"style": Markup(style), "script": Markup(script)}  # noqa: S704 (our own files)
    return str(template.render(run=context, charts=charts, policy=policy, **inline))


def _fit(context: Context, template: str, fits: Callable[[str], bool]) -> str:
    """The text with as many endpoints in its folded tables as fit, found by halving."""
    page = _environment(escaping=False).get_template(template)

    def write(endpoints: int) -> str:
        return _tidy(page.render(run=context.with_endpoints(endpoints)))

    most = len(context.figures.all_places)
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
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=escaping,  # noqa: S701 (Markdown has no such escaping: `neutral` does it, and a property test attacks it)
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _read(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """The expression by which a page's policy allows exactly this inline text."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
