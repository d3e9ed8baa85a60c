"""Calls back on time. Event loops round their own timers up to whole milliseconds, one of which is a fifth of a fast answer.

On Linux the kernel has timers that an event loop can wait for as for a socket: they are about a tenth of a millisecond late and
cost nothing meanwhile. Standard library alone: the generator's loop and the conductor's use it alike.
"""

import ctypes
import heapq
import itertools
import os
import sys
import time
from collections.abc import Callable

# Where there is no such timer, a loop sleeps until so long before it is due, and goes round and round from there on.
COARSE_S = 0.0015
_NANO = 1_000_000_000
_MONOTONIC = 1
_ABSOLUTE = 1
_NEVER = float("inf")


class _Setting(ctypes.Structure):
    """`struct itimerspec`: interval, then first expiry, each in seconds and nanoseconds."""

    _fields_ = (
        ("interval_s", ctypes.c_long), ("interval_ns", ctypes.c_long), ("at_s", ctypes.c_long), ("at_ns", ctypes.c_long),
    )  # fmt: skip


class Timer:
    """One kernel timer for any number of callbacks, on Linux.

    Times are those of `time.perf_counter`, which there is the monotonic clock that the kernel's timers know. Whoever owns an
    event loop has it wait until `fileno()` can be read, and then calls `ring`.
    """

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None)
        self._descriptor: int = self._library.timerfd_create(_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise OSError("the system gave no timer")
        self._entries: list[tuple[float, int, list[Callable[[], object]]]] = []
        self._number = itertools.count()
        self._set_for = _NEVER

    @classmethod
    def if_there(cls) -> "Timer | None":
        """One, or None where the system has none."""
        try:
            return cls() if sys.platform == "linux" else None
        except (OSError, AttributeError):
            return None

    def fileno(self) -> int:
        """What an event loop waits for."""
        return self._descriptor

    @property
    def waiting(self) -> bool:
        """Whether anybody is still to be called, or was forgotten since."""
        return bool(self._entries)

    def call_at(self, due: float, callback: Callable[[], object]) -> list[Callable[[], object]]:
        """Have `callback` called when it is due, by `ring`; whoever clears what this returns is forgotten."""
        entry = [callback]
        heapq.heappush(self._entries, (due, next(self._number), entry))
        if due < self._set_for:
            self._set(due)
        return entry

    def ring(self) -> None:
        """Call everybody who is due."""
        try:
            os.read(self._descriptor, 8)
        except BlockingIOError:
            return  # it was set anew after it had gone off
        self._set_for = _NEVER
        try:
            while self._entries and self._entries[0][0] <= time.perf_counter():
                for callback in heapq.heappop(self._entries)[2]:
                    callback()
        finally:  # one that fails must not leave the others asleep
            if self._entries and self._entries[0][0] < self._set_for:
                self._set(self._entries[0][0])

    def close(self) -> None:
        """Give the descriptor back; nobody is called any more."""
        self._entries.clear()
        os.close(self._descriptor)

    def _set(self, due: float) -> None:
        self._set_for = due
        seconds, rest = divmod(max(1, round(due * _NANO)), _NANO)
        self._library.timerfd_settime(self._descriptor, _ABSOLUTE, ctypes.byref(_Setting(0, 0, seconds, rest)), None)
