"""A pull request that edits the baseline it is judged by: used, and said so with old and new figures."""

import json

from tests.line.test_run import ml_loadtest, nothing_left, project, result  # noqa: F401 (a fixture)
from tests.line.test_side_by_side import git

QUICK = ("--duration", "2s", "--warm-up", "1s")
BASELINE = ".loadtest/baseline.json"


def event(folder, base):
    """The job of a pull request from the branch's head, in a checkout that knows the base."""
    path = folder / ".git" / "event.json"
    path.write_text(json.dumps({"pull_request": {"number": 7, "base": {"sha": base}, "head": {"sha": head(folder)}}}))
    return {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": str(path)}


def head(folder):
    return git(folder, "rev-parse", "HEAD")


def committed(folder, message):
    git(folder, "add", ".")
    git(folder, "commit", "-qm", message)
    return head(folder)


def scaled(folder, times):
    """The baseline with all its figures multiplied, as somebody would who wants a slower service to pass."""
    path = folder / BASELINE
    values = json.loads(path.read_text())
    for run in values["groups"][0]["runs"]:
        for endpoint in run["endpoints"].values():
            endpoint["values"] = {key: value * times for key, value in endpoint["values"].items()}
    path.write_text(json.dumps(values))


def test_old_and_new_figures_stand_at_the_top(project):  # noqa: F811
    git(project, "init", "-q", "-b", "main")
    (project / ".gitignore").write_text("results\ntmp\n__pycache__\n")
    assert ml_loadtest(project, "run", *QUICK)[0] == 0
    assert ml_loadtest(project, "accept")[0] == 0
    base = committed(project, "base")

    (project / "unrelated.txt").write_text("")
    committed(project, "touches something else")
    code, output = ml_loadtest(project, "run", *QUICK, **event(project, base))
    assert code == 0, output
    assert not any("baseline that it is judged by" in said for said in result(project)["compared"]["caveats"])

    scaled(project, 10.0)
    committed(project, "makes room")
    code, output = ml_loadtest(project, "run", *QUICK, **event(project, base))
    assert code == 0, output
    (said,) = (said for said in result(project)["compared"]["caveats"] if "baseline that it is judged by" in said)
    assert "p50 of GET /predict from " in said
    assert "(+900 %)" in said or "×10" in said
    comment = (project / "results" / "comment.md").read_text()
    assert comment.index("changes the baseline that it is judged by") < comment.index("<details>")

    (project / BASELINE).unlink()
    committed(project, "looks the other way")
    code, output = ml_loadtest(project, "run", *QUICK, **event(project, base))
    assert (code, result(project)["verdict"]) == (0, "no-baseline"), output
    assert "This pull request removes the baseline" in (project / "results" / "comment.md").read_text()
    assert nothing_left(project)
