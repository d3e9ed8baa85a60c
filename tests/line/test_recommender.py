"""The first example on real docker compose: green when unchanged, red when slowed, nothing left behind."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine import engine_or_skip, ours

ROOT = Path(__file__).parents[2]
PROGRAM = Path(sys.executable).with_name("ml-loadtest")
CONFIG = "examples/recommender/loadtest.yml"
FILES = {"result.json", "summary.md", "comment.md", "report.html", "junit.xml", "samples", "locust", "service"}

# Whether the machine had time for the generator is not what is asked here.
LIMITS = {
    "generator-cpu": "100%",
    "event-loop-lag": "60s",
    "longest-stall": "60s",
    "run-queue": "100%",
    "steal": "100%",
}
ANY_MACHINE = [word for name, limit in LIMITS.items() for word in (f"--{name}", limit)]

pytestmark = pytest.mark.docker


@pytest.fixture
def ml_loadtest(tmp_path):
    engine_or_skip()
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GITHUB_", "LT_", "RUNNER_", "ACTIONS_"))
    }

    def run(command, out, cwd=ROOT, more=(), **environment):
        arguments = ["--config", CONFIG, "--baseline", str(tmp_path / "baseline.json"), "--out", str(tmp_path / out)]
        quick = ["--warm-up", "3s", "--duration", "8s", *ANY_MACHINE]
        done = subprocess.run(
            [PROGRAM, command, *arguments, *quick, *(["--runs", "1"] if command == "calibrate" else []), *more],
            cwd=cwd, env={**kept, **environment}, capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    return run


def test_the_gate_is_quiet_on_no_change_and_names_what_a_delay_slowed(ml_loadtest, tmp_path):
    before = ours()
    code, output = ml_loadtest("calibrate", "calibration")
    assert code == 0, output

    code, output = ml_loadtest("run", "unchanged")
    unchanged = json.loads((tmp_path / "unchanged/result.json").read_text())
    assert code == 0, output
    assert unchanged["verdict"] in {"pass", "inconclusive", "improvement"}
    assert {path.name for path in (tmp_path / "unchanged").iterdir()} == FILES
    assert (tmp_path / "unchanged/service/api.log").exists()
    assert not [check for check in unchanged["measurement"]["checks"] if not check["ok"]]
    used = {usage["service"]: usage["samples"] for usage in unchanged["usage"]}
    assert len(used["api"]) >= 8
    assert all(0.05 < cores < 2 for second, cores, _ in used["api"] if 0 < second < 7)
    assert all(20 < mib < 1000 for _, _, mib in used["api"])

    code, output = ml_loadtest("run", "slowed", DELAY_MS="50")
    slowed = json.loads((tmp_path / "slowed/result.json").read_text())
    accused = {
        (change["endpoint"], change["metric"]) for change in slowed["changes"] if change["status"] == "regressed"
    }
    assert (code, slowed["verdict"]) == (1, "regression"), output
    assert ("GET /predict/user/{user_id}", "p50") in accused
    assert ours() == before


def repository_of(folder, **base):
    """A repository with the example, whose branch `base` has it as it is, but for what `base` replaces in its app."""
    for part in ("examples/recommender", "locustfiles"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "results"))
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(folder)]
    compose = folder / "examples/recommender/compose.yml"
    text = compose.read_text()

    def commit(name, **replaced):
        changed = text
        for old, new in replaced.values():
            assert old in changed
            changed = changed.replace(old, new)
        compose.write_text(changed)
        subprocess.run([*git, "add", "-A"], check=True)
        subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", name], check=True)

    subprocess.run([*git, "init", "-q"], check=True)
    commit("base", **base)
    subprocess.run([*git, "branch", "base"], check=True)
    commit("candidate")
    return folder, commit


def side_by_side(ml_loadtest, tmp_path, *more):
    quick = ("--compare-with", "base", "--base-ref", "base", "--max-looks", "2", "--duration", "15s")
    code, output = ml_loadtest("run", "results", cwd=tmp_path / "repository", more=(*quick, *more))
    return code, output, json.loads((tmp_path / "results/result.json").read_text())


def test_side_by_side_does_not_accuse_the_unchanged_recommender(ml_loadtest, tmp_path):
    before = ours()
    repository_of(tmp_path / "repository")

    code, output, found = side_by_side(ml_loadtest, tmp_path)

    assert code == 0, output
    assert found["verdict"] in {"pass", "inconclusive", "improvement"}, output
    assert "side by side" in found["compared"]["against"]
    assert {usage["target"] for usage in found["usage"]} == {"candidate", "base"}
    assert ours() == before


def test_side_by_side_accuses_the_slowed_recommender_by_name(ml_loadtest, tmp_path):
    before = ours()
    _, commit = repository_of(tmp_path / "repository")
    commit("slower", delay=("${DELAY_MS:-0}", "${DELAY_MS:-5}"))

    code, output, found = side_by_side(ml_loadtest, tmp_path)

    accused = {(change["endpoint"], change["metric"]) for change in found["changes"] if change["status"] == "regressed"}
    assert (code, found["verdict"]) == (1, "regression"), output
    assert ("GET /predict/user/{user_id}", "p50") in accused
    assert len(found["looks"]) == 2
    assert ours() == before


def test_a_recommender_whose_base_does_not_build_is_said(ml_loadtest, tmp_path):
    before = ours()
    repository_of(tmp_path / "repository", build=("build: .", "build: ./nowhere"))

    code, output, found = side_by_side(ml_loadtest, tmp_path, "--duration", "3s")

    assert (code, found["verdict"]) == (0, "inconclusive"), output
    assert found["reasons"][0]["code"] == "base-unavailable"
    assert "could not be measured" in found["reasons"][0]["text"]
    assert ours() == before
