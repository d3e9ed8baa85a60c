"""Every example by its own loadtest.yml: on real docker compose, and as plain processes; its flaw caught by name."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine import engine_or_skip, ours

from .test_recommender import ANY_MACHINE

ROOT = Path(__file__).parents[2]
PROGRAM = Path(sys.executable).with_name("ml-loadtest")
SERVICES = ROOT / ".venv-examples/bin"

# What its flawed variant ends as, and the reason that has to be given.
FLAWS = {
    "heart-disease": ("limit-exceeded", "share of distinct payloads of POST /predict is"),
    "criteo": ("limit-exceeded", "share of failed requests of POST /api/v1/service/lightgbm-criteo/score (text for"),
    "image-classifier": ("regression", "p50 of POST /predict/tf/ rose"),
    "fish": ("regression", "p50 of GET /fish k=5 rose"),
}
ENOUGH = {"fish": ("--count", "600")}


def ml_loadtest(command, example, folder, out, *more, path=(), **environment):
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GITHUB_", "LT_", "RUNNER_", "ACTIONS_")) and name not in ("VARIANT", "API_KEY")
    }
    environment = {**kept, **environment, "PATH": os.pathsep.join([*map(str, path), kept["PATH"]])}
    files = ["--out", str(folder / out), "--baseline", str(folder / "baseline.json")]
    quick = ["--warm-up", "3s", *ENOUGH.get(example, ("--duration", "6s")), *ANY_MACHINE]
    history = ["--history", str(folder / "history.jsonl")]
    done = subprocess.run(
        [PROGRAM, command, "--config", f"examples/{example}/loadtest.yml", *files, *quick, *history, *more],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    output = done.stdout + done.stderr
    result = folder / out / "result.json"
    return done.returncode, output, json.loads(result.read_text()) if result.exists() else {}


@pytest.mark.docker
@pytest.mark.timeout(900)
@pytest.mark.parametrize("example", FLAWS)
def test_on_compose_the_mended_one_passes_and_the_flaw_is_caught_by_name(example, tmp_path):
    engine_or_skip()
    before = ours()
    code, output, _ = ml_loadtest("calibrate", example, tmp_path, "calibration", "--runs", "1")
    assert code == 0, output

    code, output, mended = ml_loadtest("run", example, tmp_path, "mended")
    assert code == 0, output
    assert mended["verdict"] in {"pass", "inconclusive", "improvement"}
    assert not [check for check in mended["measurement"]["checks"] if not check["ok"]]
    assert sum(found["failures"] for found in mended["measurement"]["endpoints"].values()) == 0

    verdict, reason = FLAWS[example]
    code, output, flawed = ml_loadtest("run", example, tmp_path, "flawed", VARIANT="flawed")
    assert (code, flawed["verdict"]) == (1, verdict), output
    assert [one for one in flawed["reasons"] if one["text"].startswith(reason)], flawed["reasons"]
    assert ours() == before


@pytest.mark.parametrize("example", ["recommender", *FLAWS])
def test_as_plain_processes(example, tmp_path):
    if not SERVICES.exists():
        pytest.skip("no .venv-examples; `make install` makes it")
    served = ("--command", "python serve.py --port {port}", "--compare-with", "none", "--ready-timeout", "3m")
    served += () if example in ENOUGH else ("--duration", "3s")

    code, output, found = ml_loadtest("run", example, tmp_path, "results", *served, path=[SERVICES])

    assert (code, found["verdict"]) == (0, "pass"), output
    assert found["measurement"]["service"]["time-to-ready"] > 0


def test_the_recommender_s_flaw_is_said_before_any_load(tmp_path):
    code, output, found = ml_loadtest("run", "recommender", tmp_path, "results", VARIANT="flawed")

    assert code == 2
    assert "`spawn-rate` of 2 a second needs 25 s to start 50 users" in " ".join(output.split())
    assert not found


@pytest.mark.docker
@pytest.mark.timeout(300)
def test_a_replica_that_is_killed_in_mid_run_is_seen_though_no_request_fails(tmp_path):
    engine_or_skip()
    before = ours()
    files = ["--out", str(tmp_path / "results"), "--config", "examples/fish/loadtest.yml", "--compare-with", "none"]
    command = [PROGRAM, "run", *files, "--warm-up", "3s", "--count", "1500", *ANY_MACHINE]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        output = ""
        for line in run.stdout:
            output += line
            if "measuring" in line and "killed" not in output:
                names = [name for name in ours() - before if name.endswith("-ml-2")]
                subprocess.run(["docker", "kill", *names], check=True, capture_output=True)
                output += "killed\n"
    found = json.loads((tmp_path / "results/result.json").read_text())

    assert (run.returncode, found["verdict"]) == (1, "limit-exceeded"), output
    assert any("`ml`" in fault["text"] and "137" in fault["text"] for fault in found["faults"]), found["faults"]
    endpoints = found["measurement"]["endpoints"].values()
    assert sum(endpoint["failures"] for endpoint in endpoints) <= 0.01 * sum(one["requests"] for one in endpoints)
    # Both answered at first, one of them alone in the end.
    shares = found["measurement"]["attached"]["replica"]["shares"]
    assert len(shares) == 2
    assert max(shares.values()) > 1.2 * min(shares.values())
    assert ours() == before
