"""`comment`: post or update the pull request comment from a finished run. It never fails the build."""

from pathlib import Path

from entrypoint.errors import LoadTestError
from entrypoint.judgement.model import Outcome
from entrypoint.publish.comment import CommentOutcome, post_comment, wanted
from entrypoint.publish.workflow import Workflow
from entrypoint.report.render import render_comment
from entrypoint.report.result import Result, read_result
from entrypoint.settings.model import CommentMode
from entrypoint.settings.runner import Runner

_UNCHANGED = (Outcome.PASS, Outcome.NO_BASELINE, Outcome.INCONCLUSIVE)


def comment(folder: Path, runner: Runner, workflow: Workflow, *, artifact_url: str) -> None:
    """Post the comment; whatever stands in the way becomes a warning."""
    try:
        result = read_result(folder)
    except LoadTestError as error:
        workflow.say(f"No comment: {error.what}")
        return
    outcome = _post(result, runner, artifact_url)
    if outcome.warning:
        workflow.warning(outcome.warning, title="ml-loadtest: no comment")
    workflow.say(outcome.note or f"Comment {outcome.action.value}: {outcome.url}".rstrip(": "))
    workflow.output("comment-url", outcome.url)


def _post(result: Result, runner: Runner, artifact_url: str) -> CommentOutcome:
    if result.comment is CommentMode.NEVER:
        return CommentOutcome(note="No comment, as `comment: never` says.")
    if not runner.token and not runner.fork:
        return CommentOutcome(note="No comment, for no token was given.")
    wants = wanted(result.comment, changed=result.verdict not in _UNCHANGED, failed=result.exit_code != 0)
    return post_comment(runner, render_comment(result, artifact_url=artifact_url), result.suite, create=wants)
