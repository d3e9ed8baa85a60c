"""Two machines, as far as the network can tell: the run in one namespace, its worker in another, a cable between them."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from entrypoint.measurement.samples import read_samples

PROGRAM = Path(sys.executable).with_name("ml-loadtest")
REQUIRED = bool(os.environ.get("ML_LOADTEST_REQUIRE_NAMESPACES"))
HERE, THERE = "10.213.77.1", "10.213.77.2"

SERVER = """
import sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        time.sleep(float(self.path.rpartition("/")[2] or 0))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *_):
        pass

ThreadingHTTPServer((sys.argv[1], 8000), Handler).serve_forever()
"""
USERS = """
from locust import FastHttpUser, constant, task

class Caller(FastHttpUser):
    wait_time = constant(0)

    @task
    def ask(self):
        self.client.get("/sleep/%s")
"""
CONFIG = f"""
service: {{url: "http://{HERE}:8000/"}}
load:
  locustfile: users.py
  users: 8
  workers: 0
  remote-workers: 1
  master: {HERE}:5557
  warm-up: 1s
  duration: %s
compare: {{with: none}}
# What is tested is the network, on machines with neighbours.
validity: {{generator-cpu: 100%%, event-loop-lag: 10s, longest-stall: 60s, run-queue: 100%%, steal: 100%%}}
"""


def ip(*arguments):
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, check=True)


class Machines:
    """Two namespaces, each with everything it started."""

    def __init__(self, folder):
        self.here, self.there = (f"mlt{os.getpid()}{side}" for side in "ab")
        self.cable = f"mlt{os.getpid()}"[:13]
        self.folder = folder
        self._started = []

    def up(self):
        for name in (self.here, self.there):
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        ip(
            "link", "add", f"{self.cable}a", "netns", self.here, "type", "veth", "peer", "name", f"{self.cable}b",
            "netns", self.there,
        )  # fmt: skip
        for name, side, address in ((self.here, "a", HERE), (self.there, "b", THERE)):
            ip("-n", name, "address", "add", f"{address}/24", "dev", self.cable + side)
            ip("-n", name, "link", "set", self.cable + side, "up")

    def pull_the_cable(self):
        ip("-n", self.there, "link", "set", f"{self.cable}b", "down")

    def start(self, name, log, *command):
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("GITHUB_", "LT_"))}
        with (self.folder / log).open("wb") as file:
            process = subprocess.Popen(
                ["ip", "netns", "exec", name, *command], cwd=self.folder, stdout=file, stderr=file,
                env={**environment, "TMPDIR": str(self.folder)},
            )  # fmt: skip
        self._started.append(process)
        return process

    def run(self):
        return self.start(self.here, "run.log", PROGRAM, "run")

    def worker(self):
        return self.start(self.there, "worker.log", PROGRAM, "worker", "--master", HERE, "--locustfile", "users.py")

    def said(self, log):
        return (self.folder / log).read_text()

    def down(self):
        for process in self._started:
            process.kill()
            process.wait()
        deadline = time.monotonic() + 5
        while (left := self.in_namespace(self.here) + self.in_namespace(self.there)) and time.monotonic() < deadline:
            time.sleep(0.1)
        self.delete()
        assert not left

    def delete(self):
        """Both namespaces, and with them the cable."""
        for name in (self.here, self.there):
            if Path("/run/netns", name).exists():
                ip("netns", "del", name)

    def in_namespace(self, name):
        return subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=False).stdout.split()


@pytest.fixture
def machines(tmp_path):
    (tmp_path / "server.py").write_text(SERVER)
    machines = Machines(tmp_path)
    try:
        machines.up()
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", "") or str(error)
        machines.delete()
        if REQUIRED:
            raise
        pytest.skip(f"this machine makes no network namespaces for us: {reason.strip()}")
    machines.start(machines.here, "server.log", sys.executable, "server.py", HERE)
    yield machines
    machines.down()


def write(folder, *, sleep, duration):
    (folder / "users.py").write_text(USERS % sleep)
    (folder / "loadtest.yml").write_text(CONFIG % duration)


def test_slow_requests_in_flight_at_the_end_are_samples_across_machines_too(machines):
    write(machines.folder, sleep="1.5", duration="3s")
    worker, run = machines.worker(), machines.run()

    assert run.wait(90) == 0, machines.said("run.log") + machines.said("worker.log")
    assert worker.wait(20) == 0, machines.said("worker.log")

    exchange = machines.folder / "results/samples"
    closing = json.loads((exchange / "closing.json").read_text())
    samples = read_samples(exchange)
    window_end = closing["spans"][-1]["end_s"]
    assert closing["started"] == closing["recorded"] == closing["locust_count"] == len(samples)
    assert set(samples["outcome"]) == {"ok"}
    # The order to stop travels: meanwhile a user may ask once more.
    in_flight = samples[samples["start_s"] < window_end]
    assert ((in_flight["start_s"] + in_flight["response_ms"] / 1000) > window_end).sum() == 8
    assert "joined as worker 0, of 1 in all" in machines.said("worker.log")
    assert "the channel has no authentication" in machines.said("run.log").replace("\n", " ")


def test_a_cable_that_is_pulled_ends_the_run_at_once_by_name_and_the_worker_by_itself(machines):
    write(machines.folder, sleep="0.02", duration="60s")
    worker, run = machines.worker(), machines.run()
    deadline = time.monotonic() + 60
    while "measuring" not in machines.said("run.log"):
        assert time.monotonic() < deadline, machines.said("run.log")
        time.sleep(0.1)
    machines.pull_the_cable()
    pulled = time.monotonic()

    assert run.wait(40) == 3, machines.said("run.log")
    assert time.monotonic() - pulled < 20
    result = json.loads((machines.folder / "results/result.json").read_text())
    assert result["verdict"] == "invalid"
    assert "Worker 0 on" in result["reasons"][0]["text"]
    assert "lost its connection" in result["reasons"][0]["text"]
    assert len(read_samples(machines.folder / "results/samples")) > 10
    assert worker.wait(40) == 3
    assert "The master has said nothing for 15 s" in machines.said("worker.log")
    assert machines.in_namespace(machines.there) == []
