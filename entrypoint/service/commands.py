"""Other programs, run to their end: no shell, an explicit environment, a time limit, and nothing of theirs left running."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from entrypoint.interruption import held_back

_GRACE_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a command ended.

    Attributes:
        code: its exit code, negative for a signal.
        timed_out: whether it was stopped because its time was over.
        out, err: what it printed; empty if that went to a file.
    """

    code: int
    timed_out: bool
    out: str
    err: str

    @property
    def succeeded(self) -> bool:
        """Whether it ended by itself, with 0."""
        return self.code == 0 and not self.timed_out


def run(
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    cwd: Path,
    timeout_s: float,
    output: IO[bytes] | None = None,
) -> Outcome:
    """Run a command in a session of its own, so that a Ctrl-C meant for us does not end it half-way.

    Args:
        arguments: the program and its arguments.
        environment: its whole environment.
        cwd: its working directory.
        timeout_s: after this it is ended, with its session.
        output: a file for all that it prints.

    Raises:
        OSError: there is no such program, or it may not be run.
    """
    child: subprocess.Popen[bytes] | None = None
    try:
        # A signal between its start and our knowing of it would leave it running, unknown to anybody.
        with held_back():
            child = subprocess.Popen(
                list(arguments),
                stdin=subprocess.DEVNULL,
                stdout=output or subprocess.PIPE,
                stderr=output or subprocess.PIPE,
                env=dict(environment),
                cwd=cwd,
                start_new_session=True,
            )
        out, err = child.communicate(timeout=max(timeout_s, 0.01))
        return Outcome(code=child.returncode, timed_out=False, out=_text(out), err=_text(err))
    except subprocess.TimeoutExpired:
        assert child
        out, err = _end(child)
        return Outcome(code=child.returncode, timed_out=True, out=_text(out), err=_text(err))
    except BaseException:
        if child:
            _end(child)
        raise
    finally:
        for stream in (child.stdout, child.stderr) if child else ():
            if stream:
                stream.close()


def _end(child: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    """End all of its session, politely first, and return what it had printed.

    `docker` starts compose in a process group of its own, and is gone long before a build that compose has under way.
    """
    out = err = b""
    for number in (signal.SIGTERM, signal.SIGKILL):
        until = time.monotonic() + _GRACE_S
        for process in _session(child.pid):
            with suppress(psutil.Error):
                process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            out, err = child.communicate(timeout=_GRACE_S)
        while (left := _session(child.pid)) and time.monotonic() < until:
            time.sleep(0.05)
        if not left:
            break
    if child.poll() is None:
        child.wait()
    return out or b"", err or b""


def _session(leader: int) -> list[psutil.Process]:
    """The processes of a session that still run."""
    found = []
    for process in psutil.process_iter():
        with suppress(OSError, psutil.Error):
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _text(printed: bytes | None) -> str:
    return (printed or b"").decode("utf-8", "replace")
