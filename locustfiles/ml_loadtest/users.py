"""The user's own User classes, one copy for each target, taking their turns from the pacer.

Three places of Locust are replaced, and nothing else: `TaskSet.wait` (asks the pacer), and `request` of Locust's two HTTP
sessions (notes that a request began, for Locust itself only reports those that ended).
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import gevent
from locust import User
from locust.clients import HttpSession
from locust.contrib.fasthttp import FastHttpSession
from locust.exception import StopUser
from locust.user.task import LOCUST_STATE_RUNNING, LOCUST_STATE_STOPPING, LOCUST_STATE_WAITING, TaskSet

from ml_loadtest.contract import MOST_EXTRAS, SET_UP, Outcome, Plan
from ml_loadtest.pacer import Call, Pacer, Ticket
from ml_loadtest.recorder import Recorder

_CONTEXT = "ml_loadtest_ticket"

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


@dataclass(slots=True, eq=False)
class Asked(Call):
    """A request, who made it, and the numbers that the locustfile attached to it.

    A task may make requests from several greenlets at once: only a request of the greenlet that attaches can be meant.
    """

    greenlet: object = None
    extras: dict[str, float] | None = None


class Crew:
    """All users of a run, their open tickets, and what becomes of their requests.

    Attributes:
        started: users that finished their own `on_start` and asked for work.
        failed_to_start: users whose own `on_start` raised.
        requests_started: requests begun through Locust's clients, or seen to end through others.
        unreported: requests that Locust never reported, since the task raised while it looked at the answer.
        empty_errors: tasks that raised without a single request, or by a mistake of the locustfile's; with the first
            one's exception.
        installed: the crew of this process; None under Locust alone.
    """

    installed: ClassVar["Crew | None"] = None

    def __init__(self, plan: Plan, recorder: Recorder, pacers: list[Pacer]) -> None:
        self.started = 0
        self.failed_to_start = 0
        self.requests_started = 0
        self.unreported = 0
        self.empty_errors = 0
        self.first_error: BaseException | None = None
        self._over = False
        self._plan = plan
        self._recorder = recorder
        self._pacers = pacers
        self._tickets: dict[User, Ticket] = {}
        self._last: dict[Ticket, Asked] = {}  # the request whose sample is pending
        self._extra_names: set[str] = set()
        self._set_up = {target: Ticket(target, SET_UP, 0, 0.0) for target in range(len(plan.targets))}

    # Turns -----------------------------------------------------------------------------------------------------------

    def for_targets(self, cls: type[User]) -> list[type[User]]:
        """A subclass of the user's class for each target: its own host, its own sessions."""
        return [self._for_target(cls, target) for target in range(len(self._plan.targets))]

    def _for_target(self, cls: type[User], target: int) -> type[User]:
        crew = self

        def on_start(self: User) -> None:
            try:
                cls.on_start(self)
            except Exception:
                crew.failed_to_start += 1
                raise
            crew.started += 1
            crew.take(self, self.wait_time, first=True)

        def on_stop(self: User) -> None:
            crew.give_back(self)
            cls.on_stop(self)

        def context(self: User) -> dict[str, Any]:
            return {**cls.context(self), _CONTEXT: crew.ticket(self)}

        plan = self._plan.targets[target]
        name = cls.__name__ if len(self._plan.targets) == 1 else f"{cls.__name__}__{plan.name}"
        members = {
            "host": plan.url,
            "ml_loadtest_target": target,
            "on_start": on_start,
            "on_stop": on_stop,
            "context": context,
        }
        return type(cls)(name, (cls,), {**members, "__module__": cls.__module__})

    def ticket(self, user: User | None) -> Ticket:
        """The ticket that a user is working on; while it is still setting itself up, its target's set-up ticket."""
        if user is None:
            return self._set_up[0]
        return self._tickets.get(user) or self._set_up[user.ml_loadtest_target]

    def take(self, user: User, think: Callable[[], float], first: bool = False) -> None:
        """Block until the user's next turn."""
        pacer = self._pacers[user.ml_loadtest_target]
        self._tickets[user] = pacer.take(think, first)

    def give_back(self, user: User) -> None:
        """The turn is over: judge its last request by whether the task raised, and write it."""
        ticket = self._tickets.pop(user, None)
        if ticket is None:
            return
        for call in ticket.calls:
            self._keep_unreported(ticket, call)
        self._keep_pending(ticket)
        mistaken = isinstance(ticket.exception, LocustfileMistake)
        if ticket.exception is not None and (ticket.requests == 0 or mistaken):
            self.empty_errors += 1
            self.first_error = self.first_error or ticket.exception

    def raised(self, user_instance: User | TaskSet, exception: BaseException, **_: object) -> None:
        """Listener of `events.user_error`: a task raised."""
        user = getattr(user_instance, "user", user_instance)
        ticket = self._tickets.get(user)
        if ticket is not None:
            ticket.exception = exception
        else:
            self.empty_errors += 1
            self.first_error = self.first_error or exception

    def in_flight(self) -> int:
        """Users in the middle of a turn."""
        return len(self._tickets)

    # Requests --------------------------------------------------------------------------------------------------------

    def began(self, user: User | None, method: str, name: str) -> Asked:
        """A request of Locust's clients begins."""
        call = Asked(str(method), str(name), time.perf_counter(), greenlet=gevent.getcurrent())
        self.ticket(user).calls.append(call)
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
        response: object = None,
        **_: object,
    ) -> None:
        """Listener of `events.request`: a request ended, through whatever client."""
        if self._over:
            return
        now = time.perf_counter()
        ticket = (context or {}).get(_CONTEXT) or self.ticket(_current_user())
        call = self._matching_call(ticket, request_type)
        if call is None:
            self.requests_started += 1
            call = Asked(str(request_type), str(name), now, now, greenlet=gevent.getcurrent())
        elif call.end is None:
            call.end = now
        else:
            # The answer to a stream goes on after the client has returned; its response time says until when.
            call.end = max(call.end, call.start + (response_time or 0.0) / 1000)
        endpoint = self._recorder.endpoint(request_type, name)
        outcome = self._recorder.outcome(endpoint, exception, response)
        self._hold(ticket, endpoint, outcome, call.end, response_time or 0.0, response_length or 0)
        if ticket.pending is not None:
            self._last[ticket] = call

    def _matching_call(self, ticket: Ticket, method: str) -> Asked | None:
        """The call that ended: this greenlet's own, and in nested `with` blocks the innermost."""
        greenlet, found = gevent.getcurrent(), None
        for index, call in enumerate(ticket.calls):
            if call.method == str(method) and (found is None or call.greenlet is greenlet):
                found = index
        return None if found is None else ticket.calls.pop(found)

    def attach(self, user: User, extras: Mapping[str, float]) -> None:
        """Add numbers to the last request that this greenlet made in the user's turn; set-up requests carry none.

        Raises:
            LocustfileMistake: if there is none, or its sample is written already, or there are too many names.
        """
        ticket = self._tickets.get(user)
        if ticket is None:
            return
        self._extra_names.update(extras)
        if len(self._extra_names) > MOST_EXTRAS:
            raise LocustfileMistake(f"attach() takes at most {MOST_EXTRAS} different names in a run")
        greenlet = gevent.getcurrent()
        own = [call for call in ticket.calls if call.greenlet is greenlet and call.end is not None]
        call = own[-1] if own else self._last.get(ticket)
        if call is None or call.greenlet is not greenlet:
            raise LocustfileMistake(
                "attach() needs a request before it, made by the same task; where a task makes several at once, "
                "call it inside the `with` block of the request, with `catch_response=True`"
            )
        call.extras = {**(call.extras or {}), **extras}

    def _hold(
        self, ticket: Ticket, endpoint: int, outcome: Outcome, end: float, service_ms: float, length: int
    ) -> None:
        """Keep the sample back until the next one of this turn, or until the turn is over."""
        origin = self._recorder.origin
        start = end - service_ms / 1000
        first = ticket.requests == 0 and ticket.segment != SET_UP
        due = ticket.due if first else start
        waited = ticket.waited_s if first else 0.0
        late_ms = max(0.0, (start - due - waited) * 1000)
        self._keep_pending(ticket)
        ticket.requests += 1
        response_ms = waited * 1000 + service_ms
        ticket.pending = (
            ticket.target, outcome, endpoint, ticket.number, ticket.segment, min(length, 0xFFFFFFFF),
            due - origin, start - origin, response_ms, late_ms,
        )  # fmt: skip
        if ticket.segment == SET_UP:
            self._keep_pending(ticket)
        self._recorder.response_sum_ms += service_ms
        self._recorder.watch(end - origin, response_ms, outcome.is_failure)

    def _keep_pending(self, ticket: Ticket) -> None:
        sample, ticket.pending = ticket.pending, None
        if sample is None:
            return
        call = self._last.pop(ticket, None)
        wrong = ticket.exception is not None and not isinstance(ticket.exception, LocustfileMistake)
        if wrong and not Outcome(sample[1]).is_failure:
            self._recorder.note_failure(sample[2], Outcome.INVALID, ticket.exception)
            sample = (sample[0], Outcome.INVALID, *sample[2:])
        self._recorder.keep(sample, call.extras if call else None)

    def _keep_unreported(self, ticket: Ticket, call: Asked) -> None:
        """A request that ended but that Locust never reported, since the task raised while it looked at the answer."""
        endpoint = self._recorder.endpoint(call.method, call.name)
        self._recorder.note_failure(endpoint, Outcome.INVALID, ticket.exception)
        self.unreported += 1
        end = call.end or time.perf_counter()
        seconds = end - call.start
        sum_before = self._recorder.response_sum_ms
        self._hold(ticket, endpoint, Outcome.INVALID, end, seconds * 1000, 0)
        self._last[ticket] = call
        self._recorder.response_sum_ms = sum_before

    def abandon(self) -> None:
        """The drain is over: every request and every ticket still open becomes an unfinished sample, and no other follows."""
        self._over = True
        for user, ticket in list(self._tickets.items()):
            self._keep_pending(ticket)
            for call in ticket.calls:
                self._keep_unfinished(ticket, call.method, call.name, call.start)
            if not ticket.calls and ticket.requests == 0:
                self.requests_started += 1
                self._keep_unfinished(ticket, "TASK", type(user).__name__, ticket.due)
        self._tickets.clear()
        for pacer in self._pacers:
            for ticket in pacer.waiting():
                self.requests_started += 1
                self._keep_unfinished(ticket, "TASK", "(every user was busy)", ticket.due)

    def _keep_unfinished(self, ticket: Ticket, method: str, name: str, start: float) -> None:
        endpoint = self._recorder.endpoint(method, name)
        self._recorder.note_failure(endpoint, Outcome.UNFINISHED, "still open when the drain was over")
        elapsed_ms = (time.perf_counter() - min(start, ticket.due or start)) * 1000
        origin = self._recorder.origin
        self._recorder.keep((
            ticket.target, Outcome.UNFINISHED, endpoint, ticket.number, ticket.segment, 0,
            (ticket.due or start) - origin, start - origin, elapsed_ms, 0.0,
        ))  # fmt: skip


def _current_user() -> User | None:
    """The user whose greenlet this is, for clients that do not pass the user's context on."""
    arguments = getattr(gevent.getcurrent(), "args", ())
    return arguments[0] if arguments and isinstance(arguments[0], User) else None


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
    HttpSession.request = _noting(HttpSession.request, crew, {})
    FastHttpSession.request = _noting(FastHttpSession.request, crew, _MISREAD)


def _noting(request: Callable[..., Any], crew: Crew, misread: Mapping[str, str]) -> Callable[..., Any]:
    def noted(self: Any, method: str, url: str, name: str | None = None, **arguments: Any) -> Any:
        if not misread.keys().isdisjoint(arguments):
            argument = min(misread.keys() & arguments)
            raise MisreadArgumentError(f"FastHttpUser does not understand `{argument}`: {misread[argument]}")
        shown = name or getattr(self, "request_name", None) or url
        call = crew.began(getattr(self, "user", None) or _current_user(), method, shown)
        try:
            return request(self, method, url, name=name, **arguments)
        except Exception:
            # The client itself refused the call, so no answer will ever be reported; the task's exception says why.
            call.end = time.perf_counter()
            raise
        finally:
            call.end = call.end or time.perf_counter()

    return noted
