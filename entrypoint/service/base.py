"""The base commit, checked out beside the user's work tree, which stays as it is."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from entrypoint.errors import LoadTestError, ServiceError, SettingsError
from entrypoint.interruption import held_back
from entrypoint.service.commands import Outcome, run
from entrypoint.service.logs import last_lines, shorten, tail
from entrypoint.service.process import parse_command
from entrypoint.settings import model

_LONGEST_S = 600.0
# Who starts us from a git hook hands these down; they would lead git to the user's index.
_OF_A_HOOK = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR"}
# Neither a hook nor a watcher of files may run at a checkout.
_GIT = ("git", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false")
_FETCH = (
    "Fetch it, as in `git fetch origin main`; on GitHub, give actions/checkout `fetch-depth: 0`, "
    "or our action `compare-with: base`, which fetches it."
)


@dataclass(frozen=True, slots=True)
class _Git:
    folder: Path
    environment: Mapping[str, str] = field(repr=False)

    def run(self, *arguments: str) -> Outcome:
        try:
            return run([*_GIT, *arguments], environment=self.environment, cwd=self.folder, timeout_s=_LONGEST_S)
        except OSError as error:
            raise SettingsError(
                f"git could not be started in {self.folder}: {error.strerror}.",
                cause="The base is taken from the repository's history.",
                remedy="Install git, or compare with a committed baseline.",
            ) from None

    def line(self, *arguments: str) -> str:
        """What it prints, or "" if it fails."""
        outcome = self.run(*arguments)
        return outcome.out.removesuffix("\n") if outcome.succeeded else ""


def find_base(
    root: Path,
    base_ref: str,
    environment: Mapping[str, str],
    *,
    merge_group_base: str = "",
    event_base: str = "",
    event_head: str = "",
) -> str:
    """The full id of the commit that HEAD is compared with; it exists here.

    Args:
        root: a folder of the checkout.
        base_ref: commit or branch that the user named, or "".
        environment: the environment of git.
        merge_group_base, event_base, event_head: what the event of a merge queue or a pull request names, or "".

    Raises:
        SettingsError: it cannot be told, or is not here.
    """
    git = _at_top(root, environment)
    if base_ref:
        commit = _existing(git, base_ref, "`base-ref`")
        # A shallow clone may not know how the two are related; what was fetched as the base then is the base.
        return git.line("merge-base", "HEAD", commit) or commit
    if merge_group_base:
        return _existing(git, merge_group_base, "The merge queue's base")
    if event_base and event_head and git.line("rev-parse", "HEAD") == event_head:
        # The head itself was checked out; that it is a merge of something says nothing of the pull request's base.
        return _common(git, _existing(git, event_base, "The pull request's base"))
    if len(parents := _parents(git)) > 1:
        return _existing(git, parents[0], "The first parent of the merge commit HEAD")
    if event_base:
        return _common(git, _existing(git, event_base, "The pull request's base"))
    raise SettingsError(
        "Which commit to compare with could not be told.",
        cause="HEAD is no merge commit, and this is no job of a pull request or merge queue.",
        remedy=f"Give `base-ref`, such as `origin/main`. {_FETCH}",
    )


def is_head(root: Path, commit: str, environment: Mapping[str, str]) -> bool:
    """Whether the checkout is this very commit, without a change to any of its files."""
    git = _at_top(root, environment)
    changed = git.run("status", "--porcelain", "--untracked-files=no")
    return git.line("rev-parse", "HEAD") == commit and changed.succeeded and not changed.out.strip()


def _at_top(root: Path, environment: Mapping[str, str]) -> _Git:
    """Git at the top of the checkout that a folder is in."""
    kept = {name: value for name, value in environment.items() if name not in _OF_A_HOOK}
    git = _Git(root, {**kept, "GIT_TERMINAL_PROMPT": "0"})
    outcome = git.run("rev-parse", "--show-toplevel")
    if outcome.succeeded:
        return _Git(Path(outcome.out.removesuffix("\n")).resolve(), git.environment)
    raise SettingsError(
        f"{root} is not in a git checkout, so there is no base to compare with.",
        cause="There is none, or git refuses it; its last lines say which.",
        remedy="On GitHub, run actions/checkout before; or compare with a committed baseline.",
        log=last_lines(outcome.err),
    )


def _existing(git: _Git, name: str, what: str) -> str:
    if commit := git.line("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"):
        return commit
    raise SettingsError(
        f"{what}: there is no commit {name!r} in this checkout.",
        cause="The name is wrong, or it was not fetched: actions/checkout fetches a single commit.",
        remedy=_FETCH,
    )


def _parents(git: _Git) -> list[str]:
    """The parents that HEAD itself names; git log shows none in a shallow clone."""
    head = git.line("cat-file", "commit", "HEAD").partition("\n\n")[0]
    return [line.removeprefix("parent ") for line in head.splitlines() if line.startswith("parent ")]


def _common(git: _Git, commit: str) -> str:
    if base := git.line("merge-base", "HEAD", commit):
        return base
    raise SettingsError(
        f"No commit is known that HEAD and the pull request's base {commit[:12]} have in common.",
        cause="The clone is shallow, and does not reach back to where they parted.",
        remedy=_FETCH,
    )


def file_of(root: Path, commit: str, path: Path, environment: Mapping[str, str]) -> str | None:
    """The text that a file of the checkout has in a commit; None if it has none there, or lies elsewhere."""
    git = _at_top(root, environment)
    resolved = path.resolve()
    if not resolved.is_relative_to(git.folder):
        return None
    outcome = git.run("cat-file", "blob", f"{commit}:{resolved.relative_to(git.folder).as_posix()}")
    return outcome.out if outcome.succeeded else None


@contextmanager
def checkout(
    root: Path,
    commit: str,
    *,
    folder: Path,
    prepare: str,
    carry: Sequence[str],
    environment: Mapping[str, str],
    log: Path,
) -> Iterator[Path]:
    """A commit in a work tree of its own, which is removed at the end.

    Args:
        root: the folder of the user's checkout whose counterpart is wanted.
        commit: what is checked out.
        folder: a private folder; the work tree is its `base`.
        prepare: command that is run in the counterpart for up to 600 s, or "".
        carry: what git does not have and the base needs too, relative to `root`; what the commit has is not replaced.
        environment: of git and of `prepare`.
        log: the file for what `prepare` prints.

    Yields:
        the counterpart of `root`.

    Raises:
        SettingsError: `carry` or `prepare` cannot be used, or there is no git checkout.
        ServiceError: the commit could not be checked out, has no such folder, or `prepare` failed.
    """
    git = _at_top(root, environment)
    tree = folder.resolve() / "base"
    try:
        base_root = _added(git, tree, commit, root.resolve().relative_to(git.folder))
        for given in carry:
            _carry(root.resolve(), given, base_root, tree)
        # Compose reads it for interpolation, and hardly anybody has it in git.
        if (root / ".env").is_file():
            _copy(root / ".env", base_root / ".env")
        if prepare:
            _prepare(prepare, base_root, git.environment, log)
        yield base_root
    finally:
        with held_back():
            _remove(git, tree)


def _added(git: _Git, tree: Path, commit: str, inside: Path) -> Path:
    outcome = git.run("worktree", "add", "--detach", "--force", str(tree), commit)
    if not outcome.succeeded:
        raise ServiceError(
            f"The base commit {commit[:12]} could not be checked out.",
            cause=f"It was not done after {_LONGEST_S:g} s." if outcome.timed_out else "",
            remedy="The last lines of `git worktree add` say why.",
            log=last_lines(outcome.err),
        )
    found = (tree / inside).resolve()
    if not (found.is_dir() and found.is_relative_to(tree)):
        raise ServiceError(
            f"The base commit {commit[:12]} has no folder {inside}.",
            cause="The folder is new, or was moved since.",
            remedy="There is nothing to compare with yet: give another `base-ref`, or `compare-with: none`.",
        )
    return tree / inside


def _remove(git: _Git, tree: Path) -> None:
    """Remove a work tree from disk and from git's list; it does not raise.

    `git worktree prune` would strike the user's own trees whose disk is away just now. Forced twice, `remove` takes one
    whose making was broken off; once the folder is gone, also one that git could not empty.
    """
    for _ in range(2):
        with suppress(LoadTestError):
            git.run("worktree", "remove", "--force", "--force", str(tree))
        shutil.rmtree(tree, ignore_errors=True)


def _carry(root: Path, given: str, base_root: Path, tree: Path) -> None:
    relative = Path(os.path.relpath(root / given, root))
    source, target = (root / relative).resolve(), base_root / relative
    why = ""
    if relative.parts[:1] in {(), ("..",)} or not source.is_relative_to(root):
        why = f"it is not a part of {root}"
    elif not source.exists():
        why = "there is no such file or folder"
    elif tree.is_relative_to(source):
        why = "the base's own checkout lies in it"
    elif not target.parent.resolve().is_relative_to(tree):
        why = "a link of the base commit leads out of it there"
    if why:
        raise SettingsError(
            f"`carry`: {given!r} cannot be carried over to the base: {why}.",
            remedy="Name untracked files or folders that the base needs too, from the settings file's folder: `models/`.",
        )
    _copy(source, target)


def _copy(source: Path, target: Path) -> None:
    """Copy what is not there yet; never through a link of the base commit."""

    def kept(folder: str, names: list[str]) -> set[str]:
        inside = Path(folder).relative_to(source)
        return {name for name in names if _has(target / inside / name, Path(folder) / name)}

    if _has(target, source):
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True, ignore=kept)
        else:
            shutil.copy2(source, target)
    except OSError as error:
        raise ServiceError(f"{source} could not be copied to the base: {error.strerror or error}.") from None


def _has(target: Path, source: Path) -> bool:
    """Whether something is there already, other than two folders that can be merged."""
    folders = all(path.is_dir() and not path.is_symlink() for path in (target, source))
    return os.path.lexists(target) and not folders


def _prepare(command: str, base_root: Path, environment: Mapping[str, str], log: Path) -> None:
    arguments = parse_command(command, "prepare")
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            outcome = run(arguments, environment=environment, cwd=base_root, timeout_s=_LONGEST_S, output=output)
    except OSError as error:
        raise SettingsError(
            f"`prepare`: `{arguments[0]}` could not be started in the base's {base_root}: {error.strerror}.",
            cause="It is not on the PATH there, is not executable, or the base commit does not have it.",
            remedy="Give the program's path, or start a shell yourself: `sh -c '…'`.",
        ) from None
    shorten(log)
    if not outcome.succeeded:
        ending = f"was not done after {_LONGEST_S:g} s" if outcome.timed_out else f"exited with code {outcome.code}"
        raise ServiceError(
            f"`prepare` {ending} in the base's checkout.",
            remedy=f"Its last lines say why; all of them are in {log.name}.",
            log=tail(log),
        )


def rebased(service: model.Service, root: Path, base_root: Path) -> model.Service:
    """The settings of a service with its files in the base's checkout.

    Args:
        service: the settings as the user's checkout has them.
        root: the folder they are from.
        base_root: its counterpart, from `checkout`.

    Returns:
        the same, but for paths in the repository; an `env-file` that the base has not stays where it is.
    """
    tops = _top(root.resolve()), _top(base_root)
    env_files = [(path, _moved(path, *tops)) for path in service.env_file]
    return service.model_copy(
        update={
            "compose_file": [_moved(path, *tops) for path in service.compose_file],
            "env_file": [path if path.exists() and not moved.exists() else moved for path, moved in env_files],
            "ca": service.ca and _moved(service.ca, *tops),
        }
    )


def _top(folder: Path) -> Path:
    """The top of the checkout that a folder is in; a work tree's `.git` is a file."""
    return next((above for above in (folder, *folder.parents) if (above / ".git").exists()), folder)


def _moved(path: Path, top: Path, base_top: Path) -> Path:
    # As it is written first: a link inside the repository may lead elsewhere in the base.
    for name in (Path(os.path.normpath(path)), path.parent.resolve() / path.name):
        if name.is_relative_to(top):
            return base_top / name.relative_to(top)
    return path
