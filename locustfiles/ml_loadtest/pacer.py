"""Who may ask, and when. Both load models are one mechanism: a user's `wait()` asks the pacer for its next ticket.

Closed load: a ticket is due when the user's own think time is over. Open load: tickets fall due by a seeded schedule, whatever
the service does, and a free user takes each; one that finds no free user waits, and that wait is part of its response time.
"""

import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import gevent
from gevent.event import AsyncResult, Event

from ml_loadtest.contract import WARM_UP, Plan

# gevent's timers wake up to a millisecond late. The pacer sleeps until shortly before a ticket is due and yields from there on,
# so that the event loop goes round, answers are read, and the ticket still leaves on time.
_COARSE_S = 0.0015


@dataclass(slots=True)
class Call:
    """A request begun and not yet reported: its name, when it began and, once the answer is here, when it ended."""

    method: str
    name: str
    start: float
    end: float | None = None


@dataclass(slots=True, eq=False)
class Ticket:
    """One turn of a user: one task, with however many requests it makes.

    Attributes:
        number: within its segment.
        due: when the turn should begin, on the monotonic clock.
        waited_s: how long it lay in the backlog, because every user was busy with the service.
        calls: requests begun and not yet reported.
        pending: the last sample, kept back until the turn is over, for an exception in the task makes it invalid.
        requests: how many were recorded.
    """

    target: int
    segment: int
    number: int
    due: float
    waited_s: float = 0.0
    issued: float = 0.0
    calls: list[Call] = field(default_factory=list)
    pending: tuple[int, int, int, int, int, int, float, float, float, float] | None = None
    requests: int = 0
    exception: BaseException | None = None


class Pacer:
    """Hands out tickets for one target.

    Attributes:
        segment: the segment that tickets now belong to.
        issued: tickets issued in it.
        open: whether tickets are handed out at all.
    """

    def __init__(self, plan: Plan, target: int) -> None:
        self.segment = WARM_UP
        self.issued = 0
        self._plan = plan
        self._target = target
        self._gate = Event()
        self._free: deque[AsyncResult] = deque()
        self._backlog: deque[Ticket] = deque()
        self._stagger = random.Random(plan.seed)

    def open(self) -> None:
        """Begin to hand out tickets."""
        self._gate.set()
        if self._plan.arrival_rate is not None:
            gevent.spawn(self._issue_by_schedule)

    def close(self) -> None:
        """Hand out no more. Tickets that no user has taken stay in the backlog."""
        self._gate.clear()

    def begin_segment(self, segment: int) -> None:
        """Number tickets anew: those due from now on belong to `segment`."""
        self.segment, self.issued = segment, 0

    def waiting(self) -> tuple[Ticket, ...]:
        """Tickets that fell due and were never taken by a user."""
        return tuple(self._backlog)

    def take(self, think: Callable[[], float], first: bool) -> Ticket:
        """Block the calling user until its next ticket.

        Args:
            think: the user's own wait time; asked in closed load only.
            first: whether this is the user's first turn. First turns are spread over one think time, since users that
                start together would otherwise stay in step.
        """
        if self._plan.arrival_rate is None:
            return self._take_after_thinking(think, first)
        if self._backlog:
            ticket = self._backlog.popleft()
            ticket.waited_s = time.perf_counter() - ticket.issued
            return self._seeded(ticket)
        result = AsyncResult()
        self._free.append(result)
        return self._seeded(result.get())

    def _take_after_thinking(self, think: Callable[[], float], first: bool) -> Ticket:
        seconds = think() * (self._stagger.random() if first else 1.0)
        due = time.perf_counter() + seconds
        gevent.sleep(seconds)
        if not self._gate.is_set():
            self._gate.wait()
            due = time.perf_counter()
        return self._seeded(self._issue(due))

    def _issue(self, due: float) -> Ticket:
        ticket = Ticket(self._target, self.segment, self.issued, due, issued=time.perf_counter())
        self.issued += 1
        return ticket

    def _seeded(self, ticket: Ticket) -> Ticket:
        """The same ticket makes the same choices on every target and in every run of this plan."""
        random.seed(f"{self._plan.seed}/{ticket.segment}/{ticket.number}")
        return ticket

    def _issue_by_schedule(self) -> None:
        origin = time.perf_counter()
        for offset in arrivals(self._plan):
            due = origin + offset
            _sleep_until(due)
            if not self._gate.is_set():
                return
            ticket = self._issue(due)
            if self._free:
                self._free.popleft().set(ticket)
            else:
                self._backlog.append(ticket)


def arrivals(plan: Plan) -> Iterator[float]:
    """When requests of open load are due, in seconds from its beginning, without end."""
    assert plan.arrival_rate is not None
    spread = random.Random(f"{plan.seed}/arrivals")
    at = 0.0
    while True:
        at += spread.expovariate(plan.arrival_rate) if plan.arrival == "poisson" else 1 / plan.arrival_rate
        yield at


def _sleep_until(due: float) -> None:
    if (left := due - time.perf_counter()) > _COARSE_S:
        gevent.sleep(left - _COARSE_S)
    while time.perf_counter() < due:
        gevent.sleep(0)
