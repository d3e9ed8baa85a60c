"""The whole action: its own steps, the real conductor, real Locust, a real service, GitHub's API on loopback."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.github_server import GitHubServer, description_or_skip, github_server

from .machine import Machine
from .step_runner import ActionRun, Cancel

SERVER = """
import os, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        time.sleep(0.004 + float(os.environ.get("DELAY_MS", "0")) / 1000)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *_):
        pass

print("::error::from the service ##[error]too", flush=True)
print("::set-output name=verdict::pass", flush=True)
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
USERS = """
import os
from locust import FastHttpUser, constant, task

print("::error::from the locustfile", [name for name in os.environ if "TOKEN" in name or name.startswith("LT_")])

class Caller(FastHttpUser):
    wait_time = constant(0.02)

    @task
    def ask(self):
        self.client.get("/predict")
"""
CONFIG = f"""
suite: whole
service: {{command: "{sys.executable} server.py {{port}}", ready: {{timeout: 30s}}}}
load: {{locustfile: users.py, users: 4, duration: 2s, warm-up: 1s}}
compare: {{with: none}}
thresholds: {{endpoint: "*", p50: {{max: 60ms}}}}
"""
HEAD = "c" * 40
OUTPUTS = {"verdict", "regressions", "result", "report", "comment-url"}


@pytest.fixture
def github() -> Iterator[GitHubServer]:
    description_or_skip()
    with github_server() as server:
        server.add_pull(7, HEAD)
        yield server


@pytest.fixture
def project(machine: Machine) -> Machine:
    """A machine with a service and its load test checked out."""
    (machine.workspace / "server.py").write_text(SERVER)
    (machine.workspace / "users.py").write_text(USERS)
    (machine.workspace / "loadtest.yml").write_text(CONFIG)
    return machine


def run(
    machine: Machine, github: GitHubServer, *, cancel: Cancel | None = None, delay_ms: int = 0, **inputs: str
) -> ActionRun:
    given = {name.replace("_", "-"): value for name, value in inputs.items()}
    return machine.run_action(given, environ={"DELAY_MS": str(delay_ms)}, cancel=cancel, **job_of(github))


def job_of(github: GitHubServer) -> dict[str, Any]:
    head = {"sha": HEAD, "repo": {"full_name": github.repository}}
    return {
        "event": {"number": 7, "pull_request": {"number": 7, "head": head}},
        "github": {"token": github.token, "repository": github.repository, "api_url": github.url, "run_id": "42"},
    }


def left(machine: Machine) -> list[str]:
    """Processes that still run in the checkout."""
    alive = []
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()).is_relative_to(machine.folder):
                alive.append(" ".join(process.cmdline()))
        except (psutil.Error, OSError):
            continue
    return alive


def test_the_first_run_comments_and_the_second_updates_the_comment(project, github):
    first = run(project, github)
    assert first.conclusion == "success", first.log
    assert set(first.outputs) == OUTPUTS
    assert (first.outputs["verdict"], first.outputs["regressions"]) == ("pass", "0")
    result = json.loads(Path(first.outputs["result"]).read_text())
    assert result["verdict"] == "pass"
    assert Path(first.outputs["report"]).read_text().startswith("<!")
    assert "GET /predict" in first.summary
    (comment,) = github.comments
    assert first.outputs["comment-url"].endswith(f"#issuecomment-{comment.id}")
    assert "/artifacts/1" in comment.body
    assert "result.json" in project.uploads[0].files

    second = run(project, github)
    assert second.outputs["comment-url"] == first.outputs["comment-url"], second.step("comment").text
    assert [(each.id, each.edits) for each in github.comments] == [(comment.id, 1)]
    assert (second.leaked_environ, second.leaked_path, second.orphans, left(project)) == ({}, [], [], [])


def test_a_run_that_fails_says_so_everywhere(project, github):
    done = run(project, github, delay_ms=100)
    assert done.conclusion == "failure"
    assert done.step("run").exit_code == 1
    assert done.outputs["verdict"] == "limit-exceeded"
    assert "limit" in done.summary
    assert done.outputs["comment-url"], done.step("comment").text
    assert "limit" in github.comments[0].body
    assert done.annotations[0].kind == "error"
    assert left(project) == []


def test_user_code_can_neither_speak_to_the_runner_nor_see_the_token(project, github):
    done = run(project, github, delay_ms=100)
    assert done.outputs["verdict"] == "limit-exceeded"
    assert not [each for each in done.annotations if "from the" in each.message]
    everything = [
        path.read_bytes() for path in project.folder.rglob("*") if path.is_file() and "github" not in path.name
    ]
    assert not [text for text in everything if github.token.encode() in text]
    assert b"from the locustfile []" in b"".join(everything)


def test_a_cancelled_run_leaves_nothing_behind(project, github):
    done = run(project, github, cancel=Cancel("run", "loading http"), duration="120s")
    assert done.conclusion == "cancelled"
    assert done.step("run").ran_s < 60
    assert done.step("Take the service down").outcome == "success"
    assert done.step("run").exit_code == 130
    assert (done.orphans, left(project)) == ([], [])
    assert done.outputs["verdict"] == "invalid"


def test_a_mistake_in_an_input_is_named(project, github):
    done = run(project, github, users="many", duration="soon")
    assert done.step("run").exit_code == 2
    error, code = (each for each in done.annotations if each.kind == "error")
    assert code.message == "Process completed with exit code 2."
    assert "input `users`" in error.message
    assert "input `duration`" in error.message
    assert done.step("Comment on the pull request").outcome == "success"
    assert github.comments == []


def test_another_job_comments_from_the_results_alone(project, github, tmp_path_factory):
    """As .github/workflows/loadtest.yml does: the job that measures has no token, the one that comments no checkout."""
    run(project, github, github_token="")
    assert github.comments == []
    other = Machine(tmp_path_factory.mktemp("other"), environments=project.environments)
    (upload,) = project.uploads
    shutil.copytree(upload.folder, other.workspace / "results")
    done = other.run_alone("comment --from results", environ={"LT_GITHUB_TOKEN": github.token}, **job_of(github))
    assert done.conclusion == "success", done.log
    assert "whole" in github.comments[0].body
