"""The few things we ask of GitHub, through PyGithub. Knows nothing of reports.

PyGithub's own retries and pauses are switched off: they repeat single requests, would sleep a minute on a secondary
rate limit, and a repeated creation could write a second comment. `comment` repeats the whole search-and-write instead,
within a deadline.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from entrypoint.publish.marker import carries
from entrypoint.publish.refusals import Trouble
from entrypoint.settings.runner import MeasuredRun, Runner

if TYPE_CHECKING:
    from github import Github
    from github.Artifact import Artifact
    from github.CheckRun import CheckRun
    from github.IssueComment import IssueComment
    from github.PullRequest import PullRequest
    from github.Repository import Repository
    from github.WorkflowRun import WorkflowRun
    from requests import Response

_INSTALLATION = "ghs_"  # tokens of GitHub Apps, Actions among them, which have no GET /user


@dataclass(frozen=True, slots=True)
class Identity:
    """Who wrote, or who we are."""

    login: str
    kind: str


ACTIONS = Identity("github-actions[bot]", "Bot")


@contextmanager
def connected(runner: Runner, timeout_s: int) -> Iterator[Github]:
    """A client for the runner's GitHub, Enterprise too; each answer may take so many seconds."""
    from github import Auth, Github

    with Github(
        base_url=runner.api_url,
        auth=Auth.Token(runner.token),
        timeout=timeout_s,
        retry=None,
        per_page=100,
        seconds_between_requests=None,
        seconds_between_writes=None,
        lazy=True,
    ) as github:
        yield github


def identity(github: Github, token: str) -> Identity:
    """Who the token speaks for.

    An App's token cannot ask. It is taken for that of Actions; `create_comment` tells if it is another App's.
    """
    from github import GithubException

    if token.startswith(_INSTALLATION):
        return ACTIONS
    try:
        user = github.get_user()
        return Identity(user.login, user.type)
    except GithubException as error:
        trouble = trouble_of(error)
        if trouble.status == 403 and not trouble.rate_limited:
            return ACTIONS
        raise


def find_pull_request(github: Github, runner: Runner) -> PullRequest | None:
    """The pull request that the measured commit belongs to, or None.

    Without one in the event it is an open one that ends with the commit. Under `workflow_run` it is looked for by repository
    and branch of the run's head commit, as GitHub names them, and may have gone on since.
    """
    repository = github.get_repo(runner.repository)
    if runner.pull_request is not None:
        return repository.get_pull(runner.pull_request)
    if runner.measured:
        return _of_run(repository, runner.measured)
    pulls = repository.get_commit(runner.sha).get_pulls()
    return next((pull for pull in pulls if pull.state == "open" and pull.head.sha == runner.sha), None)


def _of_run(repository: Repository, run: MeasuredRun) -> PullRequest | None:
    if not run.repository or not run.branch:
        return None
    pulls = repository.get_pulls(state="open", head=f"{run.repository.split('/')[0]}:{run.branch}")
    # An owner may have several forks, and a deleted one has no repository any more.
    found = [pull for pull in pulls if pull.head.repo and pull.head.repo.full_name == run.repository]
    named = [pull for pull in found if pull.number in run.pull_requests]
    return min(named or found, key=lambda pull: (pull.head.sha != run.sha, pull.number), default=None)


def find_comments(pull: PullRequest, author: Identity, left_s: Callable[[], float]) -> list[IssueComment]:
    """The comments that carry our marker and were written by this author, the oldest first.

    Raises:
        TimeoutError: no time is left, pages may be.
    """
    found = []
    for comment in pull.get_issue_comments():
        if _is_by(comment, author) and carries(comment.body or ""):
            found.append(comment)
        if left_s() <= 0:
            raise TimeoutError
    return found


def create_comment(pull: PullRequest, text: str) -> tuple[int, Identity | None]:
    """Write a new comment: its number, and who we are, if GitHub says so."""
    written = pull.create_issue_comment(text)
    if not written.html_url:
        raise ValueError("not a comment")  # a proxy's page with status 200
    return written.id, Identity(written.user.login, written.user.type) if written.user else None


def edit_comment(comment: IssueComment, text: str) -> None:
    """Write a comment anew. One that another job has deleted meanwhile is left alone: reading back will show that."""
    with _gone():
        comment.edit(text)


def delete_comment(comment: IssueComment) -> None:
    """Delete a comment, unless another job has done so."""
    with _gone():
        comment.delete()


@contextmanager
def _gone() -> Iterator[None]:
    from github import UnknownObjectException

    with suppress(UnknownObjectException):
        yield


def _is_by(comment: IssueComment, author: Identity) -> bool:
    # a deleted account's comments have no user
    return bool(comment.user) and Identity(comment.user.login, comment.user.type) == author


def create_check_run(github: Github, runner: Runner, name: str, external_id: str) -> None:
    """A check run in progress on the head commit; it leads to the run's page."""
    github.get_repo(runner.repository).create_check_run(
        name, runner.head_sha, details_url=runner.run_url, external_id=external_id, status="in_progress"
    )


def check_runs(github: Github, runner: Runner, external_id: str, left_s: Callable[[], float]) -> list[CheckRun]:
    """The check runs in progress on the head commit that carry our id: one, or two if GitHub's first answer was lost.

    Raises:
        TimeoutError: no time is left, pages may be.
    """
    found = []
    commit = github.get_repo(runner.repository).get_commit(runner.head_sha)
    for check in commit.get_check_runs(status="in_progress", filter="all"):
        if check.external_id == external_id:
            found.append(check)
        if left_s() <= 0:
            raise TimeoutError
    return found


def artifacts(run: WorkflowRun, left_s: Callable[[], float]) -> list[Artifact]:
    """What a run has uploaded.

    Raises:
        TimeoutError: no time is left, pages may be.
    """
    found = []
    for artifact in run.get_artifacts():
        found.append(artifact)
        if left_s() <= 0:
            raise TimeoutError
    return found


def download(runner: Runner, artifact: int, timeout_s: int, chunk: int) -> Iterator[bytes]:
    """An artifact's archive, so many bytes at a time.

    GitHub answers with the address of a storage that is not its own, and which must not see the token.
    """
    import requests

    address = f"{runner.api_url}/repos/{runner.repository}/actions/artifacts/{artifact}/zip"
    headers = {"Authorization": f"Bearer {runner.token}", "User-Agent": "ml-loadtest"}
    with requests.get(address, headers=headers, timeout=timeout_s, allow_redirects=False) as answer:
        storage = answer.headers.get("Location", "")
        if answer.status_code != 302 or not storage:
            raise _refusal(answer)
    with requests.get(storage, headers={"User-Agent": "ml-loadtest"}, timeout=timeout_s, stream=True) as answer:
        if answer.status_code != 200:
            raise _refusal(answer)
        yield from answer.iter_content(chunk)


def _refusal(answer: Response) -> Exception:
    """An answer of no use, as PyGithub would raise it."""
    from github import GithubException

    return GithubException(answer.status_code, {"message": answer.reason or ""}, dict(answer.headers))


def trouble_of(error: Exception) -> Trouble:
    """What an exception of PyGithub or of the network beneath it means."""
    from github import GithubException
    from requests import RequestException

    if isinstance(error, RequestException | OSError):
        return Trouble(status=None, said=type(error).__name__)
    if not isinstance(error, GithubException):
        return Trouble(status=None, said=type(error).__name__, understood=False)
    headers = error.headers or {}
    said = str(error.data.get("message", "")) if isinstance(error.data, dict) else ""
    return Trouble(
        status=error.status,
        said=_with_details(said, error.data),
        rate_limited=error.status == 429
        or (error.status == 403 and ("retry-after" in headers or "rate limit" in said.lower())),
        retry_after_s=_seconds(headers.get("retry-after", "")),
    )


def _with_details(said: str, data: object) -> str:
    """GitHub's message with that of its first error, where "Validation Failed" alone says nothing."""
    errors = data.get("errors") if isinstance(data, dict) else None
    first = errors[0] if isinstance(errors, list) and errors else None
    detail = first.get("message", "") if isinstance(first, dict) else first
    return f"{said}: {detail}" if detail else said


def _seconds(text: str) -> float | None:
    return float(text) if text.isascii() and text.isdigit() else None
