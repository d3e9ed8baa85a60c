"""All that drives and records the load in one Locust process. The timeline gives it orders; it answers with a status."""

import gc
import os
from dataclasses import asdict, dataclass, field
from typing import Any

from locust import events
from locust.env import Environment

from ml_loadtest.alarm import Alarm
from ml_loadtest.contract import Plan
from ml_loadtest.health import HealthMonitor
from ml_loadtest.pacer import Pacer
from ml_loadtest.recorder import Recorder
from ml_loadtest.sink import Sink
from ml_loadtest.users import Crew, install

SHORTEST_SECRET = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How far a process is.

    Attributes:
        done: number of the last order that was carried out.
        started, failed: users that are at work, and users that could not be.
        in_flight, waiting: open turns, and due tickets without a user, for each target.
        exhausted: whether the turn on a target has had all of its tickets, for each target.
        recent: response times for each target since the last status, float64 in ms, negative for failures.
        classes: how many users of each class have come.
        error: what the first user that could not be started raised.
        blocked: users that the service keeps from starting: a request of their `on_start` failed, or has no answer yet.
        fault: how it does so, of one of them.
    """

    done: int
    started: int
    failed: int
    in_flight: list[int]
    waiting: list[int]
    exhausted: list[bool]
    recent: list[bytes]
    classes: dict[str, int]
    error: str
    blocked: int
    fault: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one process adds to the closing record; see `contract.Closing`.

    Attributes:
        tickets: [segment, target, issued, due, seconds of thinking before them].
        mistakes: tasks that raised without making a request, or by a mistake of the locustfile's.
        error: the first one's exception.
    """

    started: int
    recorded: int
    unfinished: int
    unreported: int
    response_sum_ms: float
    users_started: int
    users_left: int
    mistakes: int
    error: str
    tickets: list[list[Any]] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)


class Station:
    """Users, pacers, recorder and health of one process.

    Args:
        plan: what is to be done.
        sink: takes what is recorded.
        process: this process's number.
    """

    def __init__(self, plan: Plan, sink: Sink, process: int) -> None:
        secrets = tuple(os.environ.get(name, "") for name in plan.secrets)
        targets = range(len(plan.targets))
        self._plan = plan
        self.recorder = Recorder(sink, len(targets), tuple(s for s in secrets if len(s) >= SHORTEST_SECRET))
        self.health = HealthMonitor(sink, self.recorder.now)
        alarm = Alarm()
        self._pacers = [Pacer(plan, target, process, alarm) for target in targets]
        self.crew = Crew(plan, self.recorder, self._pacers, process)
        self._done = 0
        self._orders = {
            "load": self._load, "open": self._open, "close": self._close, "turn": self._turn, "flush": self.flush,
            "abandon": self._abandon,
        }  # fmt: skip

    def employ(self, environment: Environment) -> None:
        """Have the crew take the place of the locustfile's users in this process."""
        # With several targets nobody can say which one a listener of the locustfile's means.
        environment.host = self._plan.targets[0].url if len(self._plan.targets) == 1 else None
        environment.user_classes[:] = self.crew.for_targets(list(environment.user_classes))
        install(self.crew)
        events.request.add_listener(self.crew.ended)
        events.user_error.add_listener(self.crew.raised)
        # What importing left behind is never garbage; looking through it again and again would stop the load for 30 ms.
        gc.collect()
        gc.freeze()

    def do(self, order: str, number: int, **arguments: Any) -> None:
        """Carry out an order; the next status says so."""
        self._orders[order](**arguments)
        self._done = number

    def _load(self, users: int, rate: float | None, count: int | None) -> None:
        for pacer in self._pacers:
            pacer.load(users, rate, count)

    def _open(self, target: int) -> None:
        self._pacers[target].open()

    def _close(self, target: int) -> None:
        self._pacers[target].close()

    def _turn(self, target: int, segment: int, key: int, lead_in_s: float = 0.0) -> None:
        self._pacers[target].begin_turn(segment, key, lead_in_s)

    def _abandon(self) -> None:
        self.crew.abandon()
        self.health.look()

    def flush(self) -> None:
        """Write all that is buffered; see `Sink`."""
        self.recorder.flush()
        self.health.flush()

    def status(self) -> Status:
        """How far this process is."""
        crew = self.crew
        blocked, fault = crew.blocked()
        return Status(
            done=self._done,
            started=crew.started,
            failed=crew.failed_to_start,
            in_flight=[crew.in_flight(target) for target in range(len(self._pacers))],
            waiting=[len(pacer.waiting()) for pacer in self._pacers],
            exhausted=[pacer.exhausted for pacer in self._pacers],
            recent=[times.tobytes() for times in self.recorder.recent()],
            classes=crew.by_class(),
            error=self.recorder.named(crew.first_error),
            blocked=blocked,
            fault=fault,
        )

    def part(self) -> Part:
        """What this process did, in the end."""
        crew, recorder = self.crew, self.recorder
        return Part(
            started=crew.requests_started,
            recorded=recorder.recorded,
            unfinished=recorder.unfinished,
            unreported=crew.unreported,
            response_sum_ms=recorder.response_sum_ms,
            users_started=crew.started,
            users_left=crew.left,
            mistakes=crew.empty_errors,
            error=recorder.named(crew.first_error),
            tickets=[entry for target, pacer in enumerate(self._pacers) for entry in _tickets(target, pacer)],
            failures=[asdict(failure) for failure in recorder.failures()],
        )


def _tickets(target: int, pacer: Pacer) -> list[list[Any]]:
    due, thought_s = pacer.due(), pacer.thought_s
    return [
        [segment, target, pacer.issued[segment], due[segment], thought_s.get(segment, 0.0)]
        for segment in sorted({*pacer.issued, *due})
    ]
