"""Single values of the settings file, for commands that must work whatever else is in it.

They start in a tenth of a second: nothing here imports the settings' model.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from entrypoint.errors import SettingsError
from entrypoint.settings.document import Document, read_document
from entrypoint.settings.runner import Runner, child_environment, read_runner
from entrypoint.settings.variables import with_variables

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
        return find(open_document(cwd, config or environ.get("LT_CONFIG", ""), environ).values, place)
    except SettingsError:
        return None


def open_document(cwd: Path, name: str, environ: Mapping[str, str]) -> Document:
    """The settings file of this name, or `loadtest.yml` if that is there; an empty one else.

    Its variables have their values, and it lies over the file that it extends.

    Raises:
        SettingsError: if a file is missing, is not YAML, or is not a mapping, or if a variable is not set.
    """
    if not name and not (cwd / DEFAULT_CONFIG).exists():
        return Document(DEFAULT_CONFIG, {}, {})
    return _extended(cwd, os.path.normpath(name or DEFAULT_CONFIG), child_environment(environ), ())


def _extended(cwd: Path, name: str, environment: Mapping[str, str], above: tuple[str, ...]) -> Document:
    if name in above:
        raise SettingsError(
            f"`{name}` extends itself, by way of {' and '.join(f'`{file}`' for file in above)}.",
            remedy="Take one `extends` out of the circle.",
        )
    document = with_variables(read_document(cwd / name, name), environment)
    extends = document.values.pop("extends", None)
    if extends is None:
        return document
    if not isinstance(extends, str):
        place = document.written_at[("extends",)]
        raise SettingsError(f"{place}, `extends`: expected the path of one file, got {type(extends).__name__}.")
    below = os.path.normpath(Path(name).parent / extends)
    return document.over(_extended(cwd, below, environment, (*above, name)))


def find(values: Any, place: tuple[str, ...]) -> Any:  # noqa: ANN401 (what YAML gave)
    """What stands at a place, None if nothing does."""
    for part in place:
        if not isinstance(values, dict):
            return None
        values = values.get(part)
    return values
