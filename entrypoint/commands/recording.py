"""Where a run ends: its line in the history, if the settings name a file for it."""

from collections.abc import Callable

from entrypoint.errors import LoadTestError
from entrypoint.history.entries import entry_of
from entrypoint.history.file import append
from entrypoint.report.result import Result
from entrypoint.settings.reading import Settings


def record(result: Result, settings: Settings, warn: Callable[[str], None]) -> None:
    """Add the run to the history file. Whatever stands in the way is said; the verdict stays what it is."""
    path = settings.config.report.history
    if path is None:
        return
    try:
        append(path, entry_of(result, settings.runner.pull_request))
    except LoadTestError as error:
        warn(f"This run is not in the history. {error.what}")
