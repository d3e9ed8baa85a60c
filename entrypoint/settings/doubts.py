"""What is probably not meant as it stands in a plan: a sentence each, with the mend. Nothing here stops a run."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from entrypoint.measurement.metrics import METRICS
from entrypoint.settings.locustfile import doubts_of_locustfile
from entrypoint.settings.model import CompareWith, Config, Service
from entrypoint.settings.plausible import is_loopback
from entrypoint.settings.templates import uses

# Not `ready`: model servers answer there when their models are.
_ALIVE = {"", "health", "healthz", "healthcheck", "live", "livez", "liveness", "ping", "status"}
# What slim and distroless images do not have, and health checks are copied with.
_ABSENT = ("curl", "wget")


def doubts(config: Config) -> list[str]:
    """Everything that is worth a second look before the load begins."""
    found = [*_readiness(config.service), *_elsewhere(config.service), *_too_few(config)]
    for path in config.service.compose_file:
        found += doubts_of_compose(_read_compose(path))
    if config.load.locustfile:
        found += doubts_of_locustfile(_text(config.load.locustfile))
    return [*found, *_counted(config)]


def _readiness(service: Service) -> Iterator[str]:
    """A server that answers may not have its model yet; the first predictions then measure its loading."""
    path = urlsplit(service.ready.path).path
    if service.ready.expect or service.ready.body is not None:
        return
    if path.rstrip("/").rsplit("/", 1)[-1].lower() in _ALIVE:
        yield (
            f"ready: `{service.ready.path}` may answer before the model is loaded; name a path in `service.ready.path` that "
            "needs the model, or what its answer holds in `service.ready.expect`."
        )


def _elsewhere(service: Service) -> Iterator[str]:
    host = urlsplit(service.url).hostname if service.url else None
    if host and not is_loopback(host):
        yield (
            f"service: {host} is not this machine, so that the network, and whoever else uses that service, are in every figure. "
            "Ask its owner before you load it."
        )


def _too_few(config: Config) -> Iterator[str]:
    """In open load the number of requests is known beforehand."""
    load, p95 = config.load, METRICS["p95"]
    levels = [(stage.arrival_rate, stage.duration_s) for stage in load.stages] or [(load.arrival_rate, load.duration_s)]
    expected, seconds = min(((rate or 0.0) * seconds, seconds) for rate, seconds in levels)
    mend = "make that stage longer, or its rate higher" if load.stages else "raise `duration` or `arrival-rate`"
    if 0 < expected < p95.minimum:
        yield f"load: about {expected:.0f} requests in {seconds:g} s are fewer than the {p95.minimum} that a p95 needs; {mend}."


def _counted(config: Config) -> Iterator[str]:
    """A count of requests: the faster of two services has counted further, and is asked something else."""
    if config.compare.with_ is not CompareWith.BASE:
        return
    numbers = [str(number) for number, request in enumerate(config.load.requests) if uses(request.model_dump(), "n")]
    if numbers:
        yield (
            f"requests: templates of `load.requests.{', '.join(numbers)}` use `n`, which counts for each side by itself, so that "
            "base and candidate are not asked the same; use `uuid()` or a random number."
        )


def doubts_of_compose(model: Mapping[str, Any]) -> list[str]:
    """What a compose file says that changes under its reader's feet, or cannot work.

    Args:
        model: the file as YAML gives it; anything may stand anywhere.
    """
    services = model.get("services")
    found = []
    for name, service in services.items() if isinstance(services, dict) else ():
        if isinstance(service, dict):
            found += [*_image(str(name), service), *_health(str(name), service)]
    return found


def _image(name: str, service: Mapping[str, Any]) -> Iterator[str]:
    image = service.get("image")
    if not isinstance(image, str) or "build" in service or "@" in image or "$" in image:
        return
    tag = image.rsplit("/", 1)[-1].partition(":")[2]
    if tag in ("", "latest"):
        yield (
            f"compose: service `{name}` uses `{image}`, which may be another image tomorrow; name a version, or the next change "
            "of speed is nobody's."
        )


def _health(name: str, service: Mapping[str, Any]) -> Iterator[str]:
    check = service.get("healthcheck")
    test = check.get("test") if isinstance(check, dict) else None
    words = test.split() if isinstance(test, str) else [str(word) for word in test] if isinstance(test, list) else []
    program = next((word for word in words if word not in ("CMD", "CMD-SHELL")), "").split(" ")[0]
    if program in _ABSENT:
        yield (
            f"compose: the health check of `{name}` calls {program}, which slim images do not have; such a service is never "
            "healthy. Ask with what the image has, as in `python -c`, or make sure that it is installed."
        )


def _read_compose(path: Path) -> Mapping[str, Any]:
    """The file as it stands; what compose itself would refuse is compose's to say."""
    try:
        model = yaml.safe_load(_text(path))
    except (yaml.YAMLError, ValueError, RecursionError):  # an impossible date is a ValueError
        return {}
    return model if isinstance(model, dict) else {}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
