"""Cancel, SIGTERM and our own deadline: each ends the run in order, takes the service down and keeps what there is."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from entrypoint.errors import ExitCode

_HELD_BACK = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)


class Interrupted(BaseException):
    """Somebody or something told us to stop. Not an Exception, so that nothing on the way swallows it.

    Attributes:
        code: for the verdict's reason.
        text: who it was, in a sentence.
        exit_code: what the command ends with.
    """

    def __init__(self, code: str, text: str, exit_code: ExitCode) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.exit_code = exit_code


@contextmanager
def interruptible(timeout_s: float) -> Iterator[None]:
    """Turn SIGINT, SIGTERM and the deadline into `Interrupted` while the block runs."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise Interrupted("interrupted", "The run was cancelled.", ExitCode.INTERRUPTED)

    def terminate(_number: int, _frame: FrameType | None) -> None:
        raise Interrupted("terminated", "The run was terminated.", ExitCode.TERMINATED)

    def expire(_number: int, _frame: FrameType | None) -> None:
        text = f"The whole run took longer than its timeout of {timeout_s:g} s."
        raise Interrupted("timeout", text, ExitCode.NOTHING_ASSERTED)

    handlers = {signal.SIGINT: interrupt, signal.SIGTERM: terminate, signal.SIGALRM: expire}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    signal.setitimer(signal.ITIMER_REAL, timeout_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def held_back() -> Iterator[None]:
    """Hold SIGINT, SIGTERM and the run's own alarm back while this lasts, then raise the first that came.

    For what must not be broken in the middle: taking down, whose every step has a time limit, and starting a process, which
    would otherwise run on unknown to anybody.
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


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ignore SIGINT and SIGTERM while the block runs: the second in which a result is saved and told."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    signal.setitimer(signal.ITIMER_REAL, 0)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
