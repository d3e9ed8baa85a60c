"""A resolved compose model, rewritten so that it can run beside any other copy of the same project. Pure.

`docker compose config` gives the model: profiles applied, values interpolated, every `$` doubled, paths absolute. What
names something outside the project's own namespace goes: `container_name` (kept as an alias on the project's networks),
fixed names of volumes and networks, published ports, tags of images that are built here. What is external is kept.
"""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Model = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the rewritten project shall be.

    Attributes:
        project: its unique name.
        labels: labels for every container.
        service, port: the service that takes the load, and its port inside the container.
        exporter: the service whose page for Prometheus is read; "" for the one that takes the load.
        page_port: port of that page inside the container; None where none is read.
        environment: variables for the service that takes the load.
        build: whether images are built; if not, those that the user's own project built are used.
    """

    project: str
    labels: Mapping[str, str]
    service: str
    port: int
    exporter: str = ""
    page_port: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    build: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolation:
    """What became of a model.

    Attributes:
        model: the rewritten model; empty if it was refused.
        publisher: the service that publishes the port: the wanted one, or the one whose network it shares.
        exporter: likewise the one that publishes the port of the page for Prometheus; "" where none is read.
        refusals: why the model cannot run beside others, a sentence each.
        notes: what it shares with others because the file says so, a sentence each.
    """

    model: dict[str, Any] = field(repr=False)
    publisher: str
    exporter: str = ""
    refusals: list[str]
    notes: list[str]


def isolate(model: Model, wanted: Wanted, disabled: Mapping[str, list[str]] | None = None) -> Isolation:
    """Rewrite a model, or say why it cannot be.

    Args:
        model: the resolved model, with the name of the user's own project.
        wanted: what it shall become.
        disabled: services that no enabled profile has, with their profiles.
    """
    services: Model = model.get("services") or {}
    off = disabled or {}
    refusals = [*_missing(services, wanted, off), *_refusals(services, wanted), *_no_page(services, wanted, off)]
    if refusals:
        return Isolation(model={}, publisher="", refusals=refusals, notes=[])
    publisher = _publisher(services, wanted.service)
    exporter = _publisher(services, wanted.exporter or wanted.service) if wanted.page_port else ""
    rewritten = {key: part for key, part in model.items() if key != "services"}
    for section in ("networks", "volumes", "configs", "secrets"):
        if section in model:
            rewritten[section] = {key: _unnamed(part) for key, part in (model[section] or {}).items()}
    rewritten["name"] = wanted.project
    rewritten["services"] = _services(model, wanted, _published(wanted, publisher, exporter))
    notes = list(_notes(model))
    return Isolation(model=rewritten, publisher=publisher, exporter=exporter, refusals=[], notes=notes)


def _missing(services: Model, wanted: Wanted, disabled: Mapping[str, list[str]]) -> Iterator[str]:
    if wanted.service not in services:
        yield f"`service`: {_no_service(wanted.service, services, disabled)}"


def _no_service(name: str, services: Model, disabled: Mapping[str, list[str]]) -> str:
    if name in disabled:
        profiles = " or ".join(f"`{profile}`" for profile in disabled[name])
        return f"`{name}` is not enabled; add its profile {profiles} to `profiles`"
    known = [*services, *disabled]
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {_listed(close, 'or')}?" if close else f"it has {_listed(known, 'and')}"
    return f"the compose file has no service `{name}`; {hint}"


def _no_page(services: Model, wanted: Wanted, disabled: Mapping[str, list[str]]) -> Iterator[str]:
    """Why the page for Prometheus cannot be read, or would be now one container's and now another's."""
    if not wanted.page_port:
        return
    if wanted.exporter:
        if wanted.exporter not in services:
            yield f"`prometheus.service`: {_no_service(wanted.exporter, services, disabled)}"
        elif services[wanted.exporter].get("network_mode") == "none":
            yield f"service `{wanted.exporter}`: `network_mode: none` leaves it without a network, so its page cannot be read"
        return
    if several := [name for name, service in services.items() if name != wanted.service and _replicas(service) > 1]:
        yield (
            f"`prometheus`: `{several[0]}` runs {_replicas(services[several[0]])} replicas, and each answer through "
            f"`{wanted.service}` may be another one's; name the service whose page is meant as `prometheus.service`, and its "
            "containers are read one by one"
        )


def _refusals(services: Model, wanted: Wanted) -> Iterator[str]:
    for name, service in services.items():
        if service.get("network_mode") == "host":
            yield (
                f"service `{name}`: `network_mode: host` opens its ports on the machine itself, "
                "where they cannot be kept apart from those of another copy"
            )
        for key in ("network_mode", "ipc", "pid"):
            if str(service.get(key, "")).startswith("container:"):
                yield f"service `{name}`: `{key}: {service[key]}` ties it to a container outside the project"
    service = services.get(wanted.service, {})
    if service.get("network_mode") == "none":
        yield f"service `{wanted.service}`: `network_mode: none` leaves it without a network, so no load can reach it"
    if (replicas := _replicas(service)) != 1:
        yield (
            f"service `{wanted.service}`: it runs {replicas} replicas, which have no address in common; "
            "name the proxy in front of them as `service`, or let one replica run"
        )


def _replicas(service: Model) -> int:
    counts = (service.get("scale"), (service.get("deploy") or {}).get("replicas"))
    return next((int(count) for count in counts if count is not None), 1)


def _publisher(services: Model, name: str) -> str:
    """The service whose network the wanted one has, along `network_mode: service:…`."""
    for _ in services:
        mode = str(services[name].get("network_mode", ""))
        if not mode.startswith("service:") or mode.removeprefix("service:") not in services:
            break
        name = mode.removeprefix("service:")
    return name


def _unnamed(part: Model | None) -> dict[str, Any]:
    """A volume, network, config or secret without its fixed name; an external one is another's, and is kept as it is."""
    return {key: value for key, value in (part or {}).items() if key != "name" or (part or {}).get("external")}


def _published(wanted: Wanted, publisher: str, exporter: str) -> dict[str, list[dict[str, Any]]]:
    """The ports that each service publishes."""
    ports = {publisher: {wanted.port}}
    if wanted.page_port:
        ports.setdefault(exporter, set()).add(wanted.page_port)
    return {name: [_loopback(port) for port in sorted(found)] for name, found in ports.items()}


def _services(model: Model, wanted: Wanted, published: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    images = _image_names(model, wanted)
    external = {key for key, network in (model.get("networks") or {}).items() if (network or {}).get("external")}
    rewritten = {}
    for name, service in model["services"].items():
        fresh = {key: part for key, part in service.items() if key not in {"container_name", "ports", "profiles"}}
        fresh["labels"] = {**(service.get("labels") or {}), **_escaped(wanted.labels)}
        if "container_name" in service and service.get("networks"):
            fresh["networks"] = _with_alias(service["networks"], service["container_name"], external)
        if name == wanted.service:
            fresh["environment"] = {**(service.get("environment") or {}), **_escaped(wanted.environment)}
        if name in published:
            fresh["ports"] = published[name]
        rewritten[name] = _with_image(fresh, images.get(name), build=wanted.build)
    return rewritten


def _loopback(port: int) -> dict[str, Any]:
    """A port published on loopback; without `published`, the engine picks a free one."""
    return {"mode": "ingress", "host_ip": "127.0.0.1", "target": port, "protocol": "tcp"}


def _with_alias(networks: Model, alias: str, external: set[str]) -> dict[str, Any]:
    """Other services may know a service by its container's name. On external networks another copy has that name."""
    return {
        key: options
        if key in external
        else {**(options or {}), "aliases": [*((options or {}).get("aliases") or []), alias]}
        for key, options in networks.items()
    }


def _image_names(model: Model, wanted: Wanted) -> dict[str, str]:
    """The image of each service that is built here or shares an image that is.

    Built images get names of our own, or a build would move the tags that another copy uses. Without building, a service
    that names no image has the one that compose named after the user's own project.
    """
    services: Model = model["services"]
    built = {name: service for name, service in services.items() if service.get("build")}
    if not wanted.build:
        return {name: service.get("image") or f"{model['name']}-{name}" for name, service in built.items()}
    ours: dict[str, str] = {}
    for name, service in built.items():
        if image := service.get("image"):
            ours.setdefault(image, f"{wanted.project}-{name}")
    shared = {name: ours[image] for name, service in services.items() if (image := service.get("image")) in ours}
    return {name: f"{wanted.project}-{name}" for name in built} | shared


def _with_image(service: dict[str, Any], image: str | None, *, build: bool) -> dict[str, Any]:
    if image is None:
        return service
    dropped = {"pull_policy"} if build else {"pull_policy", "build"}
    return {**{key: part for key, part in service.items() if key not in dropped}, "image": image}


def _notes(model: Model) -> Iterator[str]:
    for section, word in (("networks", "network"), ("volumes", "volume")):
        for key, part in (model.get(section) or {}).items():
            if (part or {}).get("external"):
                yield f"The {word} `{key}` is external: it is used as it is, and shared with whatever else uses it."


def _escaped(values: Mapping[str, str]) -> dict[str, str]:
    return {key: value.replace("$", "$$") for key, value in values.items()}


def _listed(names: list[str], word: str) -> str:
    quoted = [f"`{name}`" for name in names]
    return f" {word} ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted) or "none"
