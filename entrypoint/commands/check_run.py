"""The check run of a run of the action: what it is called, and what its end says."""

from pathlib import Path

from entrypoint.errors import ExitCode, LoadTestError
from entrypoint.judgement.model import Outcome
from entrypoint.publish.check_run import Closing, Conclusion, close_check, new_id, obstacle, open_check
from entrypoint.publish.workflow import Workflow
from entrypoint.report.headline import word
from entrypoint.report.render import render_comment
from entrypoint.report.result import Result, read_result
from entrypoint.settings.runner import Runner

_TITLE = "ml-loadtest: no check run"
_NOTHING_DECIDED = (Outcome.NO_BASELINE, Outcome.INCONCLUSIVE)
_INTERRUPTED = (ExitCode.INTERRUPTED, ExitCode.TERMINATED)


def open_check_run(suite: str, runner: Runner, workflow: Workflow) -> None:
    """Open the check run; whatever stands in the way is said, and changes no verdict."""
    if known := obstacle(runner):
        workflow.notice(known, title=_TITLE)
        return
    id_ = new_id()
    workflow.output("check-run", id_)  # first: a step that is cancelled now has told the last step what to look for
    opening = open_check(runner, f"ml-loadtest {suite}", id_)
    if not opening.maybe_open:
        workflow.output("check-run", "")
    if opening.problem:
        # That Dependabot's token cannot write is no mistake of anybody's.
        tell = workflow.notice if runner.is_dependabot else workflow.warning
        tell(opening.problem, title=_TITLE)


def close_check_run(id_: str, folder: Path, outcome: str, runner: Runner, workflow: Workflow) -> None:
    """Close the check run.

    Args:
        id_: our own.
        folder: the results, if the run came to any.
        outcome: the run step's, as GitHub has it: success, failure, cancelled or skipped.
        runner: the job's surroundings.
        workflow: where to say what stands in the way.
    """
    try:
        closing = of_result(read_result(folder))
    except LoadTestError:
        closing = without_result(outcome)
    if problem := close_check(runner, id_, closing):
        workflow.warning(problem, title=_TITLE)
    else:
        workflow.say(f"Check run: {closing.conclusion.value}")


def of_result(result: Result) -> Closing:
    """How a finished run ends it: red exactly where the build is."""
    if result.exit_code in _INTERRUPTED:
        conclusion = Conclusion.CANCELLED
    elif result.exit_code:
        conclusion = Conclusion.FAILURE
    else:
        conclusion = Conclusion.NEUTRAL if result.verdict in _NOTHING_DECIDED else Conclusion.SUCCESS
    return Closing(conclusion=conclusion, title=word(result.verdict), summary=render_comment(result))


def without_result(outcome: str) -> Closing:
    """How a run ends it that came to no result: its own step's output says why."""
    stopped = outcome in {"cancelled", "skipped"}
    title = {"cancelled": "Cancelled", "skipped": "Not run"}.get(outcome, "The load test could not run")
    return Closing(
        conclusion=Conclusion.CANCELLED if stopped else Conclusion.FAILURE,
        title=title,
        summary="There is no result. The log of this run says why.",
    )
