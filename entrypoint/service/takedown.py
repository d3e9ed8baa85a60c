"""Taking down what the ledger names, now or after a run that was killed."""

from collections.abc import Callable, Mapping
from pathlib import Path

from entrypoint.errors import ServiceError
from entrypoint.service import process_tree
from entrypoint.service.docker import Docker
from entrypoint.service.ledger import Entry, entries, remove_folder, strike


def take_down(entry: Entry, environment: Mapping[str, str]) -> list[str]:
    """Take down everything of one target; nothing of it may be there any more.

    Returns:
        what could not be taken down, a sentence each; empty if all is gone.
    """
    problems = []
    if not process_tree.end(entry.project, entry.leader, entry.leader_began):
        problems.append(f"Processes of {entry.project} could not be ended.")
    if entry.compose:
        problems += _containers_down(entry, environment)
    if not problems:
        remove_folder(entry)
    return problems


def _containers_down(entry: Entry, environment: Mapping[str, str]) -> list[str]:
    try:
        return Docker(environment, Path("/")).down(entry.project)
    except ServiceError as error:
        return [f"The compose project {entry.project} may still be there: {error.what}"]


def teardown_leftovers(
    ledger: Path,
    suite: str,
    say: Callable[[str], None],
    *,
    environment: Mapping[str, str],
    only_dead: bool = False,
) -> int:
    """Take down what runs of a suite left, however they ended. Safe at any time, and twice.

    Args:
        ledger: the folder in which they wrote it down.
        suite: whose targets.
        say: told what is taken down, and what could not be.
        environment: for docker.
        only_dead: leave alone what a conductor that still runs has started.

    Returns:
        how many targets were taken down; what could not be stays in the ledger for the next time.
    """
    count = 0
    for entry in entries(ledger, suite):
        if only_dead and not entry.is_orphan:
            continue
        say(f"Taking down {entry.project}, which an earlier run left.")
        if problems := take_down(entry, environment):
            for problem in problems:
                say(problem)
            continue
        strike(ledger, entry)
        count += 1
    return count
