"""The history file: JSON lines or SQLite, by its ending. Several runs may write it at once."""

from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from entrypoint.errors import SettingsError
from entrypoint.files import make_folder, refuse_link
from entrypoint.history import json_lines, sqlite
from entrypoint.history.model import SCHEMA_VERSION, Entry
from entrypoint.settings.model import SQLITE_ENDINGS


class Store(Protocol):
    """One format. Texts are entries as JSON on one line."""

    def append(self, path: Path, identity: str, text: str) -> bool:
        """Add an entry unless it is there; says whether it was added."""
        ...

    def read(self, path: Path) -> list[tuple[str, str]]:
        """Every entry as (place in the file, text), the oldest first."""
        ...


def append(path: Path, entry: Entry) -> bool:
    """Add a run to the file, which is made if need be. A run that is there already is not added again.

    Returns:
        Whether it was added.

    Raises:
        SettingsError: if the file cannot be written.
    """
    try:
        make_folder(path.parent)
        refuse_link(path)
        return _store(path).append(path, entry.id, entry.model_dump_json())
    except OSError as error:
        raise SettingsError(f"The history `{path}` cannot be written: {error.strerror or error}.") from error


def read(path: Path) -> tuple[Entry, ...]:
    """Every run of the file, in order of their days and, within a day, of the file.

    Raises:
        SettingsError: if there is no such file, or a line of it is no run; a damaged history must not look like a short one.
    """
    if not path.is_file():
        raise SettingsError(
            f"There is no history at `{path}`.",
            cause="A run adds its line where `report.history` in loadtest.yml names a file.",
            remedy="Set `report: {history: .loadtest/history.jsonl}`, or name the file with `--from`.",
        )
    try:
        found = _store(path).read(path)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"The history `{path}` cannot be read: {error}.") from error
    return tuple(sorted((_entry(path, place, text) for place, text in found), key=lambda entry: entry.date))


def _store(path: Path) -> Store:
    return sqlite if path.suffix.lower() in SQLITE_ENDINGS else json_lines


def _entry(path: Path, place: str, text: str) -> Entry:
    try:
        return Entry.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if first["loc"] == ("schema_version",):
            what = f"The history `{path}` has, in {place}, a run of a schema other than {SCHEMA_VERSION}."
            raise SettingsError(what, remedy="Use the ml-loadtest that wrote it, or a newer one.") from error
        where = ".".join(str(part) for part in first["loc"])
        detail = f"{where}: {first['msg']}" if where else first["msg"]
        raise SettingsError(
            f"The history `{path}` is damaged: {place} is not a run ({detail}).",
            cause="A merge may have left its marks in the file, or it was edited by hand.",
            remedy="Remove that line, or restore the file.",
        ) from error
