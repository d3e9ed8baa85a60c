"""The first example on real docker compose: green when unchanged, red when slowed, nothing left behind."""

import json
import os
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

    def run(command, out, **environment):
        arguments = ["--config", CONFIG, "--baseline", str(tmp_path / "baseline.json"), "--out", str(tmp_path / out)]
        quick = ["--warm-up", "3s", "--duration", "8s", *ANY_MACHINE]
        done = subprocess.run(
            [PROGRAM, command, *arguments, *quick, *(["--runs", "1"] if command == "calibrate" else [])],
            cwd=ROOT, env={**kept, **environment}, capture_output=True, text=True, timeout=240, check=False,
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
