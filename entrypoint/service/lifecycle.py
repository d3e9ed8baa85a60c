"""A service from its start to its end: up, ready, set up, used; and whatever happens, its logs kept and all of it down."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from entrypoint.errors import LoadTestError, ServiceError
from entrypoint.interruption import held_back
from entrypoint.service.compose import ComposeService
from entrypoint.service.cpu import COUNTED, counted
from entrypoint.service.deadline import Deadline, timed
from entrypoint.service.launcher import Launcher
from entrypoint.service.ledger import Claim
from entrypoint.service.place import Place
from entrypoint.service.process import ProcessService
from entrypoint.service.prometheus import PAGES, watched
from entrypoint.service.readiness import Question, Readiness, wait_until_ready
from entrypoint.service.resources import RESOURCES, sampled
from entrypoint.service.setup import set_up
from entrypoint.service.takedown import take_down
from entrypoint.service.target import Target
from entrypoint.service.url import UrlService, shown
from entrypoint.settings import model

# Right answers for each replica: a balancer that takes them in turn has then asked every one.
_A_REPLICA = 2
Say = Callable[[str], None]


@contextmanager
def running(service: model.Service, *, name: str, place: Place, say: Say, in_turns: bool = False) -> Iterator[Target]:
    """A service while it is up and ready.

    Args:
        service: its settings.
        name: `candidate`, `base` or `reference`.
        place: its names, folders and environment.
        say: told of each step, a sentence each.
        in_turns: whether another service is loaded in turns with it, so that its processor time is read ten times a second, and
            its page for Prometheus is not read.

    Yields:
        the target; its `timing` has `teardown` too, after the end.

    Raises:
        SettingsError: the settings, or a file they name, cannot be used.
        ServiceError: it could not be started, never became ready, or its `setup` failed.
    """
    claim = Claim(place, name)
    launcher = _launcher(service, name, place, claim, say)
    place.logs.mkdir(parents=True, exist_ok=True)
    try:
        claim.open()
        _bring_up(launcher, service, place, claim.project, say)
        gauges = launcher.gauges()
        pages = watched(
            launcher.addresses(), None if in_turns else service.prometheus, launcher.access, place.logs / PAGES
        )
        with pages, sampled(gauges, place.logs / RESOURCES), counted(gauges if in_turns else [], place.logs / COUNTED):
            yield launcher
    finally:
        with held_back(), timed(launcher.timing, "teardown"):
            _bring_down(launcher, place, claim, say)


def _launcher(service: model.Service, name: str, place: Place, claim: Claim, say: Say) -> Launcher:
    if service.compose_file:
        return ComposeService(service, name, place, claim, say)
    if service.command:
        return ProcessService(service, name, place, claim)
    return UrlService(service, name, place)


def _bring_up(launcher: Launcher, service: model.Service, place: Place, project: str, say: Say) -> None:
    with timed(launcher.timing, "build"):
        launcher.prepare()
    deadline = Deadline(service.ready.timeout_s)
    with timed(launcher.timing, "start"):
        launcher.start(deadline)
    with timed(launcher.timing, "ready"):
        found = _wait(launcher, service.ready, deadline)
    if not service.url:
        launcher.readiness = found
    launcher.settle()
    say(
        f"The {launcher.name} is ready at {shown(launcher.url)} after {service.ready.timeout_s - deadline.left_s:.1f} s."
    )
    if service.setup:
        say("Running `setup`.")
        with timed(launcher.timing, "setup"):
            set_up(service, launcher.url, place, project)


def _wait(launcher: Launcher, ready: model.Ready, deadline: Deadline) -> Readiness:
    """Wait for right answers; note how long the first one took and how long the others."""
    body = None if ready.body is None else json.dumps(ready.body).encode()
    question = Question(path=f"/{ready.path.lstrip('/')}", body=body, expect=ready.expect)

    def in_a_row() -> int:
        return max(ready.in_a_row, _A_REPLICA * launcher.replicas if launcher.replicas > 1 else 0)

    found = wait_until_ready(launcher.look, launcher.access, deadline, question, in_a_row)
    if found.said:
        raise ServiceError(
            f"The {launcher.name} was not ready within {ready.timeout_s:g} s.",
            cause=f"{question.wanted}; at the last request {found.said}.",
            remedy=f"{launcher.hint} See also `ready.path` and `ready.timeout`.",
            log=launcher.log_tail(),
        )
    return found


def _bring_down(launcher: Launcher, place: Place, claim: Claim, say: Say) -> None:
    """Save the logs and take everything down. It does not raise: why the run ended must not be lost."""
    try:
        launcher.save_logs()
    except (LoadTestError, OSError) as error:
        say(f"The logs of the {launcher.name} could not be saved: {error}")
    problems = take_down(claim.entry, place.environment)
    for problem in problems:
        say(problem)
    if problems:
        say("`ml-loadtest teardown` tries again.")
        return
    launcher.release()
    claim.close()
