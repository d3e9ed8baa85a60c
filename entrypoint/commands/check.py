"""`check`: read the settings, print the plan and how long it will take; no load."""

from entrypoint.baseline import runs
from entrypoint.baseline.file import read_baseline
from entrypoint.console import Console
from entrypoint.errors import SettingsError
from entrypoint.load import plan
from entrypoint.measurement.metrics import METRICS
from entrypoint.settings.model import CompareWith, Service
from entrypoint.settings.quantities import show_duration
from entrypoint.settings.reading import Settings


def check(settings: Settings, console: Console) -> None:
    """Print what a run would do.

    Raises:
        SettingsError: for a file that is missing, or a plan that cannot be carried out.
    """
    load = settings.config.load
    if mistakes := missing_files(settings) + impossible(settings):
        raise SettingsError("This plan cannot be carried out:\n" + "\n".join(f"  {mistake}" for mistake in mistakes))
    load_plan = plan.make_plan(load, ())
    ramp = load_plan.users / load_plan.spawn_rate
    shortest, longest = ramp + load.warm_up.min_s + load.duration_s, ramp + load.warm_up.max_s + load.duration_s
    console.say(f"suite       {settings.suite}")
    console.say(f"service     {_describe(settings.config.service)}")
    console.say(f"load        {plan.describe(load_plan)}, from {load.locustfile}")
    console.say(f"compare     {_compared(settings)}")
    console.say(
        f"takes       {show_duration(round(shortest))} to {show_duration(round(longest))}, plus the service's own start"
    )
    if load.arrival_rate:
        expected = load.arrival_rate * load.duration_s
        printable = [metric.label for metric in METRICS.values() if metric.minimum > 1 and metric.minimum <= expected]
        console.say(
            f"requests    about {expected:.0f}; were they all of one endpoint, {', '.join(printable) or 'no percentile'}"
        )


def missing_files(settings: Settings) -> list[str]:
    """Files that the settings name and that are not there."""
    service, load = settings.config.service, settings.config.load
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


def impossible(settings: Settings) -> list[str]:
    """Plans that no run can carry out."""
    load = settings.config.load
    ramp = load.users / (load.spawn_rate or load.users)
    if load.spawn_rate and ramp > load.warm_up.max_s:
        return [
            f"`spawn-rate` of {load.spawn_rate:g} a second needs {ramp:.0f} s to start {load.users} users, longer than the "
            f"longest warm-up of {show_duration(load.warm_up.max_s)}; raise spawn-rate or warm-up."
        ]
    return []


def _describe(service: Service) -> str:
    if service.compose_file:
        files = ", ".join(path.name for path in service.compose_file)
        return f"compose, {files}, {service.service} on port {service.port}"
    return f"process, {service.command}" if service.command else f"running at {service.url}"


def _compared(settings: Settings) -> str:
    options = settings.config.compare
    if options.with_ is CompareWith.NONE:
        return "nothing; absolute limits alone"
    baseline = read_baseline(options.baseline)
    if baseline is None or not baseline.groups:
        return f"{options.baseline} does not exist yet; `ml-loadtest calibrate` writes it"
    from datetime import date

    groups = "; ".join(
        f"{runs.describe(group, date.today())} on {group.fingerprint.machine}" for group in baseline.groups
    )
    return f"{options.baseline}: {groups}"
