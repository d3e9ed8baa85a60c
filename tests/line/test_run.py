"""The whole line by the command line: a real service as a process, real Locust, every file of the results."""

import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from entrypoint.measurement.samples import read_samples

ROOT = Path(__file__).parents[2]
PROGRAM = Path(sys.executable).with_name("ml-loadtest")
FILES = {"result.json", "summary.md", "comment.md", "report.html", "junit.xml", "samples", "locust", "service"}

SERVER = """
import os, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    asked = 0
    def do_GET(self):
        Handler.asked += 1
        if os.environ.get("DIE_AFTER") and Handler.asked > int(os.environ["DIE_AFTER"]):
            os._exit(3)
        time.sleep(0.004 + float(os.environ.get("DELAY_MS", "0")) / 1000)
        status = 500 if os.environ.get("BROKEN") and Handler.asked > 3 else 200
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *_):
        pass

ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
USERS = """
from locust import FastHttpUser, constant, task

class Caller(FastHttpUser):
    wait_time = constant(0.02)

    @task
    def ask(self):
        self.client.get("/predict")
"""
CONFIG = """
suite: line
service: {command: "%s server.py {port}", ready: {timeout: 20s}}
load: {locustfile: users.py, users: 4, duration: 3s, warm-up: 1s}
validity: {generator-cpu: 100%%, event-loop-lag: 10s, longest-stall: 60s, run-queue: 100%%, steal: 100%%}
"""


def lay_out(folder, server, users, config):
    """A project whose service is `server.py` of this interpreter."""
    (folder / "server.py").write_text(server)
    (folder / "users.py").write_text(users)
    (folder / "loadtest.yml").write_text(config % sys.executable)
    return folder


@pytest.fixture
def project(tmp_path):
    """A folder with a service, a locustfile and settings."""
    return lay_out(tmp_path, SERVER, USERS, CONFIG)


def environment(project, **more):
    """Ours without anything of a runner's, and with leftovers noted apart from everybody else's."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GITHUB_", "LT_", "RUNNER_", "ACTIONS_"))
    }
    (project / "tmp").mkdir(exist_ok=True)
    return {**kept, "TMPDIR": str(project / "tmp"), **more}


def ml_loadtest(project, *arguments, **more):
    done = subprocess.run(
        [PROGRAM, *arguments],
        cwd=project,
        env=environment(project, **more),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def result(project, name="results"):
    return json.loads((project / name / "result.json").read_text())


def nothing_left(project):
    """No process of ours is alive, and the ledger is empty."""
    alive = [
        p
        for p in psutil.process_iter(["cmdline", "cwd"])
        if str(project) in str(p.info["cwd"]) or "server.py" in str(p.info["cmdline"])
    ]
    ours = [p for p in alive if p.pid != os.getpid() and p.status() != "zombie" and str(project) in str(p.info["cwd"])]
    ledger = list((project / "tmp").rglob("*.json"))
    return not ours and not ledger


def test_a_run_leaves_every_file_exit_code_zero_and_nothing_else(project):
    code, output = ml_loadtest(project, "run")

    assert code == 0, output
    assert {path.name for path in (project / "results").iterdir()} == FILES
    assert result(project)["verdict"] == "no-baseline"
    assert "requests/s" in output
    assert nothing_left(project)
    assert not (project / ".loadtest").exists()


def test_percentiles_in_the_result_are_those_of_the_samples_by_nearest_rank(project):
    ml_loadtest(project, "run")

    samples = read_samples(project / "results" / "samples")
    window = samples[samples["segment"] >= 0]
    times = np.sort(np.where(window["outcome"] == "ok", window["response_ms"], np.inf))
    found = result(project)["measurement"]["endpoints"]["GET /predict"]
    assert found["requests"] == len(times)
    for key, p in {"p50": 0.50, "p90": 0.90, "p95": 0.95}.items():
        assert found["metrics"][key] == times[math.ceil(p * len(times)) - 1]


def test_calibrate_then_unchanged_then_slowed_then_accepted(project):
    code, output = ml_loadtest(project, "calibrate", "--runs", "1")
    assert code == 0, output
    assert "All runs of one job are one occasion" in output
    assert len(json.loads((project / ".loadtest/baseline.json").read_text())["groups"][0]["runs"]) == 1
    # One process makes several runs: none of them may be charged with the time of those before it.
    assert result(project, "results/calibrate-1")["timing"]["startup"] == 0.0

    code, output = ml_loadtest(project, "run")
    assert code == 0, output
    assert result(project)["verdict"] in {"inconclusive", "pass"}
    assert "warning     ready: `/` may answer before" in output.replace("\n", " ")
    rows = {(change["endpoint"], change["metric"]): change for change in result(project)["changes"]}
    ready = rows["(service)", "time-to-ready"]
    assert ready["baseline"] > 0 < ready["candidate"]
    assert (ready["status"], ready["gated"]) == ("reported", False)
    assert 0 < rows["(service)", "cpu-per-request"]["candidate"] < 100
    assert 5 < rows["(service)", "peak-memory"]["candidate"] < 500
    assert result(project)["timing"]["startup"] > 0.0

    code, output = ml_loadtest(project, "run", "--out", "slow", DELAY_MS="100")
    slow = result(project, "slow")
    accused = [change for change in slow["changes"] if change["status"] == "regressed"]
    assert (code, slow["verdict"]) == (1, "regression"), output
    assert ("GET /predict", "p50") in {(change["endpoint"], change["metric"]) for change in accused}
    assert "GET /predict" in slow["reasons"][0]["text"]

    assert ml_loadtest(project, "compare", "results", "slow")[0] == 1
    assert ml_loadtest(project, "compare", ".loadtest/baseline.json", "results")[0] == 0
    code, output = ml_loadtest(project, "accept", "--from", "slow")
    assert (code, "--even-if-slower" in output) == (1, True)
    assert ml_loadtest(project, "accept", "--from", "slow", "--even-if-slower")[0] == 0
    code, output = ml_loadtest(project, "accept", "--from", "slow", "--even-if-slower")
    assert (code, "in the baseline already" in output) == (2, True)
    runs = json.loads((project / ".loadtest/baseline.json").read_text())["groups"][0]["runs"]
    assert [run["slower"] for run in runs] == [False, True]
    assert nothing_left(project)


def test_failures_fail_the_build_before_any_latency(project):
    code, output = ml_loadtest(project, "run", BROKEN="1")

    assert (code, result(project)["verdict"]) == (1, "limit-exceeded"), output
    assert "share of failed requests of GET /predict is 100.00 %" in result(project)["reasons"][0]["text"]
    assert result(project)["measurement"]["endpoints"]["GET /predict"]["metrics"]["p50"] == "Infinity"
    assert ml_loadtest(project, "accept")[0] == 1


def test_check_prints_the_plan_and_loads_nothing(project):
    code, output = ml_loadtest(project, "check")

    assert code == 0, output
    assert "closed load, 4 users at 4/s, 3 s measured" in output
    assert "takes" in output
    assert "shared by the service and the load generator" in output.replace("\n", " ")
    assert not (project / "results").exists()


def test_what_init_writes_is_a_plan_that_check_accepts(project):
    (project / "loadtest.yml").unlink()
    (project / "compose.yml").write_text("services:\n  model:\n    image: x\n    ports: ['9000:8080']\n")

    assert ml_loadtest(project, "init")[0] == 0
    code, output = ml_loadtest(project, "check")
    assert code == 0, output
    assert "compose, compose.yml, model on port 8080" in output
    assert "warning     compose: service `model` uses `x`" in output.replace("\n", " ")
    code, output = ml_loadtest(project, "init")
    assert (code, "exists already" in output) == (2, True)


def test_help_answers_at_once():
    times = []
    for _ in range(5):
        began = time.monotonic()
        subprocess.run([PROGRAM, "--help"], capture_output=True, check=True)
        times.append(time.monotonic() - began)

    assert min(times) < 0.5


def test_results_never_replace_what_no_run_of_ours_wrote(project):
    (project / "service").mkdir()
    (project / "service" / "model.py").write_text("precious")

    code, output = ml_loadtest(project, "run", "--out", ".")

    assert (code, "no run of ours wrote" in output) == (2, True), output
    assert (project / "service" / "model.py").read_text() == "precious"
    (project / "file").write_text("x")
    assert ml_loadtest(project, "run", "--out", "file")[0] == 2


def test_a_result_is_gone_once_the_next_run_could_not_begin(project):
    ml_loadtest(project, "run", "--duration", "1s")
    assert (project / "results/result.json").exists()

    assert ml_loadtest(project, "run", "--users", "many")[0] == 2
    assert not (project / "results/result.json").exists()


def test_compare_judges_by_the_rules_of_the_run(project):
    with (project / "loadtest.yml").open("a") as config:
        config.write("thresholds: [{p50: {max: 1ms}}]\n")

    assert ml_loadtest(project, "run", "--compare-with", "none")[0] == 1
    assert result(project)["thresholds"] == [{"endpoint": "*", "p50": {"max": "1ms"}}]
    code, output = ml_loadtest(project, "compare", "results", "results")
    assert (code, "Limit exceeded" in output) == (1, True), output


def test_a_service_too_slow_to_answer_often_is_not_passed(project):
    """A closed load's requests become few as the service becomes slow; few must not mean unjudged."""
    for _ in range(2):
        assert ml_loadtest(project, "calibrate", "--runs", "1")[0] == 0

    code, output = ml_loadtest(project, "run", DELAY_MS="1500")

    assert (code, result(project)["verdict"]) == (1, "regression"), output


def test_teardown_leaves_a_run_alone_that_is_still_alive(project):
    process = subprocess.Popen(
        [PROGRAM, "run"], cwd=project, env=environment(project), stdout=subprocess.PIPE, text=True
    )
    for line in process.stdout:
        if "loading" in line:
            break
    assert "nothing was left" in ml_loadtest(project, "teardown")[1]
    process.communicate(timeout=60)

    assert process.returncode == 0


def test_stages_that_the_generator_cannot_drive_end_the_ladder_and_the_rest_is_kept(project):
    """The limit is set so low that two hundred users are over it on any machine, and two on none."""
    users = (project / "users.py").read_text()
    (project / "users.py").write_text(users.replace("constant(0.02)", "constant(0.1)"))
    config = (project / "loadtest.yml").read_text()
    (project / "loadtest.yml").write_text(config.replace("generator-cpu: 100%", "generator-cpu: 15%"))

    code, output = ml_loadtest(project, "run", "--stages", "1x3s, 2x3s, 200x3s, 200x3s")

    found = result(project)
    assert "the generator cannot drive more, the stages end here" in output
    assert (code, found["verdict"]) == (0, "no-baseline"), output
    assert list(found["measurement"]["endpoints"]) == ["GET /predict @ 1 user", "GET /predict @ 2 users"]
    stages = found["measurement"]["stages"]
    assert [stage["ok"] for stage in stages] == [True, True, False]
    assert "% of a core" in stages[2]["text"]


def test_a_threshold_may_name_an_endpoint_with_its_stage_or_without(project):
    with (project / "loadtest.yml").open("a") as config:
        config.write("thresholds: [{endpoint: GET /predict, p50: {max: 1ms}}]\n")

    assert ml_loadtest(project, "run", "--stages", "2x2s, 4x2s", "--compare-with", "none")[0] == 1
    over = [reason for reason in result(project)["reasons"] if "GET /predict @" in reason["text"]]
    assert len(over) == 2, result(project)["reasons"]
