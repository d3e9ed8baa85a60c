"""What each way to start a service has to offer; `lifecycle` calls it in this order."""

from typing import Protocol

from entrypoint.service.deadline import Deadline
from entrypoint.service.readiness import Access
from entrypoint.service.resources import Gauge
from entrypoint.service.target import Target


class Launcher(Target, Protocol):
    """A target, and how it comes up. What it has started is in the ledger, and is taken down from there.

    Attributes:
        access: how its readiness is asked for.
        hint: what a user should look at when it never becomes ready.
    """

    access: Access
    hint: str

    def prepare(self) -> None:
        """All that may take long and is not the service's own start, such as a build."""
        ...

    def start(self, deadline: Deadline, /) -> None:
        """Start it, and set `url`."""
        ...

    def look(self) -> str:
        """Its address while it may still become ready, "" if it has none yet.

        Raises:
            ServiceError: it has ended.
        """
        ...

    @property
    def replicas(self) -> int:
        """How many containers the most replicated of its services has; 1 where they cannot be seen."""
        ...

    def settle(self) -> None:
        """It is ready: what happens to it from now on is a fault."""
        ...

    def gauges(self) -> list[Gauge]:
        """What can be read of the machine's resources that it uses, now that it is ready."""
        ...

    def addresses(self) -> dict[str, str]:
        """Where its pages for Prometheus are, now that it is ready: by the name of each container, or by its own.

        An address is "" where the container has none.
        """
        ...

    def log_tail(self) -> str:
        """The last lines that it printed."""
        ...

    def save_logs(self) -> None:
        """Write what it printed, before it is taken down."""
        ...

    def release(self) -> None:
        """Everything is down: let go of what this process still holds."""
        ...
