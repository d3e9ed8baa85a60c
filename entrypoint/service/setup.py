"""The user's `setup` command, run once when the service is ready."""

from pathlib import Path

from entrypoint.errors import ServiceError, SettingsError
from entrypoint.service.commands import run
from entrypoint.service.logs import shorten, tail
from entrypoint.service.place import Place
from entrypoint.service.process import parse_command
from entrypoint.service.process_tree import MARK
from entrypoint.settings import model

LOG = "setup.log"


def set_up(service: model.Service, url: str, place: Place, project: str) -> None:
    """Run `setup` with the service's address in `SERVICE_URL`.

    Raises:
        SettingsError: there is no such command.
        ServiceError: it failed, or took longer than `ready.timeout`.
    """
    arguments = parse_command(service.setup, "setup")
    variables = {key: str(value) for key, value in service.environment.items()}
    environment = {**place.environment, **variables, "SERVICE_URL": url, MARK: project}
    log = place.logs / LOG
    try:
        with log.open("wb") as output:
            outcome = run(
                arguments, environment=environment, cwd=place.root, timeout_s=service.ready.timeout_s, output=output
            )
    except OSError as error:
        raise SettingsError(
            f"`setup`: `{arguments[0]}` could not be started in {place.root}: {error.strerror}.",
            cause="It is not on the PATH there, or is not executable.",
            remedy="Give the program's path, or start a shell yourself: `sh -c '…'`.",
        ) from None
    shorten(log)
    if not outcome.succeeded:
        raise _failure(outcome.code, service.ready.timeout_s if outcome.timed_out else None, log)


def _failure(code: int, limit_s: float | None, log: Path) -> ServiceError:
    ending = f"exited with code {code}" if limit_s is None else f"was not done after {limit_s:g} s"
    return ServiceError(
        f"`setup` {ending}.",
        cause="" if limit_s is None else "It has the time that `ready.timeout` gives.",
        remedy=f"Its last lines say why; all of them are in {log.name}.",
        log=tail(log),
    )
