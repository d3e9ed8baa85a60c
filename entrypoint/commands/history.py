"""`history`: add finished runs to the history file, print where each figure stands, draw the trend page."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console as Terminal

from entrypoint.console import Console
from entrypoint.errors import SettingsError
from entrypoint.files import make_folder, write
from entrypoint.history.entries import entry_of
from entrypoint.history.file import append, read
from entrypoint.history.page import render_history
from entrypoint.history.series import Line, lines_of
from entrypoint.history.table import tables
from entrypoint.report.result import read_result


def history(path: Path, out: Path, console: Console, *, added: Sequence[Path], pull_request: int | None) -> None:
    """Write the trend page of a history and print its newest figures.

    Args:
        path: the history file.
        out: the page.
        console: where to.
        added: results folders whose runs are added first.
        pull_request: number of the pull request that those runs judged, if any.

    Raises:
        SettingsError: if the history, or a folder that is to be added, cannot be read, or the page cannot be written.
    """
    for folder in added:
        new = append(path, entry_of(read_result(folder), pull_request))
        console.say(f"{folder}: {'added' if new else 'is in the history already'}")
    lines = lines_of(read(path))
    _print(lines, console)
    try:
        make_folder(out.parent)
        write(out, render_history(lines))
    except OSError as error:
        raise SettingsError(f"`--out` names `{out}`, which cannot be written to: {error.strerror}.") from error
    console.say(f"wrote {out}")


def _print(lines: Sequence[Line], console: Console) -> None:
    terminal = Terminal(width=160, no_color=True)
    for title, table in tables(lines):
        with terminal.capture() as captured:
            terminal.print(table)
        console.say("\n".join([title, *(f"  {line.rstrip()}" for line in captured.get().splitlines()), ""]))
    if not lines:
        console.say("No run of this history measured anything.")
