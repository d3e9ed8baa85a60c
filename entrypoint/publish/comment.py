"""The sticky pull request comment: one for all load tests, updated in place. Whatever happens here, the verdict stands."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from entrypoint.publish import client, parts, refusals
from entrypoint.publish.fitting import Size
from entrypoint.publish.parts import Part
from entrypoint.publish.patience import Deadline, Patience, persist
from entrypoint.publish.refusals import Trouble
from entrypoint.settings.model import CommentMode
from entrypoint.settings.runner import Runner

if TYPE_CHECKING:
    from github import Github
    from github.IssueComment import IssueComment
    from github.PullRequest import PullRequest

# GitHub refuses more than 65,536 characters and stores at most 262,144 bytes.
_LIMIT = Size(60_000, 250_000)
_WITH_PULL_REQUEST = ("pull_request", "workflow_run")


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
        notice: the same, where people should know how to get one.
        warning: why there is none, where something went wrong that somebody can mend; several lines.
    """

    action: Action = Action.NONE
    url: str = ""
    note: str = ""
    notice: str = ""
    warning: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """What one load test has to say.

    Attributes:
        suite: the load test's name.
        head: the commit that it judges.
        render: the Markdown in at most so many characters.
        urgency: 2 if it fails the build, 1 if it needs a look, 0 if it can be folded beside others.
        create: false to update this load test's part if there is one and otherwise leave the comment alone, so that a red
            part does not outlive the failure under `comment: on-failure`.
    """

    suite: str
    head: str
    render: Callable[[int], str]
    urgency: int = 0
    create: bool = True


def wanted(mode: CommentMode, *, changed: bool, failed: bool) -> bool:
    """Whether this run is worth a new comment. A failure always counts as a change."""
    return {
        CommentMode.ALWAYS: True,
        CommentMode.ON_CHANGE: changed or failed,
        CommentMode.ON_FAILURE: failed,
        CommentMode.NEVER: False,
    }[mode]


def post_comment(
    runner: Runner, contributions: Sequence[Contribution], patience: Patience | None = None
) -> CommentOutcome:
    """Bring what load tests say into the comment of the run's pull request.

    Args:
        runner: the job's surroundings.
        contributions: at least one.
        patience: how long to bear with GitHub.
    """
    if not runner.repository:
        return CommentOutcome(note="No comment: this is no run of GitHub Actions.")
    if runner.fork:
        return CommentOutcome(notice=refusals.fork())
    if not runner.token:
        said = refusals.no_token(runner)
        # An empty input is how somebody asks for no comment; that Dependabot's runs have no secrets is nobody's choice.
        return CommentOutcome(notice=said) if runner.is_dependabot else CommentOutcome(note=said)
    others = [each.head for each in contributions if each.head != runner.head_sha]
    if others:
        return CommentOutcome(warning=refusals.other_commit(others[0], runner.head_sha))
    patience = patience or Patience()
    outcome = persist(_Job(runner, contributions, patience).write, patience)
    return _refused(outcome, runner) if isinstance(outcome, Trouble) else outcome


def _refused(trouble: Trouble, runner: Runner) -> CommentOutcome:
    explained = refusals.explain(trouble, runner)
    # That Dependabot's token cannot write is no mistake of anybody's.
    expected = runner.is_dependabot and trouble.status == 403 and not trouble.rate_limited
    return CommentOutcome(notice=explained) if expected else CommentOutcome(warning=explained)


class _Job:
    """One job's attempt to bring its parts into the comment.

    Args:
        runner: the job's surroundings.
        contributions: what is to be said, all of the runner's head commit.
        patience: how long to bear with other jobs.
    """

    def __init__(self, runner: Runner, contributions: Sequence[Contribution], patience: Patience) -> None:
        self._runner = runner
        self._patience = patience
        self._parts = [_part(each, runner) for each in contributions]
        self._creating = {part.key for part, each in zip(self._parts, contributions, strict=True) if each.create}
        self._created = 0

    def write(self, deadline: Deadline) -> CommentOutcome:
        """Search and write. May be repeated after any failure: what an earlier try wrote is found and updated."""
        with client.connected(self._runner, deadline.answer_s) as github:
            pull = self._find(github)
            if pull is None:
                commit = self._runner.head_sha[:7]
                return CommentOutcome(note=f"No comment: no open pull request ends with commit {commit}.")
            return self._write_until_it_stays(pull, client.identity(github, self._runner.token), deadline)

    def _find(self, github: "Github") -> "PullRequest | None":
        """The pull request. Where the event names none, not being allowed to look is no mistake of the workflow's."""
        try:
            return client.find_pull_request(github, self._runner)
        except Exception as error:
            if self._runner.event not in _WITH_PULL_REQUEST and client.trouble_of(error).status in {403, 404, 422}:
                return None
            raise

    def _write_until_it_stays(self, pull: "PullRequest", author: client.Identity, deadline: Deadline) -> CommentOutcome:
        """Write, wait, read back, and merge again what another job has overwritten meanwhile."""
        head, mine = self._runner.head_sha, list[Part]()
        for written in range(self._patience.rounds + 1):
            own = client.find_comments(pull, author, deadline.left_s)
            there = [part for comment in own for part in parts.read(comment.body)]
            if written and len(own) == 1 and parts.hold(there, mine):
                return self._done(own[0])
            if written == self._patience.rounds or (written and deadline.left_s() < 2 * self._patience.settle_s):
                break
            if written:
                pull.update()
            if pull.head.sha != head:
                return CommentOutcome(note=f"No comment: commit {head[:7]} was superseded by {pull.head.sha}.")
            mine = self._mine(there)
            if not mine:
                return CommentOutcome(note="This run is not worth a new comment, and there is none to update.")
            author = self._put(pull, own, parts.merge(there, mine)) or author
            self._patience.settle()
        return CommentOutcome(url=own[0].html_url if own else "", warning=refusals.overwritten(self._patience.rounds))

    def _mine(self, there: Sequence[Part]) -> list[Part]:
        known = {part.key for part in there}
        return [part for part in self._parts if part.key in self._creating or part.key in known]

    def _put(
        self, pull: "PullRequest", own: "Sequence[IssueComment]", merged: Sequence[Part]
    ) -> client.Identity | None:
        """Write all of it into the oldest comment, for two jobs may have created one each. Who we are, if that shows."""
        url = self._runner.measuring.run_url
        whole = f"The whole report is in [this run]({url})." if url else "The whole report is in the results folder."
        text = parts.compose(merged, _LIMIT, whole)
        if not own:
            comment, author = client.create_comment(pull, text)
            self._created = comment
            return author
        client.edit_comment(own[0], text)
        for other in own[1:]:
            client.delete_comment(other)
        return None

    def _done(self, comment: "IssueComment") -> CommentOutcome:
        action = Action.CREATED if comment.id == self._created else Action.UPDATED
        return CommentOutcome(action=action, url=comment.html_url)


def _part(contribution: Contribution, runner: Runner) -> Part:
    run = runner.measuring
    return Part(
        suite=contribution.suite,
        key=parts.part_key(contribution.suite, run.workflow),
        head=contribution.head,
        run=(_number(run.run_id), _number(run.attempt)),
        writer=secrets.token_hex(4),
        urgency=contribution.urgency,
        text=contribution.render(_LIMIT.characters),
        render=contribution.render,
    )


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0
