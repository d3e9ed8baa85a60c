"""What a report says, where it ends, and what the files are to those that parse them."""

import math
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from entrypoint.judgement.model import Outcome, Status
from entrypoint.report.axis import round_steps
from entrypoint.report.intervals import draw_interval, make_scale
from entrypoint.report.line_chart import Series, draw_chart
from entrypoint.report.render import render, render_comment, render_html, render_junit, render_summary
from entrypoint.report.rows import sparkline
from tests.report.results import (
    CASES,
    change,
    failing_service,
    hostile,
    inconclusive,
    many_endpoints,
    no_baseline,
    not_ready,
    passed,
    regression,
    result,
    rows,
)


def cases(xml: str) -> dict[str, tuple[str, str]]:
    """Name of each test case: the tag under it, and that tag's message."""
    found = {}
    for case in ET.fromstring(xml).findall("testsuite/testcase"):
        child = next(iter(case), None)
        found[case.get("name", "")] = ("", "") if child is None else (child.tag, child.get("message", ""))
    return found


def test_every_file_is_written(tmp_path: Path) -> None:
    render(regression(), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"summary.md", "comment.md", "report.html", "junit.xml"}


def test_first_line_is_the_verdict_and_its_reason() -> None:
    first = render_comment(regression()).split("\n", 1)[0].replace("\u00a0", " ")
    assert first == "### ❌ Regression: p95 of `GET /predict` rose from 60.6 ms to 95.4 ms (+57 %, +48 % to +67 %)"


def test_only_rows_that_decided_stand_before_the_fold() -> None:
    before = render_comment(regression()).split("<details>", 1)[0]
    assert before.count("\n| ") == 1 + 2
    assert "unchanged" not in before


def test_at_most_eight_rows_stand_before_the_fold() -> None:
    before = render_comment(many_endpoints()).split("<details>", 1)[0]
    assert before.count("regressed |") == 8
    assert "3 more such rows are in the table of all." in before


@pytest.mark.parametrize("outcome", [Outcome.INCONCLUSIVE, Outcome.NO_BASELINE])
def test_a_failing_policy_is_named(outcome: Outcome) -> None:
    text = render_comment(CASES[outcome.value]().model_copy(update={"exit_code": 1}))
    assert f"The build fails because `on-{outcome.value}` is `fail`." in text


def test_an_invalid_run_accuses_no_row() -> None:
    slow = regression()
    text = render_comment(slow.model_copy(update={"verdict": Outcome.INVALID}))
    assert "regressed |" not in text


def test_a_regression_is_accepted_only_on_purpose() -> None:
    assert "accept --from results --even-if-slower" in render_comment(regression())
    assert "accept --from" not in render_comment(failing_service())


def test_infinite_percentiles_are_explained_where_they_occur() -> None:
    assert "“Not met”" in render_comment(failing_service())
    assert "“Not met”" not in render_comment(regression())


def test_the_commit_that_was_judged_is_named_last() -> None:
    assert "Judged commit `c0ffee1`" in render_comment(passed()).rstrip().rsplit("\n", 1)[1]


def test_a_log_may_hold_fences_and_colours() -> None:
    text = render_comment(not_ready())
    assert "\n`````text\n" in text
    assert "\x1b" not in text


@pytest.mark.parametrize("count", [61, 1000])
def test_a_long_comment_ends_at_a_row_and_says_what_is_missing(count: int) -> None:
    text = render_comment(many_endpoints(count))
    assert 50_000 < len(text) <= 60_000
    assert re.search(r"rows of [\d,]+ endpoints did not fit here", text)
    assert text.rstrip().endswith("</sub>")
    assert text.count("<details>") == text.count("</details>")
    # The regressed endpoints are the last to go.
    assert text.count("regressed |") == 8 + 11


def test_a_long_summary_keeps_its_limit_in_bytes() -> None:
    text = render_summary(many_endpoints(1000), limit=200_000)
    assert len(text.encode()) <= 200_000
    assert "did not fit here" in text


def test_everything_but_rows_is_small_by_itself() -> None:
    longest = hostile(["`" * 4000 + "|" * 4000, "x" * 100_000, "\x00" * 9000])
    log = "\n".join("`" * 1000 for _ in range(10_000))
    assert len(render_comment(longest.model_copy(update={"log": log, "problem": log}))) <= 60_000


@pytest.mark.parametrize("name", CASES)
def test_the_page_is_sound_and_asks_the_network_for_nothing(name: str) -> None:
    page = render_html(CASES[name]())
    Balanced().feed(page)
    assert "default-src 'none'" in unescape(page)
    assert not re.search(r"(?:src|href)=\"(?!#|https://github\.com/example/)", page)
    assert "@import" not in page
    assert "url(" not in page


class Balanced(HTMLParser):
    """Fails on an element that is closed by another's end; cells must have a scope where they head something."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "th":
            assert dict(attrs).get("scope") in ("col", "row")
        if tag not in ("meta", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_draws_each_interval_and_each_endpoint() -> None:
    page = render_html(regression())
    assert 'aria-label="+57 %, between +48 % and +67 %; allowed +50 %"' in page
    assert page.count("by percentile") == 3
    assert page.count("all endpoints") >= 2


def test_a_page_of_a_thousand_endpoints_is_cut_to_the_interesting_ones() -> None:
    page = render_html(many_endpoints(1000))
    assert "6,300 rows of 700 endpoints did not fit here" in page
    assert len(page) < 6_000_000


def test_junit_has_a_case_for_each_judged_row() -> None:
    found = cases(render_junit(regression()))
    assert len(found) == 9
    assert found["GET /predict p95"][0] == "failure"
    assert "rose from 60.6 ms" in found["GET /predict p95"][1]
    assert found["GET /health p50"] == ("", "")


def test_junit_counts_what_it_holds() -> None:
    suite = ET.fromstring(render_junit(failing_service())).find("testsuite")
    assert suite is not None
    assert {key: suite.get(key) for key in ("name", "tests", "failures", "errors", "skipped")} == {
        "name": "recommender", "tests": "10", "failures": "3", "errors": "0", "skipped": "0",
    }  # fmt: skip


def test_junit_skips_what_could_not_be_told() -> None:
    found = cases(render_junit(inconclusive()))
    assert found["GET /predict p95"][0] == "skipped"
    assert found["DELETE /cart p50"][0] == "skipped"
    assert cases(render_junit(no_baseline()))["no-baseline"][0] == "skipped"


def test_junit_skips_rows_with_too_few_requests() -> None:
    few = change("GET /rare", "p95", Status.TOO_FEW, None, note="12 requests; p95 is printed from 130 on")
    assert cases(render_junit(result(Outcome.PASS, [few])))["GET /rare p95"][0] == "skipped"


def test_junit_has_an_error_for_an_invalid_run() -> None:
    found = cases(render_junit(not_ready()))
    assert found["service-not-ready"][0] == "error"
    invalid = regression().model_copy(update={"verdict": Outcome.INVALID})
    assert cases(render_junit(invalid))["GET /predict p95"][0] == "skipped"


def test_a_sparkline_shows_noise_as_small_as_it_is() -> None:
    assert sparkline([100, 101, 99, 100], least_span=50) == "▁▁▁▁"
    assert sparkline([100, 101, 99, 150], least_span=50) == "▁▁▁█"
    assert sparkline([100], least_span=50) == ""
    assert sparkline([0, 0], least_span=0) == "▁▁"


@pytest.mark.parametrize("highest", [0.0, 0.003, 1.0, 7.2, 10.0, 99.9, 123.0, 9_999.0, 1e9])
def test_axes_end_at_a_round_figure_not_far_above(highest: float) -> None:
    steps = round_steps(highest)
    assert steps[0] == 0
    assert highest <= steps[-1] <= max(1.0, 2 * highest)
    assert 2 <= len(steps) <= 7


def test_a_line_has_gaps_for_silence_and_marks_for_failure() -> None:
    chart = draw_chart(
        "", "ms", [0, 1, 2, 3], [Series(css="now", label="p50", values=[1, None, math.inf, 2])], ["a"] * 4
    )
    assert chart is not None
    (line,) = chart.lines
    assert line.path.count("M") == 2
    assert len(line.beyond) == 1
    assert draw_chart("", "ms", [0], [Series(css="", label="", values=[math.inf])], ["a"]) is None


def test_a_change_beyond_the_axis_ends_in_an_arrow() -> None:
    far = change("GET /a", "p95", Status.REGRESSED, 900.0, before=10.0)
    near = change("GET /a", "p50", Status.UNCHANGED, 10.0, before=10.0)
    scale = make_scale([far, near])
    drawn = draw_interval(far, scale)
    assert drawn is not None
    assert drawn.more
    assert not drawn.less
    assert float(drawn.right) <= 220
    assert draw_interval(change("GET /a", "failures", Status.WITHIN_LIMIT, 0.0), scale) is None


def test_intervals_share_one_axis_with_zero_on_it() -> None:
    ticks = make_scale(rows("GET /a", 20.0)).ticks()
    assert "0" in {tick.label for tick in ticks}
    assert len({tick.at for tick in ticks}) == len(ticks)
