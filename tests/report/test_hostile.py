"""Names, messages and logs come from the pull request's own code: whatever they are, they stay text."""

import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from entrypoint.report import render
from entrypoint.report.neutral import MarkdownNeutral, link
from entrypoint.report.render import render_comment, render_html, render_junit, render_summary
from entrypoint.report.result import Result, Stretch, Usage
from scripts.preview.page import to_html
from tests.report.results import HOSTILE, hostile

FRAGMENTS = [
    "@octocat", "@org/team", "#12", "octo/repo#7", "GH-3", "0123456789abcdef0123456789abcdef01234567", "https://evil.example",
    "www.evil.example", "a@b.example", "|", "||", "\\|", "\\", "`", "``", "```", "~~~", "$x$", "$`x`$", "<b>", "</details>",
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<!--", "-->", "<!-- ml-loadtest:v1 key=0 -->", "&lt;", "&#60;",
    "\n", "\r\n", "\n\n# heading\n", "\n| a | b |\n", "\t", "\x00", "\x1b[31m", "\u2028", "\u202e", "\u200d", "[x](https://e.example)",
    "![i](https://e.example/i.png)", "[^1]", "*", "_", "**", "- [ ]", "> ", ":tada:", "{{ run }}", "{% raw %}", "Endpoint", "]]>",
    "1f0c2aa", ":+1:", "```mermaid\n", "```mermaid\npie\n```", "<br>", "JIRA-1", "mailto:a@b.example", "\n- x\n",
    "]]&gt;", "\ufeff", "\ufffe", "x" * 5000, " ", "",
]  # fmt: skip
hostile_text = st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=12), max_size=6).map("".join)
hostile_names = st.lists(hostile_text, min_size=1, max_size=4, unique=True)
often = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])

MARKDOWN_TAGS = {
    *("h2", "h3", "p", "ul", "li", "strong", "blockquote", "code", "pre", "details", "summary", "sub", "a"),
    "br",
    *("table", "thead", "tbody", "tr", "th", "td"),
}
HTML_TAGS = {
    *("html", "head", "meta", "title", "style", "body", "header", "main", "section", "footer", "script", "a", "b", "p", "code"),
    *("pre", "h1", "h2", "h3", "ul", "li", "dl", "div", "dt", "dd", "label", "input", "output", "button", "small", "span"),
    *("details", "summary", "table", "caption", "thead", "tbody", "tr", "th", "td", "figure", "figcaption", "nav", "fieldset"),
    *("legend", "svg", "rect", "line", "circle", "path", "text"),
}  # fmt: skip
LIBRARY = (Path(render.__file__).parent / "vendor/echarts.common.min.js").read_text(encoding="utf-8")
# What GitHub would turn into a link, a mention, a formula or markup, had it stood outside of code.
EXPANDED = re.compile(r"@\w|#\d|GH-\d|://|www\.|\$|<|:[\w+-]+:|(?<![^\W_])[0-9a-f]{7,40}(?![^\W_])", re.IGNORECASE)
CHART = re.compile(r'<pre lang="mermaid"><code>(.*?)</code></pre>', re.DOTALL)


class Elements(HTMLParser):
    """The elements of a page with their attributes, its text outside of code, and what could not have been meant."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.comments: list[str] = []
        self._code = 0
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._code += tag in ("code", "pre", "script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._code -= tag in ("code", "pre", "script", "style")

    def handle_data(self, data: str) -> None:
        if not self._code:
            self.text += data

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def count(self, tag: str) -> int:
        return sum(found == tag for found, _ in self.found)


def columns(line: str) -> int:
    return len(re.split(r"(?<!\\)\|", line)) - 2


def tables(markdown: str) -> list[list[str]]:
    """Consecutive lines that begin with a bar, outside of code blocks."""
    found: list[list[str]] = [[]]
    fence = ""
    for line in markdown.split("\n"):
        if fence or line.startswith("```"):
            fence = "" if line == fence else fence or line.rstrip("acdeimrtx")
        elif line.startswith("| ") or line.startswith("|:"):
            found[-1].append(line)
        elif found[-1]:
            found.append([])
    return [table for table in found if table]


def assert_only_text(markdown: str, names: int) -> None:
    for table in tables(markdown):
        assert len({columns(line) for line in table}) == 1, table
        assert len(table) > 2, "a table was torn"
    assert "<!--" not in markdown
    html = to_html(markdown)
    page = Elements(html)
    assert {tag for tag, _ in page.found} <= MARKDOWN_TAGS
    assert page.comments == []
    assert page.count("details") == page.count("summary") == markdown.count("\n<details><summary>")
    assert page.count("a") == 0
    assert not EXPANDED.search(page.text), EXPANDED.search(page.text)
    assert page.count("tr") >= names * 9
    assert page.count("table") == len(tables(markdown))
    assert len(CHART.findall(html)) == markdown.count("\nxychart-beta\n")
    for chart in CHART.findall(html):
        assert re.fullmatch(r"[A-Za-z0-9 .,:#>\-\[\]\n]*", unescape(chart).replace('"', "")), chart


@given(hostile_names)
@often
def test_markdown_stays_text(names: list[str]) -> None:
    result = hostile(names)
    assert_only_text(render_comment(result), len(names))
    assert_only_text(render_summary(result), len(names))


@given(hostile_names)
@often
def test_html_and_xml_stay_text(names: list[str]) -> None:
    result = with_course(hostile(names), names)
    # The library is a megabyte that no name is in; parsing it forty times would take a minute.
    page = Elements(render_html(result).replace(LIBRARY, ""))
    assert {tag for tag, _ in page.found} <= HTML_TAGS
    assert page.count("script") == 4
    assert page.count("style") == page.count("h1") == 1
    assert page.comments == []
    attributes = {name for _, attrs in page.found for name in attrs}
    assert not attrs_of_events(attributes) | ({"src", "style"} & attributes)
    anchors = {f"#{attrs['id']}" for _, attrs in page.found if attrs.get("id")}
    assert {attrs["href"] for tag, attrs in page.found if tag == "a"} <= anchors
    assert len(ET.fromstring(render_junit(result)).findall("testsuite/testcase")) >= len(names)


def with_course(result: Result, names: list[str]) -> Result:
    """The same with enemies as targets, services and kinds of stretches."""
    stretches = [Stretch(begin_s=n, end_s=n + 1, target=name, kind="measured") for n, name in enumerate(names)]
    odd = [Stretch(begin_s=-1, end_s=0, target=name, kind=name) for name in names]
    usage = [Usage(target=name, service=name, samples=((0.0, 1.0, None),)) for name in names]
    ladders = {name: {"0.5": 40.0} for name in names}
    more = {"stretches": (*odd, *stretches), "usage": tuple(usage), "baseline_quantiles": ladders}
    return result.model_copy(update=more)


def attrs_of_events(attributes: set[str]) -> set[str]:
    return {name for name in attributes if name.startswith("on")}


@given(hostile_text)
@settings(max_examples=500, deadline=None)
def test_a_name_is_one_code_span_on_one_line(text: str) -> None:
    written = MarkdownNeutral().name(text)
    assert "\n" not in written
    tokens = MarkdownIt("commonmark").parseInline(f"before {written} after")[0].children or []
    kinds = [token.type for token in tokens]
    assert kinds == (["text"] if written == "(empty)" else ["text", "code_inline", "text"])


@given(hostile_text, hostile_text)
@settings(max_examples=500, deadline=None)
def test_prose_is_words_and_code(first: str, second: str) -> None:
    written = MarkdownNeutral().prose(f"{first}`{second}`{first}")
    tokens = (
        MarkdownIt("commonmark", {"html": True}).enable("strikethrough").parseInline(f"before {written}")[0].children
        or []
    )
    assert {token.type for token in tokens} <= {"text", "code_inline"}
    outside = " ".join(token.content for token in tokens if token.type == "text")
    assert not EXPANDED.search(outside)


def test_the_known_enemies_are_told_apart() -> None:
    page = Elements(to_html(render_comment(hostile())))
    assert page.count("tr") > 9 * len(HOSTILE)


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "https://x/)[y](z", "https://x y", "http://x/<b>", "https://x|y", "//x", ""]
)
def test_an_address_that_could_end_its_link_early_is_none(url: str) -> None:
    assert link(url) == ""


def test_a_plain_address_stays() -> None:
    url = "https://github.example:8443/a/b-c/actions/runs/1?x=1&y=%20#z"
    assert link(url) == url


@pytest.mark.parametrize("fragment", [*FRAGMENTS, *HOSTILE])
def test_each_known_enemy_alone_is_inert(fragment: str) -> None:
    page = Elements(
        to_html(
            f"before {MarkdownNeutral().prose(fragment)} after\n\n| a |\n|--|\n| {MarkdownNeutral().cell(fragment)} |"
        )
    )
    assert {tag for tag, _ in page.found} <= {"p", "code", "table", "thead", "tbody", "tr", "th", "td"}
    assert page.count("td") == 1
    assert not EXPANDED.search(page.text)
