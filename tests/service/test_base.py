"""The base commit beside the user's work tree, with real git: what is found, what is made, and that nothing is left."""

import os
import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from entrypoint.errors import ExitCode, LoadTestError, ServiceError, SettingsError
from entrypoint.interruption import Interrupted, interruptible
from entrypoint.service.base import checkout, file_of, find_base, rebased
from tests.service.conftest import settings

_IDENTITY = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main")


def git(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    command = ["git", *_IDENTITY, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(folder: Path, name: str, text: str = "") -> str:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text or name)
    git(folder, "add", name)
    git(folder, "commit", "--quiet", "--message", name)
    return git(folder, "rev-parse", "HEAD")


class History:
    """A main that moved on since a topic left it, and a merge of both as GitHub makes it; HEAD is the topic.

    fork ─ moved     main
      └─── topic     HEAD
    moved + topic = merge
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        git(folder, "init", "--quiet")
        self.fork = commit(folder, "app/server.py", "old")
        git(folder, "checkout", "--quiet", "-b", "topic")
        self.topic = commit(folder, "app/server.py", "new")
        git(folder, "checkout", "--quiet", "main")
        self.moved = commit(folder, "moved.txt")
        git(folder, "checkout", "--quiet", "-b", "merged")
        git(folder, "merge", "--quiet", "--no-ff", "--message", "merge", "topic")
        self.merge = git(folder, "rev-parse", "HEAD")
        git(folder, "checkout", "--quiet", "topic")

    def state(self) -> list[str]:
        """Everything of the user's that must stay as it is."""
        return [
            git(self.folder, "status", "--porcelain", "--ignored"),
            git(self.folder, "rev-parse", "HEAD"),
            git(self.folder, "symbolic-ref", "HEAD"),
            git(self.folder, "worktree", "list", "--porcelain"),
            git(self.folder, "for-each-ref"),
            git(self.folder, "stash", "list"),
            git(self.folder, "ls-files", "--stage"),
            (self.folder / ".git/config").read_text(),
        ]


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "repository")


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return {**environment, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}


@pytest.fixture
def private(tmp_path: Path) -> Path:
    folder = tmp_path / "private"
    folder.mkdir()
    return folder


@pytest.fixture
def base(history, environment, private, tmp_path):
    """`checkout` of the fork, with whatever a test gives instead."""

    def opened(root: Path = history.folder, at: str = history.fork, **given):
        log = tmp_path / "logs/prepare.log"
        known = {"folder": private, "prepare": "", "carry": [], "environment": environment, "log": log}
        return checkout(root, at, **{**known, **given})

    return opened


@pytest.fixture
def unharmed(history: History, private: Path):
    """Work in progress, which is the same after the test; of the base nothing is left."""
    (history.folder / "app/server.py").write_text("edited")
    (history.folder / "staged.txt").write_text("staged")
    git(history.folder, "add", "staged.txt")
    (history.folder / "notes.txt").write_text("untracked")
    git(history.folder, "worktree", "add", "--quiet", str(private.parent / "away"), "main")
    (private.parent / "away").rename(private.parent / "unplugged")
    before = history.state()
    yield
    assert history.state() == before
    assert list(private.iterdir()) == []


# The base is found.


@pytest.mark.parametrize("ref", ["main", "moved", "fork"])
def test_a_branch_or_commit_that_is_given_stands_for_where_head_left_it(history, environment, ref):
    named = getattr(history, ref, ref)
    assert find_base(history.folder, named, environment) == history.fork


def test_an_ancestor_that_is_given_is_the_base_itself_and_comes_before_every_event(history, environment):
    git(history.folder, "checkout", "--quiet", "merged")
    known = {"merge_group_base": history.fork, "event_base": history.fork}
    assert find_base(history.folder, "main", environment, **known) == history.moved
    assert find_base(history.folder, history.topic[:10], environment, **known) == history.topic


def test_head_itself_may_be_the_base(history, environment):
    assert find_base(history.folder, "HEAD", environment) == history.topic


def test_a_merge_queue_names_its_base(history, environment):
    git(history.folder, "checkout", "--quiet", "merged")
    found = find_base(history.folder, "", environment, merge_group_base=history.topic, event_base=history.fork)
    assert found == history.topic


def test_the_base_of_a_merge_commit_is_its_first_parent(history, environment):
    git(history.folder, "checkout", "--quiet", "--detach", "merged")
    assert find_base(history.folder / "app", "", environment, event_base=history.fork) == history.moved


def test_the_base_of_a_branch_that_is_behind_is_where_it_left(history, environment):
    assert find_base(history.folder, "", environment, event_base=history.moved) == history.fork


def test_a_branch_without_an_event_has_no_base(history, environment):
    with pytest.raises(SettingsError, match="could not be told") as caught:
        find_base(history.folder, "", environment)
    assert "`base-ref`, such as `origin/main`" in caught.value.remedy


@pytest.mark.parametrize("ref", ["nowhere", "f" * 40, "--help", "HEAD:app"])
def test_a_commit_that_is_not_here_has_to_be_fetched(history, environment, ref):
    with pytest.raises(SettingsError, match=f"`base-ref`: there is no commit '{ref}'") as caught:
        find_base(history.folder, ref, environment)
    assert "`fetch-depth: 0`" in caught.value.remedy
    for event in ("merge_group_base", "event_base"):
        with pytest.raises(SettingsError, match="there is no commit"):
            find_base(history.folder, "", environment, **{event: "f" * 40})


def shallow(history: History, branch: str) -> Path:
    """A clone as actions/checkout makes it."""
    clone = history.folder.parent / "shallow"
    source = f"file://{history.folder}"
    git(history.folder.parent, "clone", "--quiet", "--depth=1", f"--branch={branch}", source, str(clone))
    return clone


def test_a_shallow_clone_of_a_merge_commit_lacks_the_parent_until_it_is_fetched(history, environment):
    clone = shallow(history, "merged")
    with pytest.raises(SettingsError, match=f"first parent of the merge commit HEAD.*{history.moved}") as caught:
        find_base(clone, "", environment)
    assert "git fetch" in caught.value.remedy
    git(clone, "fetch", "--quiet", "--depth=1", "origin", "main")
    assert find_base(clone, "", environment) == history.moved
    assert find_base(clone, history.moved, environment) == history.moved


def test_a_shallow_clone_does_not_reach_to_where_a_branch_left(history, environment):
    clone = shallow(history, "topic")
    git(clone, "fetch", "--quiet", "--depth=1", "origin", "main")
    with pytest.raises(SettingsError, match="have in common") as caught:
        find_base(clone, "", environment, event_base=history.moved)
    assert "fetch-depth: 0" in caught.value.remedy


def test_a_folder_without_git_has_no_base(tmp_path, environment):
    with pytest.raises(SettingsError, match="not in a git checkout") as caught:
        find_base(tmp_path, "main", environment)
    assert "not a git repository" in caught.value.log
    with pytest.raises(SettingsError, match="git could not be started"):
        find_base(tmp_path / "nowhere", "main", environment)


# It is checked out, and nothing is left of it.


@pytest.mark.usefixtures("unharmed")
def test_the_base_is_there_until_the_end(history, base):
    with base() as base_root:
        assert (base_root / "app/server.py").read_text() == "old"
        assert git(base_root, "rev-parse", "HEAD") == history.fork
        assert not (base_root / "notes.txt").exists()
        (base_root / "app/server.py").write_text("built")
        (base_root / "left").mkdir()


@pytest.mark.usefixtures("unharmed")
def test_a_subfolder_has_its_counterpart(history, base, private):
    with base(history.folder / "app") as base_root:
        assert base_root == private / "base/app"
        assert (base_root / "server.py").read_text() == "old"


@pytest.mark.usefixtures("unharmed")
def test_a_failure_of_the_run_goes_through(base):
    with pytest.raises(ZeroDivisionError), base():
        raise ZeroDivisionError


@pytest.mark.usefixtures("unharmed")
def test_a_base_whose_folder_is_gone_is_struck_too(base, private):
    with base():
        (private / "base").rename(private.parent / "elsewhere")


@pytest.mark.usefixtures("unharmed")
def test_a_cancelled_preparation_leaves_nothing(base):
    prepare = shlex.join(["sh", "-c", f"kill -INT {os.getpid()}; sleep 30"])
    assert threading.current_thread() is threading.main_thread()
    with pytest.raises(Interrupted), interruptible(60), base(prepare=prepare):
        pass
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("unharmed")
def test_a_hook_that_starts_us_does_not_lead_git_to_its_index(history, base, environment):
    ours = {"GIT_DIR": str(history.folder / ".git"), "GIT_INDEX_FILE": str(history.folder / ".git/index")}
    with base(environment={**environment, **ours}, prepare="git rm --quiet app/server.py") as base_root:
        assert not (base_root / "app/server.py").exists()


@pytest.mark.usefixtures("unharmed")
def test_the_users_hooks_do_not_run(history, base, tmp_path):
    hook = history.folder / ".git/hooks/post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    with base():
        pass
    assert not (tmp_path / "ran").exists()
    git(history.folder, "checkout", "--quiet", "topic")
    assert (tmp_path / "ran").exists()


@pytest.mark.usefixtures("unharmed")
def test_a_commit_that_is_not_here_cannot_be_checked_out(base):
    with pytest.raises(ServiceError, match=r"base commit f{12} could not be checked out") as caught, base(at="f" * 40):
        pass
    assert "invalid reference" in caught.value.log
    assert caught.value.exit_code == ExitCode.NOTHING_ASSERTED


def test_a_folder_that_the_base_has_not_is_named(history, base, private):
    (history.folder / "new/deep").mkdir(parents=True)
    with pytest.raises(ServiceError, match=f"base commit {history.fork[:12]} has no folder new/deep"):
        base(history.folder / "new/deep").__enter__()
    assert list(private.iterdir()) == []


# What git does not have is carried over.


def test_untracked_files_and_folders_are_carried(history, base):
    root = history.folder / "app"
    (root / "models/deep").mkdir(parents=True)
    (root / "models/deep/weights").write_text("1 2 3")
    (root / "models/link").symlink_to("deep/weights")
    (root / "data").mkdir()
    (root / "data/one.csv").write_text("1")
    (root / "data/two.csv").write_text("2")
    with base(root, carry=["models/", str(root / "data/one.csv"), "data/../data/one.csv"]) as base_root:
        assert (base_root / "models/deep/weights").read_text() == "1 2 3"
        assert (base_root / "models/link").readlink() == Path("deep/weights")
        assert [path.name for path in (base_root / "data").iterdir()] == ["one.csv"]


def test_what_the_base_has_is_not_replaced_nor_written_through(history, base, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (history.folder / "models").mkdir()
    (history.folder / "models/cache").symlink_to(outside)
    commit(history.folder, "models/settings.json", "of the base")
    git(history.folder, "add", "models")
    git(history.folder, "commit", "--quiet", "--message", "link")
    at = git(history.folder, "rev-parse", "HEAD")
    commit(history.folder, "models/settings.json", "of the head")
    (history.folder / "models/cache").unlink()
    (history.folder / "models/cache").mkdir()
    for name in ("cache/entry", "weights"):
        (history.folder / "models" / name).write_text("untracked")
    with base(at=at, carry=["models"]) as base_root:
        assert (base_root / "models/settings.json").read_text() == "of the base"
        assert (base_root / "models/weights").read_text() == "untracked"
    with pytest.raises(SettingsError, match="a link of the base commit"):
        base(at=at, carry=["models/cache/entry"]).__enter__()
    assert list(outside.iterdir()) == []


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("given", ["../moved.txt", "/etc/hostname", ".", "link", "nowhere", ""])
def test_only_what_is_there_and_inside_can_be_carried(history, base, given):
    link = history.folder / "app/link"
    link.symlink_to("/etc")
    try:
        with pytest.raises(SettingsError, match=f"`carry`: '{given}' cannot be carried"):
            base(history.folder / "app", carry=[given]).__enter__()
    finally:
        link.unlink()


def test_a_folder_with_the_base_in_it_is_not_carried(history, base):
    (history.folder / "temp").mkdir()
    with pytest.raises(SettingsError, match="own checkout lies in it"):
        base(folder=history.folder / "temp", carry=["temp"]).__enter__()
    assert list((history.folder / "temp").iterdir()) == []


def test_the_env_file_of_compose_comes_along_unless_the_base_has_one(history, base):
    (history.folder / ".env").write_text("TAG=untracked")
    with base() as base_root:
        assert (base_root / ".env").read_text() == "TAG=untracked"
    at = commit(history.folder, ".env", "TAG=base")
    (history.folder / ".env").write_text("TAG=edited")
    with base(at=at) as base_root:
        assert (base_root / ".env").read_text() == "TAG=base"


# It is prepared.


@pytest.mark.usefixtures("unharmed")
def test_the_preparation_runs_in_the_base_with_what_was_carried(history, base, environment, tmp_path):
    code = "import os; print(os.environ['GREETING'], open('notes.txt').read()); open('made', 'w')"
    prepare = shlex.join([sys.executable, "-c", code])
    given = {"carry": ["notes.txt"], "environment": {**environment, "GREETING": "hello"}}
    with base(prepare=prepare, **given) as base_root:
        assert (base_root / "made").exists()
    assert (tmp_path / "logs/prepare.log").read_text() == "hello untracked\n"


@pytest.mark.usefixtures("unharmed")
def test_a_preparation_that_fails_shows_its_last_lines(base):
    prepare = "sh -c 'touch made; echo no such wheel >&2; exit 4'"
    with pytest.raises(ServiceError, match="`prepare` exited with code 4") as caught, base(prepare=prepare):
        pass
    assert caught.value.log == "no such wheel"
    assert "prepare.log" in caught.value.remedy


@pytest.mark.usefixtures("unharmed")
def test_a_preparation_has_a_time_limit(base, monkeypatch):
    monkeypatch.setattr("entrypoint.service.base._LONGEST_S", 1.0)
    with pytest.raises(ServiceError, match="`prepare` was not done after 1 s"), base(prepare="sleep 30"):
        pass


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize(("prepare", "said"), [("./nowhere", "could not be started"), ("'", "expected a command")])
def test_a_preparation_that_is_no_command_is_a_mistake_in_the_settings(base, prepare, said):
    with pytest.raises(SettingsError, match=f"`prepare`.*{said}"), base(prepare=prepare):
        pass


# The settings follow.


def test_files_of_the_repository_are_those_of_the_base(history, base):
    app, outside = history.folder / "app", history.folder.parent / "outside.env"
    commit(history.folder, "shared/base.env", "A=1")
    at = commit(history.folder, "app/tracked.env", "A=1")
    (app / "untracked.env").write_text("A=1")
    service = settings(
        compose_file=[str(app / "compose.yml"), str(app / "../shared/compose.yml"), "/opt/compose.yml"],
        service="api",
        port=80,
        env_file=[str(app / name) for name in ("tracked.env", "untracked.env", "../shared/base.env", "nowhere.env")]
        + [str(outside)],
        ca=str(app / "ca.pem"),
    )
    with base(app, at=at) as base_root:
        moved = rebased(service, app, base_root)
        top = base_root.parent
        assert moved.compose_file == [base_root / "compose.yml", top / "shared/compose.yml", Path("/opt/compose.yml")]
        tracked, untracked, shared, nowhere, other = moved.env_file
        assert (tracked, untracked) == (base_root / "tracked.env", app / "untracked.env")
        assert (shared, nowhere, other) == (top / "shared/base.env", base_root / "nowhere.env", outside)
        assert moved.ca == base_root / "ca.pem"
    same = {"compose_file", "env_file", "ca"}
    assert moved.model_dump(exclude=same) == service.model_dump(exclude=same)


def test_a_path_by_way_of_a_link_to_the_checkout_moves_too(history, base, tmp_path):
    (tmp_path / "link").symlink_to(history.folder)
    service = settings(compose_file=str(tmp_path / "link/compose.yml"), service="api", port=80)
    with base() as base_root:
        assert rebased(service, history.folder, base_root).compose_file == [base_root / "compose.yml"]


def test_a_service_without_files_stays_as_it_is(tmp_path):
    service = settings(command="serve {port}")
    assert rebased(service, tmp_path / "root", tmp_path / "base") == service


def test_every_error_here_is_one_that_the_user_understands(history, base):
    with pytest.raises(LoadTestError) as caught:
        base(history.folder.parent).__enter__()
    assert "not in a git checkout" in str(caught.value)


def test_a_file_of_another_commit_is_read_without_touching_the_work_tree(history):
    before = history.state()
    path = history.folder / "app" / "server.py"
    assert file_of(history.folder, history.fork, path, os.environ) == "old"
    assert file_of(history.folder / "app", history.topic, path, os.environ) == "new"
    assert history.state() == before


def test_a_file_that_a_commit_has_not_or_that_lies_elsewhere_has_no_text(history, tmp_path):
    assert file_of(history.folder, history.fork, history.folder / "moved.txt", os.environ) is None
    assert file_of(history.folder, history.fork, tmp_path / "elsewhere.json", os.environ) is None
