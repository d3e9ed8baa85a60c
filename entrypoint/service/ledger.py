"""What must be taken down, written down before it is started, so that a killed run can be cleaned up after."""

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from entrypoint.service.place import Place
from entrypoint.service.process_tree import began, is_same, namespace

_FOLDER_PREFIX = "ml-loadtest-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One target of one run.

    Attributes:
        suite: the suite it belongs to.
        project: its unique name: the compose project, or the mark of its processes.
        compose: whether there may be a compose project of that name.
        owner, owner_began: the conductor's process id and when it began.
        leader, leader_began: the process that leads the service's group, once it is started.
        folder: its private folder.
        namespace: in which the process ids are meant; a job in a container has its own.
    """

    suite: str
    project: str
    compose: bool
    owner: int
    owner_began: float
    folder: str
    leader: int | None = None
    leader_began: float | None = None
    namespace: str = field(default_factory=namespace)

    @property
    def is_orphan(self) -> bool:
        """Whether the conductor that started it is gone, as far as can be seen from here."""
        return self.namespace == namespace() and not is_same(self.owner, self.owner_began)


class Claim:
    """The entry of a target that this process is about to start; `close` it when everything is down."""

    def __init__(self, place: Place, name: str) -> None:
        self._ledger = place.ledger
        project = place.project(name)
        self.entry = Entry(
            suite=place.suite,
            project=project,
            compose=False,
            owner=os.getpid(),
            owner_began=began(os.getpid()) or 0.0,
            folder=str(place.private_parent / f"{_FOLDER_PREFIX}{secrets.token_hex(8)}"),
        )

    @property
    def project(self) -> str:
        """The unique name of what is started."""
        return self.entry.project

    @property
    def folder(self) -> Path:
        """A folder that only this user can read, gone when the target is down."""
        return Path(self.entry.folder)

    def open(self) -> None:
        """Write the entry, then make its private folder."""
        save(self._ledger, self.entry)
        self.folder.mkdir(mode=0o700, parents=True)

    def begin_project(self) -> None:
        """Write down that from now on there may be a compose project."""
        self.entry = replace(self.entry, compose=True)
        save(self._ledger, self.entry)

    def lead(self, pid: int) -> None:
        """Write down the process that leads the service's group."""
        self.entry = replace(self.entry, leader=pid, leader_began=began(pid))
        save(self._ledger, self.entry)

    def close(self) -> None:
        """Strike the entry: nothing of it is left."""
        strike(self._ledger, self.entry)


def save(ledger: Path, entry: Entry) -> None:
    """Write an entry, whole or not at all."""
    ledger.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = ledger / f".{entry.project}.draft"
    draft.write_text(json.dumps(asdict(entry), indent=1), encoding="utf-8")
    draft.replace(_file(ledger, entry))


def strike(ledger: Path, entry: Entry) -> None:
    """Remove an entry."""
    _file(ledger, entry).unlink(missing_ok=True)


def entries(ledger: Path, suite: str) -> Iterator[Entry]:
    """The entries of a suite. Files that are none of ours are passed over, and a folder that is somebody else's."""
    if not ledger.is_dir() or ledger.stat().st_uid != os.getuid():
        return
    for file in sorted(ledger.glob("mlt-*.json")):
        try:
            entry = Entry(**json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            continue
        if entry.suite == suite and file.name == f"{entry.project}.json":
            yield entry


def remove_folder(entry: Entry) -> None:
    """Remove the private folder, and nothing that does not look like one."""
    folder = Path(entry.folder)
    if folder.name.startswith(_FOLDER_PREFIX):
        shutil.rmtree(folder, ignore_errors=True)


def _file(ledger: Path, entry: Entry) -> Path:
    return ledger / f"{entry.project}.json"
