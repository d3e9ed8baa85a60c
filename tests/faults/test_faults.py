"""Every case of the table: its verdict, its exit code, what the user sees, what is kept, and that nothing is left behind."""

import json

import pytest

from entrypoint.measurement.samples import read_samples
from tests.engine import engine_or_skip
from tests.faults.case import Case, Kept, missing
from tests.faults.scene import Ended, Scene
from tests.faults.table import GROUPS
from tests.github_server import description_or_skip

REPORTS = {"result.json", "summary.md", "comment.md", "report.html", "junit.xml"}


def _parameter(title: str, case: Case) -> object:
    marks = [getattr(pytest.mark, name) for name in (*case.needs, *(["slow"] if case.slow else []))]
    return pytest.param(case, id=f"{title}: {case.what}", marks=marks)


@pytest.fixture
def scene(tmp_path, request):
    """A scene, whose end is the case's end."""
    made = Scene(tmp_path)
    yield made
    made.close()
    if request.session.testsfailed:
        made.sweep()


@pytest.mark.parametrize("case", [_parameter(group.title, case) for group in GROUPS for case in group.cases])
def test_a_case_ends_as_the_table_says(case, scene):
    if "docker" in case.needs:
        engine_or_skip()
    if "npm" in case.needs:
        description_or_skip()
    ended = case.play(scene)

    assert (ended.code, ended.result.get("verdict", "")) == (case.code, case.verdict), ended.output
    assert missing(case.sees, ended.output) == "", ended.output
    assert "This is a bug" not in ended.output, ended.output
    found = kept(ended)
    # A service whose connections are cut may or may not have said something of it.
    assert found == case.kept or (found, case.kept) == (Kept.LOG, Kept.REPORTS), ended.output
    scene.close()
    assert scene.left(engine="docker" in case.needs) == []


def kept(ended: Ended) -> Kept:
    """What is in the results folder; reports are there all or none."""
    there = {path.name for path in ended.results.glob("*") if path.name in REPORTS}
    if not there:
        return Kept.NOTHING
    assert there == REPORTS
    assert json.loads((ended.results / "result.json").read_text())["exit_code"] == ended.code
    if list(ended.results.glob("samples/samples-*.bin")) and len(read_samples(ended.results / "samples")):
        return Kept.SAMPLES
    logs = [path for path in ended.results.glob("service/*.log") if path.stat().st_size]
    return Kept.LOG if logs else Kept.REPORTS
