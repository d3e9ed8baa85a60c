"""The steps of action.yml, with a conductor that only notes how it is called."""

import json
from pathlib import Path

import pytest

from .machine import TOKEN, Machine
from .step_runner import Cancel

PATIENT = {"sigterm_s": 5.0, "sigkill_s": 1.0}


def calls(machine: Machine) -> list[dict]:
    noted = machine.temp / "calls.jsonl"
    return [json.loads(line) for line in noted.read_text().splitlines()] if noted.exists() else []


def commands(machine: Machine) -> list[str]:
    return [call["command"] for call in calls(machine)]


def outcomes(done) -> dict[str, str]:
    return {step.name: step.outcome for step in done.steps}


def test_a_run_that_passes(rehearsal):
    done = rehearsal.run_action()
    assert outcomes(done) == {
        "Set up Python": "success",
        "Install ml-loadtest": "success",
        "Fetch the base": "skipped",
        "Run the load test": "success",
        "Take the service down": "success",
        "Upload the results": "success",
        "Comment on the pull request": "success",
    }
    assert commands(rehearsal) == ["run", "teardown", "comment"]
    assert done.conclusion == "success"
    results = Path(done.step("run").outputs["results"])
    assert done.outputs == {
        "verdict": "pass",
        "regressions": "0",
        "result": str(results / "result.json"),
        "report": str(results / "report.html"),
        "comment-url": "https://github.com/org/service/pull/7#issuecomment-1",
    }
    assert done.annotations == []


def test_nothing_is_left_in_the_callers_job(rehearsal):
    (rehearsal.workspace / "kept").touch()
    done = rehearsal.run_action()
    assert (done.leaked_environ, done.leaked_path, done.orphans) == ({}, [], [])
    assert [path.name for path in rehearsal.workspace.iterdir()] == ["kept"]


def test_results_are_uploaded_and_the_comment_links_them(rehearsal):
    done = rehearsal.run_action()
    (upload,) = rehearsal.uploads
    assert (upload.name, upload.files) == ("ml-loadtest-fake", ["report.html", "result.json"])
    comment = calls(rehearsal)[-1]
    assert comment["arguments"] == ["--from", done.step("run").outputs["results"]]
    assert comment["environ"]["LT_ARTIFACT_URL"].endswith("/artifacts/1")


def test_two_runs_in_one_job_keep_their_results_apart(rehearsal):
    first, second = rehearsal.run_action(), rehearsal.run_action()
    assert first.outputs["result"] != second.outputs["result"]
    assert Path(first.outputs["result"]).exists()


def test_inputs_arrive_as_variables_and_a_matrix_with_them(rehearsal):
    rehearsal.run_action({"suite": "$(touch x) 'y'", "users": "30"}, matrix={"model": "small"})
    environ = calls(rehearsal)[0]["environ"]
    assert (environ["LT_SUITE"], environ["LT_USERS"], environ["LT_PORT"]) == ("$(touch x) 'y'", "30", "")
    assert json.loads(environ["LT_MATRIX"]) == {"model": "small"}


def test_the_token_reaches_the_comment_alone(rehearsal):
    done = rehearsal.run_action()
    run, teardown, comment = calls(rehearsal)
    assert comment["environ"]["LT_GITHUB_TOKEN"] == TOKEN
    assert TOKEN not in json.dumps([run, teardown])
    assert TOKEN not in done.log


def test_the_conductor_is_ours_whatever_lies_in_the_checkout_or_the_environment(rehearsal):
    for name in ("json.py", "entrypoint.py", "sitecustomize.py"):
        (rehearsal.workspace / name).write_text("raise SystemExit('the checkout won')")
    hostile = str(rehearsal.workspace)
    rehearsal.environ |= {"PYTHONPATH": hostile, "PYTHONHOME": hostile}
    assert rehearsal.run_action().conclusion == "success"
    for call in calls(rehearsal):
        assert call["safe_path"]
        assert call["environ"]["PYTHONPATH"] == str(rehearsal.action)
        assert call["prefix"] == str(rehearsal.temp / "ml-loadtest/conductor")


def test_the_working_directory_is_honoured(rehearsal):
    (rehearsal.workspace / "services/api").mkdir(parents=True)
    rehearsal.run_action({"working-directory": "services/api"})
    run, teardown, _ = calls(rehearsal)
    assert run["cwd"] == teardown["cwd"] == str(rehearsal.workspace / "services/api")


def test_a_working_directory_that_is_not_there_is_named(rehearsal):
    done = rehearsal.run_action({"working-directory": "nowhere"})
    assert done.conclusion == "failure"
    assert "nowhere" in done.annotations[0].message
    assert commands(rehearsal) == []


@pytest.mark.parametrize("code", ["1", "2", "3", "70"])
def test_a_run_that_fails_is_taken_down_uploaded_and_commented_all_the_same(rehearsal, code):
    done = rehearsal.run_action(environ={"FAKE_EXIT": code, "FAKE_VERDICT": "regression"})
    assert done.conclusion == "failure"
    assert done.outputs["verdict"] == "regression"
    assert done.step("run").exit_code == int(code)
    assert commands(rehearsal) == ["run", "teardown", "comment"]
    assert len(rehearsal.uploads) == 1
    assert [each.message for each in done.annotations] == [f"Process completed with exit code {code}."]


def test_a_cancelled_run_hears_of_it_and_is_taken_down(rehearsal):
    done = rehearsal.run_action(environ={"FAKE_HANGS": "1"}, cancel=Cancel("run", "measuring", **PATIENT))
    assert done.conclusion == "cancelled"
    assert done.step("run").ran_s < 5
    assert calls(rehearsal)[0]["stopped_by"] == "SIGINT"
    assert commands(rehearsal) == ["run", "teardown", "comment"]
    assert done.outputs["verdict"] == "invalid"
    assert done.orphans == []


def test_the_teardown_ignores_signals_and_the_others_do_not(rehearsal):
    rehearsal.run_action()
    assert {call["command"]: call["ignores"] for call in calls(rehearsal)} == {
        "run": [],
        "teardown": ["SIGINT", "SIGTERM"],
        "comment": [],
    }


def test_the_teardown_finishes_after_a_steps_own_timeout(rehearsal):
    cancel = Cancel("run", "measuring", step_timeout=True, **PATIENT)
    rehearsal.run_action(environ={"FAKE_HANGS": "1", "FAKE_SLOW_TEARDOWN": "1"}, cancel=cancel)
    assert any(call["command"] == "teardown" and call.get("finished") for call in calls(rehearsal))


def test_an_installation_that_fails_says_so_and_nothing_masks_it(tmp_path, faked):
    machine = Machine(tmp_path, action=faked[0], python="/nowhere/python")
    machine.environ["PATH"] = "/usr/bin:/bin"  # no uv
    done = machine.run_action()
    assert [name for name, outcome in outcomes(done).items() if outcome != "skipped"] == [
        "Set up Python",
        "Install ml-loadtest",
    ]
    assert done.conclusion == "failure"
    assert done.annotations[0].message.startswith("The installation failed.")
    assert len(done.annotations) == 2  # and the runner's own


def test_no_artifact_if_none_is_wanted(rehearsal):
    done = rehearsal.run_action({"artifact": "false"})
    assert outcomes(done)["Upload the results"] == "skipped"
    assert calls(rehearsal)[-1]["environ"]["LT_ARTIFACT_URL"] == ""


def test_broken_storage_fails_no_build(rehearsal):
    rehearsal.storage_broken = True
    done = rehearsal.run_action()
    assert done.conclusion == "success"
    assert commands(rehearsal)[-1] == "comment"


def test_an_empty_token_is_given_as_it_is(rehearsal):
    """The measuring job of the reusable workflow has none."""
    rehearsal.run_action({"github-token": ""})
    assert calls(rehearsal)[-1]["environ"]["LT_GITHUB_TOKEN"] == ""


def test_the_install_step_makes_what_the_conductor_needs(environments):
    assert (environments / "conductor/bin/python").exists()
    assert (environments / "conductor-locust/bin/locust").exists()
