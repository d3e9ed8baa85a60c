"""The processes of a target: found by descent, by process group and by a mark in their environment, and ended.

A daemon leaves its group and its parent; it keeps the mark. A program that overwrites its environment's memory loses
the mark; it keeps its group.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil

MARK = "ML_LOADTEST_TARGET"
GRACE_S = 3.0
# Two processes with one id that began within this are taken for the same; the clock may be set in between.
_SAME_S = 1.0
_GONE = (psutil.NoSuchProcess, psutil.AccessDenied, ProcessLookupError)


def began(pid: int) -> float | None:
    """When a process began, in seconds since 1970, or None if there is none."""
    try:
        return psutil.Process(pid).create_time()
    except _GONE:
        return None


def namespace() -> str:
    """In which the ids of this process and of all that it can see are meant."""
    return str(Path("/proc/self/ns/pid").readlink())


def is_same(pid: int, when: float) -> bool:
    """Whether that process still runs, and is not another one with a recycled id."""
    now = began(pid)
    return now is not None and abs(now - when) < _SAME_S and _runs(psutil.Process(pid))


def end(mark: str, leader: int | None = None, leader_began: float | None = None, *, grace_s: float = GRACE_S) -> bool:
    """End every process of a target: SIGTERM, then SIGKILL after `grace_s`.

    Args:
        mark: the value of `MARK` in their environment.
        leader: the process that leads the target's group.
        leader_began: when it began; its group is left alone if another process has its id by now.

    Returns:
        whether all of them are gone.
    """
    known = _family(mark, leader, leader_began)
    _wait(known, psutil.Process.terminate, grace_s)
    known |= _family(mark, leader, leader_began)
    return _wait(known, psutil.Process.kill, 2.0)


def _wait(family: set[psutil.Process], send: Callable[[psutil.Process], None], longest_s: float) -> bool:
    """Send a signal to those that run, and wait until none does."""
    if not (left := [process for process in family if _runs(process)]):
        return True
    for process in left:
        with suppress(*_GONE):
            send(process)
    until = time.monotonic() + longest_s
    while time.monotonic() < until:
        left = [process for process in left if _runs(process)]
        if not left:
            return True
        time.sleep(0.02)
    return False


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except _GONE:
        return False


def _family(mark: str, leader: int | None, leader_began: float | None) -> set[psutil.Process]:
    found = set(_marked(mark))
    if leader is not None and leader_began is not None and _is_ours(leader, leader_began):
        found |= set(_group(leader))
        with suppress(*_GONE):
            found |= {psutil.Process(leader), *psutil.Process(leader).children(recursive=True)}
    return {process for process in found if process.pid != os.getpid()}


def _is_ours(leader: int, when: float) -> bool:
    """The kernel gives no process the id of a group that still has members: a leader that is gone may have left some."""
    now = began(leader)
    return now is None or abs(now - when) < _SAME_S


def _marked(mark: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with suppress(*_GONE, OSError):
            if process.environ().get(MARK) == mark:
                yield process


def _group(leader: int) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with suppress(*_GONE, OSError):
            if os.getpgid(process.pid) == leader == os.getsid(process.pid):
                yield process
