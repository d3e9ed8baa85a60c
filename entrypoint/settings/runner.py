"""What GitHub's runner says of this job: where its files are, which event started it, which pull request it belongs to."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from entrypoint.errors import SettingsError

_REFUSED = {
    "pull_request_target": "it would run the pull request's code with a token that can write",
    "workflow_run": "it runs with the rights of the default branch; `ml-loadtest comment` is what belongs there",
    "issue_comment": "anybody who may comment would start code with a token that can write",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredRun:
    """The run that started this one by `workflow_run`, as GitHub describes it; never as its own artifacts do.

    Attributes:
        repository, branch, sha: where its head commit is; another repository for a fork.
        pull_requests: the open pull requests that GitHub names; none for a fork.
    """

    run_id: str
    attempt: str
    workflow: str
    run_url: str
    repository: str
    branch: str
    sha: str
    pull_requests: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """The job's surroundings; every field is "" or None outside GitHub Actions.

    Attributes:
        pull_request: its number, or None.
        head_sha: the pull request's head commit, under `workflow_run` that of the run before, else the commit of the job.
        base_sha, merge_group_base: the commit that the event of a pull request or of a merge queue names as base.
        matrix: the job's values of its matrix, in words.
        fork: whether the pull request comes from another repository, so that the token can only read.
        output, summary: the runner's files for outputs and the step summary.
        temp: a folder that lives as long as the job.
        run_id: with the attempt and the job, what no other job has.
        measured: the run whose results this one publishes, under `workflow_run` alone.
    """

    on_actions: bool = False
    event: str = ""
    repository: str = ""
    server_url: str = "https://github.com"
    api_url: str = "https://api.github.com"
    run_id: str = ""
    attempt: str = ""
    job: str = ""
    workflow: str = ""
    sha: str = ""
    head_sha: str = ""
    base_ref: str = ""
    base_sha: str = ""
    merge_group_base: str = ""
    actor: str = ""
    image: str = ""
    matrix: tuple[str, ...] = ()
    pull_request: int | None = None
    fork: bool = False
    output: Path | None = None
    summary: Path | None = None
    temp: Path | None = None
    token: str = field(default="", repr=False)
    measured: MeasuredRun | None = None

    @property
    def run_url(self) -> str:
        """The page of this workflow run, or ""."""
        return (
            f"{self.server_url}/{self.repository}/actions/runs/{self.run_id}" if self.run_id and self.repository else ""
        )

    @property
    def is_dependabot(self) -> bool:
        """Whether Dependabot started the job, whose token can only read unless the workflow's `permissions` say more."""
        return self.actor == "dependabot[bot]"

    @property
    def measuring(self) -> "MeasuredRun | Runner":
        """The run that measured: this one, or the one before it under `workflow_run`."""
        return self.measured or self

    def refuse_unsafe_event(self) -> None:
        """Refuse the events under which code of a pull request would run with rights it must not have.

        Raises:
            SettingsError: under one of them.
        """
        if self.event in _REFUSED:
            raise SettingsError(
                f"ml-loadtest does not run a load under `{self.event}`.",
                cause=f"Under that event {_REFUSED[self.event]}.",
                remedy="Measure under `pull_request`; docs/workflows.md shows how forks get their comment.",
            )


def read_runner(environ: Mapping[str, str]) -> Runner:
    """What the runner's environment and its event file say."""
    event = _read_event(environ.get("GITHUB_EVENT_PATH", ""))
    pull = event.get("pull_request") or {}
    head = pull.get("head") or {}
    repository = environ.get("GITHUB_REPOSITORY", "")
    # A fork that was deleted meanwhile has no repository any more.
    head_repository = (head.get("repo") or {}).get("full_name", "") if pull else repository
    measured = _measured(event)
    return Runner(
        on_actions=environ.get("GITHUB_ACTIONS") == "true",
        event=environ.get("GITHUB_EVENT_NAME", ""),
        repository=repository,
        server_url=environ.get("GITHUB_SERVER_URL", "https://github.com"),
        api_url=environ.get("GITHUB_API_URL", "https://api.github.com"),
        run_id=environ.get("GITHUB_RUN_ID", ""),
        attempt=environ.get("GITHUB_RUN_ATTEMPT", ""),
        job=environ.get("GITHUB_JOB", ""),
        workflow=environ.get("GITHUB_WORKFLOW", ""),
        sha=environ.get("GITHUB_SHA", ""),
        head_sha=head.get("sha") or (measured.sha if measured else environ.get("GITHUB_SHA", "")),
        base_ref=environ.get("GITHUB_BASE_REF", ""),
        base_sha=(pull.get("base") or {}).get("sha", ""),
        merge_group_base=(event.get("merge_group") or {}).get("base_sha", ""),
        actor=environ.get("GITHUB_ACTOR", ""),
        image=" ".join(filter(None, (environ.get("ImageOS", ""), environ.get("ImageVersion", "")))),
        matrix=_matrix(environ.get("LT_MATRIX", "")),
        pull_request=pull.get("number"),
        fork=head_repository != repository,
        output=_path(environ, "GITHUB_OUTPUT"),
        summary=_path(environ, "GITHUB_STEP_SUMMARY"),
        temp=_path(environ, "RUNNER_TEMP"),
        token=environ.get("LT_GITHUB_TOKEN", ""),
        measured=measured,
    )


def _measured(event: Mapping[str, Any]) -> MeasuredRun | None:
    """The run of a `workflow_run` event, or None."""
    run = event.get("workflow_run")
    if not isinstance(run, dict):
        return None
    return MeasuredRun(
        run_id=str(run.get("id", "")),
        attempt=str(run.get("run_attempt", "")),
        workflow=str((event.get("workflow") or {}).get("name") or run.get("name") or ""),
        run_url=str(run.get("html_url", "")),
        repository=str((run.get("head_repository") or {}).get("full_name", "")),
        branch=str(run.get("head_branch") or ""),
        sha=str(run.get("head_sha", "")),
        pull_requests=tuple(pull["number"] for pull in run.get("pull_requests") or ()),
    )


def _path(environ: Mapping[str, str], name: str) -> Path | None:
    value = environ.get(name, "")
    return Path(value) if value else None


def _matrix(text: str) -> tuple[str, ...]:
    """The values of a job's matrix, in its order; structured ones as JSON."""
    try:
        values = json.loads(text or "null")
    except ValueError:
        return ()
    values = values.values() if isinstance(values, dict) else ()
    return tuple(value if isinstance(value, str) else json.dumps(value) for value in values)


def _read_event(path: str) -> dict[str, Any]:
    try:
        event = json.loads(Path(path).read_text(encoding="utf-8")) if path else {}
    except (OSError, ValueError):
        return {}
    return event if isinstance(event, dict) else {}


_KEPT_FROM_CHILDREN = ("ACTIONS_", "LT_", "INPUT_", "GITHUB_TOKEN", "GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH")
_RUNNERS_FILES = ("GITHUB_STEP_SUMMARY", "GITHUB_STATE", "GITHUB_EVENT_PATH", "RUNNER_TRACKING_ID")


def child_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for compose and for plain processes: all of ours but the runner's token, its files and our inputs.

    `${HF_TOKEN}`, `HOME` and `DOCKER_CONFIG` must reach them; what could speak for the job must not.
    """
    kept = {
        name: value
        for name, value in environ.items()
        if not name.startswith(_KEPT_FROM_CHILDREN)
        and name not in _RUNNERS_FILES
        and name not in {"PYTHONPATH", "PYTHONHOME"}
    }
    return {**kept, "PYTHONUNBUFFERED": "1"}
