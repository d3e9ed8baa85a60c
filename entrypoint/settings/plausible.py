"""What can be known to be wrong before anything is started, beyond the form of each value."""

import os
from pathlib import Path

from entrypoint.errors import SettingsError
from entrypoint.settings.model import Config
from entrypoint.settings.quantities import show_duration


def refuse_impossible(config: Config) -> None:
    """Refuse a plan that no run can carry out.

    Raises:
        SettingsError: with every reason.
    """
    if mistakes := _useless_files(config) + _impossible(config):
        raise SettingsError("This plan cannot be carried out:\n" + "\n".join(f"  {mistake}" for mistake in mistakes))


def _useless_files(config: Config) -> list[str]:
    """Files that the settings name and that cannot be read."""
    service, load = config.service, config.load
    named = [
        *[("compose-file", path) for path in service.compose_file],
        *[("env-file", path) for path in service.env_file],
        ("ca", service.ca),
        ("locustfile", load.locustfile),
        ("requirements", load.requirements),
    ]
    return [
        f"`{key}` names {path}, which {trouble}."
        for key, path in named
        if path is not None and (trouble := _trouble(path))
    ]


def _trouble(path: Path) -> str:
    """Why a path cannot be read as a file, "" if it can."""
    try:
        if path.is_dir():
            return "is a folder, not a file"
        if not path.is_file():
            return "is not a file"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return "" if os.access(path, os.R_OK) else "may not be read; check its permissions"


def _impossible(config: Config) -> list[str]:
    """Plans that no run can carry out."""
    load, mistakes = config.load, []
    ramp = load.users / (load.spawn_rate or load.users)
    if load.spawn_rate and ramp > load.warm_up.max_s:
        mistakes.append(
            f"`spawn-rate` of {load.spawn_rate:g} a second needs {ramp:.0f} s to start {load.users} users, longer than the "
            f"longest warm-up of {show_duration(load.warm_up.max_s)}; raise spawn-rate or warm-up."
        )
    shortest = load.duration_s + load.warm_up.min_s
    if config.policy.timeout_s < shortest:
        mistakes.append(
            f"`timeout` of {show_duration(config.policy.timeout_s)} is shorter than the {show_duration(shortest)} that the "
            "duration and the shortest warm-up take together; raise timeout or shorten the duration."
        )
    return mistakes
