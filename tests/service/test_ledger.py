"""Cleaning up after conductors that were killed, for real."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import psutil
import pytest

from entrypoint.service import Place, teardown_leftovers
from entrypoint.service.ledger import Claim, entries, save
from tests.service.conftest import marked

CONDUCTOR = """
import sys, time
from pathlib import Path
from entrypoint.service import Place, running
from entrypoint.settings import model
given = eval(sys.argv[1])
place = Place(**{key: Path(part) if key in {"root", "logs", "ledger", "temp"} else part for key, part in given.items()})
service = model.Service.model_validate({"command": sys.executable + " server.py {port}"})
with running(service, name="candidate", place=place, say=lambda line: None):
    print("ready", flush=True)
    time.sleep(60)
"""


def conductor(place: Place) -> subprocess.Popen[str]:
    """Another process with a service that is up."""
    given = {key: str(part) if isinstance(part, Path) else part for key, part in asdict(place).items()}
    started = subprocess.Popen([sys.executable, "-c", CONDUCTOR, repr(given)], stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None
    assert started.stdout.readline() == "ready\n"
    return started


def down(place: Place, say, **given) -> int:
    return teardown_leftovers(place.ledger, place.suite, say, environment=place.environment, **given)


def test_what_a_killed_conductor_left_is_taken_down_once(place, say):
    with conductor(place) as killed:
        killed.kill()
    assert len(marked(place)) == 1
    assert len(list(place.temp.iterdir())) == 1
    assert down(place, say, only_dead=True) == 1
    assert marked(place) == []
    assert list(place.temp.iterdir()) == []
    assert down(place, say) == 0
    assert say.lines == [f"Taking down {place.project('candidate')}, which an earlier run left."]


def test_a_live_run_is_left_alone_at_a_start_and_taken_down_by_command(place, say):
    with conductor(place) as alive:
        assert down(place, say, only_dead=True) == 0
        assert len(marked(place)) == 1
        assert down(place, say) == 1
        assert marked(place) == []
        alive.kill()


def test_another_suite_is_left_alone(place, say):
    with conductor(place) as killed:
        killed.kill()
    assert down(replace(place, suite="another"), say) == 0
    assert len(marked(place)) == 1
    assert down(place, say) == 1


def test_a_recycled_process_id_is_never_killed(place, say):
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as bystander:
        claim = Claim(place, "candidate")
        claim.open()
        claim.lead(bystander.pid)
        save(place.ledger, replace(claim.entry, leader_began=psutil.Process(bystander.pid).create_time() - 60))
        assert down(place, say) == 1
        assert bystander.poll() is None
        bystander.kill()


def test_a_recycled_owner_is_dead(place):
    claim = Claim(place, "candidate")
    assert not claim.entry.is_orphan
    assert replace(claim.entry, owner_began=claim.entry.owner_began - 60).is_orphan
    assert replace(claim.entry, owner=2**22 + 1).is_orphan


def test_whether_an_owner_in_another_container_lives_cannot_be_told(place, say):
    claim = Claim(place, "candidate")
    elsewhere = replace(claim.entry, owner=2**22 + 1, namespace="pid:[1]")
    assert not elsewhere.is_orphan
    save(place.ledger, elsewhere)
    assert down(place, say, only_dead=True) == 0


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder to somebody else")
def test_a_ledger_that_somebody_else_has_made_is_not_believed(place, say):
    claim = Claim(place, "candidate")
    claim.open()
    assert place.ledger.stat().st_mode & 0o777 == 0o700
    os.chown(place.ledger, 65534, 65534)
    assert down(place, say) == 0
    os.chown(place.ledger, 0, 0)
    assert down(place, say) == 1


def test_without_docker_it_says_so_and_keeps_the_entry(place, say):
    claim = Claim(place, "candidate")
    claim.open()
    claim.begin_project()
    place = replace(place, environment={"PATH": str(place.root)})
    assert down(place, say) == 0
    assert "may still be there: `docker` could not be run" in say.lines[-1]
    assert [entry.project for entry in entries(place.ledger, place.suite)] == [claim.project]


def test_an_empty_or_foreign_ledger(place, say):
    assert down(place, say) == 0
    place.ledger.mkdir()
    (place.ledger / "mlt-broken.json").write_text("{")
    (place.ledger / "mlt-list.json").write_text("[]")
    (place.ledger / "mlt-other.json").write_text(json.dumps({"suite": place.suite, "later": 1}))
    assert down(place, say) == 0


def test_the_private_folder_is_private_and_no_other_folder_is_removed(place, say, tmp_path):
    claim = Claim(place, "candidate")
    claim.open()
    assert claim.folder.stat().st_mode & 0o777 == 0o700
    precious = tmp_path / "precious"
    precious.mkdir()
    save(place.ledger, replace(claim.entry, folder=str(precious)))
    assert down(place, say) == 1
    assert precious.exists()


@pytest.mark.parametrize(
    ("suite", "project"),
    [
        ("recommender", "mlt-recommender-7-candidate"),
        ("Größe / matrix (3.12, x86)", "mlt-gr-e-matrix-3-12-x86-7-candidate"),
        ("…", "mlt-x-7-candidate"),
        ("a" * 100, f"mlt-{'a' * 40}-7-candidate"),
    ],
)
def test_project_names(place, suite, project):
    assert replace(place, suite=suite, run_id="7").project("candidate") == project


def test_a_terminated_conductor_without_a_handler_leaves_what_teardown_finds(place, say):
    with conductor(place) as terminated:
        os.kill(terminated.pid, signal.SIGTERM)
        terminated.wait()
    time.sleep(0.1)
    assert down(place, say, only_dead=True) == 1
    assert marked(place) == []
