"""The user's compose files: resolved by compose itself, then rewritten for a project of our own."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from entrypoint.errors import SettingsError
from entrypoint.service.docker import Docker
from entrypoint.service.isolation import Isolation, Wanted, isolate
from entrypoint.service.logs import last_lines
from entrypoint.service.place import Place
from entrypoint.settings import model


class ComposeFiles:
    """The files that `compose-file` names; as text, their names as the user would write them.

    Args:
        service: the settings.
        place: the surroundings.
        docker: docker with an environment that may name variables and profiles.
        say: told of compose's warnings.
    """

    def __init__(self, service: model.Service, place: Place, docker: Docker, say: Callable[[str], None]) -> None:
        self._service = service
        self._place = place
        self._docker = docker
        self._say = say

    def __str__(self) -> str:
        return " and ".join(self._shown(path) for path in self._service.compose_file)

    def shared_arguments(self) -> list[str]:
        """What both the user's project and ours are read with: secrets may name variables of `.env`."""
        env_files = [word for path in self._service.env_file for word in ("--env-file", str(path))]
        return ["compose", "--project-directory", str(self._service.compose_file[0].parent), *env_files]

    def isolated(self, project: str) -> Isolation:
        """The resolved model, rewritten.

        Raises:
            SettingsError: a file is missing or wrong, or what it says cannot run beside another copy.
        """
        self._require()
        found = self._resolve(
            *(word for profile in self._service.profiles for word in ("--profile", profile)), aloud=True
        )
        isolation = isolate(found, self._wanted(project), self._disabled(found))
        if isolation.refusals:
            raise SettingsError(
                f"{self} cannot be used as it is:\n" + "\n".join(f"  {text}" for text in isolation.refusals),
                remedy="Mend it there, or in another file after it in `compose-file`; compose merges them.",
            )
        return isolation

    def _wanted(self, project: str) -> Wanted:
        return Wanted(
            project=project,
            labels={"ml-loadtest.suite": self._place.suite, "ml-loadtest.run": self._place.run_id},
            service=self._service.service,
            port=self._service.port or 0,
            exporter=self._service.prometheus.service if self._service.prometheus else "",
            page_port=self._service.page_port,
            environment={key: str(value) for key, value in self._service.environment.items()},
            build=self._service.build is model.Build.AUTO,
        )

    def _require(self) -> None:
        for setting, paths in (("compose-file", self._service.compose_file), ("env-file", self._service.env_file)):
            if missing := [path for path in paths if not path.is_file()]:
                raise SettingsError(
                    f"`{setting}`: there is no file {self._shown(missing[0])}.",
                    cause=f"It is looked for as {missing[0]}.",
                    remedy="Paths in loadtest.yml start from its folder; those in flags and inputs from the working directory.",
                )

    def _resolve(self, *options: str, aloud: bool = False) -> dict[str, Any]:
        """The model as compose reads it, under the name of the user's own project."""
        files = [word for path in self._service.compose_file for word in ("--file", str(path))]
        outcome = self._docker.run(*self.shared_arguments(), *files, *options, "config", "--format", "json")
        if not outcome.succeeded:
            raise SettingsError(
                f"docker compose cannot read {self}.",
                cause="The file, or one it refers to, has a mistake, or a variable that it needs is not set.",
                remedy="`docker compose config` shows the same; the last lines below say where.",
                log=last_lines(outcome.err),
            )
        for line in outcome.err.splitlines() if aloud else []:
            self._say(f"docker compose: {line}")
        resolved: dict[str, Any] = json.loads(outcome.out)
        return resolved

    def _disabled(self, found: Mapping[str, Any]) -> dict[str, list[str]]:
        """The services that no enabled profile has; of interest only when the wanted one is missing."""
        enabled = found.get("services", {})
        if self._service.service in enabled:
            return {}
        everything = self._resolve("--profile", "*").get("services", {})
        return {name: service.get("profiles", []) for name, service in everything.items() if name not in enabled}

    def _shown(self, path: Path) -> str:
        return str(path.relative_to(self._place.root)) if path.is_relative_to(self._place.root) else str(path)
