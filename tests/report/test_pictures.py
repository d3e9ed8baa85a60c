"""Charts in Markdown: what they hold, and that every mermaid which GitHub may have reads and draws them."""

import json
import math
import os
import re
import subprocess
from html import unescape
from pathlib import Path

import pytest

from entrypoint.report.figures import rank_endpoints
from entrypoint.report.neutral import MarkdownNeutral
from entrypoint.report.pictures import Picture, make_pictures
from entrypoint.report.render import render_comment, render_summary
from entrypoint.report.result import Result
from scripts.preview.browser import show
from scripts.preview.page import page, to_html
from tests.browser import chromium_or_skip
from tests.report.results import (
    CASES,
    endpoint,
    failing_service,
    many_endpoints,
    measurement,
    no_baseline,
    regression,
    soak,
)

PREVIEW = Path(__file__).parents[2] / "scripts/preview"
CHART = re.compile(r'<pre lang="mermaid"><code>(.*?)</code></pre>', re.DOTALL)
VERSIONS = ("mermaid-10", "mermaid-11", "mermaid-newest")


def pictures(result: Result, most: int = 3) -> tuple[Picture, ...]:
    return make_pictures(result, rank_endpoints(result), MarkdownNeutral(), most)


def charts() -> list[str]:
    """Every chart of every golden, and of endpoints of odd sizes."""
    texts = [render(CASES[name]()) for name in CASES for render in (render_comment, render_summary)]
    tiny, huge = (measurement({"GET /": endpoint(p50)}) for p50 in (1e-6, 1e9))
    texts += [render_comment(regression().model_copy(update={"measurement": found})) for found in (tiny, huge)]
    return sorted({unescape(chart) for text in texts for chart in CHART.findall(to_html(text))})


@pytest.fixture(scope="module")
def packages() -> None:
    """What the preview has from npm; without it the test says so, and fails where the whole run is asked for."""
    done = subprocess.run([PREVIEW / "run", "true"], capture_output=True, text=True, check=False)
    if done.returncode == 69 and os.environ.get("CI") != "true":
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr


@pytest.mark.npm
def test_every_version_of_mermaid_reads_every_chart(packages: None) -> None:
    found = charts()
    done = subprocess.run(
        [PREVIEW / "run", "node", "parse.mjs"], input=json.dumps(found), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    read = re.findall(r"^mermaid (\S+) reads (\d+) of", done.stdout, re.MULTILINE)
    assert [int(count) for _, count in read] == [len(found)] * 3
    assert [version for version, _ in read][:2] == ["10.9.1", "11.3.0"]
    assert len(found) > 10


@pytest.mark.npm
def test_what_no_version_reads_is_noticed(packages: None) -> None:
    command = [PREVIEW / "run", "node", "parse.mjs"]
    done = subprocess.run(command, input='["xychart-beta\\n  bar [NaN]"]', capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout.count("refuses") == 3


@pytest.mark.npm
@pytest.mark.parametrize("version", VERSIONS)
def test_chromium_draws_every_chart_of_a_comment(packages: None, version: str) -> None:
    text = render_comment(regression())
    shown = show(page(text, scheme="light", unfold=True, mermaid=version), chromium=chromium_or_skip(), width=900)
    assert (shown.drawn, shown.refused) == (text.count("```mermaid"), "")
    assert shown.drawn == 4


def test_bars_are_the_baseline_and_the_line_is_now() -> None:
    first = pictures(regression())[0]
    assert first.title == "Response times of `GET /predict` by percentile"
    bar, line = (re.search(rf"{kind} \[(.*)\]", first.code) for kind in ("bar", "line"))
    assert bar is not None
    assert line is not None
    assert (bar[1].split(", ")[3], line[1].split(", ")[3]) == ("60.56", "95.40")
    assert [row[4].replace("\u00a0", " ") for row in first.rows] == ["60.6 ms", "95.4 ms"]


def test_every_figure_of_a_chart_is_in_its_table() -> None:
    for picture in (*pictures(regression()), *pictures(no_baseline()), *pictures(failing_service())):
        told = [float(text.split("\u00a0")[0]) for row in picture.rows for text in row if text.endswith("\u00a0ms")]
        for series in re.findall(r"(?:bar|line) \[(.*)\]", picture.code):
            for value in map(float, series.split(", ")):
                assert min(abs(value - known) / value for known in told) < 0.005, (value, picture)


def test_without_a_baseline_the_bars_are_this_run() -> None:
    first = pictures(no_baseline())[0]
    assert "line" not in first.code
    assert len(first.rows) == 1


def test_what_is_not_met_is_not_drawn_and_stands_in_the_table() -> None:
    worst = next(picture for picture in pictures(failing_service()) if "/recommend" in picture.title)
    assert worst.code == ""
    assert "not met" in worst.rows[1]


def test_a_silent_second_leaves_a_run_without_a_line_drawn_through_it() -> None:
    quiet = measurement().model_copy(
        update={"timeline": ((0.0, 5, 0, 1.0, 2.0), (1.0, 0, 0, None, None), (2.0, 5, 5, math.inf, math.inf))}
    )
    (over_time,) = pictures(regression().model_copy(update={"measurement": quiet}), most=0)
    assert over_time.code == ""
    assert over_time.rows[1] == ("1", "0", "0", "", "")


@pytest.mark.parametrize("seconds", [3, 12, 13, 60, 61, 600, 3601])
def test_a_run_of_any_length_has_at_most_twelve_places(seconds: int) -> None:
    result = regression().model_copy(update={"measurement": measurement(seconds=seconds)})
    (over_time,) = pictures(result, most=0)
    assert 3 <= len(over_time.rows) <= 12
    assert sum(int(row[1].replace(",", "")) for row in over_time.rows) == sum(
        int(row[1] or 0) for row in measurement(seconds=seconds).timeline
    )


def test_a_comment_draws_the_endpoints_that_matter_most() -> None:
    assert render_comment(many_endpoints()).count("by percentile**") == 3


def test_a_soak_s_memory_is_drawn_over_time_where_it_is_known() -> None:
    known = pictures(soak(), most=0)[-1]
    assert known.title == "Memory of the service over the soak"
    assert [row[0] for row in known.rows] == [f"{300 * place}" for place in range(12)]
    found = soak().measurement
    assert found
    assert found.soak
    times = found.soak.model_copy(update={"growth": found.soak.growth[:2]})
    unknown = soak().model_copy(update={"measurement": found.model_copy(update={"soak": times})})
    assert [picture.title for picture in pictures(unknown, most=0)] == [
        "Response times of all endpoints over the measured window"
    ]
