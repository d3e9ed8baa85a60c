"""Figures of the service's own page by the command line: a real exporter, loaded by real Locust, whose counts are known."""

import json

import pytest

from entrypoint.measurement.samples import read_samples
from tests.engine import engine_or_skip

from .test_run import USERS, lay_out, ml_loadtest, nothing_left, result

SERVER = """
import itertools, json, os, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

TIMES = float(os.environ.get("TIMES", "1"))
seconds = Histogram("inference_seconds", "Time of an inference.", ["path"])
hits = Counter("cache_hits", "Answers from the cache.")
failed = Counter("model_errors", "Never raised.", ["kind"])
Gauge("queue_length", "Waiting requests.", ["model"]).labels("resnet50").set(3)
number, asked = itertools.count(1), {"/predict": 0, "/metrics": 0}

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536
    def do_GET(self):
        asked[self.path] = asked.get(self.path, 0) + 1
        body, kind = b"ok", "text/plain"
        if self.path == "/metrics":
            body, kind = generate_latest(), CONTENT_TYPE_LATEST
            with open("asked.json", "w") as file:
                json.dump(asked, file)
        elif self.path == "/predict":
            n = next(number)
            time.sleep(0.004)
            # The time that it says is no time of the clock: 10 and 15 ms in turn, so that the mean is known.
            seconds.labels("/predict").observe(TIMES * (0.010 if n % 2 else 0.015))
            seconds.labels("/other").observe(9)
            if n % 4 == 0:
                hits.inc()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass

ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
CONFIG = """
suite: prometheus
service:
  command: "%s server.py {port}"
  ready: {timeout: 20s}
  prometheus:
    series:
      - name: inference-time
        series: 'inference_seconds_sum{path="/predict"}'
        per: 'inference_seconds_count{path="/predict"}'
        unit: s
      - {name: cache-hits, series: cache_hits_total, per: success, better: higher}
      - {name: inferences, series: 'inference_seconds_count{path="/predict"}', per: window}
      - {name: queue, series: 'queue_length{model="resnet50"}'}
      - {name: lost, series: no_such_series_total, per: second}
load: {locustfile: users.py, users: 4, duration: 12s, warm-up: 4s}
thresholds:
  - endpoint: (service)
    inference-time: {max-increase: 20%%}
validity: {generator-cpu: 100%%, event-loop-lag: 10s, longest-stall: 60s, run-queue: 100%%, steal: 100%%}
"""


@pytest.fixture
def project(tmp_path):
    return lay_out(tmp_path, SERVER, USERS, CONFIG)


def successes(project):
    """How many there were in the window."""
    samples = read_samples(project / "results" / "samples")
    return int(((samples["segment"] >= 0) & (samples["outcome"] == "ok")).sum())


def row(found, metric):
    (row,) = [change for change in found["changes"] if change["metric"] == metric]
    return row


def test_figures_are_what_the_service_counted_and_reads_are_no_requests(project):
    code, output = ml_loadtest(
        project, "run", "--compare-with", "none", "--load-environment", "MODEL", MODEL="resnet50"
    )

    found = result(project)
    figures, answered = found["measurement"]["service"], successes(project)
    assert code == 0, output
    # A request that lay across an end of the window, or was between two reads, is all that they may be off by.
    assert figures["inference-time"] == pytest.approx(12.5, rel=0.01)
    assert figures["cache-hits"] == pytest.approx(0.25, rel=0.02)
    assert figures["inferences"] == pytest.approx(answered, rel=0.02)
    assert answered > 400
    # A variable that is kept secret may be what a label is called: figures are told all the same, and the file hides it.
    assert figures["queue"] == 3.0
    assert "resnet50" not in (project / "results/service/prometheus.jsonl").read_text()
    assert (row(found, "inference-time")["unit"], row(found, "inference-time")["endpoint"]) == ("ms", "(service)")

    # What has no figure says why, in the run and in the report; nobody is accused of it.
    said = "no page has a series `no_such_series_total`"
    assert f"lost has no figure: {said}" in output
    assert "lost" not in figures
    assert (row(found, "lost")["status"], row(found, "lost")["note"]) == ("reported", said)
    assert "no_such_series_total" in (project / "results" / "comment.md").read_text()

    asked = json.loads((project / "asked.json").read_text())
    assert asked["/metrics"] == len((project / "results/service/prometheus.jsonl").read_text().splitlines())
    assert set(found["measurement"]["endpoints"]) == {"GET /predict"}
    assert found["measurement"]["recorded"] == asked["/predict"]
    assert nothing_left(project)


def test_a_slower_inference_is_a_regression_of_its_own_and_a_limit_names_it(project):
    """The service answers as fast as ever, and says itself that an inference takes ten times as long."""
    code, output = ml_loadtest(project, "calibrate", "--runs", "1")
    assert code == 0, output
    baseline = json.loads((project / ".loadtest/baseline.json").read_text())
    first = baseline["groups"][0]["runs"][0]
    assert first["service"]["inference-time"] == pytest.approx(12.5, rel=0.01)
    assert first["made_of"]["inference-time"].endswith("in s, lower is better, of the service /metrics")

    code, output = ml_loadtest(project, "run", TIMES="10")

    found = result(project)
    assert (code, found["verdict"]) == (1, "regression"), output
    slower = row(found, "inference-time")
    assert (slower["status"], slower["threshold"]) == ("regressed", 0.2)
    assert slower["resolution"] > 0
    assert slower["change"] == pytest.approx(9, rel=0.03)
    assert "inference-time of the service rose from 12.5 ms to 125 ms" in output
    assert 'name="(service) inference-time"' in (project / "results/junit.xml").read_text()
    assert "inference-time" in (project / "results/report.html").read_text()

    # The finished run is judged again by what its result says of its figures.
    code, output = ml_loadtest(project, "compare", ".loadtest/baseline.json", "results")
    assert code == 1, output
    assert "inference-time of the service rose" in output

    with (project / "loadtest.yml").open("a") as file:
        file.write("compare: {with: none}\n")
    text = (project / "loadtest.yml").read_text().replace("{max-increase: 20%}", "{max: 20ms}\n    lost: {max: 3}")
    (project / "loadtest.yml").write_text(text)
    code, output = ml_loadtest(project, "run")
    assert (code, result(project)["verdict"]) == (0, "inconclusive"), output
    assert "lost of the service: no page has a series" in output


def test_the_plan_names_the_figures_before_anything_is_started(project):
    code, output = ml_loadtest(project, "check")
    assert code == 0, output
    assert "prometheus  inference-time, cache-hits, inferences, queue, lost from /metrics" in output


REPLICAS = """
services:
  front:
    image: "nginx:1.26"
    depends_on: [ml]
    volumes: ["./nginx.conf:/etc/nginx/conf.d/default.conf:ro"]
    stop_signal: SIGKILL
  ml:
    image: python:3.13-slim
    command: [python, /server.py]
    volumes: ["./server.py:/server.py:ro"]
    stop_signal: SIGKILL
    deploy: {replicas: 2}
"""
NGINX = "server { listen 80; location / { proxy_pass http://ml:8000; proxy_connect_timeout 200ms; } }"
COUNTING = """
import itertools, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

number, began = itertools.count(), time.time()

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"ok"
        if self.path == "/metrics":
            body = f"answered_total {Handler.answered}\\nprocess_start_time_seconds {began}\\n".encode()
        elif self.path == "/predict":
            Handler.answered = next(number) + 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass

Handler.answered = 0
ThreadingHTTPServer(("0.0.0.0", 8000), Handler).serve_forever()
"""
BEHIND = """
suite: replicas
service:
  compose-file: compose.yml
  service: front
  port: 80
  ready: {timeout: 60s}
  prometheus: {PAGE, series: [{name: answered, series: answered_total, per: success}]}
load: {locustfile: users.py, users: 4, duration: 10s, warm-up: 4s}
compare: {with: none}
validity: {generator-cpu: 100%, event-loop-lag: 10s, longest-stall: 60s, run-queue: 100%, steal: 100%}
"""


@pytest.mark.slow
@pytest.mark.docker
def test_replicas_behind_a_proxy_are_counted_together_and_through_it_not_at_all(tmp_path):
    """Each request is counted by one of the two, so all of them are one for each success, and one replica's about a half."""
    engine_or_skip()
    for name, text in (("compose.yml", REPLICAS), ("nginx.conf", NGINX), ("server.py", COUNTING), ("users.py", USERS)):
        (tmp_path / name).write_text(text)

    (tmp_path / "loadtest.yml").write_text(BEHIND.replace("PAGE", "service: ml, port: 8000"))
    code, output = ml_loadtest(tmp_path, "run")
    assert code == 0, output
    assert result(tmp_path)["measurement"]["service"]["answered"] == pytest.approx(1.0, rel=0.02)

    (tmp_path / "loadtest.yml").write_text(BEHIND.replace("PAGE", "path: /metrics"))
    code, output = ml_loadtest(tmp_path, "run")
    assert code == 2
    assert "`ml` runs 2 replicas, and each answer through `front` may be another one's" in output

    # Whoever names the proxy itself is believed. It takes the replicas so strictly in turn that their counters are the same.
    (tmp_path / "loadtest.yml").write_text(BEHIND.replace("PAGE", "service: front"))
    code, output = ml_loadtest(tmp_path, "run")
    assert code == 0, output
    assert "answered" not in result(tmp_path)["measurement"]["service"]
    assert (
        "answered has no figure: the page of `front` is not one process's, or it began anew: it says that it" in output
    )
    assert nothing_left(tmp_path)
