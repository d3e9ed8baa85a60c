"""Single values of the settings file, for commands that must work whatever else is in it.

They start in a tenth of a second: nothing here imports the settings' model.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from entrypoint.errors import SettingsError
from entrypoint.settings.document import Document, read_document
from entrypoint.settings.runner import Runner, read_runner

DEFAULT_CONFIG = "loadtest.yml"


def suite_name(given: str, runner: Runner) -> str:
    """The suite's name: as given, or the job's with its place in the matrix, or "default"."""
    return given or " ".join((runner.job, *runner.matrix)).strip() or "default"


def suite_of(given: str | None, config: str | None, environ: Mapping[str, str], cwd: Path) -> str:
    """The suite's name, for a command that must work whatever the settings file looks like."""
    written = _leniently(config, environ, cwd, ("suite",))
    value = given or environ.get("LT_SUITE", "").strip() or (written if isinstance(written, str) else "")
    return suite_name(value, read_runner(environ))


def wants_check_run(config: str | None, environ: Mapping[str, str], cwd: Path) -> bool:
    """Whether the settings ask for a check run; a mistake in them is for the run itself to report."""
    given = environ.get("LT_CHECK_RUN", "").strip()
    return (given or str(_leniently(config, environ, cwd, ("report", "check-run"))).lower()) == "true"


def _leniently(config: str | None, environ: Mapping[str, str], cwd: Path, place: tuple[str, ...]) -> Any:  # noqa: ANN401 (what YAML gave)
    """A value of the settings file, None if there is no such file or it cannot be read."""
    try:
        return find(open_document(cwd, config or environ.get("LT_CONFIG", "")).values, place)
    except SettingsError:
        return None


def open_document(cwd: Path, name: str) -> Document:
    """The settings file of this name, or `loadtest.yml` if that is there; an empty one else.

    Raises:
        SettingsError: if it is missing, is not YAML, or is not a mapping.
    """
    if name:
        return read_document(cwd / name, name)
    if (cwd / DEFAULT_CONFIG).exists():
        return read_document(cwd / DEFAULT_CONFIG, DEFAULT_CONFIG)
    return Document(DEFAULT_CONFIG, {}, {})


def find(values: Any, place: tuple[str, ...]) -> Any:  # noqa: ANN401 (what YAML gave)
    """What stands at a place, None if nothing does."""
    for part in place:
        if not isinstance(values, dict):
            return None
        values = values.get(part)
    return values
