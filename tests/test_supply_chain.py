"""What we install is locked, known and listed; what looks it up fails when it looked up nothing."""

import json
import re
import sys
from pathlib import Path

import pytest
import yaml

from scripts import licences
from scripts.audit import audit, batches, findings, pins

ROOT = Path(__file__).parents[1]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_package_is_one_version_with_hashes_and_nothing_names_a_registry(lock):
    text = lock.read_text()
    entries = re.split(r"\n(?=[A-Za-z])", text)

    assert all("==" in entry and "--hash=sha256:" in entry for entry in entries)
    assert "://" not in text
    assert len(pins(text)) == len(entries)


def test_every_lock_is_made_by_make_lock_and_watched_by_dependabot():
    recipe = (ROOT / "Makefile").read_text().partition("\nlock:")[2].partition("\n\n")[0]
    updates = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text())["updates"]

    assert {path.name for path in LOCKS} == set(re.findall(r"-o requirements/(\S+)", recipe))
    assert all(update["cooldown"]["default-days"] >= 7 for update in updates)
    assert {"/requirements", "/"} <= {update["directory"] for update in updates}


def test_the_list_of_licences_is_that_of_what_is_installed():
    table = licences.FILE.read_text().partition("| --- |")[2]
    listed = dict(re.findall(r"^\| ([a-z][a-z0-9-]*) \| ([^|]+) \|", table, re.MULTILINE))
    found = {name: licence for name, (licence, _) in licences.rows().items()}

    assert found.keys() <= listed.keys()
    assert all(found.values()), "a package without a licence"
    if sys.version_info[:2] == (3, 11):  # other versions of Python have other versions of some packages
        assert found == listed


def report(**packages):
    return json.dumps({"dependencies": [{"name": name, **said} for name, said in packages.items()], "fixes": []})


def test_an_audit_that_looked_everything_up_and_found_nothing_is_content():
    assert findings({"click": "8.5.1"}, report(click={"version": "8.5.1", "vulns": []})) == []


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (report(click={"skip_reason": "no such database"}), "click 8.5.1 was not looked up: no such database"),
        (report(), "click 8.5.1 was not looked up: pip-audit does not say why"),
        (report(click={"version": "8.5.0", "vulns": []}), "click 8.5.1 was not looked up"),
        (
            report(click={"version": "8.5.1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["8.5.2"]}]}),
            "click 8.5.1 has PYSEC-1, mended in 8.5.2",
        ),
    ],
)
def test_an_audit_fails_for_what_is_vulnerable_and_for_what_was_skipped(told, said):
    (line,) = findings({"click": "8.5.1"}, told)

    assert line.startswith(said)


@pytest.mark.parametrize("program", ["true", "false"])
def test_an_audit_that_says_nothing_has_failed(program):
    assert "could not audit 1 packages" in audit(program, {"click": "8.5.1"})[0]


def test_every_version_of_every_platform_is_audited():
    lock = (
        "numpy==2.4.0 ; python_full_version < '3.12' \\\n    --hash=sha256:00\n"
        "numpy==2.5.0 ; python_full_version >= '3.12' \\\n    --hash=sha256:00\n"
        "pywin32==311 ; sys_platform == 'win32' \\\n    --hash=sha256:00\n    # via locust\n"
    )

    assert pins(lock) == [("numpy", "2.4.0"), ("numpy", "2.5.0"), ("pywin32", "311")]
    audited = [pin for batch in batches(pins(lock)) for pin in batch.items()]
    assert sorted(audited) == pins(lock)


def test_every_action_is_pinned_by_commit_in_every_workflow():
    used = [
        line.split("uses:")[1].strip()
        for path in [*ROOT.glob(".github/workflows/*.yml"), ROOT / "action.yml", ROOT / "comment/action.yml"]
        for line in path.read_text().splitlines()
        if re.match(r"\s*(- )?uses:", line)
    ]
    foreign = [use for use in used if not use.startswith(("./", "org/ml-loadtest"))]

    assert len(foreign) > 10
    assert [use for use in foreign if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use)] == []


def test_a_release_is_attested_before_it_is_made():
    jobs = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text())["jobs"]
    steps = jobs["publish"]["steps"]
    attesting = [number for number, step in enumerate(steps) if step.get("uses", "").startswith("actions/attest@")]
    (making,) = [number for number, step in enumerate(steps) if "gh release create" in step.get("run", "")]

    assert len(attesting) == 3
    assert max(attesting) < making
    assert sum("sbom-path" in steps[number]["with"] for number in attesting) == 2
    assert "dist/*" in steps[making]["run"]


def test_what_is_promised_is_shown_by_tests_that_are_there():
    page = (ROOT / "docs/security.md").read_text().partition("## What is promised")[2].partition("\n## ")[0]
    rows = [line for line in page.splitlines() if line.startswith("| ") and "| --- |" not in line][1:]
    named = [re.findall(r"`((?:tests|\.github)/[\w./-]*|test_\w+\.py)`", row.split(" | ")[-1]) for row in rows]

    assert len(rows) > 10
    assert all(named), "a promise without a test"
    assert [
        name for names in named for name in names if not (ROOT / name).exists() and not list(ROOT.rglob(name))
    ] == []


def test_no_finding_of_the_security_rules_is_silenced_without_a_reason():
    listed = [*ROOT.glob("entrypoint/**/*.py"), *ROOT.glob("locustfiles/**/*.py")]
    silenced = [
        line for path in listed for line in path.read_text().splitlines() if re.search(r"# noqa:.*\bS\d+", line)
    ]

    assert len(silenced) > 3
    assert [line for line in silenced if not re.search(r"# noqa: [A-Z0-9, ]+\(.+\)", line)] == []
