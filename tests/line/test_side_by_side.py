"""Side by side by the command line: a real repository, its base commit's service and the candidate's, real Locust."""

import os
import subprocess
import sys

import numpy as np
import pytest

from tests.line.test_run import SERVER, USERS, ml_loadtest, nothing_left, result

CONFIG = f"""
suite: beside
service: {{command: "{sys.executable} server.py {{port}}", ready: {{timeout: 20s}}}}
load: {{locustfile: users.py, users: 4, duration: 16s, warm-up: 1s}}
compare: {{with: base, base-ref: base, max-looks: 2}}
validity: {{generator-cpu: 100%, event-loop-lag: 10s, longest-stall: 60s, run-queue: 100%, steal: 100%}}
"""
SLOWER = SERVER.replace("0.004", "0.044")
BROKEN = "raise SystemExit('this base does not start')\n"


def git(project, *arguments):
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"}
    return subprocess.run(
        command, cwd=project, env=environment, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def repository(tmp_path):
    """A repository whose branch `base` has one service, and whose work tree has another."""

    def make(base, candidate, config=CONFIG):
        git(tmp_path, "init", "-q", "-b", "main")
        files = {
            "server.py": base,
            "users.py": USERS,
            "loadtest.yml": config,
            ".gitignore": "results\ntmp\n__pycache__\n",
        }
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        git(tmp_path, "add", ".")
        git(tmp_path, "commit", "-qm", "base")
        git(tmp_path, "branch", "base")
        (tmp_path / "server.py").write_text(candidate)
        git(tmp_path, "commit", "-qam", "candidate", "--allow-empty")
        return tmp_path

    return make


def clean(project):
    """Nothing of ours is left, in git either."""
    trees = git(project, "worktree", "list").splitlines()
    return nothing_left(project) and len(trees) == 1 and not git(project, "status", "--porcelain")


def rows(found):
    return {(change["endpoint"], change["metric"]): change for change in found["changes"]}


def test_an_unchanged_service_is_not_accused(repository):
    loud = f"print('up', flush=True)\n{SERVER}"
    project = repository(loud, loud)

    code, output = ml_loadtest(project, "run")

    found = result(project)
    assert code == 0, output
    assert found["verdict"] in {"pass", "inconclusive", "improvement"}
    assert found["compared"]["with_"] == "base"
    assert git(project, "rev-parse", "base")[:7] in found["compared"]["against"]
    assert [(log["target"], log["lines"]) for log in found["logs"]] == [("candidate", "up"), ("base", "up")]
    p50 = rows(found)["GET /predict", "p50"]
    assert abs(p50["change"]) < 0.10
    assert p50["interval"][0] < p50["change"] < p50["interval"][1]
    assert p50["resolution"] > 0
    assert p50["order_effect"] is not None
    paired = found["measurement"]["paired"]
    assert paired["tickets"] > 500
    assert paired["same"] >= 0.99 * paired["tickets"]
    assert {stretch["target"] for stretch in found["stretches"]} == {"", "candidate", "base"}
    ours, theirs = found["measurement"]["timeline"], found["base_timeline"]
    assert len(ours) == len(theirs) >= 12
    assert sum(line[1] for line in ours) == pytest.approx(
        found["measurement"]["endpoints"]["GET /predict"]["requests"], rel=0.05
    )
    assert {path.name for path in (project / "results/service").iterdir()} >= {"candidate.log", "base"}
    assert clean(project)


def test_a_slower_candidate_is_accused_at_the_last_look_alone_and_by_name(repository):
    project = repository(SERVER, SLOWER)

    code, output = ml_loadtest(project, "run")

    found = result(project)
    assert (code, found["verdict"]) == (1, "regression"), output
    p50 = rows(found)["GET /predict", "p50"]
    assert p50["status"] == "regressed"
    assert p50["change"] > 0.3
    ours, theirs = (
        np.median([line[3] for line in lines]) for lines in (found["measurement"]["timeline"], found["base_timeline"])
    )
    assert ours / theirs - 1 == pytest.approx(p50["change"], rel=0.2)
    assert [look["look"] for look in found["looks"]] == [1, 2]
    assert "started anew" in output
    assert (project / "results/samples/look-2/closing.json").exists()
    assert "both services started 2 times" in found["compared"]["against"]
    comment = (project / "results/comment.md").read_text()
    assert "side by side" in comment
    assert "ml-loadtest accept" not in comment
    code, output = ml_loadtest(project, "accept", "--even-if-slower")
    assert code != 0
    assert "side by side run cannot become a baseline" in output.replace("\n", " ")
    assert clean(project)


def test_a_base_that_does_not_start_is_said_and_decides_nothing(repository):
    project = repository(BROKEN, SERVER)

    code, output = ml_loadtest(project, "run", "--duration", "2s")

    found = result(project)
    assert (code, found["verdict"]) == (0, "inconclusive"), output
    assert found["reasons"][0]["code"] == "base-unavailable"
    assert "could not be measured" in found["reasons"][0]["text"]
    assert found["measurement"]["endpoints"]
    assert clean(project)


def test_a_base_that_does_not_start_leaves_the_judgement_to_the_baseline(repository):
    project = repository(BROKEN, SERVER)
    quick = ("--duration", "2s")
    code, output = ml_loadtest(project, "calibrate", "--runs", "1", *quick)
    assert code == 0, output

    code, output = ml_loadtest(project, "run", *quick)

    found = result(project)
    assert code == 0, output
    assert found["compared"]["against"].startswith("1 run")
    assert found["reasons"][-1]["code"] == "base-unavailable"
    assert "committed baseline was used instead" in found["reasons"][-1]["text"]


def test_a_base_that_dies_while_it_is_measured_accuses_nobody(repository):
    dying = SERVER.replace('os.environ.get("DIE_AFTER")', "True").replace('os.environ["DIE_AFTER"]', '"200"')
    project = repository(dying, SLOWER)

    code, output = ml_loadtest(project, "run", "--duration", "5s")

    found = result(project)
    assert found["verdict"] == "inconclusive", output
    assert "base failed while it was measured" in found["reasons"][0]["text"]
    assert code == 0
    assert clean(project)


def test_a_candidate_that_dies_has_failed(repository):
    dying = SERVER.replace('os.environ.get("DIE_AFTER")', "True").replace('os.environ["DIE_AFTER"]', '"200"')
    project = repository(SERVER, dying)

    code, output = ml_loadtest(project, "run", "--duration", "5s")

    assert (code, result(project)["verdict"]) == (1, "limit-exceeded"), output
    assert clean(project)


def test_prepare_runs_in_the_bases_checkout_and_carry_brings_what_git_does_not_have(repository):
    needs = SERVER + "\n"
    needs = needs.replace("import os, sys, time", "import os, sys, time\nopen('model.bin'); open('prepared')")
    more = "compare: {with: base, base-ref: base, prepare: touch prepared, carry: [model.bin]}"
    config = CONFIG.replace("compare: {with: base, base-ref: base, max-looks: 2}", more)
    project = repository(needs, SERVER, config)
    (project / "model.bin").write_text("weights")
    (project / ".gitignore").write_text("results\ntmp\n__pycache__\nmodel.bin\n")
    git(project, "commit", "-qam", "ignore")

    code, output = ml_loadtest(project, "run", "--duration", "2s", "--max-looks", "1")

    found = result(project)
    assert code == 0, output
    assert "side by side" in found["compared"]["against"], output
    assert not (project / "prepared").exists()
    assert clean(project)


LOGIN = (
    USERS
    + """
    def on_start(self):
        self.client.get("/login")
"""
)
WITHOUT_LOGIN = SERVER.replace("status = 500 if", "status = 404 if self.path == '/login' else 500 if")
STOPS = LOGIN.replace('self.client.get("/login")', 'self.client.get("/login").raise_for_status()')


def test_users_that_the_base_lets_not_begin_are_not_the_candidates_fault(repository):
    """A pull request brings a route and a locustfile that needs it."""
    project = repository(WITHOUT_LOGIN, SERVER)
    (project / "users.py").write_text(STOPS)
    git(project, "commit", "-qam", "login")

    code, output = ml_loadtest(project, "run", "--duration", "2s")

    found = result(project)
    assert (code, found["verdict"]) == (0, "inconclusive"), output
    assert "base failed while it was measured" in found["reasons"][0]["text"]
    assert not found["faults"]


def test_users_that_the_candidate_lets_not_begin_are_its_fault(repository):
    project = repository(SERVER, WITHOUT_LOGIN)
    (project / "users.py").write_text(STOPS)
    git(project, "commit", "-qam", "login")

    code, output = ml_loadtest(project, "run", "--duration", "2s")

    assert (code, result(project)["verdict"]) == (1, "limit-exceeded"), output


def computing(times):
    """A service that computes for so many times 4 ms before each answer, by the clock of its own processor time."""
    burn = f"until = time.thread_time() + {0.004 * times}\n        while time.thread_time() < until: pass"
    return SERVER.replace('time.sleep(0.004 + float(os.environ.get("DELAY_MS", "0")) / 1000)', burn)


def test_a_candidate_that_computes_a_fifth_more_is_found_by_its_cpu_time(repository):
    """What the server and Python need besides is part of each request, so that the rise is a little less than the work's."""
    more = "\nthresholds: [{endpoint: (service), cpu-per-request: {max-increase: 5%}}]\n"
    project = repository(computing(1.0), computing(1.2), CONFIG + more)

    code, output = ml_loadtest(project, "run", "--duration", "13s")

    found = result(project)
    assert (code, found["verdict"]) == (1, "regression"), output
    cpu = rows(found)["(service)", "cpu-per-request"]
    assert (cpu["status"], cpu["gated"]) == ("regressed", True)
    assert 0.08 < cpu["change"] < 0.25
    assert 0 < cpu["interval"][0] < cpu["change"] < cpu["interval"][1]
    assert 4.0 < cpu["baseline"] < 8.0
    assert "CPU time for each success of `(service)` rose" in (project / "results/summary.md").read_text()
    assert clean(project)


def test_a_candidate_that_waits_longer_has_the_cpu_time_it_had_and_nothing_is_judged_by_it(repository):
    project = repository(SERVER, SLOWER)

    ml_loadtest(project, "run", "--duration", "13s", "--max-looks", "1")

    found = result(project)
    cpu = rows(found)["(service)", "cpu-per-request"]
    assert (cpu["status"], cpu["gated"]) == ("reported", False)
    assert cpu["baseline"] > 0
    assert cpu["interval"][0] < cpu["change"] < cpu["interval"][1]


def test_without_time_for_another_look_an_early_one_accuses_nobody(repository):
    project = repository(SERVER, SLOWER)

    code, output = ml_loadtest(project, "run", "--duration", "13s", "--timeout", "60s")

    found = result(project)
    assert (code, found["verdict"]) == (0, "inconclusive"), output
    assert len(found["looks"]) == 1
    assert "there was no time for another look" in found["reasons"][0]["text"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--base-ref", "nowhere"), "there is no commit 'nowhere'"),
        (("--stages", "2x2s, 4x2s"), "`stages` are not measured in turns"),
        (("--base-ref", "main"), "is the commit that is checked out"),
        (("--carry", "nothing/"), "`carry`: 'nothing/' cannot be carried over"),
    ],
)
def test_what_cannot_be_compared_is_a_mistake_in_the_settings(repository, more, said):
    project = repository(SERVER, SERVER)

    code, output = ml_loadtest(project, "run", *more)

    assert code == 2, output
    assert said in output.replace("\n", " ")
    assert clean(project)


def test_check_names_the_base_and_how_long_it_may_take(repository):
    project = repository(SERVER, SERVER)

    code, output = ml_loadtest(project, "check")

    assert code == 0, output
    assert f"the base commit {git(project, 'rev-parse', 'base')[:12]}, side by side, up to 2 looks" in output.replace(
        "\n", " "
    )
