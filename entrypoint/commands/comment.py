"""`comment`: bring finished runs into the pull request's comment. It never fails the build."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from entrypoint.commands.collecting import Collected, collect, collect_from_run
from entrypoint.judgement.model import Outcome
from entrypoint.publish.comment import CommentOutcome, Contribution, post_comment, wanted
from entrypoint.publish.patience import Patience
from entrypoint.publish.workflow import Workflow
from entrypoint.report.render import render_comment
from entrypoint.settings.model import CommentMode
from entrypoint.settings.runner import Runner

_UNCHANGED = (Outcome.PASS, Outcome.NO_BASELINE, Outcome.INCONCLUSIVE)
_QUIET = (Outcome.PASS, Outcome.IMPROVEMENT)


def comment(
    sources: Iterable[Path],
    runner: Runner,
    workflow: Workflow,
    *,
    artifact_url: str = "",
    patience: Patience | None = None,
) -> None:
    """Post what results folders say; whatever stands in the way becomes a warning."""
    found, problems = collect(sources)
    if len(found) == 1:
        found = [found[0].linked(artifact_url)]
    for problem in problems:
        workflow.say(f"No comment: {problem}")
    _publish(found, runner, workflow, patience)


def comment_from_run(runner: Runner, workflow: Workflow, patience: Patience | None = None) -> None:
    """Post what the run before this one has uploaded; what is wrong with it is for this workflow's people to know."""
    found, problems = collect_from_run(runner, patience)
    for problem in problems:
        workflow.warning(problem, title="ml-loadtest: a result is left out")
    _publish(found, runner, workflow, patience)


def _publish(found: Sequence[Collected], runner: Runner, workflow: Workflow, patience: Patience | None = None) -> None:
    outcome = _post(found, runner, patience) if found else CommentOutcome(note="There is nothing to post.")
    if outcome.warning:
        workflow.warning(outcome.warning, title="ml-loadtest: no comment")
    if outcome.notice:
        workflow.notice(outcome.notice, title="ml-loadtest: no comment")
    if said := outcome.note or (outcome.url and f"Comment {outcome.action.value}: {outcome.url}"):
        workflow.say(said)
    workflow.output("comment-url", outcome.url)


def _post(found: Sequence[Collected], runner: Runner, patience: Patience | None) -> CommentOutcome:
    wanting = [each for each in found if each.result.comment is not CommentMode.NEVER]
    if not wanting:
        return CommentOutcome(note="No comment, as `comment: never` says.")
    return post_comment(runner, [_contribution(each) for each in wanting], patience)


def _contribution(collected: Collected) -> Contribution:
    result = collected.result
    return Contribution(
        suite=result.suite,
        head=result.environment.head,
        render=lambda characters: render_comment(result, artifact_url=collected.artifact_url, limit=characters - 1000),
        urgency=2 if result.exit_code else int(result.verdict not in _QUIET),
        create=wanted(result.comment, changed=result.verdict not in _UNCHANGED, failed=result.exit_code != 0),
    )
