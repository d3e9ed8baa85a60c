"""`init`: write a starting loadtest.yml and workflow, filled in from the compose file that is there."""

import os
from pathlib import Path
from typing import Any

import yaml

from entrypoint.console import Console
from entrypoint.errors import SettingsError
from entrypoint.files import make_folder, write

_TEMPLATES = Path(__file__).parents[1] / "templates"
_COMPOSE_NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")


def init(folder: Path, console: Console) -> None:
    """Write `loadtest.yml`, `loadtest/users.py` and `.github/workflows/loadtest.yml`.

    Raises:
        SettingsError: if one of them is there already; nothing is written then.
    """
    files = {
        folder / "loadtest.yml": _config(folder),
        folder / "loadtest/users.py": (_TEMPLATES / "users.py.txt").read_text(encoding="utf-8"),
        folder / ".github/workflows/loadtest.yml": (_TEMPLATES / "workflow.yml").read_text(encoding="utf-8"),
    }
    if there := [str(path.relative_to(folder)) for path in files if os.path.lexists(path)]:
        raise SettingsError(
            f"`{there[0]}` exists already.", remedy="Remove it first, or edit it; `init` overwrites nothing."
        )
    for path, text in files.items():
        _write(path, text)
        console.say(f"wrote {path.relative_to(folder)}")
    console.say("Next: edit loadtest/users.py, then `ml-loadtest check`, then `ml-loadtest calibrate --runs 5`.")


def _write(path: Path, text: str) -> None:
    try:
        make_folder(path.parent)
        write(path, text)
    except OSError as error:
        raise SettingsError(f"`{path}` cannot be written: {error.strerror}.") from error


def _config(folder: Path) -> str:
    found = next((name for name in _COMPOSE_NAMES if (folder / name).exists()), _COMPOSE_NAMES[1])
    service, port = _first_published(folder / found)
    text = (_TEMPLATES / "loadtest.yml").read_text(encoding="utf-8")
    return text.replace("{compose-file}", found).replace("{service}", service).replace("{port}", str(port))


def _first_published(path: Path) -> tuple[str, int]:
    """Name and container port of the first compose service that publishes one; `api` and 8000 if none can be found."""
    try:
        services: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))["services"]
        for name, service in services.items():
            for port in service.get("ports") or service.get("expose") or []:
                target = port["target"] if isinstance(port, dict) else str(port).split("/")[0].split(":")[-1]
                return name, int(target)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError):
        pass
    return "api", 8000
