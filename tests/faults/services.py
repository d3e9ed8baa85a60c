"""The service: it never comes up, is late, dies, is killed, is paused, fails."""

import re
import socket
import subprocess
import time
from contextlib import suppress
from http.client import HTTPException
from urllib.request import urlopen

import pytest

from tests.faults.case import Group, Kept, Play
from tests.faults.scene import PROCESS, USERS, Begun, Ended, Scene

READY = Group("Readiness", {"code": 3, "verdict": "invalid", "kept": Kept.LOG, "slow": True})
LOAD_ON = Group("The service under load", {"code": 1, "verdict": "limit-exceeded", "kept": Kept.SAMPLES, "slow": True})

COMMAND = PROCESS.split('"')[1]
SERVER = """
import itertools, os, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

turn, stalled = itertools.count(1), []

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536  # one packet for each answer
    def do_GET(self):
        asked = next(turn)
        if self.path == "/hang":
            time.sleep(30)
        if self.path == "/close":
            self.close_connection = True
            return
        if self.path == "/eat":
            eaten = [bytes(range(256)) * 2**14 for _ in range(4096)]
        if self.path == "/stall":
            stalled.append(True)
        if stalled:
            time.sleep(60)
        if self.path == "/die":
            os._exit(3)
        if os.environ.get("DRIPS"):
            while True:
                self.wfile.write(b"H")
                self.wfile.flush()
                time.sleep(0.2)
        if asked == 1:
            time.sleep(float(os.environ.get("FIRST_S", "0")))
        broken = self.path == "/log-in" or (self.path == "/every/20" and asked % 20 == 0)
        self.send_response(500 if broken else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")
    def log_message(self, *_):
        pass

print("starting", flush=True)
time.sleep(float(os.environ.get("START_S", "0")))
ThreadingHTTPServer((os.environ.get("HOST", "127.0.0.1"), int(sys.argv[1])), Handler).serve_forever()
"""


def _process(more: str = "ready: {timeout: 2s}", *arguments: str, **variables: str) -> Play:
    def play(scene: Scene) -> Ended:
        scene.write("server.py", SERVER)
        scene.plan(f'{{command: "{COMMAND}", {more}}}')
        return scene.run(*arguments, **variables)

    return play


# Readiness --------------------------------------------------------------------------------------------------------------


@READY.case(
    "It never listens",
    sees="The candidate was not ready within 2 s. … there was no answer: … Connection refused … See also `ready.path`",
)
def _never_listens(scene: Scene) -> Ended:
    ended = _process(START_S="60")(scene)
    assert scene.call("accept").code == 3
    return ended


READY.add(
    "It listens and never answers", _process(FIRST_S="60"),
    sees="The candidate was not ready within 2 s. … it did not answer in time.",
)  # fmt: skip
READY.add(
    "It answers a byte at a time, without end", _process(DRIPS="1"),
    sees="The candidate was not ready within 2 s. … it did not answer in time.",
)  # fmt: skip
READY.add(
    "It answers wrongly", _process("ready: {path: /log-in, timeout: 2s}"),
    sees="The candidate was not ready within 2 s. … at the last request it answered with status 500.",
)  # fmt: skip
READY.add(
    "It ends before it is ready", _process("ready: {path: /die, timeout: 5s}"), slow=False,
    sees="The service ended before it was ready: …exited with code 3.",
)  # fmt: skip
READY.add(
    "`setup` fails", _process("ready: {timeout: 5s}, setup: sh -c 'echo no rows; exit 4'"),
    sees="no rows … `setup` exited with code 4. Its last lines say why; all of them are in setup.log.",
)  # fmt: skip
READY.add(
    "`setup` hangs", _process("ready: {timeout: 2s}, setup: sleep 60"),
    sees="`setup` was not done after 2 s. It has the time that `ready.timeout` gives.",
)  # fmt: skip


@READY.case(
    "The port that its compose file publishes is taken",
    sees="no-baseline: There is no baseline yet",
    verdict="no-baseline", code=0, kept=Kept.SAMPLES, needs=("docker",), slow=True,
)  # fmt: skip
def _taken_port(scene: Scene) -> Ended:
    """It gets a port of its own, so that nobody is in its way."""
    with socket.create_server(("0.0.0.0", 0)) as taken:
        scene.compose(f'services: {{api: {{build: ., ports: ["{taken.getsockname()[1]}:8000"]}}}}')
        return scene.run()


@READY.case(
    "Its first answer is 3 s late",
    sees="The candidate is ready at … no-baseline: There is no baseline yet",
    verdict="no-baseline", code=0, kept=Kept.SAMPLES, slow=True,
)  # fmt: skip
def _late(scene: Scene) -> Ended:
    ended = _process("ready: {timeout: 20s}", FIRST_S="3")(scene)
    assert ended.result["measurement"]["service"]["time-to-ready"] > 3
    return ended


# Under load -------------------------------------------------------------------------------------------------------------


def _tell(run: Begun, path: str) -> None:
    """Ask the service for something that may be its last."""
    address = re.search(r"is ready at (http://[\d.:]+)", run.output)
    assert address
    with suppress(OSError, HTTPException):
        urlopen(address[1] + path, timeout=1).close()


def _dies(phase: str) -> Play:
    def play(scene: Scene) -> Ended:
        scene.write("server.py", SERVER)
        run = scene.begin(phase, "--warm-up", "3s")
        _tell(run, "/die")
        return run.ended()

    return play


for what, phase in (("It dies in warm-up", "warm-up"), ("It dies in the measured window", "measuring")):
    LOAD_ON.add(what, _dies(phase), sees="limit-exceeded: … exited with code 3")


@LOAD_ON.case(
    "It hangs in the measured window", sees="share of failed requests of GET /predict is … %, over the limit of 1.00 %"
)
def _hangs(scene: Scene) -> Ended:
    scene.write("server.py", SERVER)
    run = scene.begin("measuring", "--duration", "3s")
    _tell(run, "/stall")
    return run.ended()


def _in_container(scene: Scene, text: str) -> None:
    scene.compose(text)
    scene.write("server.py", SERVER)


def _docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True, timeout=30).stdout


def _containers(scene: Scene, service: str) -> list[str]:
    """The containers of a service."""
    of_service = ("--filter", f"label=com.docker.compose.service={service}")
    return _docker("ps", "--quiet", "--filter", f"name=mlt-{scene.suite}", *of_service).split()


RESTARTS = "services: {api: {build: ., restart: always, environment: {HOST: 0.0.0.0}}}"
EATS = "services: {api: {build: ., mem_limit: 96m, memswap_limit: 96m, environment: {HOST: 0.0.0.0}}}"
SERVES = "services: {api: {build: ., environment: {HOST: 0.0.0.0}}}"
REPLICAS = """
services:
  api:
    image: "nginx:1.26"
    depends_on: [model]
    volumes: ["./nginx.conf:/etc/nginx/conf.d/default.conf:ro"]
    stop_signal: SIGKILL
  model: {build: ., deploy: {replicas: 2}, environment: {HOST: 0.0.0.0}}
"""
NGINX = "server { listen 8000; location / { proxy_pass http://model:8000; proxy_connect_timeout 200ms; } }"


def _told(text: str, path: str) -> Play:
    """A container that is told something in the measured window."""

    def play(scene: Scene) -> Ended:
        _in_container(scene, text)
        run = scene.begin("measuring", "--duration", "3s")
        _tell(run, path)
        return run.ended()

    return play


LOAD_ON.add(
    "It dies in the measured window and is restarted", _told(RESTARTS, "/die"),
    sees="service `api` ended and was restarted once; the engine published it at another port then", needs=("docker",),
)  # fmt: skip
LOAD_ON.add(
    "The kernel kills it because memory runs out", _told(EATS, "/eat"),
    sees="service `api` ran out of memory, and the kernel killed it or a process of it", needs=("docker",),
)  # fmt: skip


@LOAD_ON.case(
    "The kernel kills it because memory runs out, in a search for its capacity",
    sees="service `api` ran out of memory, and the kernel killed it or a process of it",
    needs=("docker",),
)
def _killed_in_a_search(scene: Scene) -> Ended:
    """The report says that it was memory that ran out, and what was held until then."""
    scene.compose(EATS, rest='thresholds: {endpoint: "*", p50: {max: 10s}}')
    scene.write("server.py", SERVER)
    run = scene.begin("measuring", "--mode", "capacity", "--duration", "2s")
    _tell(run, "/eat")
    ended = run.ended()
    capacity = ended.result["measurement"]["capacity"]
    assert capacity["ran_out"] == "Memory: the kernel killed a process for want of it.", capacity
    assert not capacity["settled"], capacity
    return ended


@LOAD_ON.case(
    "It is paused for 5 s",
    sees="share of failed requests of GET /predict is … %, over the limit of 1.00 %",
    needs=("docker",),
)
def _paused(scene: Scene) -> Ended:
    """Each user meets the pause once, and none of what they ask is lost."""
    _in_container(scene, SERVES)
    run = scene.begin("measuring", "--duration", "6s")
    (container,) = _containers(scene, "api")
    _docker("pause", container)
    time.sleep(5)
    _docker("unpause", container)
    return run.ended()


@LOAD_ON.case("One of two replicas is killed", sees="service `model` exited with code 137", needs=("docker",))
def _replica(scene: Scene) -> Ended:
    _in_container(scene, REPLICAS)
    scene.write("nginx.conf", NGINX)
    run = scene.begin("measuring", "--duration", "3s")
    replicas = _containers(scene, "model")
    assert len(replicas) == 2
    _docker("kill", replicas[0])
    return run.ended()


@LOAD_ON.case(
    "It hangs, closes connections, or fails one answer in twenty",
    sees="share of failed requests of GET /… is 100.00 %, over the limit of 1.00 %",
)
def _fails(scene: Scene) -> Ended:
    asking = "".join(
        f"    @task({weight})\n    def ask_{number}(self): self.client.get('{path}')\n"
        for number, (path, weight) in enumerate([("/hang", 1), ("/close", 1), ("/every/20", 20)])
    )
    scene.write("users.py", USERS + asking)
    ended = _process("ready: {timeout: 20s}", "--duration", "3s")(scene)
    share = re.search(r"GET /every/20 is ([\d.]+) %", ended.reasons)
    assert share
    assert float(share[1]) == pytest.approx(5, abs=1.5)
    endpoints = ended.result["measurement"]["endpoints"]
    assert set(endpoints["GET /hang"]["outcomes"]) == {"timeout"}
    assert set(endpoints["GET /close"]["outcomes"]) == {"connection"}
    return ended


@LOAD_ON.case(
    "It fails the log-in of every user",
    sees="None of 4 users could start: GET /log-in failed in `on_start` (server error).",
)
def _log_in(scene: Scene) -> Ended:
    log_in = "    def on_start(self): self.token = self.client.get('/log-in').json()['token']\n"
    scene.write("users.py", USERS + log_in)
    ended = _process("ready: {timeout: 20s}")(scene)
    assert "/log-in" in (scene.results / "report.html").read_text()
    return ended


IDLE = f"""{USERS}
    abstract = True

class Idle(Caller):
    wait_time = constant(6000)

class Waiting(Caller):
    fixed_count = 1
    network_timeout = 4

    @task
    def ask(self):
        self.client.get("/hang")
"""


def _page(path: str, thresholds: str) -> Play:
    """Its page for Prometheus is read at a path that fails."""
    series = "[{name: waiting, series: queue_seconds_total, per: success, unit: s}]"

    def play(scene: Scene) -> Ended:
        scene.write("server.py", SERVER)
        page = f"prometheus: {{path: {path}, series: {series}}}"
        scene.plan(f'{{command: "{COMMAND}", ready: {{timeout: 20s}}, {page}}}', more=thresholds)
        ended = scene.run()
        assert set(ended.result["measurement"]["endpoints"]) == {"GET /predict"}
        return ended

    return play


_UNREAD = "waiting has no figure: the page of `candidate` could not be read: "
LOAD_ON.add(
    "Its page for Prometheus fails, and a threshold asks for a figure of it",
    _page("/log-in", "thresholds: {endpoint: (service), waiting: {max: 5ms}}"),
    sees=f"{_UNREAD}it answered with status 500 … waiting of the service: the page of `candidate` could not be read",
    verdict="inconclusive", code=0,
)  # fmt: skip
LOAD_ON.add(
    "Its page for Prometheus never answers, and nobody asks for a figure of it", _page("/hang", ""),
    sees=f"{_UNREAD}there was no whole answer within 2 s", verdict="no-baseline", code=0,
)  # fmt: skip


@LOAD_ON.case(
    "It hangs from before the measured window, with few users",
    sees="1 request from before the measured window had no answer in all of it, and no other was due.",
)
def _hangs_before(scene: Scene) -> Ended:
    scene.write("users.py", IDLE)
    scene.write("server.py", SERVER)
    return scene.run("--users", "40")
