"""The user's own User classes, one copy for each target, taking their turns from the pacer.

Three places of Locust are replaced: `TaskSet.wait` (asks the pacer), and `request` of Locust's two HTTP sessions (notes that a
request began, for Locust itself only reports those that ended). `connections` adds to what their clients know; nothing else is.
"""

import inspect
import math
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, ClassVar
from zlib import crc32

import gevent
from locust import User
from locust.clients import HttpSession
from locust.contrib.fasthttp import FastHttpSession
from locust.exception import StopUser
from locust.user.task import LOCUST_STATE_RUNNING, LOCUST_STATE_STOPPING, LOCUST_STATE_WAITING, TaskSet

from ml_loadtest import connections
from ml_loadtest.contract import MOST_EXTRAS, SET_UP, Outcome, Plan
from ml_loadtest.outcomes import classify
from ml_loadtest.pacer import Pacer, Seat, Ticket, seed_of
from ml_loadtest.recorder import Recorder

_CONTEXT = "ml_loadtest"
_LARGEST_LENGTH = 0xFFFFFFFF
_SHOWN = 100
_ASKED = ("data", "json", "params", "files")
_OK = Outcome.OK
_LOOKED_AT = 10_000

# What requests knows and Locust's FastHttpSession does not: it would send these as part of the query or the body, silently.
_MISREAD = {
    "timeout": "set `network_timeout` and `connection_timeout`, in seconds, as attributes of the User class",
    "verify": "set `insecure = False` as an attribute of the User class to have certificates checked",
    "proxies": "set `proxy_host` and `proxy_port` as attributes of the User class",
    "cert": "set `ssl_context_factory` as an attribute of the User class",
    "cookies": "put them into `headers` or into `self.client.cookiejar`",
    "hooks": "use `catch_response=True` and look at the response",
}


class LocustfileMistake(Exception):  # noqa: N818 (said to the one who wrote the locustfile)
    """The locustfile asked for what cannot be; never the service's fault, so no request is judged by it."""


class MisreadArgumentError(LocustfileMistake, TypeError):
    """An argument that Locust's client would have misread."""


class Call:
    """A request, who made it, and what is known of it until Locust reports it.

    Attributes:
        ticket: the turn that it was made in.
        asked: digest of path and body.
        end: when the answer was here; None before.
        response: what the client returned.
        reported: whether Locust has told how it ended.
        greenlet: the one that made it: only its own call can be meant when it attaches numbers.
        extras: numbers that the locustfile attached.
    """

    __slots__ = ("asked", "end", "extras", "greenlet", "method", "name", "reported", "response", "start", "ticket")

    def __init__(self, ticket: Ticket, method: str, name: str, start: float, asked: int = 0) -> None:
        self.ticket = ticket
        self.method = method
        self.name = name
        self.start = start
        self.asked = asked
        self.end: float | None = None
        self.response: Any = None
        self.reported = False
        self.greenlet = gevent.getcurrent()
        self.extras: dict[str, float] | None = None


class Crew:
    """All users of a process, their open tickets, and what becomes of their requests.

    Attributes:
        started: users that finished their own `on_start` and asked for work.
        left: users that went while tickets were handed out.
        failed_to_start: users whose own `on_start` raised.
        requests_started: requests begun through Locust's clients, or seen to end through others.
        unreported: requests that Locust never reported, since the task raised or never looked at the answer.
        empty_errors: tasks that raised without a single request, or by a mistake of the locustfile's; with the first
            one's exception.
        compares: whether several targets are asked the same, so that all that is asked is worth a digest. Of a body with
            hundreds of numbers, that takes as long as Locust takes to encode it.
        looks_left: how many requests of measured time are yet to be looked at where there is one target, to tell whether they
            all ask the same.
        installed: the crew of this process; None under Locust alone.
    """

    installed: ClassVar["Crew | None"] = None

    def __init__(self, plan: Plan, recorder: Recorder, pacers: list[Pacer], process: int = 0) -> None:
        self.started = 0
        self.left = 0
        self.failed_to_start = 0
        self.requests_started = 0
        self.unreported = 0
        self.empty_errors = 0
        self.first_error: BaseException | None = None
        self.compares = len(plan.targets) > 1
        self.looks_left = _LOOKED_AT
        self._over = False
        self._plan = plan
        self._process = process
        self._recorder = recorder
        self._pacers = pacers
        self._groups: dict[type[User], int] = {}
        self._places: Counter[tuple[int, int]] = Counter()
        self._seats: dict[Seat, str] = {}
        self._at_work = [0 for _ in plan.targets]
        self._left_behind: set[Call] = set()
        self._extra_names: set[str] = set()
        self._turned_away: list[Ticket] = []
        # What requests of no turn belong to: of nobody's for each target, then each user's own.
        self._set_up = [Ticket(target, SET_UP, 0, 0.0) for target in range(len(plan.targets))]

    # Users -----------------------------------------------------------------------------------------------------------

    def for_targets(self, classes: list[type[User]]) -> list[type[User]]:
        """A subclass of each of the user's classes for each target: its own host, its own sessions."""
        self._groups = {cls: group for group, cls in enumerate(classes)}
        targets = range(len(self._plan.targets))
        copies = [(cls, self._for_target(cls, target)) for cls in classes for target in targets]
        if len(targets) > 1:
            counts = shares(classes, self._plan.users)
            for cls, copy in copies:
                copy.fixed_count = counts[cls]
        return [copy for _, copy in copies]

    def _for_target(self, cls: type[User], target: int) -> type[User]:
        crew = self

        def on_start(self: User) -> None:
            crew.seat(self, cls, target)
            try:
                cls.on_start(self)
            except Exception:
                crew.could_not_start(self)
                raise
            crew.started += 1
            crew.take(self, self.wait_time)

        def on_stop(self: User) -> None:
            crew.leave(self)
            cls.on_stop(self)

        has_context = cls.context is not User.context

        def context(self: User) -> dict[str, Any]:
            # Locust asks for every request.
            seat = self.ml_loadtest_seat
            mark = {_CONTEXT: (seat and seat.ticket) or crew.ticket(self)}
            return {**cls.context(self), **mark} if has_context else mark

        plan = self._plan.targets[target]
        name = cls.__name__ if len(self._plan.targets) == 1 else f"{cls.__name__}__{plan.name}"
        members = {
            "host": plan.url,
            "ml_loadtest_target": target,
            "ml_loadtest_seat": None,
            "on_start": on_start,
            "on_stop": on_stop,
            "context": context,
        }
        return type(cls)(name, (cls,), {**members, "__module__": cls.__module__})

    def seat(self, user: User, cls: type[User], target: int) -> None:
        """A user has come: its copies on other targets make the same choices while they set themselves up."""
        group = self._groups[cls]
        place = self._places[target, group]
        self._places[target, group] += 1
        seat = Seat(target, group, place, sum(n for (t, _), n in self._places.items() if t == target) - 1)
        user.ml_loadtest_seat = seat
        self._set_up.append(seat.set_up)
        self._seats[seat] = type(user).__name__
        self._pacers[target].seat(seat)
        random.seed(seed_of(self._plan.seed, self._process, SET_UP, seat.number))

    def by_class(self) -> dict[str, int]:
        """How many users of each class have come."""
        return {
            cls.__name__: sum(n for (_, which), n in self._places.items() if which == group)
            for cls, group in self._groups.items()
        }

    def could_not_start(self, user: User) -> None:
        """A user's own `on_start` raised."""
        self.failed_to_start += 1
        seat: Seat = user.ml_loadtest_seat
        self._settle(seat.set_up)
        seat.set_up.over = True
        if seat.set_up.failed:
            self._turned_away.append(seat.set_up)

    def blocked(self) -> tuple[int, str]:
        """How many users the service keeps from starting, and how: a request of their `on_start` failed, or has no answer yet."""
        users = self._set_up[len(self._pacers) :]
        if self.started == len(users):
            return 0, ""
        waiting = [call for ticket in users for call in ticket.calls[-1:] if call.end is None and not ticket.over]
        for ticket in self._turned_away[:1]:
            shown, outcome = next(iter(ticket.failed.values()))
            return len(self._turned_away) + len(waiting), f"{shown} failed in `on_start` ({outcome.label})"
        how = f"{waiting[0].method} {waiting[0].name} had no answer yet in `on_start`" if waiting else ""
        return len(waiting), how

    def leave(self, user: User) -> None:
        """A user has gone; its turn is over."""
        self.give_back(user)
        seat: Seat | None = user.ml_loadtest_seat
        if seat is not None and self._seats.pop(seat, None):
            pacer = self._pacers[seat.target]
            pacer.leave(seat)
            self.left += pacer.is_open and not seat.set_up.over and not self._over

    # Turns -----------------------------------------------------------------------------------------------------------

    def ticket(self, user: User | None) -> Ticket:
        """The ticket that a user is working on; while it is still setting itself up, its own set-up ticket."""
        seat: Seat | None = getattr(user, "ml_loadtest_seat", None)
        if seat is not None:
            return seat.ticket or seat.set_up
        return self._set_up[getattr(user, "ml_loadtest_target", 0)]

    def take(self, user: User, think: Callable[[], float]) -> None:
        """Block until the user's next turn."""
        seat: Seat = user.ml_loadtest_seat
        seat.ticket = self._pacers[seat.target].take(seat, think)
        self._at_work[seat.target] += 1
        # Locust's constant_pacing counts from when it was asked, and believes that what it said was slept in full. The pacer
        # shortens first waits and stops the clock between a target's turns: it counts from when the turn was due instead.
        for owner in (user, getattr(think, "__self__", None)):
            if owner is not None:
                owner._cp_last_run, owner._cp_last_wait_time = seat.ticket.due, 0.0

    def give_back(self, user: User) -> None:
        """The turn is over: judge its last request by whether the task raised, and write it."""
        seat: Seat | None = user.ml_loadtest_seat
        if seat is None or seat.ticket is None:
            return
        ticket, seat.ticket = seat.ticket, None
        self._at_work[seat.target] -= 1
        ticket.over = True
        if ticket.calls:
            self._settle(ticket)
        error = ticket.exception
        if ticket.pending is not None:
            self._keep_pending(ticket)
        if error is not None and (ticket.requests == 0 or isinstance(error, LocustfileMistake)):
            self.empty_errors += 1
            self.first_error = self.first_error or error

    def _settle(self, ticket: Ticket) -> None:
        """Calls that Locust has not reported by the end of the turn: looked at by nobody, or left behind in greenlets."""
        calls, ticket.calls = ticket.calls, []
        for call in calls:
            if call.end is None:
                ticket.calls.append(call)
                self._left_behind.add(call)
            else:
                self._keep_unreported(call)

    def raised(self, user_instance: User | TaskSet, exception: BaseException, **_: object) -> None:
        """Listener of `events.user_error`: a task raised."""
        user = getattr(user_instance, "user", user_instance)
        seat: Seat | None = getattr(user, "ml_loadtest_seat", None)
        if seat is not None and seat.ticket is not None:
            seat.ticket.exception = exception
        elif seat is None or not seat.set_up.failed:
            self.empty_errors += 1
            self.first_error = self.first_error or exception

    def in_flight(self, target: int) -> int:
        """Users in the middle of a turn, and requests that turns left behind."""
        return self._at_work[target] + sum(call.ticket.target == target for call in self._left_behind)

    # Requests --------------------------------------------------------------------------------------------------------

    def looks_at(self, user: User | None) -> bool:
        """Whether what a request asks is to be noted."""
        if self.compares:
            return True
        seat: Seat | None = getattr(user, "ml_loadtest_seat", None)
        if not self.looks_left or seat is None or seat.ticket is None or seat.ticket.segment < 0:
            return False
        self.looks_left -= 1
        return True

    def began(self, user: User | None, method: str, name: str, asked: int) -> Call:
        """A request of Locust's clients begins."""
        seat: Seat | None = getattr(user, "ml_loadtest_seat", None)
        ticket = (seat and seat.ticket) or self.ticket(user)
        call = Call(ticket, method, name, time.perf_counter(), asked)
        ticket.calls.append(call)
        ticket.first = ticket.first or call
        self.requests_started += 1
        return call

    def ended(
        self,
        request_type: str,
        name: str,
        response_time: float | None,
        response_length: int | None,
        exception: BaseException | str | None,
        context: dict[str, Any] | None = None,
        response: Any = None,
        **_: object,
    ) -> None:
        """Listener of `events.request`: a request ended, through whatever client."""
        if self._over:
            return
        now = time.perf_counter()
        call = context.get(_CONTEXT) if context else None
        if call.__class__ is not Call or call.reported:
            call = self._foreign(call, request_type, name, now)
        call.reported = True
        ticket = call.ticket
        calls = ticket.calls
        if calls and calls[-1] is call:
            calls.pop()
        elif call in calls:
            calls.remove(call)
        if call.end is None:
            call.end = now
        elif response_time:
            # The answer to a stream goes on after the client has returned; its response time says until when.
            call.end = max(call.end, call.start + response_time / 1000)
        recorder = self._recorder
        endpoint = recorder.endpoints[request_type, name]
        status = getattr(response, "status_code", None)
        if exception is None and (status.__class__ is not int or 0 < status < 400):
            outcome = _OK
        else:
            outcome = recorder.outcome(endpoint, exception, response)
        length = response_length if response_length.__class__ is int else int(response_length or 0)
        length = 0 if length < 0 else _LARGEST_LENGTH if length > _LARGEST_LENGTH else length
        if response_time is None:
            self._keep_untimed(call, endpoint, outcome, length)
        else:
            self._hold(call, endpoint, outcome, response_time, length)
            recorder.response_sum_ms += response_time

    def _foreign(self, mark: "Call | Ticket | None", method: str, name: str, now: float) -> Call:
        """A request of a client that is not Locust's own, or one more event about a call: it began when it was timed."""
        ticket = mark.ticket if isinstance(mark, Call) else mark or self.ticket(self._asking(name))
        self.requests_started += 1
        call = Call(ticket, str(method), str(name), now)
        call.end = now
        ticket.first = ticket.first or call
        return call

    def _asking(self, name: str) -> User | None:
        """Whose greenlet this is. Nobody's, while a task may be measured, is a request that no target can be charged with."""
        user = asking_user()
        if user is None and self.started:
            self.empty_errors += 1
            self.first_error = self.first_error or LocustfileMistake(
                f"a request {str(name)[:_SHOWN]!r} was reported from outside any task; fire it in the task, or with "
                "`context=user.context()`"
            )
        return user

    def attach(self, user: User, extras: Mapping[str, float]) -> None:
        """Add numbers to the last request that this greenlet made in the user's turn; set-up requests carry none.

        Raises:
            LocustfileMistake: if there is none, or its sample is written already, or there are too many names.
        """
        ticket = self.ticket(user)
        if ticket.segment == SET_UP:
            return
        self._extra_names.update(extras)
        if len(self._extra_names) > MOST_EXTRAS:
            raise LocustfileMistake(f"attach() takes at most {MOST_EXTRAS} different names in a run")
        greenlet = gevent.getcurrent()
        own = [call for call in ticket.calls if call.greenlet is greenlet and call.end is not None]
        call = own[-1] if own else ticket.last
        if call is None or call.greenlet is not greenlet:
            raise LocustfileMistake(
                "attach() needs a request before it, made by the same task; where a task makes several at once, "
                "call it inside the `with` block of the request, with `catch_response=True`"
            )
        call.extras = {**(call.extras or {}), **extras}

    # Samples ---------------------------------------------------------------------------------------------------------

    def _hold(self, call: Call, endpoint: int, outcome: Outcome, service_ms: float, length: int) -> None:
        """Keep the sample back until the next one of this turn, or until the turn is over."""
        ticket, recorder = call.ticket, self._recorder
        origin = recorder.origin
        start = call.end - service_ms / 1000
        if ticket.pending is not None:
            self._keep_pending(ticket)
        if call is ticket.first and ticket.segment != SET_UP:
            due, response_ms, late_ms = ticket.due, ticket.waited_s * 1000 + service_ms, ticket.late_ms
        else:
            due, response_ms, late_ms = start, service_ms, math.nan
        ticket.requests += 1
        ticket.last = call
        ticket.pending = (
            ticket.target, outcome, endpoint, ticket.number, ticket.segment, length, call.asked,
            due - origin, start - origin, response_ms, late_ms,
        )  # fmt: skip
        recorder.watch(ticket.target, response_ms, outcome is not _OK and outcome.is_failure)
        if ticket.segment == SET_UP:
            _note_set_up(ticket, call, endpoint, outcome)
        if ticket.over or ticket.segment == SET_UP:
            self._left_behind.discard(call)
            self._keep_pending(ticket)

    def _keep_pending(self, ticket: Ticket) -> None:
        sample, ticket.pending = ticket.pending, None
        if sample is None:
            return
        call, ticket.last = ticket.last, None
        if ticket.exception is not None and not isinstance(ticket.exception, LocustfileMistake):
            outcome: Outcome = sample[1]
            if not outcome.is_failure:
                self._recorder.note_failure(sample[2], Outcome.INVALID, ticket.exception)
                sample = (sample[0], Outcome.INVALID, *sample[2:])
        self._recorder.keep(sample, call.extras)

    def _keep_unreported(self, call: Call) -> None:
        """A request that ended but that Locust never reported: the task raised while it looked at the answer, or never
        entered the `with` block that `catch_response` is for, so that only its status can be judged."""
        exception: BaseException | str | None = call.ticket.exception
        status = getattr(call.response, "status_code", None)
        if exception is not None or status is None:
            outcome = Outcome.INVALID
        else:
            exception = None if 0 < status < 400 else getattr(call.response, "error", None) or f"status {status}"
            outcome = classify(exception, call.response)
        call.reported = True
        self.unreported += 1
        endpoint = self._recorder.endpoints[call.method, call.name]
        if outcome.is_failure:
            self._recorder.note_failure(endpoint, outcome, exception)
        call.end = call.end or time.perf_counter()
        self._hold(call, endpoint, outcome, (call.end - call.start) * 1000, 0)

    def _keep_untimed(self, call: Call, endpoint: int, outcome: Outcome, length: int) -> None:
        """An event without a response time. A failure needs none; a success says nothing about any, and is not measured."""
        if outcome.is_failure:
            self._hold(call, endpoint, outcome, 0.0, length)
            return
        at, ticket = call.end - self._recorder.origin, call.ticket
        self._recorder.keep((
            ticket.target, outcome, endpoint, ticket.number, SET_UP, length, call.asked, at, at, 0.0, math.nan,
        ))  # fmt: skip

    def abandon(self) -> None:
        """The drain is over: every request and every ticket still open becomes an unfinished sample, and no other follows."""
        if self._over:
            return
        self._over = True
        for seat, name in self._seats.items():
            if (ticket := seat.ticket) is not None:
                self._abandon(ticket, name)
                seat.ticket = None
        for ticket in [*self._set_up, *{call.ticket for call in self._left_behind}]:
            self._keep_open(ticket)
        self._at_work = [0 for _ in self._at_work]
        self._left_behind.clear()
        for ticket in (ticket for pacer in self._pacers for ticket in pacer.waiting()):
            self.requests_started += 1
            self._keep_unfinished(Call(ticket, "TASK", "(every user was busy)", ticket.due))

    def _abandon(self, ticket: Ticket, name: str) -> None:
        self._keep_pending(ticket)
        nothing_asked = not ticket.calls and ticket.requests == 0
        self._keep_open(ticket)
        if nothing_asked:
            self.requests_started += 1
            self._keep_unfinished(Call(ticket, "TASK", name, ticket.due))

    def _keep_open(self, ticket: Ticket) -> None:
        calls, ticket.calls = ticket.calls, []
        for call in calls:
            if call.end is None:
                self._keep_unfinished(call)
            else:
                self._keep_unreported(call)
        self._keep_pending(ticket)

    def _keep_unfinished(self, call: Call) -> None:
        ticket, start, origin = call.ticket, call.start, self._recorder.origin
        endpoint = self._recorder.endpoints[call.method, call.name]
        self._recorder.note_failure(endpoint, Outcome.UNFINISHED, "still open when the drain was over")
        due = ticket.due if call is (ticket.first or call) and ticket.segment != SET_UP else start
        elapsed_ms = (time.perf_counter() - min(start, due)) * 1000
        self._recorder.keep((
            ticket.target, Outcome.UNFINISHED, endpoint, ticket.number, ticket.segment, 0, call.asked,
            due - origin, start - origin, elapsed_ms, math.nan,
        ))  # fmt: skip


def _note_set_up(ticket: Ticket, call: Call, endpoint: int, outcome: Outcome) -> None:
    """Remember a request of a user's set-up that failed, until another try of it does not."""
    ticket.failed = ticket.failed or {}
    if outcome.is_failure:
        ticket.failed[endpoint] = (f"{call.method} {call.name}", outcome)
    else:
        ticket.failed.pop(endpoint, None)


def shares(classes: list[type[User]], users: int) -> dict[type[User], int]:
    """How many users of each class make up so many users: fixed counts first, the rest by weight, largest remainder first."""
    fixed = {cls: min(cls.fixed_count, users) for cls in classes if cls.fixed_count}
    weighted = [cls for cls in classes if cls not in fixed]
    left, weight = max(0, users - sum(fixed.values())), sum(cls.weight for cls in weighted) or 1
    exact = {cls: left * cls.weight / weight for cls in weighted}
    counts = {cls: math.floor(share) for cls, share in exact.items()}
    for cls in sorted(weighted, key=lambda cls: counts[cls] - exact[cls])[: left - sum(counts.values())]:
        counts[cls] += 1
    return {**fixed, **counts}


def asking_user() -> User | None:
    """The user whose greenlet this is, or in whose greenlet this one was started; None if it is nobody's."""
    greenlet: Any = gevent.getcurrent()
    while greenlet is not None:
        arguments = getattr(greenlet, "args", ())
        if arguments and isinstance(arguments[0], User):
            return arguments[0]
        parent = getattr(greenlet, "spawning_greenlet", None)
        greenlet = parent() if parent else None
    return None


def install(crew: Crew) -> None:
    """Replace `TaskSet.wait` and the sessions' `request` in this process."""
    Crew.installed = crew

    def wait(self: TaskSet) -> None:
        user = self.user
        crew.give_back(user)
        if user._state == LOCUST_STATE_STOPPING:
            raise StopUser
        user._state = LOCUST_STATE_WAITING
        crew.take(user, self.wait_time)
        if user._state == LOCUST_STATE_STOPPING:
            raise StopUser
        user._state = LOCUST_STATE_RUNNING

    TaskSet.wait = wait
    connections.install()
    # What a request without a name is called when it has ended: requests' path, or the URL as it was given.
    HttpSession.request = _noting(HttpSession.request, crew, {}, _path)
    FastHttpSession.request = _noting(FastHttpSession.request, crew, _MISREAD, str)


def _noting(
    request: Callable[..., Any], crew: Crew, misread: Mapping[str, str], named: Callable[[Any], str]
) -> Callable[..., Any]:
    signature = inspect.signature(request)

    def noted(self: Any, method: str, url: str, *positional: Any, **arguments: Any) -> Any:
        if positional:
            bound = signature.bind(self, method, url, *positional, **arguments).arguments
            arguments = {**{key: bound[key] for key in list(bound)[3:] if key != "kwargs"}, **bound.get("kwargs", {})}
        if arguments and misread and not misread.keys().isdisjoint(arguments):
            argument = min(misread.keys() & arguments)
            raise MisreadArgumentError(f"FastHttpUser does not understand `{argument}`: {misread[argument]}")
        shown = arguments.get("name") or getattr(self, "request_name", None) or named(url)
        user = getattr(self, "user", None) or asking_user()
        call = crew.began(user, method, shown, _digest(url, arguments) if crew.looks_at(user) else 0)
        # The mark travels with the event that ends the request, whichever greenlet fires it.
        context = {**own, _CONTEXT: call} if (own := arguments.pop("context", None)) else {_CONTEXT: call}
        try:
            response = call.response = request(self, method, url, context=context, **arguments)
        except Exception:
            # The client itself refused the call, so no answer will ever be reported; the task's exception says why.
            call.end = time.perf_counter()
            raise
        finally:
            if call.end is None:
                call.end = time.perf_counter()
        return response

    return noted


@lru_cache(maxsize=4096)
def _path(url: object) -> str:
    """A URL without scheme and host."""
    scheme, mark, rest = str(url).partition("://")
    return f"/{rest.partition('/')[2]}" if mark else scheme


@lru_cache(maxsize=4096)
def _path_digest(url: str) -> int:
    return crc32(_path(url).encode("utf-8", "replace"))


def _digest(url: object, arguments: dict[str, Any]) -> int:
    """What is asked, as a number: path and body. Without the host, which differs between targets; never 0."""
    digest = _path_digest(str(url))
    for key in _ASKED:
        if (value := arguments.get(key)) is not None:
            digest = crc32(value if isinstance(value, bytes) else repr(value).encode("utf-8", "replace"), digest)
    return digest or 1
