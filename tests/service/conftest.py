"""Small builders: settings of a service, a place in a temporary folder, a one-file server, a docker engine if there is one."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from entrypoint.service import Place
from entrypoint.service.process_tree import MARK
from entrypoint.settings import model
from tests.engine import engine_or_skip

SERVER = """
import http.server, json, os, sys, time

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status = {"/broken": 500, "/moved": 302}.get(self.path, 200)
        body = json.dumps({key: os.environ.get(key) for key in os.environ.get("SHOWN", "").split()}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

time.sleep(float(os.environ.get("SLOW_START_S", "0")))
print("serving on", sys.argv[1], flush=True)
http.server.ThreadingHTTPServer((os.environ.get("HOST", "127.0.0.1"), int(sys.argv[1])), Answer).serve_forever()
"""


@dataclass
class Said:
    """What was said, in order; call it to say something."""

    lines: list[str] = field(default_factory=list)

    def __call__(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture
def say() -> Said:
    return Said()


@pytest.fixture
def environment() -> dict[str, str]:
    dropped = ("COMPOSE_", "RUNNER_TEMP")
    return {key: value for key, value in os.environ.items() if not key.startswith(dropped)}


@pytest.fixture
def place(tmp_path: Path, environment: dict[str, str]) -> Iterator[Place]:
    """Where a test's services live; none of their processes may outlive the test."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "server.py").write_text(SERVER)
    place = Place(
        suite="The suite",
        run_id=uuid.uuid4().hex[:12],
        root=root,
        logs=tmp_path / "results" / "service",
        ledger=tmp_path / "ledger",
        environment=environment,
        temp=tmp_path / "temp",
    )
    yield place
    left = marked(place)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert left == []


def settings(**given: object) -> model.Service:
    return model.Service.model_validate({key.replace("_", "-"): value for key, value in given.items()})


def served(*arguments: str, **given: object) -> model.Service:
    """The one-file server as a process."""
    return settings(command=" ".join([sys.executable, "server.py", "{port}", *arguments]), **given)


def marked(place: Place, name: str = "candidate") -> list[int]:
    """The processes that carry a target's mark."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == place.project(name) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (psutil.Error, OSError):
            continue
    return found


@pytest.fixture(scope="session")
def docker_engine() -> None:
    """Skip without an engine, and fail instead where one was promised."""
    engine_or_skip()


def docker(*arguments: str, cwd: Path | None = None) -> str:
    """What docker prints; a failure is the test's."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=60, check=True, cwd=cwd)
    return done.stdout.strip()


@pytest.fixture
def left_behind(place: Place) -> Iterator[Callable[[], list[str]]]:
    """Everything on the engine that belongs to the place's projects."""

    def listed() -> list[str]:
        ours = place.project("candidate")
        label = f"label=com.docker.compose.project={ours}"
        found = [docker(kind, "ls", "--quiet", "--filter", label) for kind in ("network", "volume")]
        found.append(docker("ps", "--all", "--quiet", "--filter", label))
        found.append(docker("image", "ls", "--quiet", "--filter", f"reference={ours}-*"))
        return [line for text in found for line in text.splitlines()]

    yield listed
    if listed():
        project = place.project("candidate")
        docker("compose", "--project-name", project, "down", "--volumes", "--timeout", "0")


@pytest.fixture
def developers_copy() -> Iterator[Callable[..., str]]:
    """`docker compose` as a developer uses it in a folder; whatever it started is taken down at the end."""
    folders = set()

    def compose(folder: Path, *arguments: str) -> str:
        folders.add(folder)
        return docker("compose", *arguments, cwd=folder)

    yield compose
    for folder in folders:
        docker("compose", "down", "--volumes", "--timeout", "0", "--rmi", "local", cwd=folder)
