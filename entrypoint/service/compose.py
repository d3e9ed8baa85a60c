"""A service that docker compose starts, in a project of its own beside any other copy of it."""

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from entrypoint.errors import ServiceError
from entrypoint.service import containers, cpu
from entrypoint.service.commands import Outcome
from entrypoint.service.compose_files import ComposeFiles
from entrypoint.service.containers import Container
from entrypoint.service.control_groups import of_container
from entrypoint.service.deadline import Deadline
from entrypoint.service.docker import Docker
from entrypoint.service.ledger import Claim
from entrypoint.service.logs import last_lines, tail
from entrypoint.service.place import Place
from entrypoint.service.readiness import Access, Readiness, headers_of
from entrypoint.service.resources import Gauge
from entrypoint.service.target import Fault
from entrypoint.settings import model

_BUILD_S = 3600.0
_LOOK_EVERY_S = 0.7
_BUILD_LOG = "build.log"


class ComposeService:
    """The service `service` of the compose files."""

    def __init__(
        self, service: model.Service, name: str, place: Place, claim: Claim, say: Callable[[str], None]
    ) -> None:
        self.name = name
        self.url = ""
        self.timing: dict[str, float] = {}
        self.readiness: Readiness | None = None
        self.image_bytes: int | None = None
        self.access = Access(headers=headers_of(service.headers))
        self.hint = f"Does it listen on 0.0.0.0 (not on 127.0.0.1) and on port {service.port} inside its container?"
        self._service = service
        self._place = place
        self._claim = claim
        self._say = say
        self._publisher = self._exporter = ""
        self._seen: list[Container] = []
        self._looked = 0.0
        self._docker = Docker({**place.environment, **_for_interpolation(service)}, place.root)
        self._files = ComposeFiles(service, place, self._docker, say)

    def prepare(self) -> None:
        """Read the compose files, rewrite them, build and pull the images."""
        (self._place.logs / _BUILD_LOG).unlink(missing_ok=True)
        isolation = self._files.isolated(self._claim.project)
        self._publisher, self._exporter = isolation.publisher, isolation.exporter
        for note in isolation.notes:
            self._say(note)
        self._file.touch(mode=0o600)
        self._file.write_text(json.dumps(isolation.model, ensure_ascii=False), encoding="utf-8")
        self._docker.require_engine()
        self._claim.begin_project()
        services: Mapping[str, Any] = isolation.model["services"]
        if built := [name for name, described in services.items() if described.get("build")]:
            self._say(f"Building {', '.join(built)}.")
            self._fetch("build", "could not be built")
        if absent := self._without_image(services):
            self._say(f"Pulling the images of {', '.join(absent)}.")
            self._fetch("pull", "could not be pulled", *absent)

    def start(self, deadline: Deadline) -> None:
        """Start every service that is enabled, and find the port."""
        self._say(f"Starting the compose project {self._claim.project}.")
        outcome = self._compose("up", "--detach", "--no-build", "--quiet-pull", timeout_s=deadline.left_s)
        if not outcome.succeeded:
            raise self._not_up(outcome, deadline)
        self.look()

    def look(self) -> str:
        """Its address; the engine is asked at most every 0.7 s.

        Raises:
            ServiceError: a service has failed for good.
        """
        if time.monotonic() - self._looked < _LOOK_EVERY_S:
            return self.url
        self._seen = self._docker.containers(self._claim.project)
        self._looked = time.monotonic()
        if failed := containers.first_failure(self._seen, self._service.service):
            raise self._ended(failed)
        ports = [found.ports.get(self._service.port or 0) for found in self._seen if found.service == self._publisher]
        self.url = f"http://127.0.0.1:{ports[0]}" if ports and ports[0] else ""
        return self.url

    @property
    def replicas(self) -> int:
        """How many containers the most replicated service of the project has."""
        return max(Counter(found.service for found in self._seen).values(), default=1)

    def settle(self) -> None:
        """Remember how each container is, now that the service is ready, and how large their images are."""
        self._looked = 0.0
        self.look()
        self._seen = _with_kills(self._seen)
        images = {found.image for found in self._seen}
        sizes = self._docker.image_sizes(images)
        self.image_bytes = sum(sizes.values()) if images == sizes.keys() else None

    def gauges(self) -> list[Gauge]:
        """Each container's control group; none where the engine's machine is another one."""
        running = [found for found in self._seen if found.pid]
        names = containers.distinct([found.service for found in running])
        looks = [(name, found.pid, of_container(found.pid)) for name, found in zip(names, running, strict=True)]
        return [
            Gauge(service=name, read=look, cpu=cpu.of_container(pid)) for name, pid, look in looks if look is not None
        ]

    def addresses(self) -> dict[str, str]:
        """That of each container of the service whose page is read; replicas have one each."""
        running = [found for found in self._seen if found.pid and found.service == self._exporter]
        names = containers.distinct([found.service for found in running])
        ports = [found.ports.get(self._service.page_port or 0) for found in running]
        return {name: f"http://127.0.0.1:{port}" if port else "" for name, port in zip(names, ports, strict=True)}

    def log_tail(self) -> str:
        """The last lines that the service printed."""
        wanted = [found for found in self._seen if found.service == self._service.service]
        return "\n".join(self._docker.last_log_lines(found) for found in wanted)

    def save_logs(self) -> None:
        """Write the end of each service's log."""
        if self._file.exists():
            self._docker.save_logs(self._docker.containers(self._claim.project), self._place.logs)

    def release(self) -> None:
        """Nothing is held."""

    def faults(self) -> list[Fault]:
        """What happened to the project's containers.

        Raises:
            ServiceError: the engine does not answer any more.
        """
        now = _with_kills(self._docker.containers(self._claim.project))
        return containers.faults(self._seen, now, self._service.service)

    def facts(self) -> dict[str, str]:
        """The launcher and the image id of each service."""
        return {"launcher": "compose"} | {f"image of {found.service}": found.image for found in self._seen}

    @property
    def _file(self) -> Path:
        return self._claim.folder / "compose.json"

    def _compose(self, *arguments: str, timeout_s: float, log: Path | None = None) -> Outcome:
        """Run a compose command on our project."""
        words = [*self._files.shared_arguments(), "--project-name", self._claim.project, "--file", str(self._file)]
        words += ["--progress", "plain", *arguments]
        if log is None:
            return self._docker.run(*words, timeout_s=timeout_s)
        with log.open("ab") as output:
            return self._docker.run(*words, timeout_s=timeout_s, output=output)

    def _without_image(self, services: Mapping[str, Any]) -> list[str]:
        absent = {image for image in {service.get("image", "") for service in services.values()} if image}
        absent = {image for image in absent if not self._docker.has_image(image)}
        return [
            name
            for name, service in services.items()
            if service.get("image") in absent and service.get("pull_policy") != "never"
        ]

    def _fetch(self, verb: str, failure: str, *services: str) -> None:
        """Build or pull, with all that it prints in `build.log`."""
        log = self._place.logs / _BUILD_LOG
        outcome = self._compose(verb, *services, timeout_s=_BUILD_S, log=log)
        if outcome.succeeded:
            return
        earlier = (
            "`build: never` expects that an earlier step built them. "
            if self._service.build is model.Build.NEVER
            else ""
        )
        raise ServiceError(
            f"An image of {self._files} {failure}.",
            cause=f"{earlier}The last lines of `docker compose {verb}` say which, and why.",
            remedy=f"All of them are in {_BUILD_LOG}; `docker compose {verb}` should fail in the same way.",
            log=tail(log),
        )

    def _ended(self, failed: Container) -> ServiceError:
        return ServiceError(
            f"The compose service `{failed.service}` {failed.ending} before the {self.name} was ready.",
            cause="A service that is done may end, with 0; the one that takes the load may not."
            if failed.exit_code == 0
            else "Its last lines say why.",
            remedy=f"All that it printed is in {failed.service}.log.",
            log=self._docker.last_log_lines(failed),
        )

    def _not_up(self, outcome: Outcome, deadline: Deadline) -> ServiceError:
        """Why `up` failed: a service's own end says more than compose's words for it."""
        self._seen = self._docker.containers(self._claim.project)
        if failed := containers.first_failure(self._seen, self._service.service):
            return self._ended(failed)
        if sick := next((found for found in self._seen if found.unhealthy), None):
            return ServiceError(
                f"The compose service `{sick.service}` is unhealthy, and another one waits for it.",
                cause="Its healthcheck fails; its last lines may say why.",
                remedy=f"All that it printed is in {sick.service}.log.",
                log=self._docker.last_log_lines(sick),
            )
        if outcome.timed_out:
            what = f"The services of {self._files} were not started within {deadline.seconds:g} s (`ready.timeout`)."
            return ServiceError(
                what,
                cause="One waits for another that is not healthy, or not done, yet.",
                remedy="Its log shows what it does; or give `ready.timeout` more time.",
                log=last_lines(outcome.err),
            )
        return ServiceError(
            f"docker compose could not start {self._files}.",
            cause=_known_cause(outcome.err),
            remedy="The last lines of `docker compose up` say which service, and why.",
            log=last_lines(outcome.err),
        )


def _with_kills(found: list[Container]) -> list[Container]:
    """The containers with what the kernel says of those that run on this machine."""
    return [replace(one, oom_kills=_kills(one.pid)) for one in found]


def _kills(pid: int) -> int:
    look = of_container(pid) if pid else None
    # One that ends at this moment has nothing to read; the engine tells of its end.
    with suppress(OSError, ValueError, KeyError):
        return (look().oom_kills or 0) if look else 0
    return 0


def _for_interpolation(service: model.Service) -> dict[str, str]:
    """The settings' variables, but for those that docker itself goes by: they are meant for the service."""
    kept = {name for name in service.environment if name not in {"PATH", "HOME"} and not name.startswith("DOCKER_")}
    return {name: str(value) for name, value in service.environment.items() if name in kept}


_KNOWN_CAUSES = {
    "overlaps": "A network of the file has a fixed subnet, which another network of this machine has taken.",
    r"declared as external|external volume|network \S+ not found": (
        "The file uses an external network or volume, and an earlier step has to create it."
    ),
    "port is already allocated|address already in use": "Another program took the port in the same moment.",
}


def _known_cause(printed: str) -> str:
    return next((cause for pattern, cause in _KNOWN_CAUSES.items() if re.search(pattern, printed)), "")
