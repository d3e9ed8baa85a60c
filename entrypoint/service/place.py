"""Where a target lives: its names, its folders and the environment of what is started for it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a launcher is given besides the settings of the service.

    Attributes:
        suite: the suite's name, any text.
        run_id: what no other run on this machine has.
        root: commands of the service run here.
        logs: folder for the logs of the service, its build and its setup; another one for each target.
        ledger: folder that says what must be taken down; outlives the run, and is shared by all runs of a checkout.
        environment: the environment of everything that is started, without what could speak for the job.
        temp: parent of the private folder; RUNNER_TEMP, TMPDIR or /tmp of `environment` if not given.
    """

    suite: str
    run_id: str
    root: Path
    logs: Path
    ledger: Path
    environment: Mapping[str, str] = field(repr=False)
    temp: Path | None = None

    @property
    def private_parent(self) -> Path:
        """Where the private folder is made."""
        if self.temp:
            return self.temp
        return Path(self.environment.get("RUNNER_TEMP") or self.environment.get("TMPDIR") or "/tmp")  # noqa: S108 (a private folder is made in it)

    def project(self, name: str) -> str:
        """`mlt-<suite>-<run id>-<target's name>`: unique, and a project name that compose accepts."""
        return "-".join(["mlt", _slug(self.suite, 40), _slug(self.run_id, 40), _slug(name, 20)])


def _slug(text: str, longest: int) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:longest].strip("-") or "x"
