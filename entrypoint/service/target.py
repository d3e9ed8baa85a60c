"""What the rest of the line sees of a running service."""

from dataclasses import dataclass
from typing import Protocol

from entrypoint.service.readiness import Readiness


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that happened to the service while it should have been serving.

    Attributes:
        kind: `exited`, `restarted` or `oom-killed`.
        what: one sentence with the compose service or process, its exit code, its count.
    """

    kind: str
    what: str


class Target(Protocol):
    """A service that is up and ready.

    Attributes:
        name: `candidate`, `base` or `reference`.
        url: its address without a trailing slash, on loopback unless the user named another.
        timing: seconds of each step, disjoint: `build` (images built and pulled), `start` (until everything was
            started), `ready` (from then to the first answer), `setup`; and `teardown`, once it is down.
        readiness: how it became ready, once it is; None where it was running already.
        image_bytes: size of the images of its containers, each counted once; None where none is known.
    """

    name: str
    url: str
    timing: dict[str, float]
    readiness: Readiness | None
    image_bytes: int | None

    def faults(self) -> list[Fault]:
        """What happened to it since it was ready; empty for a URL, whose processes we cannot see."""
        ...

    def facts(self) -> dict[str, str]:
        """What identifies it, for the report: launcher, image ids, commit. Never a secret."""
        ...
