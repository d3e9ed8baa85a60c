"""The reports as prose: each golden is meant to be read, and a change of one to be reviewed in the diff."""

import difflib
from pathlib import Path

import pytest

from entrypoint.report.render import render_comment, render_summary
from tests.report.results import CASES, regression

GOLDENS = Path(__file__).parent / "goldens"
ARTIFACT = "https://github.com/example/recommender/actions/runs/9182736455/artifacts/42"


def check(name: str, text: str, update: bool) -> None:
    path = GOLDENS / f"{name}.md"
    if update:
        path.write_text(text, encoding="utf-8")
        return
    expected = path.read_text(encoding="utf-8") if path.exists() else ""
    diff = difflib.unified_diff(expected.splitlines(), text.splitlines(), f"goldens/{name}.md", "rendered", lineterm="")
    assert text == expected, "\n".join([*diff, "", "If the new text reads well: pytest tests/report --update-goldens"])


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    return request.config.getoption("--update-goldens")


@pytest.mark.parametrize("name", CASES)
def test_comment_reads_as_agreed(name: str, update: bool) -> None:
    check(name, render_comment(CASES[name](), artifact_url=ARTIFACT), update)


def test_summary_reads_as_agreed(update: bool) -> None:
    check("summary-of-regression", render_summary(regression(), artifact_url=ARTIFACT), update)


def test_every_golden_belongs_to_a_case() -> None:
    assert {path.stem for path in GOLDENS.glob("*.md")} == {*CASES, "summary-of-regression"}
