"""Why a comment could not be written, in words that say what to do about it."""

from dataclasses import dataclass

from entrypoint.settings.runner import Runner

PERMISSIONS = "permissions:\n  contents: read\n  pull-requests: write"
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
    return f"No comment: this pull request comes from a fork, whose token can only read.\n{_TWO_WORKFLOWS}"


def no_token(runner: Runner) -> str:
    """There is nothing to speak with."""
    if runner.is_dependabot:
        return f"No comment: Dependabot's runs get no secrets, so `github-token` is empty.\n{_DEPENDABOT}"
    return f"No comment: `github-token` is empty. Leave the input out to use the job's own token.\n{_GIVE_PERMISSION}"


def explain(trouble: Trouble, runner: Runner) -> str:
    """A warning: what happened, the likely cause, what to do. Never holds the token."""
    said = " ".join(trouble.said.split())[:_QUOTED_CHARACTERS]
    quoted = f" ({said})" if said else ""
    what, remedy = _reason(trouble, runner)
    text = f"No comment: {what}{quoted}.\n{remedy}"
    return text.replace(runner.token, "***") if runner.token else text


def _reason(trouble: Trouble, runner: Runner) -> tuple[str, str]:
    if not trouble.understood:
        return "GitHub's answer could not be read", f"Is {runner.api_url} GitHub's API? {_AGAIN}"
    if trouble.rate_limited:
        return f"GitHub's rate limit is used up, HTTP {trouble.status}{_when(trouble)}", _AGAIN
    if trouble.status is None:
        return f"{runner.api_url} did not answer", _AGAIN
    if trouble.status >= 500:
        return f"GitHub has trouble of its own, HTTP {trouble.status}", _AGAIN
    if trouble.status == 403:
        return _forbidden(trouble, runner)
    return _REASONS.get(trouble.status, (f"GitHub refused it, HTTP {trouble.status}", _AGAIN))


def _forbidden(trouble: Trouble, runner: Runner) -> tuple[str, str]:
    if "locked" in trouble.said.lower():
        return "the conversation is locked, HTTP 403", "Unlock it, or set `comment: never`."
    if runner.is_dependabot:
        return "Dependabot's runs get a token that can only read, HTTP 403", _DEPENDABOT
    return "the token may not write to this pull request, HTTP 403", _GIVE_PERMISSION


def _when(trouble: Trouble) -> str:
    return f", try after {trouble.retry_after_s:.0f} s" if trouble.retry_after_s else ""


_DEPENDABOT = f"{_GIVE_PERMISSION}\n\nor comment from a second workflow. {_TWO_WORKFLOWS}"
_REASONS = {
    401: (
        "the token is not valid, HTTP 401",
        "A job's own token ends with the job, others expire: renew the one in `github-token`, or leave the input out.",
    ),
    404: ("the token cannot see this repository or pull request, HTTP 404", _GIVE_PERMISSION),
    410: (
        "the pull request's conversation is gone or switched off, HTTP 410",
        "Set `comment: never` if that is on purpose.",
    ),
    422: (
        "GitHub does not accept this text, HTTP 422",
        "This may be a bug of ours; the step summary has the whole report.",
    ),
}
