"""A history of JSON lines: one run a line, appended under a lock, so that diffs and merges stay simple."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

_WAIT_S = 30.0


def append(path: Path, identity: str, text: str) -> bool:
    """Add a line unless a run with this id is there; says whether it was added.

    Every line ends with a line break, so what stands behind the last one was cut short while it was written. It is
    removed, unless it is whole and only lost its line break to an editor.
    """
    with _locked(path) as file:
        content = file.read()
        if any(_is_run(line, identity) for line in content.splitlines()):
            return False
        whole = content.rfind(b"\n") + 1
        ending = content[whole:]
        if ending and _parsed(ending) is not None:
            whole, text = len(content), f"\n{text}"
        _write(file, whole, f"{text}\n".encode())
    return True


def read(path: Path) -> list[tuple[str, str]]:
    """Every line as (its place, text). A last line that was cut short is none."""
    lines = path.read_bytes().split(b"\n")
    ending = lines.pop()
    if ending.strip() and _parsed(ending) is not None:
        lines.append(ending)
    return [(f"line {number}", line.decode()) for number, line in enumerate(lines, 1) if line.strip()]


@contextmanager
def _locked(path: Path) -> Iterator[BinaryIO]:
    """The file, made if need be, while nobody else of ours has it."""
    with open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666), "r+b", buffering=0) as file:  # noqa: PTH123
        _lock(file)
        yield file


def _lock(file: BinaryIO) -> None:
    """Wait for the lock, but not for ever: a run must end although another one was stopped while it wrote."""
    until = time.monotonic() + _WAIT_S
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise OSError(f"another run has been writing it for {_WAIT_S:g} s") from None
        time.sleep(0.02)


def _write(file: BinaryIO, at: int, line: bytes) -> None:
    """Write a line at its place, whole or not at all."""
    file.truncate(at)
    file.seek(at)
    try:
        written = 0
        while written < len(line):
            written += file.write(line[written:])
        os.fsync(file.fileno())
    except OSError:
        file.truncate(at)
        raise


def _is_run(line: bytes, identity: str) -> bool:
    if json.dumps(identity).encode() not in line and identity.encode() not in line:
        return False
    found = _parsed(line)
    return isinstance(found, dict) and found.get("id") == identity


def _parsed(line: bytes) -> object:
    """The JSON value of a line, None if it is none."""
    try:
        value: object = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value
