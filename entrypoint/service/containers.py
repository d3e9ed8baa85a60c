"""What `docker inspect` says of a project's containers, and what happened to them between two looks. Pure."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from entrypoint.service.target import Fault

_ENDED = {"exited", "dead"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container of a compose project.

    Attributes:
        pid: of its first process, 0 unless it runs.
        status: docker's word: created, running, paused, restarting, exited, dead.
        restarts: how often the engine started it again.
        oom_kills: how many of its processes the kernel has killed since it was started; 0 too where that cannot be read.
        image: the image's id.
        ports: host ports on loopback by TCP port inside the container.
    """

    id: str
    pid: int
    service: str
    status: str
    exit_code: int
    oom_killed: bool
    unhealthy: bool
    restarts: int
    started_at: str
    image: str
    ports: Mapping[int, int]
    oom_kills: int = 0

    @property
    def has_ended(self) -> bool:
        """Whether it stopped for good: one that the engine will start again is `restarting`."""
        return self.status in _ENDED

    @property
    def ending(self) -> str:
        """What happened to it, as the end of a sentence."""
        if self.oom_killed:
            return f"was killed because it ran out of memory (exit code {self.exit_code})"
        return f"exited with code {self.exit_code}"


def parse(inspected: str) -> list[Container]:
    """The containers in the output of `docker inspect`, by service."""
    found = [_container(described) for described in json.loads(inspected or "[]")]
    return sorted(found, key=lambda container: (container.service, container.id))


def _container(described: Mapping[str, Any]) -> Container:
    state = described["State"]
    return Container(
        id=described["Id"],
        pid=state.get("Pid") or 0,
        service=(described["Config"].get("Labels") or {}).get("com.docker.compose.service", ""),
        status=state["Status"],
        exit_code=state["ExitCode"],
        oom_killed=state.get("OOMKilled", False),
        unhealthy=(state.get("Health") or {}).get("Status") == "unhealthy",
        restarts=described.get("RestartCount", 0),
        started_at=state["StartedAt"],
        image=described["Image"],
        ports=_ports(described.get("NetworkSettings") or {}),
    )


def _ports(network: Mapping[str, Any]) -> dict[int, int]:
    published = {}
    for inside, bindings in (network.get("Ports") or {}).items():
        port, _, protocol = inside.partition("/")
        if protocol == "tcp" and bindings:
            published[int(port)] = int(bindings[0]["HostPort"])
    return published


def distinct(services: Sequence[str]) -> list[str]:
    """A name for each container: its service's, numbered where a service has several."""
    count, seen = Counter(services), Counter[str]()
    names = []
    for service in services:
        seen[service] += 1
        names.append(service if count[service] == 1 else f"{service} {seen[service]}")
    return names


def first_failure(containers: Sequence[Container], wanted: str) -> Container | None:
    """The container that ends the wait: one that failed for good, or the wanted service's, however it ended.

    A one-shot service, such as a migration, that exits with 0 has done its work.
    """
    ended = [container for container in containers if container.has_ended]
    failed = [container for container in ended if container.exit_code or container.oom_killed]
    return next(iter([*failed, *(container for container in ended if container.service == wanted)]), None)


def faults(before: Sequence[Container], after: Sequence[Container], wanted: str) -> list[Fault]:
    """What happened to the containers that ran at the first look.

    Args:
        before: the containers when the service was ready.
        after: the same project's containers now.
        wanted: the service that takes the load; its exit is a fault even with 0.
    """
    now = {container.id: container for container in after}
    found = [
        _fault(container, now.get(container.id), wanted)
        for container in before
        if not container.has_ended and container.status != "created"
    ]
    return [fault for fault in found if fault]


def _fault(then: Container, now: Container | None, wanted: str) -> Fault | None:
    found = _happened(then, now, wanted)
    if found and now and now.service == wanted and now.ports and now.ports != then.ports:
        # The engine chooses a free port at each start. What failed from there on is no word about the service.
        moved = "the engine published it at another port then, so every request after that failed"
        return replace(found, what=f"{found.what}; {moved}")
    return found


def _happened(then: Container, now: Container | None, wanted: str) -> Fault | None:
    name = f"service `{then.service}`"
    if now is None:
        return Fault(kind="exited", what=f"{name} is gone: its container was removed")
    # Of a process that is not the container's first one, the kernel tells, and not every engine does.
    if (now.oom_killed and not then.oom_killed) or now.oom_kills > then.oom_kills:
        return Fault(kind="oom-killed", what=f"{name} ran out of memory, and the kernel killed it or a process of it")
    if now.has_ended and (now.exit_code or now.service == wanted):
        return Fault(kind="exited", what=f"{name} {now.ending}")
    if now.restarts != then.restarts or now.status == "restarting":
        count = max(now.restarts - then.restarts, 1)
        times = "once" if count == 1 else f"{count} times"
        # One that runs again has no exit code: the engine says 0.
        last = "" if now.status == "running" else f", last exit code {now.exit_code}"
        return Fault(kind="restarted", what=f"{name} ended and was restarted {times}{last}")
    if now.started_at != then.started_at and not now.has_ended:
        return Fault(kind="restarted", what=f"{name} was restarted from outside")
    return None
