"""The page in a real browser: it opens offline, is read back and compared with result.json, and is worked by keyboard alone."""

import json
import math
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from entrypoint.report.render import render_html
from entrypoint.report.result import Result, write_result
from tests.browser import Behaviour, chromium
from tests.npm import PackageUnavailableError, packed
from tests.report.pages import PAGES, failing, side_by_side, slower, ten_minutes
from tests.report.results import CASES, HOSTILE, LEVELS, hostile, many_endpoints
from tests.report.test_hostile import with_course

ALL = {**CASES, **PAGES}
AXE = "4.14.1"
_AXE = Path(__file__).parents[2] / ".tools" / f"axe-core-{AXE}.min.js"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


class Opened:
    """A result's page, open."""

    def __init__(self, browser: Browser, folder: Path, result: Result, **context: Any) -> None:
        write_result(folder, result)
        self.result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        self.file = folder / "report.html"
        self.file.write_text(render_html(result), encoding="utf-8")
        context = {"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce", **context}
        self.page: Page = browser.new_context(**context).new_page()
        self.seen = Behaviour.of(self.page)
        self.page.goto(self.file.as_uri())

    def draw_all(self) -> None:
        """Bring every chart into sight."""
        for canvas in self.page.locator(".canvas:visible").all():
            canvas.scroll_into_view_if_needed()
            canvas.locator("svg").wait_for()

    def drawn(self, selector: str) -> dict[str, list[list[float | None]]]:
        """The points of a chart's lines, by name."""
        self.page.locator(selector).first.scroll_into_view_if_needed()
        self.page.locator(f"{selector} svg").first.wait_for()
        found = self.page.evaluate(
            """selector => Object.fromEntries(echarts.getInstanceByDom(document.querySelector(selector)).getOption()
            .series.map(one => [one.name, one.data]))""",
            selector,
        )
        return dict(found)

    def rows(self, table: str = "figures") -> list[dict[str, str]]:
        """The rows of a table that can be seen: each cell's number if it has one, else its text, by heading."""
        return self.page.evaluate(
            """id => {
              const table = document.getElementById(id);
              const names = Array.from(table.tHead.rows[0].cells, cell => cell.innerText.split("\\n")[0].trim());
              const seen = Array.from(table.tBodies[0].rows).filter(row => row.getClientRects().length);
              return seen.map(row => Object.fromEntries(names.map((name, at) =>
                [name, row.cells[at].dataset.value ?? row.cells[at].innerText.trim()])));
            }""",
            table,
        )


@pytest.fixture
def opened(browser: Browser, tmp_path: Path):
    pages = []

    def open_page(result: Result, **context: Any) -> Opened:
        pages.append(Opened(browser, tmp_path, result, **context))
        return pages[-1]

    yield open_page
    for one in pages:
        one.page.context.close()


def number(text: str | float | None) -> float | None:
    if text is None or text == "":
        return None
    return float(text) if isinstance(text, str) else text


def same(shown: str | float | None, meant: float | str | None) -> bool:
    """Equal to six digits, which is what the page keeps."""
    a, b = number(shown), number(meant)
    if a is None or b is None:
        return a is b
    return a == b or math.isclose(a, b, rel_tol=1e-5)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name == "ten-minutes")) for name in ALL]
)
def test_a_page_draws_all_asks_for_nothing_and_complains_of_nothing(opened, name: str) -> None:
    page = opened(ALL[name]())
    page.draw_all()
    assert page.seen.console == []
    assert page.seen.dialogs == []
    assert page.seen.requests == [page.file.as_uri()]


def test_every_figure_is_that_of_the_result(opened) -> None:
    page = opened(slower())
    page.page.get_by_text("All 27", exact=True).click()
    shown = {(row["Endpoint"], row["Figure"]): row for row in page.rows()}
    labels = {"p50-ok": "p50 of successes", "p95-ok": "p95 of successes", "mean": "mean of successes",
              "rate": "successes per second", "failures": "share of failed requests"}  # fmt: skip
    changes = page.result["changes"]
    assert len(shown) == len(changes) == 27
    for change in changes:
        row = shown[change["endpoint"], labels.get(change["metric"], change["metric"])]
        assert same(row["Baseline"], change["baseline"])
        assert same(row["Now"], change["candidate"])
        assert same(row["Change"], change["change"])
        assert same(row["Could see"], change["resolution"])
        assert row["Result"].startswith(change["status"].replace("reported", "not judged").replace("-", " "))


def test_the_distribution_is_that_of_the_result(opened) -> None:
    page = opened(side_by_side())
    place = page.page.locator("figure[data-endpoint]", has_text="GET /predict")
    table = place.locator("table").get_attribute("id")
    drawn = page.drawn(f"[data-table={table}]")
    ladders = {
        "Now": page.result["measurement"]["endpoints"]["GET /predict"]["quantiles"],
        "Baseline": page.result["baseline_quantiles"]["GET /predict"],
    }
    for name, ladder in ladders.items():
        points = [ms for _, ms in drawn[name]]
        assert len(points) == len(ladder) == 10
        assert all(same(ms, ladder[p]) for ms, p in zip(points, sorted(ladder, key=float), strict=True))
    # Each further nine takes the same room.
    at = dict(zip(sorted(map(float, ladders["Now"])), [x for x, _ in drawn["Now"]], strict=True))
    assert at[0.99] - at[0.9] == pytest.approx(at[0.999] - at[0.99], abs=0.01)


def test_the_course_is_that_of_the_result(opened) -> None:
    page = opened(failing())
    timeline = page.result["measurement"]["timeline"]
    drawn = {**page.drawn("[data-chart=times]"), **page.drawn("[data-chart=load]"), **page.drawn("[data-chart=failed]")}
    for column, name in enumerate(("Requests", "Failures", "p50", "p95"), 1):
        assert len(drawn[name]) == len(timeline) == 60
        for (at, shown), line in zip(drawn[name], timeline, strict=True):
            assert at == line[0] + 0.5
            meant = None if line[column] == "Infinity" else line[column]
            assert same(shown, meant), (name, line)
    unmet = [at for at, _ in drawn["Not met"]]
    assert unmet == [line[0] + 0.5 for line in timeline if line[4] == "Infinity"]
    assert len(unmet) == 9


def test_targets_take_turns_in_the_charts_and_the_services_have_theirs(opened) -> None:
    page = opened(side_by_side())
    drawn = page.drawn("[data-chart=times]")
    assert set(drawn) == {"p50 candidate", "p50 base", "p95 candidate", "p95 base"}
    for candidate, base in zip(drawn["p50 candidate"], drawn["p50 base"], strict=True):
        assert (candidate[1] is None) != (base[1] is None)
    cpu = page.drawn("[data-chart=cpu]")["CPU"]
    assert all(same(shown[1], meant[1]) for shown, meant in zip(cpu, page.result["usage"][0]["samples"], strict=True))
    memory = page.drawn("[data-chart=memory]")["Memory"]
    assert [shown[0] for shown in memory if shown[1] is None] == [7]


def test_the_levels_of_a_search_are_those_of_the_result_by_what_was_answered(opened) -> None:
    page = opened(CASES["capacity"]())
    drawn = page.drawn("[data-chart=levels]")
    stages = sorted(page.result["measurement"]["stages"], key=lambda stage: stage["rate"])
    for name, field in (("p50", "p50_ms"), ("p95", "p95_ms")):
        assert len(drawn[name]) == len(stages)
        for point, stage in zip(drawn[name], stages, strict=True):
            assert same(point[0], stage["rate"])
            assert same(point[1], stage[field])
    assert [row["Level"] for row in page.rows("table-of-levels")] == [f"{load:g}" for load, *_ in sorted(LEVELS)]


def test_a_tooltip_says_what_the_table_says(opened) -> None:
    page = opened(slower())
    canvas = page.page.locator("[data-chart=distribution]").first
    canvas.scroll_into_view_if_needed()
    canvas.locator("svg").wait_for()
    box = canvas.bounding_box()
    page.page.mouse.move(box["x"] + box["width"] - 27, box["y"] + 120)
    tip = page.page.locator(".tip:visible")
    tip.wait_for()
    assert re.sub(r"\s+", " ", tip.inner_text()) == "slowest Baseline 173 ms Now 273 ms"


def test_everything_is_filtered_by_endpoint(opened) -> None:
    page = opened(failing())
    search = page.page.get_by_label("Endpoint", exact=True)
    search.fill("RECOMM")
    assert {row["Endpoint"] for row in page.rows()} == {"POST /recommend"}
    assert page.page.locator("#count").inner_text() == "3 of 27 figures"
    assert page.page.locator("figure[data-endpoint]:visible").count() == 1
    assert page.page.locator("tr[data-endpoint]:visible", has_text="HTTPError").count() == 1
    search.fill("no such")
    assert page.rows() == []
    assert page.page.get_by_text("No figure fits").is_visible()
    assert page.page.get_by_text("No endpoint fits").is_visible()
    search.fill("")
    assert len(page.rows()) == 9


def test_figures_are_sorted_by_the_keyboard(opened) -> None:
    page = opened(slower())
    heading = page.page.locator("#figures th", has_text="Change")
    button = heading.get_by_role("button")
    button.focus()
    for order, sign in (("ascending", 1), ("descending", -1)):
        page.page.keyboard.press("Enter")
        assert heading.get_attribute("aria-sort") == order
        assert page.page.locator("[aria-sort]").count() == 1
        changes = [number(row["Change"]) for row in page.rows()]
        known = [change for change in changes if change is not None]
        assert known == sorted(known, key=lambda change: sign * change)
        assert changes == known + [None] * 3
    page.page.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "ascending"


def test_groups_of_figures_are_chosen_by_the_keyboard(opened) -> None:
    page = opened(slower())
    page.page.locator("[name=show][value=judged]").focus()
    page.page.keyboard.press("ArrowRight")
    assert [(row["Endpoint"], row["Figure"]) for row in page.rows()] == [
        ("GET /predict", "p95"),
        ("GET /predict", "p50"),
    ]
    page.page.keyboard.press("ArrowRight")
    assert len(page.rows()) == 27


def test_the_keyboard_finds_the_figures_first(opened) -> None:
    page = opened(slower())
    page.page.keyboard.press("Tab")
    assert page.page.evaluate("document.activeElement.textContent") == "To the figures"
    page.page.keyboard.press("Enter")
    assert page.page.evaluate("document.activeElement.id") == "results"
    page.page.keyboard.press("Tab")
    assert page.page.evaluate("document.activeElement.id") == "filter"


def test_many_endpoints_unfold(opened) -> None:
    page = opened(many_endpoints())
    cards = page.page.locator("figure[data-endpoint]:visible")
    assert cards.count() == 6
    page.page.get_by_role("button", name="Show all 60 endpoints").click()
    assert cards.count() == 60
    assert page.page.evaluate("document.activeElement.textContent").strip().startswith("GET /v1/models/")


@pytest.mark.parametrize(("scheme", "other"), [("light", "dark"), ("dark", "light")])
def test_the_theme_is_the_systems_until_it_is_chosen(opened, scheme: str, other: str) -> None:
    page = opened(slower(), color_scheme=scheme)
    label = page.page.locator("[data-chart=distribution] svg text").first
    page.draw_all()

    def looks() -> tuple[str, str | None]:
        ground = page.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        return ground, page.page.locator("#theme").get_attribute("aria-pressed")

    looks_of = {"light": ("rgb(255, 255, 255)", "false"), "dark": ("rgb(15, 19, 24)", "true")}
    assert looks() == looks_of[scheme]
    ink = label.get_attribute("fill") or ""
    page.page.locator("#theme").click()
    assert looks() == looks_of[other]
    expect(label).not_to_have_attribute("fill", ink)
    page.page.reload()
    assert looks() == looks_of[other]
    assert page.seen.console == []


def test_paper_is_light_and_has_every_chart(opened) -> None:
    page = opened(slower(), color_scheme="dark")
    page.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.page.emulate_media(media="print")
    assert page.page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    assert page.page.locator(".canvas:visible:not(:has(svg))").count() == 0
    assert page.page.locator(".canvas svg").count() == 5
    light_ink = page.page.evaluate("getComputedStyle(document.querySelector('.note')).color")
    expect(page.page.locator(".canvas svg text").first).to_have_attribute("fill", light_ink)
    assert not page.page.locator(".bar").is_visible()
    page.page.set_viewport_size({"width": 720, "height": 1000})
    # Charts follow the page's width a moment later.
    until = time.monotonic() + 10
    while page.page.evaluate("document.documentElement.scrollWidth") > 720:
        assert time.monotonic() < until
        time.sleep(0.05)
    page.page.emulate_media(media="screen")
    page.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(15, 19, 24)"


def test_without_scripts_all_is_in_tables(opened) -> None:
    page = opened(many_endpoints(), java_script_enabled=False)
    assert page.page.locator("#figures tbody tr:visible").count() == 540
    assert page.page.locator("figure[data-endpoint] table:visible").count() == 60
    assert page.page.locator(".canvas:visible, .controls:visible, #theme:visible, #more:visible").count() == 0
    assert page.page.get_by_text("Charts need JavaScript").is_visible()


@pytest.mark.parametrize("name", ["slower", "failing", "hostile-names", "invalid", "many-endpoints"])
def test_nothing_is_wider_than_a_phone(opened, name: str) -> None:
    page = opened(ALL[name](), viewport={"width": 360, "height": 740})
    assert page.page.evaluate("document.documentElement.scrollWidth") <= 360


def test_names_stay_text_in_a_browser(opened) -> None:
    page = opened(with_course(hostile(HOSTILE), list(HOSTILE)))
    page.draw_all()
    page.page.get_by_label("Endpoint", exact=True).fill("<script>")
    assert len(page.rows()) == 3
    assert page.page.locator("img, iframe, object, base, form, link").count() == 0
    assert page.page.locator("script").count() == 4
    assert page.page.locator("[onerror], [onload], [onclick]").count() == 0
    assert (
        page.page.evaluate("Array.from(document.querySelectorAll('code')).some(code => code.children.length)") is False
    )
    assert page.seen.console == []
    assert page.seen.dialogs == []


def test_the_policy_stops_what_is_not_ours(opened) -> None:
    page = opened(slower())
    stopped = []
    page.page.on("requestfailed", lambda request: stopped.append((request.url, request.failure)))
    page.page.evaluate(
        """() => {
          const script = document.createElement("script"); script.textContent = "window.ran = true"; document.body.append(script);
          const image = document.createElement("img"); image.src = "http://127.0.0.1:9/x.png"; document.body.append(image);
        }"""
    )
    page.page.wait_for_timeout(300)
    assert page.page.evaluate("window.ran") is None
    assert stopped == [("http://127.0.0.1:9/x.png", "csp")]


@pytest.mark.slow
def test_ten_minutes_of_fifty_endpoints_fit(opened) -> None:
    page = opened(ten_minutes())
    assert page.file.stat().st_size < 6_000_000
    assert len(page.rows()) == 150
    assert len(page.drawn("[data-chart=load]")["Requests candidate"]) == 600


@pytest.fixture(scope="module")
def axe() -> str:
    if not _AXE.exists():
        _AXE.parent.mkdir(exist_ok=True)
        try:
            _AXE.write_bytes(packed("axe-core", AXE, "axe.min.js"))
        except PackageUnavailableError as error:
            pytest.skip(f"accessibility is not tested: {error}")
    return _AXE.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.npm
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("name", "width"),
    [("side-by-side", 1280), ("failing", 1280), ("failing", 390), ("inconclusive", 1280), ("invalid", 1280)],
)
def test_axe_finds_nothing(opened, axe: str, scheme: str, name: str, width: int) -> None:
    page = opened(ALL[name](), color_scheme=scheme, viewport={"width": width, "height": 900})
    page.draw_all()
    for fold in page.page.locator("details").all():
        fold.locator("> summary").click()
    page.page.evaluate(axe)
    found = page.page.evaluate("axe.run(document, {resultTypes: ['violations', 'incomplete']})")
    told = [(one["id"], node["target"], node["failureSummary"]) for one in found["violations"] for node in one["nodes"]]
    assert told == []
