"""The search for the capacity by the command line, of a service whose capacity is known: it answers one request at a time."""

import pytest

from .test_run import lay_out, ml_loadtest, nothing_left, result

SERVER = """
import os, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

one_at_a_time = threading.Lock()

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536
    def do_GET(self):
        with one_at_a_time:
            time.sleep(float(os.environ.get("SECONDS", "0.03")))
        self.send_response(200)
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
    wait_time = constant(0)

    @task
    def ask(self):
        self.client.get("/predict")
"""
CONFIG = """
suite: capacity
mode: capacity
service: {command: "%s server.py {port}", ready: {timeout: 20s}}
load: {locustfile: users.py, users: 2, warm-up: 1s, duration: 2s}
thresholds: {endpoint: "*", p50: {max: 200ms}}
validity: {generator-cpu: 100%%, event-loop-lag: 10s, longest-stall: 60s, run-queue: 100%%, steal: 100%%, lateness: 60s}
"""


@pytest.fixture
def project(tmp_path):
    return lay_out(tmp_path, SERVER, USERS, CONFIG)


@pytest.mark.slow
def test_a_service_that_takes_fewer_users_fails_against_the_baseline(project):
    """Users who wait 30 ms for each before them: six wait 180 ms, seven 210. Three times as slow, two wait 180 ms."""
    code, output = ml_loadtest(project, "calibrate", "--runs", "1", "--timeout", "10m")
    assert code == 0, output
    first = result(project, "results/calibrate-1")["measurement"]["capacity"]
    assert (first["metric"], first["settled"]) == ("capacity-users", True)
    assert first["passed"] in (5, 6)

    code, output = ml_loadtest(project, "run", SECONDS="0.09")
    found = result(project)
    capacity = found["measurement"]["capacity"]
    assert capacity["passed"] in (1, 2)
    change = next(row for row in found["changes"] if row["metric"] == "capacity-users")
    assert (code, found["verdict"], change["status"]) == (1, "regression", "regressed"), output
    assert change["baseline"] == first["passed"]
    assert "capacity of the service fell from" in output
    comment = (project / "results" / "comment.md").read_text()
    assert "**Capacity:**" in comment
    assert "did not hold: p50 of GET /predict is" in comment.replace("\u00a0", " ")
    assert nothing_left(project)


def test_a_service_with_too_few_answers_to_tell_is_accused_of_nothing(project):
    """Six or seven answers in a level; eight that are all over the limit would prove that their median is."""
    code, output = ml_loadtest(project, "run", "--compare-with", "none", SECONDS="0.3")
    assert code == 0, output
    found = result(project)
    assert found["verdict"] == "inconclusive"
    assert len(found["measurement"]["stages"]) == 2
    assert "none was found: no level had enough requests to tell" in (project / "results" / "comment.md").read_text()


def test_a_service_that_holds_nothing_exceeds_its_limits_and_says_so(project):
    code, output = ml_loadtest(project, "run", "--compare-with", "none", "--duration", "6s", SECONDS="0.25")
    assert code == 1, output
    assert "No level of load held every limit. At 1 user: p50 of GET /predict is" in output
    assert result(project)["verdict"] == "limit-exceeded"


def test_when_time_runs_out_the_capacity_is_at_least_what_held(project):
    settings = (project / "loadtest.yml").read_text() + "policy: {timeout: 75s}\n"
    (project / "loadtest.yml").write_text(settings)
    code, output = ml_loadtest(project, "run", "--compare-with", "none")
    assert code == 0, output
    assert "there is no time for another level" in output
    capacity = result(project)["measurement"]["capacity"]
    assert not capacity["settled"]
    assert capacity["passed"] in (2, 3, 4, 5, 6)
