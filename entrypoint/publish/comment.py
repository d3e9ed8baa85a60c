"""The sticky pull request comment: one for each suite, updated in place. Whatever happens here, the verdict stands."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from entrypoint.publish import client, refusals
from entrypoint.publish.fitting import Size, fit, size
from entrypoint.publish.marker import marker, without_markers
from entrypoint.publish.refusals import Trouble
from entrypoint.settings.model import CommentMode
from entrypoint.settings.runner import Runner

# GitHub refuses more than 65,536 characters and stores at most 262,144 bytes.
_LIMIT = Size(60_000, 250_000)


class Action(StrEnum):
    """What was done to the pull request."""

    CREATED = "created"
    UPDATED = "updated"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentOutcome:
    """What became of a comment.

    Attributes:
        url: the comment's page, or "".
        note: why there is none, where that is as it should be.
        warning: why there is none, where somebody can do something about it; several lines.
    """

    action: Action = Action.NONE
    url: str = ""
    note: str = ""
    warning: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long GitHub's troubles are borne.

    Attributes:
        total_s: after this no new try begins.
        answer_s: what one answer may take.
        tries: at most so many.
        pause_s: before the second try; doubled before each further one. GitHub's own Retry-After goes before it.
    """

    total_s: float = 60
    answer_s: int = 10
    tries: int = 4
    pause_s: float = 1
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def wanted(mode: CommentMode, *, changed: bool, failed: bool) -> bool:
    """Whether this run is worth a new comment. A failure always counts as a change."""
    return {
        CommentMode.ALWAYS: True,
        CommentMode.ON_CHANGE: changed or failed,
        CommentMode.ON_FAILURE: failed,
        CommentMode.NEVER: False,
    }[mode]


def post_comment(
    runner: Runner, body: str, suite: str, *, create: bool = True, patience: Patience | None = None
) -> CommentOutcome:
    """Write the report on the run's pull request, once for each suite.

    Args:
        runner: the job's surroundings.
        body: Markdown; what looks like a marker of ours is replaced, what is too long is cut.
        suite: the load test's name.
        create: false to update the comment if there is one and otherwise leave the pull request alone, so that a red
            comment does not outlive the failure under `comment: on-failure`.
        patience: how long to bear with GitHub.
    """
    if not runner.repository or (runner.pull_request is None and runner.event != "push"):
        return CommentOutcome(note="There is no pull request for this run.")
    if runner.fork:
        return CommentOutcome(warning=refusals.fork())
    if not runner.token:
        return CommentOutcome(warning=refusals.no_token(runner))
    mark = marker(suite, runner.workflow)
    job = _Job(runner=runner, mark=mark, text=comment_text(body, mark, runner), create=create)
    return _persist(job, patience or Patience())


def comment_text(body: str, mark: str, runner: Runner) -> str:
    """The whole comment: marker and report. The report names the commit that it judges."""
    head = f"{mark}\n"
    whole = (
        f"The whole report is in [this run]({runner.run_url})."
        if runner.run_url
        else "The whole report is in the results folder."
    )
    readable = without_markers(body).encode("utf-8", "replace").decode("utf-8").replace("\0", "")
    return head + fit(readable, _LIMIT - size(head), whole=whole)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """What is to be written, where."""

    runner: Runner
    mark: str
    text: str
    create: bool


def _persist(job: _Job, patience: Patience) -> CommentOutcome:
    """Try until it is done, hopeless, or takes too long."""
    deadline = patience.clock() + patience.total_s
    pause_s = patience.pause_s
    for more in reversed(range(patience.tries)):
        try:
            return _write(job, patience.answer_s, lambda: deadline - patience.clock())
        except Exception as error:  # whatever the client raises, the verdict stands
            trouble = client.trouble_of(error)
        wait_s = _wait_s(trouble, pause_s)
        if not more or wait_s is None or patience.clock() + wait_s >= deadline:
            break
        patience.sleep(wait_s)
        pause_s *= 2
    return CommentOutcome(warning=refusals.explain(trouble, job.runner))


def _wait_s(trouble: Trouble, pause_s: float) -> float | None:
    """Seconds until the next try, or None if it would be in vain."""
    if not trouble.passing:
        return None
    if trouble.rate_limited:
        return trouble.retry_after_s  # without it, GitHub asks for a minute or more
    return max(pause_s, trouble.retry_after_s or 0)


def _write(job: _Job, answer_s: int, left_s: Callable[[], float]) -> CommentOutcome:
    """Search and write. May be repeated after any failure: what an earlier try wrote is found and updated."""
    runner = job.runner
    with client.connected(runner, max(1, min(answer_s, int(left_s())))) as github:
        pull = client.pull_request(github, runner)
        if pull is None:
            return CommentOutcome(note=f"There is no open pull request that ends with commit {runner.sha[:7]}.")
        if runner.head_sha and pull.head.sha != runner.head_sha:
            return CommentOutcome(note=f"This run's commit {runner.head_sha[:7]} was superseded by {pull.head.sha}.")
        author = client.identity(github, runner.token)
        if found := client.find(pull, job.mark, author, left_s):
            found.edit(job.text)
            return CommentOutcome(action=Action.UPDATED, url=found.html_url)
        if not job.create:
            return CommentOutcome(note="This run is not worth a new comment, and there is none to update.")
        written, new = client.create(pull, job.mark, author, job.text, left_s)
        return CommentOutcome(action=Action.CREATED if new else Action.UPDATED, url=written.html_url)
