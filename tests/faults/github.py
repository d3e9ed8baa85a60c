"""GitHub's API refuses, hangs, breaks off or asks for patience while the comment is posted."""

import json
from collections.abc import Callable
from contextlib import ExitStack

from entrypoint.publish.marker import MARK
from entrypoint.report.saving import save
from tests.faults.case import Group, Kept
from tests.faults.scene import Ended, Scene
from tests.github_server import Failure, GitHubServer, User, github_server
from tests.report.results import passed

GROUP = Group("GitHub's API", {"code": 0, "verdict": "pass", "kept": Kept.REPORTS, "needs": ("npm",)})
HEAD = "a" * 40
BOT = User("github-actions[bot]", "Bot")
CREATED, UPDATED = (
    "Comment created: https://github.com/octo/shop/pull/7#issuecomment-…",
    "Comment updated: https://github.com/…",
)
Trouble = Callable[[GitHubServer], None]


def _commenting(scene: Scene, github: GitHubServer, *, comments: int) -> Ended:
    """`comment` on a finished run, whose result it must leave as it is."""
    result = passed()
    save(result.model_copy(update={"environment": result.environment.model_copy(update={"head": HEAD})}), scene.results)
    before = (scene.results / "result.json").read_bytes()
    event = scene.write(
        "event.json",
        json.dumps({"pull_request": {"number": 7, "head": {"sha": HEAD, "repo": {"full_name": github.repository}}}}),
    )
    ended = scene.here(
        "comment", GITHUB_ACTIONS="true", GITHUB_EVENT_NAME="pull_request", GITHUB_EVENT_PATH=str(event),
        GITHUB_REPOSITORY=github.repository, GITHUB_API_URL=github.url, GITHUB_RUN_ID="42", LT_GITHUB_TOKEN=github.token,
    )  # fmt: skip
    assert (scene.results / "result.json").read_bytes() == before
    assert len(github.comments) == comments
    assert github.token not in ended.output
    return ended


def _say(what: str, trouble: Trouble, sees: str, *, comments: int = 0, asked: int = 1, slow: bool = False) -> None:
    """A case of trouble that ends with so many comments; without one, GitHub was asked so many times."""

    def play(scene: Scene) -> Ended:
        with ExitStack() as stack:
            github = stack.enter_context(github_server())
            github.add_pull(7, HEAD)
            trouble(github)
            ended = _commenting(scene, github, comments=comments)
            assert comments or len(github.requests) == asked
            return ended

    GROUP.add(what, play, sees=sees, slow=slow)


def _fail(failure: Failure, times: int = 9, method: str = "", retry_after: str = "") -> Trouble:
    return lambda github: github.fail_next(failure, times, method=method, retry_after=retry_after)


def _deleted(github: GitHubServer) -> None:
    """Our earlier comment is found, and gone when it is to be written anew."""
    github.add_comment(7, f"{MARK}\nold", BOT)
    github.before_answer = lambda request: github.comments.clear() if request.method == "PATCH" else None


def _locked(github: GitHubServer) -> None:
    """Our earlier comment is found, and may not be written anew."""
    github.add_comment(7, f"{MARK}\nold", BOT)
    github.fail_next(Failure.LOCKED, 9, method="PATCH")


PERMISSION = "Give the job that comments these permissions … pull-requests: write"
AGAIN = "The results are kept: run the comment step again, or `ml-loadtest comment --from results`."
_say("401", _fail(Failure.BAD_CREDENTIALS), "No comment: the token is not valid, HTTP 401 (Bad credentials).")
_say(
    "403",
    _fail(Failure.FORBIDDEN),
    f"No comment: the token may not write to this pull request, HTTP 403 … {PERMISSION}",
)
_say(
    "404",
    _fail(Failure.NOT_FOUND),
    f"No comment: the token cannot see this repository or what is asked for, HTTP 404 … {PERMISSION}",
)
_say("410", _fail(Failure.GONE), "No comment: the pull request's conversation is gone or switched off, HTTP 410")
_say("422", _fail(Failure.UNPROCESSABLE), "No comment: GitHub does not accept this text, HTTP 422")
_say(
    "429 with `Retry-After: 1`, once",
    _fail(Failure.TOO_MANY_REQUESTS, 1, retry_after="1"),
    CREATED,
    comments=1,
    slow=True,
)
_say(
    "429 with `Retry-After: 600`",
    _fail(Failure.TOO_MANY_REQUESTS, retry_after="600"),
    f"No comment: GitHub's rate limit is used up, HTTP 429, try after 600 s … {AGAIN}",
)
_say(
    "429 without a time",
    _fail(Failure.TOO_MANY_REQUESTS),
    f"No comment: GitHub's rate limit is used up, HTTP 429 … {AGAIN}",
)
_say(
    "Secondary rate limit (403) with `Retry-After: 1`, once",
    _fail(Failure.SECONDARY_RATE_LIMIT, 1, "POST", "1"),
    CREATED,
    comments=1,
    slow=True,
)
_say(
    "Secondary rate limit (403) without a time",
    _fail(Failure.SECONDARY_RATE_LIMIT),
    f"No comment: GitHub's rate limit is used up, HTTP 403 (You have exceeded a secondary rate limit. … {AGAIN}",
)
_say("500, once", _fail(Failure.SERVER_ERROR, 1, "POST"), CREATED, comments=1, slow=True)
_say(
    "500, again and again",
    _fail(Failure.SERVER_ERROR),
    f"No comment: GitHub has trouble of its own, HTTP 500 … {AGAIN}",
    asked=4,
    slow=True,
)
_say("It hangs for a minute", _fail(Failure.HANG), f"did not answer … {AGAIN}", asked=4, slow=True)
_say(
    "It closes the connection in mid-answer, when the comment is written",
    _fail(Failure.CLOSE, 1, "POST"),
    UPDATED,
    comments=1,
    slow=True,
)
_say(
    "A proxy answers with a page of its own",
    _fail(Failure.NOT_JSON),
    f"No comment: GitHub's answer could not be read … {AGAIN}",
)
_say("The comment is deleted between look and update", _deleted, CREATED, comments=1, slow=True)
_say(
    "The conversation is locked between look and update",
    _locked,
    "No comment: the conversation is locked, HTTP 403 … Unlock it, or set `comment: never`.",
    comments=1,
)
