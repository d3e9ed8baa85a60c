"""The results folder: `result.json` and everything rendered from it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from entrypoint.errors import ExitCode, LoadTestError
from entrypoint.report.render import render
from entrypoint.report.result import Result, write_result


def save(result: Result, folder: Path) -> Result:
    """Write the result and its reports; the result first, for it must not be lost with them.

    Returns:
        the result with what rendering took in its `timing`.

    Raises:
        LoadTestError: if the folder cannot be written to.
    """
    with _told(result, folder):
        return _save(result, folder)


def save_reports(result: Result, folder: Path) -> None:
    """Write the reports alone, anew; see `save`."""
    with _told(result, folder):
        render(result, folder)


@contextmanager
def _told(result: Result, folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LoadTestError(
            f"The results could not be written to `{folder}`: {error.strerror}.",
            cause=f"The verdict was {result.verdict.value}: {result.reasons[0].text}" if result.reasons else "",
            remedy="Make room there, or name another place with `--out`.",
            exit_code=ExitCode.NOTHING_ASSERTED,
        ) from error


def _save(result: Result, folder: Path) -> Result:
    write_result(folder, result)
    began = time.monotonic()
    render(result, folder)
    seconds = time.monotonic() - began
    timing = {
        stage: round(taken + seconds * (stage in {"total", "overhead"}), 3) for stage, taken in result.timing.items()
    }
    whole = result.model_copy(update={"timing": {**timing, "report": round(seconds, 3)}})
    write_result(folder, whole)
    return whole
