"""What the server knows: comments, pull requests, users, and the objects that GitHub makes of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

from tests.github_server.description import Description

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class User:
    login: str
    type: str = "User"


ACTIONS = User("github-actions[bot]", "Bot")


@dataclass
class Comment:
    """`user` is None where the account was deleted."""

    id: int
    number: int
    user: User | None
    body: str
    edits: int = 0


@dataclass
class Pull:
    """`head_repository` differs from the server's for a fork, "deleted" is one that is gone; `commits` are before the head."""

    number: int
    head_sha: str
    state: str = "open"
    head_repository: str = ""
    branch: str = "topic"
    commits: tuple[str, ...] = ()


@dataclass
class Check:
    id: int
    name: str
    head_sha: str
    status: str
    external_id: str = ""
    conclusion: str | None = None
    title: str = ""
    summary: str = ""


@dataclass
class Artifact:
    """`size` is what GitHub says of it."""

    id: int
    run_id: int
    name: str
    archive: bytes
    size: int
    expired: bool = False


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


class Failure(Enum):
    """What `fail_next` can ask for: status, message; HANG and CLOSE are no answers at all."""

    BAD_CREDENTIALS = (401, "Bad credentials")
    FORBIDDEN = (403, "Resource not accessible by integration")
    LOCKED = (403, "Unable to create comment because issue is locked.")
    RATE_LIMIT = (403, "API rate limit exceeded for installation ID 1.")
    SECONDARY_RATE_LIMIT = (
        403,
        "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
    )
    NOT_FOUND = (404, "Not Found")
    GONE = (410, "This issue was deleted")
    UNPROCESSABLE = (422, "Validation Failed")
    TOO_MANY_REQUESTS = (429, "Too many requests")
    SERVER_ERROR = (500, "Server Error")
    BAD_GATEWAY = (502, "Server Error")
    UNAVAILABLE = (503, "Service unavailable")
    HANG = (0, "")
    CLOSE = (0, "cut off after half of the answer, the work is done")
    NOT_JSON = (200, "<html>a proxy's page</html>")


@dataclass
class Planned:
    failure: Failure
    times: int
    method: str
    retry_after: str


@dataclass
class State:
    """Everything a test sets up and looks at.

    Attributes:
        token: the only one that is valid.
        user: who the token speaks for. A Bot cannot ask who it is, as App tokens cannot.
        can_write, can_check, can_read_runs: false for a token without `pull-requests: write`, `checks: write`, `actions: read`.
    """

    repository: str = "octo/shop"
    token: str = "ghs_loopback"
    user: User = ACTIONS
    can_write: bool = True
    can_check: bool = True
    can_read_runs: bool = True
    comments: list[Comment] = field(default_factory=list)
    pulls: dict[int, Pull] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    artifacts: list[Artifact] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    planned: list[Planned] = field(default_factory=list)
    before_answer: Callable[[Request], None] = lambda request: None
    _last_id: int = 1000

    def add_pull(self, number: int, head_sha: str, **more: Any) -> Pull:
        self.pulls[number] = Pull(number, head_sha, **more)
        return self.pulls[number]

    def add_comment(
        self, number: int, body: str, user: User | None = None, *, deleted_account: bool = False
    ) -> Comment:
        self._last_id += 1
        author = None if deleted_account else (user or User("someone"))
        comment = Comment(self._last_id, number, author, body)
        self.comments.append(comment)
        return comment

    def add_artifact(self, run_id: int, name: str, archive: bytes, **more: Any) -> Artifact:
        self._last_id += 1
        self.artifacts.append(Artifact(self._last_id, run_id, name, archive, **({"size": len(archive)} | more)))
        return self.artifacts[-1]

    def add_check(self, asked: dict[str, Any]) -> Check:
        self._last_id += 1
        known = {name: asked[name] for name in ("name", "head_sha", "status", "external_id") if name in asked}
        self.checks.append(Check(self._last_id, **known))
        return self.checks[-1]

    def fail_next(self, failure: Failure, times: int = 1, *, method: str = "", retry_after: str = "") -> None:
        """Answer the next requests (of one method, if given) with a failure."""
        self.planned.append(Planned(failure, times, method, retry_after))

    def take_failure(self, method: str) -> Planned | None:
        for planned in self.planned:
            if planned.times and planned.method in {"", method}:
                planned.times -= 1
                return planned
        return None


class Objects:
    """GitHub's own example objects with our facts in them."""

    def __init__(self, description: Description, state: State, url: str) -> None:
        self._description, self._state, self._url = description, state, url

    def user(self, user: User) -> dict[str, Any]:
        example: dict[str, Any] = self._description.example("issue-comment")["user"]
        return {**example, "login": user.login, "type": user.type, "url": f"{self._url}/users/{user.login}"}

    def authenticated(self) -> dict[str, Any]:
        example: dict[str, Any] = self._description.example("private-user-response-with-public-profile-information")
        return {**example, **self.user(self._state.user), "user_view_type": "public"}

    def comment(self, comment: Comment) -> dict[str, Any]:
        example: dict[str, Any] = self._description.example("issue-comment")
        repository = f"{self._url}/repos/{self._state.repository}"
        created = _EPOCH + timedelta(seconds=comment.id)
        return {
            **example,
            "id": comment.id,
            "url": f"{repository}/issues/comments/{comment.id}",
            "html_url": f"https://github.com/{self._state.repository}/pull/{comment.number}#issuecomment-{comment.id}",
            "issue_url": f"{repository}/issues/{comment.number}",
            "body": comment.body,
            "user": self.user(comment.user) if comment.user else None,
            "created_at": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "updated_at": (created + timedelta(seconds=comment.edits)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    def pull(self, pull: Pull) -> dict[str, Any]:
        return self._pull(self._description.example("pull-request"), pull)

    def pull_simple(self, pull: Pull) -> dict[str, Any]:
        return self._pull(self._description.example("pull-request-simple-items")[0], pull)

    def _pull(self, example: dict[str, Any], pull: Pull) -> dict[str, Any]:
        repository = f"{self._url}/repos/{self._state.repository}"
        example["head"]["sha"] = pull.head_sha
        example["head"]["ref"] = pull.branch
        example["head"]["repo"]["full_name"] = pull.head_repository or self._state.repository
        if pull.head_repository == "deleted":
            example["head"]["repo"] = None
        example["base"]["repo"]["full_name"] = self._state.repository
        return {
            **example,
            "number": pull.number,
            "state": pull.state,
            "url": f"{repository}/pulls/{pull.number}",
            "issue_url": f"{repository}/issues/{pull.number}",
            "comments_url": f"{repository}/issues/{pull.number}/comments",
            "requested_teams": [],  # GitHub's example of one lacks a property that its schema requires
        }

    def run(self, number: int) -> dict[str, Any]:
        example: dict[str, Any] = self._description.example("workflow-run")
        url = f"{self._url}/repos/{self._state.repository}/actions/runs/{number}"
        # GitHub's examples of a commit lack what its schema requires.
        return {**example, "id": number, "url": url, "artifacts_url": f"{url}/artifacts"}

    def artifact(self, artifact: Artifact) -> dict[str, Any]:
        example: dict[str, Any] = self._description.example("artifact-paginated")["artifacts"][0]
        url = f"{self._url}/repos/{self._state.repository}/actions/artifacts/{artifact.id}"
        return {
            **example,
            "id": artifact.id,
            "name": artifact.name,
            "size_in_bytes": artifact.size,
            "expired": artifact.expired,
            "url": url,
            "archive_download_url": f"{url}/zip",
        }

    def check(self, check: Check) -> dict[str, Any]:
        example: dict[str, Any] = self._description.example("check-run")
        return {
            **example,
            "id": check.id,
            "name": check.name,
            "head_sha": check.head_sha,
            "external_id": check.external_id,
            "status": check.status,
            "conclusion": check.conclusion,
            "url": f"{self._url}/repos/{self._state.repository}/check-runs/{check.id}",
            "output": {**example["output"], "title": check.title, "summary": check.summary},
        }
