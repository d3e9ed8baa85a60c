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
        "Open the check run": "success",
        "Run the load test": "success",
        "Take the service down": "success",
        "Upload the results": "success",
        "Comment on the pull request": "success",
    }
    assert commands(rehearsal) == ["open-check-run", "run", "teardown", "comment"]
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
    environ = calls(rehearsal)[1]["environ"]
    assert (environ["LT_SUITE"], environ["LT_USERS"], environ["LT_PORT"]) == ("$(touch x) 'y'", "30", "")
    assert json.loads(environ["LT_MATRIX"]) == {"model": "small"}


def test_the_token_reaches_check_run_and_comment_alone(rehearsal):
    done = rehearsal.run_action()
    opened, run, teardown, comment = calls(rehearsal)
    assert opened["environ"]["LT_GITHUB_TOKEN"] == comment["environ"]["LT_GITHUB_TOKEN"] == TOKEN
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
        assert call["prefix"] == str(rehearsal.temp / "ml-loadtest/conductor")


def test_the_working_directory_is_honoured(rehearsal):
    (rehearsal.workspace / "services/api").mkdir(parents=True)
    rehearsal.run_action({"working-directory": "services/api"})
    opened, run, teardown, _ = calls(rehearsal)
    assert opened["cwd"] == run["cwd"] == teardown["cwd"] == str(rehearsal.workspace / "services/api")


def test_a_working_directory_that_is_not_there_is_named(rehearsal):
    done = rehearsal.run_action({"working-directory": "nowhere"})
    assert done.conclusion == "failure"
    assert "nowhere" in done.annotations[0].message
    assert commands(rehearsal) == ["comment"]


@pytest.mark.parametrize("code", ["1", "2", "3", "70"])
def test_a_run_that_fails_is_taken_down_uploaded_and_commented_all_the_same(rehearsal, code):
    done = rehearsal.run_action(environ={"FAKE_EXIT": code, "FAKE_VERDICT": "regression"})
    assert done.conclusion == "failure"
    assert done.outputs["verdict"] == "regression"
    assert done.step("run").exit_code == int(code)
    assert commands(rehearsal) == ["open-check-run", "run", "teardown", "comment"]
    assert len(rehearsal.uploads) == 1
    assert [each.message for each in done.annotations] == [f"Process completed with exit code {code}."]


def test_a_cancelled_run_hears_of_it_and_is_taken_down(rehearsal):
    done = rehearsal.run_action(environ={"FAKE_HANGS": "1"}, cancel=Cancel("run", "measuring", **PATIENT))
    assert done.conclusion == "cancelled"
    assert done.step("run").ran_s < 5
    assert calls(rehearsal)[1]["stopped_by"] == "SIGINT"
    assert commands(rehearsal) == ["open-check-run", "run", "teardown", "comment"]
    assert done.outputs["verdict"] == "invalid"
    assert done.orphans == []


def test_teardown_and_comment_ignore_signals_and_the_others_do_not(rehearsal):
    rehearsal.run_action()
    assert {call["command"]: call["ignores"] for call in calls(rehearsal)} == {
        "open-check-run": [],
        "run": [],
        "teardown": ["SIGINT", "SIGTERM"],
        "comment": ["SIGINT", "SIGTERM"],
    }


@pytest.mark.parametrize("command", ["teardown", "comment"])
def test_what_must_not_be_left_open_finishes_after_a_steps_own_timeout(rehearsal, command):
    cancel = Cancel("run", "measuring", step_timeout=True, **PATIENT)
    rehearsal.run_action(environ={"FAKE_HANGS": "1", "FAKE_SLOW": command}, cancel=cancel)
    assert any(call["command"] == command and call.get("finished") for call in calls(rehearsal))


def test_the_check_run_that_was_opened_is_handed_to_the_comment_with_the_runs_outcome(rehearsal):
    rehearsal.run_action({"check-run": "true"}, environ={"FAKE_EXIT": "1"})
    opened, run, _, comment = calls(rehearsal)
    assert opened["environ"]["LT_CHECK_RUN"] == run["environ"]["LT_CHECK_RUN"] == "true"
    assert (comment["environ"]["LT_CHECK_RUN_ID"], comment["environ"]["LT_OUTCOME"]) == ("ml-loadtest-fake", "failure")


def test_a_check_run_is_closed_if_the_run_never_began(rehearsal):
    done = rehearsal.run_action({"check-run": "true"}, cancel=Cancel("check", "opening"), environ={"FAKE_OPENING": "1"})
    assert done.conclusion == "cancelled"
    assert commands(rehearsal) == ["open-check-run", "comment"]
    comment = calls(rehearsal)[-1]["environ"]
    assert (comment["LT_CHECK_RUN_ID"], comment["LT_OUTCOME"]) == ("ml-loadtest-fake", "skipped")


def test_opening_a_check_run_fails_no_build(rehearsal):
    done = rehearsal.run_action({"check-run": "true"}, environ={"FAKE_OPENING": "crash"})
    assert done.conclusion == "success"
    assert commands(rehearsal) == ["open-check-run", "run", "teardown", "comment"]


def test_no_step_for_a_check_run_that_is_refused(rehearsal):
    assert outcomes(rehearsal.run_action({"check-run": "false"}))["Open the check run"] == "skipped"


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
