"""A checkout may bring links that lead anywhere: nothing is written through one, and no device is read."""

import os
import subprocess
from pathlib import Path

import pytest

from entrypoint.baseline.file import read_baseline, write_baseline
from entrypoint.baseline.model import Baseline
from entrypoint.commands.badge import write_badge
from entrypoint.errors import LoadTestError, SettingsError
from entrypoint.history.entries import entry_of
from entrypoint.history.file import append
from entrypoint.report.result import read_result, write_result
from entrypoint.report.saving import save
from entrypoint.run import clear
from entrypoint.settings.reading import read_settings
from tests.line.test_run import PROGRAM, environment
from tests.report.results import regression

OTHERS = "what lies elsewhere\n"
CONFIG = 'service: {command: "serve --port {port}"}\nload: {locustfile: users.py}\n'


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A working directory, and beside it a file and a folder of somebody's that no command may touch."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/kept").write_text(OTHERS)
    (tmp_path / "work").mkdir()
    (tmp_path / "work/loadtest.yml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path / "work")
    yield tmp_path / "work"
    assert {path.name: path.read_text() for path in (tmp_path / "mine").iterdir()} == {"kept": OTHERS}


def linked(path: Path, to: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(to)
    return path


def ml_loadtest(checkout, *arguments):
    done = subprocess.run(
        [PROGRAM, *arguments], cwd=checkout, env=environment(checkout), capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(("link", "out"), [("results", "results"), ("deep", "deep/results"), ("results", "results/x")])
def test_results_are_not_written_where_a_link_leads(checkout, link, out):
    linked(checkout / link, "../mine")

    with pytest.raises(SettingsError, match="is a link to"):
        read_settings({}, {}, checkout, out=out)
    with pytest.raises(LoadTestError, match="is a link to"):
        save(regression(), checkout / out)
    with pytest.raises(SettingsError, match="is a link to"):
        clear(checkout / out)


def test_a_run_leaves_the_result_alone_that_a_linked_folder_leads_to(checkout, tmp_path):
    (tmp_path / "other").mkdir()
    write_result(tmp_path / "other", regression())
    linked(checkout / "results", "../other")

    code, output = ml_loadtest(checkout, "run")

    assert (code, "is a link to" in output, "Traceback" in output) == (2, True, False), output
    assert (tmp_path / "other/result.json").exists()


def test_reports_are_not_made_again_in_a_linked_folder(checkout, tmp_path):
    write_result(tmp_path / "other", regression())
    linked(checkout / "results", "../other")

    code, output = ml_loadtest(checkout, "report")

    assert (code, "is a link to" in output, "Traceback" in output) == (3, True, False), output
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["result.json"]


@pytest.mark.parametrize("name", ["result.json", "report.html", "comment.md", "summary.md", "junit.xml"])
@pytest.mark.parametrize("to", ["../../mine/kept", "../../mine/new"])
def test_a_link_in_the_place_of_a_report_is_replaced(checkout, name, to):
    linked(checkout / "results" / name, to)

    save(regression(), checkout / "results")

    assert not (checkout / "results" / name).is_symlink()
    assert read_result(checkout / "results").verdict == regression().verdict


@pytest.mark.parametrize("name", ["samples", "locust", "service", "result.json"])
@pytest.mark.parametrize("to", ["../../mine", "../../mine/kept", "../../mine/new"])
def test_clearing_a_results_folder_removes_its_links_alone(checkout, name, to):
    write_result(checkout / "results", regression())
    if name == "result.json":
        (checkout / "results/samples").mkdir()
        (checkout / "results/samples/plan.json").write_text("{}")
        (checkout / "results/result.json").unlink()
    linked(checkout / "results" / name, to)

    clear(checkout / "results")

    assert [path.name for path in (checkout / "results").iterdir()] == ["service"]


def test_a_result_behind_a_link_is_not_read(checkout, tmp_path):
    write_result(tmp_path / "other", regression())
    linked(checkout / "results/result.json", "../../other/result.json")

    with pytest.raises(SettingsError, match="is no regular file"):
        read_result(checkout / "results")


@pytest.mark.parametrize("link", [".loadtest/baseline.json", ".loadtest/baseline.json.part"])
@pytest.mark.parametrize("to", ["../../mine/kept", "../../mine/new"])
def test_a_link_in_the_place_of_the_baseline_is_replaced(checkout, link, to):
    linked(checkout / link, to)

    write_baseline(checkout / ".loadtest/baseline.json", Baseline())

    assert not (checkout / ".loadtest/baseline.json").is_symlink()
    assert read_baseline(checkout / ".loadtest/baseline.json") == Baseline()


def test_a_baseline_is_not_written_into_a_linked_folder(checkout):
    linked(checkout / ".loadtest", "../mine")

    with pytest.raises(SettingsError, match="is a link to"):
        write_baseline(checkout / ".loadtest/baseline.json", Baseline())


@pytest.mark.parametrize("name", ["history.jsonl", "history.sqlite"])
@pytest.mark.parametrize(("link", "to"), [(".loadtest", "../mine"), ("", "../../mine/kept"), ("", "../../mine/new")])
def test_a_history_is_not_written_through_a_link(checkout, name, link, to):
    linked(checkout / (link or f".loadtest/{name}"), to)

    with pytest.raises(SettingsError, match="is a link to"):
        append(checkout / ".loadtest" / name, entry_of(regression(), None))


def test_a_badge_and_a_trend_page_replace_links(checkout):
    append(checkout / "history.jsonl", entry_of(regression(), None))
    for name in ("badge.json", "history.html"):
        linked(checkout / name, "../mine/kept")

    write_badge(checkout / "badge.json", "{}")
    code, output = ml_loadtest(checkout, "history", "--from", "history.jsonl")

    assert code == 0, output
    assert not any((checkout / name).is_symlink() for name in ("badge.json", "history.html"))


def test_init_writes_through_no_link(checkout):
    (checkout / "loadtest.yml").unlink()
    linked(checkout / "loadtest", "../mine")
    assert ml_loadtest(checkout, "init")[0] == 2

    (checkout / "loadtest").unlink()
    (checkout / "loadtest.yml").unlink(missing_ok=True)
    linked(checkout / "loadtest.yml", "../mine/new")
    assert ml_loadtest(checkout, "init")[0] == 2


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/full", "/dev/tty"])
def test_what_is_no_file_is_refused_and_not_read(checkout, device):
    (checkout / "loadtest.yml").unlink()
    linked(checkout / "loadtest.yml", device)
    linked(checkout / ".loadtest/baseline.json", device)

    for read in (lambda: read_settings({}, {}, checkout), lambda: read_baseline(checkout / ".loadtest/baseline.json")):
        with pytest.raises(SettingsError, match="cannot be read"):
            read()


def test_a_pipe_is_refused_without_waiting_for_somebody_to_write(checkout):
    os.mkfifo(checkout / "baseline.json")

    with pytest.raises(SettingsError, match="no regular file"):
        read_baseline(checkout / "baseline.json")
