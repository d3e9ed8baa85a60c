"""Signals that have to wait until the service is down."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_HELD_BACK = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)


@contextmanager
def held_back() -> Iterator[None]:
    """Hold SIGINT, SIGTERM and the run's own alarm back while this lasts, then raise the first that came.

    A second Ctrl-C would otherwise break the taking down in the middle. Every step of it has a time limit.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        caught.append(number)

    before = {number: signal.signal(number, note) for number in _HELD_BACK}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
        if caught:
            signal.raise_signal(caught[0])
