"""The one error a user can cause or meet. It says what happened, the likely cause, and what to do.

Anything else that is raised is a bug of ours: `cli.main` shows its traceback and exits with 70.
"""

from collections.abc import Callable
from enum import IntEnum

# The cause of every file of a run that cannot be read.
DAMAGED = "A file of the run is damaged: the disk was full, or code of the locustfile wrote to it."


class ExitCode(IntEnum):
    """Exit codes of every command, as design.md section 5 gives them."""

    OK = 0
    REGRESSION = 1
    SETTINGS = 2
    NOTHING_ASSERTED = 3
    BUG = 70
    INTERRUPTED = 130
    TERMINATED = 143


def printable(text: str) -> str:
    """A text without what would move a terminal's cursor or turn letters round: names in messages may be anybody's."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "\ufffd" for letter in text)


class LoadTestError(Exception):
    """What happened, why it probably did, what to do, and the last lines of the log that shows it.

    Attributes:
        what: one sentence, with the input's name as the user wrote it.
        cause: the likely cause, or "" where `what` says it all.
        remedy: what to do next.
        log: the last lines of the tool that failed; untrusted text.
        exit_code: what the command ends with.
    """

    def __init__(
        self, what: str, *, cause: str = "", remedy: str = "", log: str = "", exit_code: ExitCode = ExitCode.SETTINGS
    ) -> None:
        super().__init__(what)
        self.what = printable(what)
        self.cause = printable(cause)
        self.remedy = remedy
        self.log = log
        self.exit_code = exit_code

    def __str__(self) -> str:
        """The whole message, a part on each line."""
        return "\n".join(part for part in (self.what, self.cause, self.remedy) if part)

    def rewrite(self, rewritten: Callable[[str], str]) -> None:
        """Put another text in the place of each of its own."""
        self.what, self.cause = rewritten(self.what), rewritten(self.cause)
        self.remedy, self.log = rewritten(self.remedy), rewritten(self.log)
        self.args = (self.what,)


class SettingsError(LoadTestError):
    """A mistake in flags, inputs, `loadtest.yml`, a baseline or a results folder."""


class ServiceError(LoadTestError):
    """The service could not be started, or never became ready."""

    def __init__(self, what: str, *, cause: str = "", remedy: str = "", log: str = "") -> None:
        super().__init__(what, cause=cause, remedy=remedy, log=log, exit_code=ExitCode.NOTHING_ASSERTED)


class LoadError(LoadTestError):
    """Locust or the instrument could not do its work."""

    def __init__(self, what: str, *, cause: str = "", remedy: str = "", log: str = "") -> None:
        super().__init__(what, cause=cause, remedy=remedy, log=log, exit_code=ExitCode.NOTHING_ASSERTED)
