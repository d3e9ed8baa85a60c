"""The whole action: its own steps, the real conductor, real Locust, a real service, GitHub's API on loopback."""

import io
import json
import shutil
import sys
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from entrypoint.publish.parts import read
from tests.github_server import GitHubServer, description_or_skip, github_server

from .machine import ROOT, Machine
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
thresholds: {{endpoint: "*", p50: {{max: 120ms}}}}
# What is tested here does not depend on how busy the machine is.
validity: {{generator-cpu: 100%, event-loop-lag: 60s, longest-stall: 60s, run-queue: 100%, steal: 100%}}
"""
HEAD = "c" * 40
RUN = 42
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
    machine: Machine,
    github: GitHubServer,
    *,
    cancel: Cancel | None = None,
    delay_ms: int = 0,
    job: dict[str, Any] | None = None,
    **inputs: str,
) -> ActionRun:
    given = {name.replace("_", "-"): value for name, value in inputs.items()}
    return machine.run_action(given, environ={"DELAY_MS": str(delay_ms)}, cancel=cancel, **(job or job_of(github)))


def job_of(github: GitHubServer, number: int = 7, head_repository: str = "", **context: str) -> dict[str, Any]:
    head = {"sha": HEAD, "repo": {"full_name": head_repository or github.repository}}
    known = {"token": github.token, "repository": github.repository, "api_url": github.url, "run_id": str(RUN)}
    return {
        "event": {"number": number, "pull_request": {"number": number, "head": head}},
        "github": {**known, **context},
    }


def commenting_run(machine: Machine, github: GitHubServer, folder: Path, head_repository: str) -> ActionRun:
    """comment/action.yml in the workflow that GitHub starts when the measuring one has ended, with what that one uploaded."""
    for upload in machine.uploads:
        github.add_artifact(RUN, upload.name, zipped(upload.folder))
    measured = {
        "id": RUN, "run_attempt": 1, "html_url": f"https://github.com/octo/shop/actions/runs/{RUN}", "head_branch": "topic",
        "head_sha": HEAD, "head_repository": {"full_name": head_repository}, "pull_requests": [],
    }  # fmt: skip
    event = {"action": "completed", "workflow": {"name": "CI"}, "workflow_run": measured}
    context = {**job_of(github)["github"], "run_id": "43", "sha": "d" * 40, "workflow": "comment"}
    other = Machine(folder, action=ROOT / "comment", environments=machine.environments)
    return other.run_action(event=event, event_name="workflow_run", github=context)


def zipped(folder: Path) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        for path in folder.rglob("*"):
            file.write(path, path.relative_to(folder))
    return made.getvalue()


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
    done = run(project, github, delay_ms=250)
    assert done.conclusion == "failure"
    assert done.step("run").exit_code == 1
    assert done.outputs["verdict"] == "limit-exceeded"
    assert "limit" in done.summary
    assert done.outputs["comment-url"], done.step("comment").text
    assert "limit" in github.comments[0].body
    assert done.annotations[0].kind == "error"
    assert left(project) == []


def test_user_code_can_neither_speak_to_the_runner_nor_see_the_token(project, github):
    done = run(project, github, delay_ms=250)
    assert done.outputs["verdict"] == "limit-exceeded"
    assert not [each for each in done.annotations if "from the" in each.message]
    everything = [
        path.read_bytes() for path in project.folder.rglob("*") if path.is_file() and "github" not in path.name
    ]
    assert not [text for text in everything if github.token.encode() in text]
    assert b"from the locustfile []" in b"".join(everything)


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


@pytest.mark.parametrize("event", ["pull_request_target", "workflow_run", "issue_comment"])
def test_a_load_is_refused_where_it_would_have_rights_it_must_not_have(project, github, event):
    done = project.run_action({}, event_name=event, **job_of(github))
    assert done.step("run").exit_code == 2
    assert f"does not run a load under `{event}`" in done.annotations[0].message
    assert "Under that event" in done.annotations[0].message
    assert left(project) == []


def test_a_forks_results_are_saved_and_posted_by_a_second_workflow(project, github, tmp_path_factory):
    github.add_pull(9, HEAD, head_repository="mallory/shop")
    github.can_write = github.can_check = False
    done = run(project, github, job=job_of(github, 9, "mallory/shop"), check_run="true")
    assert (done.conclusion, done.outputs["verdict"], done.outputs["comment-url"]) == ("success", "pass", ""), done.log
    assert "GET /predict" in done.summary
    assert github.requests == []  # its token can only read: that is known beforehand
    kinds = [(each.kind, "fork" in each.message) for each in done.annotations]
    assert kinds.count(("notice", True)) == 2
    assert "warning" not in [kind for kind, _ in kinds]

    github.can_write = True
    second = commenting_run(project, github, tmp_path_factory.mktemp("second"), "mallory/shop")
    assert second.conclusion == "success", second.log
    (comment,) = github.comments
    assert comment.number == 9
    assert second.outputs["comment-url"].endswith(f"#issuecomment-{comment.id}")
    assert f"Judged commit `{HEAD[:7]}`" in comment.body
    assert "in a run of a fork" in comment.body


def test_dependabots_results_are_posted_by_a_second_workflow(project, github, tmp_path_factory):
    github.can_write = False
    github.can_check = False
    done = run(project, github, job=job_of(github, actor="dependabot[bot]"), check_run="true")
    assert (done.conclusion, done.outputs["verdict"]) == ("success", "pass"), done.log
    assert [each.kind for each in done.annotations if each.kind != "notice"] == []
    (notice,) = [each for each in done.annotations if "Dependabot" in each.message]
    assert "workflow_run" in notice.message

    github.can_write = True
    second = commenting_run(project, github, tmp_path_factory.mktemp("second"), github.repository)
    assert second.conclusion == "success", second.log
    assert [comment.number for comment in github.comments] == [7]


def test_missing_permissions_are_named_and_change_no_verdict(project, github):
    github.can_write = github.can_check = False
    done = run(project, github, check_run="true")
    assert (done.conclusion, done.outputs["verdict"]) == ("success", "pass"), done.log
    said = [each.message for each in done.annotations if each.kind == "warning"]
    assert len(said) == 2
    assert "permissions:\n  contents: read\n  pull-requests: write\n  checks: write" in said[0]
    assert "permissions:\n  contents: read\n  pull-requests: write" in said[-1]
    assert github.comments == github.checks == []


def test_a_check_run_is_open_while_code_of_the_pull_request_runs_and_ends_as_the_run_does(project, github):
    (project.workspace / "loadtest.yml").write_text(CONFIG + "report: {check-run: true}\n")
    seen: list[str] = []
    github.before_answer = lambda request: seen.append(f"{request.method} {request.path.split('shop/')[-1]}")
    done = run(project, github, delay_ms=250)
    (check,) = github.checks
    assert seen[0] == "POST check-runs", done.log
    assert (check.name, check.head_sha) == ("ml-loadtest whole", HEAD)
    assert (check.status, check.conclusion, check.title) == ("completed", "failure", "Limit exceeded")
    assert "GET /predict" in check.summary


def test_a_cancelled_runs_check_run_is_closed(project, github):
    done = run(project, github, cancel=Cancel("run", "loading http"), duration="120s", check_run="true")
    assert done.conclusion == "cancelled"
    assert [(check.status, check.conclusion) for check in github.checks] == [("completed", "cancelled")], done.log
    assert len(github.comments) == 1


def test_a_check_run_of_a_run_that_came_to_nothing_is_closed(project, github):
    done = run(project, github, users="many", check_run="true")
    assert done.step("run").exit_code == 2
    assert [(check.status, check.conclusion) for check in github.checks] == [("completed", "failure")], done.log


def test_suites_that_end_together_share_one_comment(project, github, tmp_path_factory):
    """A matrix: each job is a machine of its own, and none of them knows of the others."""
    run(project, github, github_token="")
    (upload,) = project.uploads
    result = (upload.folder / "result.json").read_text()
    suites = ["large", "medium", "small", "tiny"]
    machines = [Machine(tmp_path_factory.mktemp(suite), environments=project.environments) for suite in suites]

    def comment(suite: str, machine: Machine) -> ActionRun:
        (machine.workspace / "results").mkdir()
        (machine.workspace / "results/result.json").write_text(json.dumps({**json.loads(result), "suite": suite}))
        return machine.run_alone("comment --from results", environ={"LT_GITHUB_TOKEN": github.token}, **job_of(github))

    with ThreadPoolExecutor(len(suites)) as pool:
        done = list(pool.map(comment, suites, machines))
    assert [each.conclusion for each in done] == ["success"] * 4
    assert not [each for one in done for each in one.annotations if each.kind == "warning"]
    (posted,) = github.comments
    assert [part.suite for part in read(posted.body)] == suites
    assert posted.body.split("\n")[1] == f"### 4 load tests of commit `{HEAD[:7]}`"
