"""The optional check run on the head commit: opened before any code of the pull request runs, closed in every outcome."""

import secrets
from dataclasses import dataclass
from enum import StrEnum

from entrypoint.publish import client, refusals
from entrypoint.publish.fitting import Size, fit
from entrypoint.publish.patience import Deadline, Patience, persist
from entrypoint.publish.refusals import Trouble
from entrypoint.settings.runner import Runner

_LIMIT = Size(60_000, 250_000)  # GitHub refuses a summary of more than 65,535 characters
_TITLE_CHARACTERS = 200
_PATIENCE = Patience(total_s=30)


class Conclusion(StrEnum):
    """How a check run ends. Where a branch is protected, GitHub lets `success` and `neutral` pass."""

    SUCCESS = "success"
    NEUTRAL = "neutral"
    FAILURE = "failure"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """What a check run ends with; title and summary are Markdown."""

    conclusion: Conclusion
    title: str
    summary: str


def new_id() -> str:
    """What no other check run has, by which `close` finds it."""
    return f"ml-loadtest-{secrets.token_hex(8)}"


def obstacle(runner: Runner) -> str:
    """Why this run can have none, known before anything is asked; "" if nothing is known."""
    if runner.fork:
        return "No check run: this pull request comes from a fork, whose token can only read."
    if not runner.repository or not runner.head_sha:
        return "No check run: this is no run of GitHub Actions."
    return "" if runner.token else "No check run: `github-token` is empty."


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What became of opening one: what stood in the way ("" if nothing did), and whether one may be open all the same."""

    problem: str = ""
    maybe_open: bool = True


def open_check(runner: Runner, name: str, id_: str, patience: Patience | None = None) -> Opening:
    """Open a check run in progress."""

    def work(deadline: Deadline) -> None:
        with client.connected(runner, deadline.answer_s) as github:
            client.create_check_run(github, runner, name, id_)

    trouble = persist(work, patience or _PATIENCE)
    if not isinstance(trouble, Trouble):
        return Opening()
    refused = trouble.status is not None and trouble.status < 500
    return Opening(problem=refusals.explain_check(trouble, runner), maybe_open=not refused)


def close_check(runner: Runner, id_: str, closing: Closing, patience: Patience | None = None) -> str:
    """Complete the check run. What stood in the way, "" if nothing did.

    It is looked for by our own id: the step that opened it may have been cancelled before it heard GitHub's.
    """
    output = {
        "title": closing.title[:_TITLE_CHARACTERS],
        "summary": fit(closing.summary, _LIMIT, whole="The whole report is in this run's summary."),
    }

    def work(deadline: Deadline) -> None:
        with client.connected(runner, deadline.answer_s) as github:
            for check in client.check_runs(github, runner, id_, deadline.left_s):
                check.edit(status="completed", conclusion=closing.conclusion.value, output=output)

    trouble = persist(work, patience or _PATIENCE)
    return refusals.explain_check(trouble, runner) if isinstance(trouble, Trouble) else ""
