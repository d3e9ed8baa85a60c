"""What can be known to be wrong before anything is started, beyond the form of each value."""

from entrypoint.errors import SettingsError
from entrypoint.settings.model import Config
from entrypoint.settings.quantities import show_duration


def refuse_impossible(config: Config) -> None:
    """Refuse a plan that no run can carry out.

    Raises:
        SettingsError: with every reason.
    """
    if mistakes := _missing_files(config) + _impossible(config):
        raise SettingsError("This plan cannot be carried out:\n" + "\n".join(f"  {mistake}" for mistake in mistakes))


def _missing_files(config: Config) -> list[str]:
    """Files that the settings name and that are not there."""
    service, load = config.service, config.load
    named = [
        *[("compose-file", path) for path in service.compose_file],
        *[("env-file", path) for path in service.env_file],
        ("ca", service.ca),
        ("locustfile", load.locustfile),
        ("requirements", load.requirements),
    ]
    return [
        f"`{key}` names {path}, which is not a file." for key, path in named if path is not None and not path.is_file()
    ]


def _impossible(config: Config) -> list[str]:
    """Plans that no run can carry out."""
    load = config.load
    ramp = load.users / (load.spawn_rate or load.users)
    if load.spawn_rate and ramp > load.warm_up.max_s:
        return [
            f"`spawn-rate` of {load.spawn_rate:g} a second needs {ramp:.0f} s to start {load.users} users, longer than the "
            f"longest warm-up of {show_duration(load.warm_up.max_s)}; raise spawn-rate or warm-up."
        ]
    return []
