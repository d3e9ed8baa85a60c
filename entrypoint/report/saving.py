"""The results folder: `result.json` and everything rendered from it."""

from pathlib import Path

from entrypoint.report.render import render
from entrypoint.report.result import Result, write_result


def save(result: Result, folder: Path) -> None:
    """Write the result and its reports."""
    write_result(folder, result)
    render(result, folder)
