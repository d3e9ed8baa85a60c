"""A soak by the command line, of services whose course is known: one grows slower and larger, one falls silent."""

import subprocess
import sys

import pytest

from entrypoint.generation import of_soak
from entrypoint.measurement.samples import read_samples
from entrypoint.report.result import read_result
from entrypoint.run import limits_of_search
from entrypoint.settings.model import Config

from .test_run import USERS, environment, lay_out, ml_loadtest, nothing_left, result

SERVER = """
import os, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

kept, forever = [], threading.Event()
GROWS, HANGS_AFTER_S = os.environ.get("GROWS"), float(os.environ.get("HANGS_AFTER_S", "1e9"))
began = time.monotonic()

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536
    def do_GET(self):
        if GROWS:
            kept.append(bytearray(os.urandom(4096)))
        if time.monotonic() - began > HANGS_AFTER_S:
            forever.wait()
        time.sleep(0.005 + 0.000005 * len(kept))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *_):
        pass

class Server(ThreadingHTTPServer):
    daemon_threads = True

Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
CONFIG = """
suite: soak
mode: soak
service: {command: "%s server.py {port}", ready: {timeout: 20s}}
load: {locustfile: users.py, users: 4, warm-up: 1s, duration: 60s}
compare: {with: none}
thresholds:
  - endpoint: "*"
    p95: {max: 22ms}
  - endpoint: (service)
    response-growth: {max: 100%%}
validity: {generator-cpu: 100%%, event-loop-lag: 10s, longest-stall: 60s, run-queue: 100%%, steal: 100%%}
"""
# The command itself, but for the shortest soak: what these services do takes no five minutes to see.
SHORTER = "from entrypoint import cli; from entrypoint.settings import plausible; plausible.SHORTEST_SOAK_S = 60.0; cli.main()"


@pytest.fixture
def project(tmp_path):
    return lay_out(tmp_path, SERVER, USERS, CONFIG)


def soak(project, **more):
    done = subprocess.run(
        [sys.executable, "-P", "-c", SHORTER, "run"],
        cwd=project, env=environment(project, **more), capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr, result(project)


def comment(project):
    return (project / "results" / "comment.md").read_text().replace("\u00a0", " ")


@pytest.mark.slow
def test_a_service_that_grows_slower_and_larger_is_told_so_and_when_it_broke_its_limit(project):
    """Some 130 requests a second, each of which makes every later one 5 µs slower and leaves 4 KiB behind."""
    code, output, found = soak(project, GROWS="yes")

    course = found["measurement"]["soak"]
    growth = {one["of"]: one for one in course["growth"]}
    # A stretch of a second and a half has too few requests for p95.
    assert {of: one["word"] for of, one in growth.items() if of != "p95"} == {"p50": "grew", "memory": "grew"}, output
    assert len(growth["p50"]["points"]) == 40
    # By what it was told to do, from the requests it was really asked; the machine has its share of both.
    an_hour = 3600 * course["rate"]
    assert growth["p50"]["per_hour"] == pytest.approx(0.005 * an_hour, rel=0.25)
    assert growth["memory"]["per_hour"] == pytest.approx(an_hour / 256, rel=0.25)
    assert found["measurement"]["service"]["memory-growth"] == pytest.approx(1000 / 256, rel=0.25)

    broken = course["broken"][0]
    assert (broken["endpoint"], broken["metric"], broken["limit"]) == ("GET /predict", "p95", 22.0)
    assert 10 < broken["after_s"] < 55
    assert course["silence"] is None
    assert (code, found["verdict"]) == (1, "limit-exceeded")
    assert "growth of response time (p50) in an hour of the service is" in output
    assert "p95 of `GET /predict` was first over its limit of 22.0 ms after" in comment(project)
    assert "The service never stopped answering." in comment(project)
    assert 'id="growth"' in (project / "results" / "report.html").read_text()
    assert nothing_left(project)


@pytest.mark.slow
def test_a_service_that_stops_answering_is_told_so_and_when(project):
    code, output, found = soak(project, HANGS_AFTER_S="35")

    samples = read_samples(project / "results" / "samples")
    window = samples[(samples["segment"] >= 0) & (samples["outcome"] == "ok")]
    began = found["measurement"]["soak"]["silence"]
    begin = samples[samples["segment"] >= 0]["due_s"].min()
    last = (window["start_s"] + window["response_ms"] / 1000).max() - begin
    assert began["seconds"] is None
    assert began["after_s"] == pytest.approx(last, abs=0.1)
    assert 25 < began["after_s"] < 36
    assert (code, found["verdict"]) == (1, "limit-exceeded"), output
    assert "service-silent" in {reason["code"] for reason in found["reasons"]}
    assert f"No request succeeded any more after {began['after_s']:.0f} s, until the end." in output
    assert {one["word"] for one in found["measurement"]["soak"]["growth"]} <= {"steady"}
    assert "constant-load" in {check["name"] for check in found["measurement"]["checks"]}
    assert nothing_left(project)

    # A run that cannot be believed accuses nobody of it either.
    read = read_result(project / "results").measurement
    assert [fault.kind for fault in of_soak(read)] == ["silent"]
    broken = tuple(check.model_copy(update={"ok": False}) for check in read.checks)
    assert of_soak(read.model_copy(update={"checks": broken})) == ()


def test_a_soak_is_compared_with_what_a_gate_of_the_same_load_measured():
    """It has the gate's own plan: no part of the fingerprint is of the mode."""
    load = {"service": {"command": "serve"}, "load": {"locustfile": "users.py", "duration": "10m"}}
    limit = {"endpoint": "*", "p95": {"max": "22ms"}}
    modes = {mode: Config.model_validate({**load, "mode": mode, "thresholds": [limit]}) for mode in ("gate", "soak")}
    assert [limits_of_search(config) for config in modes.values()] == [[], []]


def test_a_soak_that_is_too_short_is_refused_before_anything_is_started(project):
    code, output = ml_loadtest(project, "run")
    assert code == 2
    assert "in 1m caches and heaps are still filling, which would be taken for growth" in output
    assert not (project / "results").exists()
