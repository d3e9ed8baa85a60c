"""What can be known to be wrong before anything is started, beyond the form of each value."""

import os
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from entrypoint.errors import SettingsError
from entrypoint.measurement.metrics import METRICS, QUANTILES
from entrypoint.settings.model import CompareWith, Config, Load, Mode, Service
from entrypoint.settings.quantities import show_duration

# Caches fill and heaps settle in the first minutes: what grows then says nothing of the hours after.
SHORTEST_SOAK_S = 300.0


def refuse_impossible(config: Config) -> None:
    """Refuse a plan that no run can carry out.

    Raises:
        SettingsError: with every reason.
    """
    mistakes = _useless_files(config) + _impossible(config) + _unreachable(config) + _not_beside(config)
    if mistakes := mistakes + _no_search(config) + _no_soak(config):
        raise SettingsError("This plan cannot be carried out:\n" + "\n".join(f"  {mistake}" for mistake in mistakes))


def refuse_useless_files(load: Load) -> None:
    """Refuse a locustfile or requirements that cannot be read, where a worker joins.

    Raises:
        SettingsError: with every reason.
    """
    if mistakes := _unreadable([("locustfile", load.locustfile), ("requirements", load.requirements)]):
        raise SettingsError("\n".join(mistakes))


def _useless_files(config: Config) -> list[str]:
    """Files that the settings name and that cannot be read."""
    service, load = config.service, config.load
    return _unreadable([
        *[("compose-file", path) for path in service.compose_file],
        *[("env-file", path) for path in service.env_file],
        ("ca", service.ca),
        ("locustfile", load.locustfile),
        ("requirements", load.requirements),
    ])  # fmt: skip


def _unreadable(named: list[tuple[str, Path | None]]) -> list[str]:
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
    users = max([stage.users or load.users for stage in load.stages] or [load.users])
    ramp = users / (load.spawn_rate or users)
    if load.spawn_rate and ramp > load.warm_up.max_s:
        mistakes.append(
            f"`spawn-rate` of {load.spawn_rate:g} a second needs {ramp:.0f} s to start {users} users, longer than the "
            f"longest warm-up of {show_duration(load.warm_up.max_s)}; raise spawn-rate or warm-up."
        )
    sides = 2 if config.compare.with_ is CompareWith.BASE else 1
    shortest = sides * (load.shortest_s + load.warm_up.min_s)
    if config.policy.timeout_s < shortest:
        mistakes.append(
            f"`timeout` of {show_duration(config.policy.timeout_s)} is shorter than the {show_duration(shortest)} that the "
            "duration and the shortest warm-up take together; raise timeout or shorten the duration."
        )
    return mistakes


def _not_beside(config: Config) -> list[str]:
    """Plans that cannot be carried out on two services in turns."""
    if config.compare.with_ is not CompareWith.BASE:
        return []
    said = "`compare.with` is `base`, side by side on this machine; "
    mistakes = []
    if config.service.url:
        mistakes.append(f"{said}`url` names one service and no other. Use `compose-file` or `command`.")
    if config.load.stages:
        mistakes.append(f"{said}`stages` are not measured in turns yet. Give one level of load.")
    judged = {
        key
        for threshold in config.thresholds
        for key, said in threshold.metrics.items()
        if key in METRICS
        and not METRICS[key].in_turns
        and (said.gate or said.max_increase is not None or said.max_decrease is not None)
    }
    if judged:
        mistakes.append(
            f"{said}{', '.join(sorted(judged))} of the service as a whole is not compared there. Give a limit (`max`), or "
            "compare with `committed`."
        )
    if unread := {key for threshold in config.thresholds for key in threshold.metrics} - METRICS.keys():
        mistakes.append(
            f"{said}the service's page for Prometheus is not read there, so nothing is known of {', '.join(sorted(unread))}. "
            "Leave the thresholds of these out, or compare with `committed`."
        )
    if config.load.count:
        mistakes.append(
            f"{said}turns of equal length are compared there, and `count` ends them earlier. Give `duration` alone."
        )
    if config.load.remote_workers:
        mistakes.append(f"{said}`remote-workers` are on others. Use `workers`.")
    return mistakes


def _no_search(config: Config) -> list[str]:
    """Plans by which no capacity can be searched for, and what only a search knows."""
    if config.mode is not Mode.CAPACITY:
        only = "`wanted-rate` says nothing without a search for the capacity. Give `mode: capacity`, or leave it out."
        return [only] if config.wanted_rate else []
    said, load = "`mode` is `capacity`, a search for the highest load that holds every limit; ", config.load
    mistakes = []
    if config.compare.with_ is CompareWith.BASE:
        mistakes.append(f"{said}side by side it is not made. Compare with `committed` or with `none`.")
    if load.stages or load.count:
        mistakes.append(
            f"{said}it chooses its levels itself, from `users` or `arrival-rate` on. Leave out `stages` and `count`."
        )
    times = [said for threshold in config.thresholds for key, said in threshold.metrics.items() if key in QUANTILES]
    if not any(limit.max is not None and limit.gate is not False for limit in times):
        mistakes.append(
            f"{said}no response time has a limit. Give one under `thresholds`, such as `p95: {{max: 250ms}}`."
        )
    if any(
        "rate" in threshold.metrics and threshold.metrics["rate"].min is not None for threshold in config.thresholds
    ):
        mistakes.append(
            f"{said}`rate: {{min: …}}` is broken by every low level. Give `capacity-rate: {{min: …}}` instead."
        )
    return mistakes


def _no_soak(config: Config) -> list[str]:
    """Plans by which nothing can be said of growth."""
    if config.mode is not Mode.SOAK:
        return []
    said, load = "`mode` is `soak`, one constant load for long; ", config.load
    mistakes = []
    if load.stages or load.count:
        mistakes.append(
            f"{said}`stages` change it and `count` ends it early. Give `users` or `arrival-rate`, and `duration`."
        )
    elif load.duration_s < SHORTEST_SOAK_S:
        shortest = show_duration(SHORTEST_SOAK_S)
        mistakes.append(
            f"{said}in {show_duration(load.duration_s)} caches and heaps are still filling, which would be taken for growth. "
            f"Give a `duration` of at least {shortest}, better half an hour."
        )
    if config.compare.with_ is CompareWith.BASE:
        mistakes.append(
            f"{said}in turns with a base it would not be constant. Compare with `committed` or with `none`."
        )
    return mistakes


def _unreachable(config: Config) -> list[str]:
    """A service that workers on other machines could not reach. A master on loopback has none but those of this machine."""
    load, service = config.load, config.service
    if not load.remote_workers or is_loopback(load.master_address[0]) or not is_loopback(_host(service)):
        return []
    where = f"`url` names {_host(service)}" if service.url else "A service that we start is published on 127.0.0.1"
    return [
        f"{where}, which `remote-workers` on other machines cannot reach; start the service yourself and give as `url` an "
        "address that every worker can reach, or let the `master` listen on 127.0.0.1 for workers of this machine."
    ]


def _host(service: Service) -> str:
    return (urlsplit(service.url).hostname or "") if service.url else "127.0.0.1"


def is_loopback(host: str) -> bool:
    """Whether an address, as it is written, can only be reached from this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
