"""What the documents say is what the code does."""

import importlib
import importlib.util
import json
import re
import tomllib
from pathlib import Path

import jsonschema
import pytest
import yaml

from entrypoint import __version__
from entrypoint.settings.keys import INPUTS, all_keys
from entrypoint.settings.schema import schema
from scripts.documented import workflows
from scripts.tables import pages

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(("page", "wanted"), pages().items(), ids=lambda value: getattr(value, "name", ""))
def test_tables_are_as_the_code_makes_them(page, wanted):
    assert page.read_text() == wanted, "run: python -m scripts.tables"


def test_every_setting_input_and_metric_is_in_a_table():
    settings = (ROOT / "docs/settings.md").read_text()
    readme = (ROOT / "README.md").read_text()

    assert all(f"`{key.flag}`" in settings for key in all_keys())
    assert all(f"| `{name}` |" in readme for name in INPUTS)


def test_what_contributing_has_people_start_can_be_started():
    modules = set(re.findall(r"python -m ([\w.]+)", (ROOT / "CONTRIBUTING.md").read_text()))
    assert {"scripts.preview", "tests.report.pictures", "benchmarks.trust"} <= modules
    for name in modules:
        found = importlib.util.find_spec(f"{name}.__main__") if (ROOT / name.replace(".", "/")).is_dir() else None
        importlib.import_module(found.name if found else name)


def test_the_readme_s_picture_says_what_its_comment_says():
    readme = (ROOT / "README.md").read_text()
    first = (ROOT / "docs/images/comment.md").read_text().split("\n", 1)[0].replace("\u00a0", " ")

    assert f'<img alt="{first.removeprefix("### ").replace("`", "")}"' in readme
    for name in re.findall(r"docs/images/comment-\w+\.png", readme):
        assert (ROOT / name).stat().st_size < 300_000


@pytest.mark.parametrize(
    "path", [*sorted(ROOT.glob("examples/*/loadtest.yml")), ROOT / "entrypoint/templates/loadtest.yml"], ids=str
)
def test_every_settings_file_of_ours_fits_the_schema(path):
    text = (
        path.read_text().replace("{compose-file}", "compose.yml").replace("{service}", "api").replace("{port}", "8000")
    )

    jsonschema.validate(yaml.safe_load(text), schema())


@pytest.mark.parametrize(
    "wrong",
    [
        {"service": {"comand": "x"}},
        {"load": {"users": "many"}},
        {"thresholds": [{"p77": {}}]},
        {"compare": {"with": "luck"}},
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(wrong):
    right = {"service": {"command": "x"}, "load": {"locustfile": "a.py"}}
    jsonschema.validate(right, schema())

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(
            {
                **right,
                **{
                    key: {**right.get(key, {}), **part} if isinstance(part, dict) else part
                    for key, part in wrong.items()
                },
            },
            schema(),
        )


def test_the_version_is_the_same_everywhere():
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == __version__


def test_every_dependency_has_a_line_that_says_what_it_is_for():
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    table = (ROOT / "docs/design.md").read_text().split("## Dependencies")[1]

    for requirement in [*wanted, "locust"]:
        name = re.split(r"[><=]", requirement)[0]
        assert re.search(rf"^\| .*\b{name}\b.* \|", table, re.MULTILINE | re.IGNORECASE), name


def test_links_between_documents_lead_somewhere():
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*/*.md")]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_locks_name_no_registry_and_have_hashes():
    for lock in (ROOT / "requirements").glob("*.txt"):
        text = lock.read_text()
        assert "://" not in text
        assert text.count("==") <= text.count("--hash=sha256:")


def test_the_committed_baseline_of_an_example_is_one():
    for path in ROOT.glob("examples/*/.loadtest/baseline.json"):
        assert json.loads(path.read_text())["groups"]


SHOWN = {name: yaml.safe_load(text) for name, text in workflows()}  # YAML 1.1 reads the key `on` as true


def test_every_case_has_a_workflow_to_copy():
    triggers = {event for workflow in SHOWN.values() for event in workflow[True]}
    assert {"pull_request", "workflow_run", "push", "merge_group", "schedule", "workflow_dispatch"} <= triggers
    used = {
        step.get("uses")
        for workflow in SHOWN.values()
        for job in workflow["jobs"].values()
        for step in job.get("steps", [])
    }
    assert {"org/ml-loadtest@v1", "org/ml-loadtest/comment@v1"} <= used


@pytest.mark.parametrize("name", SHOWN)
def test_a_workflow_that_is_shown_has_only_the_permissions_it_needs(name):
    for job in SHOWN[name]["jobs"].values():
        steps = job.get("steps", [])
        used = [step.get("uses", "").split("@")[0] for step in steps] + [job.get("uses", "").split("/.github")[0]]
        silent = any(step.get("with", {}).get("github-token") == "" for step in steps)
        checks = any(step.get("with", {}).get("check-run") for step in steps)
        comments = "pull_request" in SHOWN[name][True] or "workflow_run" in SHOWN[name][True]
        wanted = {
            "contents": "read" if "org/ml-loadtest" in used else None,
            "pull-requests": "write" if comments and not silent else None,
            "checks": "write" if checks else None,
            "actions": "read" if "workflow_run" in SHOWN[name][True] else None,
        }
        assert job["permissions"] == {scope: access for scope, access in wanted.items() if access}
    assert SHOWN[name]["permissions"] == {}


def test_the_second_workflow_waits_for_the_first_by_its_name():
    (second,) = (workflow for workflow in SHOWN.values() if "workflow_run" in workflow[True])
    assert second[True]["workflow_run"]["workflows"] == [SHOWN["docs-workflows-1.yml"]["name"]]


def test_the_same_commit_of_an_action_everywhere():
    found: dict[str, set[str]] = {}
    texts = [text for _, text in workflows()]
    texts += [
        path.read_text()
        for path in [*ROOT.glob(".github/workflows/*.yml"), ROOT / "action.yml", ROOT / "comment/action.yml"]
    ]
    for name, commit in re.findall(r"uses: ([\w-]+/[\w-]+)@([0-9a-f]{40} # \S+)", "\n".join(texts)):
        found.setdefault(name, set()).add(commit)
    assert {name: commits for name, commits in found.items() if len(commits) > 1} == {}
    assert len(found) >= 4


def test_a_workflow_that_is_shown_uses_inputs_that_there_are():
    inputs = {
        "org/ml-loadtest@v1": yaml.safe_load((ROOT / "action.yml").read_text())["inputs"],
        "org/ml-loadtest/comment@v1": yaml.safe_load((ROOT / "comment/action.yml").read_text())["inputs"],
    }
    ours = {"loadtest.yml": yaml.safe_load((ROOT / ".github/workflows/loadtest.yml").read_text())}
    steps = [
        step for flow in {**SHOWN, **ours}.values() for job in flow["jobs"].values() for step in job.get("steps", [])
    ]
    used = [step for step in steps if step.get("uses") in inputs]
    assert len(used) >= 8
    for step in used:
        assert set(step.get("with", {})) <= set(inputs[step["uses"]])
