"""All cases, in the order of the table."""

from collections.abc import Iterator

from tests.faults import baselines, compose, disks, github, locustfiles, machines, names, services, settings
from tests.faults.case import Case, Group

GROUPS: tuple[Group, ...] = (
    compose.FILE,
    compose.START,
    compose.ENGINE,
    services.READY,
    services.LOAD_ON,
    locustfiles.GROUP,
    disks.GROUP,
    baselines.GROUP,
    settings.FILE,
    settings.VALUES,
    settings.PLANS,
    names.GROUP,
    github.GROUP,
    machines.CANCELLED,
    machines.MACHINE,
)


def cases() -> Iterator[Case]:
    """Every case."""
    for group in GROUPS:
        yield from group.cases
