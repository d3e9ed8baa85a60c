"""The processes that drive the load, as the timeline sees them: one here, or workers behind Locust's master."""

import time
from abc import ABC, abstractmethod
from array import array
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

import gevent

from ml_loadtest.contract import Plan, Step
from ml_loadtest.station import Part, Station, Status

_LOOK_S = 0.25
# Progress looks back five seconds, the end of the warm-up four.
RECENT_S = 5.0


class RunEndedEarly(Exception):  # noqa: N818 (not an error: somebody asked for it)
    """The run cannot go on; the text says why."""


class ServiceFailed(RunEndedEarly):
    """The run cannot go on, and it is the service that keeps it from doing so; the text says how."""


def unwritten(error: OSError) -> str:
    """What is said when the disk takes no more."""
    remedy = "make room where the results go, or name another place with `--out`"
    return f"the samples could not be written: {error.strerror}; {remedy}"


class Fleet(ABC):
    """What the timeline gives its orders to.

    Attributes:
        recent: (when it was heard, target, response times in ms) of the last seconds; negative for failures.
        spawned: users that were asked for, all targets together.
    """

    def __init__(self, plan: Plan, environment: Any) -> None:
        self.recent: deque[tuple[float, int, array]] = deque()
        self.spawned = plan.users * len(plan.targets)
        self._plan = plan
        self._environment = environment
        self._number = 0
        self._heard: dict[int, Status] = {}

    # What differs ----------------------------------------------------------------------------------------------------

    @abstractmethod
    def do(self, order: str, **arguments: Any) -> None:
        """Give an order to every process."""

    @abstractmethod
    def load(self, step: Step) -> None:
        """From now on, this level of load."""

    @abstractmethod
    def refresh(self) -> None:
        """Hear how far the processes are.

        Raises:
            RunEndedEarly: if one is lost, or the conductor is gone.
        """

    @abstractmethod
    def sync(self) -> None:
        """Wait until every order was carried out.

        Raises:
            RunEndedEarly: see `refresh`.
        """

    @abstractmethod
    def flush(self) -> None:
        """Have everything so far on disk; see `sync`.

        Raises:
            RunEndedEarly: if the disk will not take it, too.
        """

    def flush_some(self) -> None:  # noqa: B027 (workers do so by themselves)
        """Have most of it on disk, without waiting for anybody; see `flush`."""

    @abstractmethod
    def finish(self) -> tuple[list[Part], str]:
        """End the recording: what is still open is unfinished.

        Returns:
            What every process that still answers did, and what went wrong with it, "" if nothing did.
        """

    def await_all(self, report: Callable[[str, float], None]) -> None:  # noqa: B027 (this process is always there)
        """Wait until every process has joined.

        Args:
            report: told of a phase, and how many seconds it may last.

        Raises:
            RunEndedEarly: if they do not, or one that does cannot be used.
        """

    def dismiss(self, problem: str) -> None:  # noqa: B027 (only workers need to be told)
        """The run is over; "" if nothing went wrong."""

    @property
    @abstractmethod
    def complete(self) -> bool:
        """Whether every process is there and knows the plan."""

    # What does not ---------------------------------------------------------------------------------------------------

    @property
    def started(self) -> int:
        """Users at work."""
        return sum(status.started for status in self._heard.values())

    @property
    def failed(self) -> int:
        """Users that could not be started."""
        return sum(status.failed for status in self._heard.values())

    @property
    def error(self) -> str:
        """What the first user that could not be started raised."""
        return next((status.error for status in self._heard.values() if status.error), "")

    @property
    def blocked(self) -> int:
        """Users that the service keeps from starting; see `Status`."""
        return sum(status.blocked for status in self._heard.values())

    @property
    def fault(self) -> str:
        """How it does so, of one of them."""
        return next((status.fault for status in self._heard.values() if status.fault), "")

    def absent(self) -> list[str]:
        """Classes of users of which none has come to any process."""
        counts: Counter[str] = Counter()
        for status in self._heard.values():
            counts.update(status.classes)
        return sorted(name for name, users in counts.items() if not users)

    def idle(self, target: int) -> bool:
        """Whether no turn is open and no due ticket waits for a user. Ask after `sync`."""
        return not any(status.in_flight[target] or status.waiting[target] for status in self._heard.values())

    def open_turns(self, target: int) -> int:
        """How many turns are open, or due and without a user, as far as was heard."""
        return sum(status.in_flight[target] + status.waiting[target] for status in self._heard.values())

    def exhausted(self, target: int) -> bool:
        """Whether every process has had all tickets of the turn. Ask after `sync`."""
        return all(status.exhausted[target] for status in self._heard.values())

    def spawn(self, users: int, spawn_rate: float) -> None:
        """Have at least so many users for each target, started at that rate.

        Raises:
            RunEndedEarly: if there are several targets, whose users Locust cannot add to in equal parts.
        """
        targets = len(self._plan.targets)
        if users * targets > self.spawned:
            if targets > 1:
                raise RunEndedEarly(
                    f"{users} users were asked for in mid-run; with several targets they all have to be there from the start"
                )
            self.spawned = users * targets
            gevent.spawn(self._environment.runner.start, self.spawned, spawn_rate * targets)

    def _hear(self, process: int, status: Status) -> None:
        now = time.perf_counter()
        self._heard[process] = status
        for target, times in enumerate(status.recent):
            if times:
                self.recent.append((now, target, array("d", times)))
        while self.recent and self.recent[0][0] < now - RECENT_S:
            self.recent.popleft()


class LocalFleet(Fleet):
    """This process alone."""

    def __init__(self, plan: Plan, environment: Any, station: Station) -> None:
        super().__init__(plan, environment)
        self._station = station
        self._looked = 0.0

    @property
    def complete(self) -> bool:
        """See `Fleet`."""
        return True

    def do(self, order: str, **arguments: Any) -> None:
        """See `Fleet`."""
        self._number += 1
        self._station.do(order, self._number, **arguments)

    def load(self, step: Step) -> None:
        """See `Fleet`."""
        self.do("load", users=step.users, rate=step.arrival_rate, count=step.count)

    def refresh(self) -> None:
        """See `Fleet`."""
        if self._station.health.orphaned():
            raise RunEndedEarly("the conductor is gone")
        if time.perf_counter() - self._looked >= _LOOK_S:
            self.sync()

    def sync(self) -> None:
        """See `Fleet`."""
        self._looked = time.perf_counter()
        self._hear(0, self._station.status())

    def flush_some(self) -> None:
        """See `Fleet`."""
        self.flush()

    def flush(self) -> None:
        """See `Fleet`."""
        try:
            self._station.flush()
        except OSError as error:
            raise RunEndedEarly(unwritten(error)) from error

    def finish(self) -> tuple[list[Part], str]:
        """See `Fleet`."""
        self.do("abandon")
        problem = ""
        try:
            self.flush()
        except RunEndedEarly as reason:
            problem = str(reason)
        return [self._station.part()], problem
