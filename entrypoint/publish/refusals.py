"""Why a comment could not be written, in words that say what to do about it."""

from dataclasses import dataclass

from entrypoint.settings.runner import Runner

PERMISSIONS = "permissions:\n  contents: read\n  pull-requests: write"
CHECK_PERMISSIONS = f"{PERMISSIONS}\n  checks: write"
ARTIFACT_PERMISSIONS = "permissions:\n  actions: read\n  pull-requests: write"
_GIVE_PERMISSION = f"Give the job that comments these permissions; naming any sets all others to none:\n\n{PERMISSIONS}"
_TWO_WORKFLOWS = (
    "Measure in this workflow and comment from a second one, started by `workflow_run`: it runs the default branch's "
    "code and may write. docs/workflows.md shows both files."
)
_AGAIN = "The results are kept: run the comment step again, or `ml-loadtest comment --from results`."
_QUOTED_CHARACTERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What went wrong between us and GitHub.

    Attributes:
        status: of GitHub's answer, or None if there was none.
        said: GitHub's message, or the network's.
        rate_limited: whether GitHub asks us to come back later.
        retry_after_s: when, if it says so.
        understood: false if the client failed over an answer that nobody foresaw.
    """

    status: int | None
    said: str = ""
    rate_limited: bool = False
    retry_after_s: float | None = None
    understood: bool = True

    @property
    def passing(self) -> bool:
        """Whether another try may go better."""
        return self.understood and (self.status is None or self.status >= 500 or self.rate_limited)


def fork() -> str:
    """The pull request comes from another repository: known before anything is asked."""
    what = (
        "No comment: this pull request comes from a fork, whose token can only read. Its results are in the artifact."
    )
    return f"{what}\n{_TWO_WORKFLOWS}"


def no_token(runner: Runner) -> str:
    """There is nothing to speak with."""
    if runner.is_dependabot:
        return f"No comment: Dependabot's runs get no secrets, so `github-token` is empty.\n{_DEPENDABOT}"
    return f"No comment: `github-token` is empty. Leave the input out to use the job's own token.\n{_GIVE_PERMISSION}"


def other_commit(judged: str, head: str) -> str:
    """The result is not of the commit that the run is of."""
    what = f"the result judges commit {judged[:7]}" if judged else "the result names no commit"
    return f"No comment: {what}, and this run is of {head[:7]}. A result can only be posted for the commit it judges."


def overwritten(rounds: int) -> str:
    """Other jobs kept writing the same comment."""
    return (
        f"The comment lacks this load test: other jobs overwrote it {rounds} times.\n"
        "Let one last job post the results of all: `ml-loadtest comment --from FOLDER`. docs/workflows.md shows it."
    )


def explain(trouble: Trouble, runner: Runner) -> str:
    """Why there is no comment: what happened, the likely cause, what to do. Never holds the token."""
    if trouble.status == 403 and not trouble.rate_limited and "locked" in trouble.said.lower():
        reason = ("the conversation is locked, HTTP 403", "Unlock it, or set `comment: never`.")
    elif trouble.status == 403 and runner.is_dependabot:
        reason = ("Dependabot's runs get a token that can only read, HTTP 403", _DEPENDABOT)
    else:
        reason = _reason(trouble, runner, "the token may not write to this pull request", _GIVE_PERMISSION)
    return _told("No comment", trouble, runner, *reason)


def explain_check(trouble: Trouble, runner: Runner) -> str:
    """Why there is no check run, or why it could not be closed."""
    permission = f"`check-run: true` needs one more; naming any sets all others to none:\n\n{CHECK_PERMISSIONS}"
    return _told(
        "No check run", trouble, runner, *_reason(trouble, runner, "the token may not write checks", permission)
    )


def explain_artifacts(trouble: Trouble, runner: Runner) -> str:
    """Why the results of another run could not be had."""
    permission = f"Give the job that comments these permissions:\n\n{ARTIFACT_PERMISSIONS}"
    reason = _reason(trouble, runner, "the token may not read the run's artifacts", permission)
    return _told("no results", trouble, runner, *reason)


def _told(nothing: str, trouble: Trouble, runner: Runner, what: str, remedy: str) -> str:
    said = " ".join(trouble.said.split())[:_QUOTED_CHARACTERS]
    text = f"{nothing}: {what}{f' ({said})' if said else ''}.\n{remedy}"
    return text.replace(runner.token, "***") if runner.token else text


def _reason(trouble: Trouble, runner: Runner, forbidden: str, permission: str) -> tuple[str, str]:
    if not trouble.understood:
        return "GitHub's answer could not be read", f"Is {runner.api_url} GitHub's API? {_AGAIN}"
    if trouble.rate_limited:
        return f"GitHub's rate limit is used up, HTTP {trouble.status}{_when(trouble)}", _AGAIN
    if trouble.status is None:
        return f"{runner.api_url} did not answer", _AGAIN
    if trouble.status >= 500:
        return f"GitHub has trouble of its own, HTTP {trouble.status}", _AGAIN
    if trouble.status in {403, 404}:
        hidden = "the token cannot see this repository or what is asked for"
        return f"{forbidden if trouble.status == 403 else hidden}, HTTP {trouble.status}", permission
    return _REASONS.get(trouble.status, (f"GitHub refused it, HTTP {trouble.status}", _AGAIN))


def _when(trouble: Trouble) -> str:
    return f", try after {trouble.retry_after_s:.0f} s" if trouble.retry_after_s else ""


_DEPENDABOT = f"{_GIVE_PERMISSION}\n\nor comment from a second workflow. {_TWO_WORKFLOWS}"
_REASONS = {
    401: (
        "the token is not valid, HTTP 401",
        "A job's own token ends with the job, others expire: renew the one in `github-token`, or leave the input out.",
    ),
    410: (
        "the pull request's conversation is gone or switched off, HTTP 410",
        "Set `comment: never` if that is on purpose.",
    ),
    422: (
        "GitHub does not accept this text, HTTP 422",
        "This may be a bug of ours; the step summary has the whole report.",
    ),
}
