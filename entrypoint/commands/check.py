"""`check`: read the settings, print the plan and how long it will take; no load."""

import os

from entrypoint.baseline import runs
from entrypoint.baseline.file import read_baseline
from entrypoint.console import Console
from entrypoint.load import plan
from entrypoint.measurement.metrics import METRICS
from entrypoint.service.url import shown
from entrypoint.settings.doubts import doubts
from entrypoint.settings.model import CompareWith, Config, Load, Mode, Service
from entrypoint.settings.plausible import refuse_impossible
from entrypoint.settings.prometheus import Prometheus
from entrypoint.settings.quantities import show_duration
from entrypoint.settings.reading import Settings
from entrypoint.side_by_side import base_of


def check(settings: Settings, console: Console) -> None:
    """Print what a run would do.

    Raises:
        SettingsError: for a file that is missing, or a plan that cannot be carried out.
    """
    refuse_impossible(settings.config)
    load = settings.config.load
    load_plan = plan.make_plan(load, (), root=settings.root)
    ramp = load_plan.users / load_plan.spawn_rate
    beside = settings.config.compare.with_ is CompareWith.BASE
    shortest = (2 if beside else 1) * (ramp + load.warm_up.min_s + load.shortest_s)
    longest = (2 * settings.config.compare.max_looks if beside else 1) * (ramp + load.warm_up.max_s + load.measured_s)
    console.say(f"suite       {settings.suite}")
    console.say(f"service     {_describe(settings.config.service)}")
    searching = settings.config.mode is Mode.CAPACITY
    said = plan.describe(load, searching=searching)
    console.say(f"load        {said}, from {load.locustfile or _counted(load)}")
    console.say(f"compare     {_compared(settings)}")
    takes = f"{show_duration(round(shortest))} to {show_duration(round(longest))}"
    console.say(
        f"takes       {takes}{' for each of some ten levels' if searching else ''}, plus the service's own start"
    )
    if not settings.config.service.url:
        console.say(f"cores       {_cores()}")
    if page := settings.config.service.prometheus:
        console.say(f"prometheus  {_chosen(page, beside=beside)}")
    if load.arrival_rate:
        expected = load.arrival_rate * load.duration_s
        printable = [metric.label for metric in METRICS.values() if metric.minimum > 1 and metric.minimum <= expected]
        console.say(
            f"requests    about {expected:.0f}; were they all of one endpoint, {', '.join(printable) or 'no percentile'}"
        )
    warn(settings.config, console)


def _chosen(page: Prometheus, *, beside: bool) -> str:
    names = ", ".join(one.name for one in page.series)
    where = f"/{page.path.lstrip('/')}{f' of {page.service}' if page.service else ''}"
    return f"{names} from {where}{'; not read side by side' if beside else ''}"


def _counted(load: Load) -> str:
    count, variants = len(load.requests), sum(len(request.invalid) for request in load.requests)
    more = f" and {variants} invalid variant{'s' * (variants != 1)}" if variants else ""
    return f"{count} request{'s' * (count != 1)}{more} of load.requests"


def warn(config: Config, console: Console) -> None:
    """Say what is probably not meant as it stands."""
    for doubt in doubts(config):
        console.say(f"warning     {doubt}")


def _cores() -> str:
    """Who shares what: the generator's own checks tell afterwards whether there was enough for it."""
    count = len(os.sched_getaffinity(0))
    cores = "1 core" if count == 1 else f"{count} cores"
    return (
        f"{cores}, shared by the service and the load generator; `cpus` or `cpuset` in the compose file keeps the service from "
        "taking the generator's"
    )


def _describe(service: Service) -> str:
    if service.compose_file:
        files = ", ".join(path.name for path in service.compose_file)
        return f"compose, {files}, {service.service} on port {service.port}"
    return f"process, {service.command}" if service.command else f"running at {shown(service.url)}"


def _compared(settings: Settings) -> str:
    options = settings.config.compare
    if options.with_ is CompareWith.NONE:
        return "nothing; absolute limits alone"
    if options.with_ is CompareWith.BASE:
        return f"the base commit {base_of(settings)[:12]}, side by side, up to {options.max_looks} looks"
    baseline = read_baseline(options.baseline)
    if baseline is None or not baseline.groups:
        return f"{options.baseline} does not exist yet; `ml-loadtest calibrate` writes it"
    from datetime import date

    groups = "; ".join(
        f"{runs.describe(group, date.today())} on {group.fingerprint.machine}" for group in baseline.groups
    )
    return f"{options.baseline}: {groups}"
