"""Signals that have to wait until the service is down."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def held_back(say: Callable[[str], None]) -> Iterator[None]:
    """Hold SIGINT and SIGTERM back while this lasts, then raise the first that came.

    A second Ctrl-C would otherwise break the taking down in the middle. Every step of it has a time limit.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        caught.append(number)
        say("Interrupted; the service is taken down first.")

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
        if caught:
            signal.raise_signal(caught[0])
