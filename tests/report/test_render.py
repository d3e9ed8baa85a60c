"""What a report says, where it ends, and what the files are to those that parse them."""

import math
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from entrypoint.judgement.model import Outcome, Status
from entrypoint.measurement.model import Stage
from entrypoint.report.intervals import draw_interval, make_scale
from entrypoint.report.render import render, render_comment, render_html, render_junit, render_summary
from entrypoint.report.result import Usage
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
    assert first == "### ❌ Regression: p95 of `GET /predict` rose from 60.6 ms to 95.4 ms (+57 %, ± 10 %)"


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


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf, -1.0, 0.0, 1e308])
def test_a_result_from_elsewhere_renders_whatever_its_figures_are(odd: float) -> None:
    plain = inconclusive()
    assert plain.measurement is not None
    endpoints = {
        name: found.model_copy(update={"quantiles": dict.fromkeys(found.quantiles, odd)})
        for name, found in plain.measurement.endpoints.items()
    }
    lines = (
        (odd, odd, odd, odd, odd),
        (1.0,),
        (),
        (None, None, None, None, None),
        (3.0, 1.0, 0.0, odd, 1.0),
        (4.0, 1.0, 0.0, 1.0, odd),
    )
    changes = tuple(
        row.model_copy(update={"time_to_tell": odd, "history": (odd, odd), "interval": (odd, odd), "resolution": odd})
        for row in plain.changes
    )
    measurement = plain.measurement.model_copy(update={"endpoints": endpoints, "timeline": lines, "window_s": odd})
    strange = plain.model_copy(
        update={
            "changes": changes,
            "measurement": measurement,
            "baseline_quantiles": {name: {"0.5": odd, "0.75": 1.0, "x": odd} for name in endpoints},
        }
    )
    for text in (render_comment(strange), render_summary(strange)):
        assert text.startswith("#")
        assert not re.search(r"(?:bar|line) \[.*(?:nan|inf)", text)


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
    left_out = re.search(r"([\d,]+) of ([\d,]+) rows did not fit here", text)
    assert left_out is not None
    shown = text.split("| Endpoint | Figure |")[1].split("did not fit here")[0].count("\n| `GET")
    assert int(left_out[2].replace(",", "")) == 9 * count == int(left_out[1].replace(",", "")) + shown
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
    page = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
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


# Jenkins' junit-10.xsd, the strictest schema in use: what each element may hold, and in which order.
JUNIT_ELEMENTS = {
    "testsuites": ({"name", "time", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors", "skipped", "time", "timestamp", "hostname", "id", "package", "file"},
        {"properties", "testcase"},
    ),
    "properties": (set(), {"property"}),
    "property": ({"name", "value"}, set()),
    "testcase": ({"name", "time", "classname"}, {"failure", "error", "skipped"}),
    "failure": ({"type", "message"}, set()),
    "error": ({"type", "message"}, set()),
    "skipped": ({"type", "message"}, set()),
}


@pytest.mark.parametrize("name", CASES)
def test_junit_is_what_tools_read(name: str) -> None:
    root = ET.fromstring(render_junit(CASES[name]()))
    for element in root.iter():
        attributes, children = JUNIT_ELEMENTS[element.tag]
        assert set(element.attrib) <= attributes
        assert {child.tag for child in element} <= children
    (suite,) = root
    assert suite[0].tag == "properties"
    required = {"name", "tests", "failures", "errors", "time"}
    assert required <= set(suite.attrib) & set(root.attrib)
    assert {key: root.get(key) for key in required - {"name"}} == {key: suite.get(key) for key in required - {"name"}}
    assert all(re.fullmatch(r"[0-9]+\.[0-9]{3}", element.get("time", "")) for element in (root, suite))
    found = [(case.get("classname"), case.get("name")) for case in suite.iter("testcase")]
    assert len(found) == len(set(found)) == int(suite.get("tests", ""))
    assert all(len(case) <= 1 for case in suite.iter("testcase"))
    assert all(failure.text and failure.get("message") for failure in suite.iter("failure"))


def test_junit_tells_all_that_judged_a_failed_row() -> None:
    (failure,) = ET.fromstring(render_junit(regression())).findall(".//testcase[@name='GET /predict p95']/failure")
    assert (failure.text or "").split("\n")[1:] == [
        "baseline 60.6 ms, now 95.4 ms",
        "change +57 %, the true one lies in +48 to +67 %",
        "allowed change +50 %, at least 1.00 ms",
    ]


def test_junit_says_in_which_direction_a_change_is_allowed() -> None:
    lower = change("(service)", "capacity-users", Status.REGRESSED, 12.0, before=20.0, threshold=0.2)
    (failure,) = ET.fromstring(render_junit(result(Outcome.REGRESSION, [lower]))).iter("failure")
    assert "allowed change -20 %" in (failure.text or "")


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


def test_what_the_service_used_is_told_of_the_measured_window() -> None:
    samples = ((-5.0, 9.0, 9000.0), (0.0, 0.5, 100.0), (30.0, 1.5, 250.4), (60.0, None, math.nan), (61.0, 9.0, 9000.0))
    used = Usage(target="", service="a|b", samples=samples)
    plain = passed()
    text = render_comment(plain.model_copy(update={"usage": (used,)})).replace("\u00a0", " ")
    # One core for sixty seconds and 3,612 requests.
    assert "| `a\\|b` | 16.6 ms | 1.00 cores | 1.50 cores | 250 MiB |" in text
    assert "What the service used" not in render_comment(plain.model_copy(update={"usage": ()}))


def test_stages_stand_in_both_reports_with_why_they_end() -> None:
    levels = [
        ("100 users", 100.0, None, True, ""),
        ("400 users", 400.0, None, True, ""),
        ("100 users (2)", 100.0, 2.0, True, ""),
    ]
    stages = [
        Stage(
            label=label, load=load, start_s=5.0 * n, end_s=5.0 * n + 5, requests=1200, failures=n, rate=240.0, p50_ms=8.25,
            p95_ms=41.5, recovery_s=recovery, ok=ok, text=text,
        )
        for n, (label, load, recovery, ok, text) in enumerate(
            [*levels, ("700 users", 700.0, None, False, "In its busiest 5 s the load generator used 97 % of a core.")]
        )
    ]  # fmt: skip
    result = regression()
    result = result.model_copy(update={"measurement": result.measurement.model_copy(update={"stages": tuple(stages)})})

    page = render_html(result)
    for text in (render_comment(result), render_summary(result)):
        assert "<summary>Levels of load</summary>" in text
        assert "| 100 users (2) | 1,200 | 2 | 240.0/s | 8.25 ms | 41.5 ms | 2 s |  |" in text
        assert "The stages end before 700 users, which the load generator could not drive: In its busiest" in text
    assert '<h2 id="levels">Levels of load</h2>' in page
    assert "The stages end before 700 users" in page
    assert re.search(r"not counted: In its busiest 5.s the load generator used 97.% of a core\.", page)
    assert "Levels of load" not in render_comment(regression())
