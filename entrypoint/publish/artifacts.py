"""The results that another run of this repository has uploaded. What is in them is anybody's: nothing is unpacked.

Of each archive one member is read, `result.json`, in memory and up to a limit; names, links and sizes within the archive
are never used for anything else.
"""

from __future__ import annotations

import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from entrypoint.publish import client, refusals
from entrypoint.publish.patience import Deadline, Patience, persist
from entrypoint.publish.refusals import Trouble
from entrypoint.settings.runner import Runner

if TYPE_CHECKING:
    from github.Artifact import Artifact

_PREFIX = "ml-loadtest-"
_MEMBER = "result.json"
_MOST_ARTIFACTS = 100
_LARGEST_ARCHIVE = 200 * 1024 * 1024
_LARGEST_RESULT = 10 * 1024 * 1024
_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A `result.json`: the artifact's name and page, and what is in the file."""

    name: str
    url: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """An artifact, or all of them, that could not be had."""

    why: str


class UnfitError(Exception):
    """The archive is not what an upload of ours looks like."""


def fetch(runner: Runner, patience: Patience) -> Iterator[Fetched | Refused]:
    """What the measured run has uploaded, one by one, so that only one is in memory at a time.

    Args:
        runner: under `workflow_run`.
        patience: how long to bear with GitHub, for the list and for each artifact.
    """
    if runner.measured is None:
        yield Refused(why="this workflow was not started by `workflow_run`, so there is no run to take results from")
        return
    listed = persist(lambda deadline: _list(runner, deadline), patience)
    if isinstance(listed, Trouble):
        yield Refused(why=refusals.explain_artifacts(listed, runner))
        return
    if not listed:
        yield Refused(why=f"run {runner.measured.run_id} has uploaded no results")
    for artifact in listed[:_MOST_ARTIFACTS]:
        got = persist(lambda deadline, artifact=artifact: _fetch_one(artifact, runner, deadline), patience)  # type: ignore[misc]
        yield Refused(why=refusals.explain_artifacts(got, runner)) if isinstance(got, Trouble) else got


def _list(runner: Runner, deadline: Deadline) -> list[Artifact]:
    """Our artifacts of the run, the newest of each name: an earlier attempt may have left one."""
    assert runner.measured
    with client.connected(runner, deadline.answer_s) as github:
        run = github.get_repo(runner.repository).get_workflow_run(int(runner.measured.run_id))
        newest = {}
        for artifact in sorted(client.artifacts(run, deadline.left_s), key=lambda each: each.id):
            if artifact.name.startswith(_PREFIX) and not artifact.expired:
                newest[artifact.name] = artifact
        return list(newest.values())


def _fetch_one(artifact: Artifact, runner: Runner, deadline: Deadline) -> Fetched | Refused:
    assert runner.measured
    if artifact.size_in_bytes > _LARGEST_ARCHIVE:
        return Refused(why=f"artifact {artifact.name} is larger than {_LARGEST_ARCHIVE // 1024**2} MB")
    try:
        with tempfile.TemporaryFile() as file:
            _download(artifact, runner, deadline, file)
            content = read_member(file)
    except UnfitError as unfit:
        return Refused(why=f"artifact {artifact.name} {unfit}")
    return Fetched(name=artifact.name, url=f"{runner.measured.run_url}/artifacts/{artifact.id}", content=content)


def _download(artifact: Artifact, runner: Runner, deadline: Deadline, file: IO[bytes]) -> None:
    taken = 0
    for chunk in client.download(runner, artifact.id, deadline.answer_s, _CHUNK):
        taken += len(chunk)
        if taken > _LARGEST_ARCHIVE:
            raise UnfitError(f"is larger than {_LARGEST_ARCHIVE // 1024**2} MB")
        if deadline.left_s() <= 0:
            raise TimeoutError
        file.write(chunk)


def read_member(file: IO[bytes]) -> bytes:
    """The one member that is read. The size that an archive claims is not believed; reading just stops.

    Raises:
        UnfitError: if it is not there, or larger than a result is.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            if archive.namelist().count(_MEMBER) != 1:
                raise UnfitError(f"does not hold one {_MEMBER}")
            with archive.open(_MEMBER) as member:
                content = member.read(_LARGEST_RESULT + 1)
    # What the standard library raises for damaged, encrypted and unknown archives.
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError) as error:
        raise UnfitError(f"is not a zip archive that can be read ({type(error).__name__})") from error
    if len(content) > _LARGEST_RESULT:
        raise UnfitError(f"holds a {_MEMBER} larger than {_LARGEST_RESULT // 1024**2} MB")
    return content
