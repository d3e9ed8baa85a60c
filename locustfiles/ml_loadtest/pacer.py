"""Who may ask, and when. Both load models are one mechanism: a user's `wait()` asks the pacer for its next ticket.

Closed load: a ticket is due when the user's own think time is over. Open load: tickets fall due by a seeded schedule, whatever
the service does, and a free user takes each; one that finds no free user waits, and that wait is part of its response time.

Each target has a pacer of its own. While it is closed, its users wait, and their think time stands still.
"""

import random
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator

import gevent
from gevent.event import AsyncResult, Event

from ml_loadtest.alarm import Alarm
from ml_loadtest.contract import SET_UP, WARM_UP, Plan

_SEAT_BITS = 32
_PLACE_BITS = 16


class Ticket:
    """One turn of a user: one task, with however many requests it makes.

    Attributes:
        number: within its segment.
        due: when the turn should begin, on the monotonic clock.
        waited_s: how long it lay in the backlog, because every user was busy with the service.
        late_ms: how much later than that the pacer let the turn begin.
        calls: requests begun and not yet reported.
        first: the call that began first: waiting for a free user is part of its response time.
        last: the call whose sample is pending.
        pending: the last sample, kept back until the turn is over, for an exception in the task makes it invalid.
        requests: how many were recorded.
        over: whether the turn is over; a request that ends later was made by a greenlet that the task left behind.
        failed: a user's set-up alone: requests whose last try failed, endpoint number to (method and name, outcome).
    """

    __slots__ = (
        "calls", "due", "exception", "failed", "first", "issued", "last", "late_ms", "number", "over", "pending",
        "requests", "seed", "segment", "target", "waited_s",
    )  # fmt: skip

    def __init__(self, target: int, segment: int, number: int, due: float, seed: int = 0) -> None:
        self.target = target
        self.segment = segment
        self.number = number
        self.due = due
        self.seed = seed
        self.issued = due
        self.waited_s = 0.0
        self.late_ms = 0.0
        self.calls: list = []
        self.first = self.last = None
        self.pending: tuple | None = None
        self.requests = 0
        self.exception: BaseException | None = None
        self.over = False
        self.failed: dict | None = None


class Seat:
    """A user's place at a target. Users with equal numbers on two targets are each other's copies.

    Attributes:
        target: index into the plan's targets.
        group: number of the user's class.
        number: made of the class and of how many of it came before.
        ordinal: how many users of the target came before.
        staggered: whether a think time of its user was shortened by chance, so that users that start together fall out of step.
        set_up: what its requests belong to while it works on no ticket.
        ticket: what the user is working on.
    """

    __slots__ = ("group", "number", "ordinal", "set_up", "staggered", "target", "ticket", "turn", "turns")

    def __init__(self, target: int, group: int, place: int, ordinal: int) -> None:
        self.target = target
        self.group = group
        self.number = group << _PLACE_BITS | place
        self.ordinal = ordinal
        self.staggered = False
        self.set_up = Ticket(target, SET_UP, 0, 0.0)
        self.ticket: Ticket | None = None
        self.turn = 0  # which turn of the pacer `turns` counts in
        self.turns = 0


class Pacer:
    """Hands out tickets for one target.

    Attributes:
        is_open: whether tickets are handed out at all.
        issued: how many were, by segment.
        thought_s: closed load, the think time before them, by segment.
    """

    # What a seed is for, beside the tickets' own numbers.
    _CHOICE, _ARRIVALS = 1 << 62, (1 << 62) + 1

    def __init__(self, plan: Plan, target: int, process: int, alarm: Alarm) -> None:
        self.is_open = False
        self.issued: Counter[int] = Counter()
        self.thought_s: dict[int, float] = defaultdict(float)
        self._plan = plan
        self._target = target
        self._process = process
        self._alarm = alarm
        self._users = plan.step.users
        self._closed_load = plan.step.arrival_rate is None
        self._seed = plan.seed
        self._rate: float | None = None
        self._count: int | None = None
        self._stagger = random.Random(plan.seed)
        # The turn: its number counts how often one began, its key seeds what is asked in it.
        self._turn = 0
        self._segment = self._key = WARM_UP
        self._measured_from = 0.0
        # Time during which the pacer was open: think time is counted in it.
        self._open_s = 0.0
        self._opened = 0.0
        self._changed = Event()
        # Open load: users without a ticket, and tickets without a user, by class; how many users each class has.
        self._free: dict[int, dict[int, AsyncResult]] = {}
        self._backlog: dict[int, deque[Ticket]] = {}
        self._groups: Counter[int] = Counter()
        self._schedule = 0
        # Open load: (segment, key, rate, from, to) of every stretch of its schedule, in seconds since the stretch began.
        self._stretches: list[tuple[int, int, float, float, float]] = []
        self._began: tuple[int, int, float, float, float] | None = None

    # What the timeline asks ------------------------------------------------------------------------------------------

    def seat(self, seat: Seat) -> None:
        """A user has come."""
        self._groups[seat.group] += 1

    def leave(self, seat: Seat) -> None:
        """A user has gone."""
        self._groups[seat.group] -= 1

    def load(self, users: int, rate: float | None, count: int | None = None) -> None:
        """From now on, so many users are at work, or so many tickets fall due in a second. The others wait.

        With a count, a measured turn has so many tickets and no more.
        """
        self._users, self._rate, self._count = users, rate, count
        if self.is_open:
            self._restart()
        self._tell()

    def open(self) -> None:
        """Begin to hand out tickets."""
        if not self.is_open:
            self.is_open, self._opened = True, time.perf_counter()
            self._restart()
            self._tell()

    def close(self) -> None:
        """Hand out no more. Tickets that no user has taken stay in the backlog, and are still to be worked on."""
        if self.is_open:
            self._open_s += time.perf_counter() - self._opened
            self.is_open = False
            self._restart()

    def begin_turn(self, segment: int, key: int, lead_in_s: float = 0.0) -> None:
        """Number tickets anew: those due from now on belong to `segment`, but for the first `lead_in_s` seconds.

        Args:
            segment: what samples are marked with; WARM_UP where nothing is measured.
            key: what is asked is seeded by it, and by the ticket's number.
            lead_in_s: unmeasured beginning.
        """
        had_all = self.exhausted
        self._turn += 1
        self._segment, self._key = segment, key
        self._measured_from = time.perf_counter() + lead_in_s
        if had_all:
            self._tell()
        if self._rate is not None and self.is_open:
            self._restart()

    @property
    def exhausted(self) -> bool:
        """Whether the turn has had all of its tickets."""
        return self._count is not None and self._segment >= 0 and self.issued[self._segment] >= self._count

    def due(self) -> Counter[int]:
        """Open load: how many tickets the schedule had in each segment, whether they were issued or not."""
        counts: Counter[int] = Counter()
        for segment, key, rate, begin, end in self._stretches:
            for at in arrivals(self._plan, rate, key, self._process):
                if at >= end:
                    break
                counts[segment] += at >= begin
        return counts

    def waiting(self) -> list[Ticket]:
        """Tickets that fell due and were never taken by a user."""
        return [ticket for backlog in self._backlog.values() for ticket in backlog]

    # What users ask --------------------------------------------------------------------------------------------------

    def take(self, seat: Seat, think: Callable[[], float]) -> Ticket:
        """Block the calling user until its next ticket.

        Args:
            seat: the user's.
            think: the user's own wait time; asked in closed load only. The first that is not nothing is shortened by chance,
                since users that start together would otherwise stay in step.
        """
        ticket = self._take_after_thinking(seat, think) if self._closed_load else self._take_when_due(seat)
        ticket.late_ms = max(0.0, (time.perf_counter() - ticket.due - ticket.waited_s) * 1000)
        # The same ticket makes the same choices on every target and in every run of this plan.
        random.seed(ticket.seed)
        return ticket

    def _take_after_thinking(self, seat: Seat, think: Callable[[], float]) -> Ticket:
        seconds = think()
        if seconds > 0 and not seat.staggered:
            seat.staggered = True
            seconds *= self._stagger.random()
        until = self._clock() + seconds
        self._pause(seconds)
        while True:
            if not self.is_open or seat.ordinal >= self._users or self.exhausted:
                parked = seat.ordinal >= self._users
                self._changed.wait()
                if parked and seat.ordinal < self._users:
                    seconds = think() * self._stagger.random()
                    until = self._clock() + seconds
            elif (left := until - self._clock()) <= 0:
                ticket = self._issue(seat, time.perf_counter() + left)
                self.thought_s[ticket.segment] += seconds
                return ticket
            else:
                self._pause(left)

    def _pause(self, seconds: float) -> None:
        """Let others run, at least; a user that thinks about nothing must not keep the event loop for itself."""
        if seconds > 0:
            self._alarm.sleep_until(time.perf_counter() + seconds)
        else:
            gevent.sleep(0)

    def _issue(self, seat: Seat, due: float) -> Ticket:
        if seat.turn != self._turn:
            seat.turn, seat.turns = self._turn, 0
        number = seat.number << _SEAT_BITS | seat.turns
        seat.turns += 1
        return self._ticket(number, due)

    def _ticket(self, number: int, due: float) -> Ticket:
        segment = self._segment if due >= self._measured_from else WARM_UP
        self.issued[segment] += 1
        return Ticket(self._target, segment, number, due, self._seed_of(number))

    def _seed_of(self, what: int) -> int:
        return seed_of(self._seed, self._process, self._key, what)

    def _take_when_due(self, seat: Seat) -> Ticket:
        if backlog := self._backlog.get(seat.group):
            ticket = backlog.popleft()
            ticket.waited_s = time.perf_counter() - ticket.issued
            return ticket
        free = self._free.setdefault(seat.group, {})
        result = free[seat.number] = AsyncResult()
        try:
            ticket: Ticket = result.get()
        except BaseException:
            # The user is gone. A ticket that it was just given is somebody else's now.
            free.pop(seat.number, None)
            if result.ready():
                self._backlog.setdefault(seat.group, deque()).appendleft(result.get())
            raise
        return ticket

    # Time ------------------------------------------------------------------------------------------------------------

    def _clock(self) -> float:
        return self._open_s + (time.perf_counter() - self._opened if self.is_open else 0.0)

    def _tell(self) -> None:
        """Wake everybody who waits for a change."""
        before, self._changed = self._changed, Event()
        before.set()

    def _restart(self) -> None:
        """Open load: the schedule begins anew, or ends."""
        now = time.perf_counter()
        if self._began is not None:
            segment, key, rate, lead_in, origin = self._began
            self._stretches.append((segment, key, rate, lead_in, now - origin))
            self._began = None
        self._schedule += 1
        if self.is_open and self._rate:
            self._began = (self._segment, self._key, self._rate, max(0.0, self._measured_from - now), now)
            gevent.spawn(self._issue_by_schedule, self._schedule, now)

    def _issue_by_schedule(self, schedule: int, origin: float) -> None:
        choice = random.Random(self._seed_of(self._CHOICE))
        for number, offset in enumerate(arrivals(self._plan, self._rate, self._key, self._process)):
            due = origin + offset
            self._alarm.sleep_until(due)
            if schedule != self._schedule:
                return
            ticket = self._ticket(number, due)
            ticket.issued = time.perf_counter()
            wanted = self._choose(choice)
            group = wanted >> _PLACE_BITS
            if free := self._free.get(group):
                free.pop(wanted if wanted in free else next(iter(free))).set(ticket)
            else:
                self._backlog.setdefault(group, deque()).append(ticket)

    def _choose(self, choice: random.Random) -> int:
        """The seat that a ticket is for: any as often as another. If its user is busy, one of the same class will do.

        A ticket is thus for the same user on every target, unless one of the two is busy.
        """
        groups = [group for group, users in self._groups.items() if users]
        if not groups:
            return 0
        users = [self._groups[group] for group in groups]
        group = groups[0] if len(groups) == 1 else choice.choices(groups, users)[0]
        return group << _PLACE_BITS | choice.randrange(self._groups[group])


def seed_of(seed: int, process: int, key: int, what: int) -> int:
    """A seed for what is asked: the same for the same plan, process, turn and ticket, on every machine.

    Args:
        seed: the plan's.
        process: number of the process.
        key: the turn's; WARM_UP and SET_UP are negative, and Python gives -1 and -2 the same hash.
        what: number of a ticket, or what else is drawn.
    """
    return hash((seed, process, key + 2, what))


def arrivals(plan: Plan, rate: float, key: int, process: int) -> Iterator[float]:
    """When tickets of open load are due in one process, in seconds from the turn's beginning, without end.

    Args:
        plan: its `arrival` says how they are spaced; its workers share the rate.
        rate: tickets per second that this process issues.
        key: the turn's; the same key has the same arrivals.
        process: constant arrivals of several processes interleave.
    """
    if plan.arrival == "constant":
        at = (process + 0.5) / (rate * max(1, plan.workers))
        while True:
            yield at
            at += 1 / rate
    spread = random.Random(seed_of(plan.seed, process, key, Pacer._ARRIVALS))
    at = 0.0
    while True:
        at += spread.expovariate(rate)
        yield at
