"""What action.yml promises, joined to the settings it hands over and to the rules of the runner."""

import re
from typing import Any

import pytest
import yaml

from entrypoint.settings.keys import ACTION_INPUTS, INPUTS, all_keys

from .machine import ROOT

COMMENT_TEXT = (ROOT / "comment/action.yml").read_text(encoding="utf-8")
COMMENT: dict[str, Any] = yaml.safe_load(COMMENT_TEXT)
TEXT = (ROOT / "action.yml").read_text(encoding="utf-8")
ACTION: dict[str, Any] = yaml.safe_load(TEXT)
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]
SCRIPTS = [step for step in STEPS if "run" in step]
KEYS = {key.name: key for key in all_keys() if key.input}
RUN = next(step for step in STEPS if step.get("id") == "run")


def conductor(step: dict[str, Any]) -> str:
    """The command of ours that a step runs, or ""."""
    found = re.search(r"start\.py\" (\S+)", step.get("run", ""))
    return found[1] if found else ""


def test_inputs_are_those_of_the_settings():
    assert set(ACTION["inputs"]) == {*INPUTS, *ACTION_INPUTS}


def test_every_input_is_empty_unless_given_but_the_token():
    defaults = {name: spec["default"] for name, spec in ACTION["inputs"].items()}
    assert defaults.pop("github-token") == "${{ github.token }}"
    assert set(defaults.values()) == {""}
    assert not any(spec["required"] for spec in ACTION["inputs"].values())


@pytest.mark.parametrize("name", INPUTS)
def test_an_input_reaches_the_run_step(name):
    value = RUN["env"][KEYS[name].variable]
    assert re.search(rf"\binputs\.{name} }}}}$", value)


def test_the_run_step_is_handed_nothing_that_the_settings_do_not_know():
    known = {key.variable for key in KEYS.values()} | {"LT_CONFIG", "LT_ARTIFACT", "LT_MATRIX"}
    assert {name for name in RUN["env"] if name.startswith("LT_")} == known


@pytest.mark.parametrize("name", [*INPUTS, *ACTION_INPUTS])
def test_a_description_is_one_sentence(name):
    description = ACTION["inputs"][name]["description"]
    assert re.fullmatch(r"[A-Z][^\n]*\.", description)
    assert not re.search(r"\. [A-Z]", description)


@pytest.mark.parametrize("name", INPUTS)
def test_a_description_names_every_value_that_the_settings_name(name):
    named = re.findall(r"`[^`]+`", KEYS[name].help)
    assert [value for value in named if value not in ACTION["inputs"][name]["description"]] == []


def test_outputs():
    assert {name: output["value"] for name, output in ACTION["outputs"].items()} == {
        "verdict": "${{ steps.run.outputs.verdict }}",
        "regressions": "${{ steps.run.outputs.regressions }}",
        "result": "${{ steps.run.outputs.result }}",
        "report": "${{ steps.run.outputs.report }}",
        "comment-url": "${{ steps.comment.outputs.comment-url }}",
    }


def test_the_steps_in_their_order():
    assert [step["name"] for step in STEPS] == [
        "Set up Python",
        "Install ml-loadtest",
        "Fetch the base",
        "Open the check run",
        "Run the load test",
        "Take the service down",
        "Upload the results",
        "Comment on the pull request",
    ]


def test_the_last_three_run_however_the_run_ended_and_only_they():
    assert [step.get("if", "").startswith("always() && ") for step in STEPS] == [*[False] * 5, *[True] * 3]


def test_conditions_are_trivial():
    """One that errs ends the action, cleaning up included."""
    operand = r"(always\(\)|(inputs|steps\.\w+\.outputs)\.[a-z-]+ (==|!=) '[a-z]*')"
    for condition in (step["if"] for step in STEPS if "if" in step):
        assert re.fullmatch(rf"{operand}( && {operand})*", condition)


def test_no_expression_is_pasted_into_a_script():
    assert [step["name"] for step in SCRIPTS if "${{" in step["run"]] == []


def test_nested_actions_are_pinned_by_commit_with_the_version_beside_it():
    uses = re.findall(r"^ *uses: (.*)$", TEXT + COMMENT_TEXT, flags=re.MULTILINE)
    assert len(uses) == len([step for step in [*STEPS, *COMMENT["runs"]["steps"]] if "uses" in step])
    assert [line for line in uses if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []


def test_the_callers_python_is_left_alone():
    assert STEPS[0]["with"] == {"python-version": "3.13", "update-environment": False}


def test_the_token_is_given_to_three_steps():
    given = [step["name"] for step in STEPS if "token" in yaml.safe_dump([step.get("env"), step.get("with")]).lower()]
    assert given == ["Fetch the base", "Open the check run", "Comment on the pull request"]
    assert TEXT.count("github-token }}") == 3
    assert TEXT.count("github.token") == 1


def test_our_programs_replace_bash_and_run_apart_from_the_checkout():
    """A cancelled job signals the step's own process, and bash would keep the signal; -I keeps the caller's modules out."""
    ours = {conductor(step): step["run"].splitlines()[-1] for step in SCRIPTS if conductor(step)}
    assert list(ours) == ["open-check-run", "run", "teardown", "comment"]
    start = r'exec "\$RUNNER_TEMP/ml-loadtest/conductor/bin/python" -I "\$GITHUB_ACTION_PATH/scripts/start.py" '
    assert [last for last in ours.values() if not re.match(start, last)] == []


def test_what_must_not_be_left_open_begins_by_ignoring_signals():
    last = [step["run"] for step in SCRIPTS if conductor(step) in {"teardown", "comment"}]
    assert [script.split("\n")[0] for script in last] == ["trap '' INT TERM"] * 2


def test_the_check_run_is_opened_before_any_code_of_the_pull_request():
    names = [step["name"] for step in STEPS]
    assert names.index("Open the check run") < names.index("Run the load test")
    assert "check-run: true" not in TEXT


def test_the_callers_job_is_not_changed():
    assert not re.search(r"GITHUB_(ENV|PATH)\b", TEXT)
    assert "/tmp" not in TEXT


def test_every_script_says_bash():
    assert {step["shell"] for step in [*SCRIPTS, *COMMENT["runs"]["steps"]] if "run" in step} == {"bash"}


def test_the_action_that_comments_keeps_the_same_rules():
    scripts = [step for step in COMMENT["runs"]["steps"] if "run" in step]
    assert not [step["name"] for step in scripts if "${{" in step["run"]]
    assert "checkout" not in COMMENT_TEXT
    assert "download-artifact" not in COMMENT_TEXT  # it would unpack what anybody may have uploaded
    assert [step["name"] for step in scripts if "token" in yaml.safe_dump(step["env"])] == [
        "Comment on the pull request"
    ]
    assert not re.search(r"GITHUB_(ENV|PATH)\b", COMMENT_TEXT)
    assert {name: entry["default"] for name, entry in COMMENT["inputs"].items()} == {
        "results": "",
        "artifact-url": "",
        "github-token": "${{ github.token }}",
    }
    assert len(COMMENT["description"]) < 125


def test_the_marketplace_can_list_it():
    assert ACTION["branding"]["icon"] in {"activity", "trending-up"}
    assert len(ACTION["description"]) < 125
