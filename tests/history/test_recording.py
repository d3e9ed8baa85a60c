"""The hook: `report.history` names a file, and every run of the command line has its line there."""

import json

import pytest

from entrypoint.commands.recording import record
from entrypoint.errors import SettingsError
from entrypoint.history.file import read
from entrypoint.settings.reading import history_path, read_settings
from tests.line.test_run import ml_loadtest, project  # noqa: F401 (a fixture)
from tests.report.results import passed

GIVEN = {"command": "x", "locustfile": "users.py"}


def test_a_run_and_each_calibration_run_add_their_line(project):  # noqa: F811
    config = (project / "loadtest.yml").read_text()
    (project / "loadtest.yml").write_text(f"{config}report: {{history: .loadtest/history.jsonl}}\n")

    code, output = ml_loadtest(project, "calibrate", "--runs", "2")
    assert code == 0, output
    code, output = ml_loadtest(project, "run")
    assert code == 0, output

    found = read(project / ".loadtest/history.jsonl")
    result = json.loads((project / "results/result.json").read_text())
    assert [run.suite for run in found] == ["line"] * 3
    assert found[-1].id.endswith(result["id"])
    assert found[-1].verdict == result["verdict"]
    assert (
        found[-1].endpoints["GET /predict"].values["p50"]
        == result["measurement"]["endpoints"]["GET /predict"]["metrics"]["p50"]
    )
    assert len({run.conditions.plan for run in found}) == 1


def test_a_run_that_breaks_is_in_the_history_too(project):  # noqa: F811
    code, output = ml_loadtest(
        project, "run", "--command", "false {port}", "--ready-timeout", "2s", "--history", "history.db"
    )

    assert code == 3, output
    (run,) = read(project / "history.db")
    assert (run.verdict, run.endpoints) == ("invalid", {})


def test_a_history_that_cannot_be_written_warns_and_is_no_verdict(tmp_path):
    (tmp_path / "taken").write_text("")
    settings = read_settings(GIVEN | {"history": "taken/history.jsonl"}, {}, tmp_path)
    said = []
    record(passed(), settings, said.append)

    assert len(said) == 1
    assert "This run is not in the history" in said[0]
    assert "Not a directory" in said[0] or "File exists" in said[0]


def test_without_a_file_nothing_is_kept(tmp_path):
    record(passed(), read_settings(GIVEN, {}, tmp_path), pytest.fail)

    assert list(tmp_path.iterdir()) == []


def test_the_pull_request_is_that_of_the_event(tmp_path):
    (tmp_path / "event.json").write_text('{"pull_request": {"number": 12, "head": {"sha": "c0ffee"}}}')
    environ = {"GITHUB_EVENT_PATH": str(tmp_path / "event.json")}
    record(passed(), read_settings(GIVEN | {"history": "h.jsonl"}, environ, tmp_path), pytest.fail)

    assert read(tmp_path / "h.jsonl")[0].pull_request == 12


@pytest.mark.parametrize("name", ["history.csv", "history", "history.json"])
def test_a_history_of_another_format_is_refused(tmp_path, name):
    with pytest.raises(SettingsError, match=r"expected a file that ends in \.jsonl, .* or \.db, got history"):
        read_settings(GIVEN | {"history": name}, {}, tmp_path)


def test_where_the_history_is(tmp_path):
    assert history_path(None, None, {}, tmp_path) == tmp_path / ".loadtest/history.jsonl"
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/a.yml").write_text("report: {history: runs.db}\n")
    assert history_path(None, "sub/a.yml", {}, tmp_path) == tmp_path / "sub/runs.db"
    assert history_path("given.jsonl", "sub/a.yml", {}, tmp_path) == tmp_path / "given.jsonl"
