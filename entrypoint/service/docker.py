"""The docker command line: the only way in which this project asks an engine for anything."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import IO

from entrypoint.errors import ServiceError
from entrypoint.service import containers
from entrypoint.service.commands import Outcome, run
from entrypoint.service.containers import Container
from entrypoint.service.logs import last_lines, log_file, shorten

_PROJECT_LABEL = "com.docker.compose.project"
_NO_ENGINE = re.compile(
    "cannot connect to the docker daemon|error during connect|permission denied while trying to connect", re.I
)
_NO_COMPOSE = re.compile(
    "is not a docker command|unknown docker command|unknown shorthand flag|unknown flag: --project-", re.I
)
# With a name alone, compose still reads the files that these name, and fails if they are not where it looks.
_USERS_FILES = ("COMPOSE_FILE", "COMPOSE_ENV_FILES")
_LOG_LINES = "50000"
_STOP_S = "3"


class Docker:
    """Docker with a given environment.

    Args:
        environment: the whole environment of every command.
        cwd: where they run; compose reads an `.env` that lies there.
    """

    def __init__(self, environment: Mapping[str, str], cwd: Path) -> None:
        self._environment = environment
        self._cwd = cwd

    def run(self, *arguments: str, timeout_s: float = 60, output: IO[bytes] | None = None) -> Outcome:
        """Run `docker` with these arguments.

        Raises:
            ServiceError: there is no docker, no compose, or no engine that answers.
        """
        try:
            outcome = run(
                ["docker", *arguments], environment=self._environment, cwd=self._cwd, timeout_s=timeout_s, output=output
            )
        except OSError as error:
            raise ServiceError(
                "`docker` could not be run.",
                cause=f"It is not on the PATH of this machine, or may not be run ({error.strerror}).",
                remedy="Install Docker with Compose v2, or start the service with `command` or `url` instead.",
            ) from None
        if outcome.code != 0:
            _refuse_missing(outcome)
        return outcome

    def without_files(self) -> "Docker":
        """The same for a project that has a name and no files any more."""
        kept = {name: value for name, value in self._environment.items() if name not in _USERS_FILES}
        return Docker(kept, Path("/"))

    def require_engine(self) -> None:
        """Ask the engine for its version.

        Raises:
            ServiceError: no engine answers.
        """
        outcome = self.run("version", "--format", "{{.Server.Version}}", timeout_s=20)
        if not outcome.succeeded:
            raise _no_engine(outcome)

    def containers(self, project: str) -> list[Container]:
        """The containers of a project, those that have ended too.

        Raises:
            ServiceError: the engine does not answer.
        """
        listed = self.run(
            "ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={_PROJECT_LABEL}={project}", timeout_s=20
        )
        if not listed.succeeded:
            raise _no_engine(listed)
        if not (ids := listed.out.split()):
            return []
        # One that was removed meanwhile makes inspect fail, and it still prints the others.
        inspected = self.run("inspect", *ids, timeout_s=20)
        if inspected.timed_out:
            raise _no_engine(inspected)
        return containers.parse(inspected.out)

    def has_image(self, image: str) -> bool:
        """Whether the engine has an image of that name."""
        return self.run("image", "inspect", "--format", "{{.Id}}", image, timeout_s=20).succeeded

    def image_sizes(self, ids: Collection[str]) -> dict[str, int]:
        """The size in bytes of each image that the engine has, by its id, as `docker image ls` counts it."""
        if not ids:
            return {}
        # One that was removed meanwhile makes inspect fail, and it still prints the others.
        inspected = self.run("image", "inspect", "--format", "{{.Id}} {{.Size}}", *ids, timeout_s=20)
        return {name: int(size) for name, size in (line.split() for line in inspected.out.splitlines() if line)}

    def last_log_lines(self, found: Container) -> str:
        """The last lines that a container printed, both streams together."""
        outcome = self.run("logs", "--tail", "20", found.id, timeout_s=10)
        return last_lines(outcome.out + outcome.err)

    def save_logs(self, found: list[Container], folder: Path) -> None:
        """Write the last 5 MB that each service printed, both streams in their order, with timestamps."""
        seen: set[str] = set()
        for container in found:
            path = log_file(folder, container.service)
            with path.open("ab" if container.service in seen else "wb") as file:
                self.run("logs", "--timestamps", "--tail", _LOG_LINES, container.id, timeout_s=15, output=file)
            shorten(path)
            seen.add(container.service)

    def down(self, project: str) -> list[str]:
        """Take a project down: containers, networks, the volumes and image names that are its own.

        Compose finds them by the project's label, so external ones are out of reach. All containers are stopped at
        once first; compose would stop one after the other.

        Returns:
            what could not be taken down, a sentence each.

        Raises:
            ServiceError: there is no docker, or no engine answers.
        """
        if running := [found.id for found in self.containers(project) if not found.has_ended]:
            self.run("stop", "-t", _STOP_S, *running, timeout_s=20)
        outcome = self.without_files().run(
            *("compose", "--project-name", project, "--progress", "plain"),
            *("down", "--volumes", "--remove-orphans", "--timeout", "0"),
            timeout_s=60,
        )
        self._forget_images(project)
        if outcome.succeeded:
            return []
        return [f"The compose project {project} could not be taken down: {last_lines(outcome.err, 3)}"]

    def _forget_images(self, project: str) -> None:
        """Remove the image names that carry the project's name; layers stay in the build cache."""
        listed = self.run(
            "image", "ls", "--format", "{{.Repository}}", "--filter", f"reference={project}-*", timeout_s=20
        )
        if names := sorted(set(listed.out.split())):
            self.run("image", "rm", "--no-prune", *names, timeout_s=30)


def _refuse_missing(outcome: Outcome) -> None:
    if _NO_ENGINE.search(outcome.err):
        raise _no_engine(outcome)
    if _NO_COMPOSE.search(outcome.err):
        raise ServiceError(
            "`docker compose` could not be run.",
            cause="This docker has no Compose v2 (the old `docker-compose` is not enough).",
            remedy="Install the docker-compose-plugin, or start the service with `command` or `url` instead.",
            log=last_lines(outcome.err),
        )


def _no_engine(outcome: Outcome) -> ServiceError:
    return ServiceError(
        "No docker engine answers.",
        cause="It is not running, or this user may not talk to it.",
        remedy="Start it (`docker version` shows the server when it runs), or start the service with `command` or `url`.",
        log=last_lines(outcome.err),
    )
