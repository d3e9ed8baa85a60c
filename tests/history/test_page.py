"""The trend page in a real browser: what is drawn is what the history says, and no name becomes anything but text."""

import json
import math
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from entrypoint.cli import cli
from entrypoint.history.file import append
from entrypoint.history.page import render_history
from entrypoint.history.series import lines_of
from entrypoint.judgement.model import Outcome
from entrypoint.report.result import write_result
from tests.browser import Behaviour, chromium
from tests.history.building import OTHER, entries, entry
from tests.history.test_levels import noisy
from tests.report.results import HOSTILE, passed
from tests.report.test_hostile import Elements

TEMPLATES = Path(__file__).parents[2] / "entrypoint/history/templates"


def history():
    """Forty days: GET /predict steps up after day 25, POST /fails fails at the end; another machine and a proposal between."""
    predict, fails = noisy([41.0] * 25 + [58.0] * 15), [*noisy([20.0] * 32, seed=3), *[math.inf] * 8]
    made = [
        entry(number, {"GET /predict": {"p95": a, "rate": 20.0}, "POST /fails": {"p95": b, "failures": 0.0}})
        for number, (a, b) in enumerate(zip(predict, fails, strict=True))
    ]
    other = [entry(50 + number, {"GET /predict": {"p95": 90.0}}, machine=OTHER) for number in range(3)]
    proposal = entry(60, {"GET /predict": {"p95": 300.0}}, pull_request=77, verdict=Outcome.REGRESSION)
    score = [entry(70, {"POST /score": {"p50": 8.0}}, suite="fraud")]
    return [*made, proposal, *score, *other]


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture
def page(browser, tmp_path):
    """Opens a page, and fails on whatever it says, throws or asks the network for."""
    context = browser.new_context(viewport={"width": 1300, "height": 1000})
    page = context.new_page()
    seen = Behaviour.of(page)

    def opened(entries, scheme="light"):
        page.emulate_media(color_scheme=scheme)
        (tmp_path / "history.html").write_text(render_history(lines_of(entries)))
        page.goto((tmp_path / "history.html").as_uri())
        return page

    yield opened
    context.close()
    assert (seen.console, seen.dialogs, seen.requests) == ([], [], [(tmp_path / "history.html").as_uri()])


def drawn(card):
    """Texts of a card's chart."""
    card.scroll_into_view_if_needed()
    card.locator(".plot svg").wait_for()
    return card.locator(".plot svg text").all_text_contents()


def test_the_newest_lines_suite_is_drawn_with_its_levels(page):
    shown = page(history())
    shown.select_option("#suite", "recommender")
    card = shown.locator('[data-endpoint="GET /predict"]')
    texts = drawn(card)

    assert any(re.fullmatch(r"▲ \+4\d %", text) for text in texts), texts
    assert "level +4" in card.locator("figcaption").inner_text()
    assert "since 2026-01-26" in card.locator("figcaption").inner_text()
    assert "Line 1: newest 90.0 ms" in card.locator(".plot").get_attribute("aria-label")
    assert shown.locator("#count").inner_text() == "2 of 2 endpoints"
    assert shown.locator("#key li").count() == 2


def test_every_value_can_be_read_back_from_the_table_under_the_chart(page):
    made = history()
    card = page(made).locator('[data-endpoint="POST /fails"]')
    card.locator("summary").click()
    rows = card.locator("tbody tr")
    rows.last.wait_for()  # they are made when the table is unfolded

    assert rows.count() == 40
    wanted = made[31].endpoints["POST /fails"].values["p95"]
    assert rows.nth(31).inner_text().split("\t") == [
        f"2026-02-04, {made[31].commit[:7]}, pass",
        f"{wanted:.1f} ms",
        "3",
    ]
    assert rows.nth(39).locator("td").first.inner_text() == "not met"


def test_a_point_tells_its_run_and_a_proposal_is_hollow(page):
    shown = page(history())
    card = shown.locator('[data-endpoint="GET /predict"]')
    drawn(card)
    dot = card.locator('.plot path[fill="none"][d$="Z"]').bounding_box()
    shown.mouse.move(dot["x"] + dot["width"] / 2, dot["y"] + dot["height"] / 2)
    shown.wait_for_timeout(300)

    assert "pull request 77, regression" in "\n".join(card.locator(".plot svg text").all_text_contents())


def test_suite_figure_and_endpoint_can_be_chosen(page):
    shown = page(history())
    shown.select_option("#metric", "failures")
    assert shown.locator(".card").count() == 1
    shown.select_option("#metric", "p95")
    shown.fill("#filter", "PREDICT")
    assert shown.locator(".card code").all_inner_texts() == ["GET /predict"]
    assert shown.locator("#count").inner_text() == "1 of 2 endpoints"
    shown.fill("#filter", "")
    shown.select_option("#suite", "fraud")
    shown.select_option("#metric", "p50")
    assert shown.locator(".card code").all_inner_texts() == ["POST /score"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_told_from_its_ground(page, scheme):
    """WCAG 2.1, 1.4.3: a contrast of 4.5, on the page and in the chart."""
    shown = page(history(), scheme)
    drawn(shown.locator(".card").first)
    contrast = """() => {
      const parse = (text) => text.match(/[\\d.]+/g).map(Number);
      const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
      const ground = (element) => {
        for (let at = element; at; at = at.parentElement) {
          const [r, g, b, a = 1] = parse(getComputedStyle(at).backgroundColor);
          if (a) return [r, g, b];
        }
      };
      return [...document.querySelectorAll("h1, h2, p, th, td, td span, caption, a, label, summary, .plot text")]
      .map((element) => {
        const style = getComputedStyle(element);
        const ink = parse(element.tagName === "text" ? style.fill : style.color);
        const [a, b] = [light(ink), light(ground(element))].sort((x, y) => y - x);
        return [(a + .05) / (b + .05), `${element.tagName} ${element.textContent.slice(0, 30)}`];
      });
    }"""
    found = shown.evaluate(contrast)

    assert len(found) > 100
    assert min(found)[0] >= 4.5, min(found)


def test_charts_follow_when_the_system_turns_dark(page):
    shown = page(history())
    drawn(shown.locator(".card").first)
    shown.emulate_media(color_scheme="dark")

    shown.locator('.card:first-child .plot text[fill="#98a3ae"]').first.wait_for(state="attached")


def test_names_of_an_enemy_stay_text(page):
    shown = page([entry(number, {name: {"p95": 40.0} for name in HOSTILE}, suite=HOSTILE[3], machine=HOSTILE[3],
                        commit=HOSTILE[3], run_url="javascript:alert(1)", image=HOSTILE[3]) for number in range(3)])  # fmt: skip
    names = shown.locator(".card code").all_inner_texts()

    assert len(names) == len(HOSTILE)
    assert HOSTILE[3] in names
    assert shown.locator("img, [onerror], a[href^=javascript]").count() == 0
    drawn(shown.locator(".card").first)


def test_without_its_script_the_page_still_says_where_a_level_changed():
    page = Elements(render_history(lines_of(history())))

    assert "+42 %" in page.text or "+41 %" in page.text
    assert "worse" in page.text
    assert page.text.count("Line") >= 2


def test_a_history_without_a_change_says_so_and_one_without_figures_is_a_page():
    assert "No level changed by 2% or more" in render_history(lines_of(entries(noisy([41.0] * 30))))
    assert "0 runs, on 0 lines" in render_history(())


def test_the_page_needs_nothing_else_and_runs_no_script_but_its_own():
    html = render_history(lines_of(history()))
    page = Elements(html)
    (policy,) = [attrs["content"] for tag, attrs in page.found if attrs.get("http-equiv") == "Content-Security-Policy"]

    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert not [attrs for _, attrs in page.found if "src" in attrs or any(name.startswith("on") for name in attrs)]
    assert {attrs["href"][:19] for tag, attrs in page.found if tag == "a"} <= {"#results"}


def test_no_script_of_ours_makes_code_or_markup_of_text():
    text = (TEMPLATES / "history.js").read_text()

    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|</script|<!--", text
    )


def test_five_thousand_figures_fit():
    """A year of ten runs a day of ten endpoints: under 6 MB, like the report."""
    names = [f"GET /v1/models/{number}/predict" for number in range(10)]
    year = [
        entry(
            number,
            {name: {"p50": 41.234567, "p95": 60.654321, "p99": 80.1, "rate": 20.0, "failures": 0.0} for name in names},
        )
        for number in range(300)
    ]
    year = [
        run.model_copy(update={"id": f"{run.id}-{part}", "occasion": f"{run.id}-{part}"})
        for run in year
        for part in range(12)
    ]

    assert len(render_history(lines_of(year)).encode()) < 6 * 2**20


def test_the_command_adds_runs_prints_a_table_and_writes_the_page(tmp_path):
    path = tmp_path / "history.jsonl"
    for one in entries(noisy([41.0] * 25 + [58.0] * 15)):
        append(path, one)
    write_result(tmp_path / "results", passed())
    given = [
        "history",
        "--from",
        str(path),
        "--out",
        str(tmp_path / "site/history.html"),
        "--add",
        str(tmp_path / "results"),
    ]
    first = CliRunner().invoke(cli, given, catch_exceptions=False)
    again = CliRunner().invoke(cli, given, catch_exceptions=False)

    assert (first.exit_code, again.exit_code) == (0, 0)
    assert f"{tmp_path / 'results'}: added" in first.output
    assert f"{tmp_path / 'results'}: is in the history already" in again.output
    assert re.search(
        r"GET /predict +p95 +\d\d\.\d ms +\d\d\.\d ms +\+4\d %, worse, since 2026-01-26 \(0000000\)", first.output
    )
    assert "Line 1: recommender, 41 runs, 2026-01-01 to 2026-11-21, AMD EPYC 7763" in first.output
    data = (tmp_path / "site/history.html").read_text().split('id="data">')[1].split("</script>")[0]
    assert len(json.loads(data)["runs"]) == 41


def test_a_terminal_gets_no_control_character_from_a_name(tmp_path):
    append(tmp_path / "h.jsonl", entry(0, {name: {"p95": 40.0} for name in HOSTILE}, suite="\x1b[31mred"))
    done = CliRunner().invoke(
        cli, ["history", "--from", str(tmp_path / "h.jsonl"), "--out", str(tmp_path / "h.html")], catch_exceptions=False
    )

    assert done.exit_code == 0
    assert all(char.isprintable() or char == "\n" for char in done.output)


def test_a_page_that_cannot_be_written_is_said(tmp_path):
    append(tmp_path / "h.jsonl", entry(0))
    (tmp_path / "taken").write_text("")
    done = CliRunner().invoke(
        cli, ["history", "--from", str(tmp_path / "h.jsonl"), "--out", str(tmp_path / "taken/h.html")]
    )

    assert "`--out` names" in str(done.exception)
