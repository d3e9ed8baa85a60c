"""Wakes greenlets when they are due. gevent's own timers are late by up to a millisecond, a fifth of a fast answer.

On Linux a timer of the kernel's wakes the event loop to about a tenth of that, and costs nothing while it waits. Elsewhere a
greenlet sleeps until shortly before it is due and yields from there on, which costs CPU.
"""

import ctypes
import heapq
import itertools
import os
import sys
import time
from typing import Any

import gevent
from gevent.hub import Waiter

_NANO = 1_000_000_000
_MONOTONIC = 1
_ABSOLUTE = 1
_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC if sys.platform == "linux" else 0
_COARSE_S = 0.0015


class _Time(ctypes.Structure):
    """`struct itimerspec`: interval, then first expiry, each in seconds and nanoseconds."""

    _fields_ = (
        ("interval_s", ctypes.c_long), ("interval_ns", ctypes.c_long), ("at_s", ctypes.c_long), ("at_ns", ctypes.c_long),
    )  # fmt: skip


class Alarm:
    """Wakes all greenlets of a process.

    Times are those of `time.perf_counter`, which on Linux is the monotonic clock that the kernel's timers know.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, list[Any]]] = []
        self._number = itertools.count()
        self._library = ctypes.CDLL(None, use_errno=True) if _FLAGS else None
        self._timer = self._library.timerfd_create(_MONOTONIC, _FLAGS) if self._library else -1
        self._armed = float("inf")
        # Only while somebody waits may it keep the event loop going.
        self._watcher = gevent.get_hub().loop.io(self._timer, 1) if self._timer >= 0 else None

    def sleep_until(self, due: float) -> None:
        """Block the calling greenlet; not at all if it is due."""
        if due <= time.perf_counter():
            return
        if self._watcher is None:
            _yield_until(due)
            return
        waiter: Waiter[None] = Waiter()
        entry = [waiter]
        heapq.heappush(self._waiting, (due, next(self._number), entry))
        self._arm()
        try:
            waiter.get()
        finally:
            entry.clear()  # a greenlet that was killed meanwhile must not be woken

    def _arm(self) -> None:
        """Set the kernel's timer for the first who waits."""
        due = self._waiting[0][0]
        if due >= self._armed:
            return
        if self._armed == float("inf"):
            self._watcher.start(self._ring)
        self._armed = due
        seconds, rest = divmod(round(due * _NANO), _NANO)
        self._library.timerfd_settime(self._timer, _ABSOLUTE, ctypes.byref(_Time(0, 0, seconds, max(1, rest))), None)

    def _ring(self) -> None:
        """Called by the event loop: wake everybody who is due."""
        try:
            os.read(self._timer, 8)
        except BlockingIOError:
            return  # set anew since it fired
        self._armed = float("inf")
        self._watcher.stop()
        while self._waiting and self._waiting[0][0] <= time.perf_counter():
            entry = heapq.heappop(self._waiting)[2]
            if entry:
                entry[0].switch(None)
        if self._waiting:
            self._arm()


def _yield_until(due: float) -> None:
    """Sleep, and go round the event loop at the end, so that answers are read meanwhile."""
    if (left := due - time.perf_counter()) > _COARSE_S:
        gevent.sleep(left - _COARSE_S)
    while time.perf_counter() < due:
        gevent.sleep(0)
