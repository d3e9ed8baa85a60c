"""The step that fetches the base, with real git against a server that behaves as GitHub's does."""

import base64
import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from .git_server import GitServer, serving
from .machine import TOKEN, Machine
from .step_runner import ActionRun

STALE = "AUTHORIZATION: basic " + base64.b64encode(b"x-access-token:stale").decode()


def git(folder: Path, *arguments: str) -> str:
    identity = [
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@example.org",
        "-c",
        "init.defaultBranch=main",
        "-c",
        "protocol.file.allow=always",
    ]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(folder: Path, text: str) -> str:
    (folder / f"{text}.txt").write_text(text)
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", text)
    return git(folder, "rev-parse", "HEAD")


class Upstream:
    """A repository whose main moved on twice since a topic left it; GitHub merged the topic into the first of the two.

    root ─ fork ─ moved ─ newest      main
             └─ topic                 the head
    moved + topic = merge             refs/pull/7/merge
    """

    def __init__(self, root: Path) -> None:
        folder = root / "org/service"
        folder.mkdir(parents=True)
        git(folder, "init", "--quiet")
        git(folder, "config", "uploadpack.allowAnySHA1InWant", "true")
        self.root = commit(folder, "root")
        self.fork = commit(folder, "fork")
        git(folder, "checkout", "--quiet", "-b", "topic")
        commit(folder, "first")
        self.topic = commit(folder, "topic")
        git(folder, "checkout", "--quiet", "main")
        self.moved = commit(folder, "moved")
        git(folder, "checkout", "--quiet", "--detach")
        git(folder, "merge", "--quiet", "--no-ff", "--message", "merge", "topic")
        self.merge = git(folder, "rev-parse", "HEAD")
        git(folder, "update-ref", "refs/pull/7/merge", "HEAD")
        git(folder, "checkout", "--quiet", "main")
        self.newest = commit(folder, "newest")

    @property
    def event(self) -> dict:
        return {"pull_request": {"number": 7, "head": {"sha": self.topic}, "base": {"sha": self.newest}}}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    with serving(tmp_path / "github", TOKEN) as server:
        yield server


@pytest.fixture
def upstream(tmp_path: Path, server: GitServer) -> Upstream:
    return Upstream(server.root)


def check_out(machine: Machine, server: GitServer, wanted: str, *, depth: int = 1) -> None:
    """As actions/checkout does it; a token that is long dead is left behind, as by persist-credentials."""
    work = machine.workspace
    git(work, "init", "--quiet")
    git(work, "remote", "add", "origin", f"{server.url}/org/service")
    header = f"http.{server.url}/.extraheader"
    shallow = [f"--depth={depth}"] if depth else []
    login = f"{header}=AUTHORIZATION: {server.expected}"
    git(work, "-c", login, "fetch", "--quiet", "--no-tags", *shallow, "origin", f"+{wanted}:refs/remotes/here")
    if not depth:
        git(work, "-c", login, "fetch", "--quiet", "origin", "+refs/heads/*:refs/remotes/origin/*")
    git(work, "checkout", "--quiet", "--detach", "refs/remotes/here")
    git(work, "config", "--local", header, STALE)
    server.authorizations.clear()


def fetch(machine: Machine, server: GitServer, event: dict, **inputs: str) -> ActionRun:
    given = {"compare-with": "base", **{name.replace("_", "-"): value for name, value in inputs.items()}}
    return machine.run_action(given, event=event, github={"server_url": server.url})


def handed_over(machine: Machine) -> str:
    calls = [json.loads(line) for line in (machine.temp / "calls.jsonl").read_text().splitlines()]
    return next(call["environ"]["LT_BASE_REF"] for call in calls if call["command"] == "run")


def test_a_merge_commits_first_parent(rehearsal, server, upstream):
    check_out(rehearsal, server, "refs/pull/7/merge")
    done = fetch(rehearsal, server, upstream.event)
    assert done.step("base").outcome == "success", done.step("base").text
    assert handed_over(rehearsal) == upstream.moved
    assert git(rehearsal.workspace, "show", f"{upstream.moved}:moved.txt") == "moved"


def test_the_token_is_shown_once_to_the_server_and_left_nowhere(rehearsal, server, upstream):
    check_out(rehearsal, server, "refs/pull/7/merge")
    done = fetch(rehearsal, server, upstream.event)
    assert server.authorizations
    assert all(shown == [server.expected] for shown in server.authorizations)
    for path in rehearsal.folder.rglob("*"):
        if path.is_file() and rehearsal.temp / "calls.jsonl" != path:
            assert TOKEN.encode() not in path.read_bytes()
            assert server.expected.encode() not in path.read_bytes()
    assert server.expected not in done.log
    assert "FETCH_HEAD" in [path.name for path in (rehearsal.workspace / ".git").iterdir()]
    calls = [json.loads(line) for line in (rehearsal.temp / "calls.jsonl").read_text().splitlines()]
    assert TOKEN not in json.dumps([call for call in calls if call["command"] not in {"open-check-run", "comment"}])


def test_the_merge_base_where_the_head_itself_is_checked_out(rehearsal, server, upstream):
    check_out(rehearsal, server, upstream.topic)
    fetch(rehearsal, server, upstream.event)
    assert handed_over(rehearsal) == upstream.fork


def test_a_full_clone_stays_full(rehearsal, server, upstream):
    check_out(rehearsal, server, upstream.topic, depth=0)
    fetch(rehearsal, server, upstream.event, base_ref="main")
    assert handed_over(rehearsal) == upstream.newest
    assert git(rehearsal.workspace, "rev-parse", "--is-shallow-repository") == "false"
    assert git(rehearsal.workspace, "rev-list", "--count", upstream.newest) == "4"


@pytest.mark.parametrize("name", ["main", "origin/main"])
def test_a_base_that_is_named(rehearsal, server, upstream, name):
    check_out(rehearsal, server, "refs/pull/7/merge")
    fetch(rehearsal, server, upstream.event, base_ref=name)
    assert handed_over(rehearsal) == upstream.newest


def test_a_base_named_by_its_commit(rehearsal, server, upstream):
    check_out(rehearsal, server, "refs/pull/7/merge")
    fetch(rehearsal, server, upstream.event, base_ref=upstream.root)
    assert handed_over(rehearsal) == upstream.root


def test_a_base_that_only_the_clone_knows(rehearsal, server, upstream):
    check_out(rehearsal, server, "refs/pull/7/merge", depth=2)
    fetch(rehearsal, server, upstream.event, base_ref="HEAD^2")
    assert handed_over(rehearsal) == upstream.topic


def test_a_merge_queue_names_its_base(rehearsal, server, upstream):
    check_out(rehearsal, server, "refs/pull/7/merge")
    fetch(rehearsal, server, {"merge_group": {"base_sha": upstream.fork}})
    assert handed_over(rehearsal) == upstream.fork


def test_a_push_is_compared_with_what_was_before(rehearsal, server, upstream):
    check_out(rehearsal, server, "main")
    fetch(rehearsal, server, {})
    assert handed_over(rehearsal) == upstream.moved


def test_a_public_repository_needs_no_token(rehearsal, server, upstream):
    check_out(rehearsal, server, "refs/pull/7/merge")
    fetch(rehearsal, server, upstream.event, github_token="")
    assert server.authorizations == [[]]  # nor is the dead one shown; this server then asks for one


@pytest.mark.parametrize("base_ref", ["", "no-such-branch", "--upload-pack=touch x"])
def test_what_cannot_be_fetched_is_said_and_nothing_is_run(rehearsal, server, upstream, base_ref):
    check_out(rehearsal, server, "refs/pull/7/merge")
    if not base_ref:
        server.token = "another"
    done = fetch(rehearsal, server, upstream.event, base_ref=base_ref)
    assert [step.outcome for step in done.steps[2:]] == ["failure", *["skipped"] * 4, "success"]
    assert done.step("run").outcome == "skipped"
    assert done.annotations[0].message.startswith("The base could not be fetched.")
    assert len(done.annotations) == 2
    assert not (rehearsal.workspace / "x").exists()


def test_a_server_that_says_nothing_is_given_up(rehearsal, server, upstream):
    """After a minute; the variable makes it two seconds here, and does nothing without the limit that the step sets."""
    check_out(rehearsal, server, "refs/pull/7/merge")
    rehearsal.environ["GIT_HTTP_LOW_SPEED_TIME"] = "2"
    server.silent = threading.Event()
    done = fetch(rehearsal, server, upstream.event)
    server.silent.set()
    assert done.step("base").outcome == "failure"
    assert done.step("base").ran_s < 20
    assert "Operation too slow" in done.step("base").text
    assert done.annotations[0].message.startswith("The base could not be fetched.")


def test_without_a_checkout_it_says_what_is_missing(rehearsal, server, upstream):
    done = fetch(rehearsal, server, upstream.event)
    assert "actions/checkout" in done.annotations[0].message
