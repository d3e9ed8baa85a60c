"""What the documents say is what the code does."""

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
