"""The example workflows: what they may do, and their scripts run for real, against a git repository and a gh that notes."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from entrypoint.baseline.file import read_baseline
from entrypoint.judgement.model import Outcome
from entrypoint.report.result import write_result
from tests.report.results import generator_at_fault, passed, regression

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples/workflows"
WORKFLOWS = sorted(FOLDER.glob("*.yml"))
CONDUCTOR = Path(sys.executable).parents[1]
BASELINE = ".loadtest/baseline.json"
BASH = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")  # as GitHub's runner starts a script
# Notes its arguments; lists what the test says; downloads what lies in `artifacts`.
GH = """#!/usr/bin/env bash
printf '%s\\n' "$*" >>"$FAKE/gh.log"
case "$1 $2" in
  "run list") cat "$FAKE/run" ;;
  "pr list") cat "$FAKE/pulls" ;;
  "run download") mkdir -p "${@: -1}" && cp -R "$FAKE/artifacts/." "${@: -1}" ;;
esac
"""


def workflow(name):
    return yaml.safe_load((FOLDER / name).read_text())


def steps(name):
    return [step for job in workflow(name)["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_rights_are_given_job_by_job_and_only_to_jobs_that_run_nobodys_code(path):
    """No job that starts the service or a locustfile may write anything."""
    parsed = workflow(path.name)
    assert parsed["permissions"] == {}
    for job in parsed["jobs"].values():
        measures = any("org/ml-loadtest@" in step.get("uses", "") for step in job["steps"])
        assert not (measures and "write" in job["permissions"].values())
        assert job["timeout-minutes"] <= 30


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_by_commit_and_checkouts_keep_no_token(path):
    uses = re.findall(r"uses: (\S+)", path.read_text())
    assert [one for one in uses if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}|org/ml-loadtest@v1", one)] == []
    for step in steps(path.name):
        if "actions/checkout@" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_no_expression_is_pasted_into_a_script_and_no_branch_but_our_own_is_pushed_to(path):
    scripts = "\n".join(step["run"] for step in steps(path.name) if "run" in step)
    assert "${{" not in scripts
    pushes = re.findall(r"git push .*", scripts)
    assert all(re.search(r'origin "HEAD:refs/heads/\$(BRANCH|branch)"$', push) for push in pushes)
    assert len(pushes) == (path.name != "history.yml")


def test_the_documents_show_where_they_are():
    text = (ROOT / "docs/workflows.md").read_text()
    assert all(f"examples/workflows/{path.name}" in text for path in WORKFLOWS)


def git(folder, *arguments):
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


class Job:
    """A runner's folder with a checkout whose remote is a bare repository beside it."""

    def __init__(self, folder):
        self.folder, self.origin, self.checkout = folder, folder / "origin.git", folder / "checkout"
        self.temp, self.fake = folder / "temp", folder / "fake"
        git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(self.origin))
        git(folder, "clone", "--quiet", str(self.origin), str(self.checkout))
        (self.checkout / "README.md").write_text("# A service\n")
        git(self.checkout, "add", ".")
        git(
            self.checkout,
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@b.example",
            "commit",
            "--quiet",
            "--message",
            "Begin",
        )
        git(self.checkout, "push", "--quiet", "origin", "HEAD:main")
        (self.checkout / ".ml-loadtest").symlink_to(ROOT)
        for made in (self.temp, self.fake / "artifacts"):
            made.mkdir(parents=True)
        (self.temp / "conductor").symlink_to(CONDUCTOR)
        (self.fake / "gh").write_text(GH)
        (self.fake / "gh").chmod(0o755)
        (self.fake / "pulls").write_text("0\n")
        (self.fake / "run").write_text("4711\n")

    def run(self, name, step, **env):
        """A step's script with its own variables, those that GitHub would fill in from `env`."""
        (found,) = [one for one in steps(name) if one.get("name") == step]
        given = {key: env.get(key, value) for key, value in found.get("env", {}).items()}
        assert not [value for value in given.values() if "${{" in value], "the test gives every expression's value"
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("GITHUB_", "RUNNER_", "LT_"))}
        surroundings = {
            "PATH": f"{self.fake}:{os.environ['PATH']}",
            "FAKE": str(self.fake),
            "RUNNER_TEMP": str(self.temp),
        }
        done = subprocess.run(
            [*BASH, found["run"]],
            cwd=self.checkout,
            env=kept | surroundings | given,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    @property
    def asked(self):
        log = self.fake / "gh.log"
        return log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def job(tmp_path):
    return Job(tmp_path)


OPEN = {"GH_TOKEN": "t", "DEFAULT_BRANCH": "main", "RUN_URL": "https://github.example/r/9"}


def test_calibration_becomes_a_branch_and_a_pull_request_and_main_stays(job):
    for number, result in enumerate([passed(), generator_at_fault(), passed()]):
        found = result.model_copy(update={"id": f"{number:08}"})
        write_result(job.temp / f"calibration/calibration-{number}", found)
    before = git(job.origin, "rev-parse", "main")

    code, output = job.run("calibrate.yml", "Add the runs to the baseline")
    assert code == 0, output
    assert "2 runs were added" in output
    code, output = job.run("calibrate.yml", "Open the pull request", **OPEN)
    assert code == 0, output

    assert git(job.origin, "rev-parse", "main") == before
    assert git(job.origin, "diff", "--name-only", "main", "ml-loadtest/baseline") == BASELINE
    assert len(read_baseline(job.checkout / BASELINE).groups[0].runs) == 2
    assert job.asked[0] == "auth setup-git"
    assert job.asked[-1].startswith("pr create --base main --head ml-loadtest/baseline ")


def test_an_open_proposal_is_renewed_and_not_opened_twice(job):
    write_result(job.temp / "calibration/calibration-1", passed().model_copy(update={"id": "a"}))
    (job.fake / "pulls").write_text("1\n")
    job.run("calibrate.yml", "Add the runs to the baseline")
    code, output = job.run("calibrate.yml", "Open the pull request", **OPEN)

    assert code == 0, output
    assert not [line for line in job.asked if line.startswith("pr create")]
    assert git(job.origin, "log", "-1", "--format=%s", "ml-loadtest/baseline") == "Calibrate the load test"


def test_a_calibration_without_a_valid_run_proposes_nothing(job):
    write_result(job.temp / "calibration/calibration-1", generator_at_fault())
    code, output = job.run("calibrate.yml", "Add the runs to the baseline")

    assert code == 1, output
    assert "0 runs were added" in output


def test_an_accepted_change_is_proposed_to_the_branch_of_the_pull_request(job):
    slower = regression().model_copy(update={"id": "cafe"})
    write_result(job.fake / "artifacts/ml-loadtest-recommender", slower)
    code, output = job.run("accept.yml", "Fetch the results of this commit", GH_TOKEN="t", HEAD="c0ffee")
    assert code == 0, output
    code, output = job.run("accept.yml", "Add the runs to the baseline")
    assert code == 0, output
    branch = 'feature/$(touch "$FAKE/owned");`id`'  # a name that git allows and a careless script would run
    code, output = job.run("accept.yml", "Open the pull request", GH_TOKEN="t", NUMBER="12", HEAD_REF=branch)
    assert code == 0, output

    assert "--commit c0ffee" in job.asked[0]
    assert job.asked[-1].startswith(f"pr create --base {branch} --head ml-loadtest/accept-12 ")
    assert not (job.fake / "owned").exists()
    kept = json.loads(git(job.origin, "show", f"ml-loadtest/accept-12:{BASELINE}"))
    assert kept["groups"][0]["runs"][0]["slower"] is True
    assert slower.verdict is Outcome.REGRESSION


def test_a_commit_that_was_not_measured_is_said(job):
    (job.fake / "run").write_text("")
    code, output = job.run("accept.yml", "Fetch the results of this commit", GH_TOKEN="t", HEAD="c0ffee")

    assert code == 1
    assert '::error::No finished run of the workflow "load test" has measured c0ffee.' in output


def test_the_history_goes_on_where_the_last_run_left_it(job):
    shutil.copy(ROOT / "LICENSE", job.fake / "artifacts/history.jsonl")
    code, output = job.run("history.yml", "Fetch the history so far", GH_TOKEN="t", WORKFLOW="w", BRANCH="main")
    assert code == 0, output
    assert (job.checkout / ".loadtest/history.jsonl").read_text() == (ROOT / "LICENSE").read_text()


def test_the_first_history_begins_and_is_drawn(job):
    (job.fake / "run").write_text("")
    code, output = job.run("history.yml", "Fetch the history so far", GH_TOKEN="t", WORKFLOW="w", BRANCH="main")
    assert code == 0, output
    subprocess.run(
        [sys.executable, "-c", "from pathlib import Path; from entrypoint.history.file import append; "
         "from tests.history.building import entry; append(Path('.loadtest/history.jsonl'), entry())"],
        cwd=job.checkout, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True,
    )  # fmt: skip
    code, output = job.run("history.yml", "Draw the trends")

    assert code == 0, output
    assert (job.checkout / ".loadtest/history.html").stat().st_size > 500_000
