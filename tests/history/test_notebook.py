"""docs/notebook.md is run, block by block, on the results and the history of real runs."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from entrypoint.history.file import append, read
from tests.line.test_run import ml_loadtest, project  # noqa: F401 (a fixture)

PAGE = (Path(__file__).parents[2] / "docs/notebook.md").read_text()
PARTS = re.findall(r"```(python|text)\n(.*?)```", PAGE, re.DOTALL)
CODE = [text for kind, text in PARTS if kind == "python"]
OUTPUT = [text for kind, text in PARTS if kind == "text"]


def shape(table):
    """The words of a table's heading, without names of endpoints, and how many columns its last row has."""
    lines = [line for line in table.splitlines() if line.strip()]
    heading = re.sub(r"(GET|POST) /\S*", "", " ".join(lines[:2] if lines[1].strip().isalpha() else lines[:1])).split()
    return heading, len(re.sub(r"(GET|POST) ", "", lines[-1]).split())


@pytest.fixture
def finished(project, monkeypatch):  # noqa: F811
    """A folder as the page supposes it: results, and a history in both formats."""
    for _ in range(2):
        code, output = ml_loadtest(project, "run", "--history", "history.db")
        assert code == 0, output
    for run in read(project / "history.db"):
        append(project / "history.jsonl", run)
    monkeypatch.chdir(project)


def test_every_block_of_the_page_runs_and_gives_tables_like_those_shown(finished):
    assert [kind for kind, _ in PARTS] == ["python", "text"] * len(CODE)
    names = {}
    for code, shown in zip(CODE, OUTPUT, strict=True):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, names)
        got, wanted = shape(printed.getvalue()), shape(shown)
        assert got[0] == wanted[0], code
        if "columns=" not in code:  # there the endpoints are the columns
            assert got[1] == wanted[1], code

    assert set(names["samples"]["endpoint"]) == {"GET /predict"}
    assert len(names["figures"]["run"].unique()) == len(names["runs"]) == 2
    assert (names["changes"]["candidate"].astype(float).dropna() >= 0).all()
