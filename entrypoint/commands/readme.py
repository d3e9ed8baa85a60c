"""`readme`: keep the newest figures between two markers of a Markdown file, and touch nothing else in it."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from entrypoint.console import Console
from entrypoint.errors import ExitCode, LoadTestError, SettingsError
from entrypoint.files import write
from entrypoint.history.block import BEGIN, END, newest, render_block
from entrypoint.history.entries import entry_of
from entrypoint.history.file import read
from entrypoint.history.model import Entry
from entrypoint.judgement.model import Outcome
from entrypoint.report.result import read_result
from entrypoint.settings.model import JSON_LINES_ENDINGS, SQLITE_ENDINGS


def readme(source: Path, path: Path, console: Console, *, check: bool) -> ExitCode:
    """Write the block, or with `check` only say whether it is as it would be written.

    Args:
        source: a results folder, its result.json, or a history file.
        path: the Markdown file.

    Raises:
        LoadTestError: if either cannot be read, the run is invalid, or the file has no place for the block.
    """
    content = _read_bytes(path)
    wanted = updated(content, render_block(_runs(source)), path.name)
    if wanted == content:
        console.say(f"{path} is up to date")
        return ExitCode.OK
    if check:
        console.say(f"{path} is out of date. Write it with `ml-loadtest readme --from {source} --file {path}`.")
        return ExitCode.REGRESSION
    _write_whole(path, wanted)
    console.say(f"wrote the newest figures into {path}")
    return ExitCode.OK


def _runs(source: Path) -> list[Entry]:
    if source.suffix.lower() in {*JSON_LINES_ENDINGS, *SQLITE_ENDINGS}:
        return newest(read(source))
    result = read_result(source)
    if result.measurement is None or result.verdict is Outcome.INVALID:
        raise LoadTestError(
            f"The run at `{source}` is invalid, and its figures are not to be believed.",
            cause=result.reasons[0].text if result.reasons else "",
            remedy="Measure again, or take the newest valid run from the history with `--from`.",
            exit_code=ExitCode.NOTHING_ASSERTED,
        )
    return [entry_of(result)]


def updated(content: bytes, block: str, name: str) -> bytes:
    """The file's content with the block between its markers; every byte outside stays.

    Args:
        content: of the file, in any encoding that keeps ASCII.
        block: Markdown without the markers.
        name: of the file, for messages.

    Raises:
        SettingsError: if the markers are not there exactly once, each on a line of its own.
    """
    lines = content.splitlines(keepends=True)
    begin, end = (_places(lines, marker) for marker in (BEGIN, END))
    if not begin and not end:
        raise SettingsError(
            f"`{name}` has no place for the figures.",
            remedy=f"Add these two lines where they shall stand:\n\n{BEGIN}\n{END}\n",
        )
    if len(begin) != 1 or len(end) != 1 or end[0] < begin[0]:
        raise SettingsError(
            f"`{name}` must have the line `{BEGIN}` once and, after it, the line `{END}` once.",
            cause=f"They are on lines {_told(begin)} and {_told(end)}.",
            remedy="Leave one pair.",
        )
    ending = lines[begin[0]][len(lines[begin[0]].rstrip(b"\r\n")) :]
    inner = [line.encode() + ending for line in ("", *block.strip("\n").split("\n"), "")]
    return b"".join([*lines[: begin[0] + 1], *inner, *lines[end[0] :]])


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, with the permissions it had, where a link leads if it is one.

    Raises:
        SettingsError: if it cannot be written.
    """
    target = path.resolve()
    temporary = target.with_name(f".{target.name}.part")
    try:
        write(temporary, content)
        shutil.copymode(target, temporary)
        os.replace(temporary, target)  # noqa: PTH105 (atomic on every system)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise SettingsError(f"`{path}` cannot be written: {error.strerror}.") from error


def _read_bytes(path: Path) -> bytes:
    """The file's content.

    Raises:
        SettingsError: if it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"`--file` names `{path}`, which cannot be read: {error.strerror}.") from error


def _places(lines: Sequence[bytes], marker: str) -> list[int]:
    return [number for number, line in enumerate(lines) if line.strip() == marker.encode()]


def _told(places: Sequence[int]) -> str:
    return ", ".join(str(place + 1) for place in places) or "none"
