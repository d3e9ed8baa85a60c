"""A machine of GitHub's on which the whole action runs, any number of times, with its real steps."""

import fcntl
import json
import os
import shutil
import sys
import venv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from .step_runner import ActionRun, Cancel, Job, Nested, NestedFailure, run_composite

ROOT = Path(__file__).parents[2]
TOKEN = "ghs_0123456789abcdefghijklmnopqrstuvwxyz"
PULL_REQUEST = {
    "number": 7,
    "pull_request": {"number": 7, "head": {"sha": "b" * 40, "repo": {"full_name": "org/service"}}},
}
# Of this machine's own environment the job sees all but what belongs to a runner, to us, or to the tests.
_NOT_THE_JOBS = ("GITHUB_", "RUNNER_", "ACTIONS_", "INPUT_", "LT_", "PYTEST_", "PYTHON", "COVERAGE_", "VIRTUAL_ENV")
_FORBIDDEN_IN_NAMES = set('":<>|*?\r\n\\/')


@dataclass(frozen=True)
class Upload:
    """An artifact: its name, and a copy of what was in it."""

    name: str
    folder: Path

    @property
    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())


@dataclass
class Machine:
    """Runs the action as a step of one job.

    Attributes:
        folder: everything of this machine: `work` (the checkout), `temp` (RUNNER_TEMP), `artifacts`.
        action: the folder of action.yml.
        environments: a folder with the environments `conductor` and `conductor-locust`, so that nothing is installed anew;
            None to let the action install them.
        python: what setup-python gives.
        uploads: artifacts so far.
        storage_broken: whether uploads fail.
    """

    folder: Path
    action: Path = ROOT
    environments: Path | None = None
    python: str = sys.executable
    environ: dict[str, str] = field(default_factory=dict)
    uploads: list[Upload] = field(default_factory=list)
    storage_broken: bool = False

    def __post_init__(self) -> None:
        for folder in (self.workspace, self.temp / "ml-loadtest"):
            folder.mkdir(parents=True, exist_ok=True)
        for name in ("conductor", "conductor-locust") if self.environments else ():
            (self.temp / "ml-loadtest" / name).symlink_to(self.environments / name)  # type: ignore[operator]

    @property
    def workspace(self) -> Path:
        return self.folder / "work"

    @property
    def temp(self) -> Path:
        return self.folder / "temp"

    def run_action(
        self,
        inputs: Mapping[str, str] | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        event: Mapping[str, Any] = PULL_REQUEST,
        event_name: str = "pull_request",
        github: Mapping[str, Any] | None = None,
        matrix: Mapping[str, Any] | None = None,
        cancel: Cancel | None = None,
    ) -> ActionRun:
        """Run the action once.

        Args:
            inputs: the calling step's `with:`.
            environ: the calling step's `env:`.
            event, event_name: what started the workflow; a pull request of the same repository if not given.
            github: more of the github context, such as `api_url`.
            matrix: the job's matrix.
            cancel: when the job is cancelled, if it is.
        """
        job = self._job(environ or {}, event, event_name, github or {}, matrix)
        uses = {"actions/setup-python": self._set_up_python, "actions/upload-artifact": self._upload}
        return run_composite(self.action, inputs or {}, job, uses, cancel)

    def run_alone(
        self, command: str, *, environ: Mapping[str, str], event: Mapping[str, Any], github: Mapping[str, Any]
    ) -> ActionRun:
        """Run one command of the conductor as a step of a job that does not use the action."""
        python = '"$RUNNER_TEMP/ml-loadtest/conductor/bin/python"'
        step = {"shell": "bash", "run": f"exec {python} -I {ROOT}/scripts/start.py {command}"}
        folder = self.folder / "alone"
        folder.mkdir()
        definition = {"inputs": {}, "runs": {"using": "composite", "steps": [step]}}
        (folder / "action.yml").write_text(yaml.safe_dump(definition), encoding="utf-8")
        return run_composite(folder, {}, self._job(environ, event, "pull_request", github, None), {})

    def _job(
        self,
        environ: Mapping[str, str],
        event: Mapping[str, Any],
        event_name: str,
        github: Mapping[str, Any],
        matrix: Mapping[str, Any] | None,
    ) -> Job:
        event_path = self.folder / "event.json"
        event_path.write_text(json.dumps(event), encoding="utf-8")
        context = {
            "token": TOKEN, "event": event, "event_name": event_name, "event_path": str(event_path), "workflow": "CI",
            "repository": "org/service", "run_id": "1234", "run_attempt": "1", "run_number": "56", "job": "loadtest",
            "actor": "somebody", "sha": "a" * 40, "ref": "refs/pull/7/merge", "head_ref": "topic", "base_ref": "main",
            "api_url": "https://api.github.com", **github,
        }  # fmt: skip
        return Job(self.workspace, self.temp, {**_surroundings(), **self.environ, **environ}, context, matrix)

    def _set_up_python(self, step: Nested) -> dict[str, str]:
        assert step.inputs["update-environment"] == "false", "the caller's own Python would be changed"
        return {"python-path": self.python, "python-version": step.inputs["python-version"]}

    def _upload(self, step: Nested) -> dict[str, str]:
        name, source = step.inputs["name"], Path(step.inputs["path"])
        if self.storage_broken:
            raise NestedFailure("Failed to CreateArtifact: 503")
        if not name or _FORBIDDEN_IN_NAMES & set(name):
            raise NestedFailure(f"The artifact name is not valid: {name}")
        if not any(path.is_file() for path in source.rglob("*")):
            return {}  # upload-artifact warns and goes on
        copy = self.folder / "artifacts" / f"{len(self.uploads)}"
        hidden = shutil.ignore_patterns(".*")
        shutil.copytree(source, copy, ignore=hidden)
        self.uploads.append(Upload(name, copy))
        number = str(len(self.uploads))
        url = f"https://github.com/org/service/actions/runs/1234/artifacts/{number}"
        return {"artifact-id": number, "artifact-url": url}


def _surroundings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(_NOT_THE_JOBS)}


def installed_environments() -> Path:
    """The environments as the action's own install step makes them, once for each state of the locks and kept in `.tools`."""
    cache = ROOT / ".tools" / "action-venvs" / f"{sys.version_info.major}.{sys.version_info.minor}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        installing = cache / "action"
        action_folder(installing, steps=2)
        done = Machine(cache, installing).run_action()
    assert done.conclusion == "success", done.log
    return cache / "temp" / "ml-loadtest"


def bare_environments(folder: Path) -> Path:
    """Environments with nothing in them that the install step takes for finished, for a conductor that needs nothing."""
    for name, lock in (("conductor", "conductor.txt"), ("conductor-locust", "locust.txt")):
        venv.create(folder / name, symlinks=True, with_pip=False)
        shutil.copy(ROOT / "requirements" / lock, folder / name / ".lock")
    return folder


def action_folder(folder: Path, *, entrypoint: Path | None = None, steps: int | None = None) -> Path:
    """A copy of the action, with another conductor or with its first steps alone."""
    folder.mkdir(exist_ok=True)
    for name in ("scripts", "requirements"):
        shutil.copytree(ROOT / name, folder / name, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules"))
    definition = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    definition["runs"]["steps"] = definition["runs"]["steps"][:steps]
    (folder / "action.yml").write_text(yaml.safe_dump(definition, sort_keys=False), encoding="utf-8")
    if entrypoint:
        shutil.copytree(entrypoint, folder / "entrypoint")
    return folder
