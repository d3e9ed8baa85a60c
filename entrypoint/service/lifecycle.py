"""A service from its start to its end: up, ready, set up, used; and whatever happens, its logs kept and all of it down."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from entrypoint.errors import LoadTestError, ServiceError
from entrypoint.interruption import held_back
from entrypoint.service.compose import ComposeService
from entrypoint.service.deadline import Deadline, timed
from entrypoint.service.launcher import Launcher
from entrypoint.service.ledger import Claim
from entrypoint.service.place import Place
from entrypoint.service.process import ProcessService
from entrypoint.service.readiness import wait_until_ready
from entrypoint.service.resources import RESOURCES, sampled
from entrypoint.service.setup import set_up
from entrypoint.service.takedown import take_down
from entrypoint.service.target import Target
from entrypoint.service.url import UrlService, shown
from entrypoint.settings import model

Say = Callable[[str], None]


@contextmanager
def running(service: model.Service, *, name: str, place: Place, say: Say) -> Iterator[Target]:
    """A service while it is up and ready.

    Args:
        service: its settings.
        name: `candidate`, `base` or `reference`.
        place: its names, folders and environment.
        say: told of each step, a sentence each.

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
        with sampled(launcher.gauges(), place.logs / RESOURCES):
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
        _wait(launcher, service.ready, deadline)
    launcher.settle()
    say(
        f"The {launcher.name} is ready at {shown(launcher.url)} after {service.ready.timeout_s - deadline.left_s:.1f} s."
    )
    if service.setup:
        say("Running `setup`.")
        with timed(launcher.timing, "setup"):
            set_up(service, launcher.url, place, project)


def _wait(launcher: Launcher, ready: model.Ready, deadline: Deadline) -> None:
    path = f"/{ready.path.lstrip('/')}"

    def look() -> str:
        url = launcher.look()
        return f"{url}{path}" if url else ""

    if said := wait_until_ready(look, launcher.access, deadline):
        raise ServiceError(
            f"The {launcher.name} was not ready within {ready.timeout_s:g} s.",
            cause=f"`GET {path}` has to be answered with a status below 400; at the last request {said}.",
            remedy=f"{launcher.hint} See also `ready.path` and `ready.timeout`.",
            log=launcher.log_tail(),
        )


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
