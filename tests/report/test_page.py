"""What the HTML page is drawn from: percentiles in their places, the run second by second, the choices of its reader."""

import math

import pytest

from entrypoint.judgement.model import Outcome, Status
from entrypoint.report.choices import make_choices
from entrypoint.report.context import Room, make_context
from entrypoint.report.course import make_course
from entrypoint.report.distribution import make_distribution
from entrypoint.report.neutral import HtmlNeutral
from entrypoint.report.render import render_html
from entrypoint.report.result import Result, ServiceLog
from tests.report.pages import failing, side_by_side, slower
from tests.report.results import (
    change,
    endpoint,
    generator_at_fault,
    inconclusive,
    measurement,
    no_baseline,
    passed,
    rows,
)


def steps(requests: int = 1204, changes=(), before=None):
    made = make_distribution(endpoint(40.0, requests), changes, before or {})
    assert made is not None
    return {step.label: step for step in made.steps}


def test_the_slowest_of_many_stands_further_right() -> None:
    assert float(steps(1000)["slowest"].at) == pytest.approx(math.log10(2000), abs=1e-3)
    assert float(steps(100_000)["slowest"].at) > float(steps(1000)["slowest"].at) > float(steps(1000)["p99"].at)


def test_a_percentile_that_is_the_slowest_request_is_not_told_twice() -> None:
    assert list(steps(1204))[-2:] == ["p99.9", "slowest"]
    assert list(steps(999))[-2:] == ["p99", "slowest"]
    assert list(steps(15))[-2:] == ["p90", "slowest"]


def test_the_baseline_has_the_percentiles_that_rows_know_and_its_own() -> None:
    known = steps(changes=rows("GET /a", 40.0))
    assert [label for label, step in known.items() if step.baseline.value] == ["p50", "p90", "p95", "p99"]
    assert known["p95"].baseline.text == "58.8 ms"
    ladder = steps(changes=rows("GET /a", 40.0), before={"0.95": 59.5, "1": 200.0})
    assert ladder["p95"].baseline.text == "59.5 ms"
    assert ladder["slowest"].baseline.text == "200 ms"


def test_allowed_is_the_lower_of_threshold_and_limit_but_never_within_the_floor() -> None:
    def allowed(**more) -> str:
        row = change("GET /a", "p50", more.pop("status", Status.UNCHANGED), 40.0, **{"before": 40.0, **more})
        return steps(changes=[row])["p50"].allowed.text

    assert allowed() == "50.0 ms"
    assert allowed(limit=45.0) == "45.0 ms"
    assert allowed(before=2.0) == "3.00 ms"
    assert allowed(status=Status.REPORTED) == ""


def test_the_end_of_every_services_log_is_folded_into_the_page() -> None:
    logs = (
        ServiceLog(target="base", service="api", lines="one\ntwo <b>"),
        ServiceLog(target="", service="web", lines="x"),
    )
    page = render_html(passed().model_copy(update={"logs": logs}))
    assert (
        '<details><summary><code>api</code> of <code>base</code></summary><pre tabindex="0">one\ntwo &lt;b&gt;</pre>'
        in page
    )
    assert "<summary><code>web</code></summary>" in page
    assert "What the services wrote" not in render_html(passed())


def course(result: Result):
    return make_course(result, HtmlNeutral())


def test_the_warm_up_is_marked_where_nothing_more_is_known() -> None:
    phases = course(slower()).phases
    assert [(phase.begin.value, phase.end.value, phase.measured) for phase in phases] == [
        ("-10", "0", False),
        ("0", "60", True),
    ]
    assert course(slower().model_copy(update={"measurement": None})).phases == ()


def test_seconds_belong_to_the_target_whose_stretch_they_lie_in() -> None:
    seconds = course(side_by_side(segment_s=3.0)).seconds
    assert [str(second.target) for second in seconds[:9]] == ["<code>candidate</code>"] * 3 + ["<code>base</code>"] * 6
    assert {second.target for second in course(slower()).seconds} == {""}


def test_a_long_run_is_thinned_to_its_worst() -> None:
    long = measurement(seconds=4 * 3600)
    made = course(slower().model_copy(update={"measurement": long}))
    assert len(made.seconds) == 3600
    assert made.step_s == 4
    assert made.note.startswith("Each line stands for 4 seconds")
    first = long.timeline[:4]
    assert float(made.seconds[0].requests.value) == sum(line[1] or 0 for line in first)
    assert float(made.seconds[0].p95.value) == pytest.approx(max(line[4] or 0 for line in first), rel=1e-5)


def test_what_the_services_used_is_left_out_where_it_was_not_sampled() -> None:
    assert 'id="resources"' not in render_html(slower())
    assert 'id="resources"' in render_html(side_by_side())


def test_failures_over_time_are_drawn_where_there_are_any() -> None:
    assert 'data-chart="failed" data-table' not in render_html(slower())
    assert "No request failed." in render_html(slower())
    assert 'data-chart="failed" data-table' in render_html(failing())


def choices(result: Result) -> dict[str, int]:
    run = make_context(result, HtmlNeutral(), Room())
    made = make_choices(run.figures.rows, compared=run.figures.has_baseline)
    assert sum(choice.first for choice in made) == 1
    return {f"{choice.label}{'*' if choice.first else ''}": choice.count for choice in made}


def test_a_reader_may_choose_among_groups_that_have_rows() -> None:
    assert choices(slower()) == {"Judged*": 9, "Worse": 2, "All": 27}
    assert choices(passed()) == {"Judged*": 9, "All": 27}
    assert choices(inconclusive()) == {"Judged*": 10, "Unresolved": 2, "All": 28}
    assert choices(no_baseline()) == {"Judged": 3, "All*": 27}
    assert choices(generator_at_fault()) == {"All*": 27}


def test_the_worst_row_comes_first() -> None:
    page = render_html(inconclusive())
    body = page[page.index("<tbody>") :]
    assert body.index("DELETE /cart") < body.index("GET /health")
    invalid = render_html(slower().model_copy(update={"verdict": Outcome.INVALID}))
    assert 'class="regressed' not in invalid
