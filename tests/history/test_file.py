"""The history file: every run once, whoever else writes, and whatever was left of a line."""

import fcntl
import math
import sqlite3
import subprocess
import sys
import textwrap

import pytest

from entrypoint.errors import SettingsError
from entrypoint.history import json_lines
from entrypoint.history.entries import entry_of
from entrypoint.history.file import append, read
from entrypoint.judgement.model import Outcome
from tests.history.building import entry
from tests.report.results import failing_service, not_ready, passed

FORMATS = ("history.jsonl", "history.sqlite", "history.db")

WRITER = """
import sys
from pathlib import Path
from entrypoint.history.file import append
from tests.history.building import entry

path, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
for number in range(first, first + count):
    append(path, entry(number, {f"GET /{'long' * 500}": {"p95": 1.0}}))
"""


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_appended_is_read_in_the_order_of_its_days(tmp_path, name):
    path = tmp_path / ".loadtest" / name
    for number in (2, 0, 1):
        assert append(path, entry(number))

    assert read(path) == (entry(0), entry(1), entry(2))


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_run_is_added_once(tmp_path, name):
    path = tmp_path / name
    append(path, entry(1))
    before = path.read_bytes()

    assert not append(path, entry(1))
    assert path.read_bytes() == before
    assert append(path, entry(11))
    assert len(read(path)) == 2


@pytest.mark.parametrize("name", FORMATS)
def test_a_result_survives_the_file(tmp_path, name):
    kept = entry_of(failing_service(), 12)
    append(tmp_path / name, kept)

    (found,) = read(tmp_path / name)
    assert found == kept
    assert (found.pull_request, found.verdict, found.conditions.versions["locust"]) == (
        12,
        Outcome.LIMIT_EXCEEDED,
        "2.44.1",
    )
    assert found.endpoints["POST /recommend"].failures == 121
    assert found.endpoints["POST /recommend"].values["p95"] == math.inf


def test_a_run_that_measured_nothing_has_its_line_too(tmp_path):
    append(tmp_path / "a.jsonl", entry_of(not_ready()))

    assert read(tmp_path / "a.jsonl")[0].endpoints == {}


def test_two_runs_of_one_job_are_two_and_a_run_rendered_again_is_one():
    first, second = (passed().model_copy(update={"id": one}) for one in ("aa", "bb"))
    assert entry_of(first).id != entry_of(second).id
    assert entry_of(first).id == entry_of(first.model_copy(update={"timing": {"report": 3.0}})).id
    assert entry_of(passed()).id == entry_of(passed()).id


@pytest.mark.parametrize("name", FORMATS)
def test_writers_at_the_same_time_lose_nothing(tmp_path, name):
    path = tmp_path / name
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITER), str(path), str(40 * part), "50"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for part in range(3)
    ]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:  # none begins before all are there
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate(timeout=120)
        assert writer.returncode == 0

    numbers = sorted(int(found.id.split("-")[1]) for found in read(path))
    assert numbers == list(range(130)), "10 runs of each writer are its neighbour's too, and none is there twice"


def test_a_run_does_not_wait_for_ever_for_one_that_was_stopped_while_it_wrote(tmp_path, monkeypatch):
    path = tmp_path / "history.jsonl"
    append(path, entry(0))
    monkeypatch.setattr(json_lines, "_WAIT_S", 0.2)
    with path.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(SettingsError, match=r"cannot be written: another run has been writing it for 0\.2 s"):
            append(path, entry(1))

    assert append(path, entry(1))


@pytest.mark.parametrize("share", [0.01, 0.3, 0.7, 0.99])
def test_a_line_that_was_cut_short_is_no_run_and_harms_no_other(tmp_path, share):
    path = tmp_path / "history.jsonl"
    append(path, entry(0))
    whole = path.stat().st_size
    append(path, entry(1))
    with path.open("r+b") as file:
        file.truncate(whole + max(1, int(share * (path.stat().st_size - whole - 1))))

    assert read(path) == (entry(0),)
    assert append(path, entry(1)), "it was never whole, so it is added"
    assert read(path) == (entry(0), entry(1))
    assert path.read_bytes().count(b"\n") == 2


def test_a_last_line_without_its_line_break_is_kept(tmp_path):
    path = tmp_path / "history.jsonl"
    append(path, entry(0))
    path.write_bytes(path.read_bytes().rstrip(b"\n"))

    assert read(path) == (entry(0),)
    assert not append(path, entry(0))
    append(path, entry(1))
    assert read(path) == (entry(0), entry(1))


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path):
    """A limit on the size of files stands for the disk: the kernel cuts the same write short in the same way."""
    path = tmp_path / "history.jsonl"
    append(path, entry(0))
    before = path.read_bytes()
    code = f"""
import resource, signal
from pathlib import Path
from entrypoint.errors import SettingsError
from entrypoint.history.file import append
from tests.history.building import entry
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({len(before) + 50}, resource.RLIM_INFINITY))
try:
    append(Path({str(path)!r}), entry(1))
except SettingsError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "cannot be written: File too large" in done.stdout
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("<<<<<<< HEAD", "line 2 is not a run"),
        ('{"id": 3}', "line 2 is not a run"),
        (entry(5).model_dump_json().replace('"schema_version":1', '"schema_version":2'), "line 2, a run of a schema"),
    ],
    ids=["a merge's mark", "no run", "a later schema"],
)
def test_a_damaged_line_is_named_and_keeps_no_run_from_being_added(tmp_path, line, said):
    path = tmp_path / "history.jsonl"
    append(path, entry(0))
    with path.open("a") as file:
        file.write(f"{line}\n")

    assert append(path, entry(1))
    assert not append(path, entry(0))
    with pytest.raises(SettingsError, match=said):
        read(path)


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_that_is_not_there_or_is_something_else(tmp_path, name):
    with pytest.raises(SettingsError, match="There is no history at"):
        read(tmp_path / name)
    (tmp_path / name).write_bytes(b"\xff\xfe not a history\n")
    with pytest.raises(SettingsError, match=r"cannot be read|is damaged"):
        read(tmp_path / name)


def test_a_file_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    for name in FORMATS:
        with pytest.raises(SettingsError, match="cannot be written"):
            append(tmp_path / "file" / name, entry(0))


def test_figures_can_be_asked_for_in_sql(tmp_path):
    path = tmp_path / "history.sqlite"
    append(path, entry(3, {'GET /a "quoted" | name': {"p95": 60.5, "p50": 40.0}}))

    rows = sqlite3.connect(path).execute("SELECT endpoint, metric, value, verdict, suite FROM figures ORDER BY metric")
    assert rows.fetchall() == [
        ('GET /a "quoted" | name', "p50", 40.0, "pass", "recommender"),
        ('GET /a "quoted" | name', "p95", 60.5, "pass", "recommender"),
    ]
