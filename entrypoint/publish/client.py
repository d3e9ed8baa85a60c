"""The few things we ask of GitHub, through PyGithub. Knows nothing of reports.

PyGithub's own retries and pauses are switched off: they repeat single requests, would sleep a minute on a secondary
rate limit, and a repeated creation could write a second comment. `comment` repeats the whole search-and-write instead,
within a deadline.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from entrypoint.publish.marker import carries
from entrypoint.publish.refusals import Trouble
from entrypoint.settings.runner import Runner

if TYPE_CHECKING:
    from github import Github
    from github.IssueComment import IssueComment
    from github.PullRequest import PullRequest

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

    An App's token cannot ask. It is taken for that of Actions; `create` corrects us if it is another App's.
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


def pull_request(github: Github, runner: Runner) -> PullRequest | None:
    """The pull request this run belongs to. A push has one where an open one ends with its commit."""
    repository = github.get_repo(runner.repository)
    if runner.pull_request is not None:
        return repository.get_pull(runner.pull_request)
    pulls = repository.get_commit(runner.sha).get_pulls()
    return next((pull for pull in pulls if pull.state == "open" and pull.head.sha == runner.sha), None)


def find(pull: PullRequest, mark: str, author: Identity, left_s: Callable[[], float]) -> IssueComment | None:
    """The oldest comment that carries the marker and was written by this author. GitHub lists the oldest first.

    Raises:
        TimeoutError: no time is left, pages may be.
    """
    for comment in pull.get_issue_comments():
        if _is_by(comment, author) and carries(comment.body or "", mark):
            return comment
        if left_s() <= 0:
            raise TimeoutError
    return None


def create(
    pull: PullRequest, mark: str, author: Identity, text: str, left_s: Callable[[], float]
) -> tuple[IssueComment, bool]:
    """Write a new comment; true says that it is one.

    If GitHub's answer shows that we are not who we thought, and had a comment already, that one is updated instead.
    """
    written = pull.create_issue_comment(text)
    if not written.html_url:
        raise ValueError("not a comment")  # a proxy's page with status 200
    if _is_by(written, author) or not written.user:
        return written, True
    earlier = find(pull, mark, Identity(written.user.login, written.user.type), left_s)
    if earlier is None or earlier.id == written.id:
        return written, True
    earlier.edit(text)
    written.delete()
    return earlier, False


def _is_by(comment: IssueComment, author: Identity) -> bool:
    # a deleted account's comments have no user
    return bool(comment.user) and Identity(comment.user.login, comment.user.type) == author


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
