"""Wakes greenlets when they are due; gevent's own timers are late by up to a millisecond."""

import time

import gevent
from gevent.hub import Waiter

from ml_loadtest.timer import COARSE_S, Timer


class Alarm:
    """Wakes all greenlets of a process."""

    def __init__(self) -> None:
        self._timer = Timer.if_there()
        self._watcher = gevent.get_hub().loop.io(self._timer.fileno(), 1) if self._timer else None

    def sleep_until(self, due: float) -> None:
        """Block the calling greenlet until then, on the clock of `time.perf_counter`; not at all if it is due."""
        if due <= time.perf_counter():
            return
        if self._timer is None:
            _yield_until(due)
            return
        # Only while somebody waits may it keep the event loop going.
        if not self._watcher.active:
            self._watcher.start(self._ring)
        waiter: Waiter[None] = Waiter()
        entry = self._timer.call_at(due, lambda: waiter.switch(None))
        try:
            waiter.get()
        finally:
            entry.clear()  # a greenlet that was killed meanwhile must not be woken

    def _ring(self) -> None:
        self._timer.ring()
        if not self._timer.waiting:
            self._watcher.stop()


def _yield_until(due: float) -> None:
    """Sleep, and go round the event loop at the end, so that answers are read meanwhile."""
    if (left := due - time.perf_counter()) > COARSE_S:
        gevent.sleep(left - COARSE_S)
    while time.perf_counter() < due:
        gevent.sleep(0)
